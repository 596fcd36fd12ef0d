"""What is written down of a list: a decision for each place, with what it takes to learn from it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.decisions import CompiledRanking, RankingDecision

__all__ = ["place_key", "shown_lines"]


def place_key(name: str, place: int) -> str:
    """Give the key of a place of a list, from 1.

    Examples
    --------
    >>> place_key("5f0c-0", 2)
    '5f0c-0.2'
    """
    return f"{name}.{place}"


def shown_lines(
    name: str,
    ranked: RankingDecision,
    customer: Mapping[str, Any],
    compiled: CompiledRanking,
    *,
    state: int,
) -> list[dict[str, Any]]:
    """Give the parts of the decisions of one customer; see `churnkit.journal.DecisionRecord`.

    Parameters
    ----------
    name
        The list's own key.
    ranked
        What is shown; of nothing a decision is written as well.
    customer
        The columns as they came.
    compiled
        The ranking.
    state
        How many batches were learned from before.
    """
    same = {
        "propensity": 1.0,
        "eligible": ranked.eligible,
        "cost": 0.0,
        "explored": False,
        "reason": ranked.reason,
    }
    slate = ranked.slate
    if slate is None:
        return [{**same, "key": name, "action": None}]
    read = {c.name: _plain(customer[c.name]) for c in compiled.columns if c.name in customer}
    options = {option.name: option for option in compiled.ranking.options}
    lines = []
    for place, (action, chance, value) in enumerate(
        zip(slate.options, slate.propensities, slate.values, strict=False), start=1
    ):
        option = options[action]
        detail = {
            "slate": name,
            "place": place,
            "slate_propensity": slate.slate_propensity,
            "value": value,
            "row": read,
            "features": list(option.features),
            "state": state,
        }
        lines.append(
            {
                **same,
                "key": place_key(name, place),
                "action": action,
                "action_group": option.group,
                "channel": option.channel,
                "propensity": chance,
                "cost": option.expected_cost or 0.0,
                "explored": slate.explored,
                "detail": detail,
            }
        )
    return lines


def _plain(value: Any) -> Any:
    """Give a value as JSON has it; the contract reads its text as well."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
