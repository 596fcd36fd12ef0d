"""What a ranked customer is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.bundle.slate_records import place_key
from churnkit.server.http.problem_details import Problem, shape_violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.decisions import RankingDecision

__all__ = ["ranked_row", "refuse_budget", "without"]

Row = dict[str, Any]


def ranked_row(record: Row, ranked: RankingDecision) -> Row:
    """Add a list to a customer's record: each place has an id of its own, for its outcome."""
    name, slate = record["prediction_id"], ranked.slate
    places = (
        [] if slate is None else zip(slate.options, slate.propensities, slate.values, strict=False)
    )
    options = [
        {
            "action": action,
            "prediction_id": place_key(name, at),
            "propensity": chance,
            "value": value,
        }
        for at, (action, chance, value) in enumerate(places, start=1)
    ]
    return {**record, "action": ranked.action, "reason": ranked.reason, "options": options}


def without(row: Row, capped: set[str], reason: str) -> None:
    """Take out of an answer what a contact limit forbade while it was written down."""
    left = [option for option in row["options"] if option["prediction_id"] not in capped]
    if len(left) < len(row["options"]):
        row["options"] = left
        row["action"] = left[0]["action"] if left else None
        if not left:
            row["reason"] = reason


def refuse_budget(columns: Sequence[str] = ("budget",)) -> Problem:
    """Refuse a budget: a list costs nothing that could be weighed."""
    remedy = "leave it out: this model ranks options and weighs no costs"
    violations = [shape_violation(column, "unknown_field", remedy) for column in columns]
    return Problem(422, "shape", "the body has not the shape of this path", violations=violations)
