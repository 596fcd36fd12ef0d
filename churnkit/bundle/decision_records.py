"""Journal fields of decisions: one action per customer, or a slate of ranked options."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.decisions import Action, CompiledRanking, Decision, RankingDecision

__all__ = ["decision_fields", "place_key", "slate_fields"]


def decision_fields(decision: Decision, actions: Mapping[str, Action]) -> dict[str, Any]:
    """Return the fields of `churnkit.journal.DecisionRecord` that a decision determines.

    Parameters
    ----------
    decision
        For one customer.
    actions
        The catalogue's actions by name.
    """
    action = None if decision.action is None else actions[decision.action]
    return {
        "action": decision.action,
        "action_group": None if action is None else action.group,
        "channel": None if action is None else action.channel,
        "propensity": min(1.0, decision.propensity),
        "eligible": decision.eligible,
        "expected_gain": decision.expected_gain,
        "gain_low": decision.gain_low,
        "gain_high": decision.gain_high,
        "cost": decision.cost,
        "explored": decision.explored,
        "reason": decision.reason,
    }


def place_key(key: str, place: int) -> str:
    """Return the key of a place of a slate, counted from 1.

    Examples
    --------
    >>> place_key("5f0c-0", 2)
    '5f0c-0.2'
    """
    return f"{key}.{place}"


def slate_fields(
    key: str,
    ranked: RankingDecision,
    customer: Mapping[str, Any],
    compiled: CompiledRanking,
    *,
    state: int,
) -> list[dict[str, Any]]:
    """Return the fields of `churnkit.journal.DecisionRecord` for each place of a slate.

    Parameters
    ----------
    key
        The slate's key.
    ranked
        The slate; an empty one gives one record without an action.
    customer
        The customer's columns as they were read.
    compiled
        The ranking.
    state
        Version of the bandit: how many batches it was updated with.
    """
    shared = {
        "propensity": 1.0,
        "eligible": ranked.eligible,
        "cost": 0.0,
        "explored": False,
        "reason": ranked.reason,
    }
    slate = ranked.slate
    if slate is None:
        return [{**shared, "key": key, "action": None, "propensity": ranked.propensity}]
    columns = [column.name for column in compiled.columns if column.name in customer]
    row = {name: _json_value(customer[name]) for name in columns}
    options = {option.name: option for option in compiled.ranking.options}
    places = zip(slate.options, slate.propensities, slate.values, ranked.costs, strict=True)
    return [
        {
            **shared,
            "key": place_key(key, place),
            "action": action,
            "action_group": options[action].group,
            "channel": options[action].channel,
            "propensity": propensity,
            "cost": cost,
            "explored": slate.explored,
            "detail": {
                "slate": key,
                "place": place,
                "slate_propensity": slate.slate_propensity,
                "value": value,
                "row": row,
                "features": list(options[action].features),
                "state": state,
            },
        }
        for place, (action, propensity, value, cost) in enumerate(places, start=1)
    ]


def _json_value(value: Any) -> Any:
    """Return a value in a form that JSON holds and the contract reads back."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
