"""Journal records of decisions: one action per customer, or a slate of ranked options."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from churnkit.decisions.eligibility.exclusions import assigned_holdouts
from churnkit.decisions.ranking.bitmask import pack_options
from churnkit.decisions.ranking.compiled import RankingDecision
from churnkit.journal.records import DecisionRecord

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from churnkit.bundle.model import RetentionModel
    from churnkit.decisions import Action, CompiledRanking, Decision

__all__ = ["RecordBuilder", "decision_fields", "place_key", "slate_fields"]


class RecordBuilder:
    """Builds the journal's records of a model's decisions.

    The service, batch jobs and the console all use it, so that a decision is logged with the same
    fields whichever of them made it.

    Parameters
    ----------
    model
        Model with a catalogue or a ranking.
    """

    def __init__(self, model: RetentionModel) -> None:
        self._model = model
        self._actions = {action.name: action for action in model.contents.actions}
        self._shared = {
            "policy": model.name,
            "model": model.name,
            "model_version": model.registered_version or model.version,
            "model_digest": model.digest,
        }

    def records(
        self,
        decision: Decision | RankingDecision,
        customer: str,
        *,
        key: str,
        as_of: date | datetime,
        decided_at: date | datetime,
        period: str | None = None,
        row: Mapping[str, Any] | None = None,
        state: int = 0,
    ) -> list[DecisionRecord]:
        """Return the record of a decision, or one record per place of a slate.

        Parameters
        ----------
        decision
            Action or slate of the customer.
        customer
            Entity id as text.
        key
            Key of the decision or the slate.
        as_of, decided_at
            Day of the customer's row, and time of the decision.
        period
            Period of the decision.
        row
            For a slate, the customer's columns as they were read.
        state
            For a slate, the version of the bandit.

        Raises
        ------
        JournalError
            If the journal cannot hold the record, such as an id of more than 200 characters.
        """
        rules = self._model.contents.rules
        shared: dict[str, Any] = {
            **self._shared,
            "customer": customer,
            "as_of": as_of,
            "decided_at": decided_at,
            "period": period,
            "holdout": None if rules is None else assigned_holdouts(rules, customer),
        }
        if isinstance(decision, RankingDecision):
            ranking = self._model.compiled_ranking
            places = slate_fields(key, decision, row or {}, ranking, state=state)
            return [DecisionRecord(**shared, **place) for place in places]
        fields = decision_fields(decision, self._actions)
        return [DecisionRecord(key=key, **shared, **fields)]


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
        "propensity": min(1.0, decision.propensity) if decision.propensity > 0.0 else None,
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
        "eligible": pack_options(ranked.eligible, compiled.ranking.names),
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
