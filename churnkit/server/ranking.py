"""What a ranked customer is told, and what is written down of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.server.problems import Problem, shape_violation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.decisions import CompiledRanking, Ranked

__all__ = ["ranked_lines", "ranked_row", "refuse_budget", "without"]

Row = dict[str, Any]


def ranked_row(record: Row, ranked: Ranked) -> Row:
    """Add a list to a customer's record: each place has an id of its own, for its outcome."""
    name, slate = record["prediction_id"], ranked.slate
    places = (
        [] if slate is None else zip(slate.options, slate.propensities, slate.values, strict=False)
    )
    options = [
        {"action": action, "prediction_id": f"{name}.{at}", "propensity": chance, "value": value}
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


def ranked_lines(
    row: Row, ranked: Ranked, customer: Mapping[str, Any], compiled: CompiledRanking, version: int
) -> list[Row]:
    """Give the decisions of a ranked customer: one for each place, or one that shows nothing.

    Each keeps what it takes to learn from it later: the customer's columns as they came, and the
    option's features.
    """
    ranking = compiled.ranking
    same = {
        "propensity": 1.0,
        "eligible": ranked.eligible,
        "cost": 0.0,
        "explored": False,
        "reason": ranked.reason,
    }
    if ranked.slate is None:
        return [{**same, "key": row["prediction_id"], "action": None}]
    read = {c.name: customer[c.name] for c in compiled.columns if c.name in customer}
    options = {option.name: option for option in ranking.options}
    lines = []
    for place, told in enumerate(row["options"], start=1):
        option = options[told["action"]]
        lines.append(
            {
                **same,
                "key": told["prediction_id"],
                "action": option.name,
                "action_group": option.group,
                "channel": option.channel,
                "propensity": told["propensity"],
                "cost": option.expected_cost or 0.0,
                "explored": ranked.slate.explored,
                "detail": {
                    "slate": row["prediction_id"],
                    "place": place,
                    "slate_propensity": ranked.slate.slate_propensity,
                    "value": told["value"],
                    "row": read,
                    "features": list(option.features),
                    "state": version,
                },
            }
        )
    return lines


def refuse_budget(columns: Sequence[str] = ("budget",)) -> Problem:
    """Refuse a budget: a list costs nothing that could be weighed."""
    mend = "leave it out: this model ranks options and weighs no costs"
    violations = [shape_violation(column, "unknown_field", mend) for column in columns]
    return Problem(422, "shape", "the body has not the shape of this path", violations=violations)
