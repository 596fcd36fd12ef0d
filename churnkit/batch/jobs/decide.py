"""Decisions for a table of customers, written to the journal once for each customer and period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.bundle.decision_records import decision_fields
from churnkit.decisions import REASONS, Decisions
from churnkit.decisions.eligibility.exclusions import assigned_holdouts
from churnkit.decisions.reason_codes import CAPPED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from numpy.typing import NDArray

    from churnkit.bundle.model import RetentionModel
    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.journal import DecisionRecord, Journal

__all__ = ["Decided", "DecisionPeriod", "decide_once"]

_NUMBERS = ("expected_gain", "gain_low", "gain_high", "cost", "propensity")
_WORDS = ("action", "reason", "holdout")
_TURNED_DOWN = {
    "action": None,
    "reason": "turned down by a person",
    **dict.fromkeys(("expected_gain", "gain_low", "gain_high", "cost"), 0.0),
}


@dataclass(frozen=True, slots=True)
class DecisionPeriod:
    """The day, the period and the journal of a decision run.

    Parameters
    ----------
    as_of
        Day of the decisions.
    at
        Time of the decisions; midnight UTC of `as_of` if None.
    name
        Name of the period, in which each customer gets one decision; the month of `as_of`
        (``"2026-11"``) if empty.
    journal
        Journal that past decisions are read from and new ones are written to; None for none.

    Examples
    --------
    >>> import datetime as dt
    >>> DecisionPeriod(dt.date(2026, 11, 5)).name
    '2026-11'
    """

    as_of: date
    at: datetime | None = None
    name: str = ""
    journal: Journal | None = None

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", f"{self.as_of:%Y-%m}")


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """A table's decisions, some made now and some before.

    Parameters
    ----------
    columns
        (n,) each: action, expected_gain, gain_low, gain_high, cost, reason, propensity,
        explored, holdout.
    fresh
        (n,) whether the decision was made now.
    decisions
        Those that were made now.
    """

    columns: Mapping[str, Any]
    fresh: NDArray[np.bool_]
    decisions: Decisions


def decide_once(
    model: RetentionModel,
    encoded: Encoded,
    probability: NDArray[np.float64],
    customers: Sequence[str],
    *,
    budget: float | None,
    period: DecisionPeriod,
) -> Decided:
    """Decide for each customer, unless the journal has a decision for the period already.

    What the period has spent already counts towards the budget and the capacities. Decisions
    are in the journal before this returns; a contact limit that another program used up in the
    meantime takes the action away.
    """
    from churnkit.journal import read_decision_context

    journal, catalogue = period.journal, model.catalogue
    before = {} if journal is None else _before(journal, model.name, period, customers)
    fresh = np.array([customer not in before for customer in customers], dtype=np.bool_)
    rest = [customer for customer, new in zip(customers, fresh.tolist(), strict=True) if new]
    context = read_decision_context(journal, rest, catalogue, as_of=period.as_of, at=period.at)
    decisions = model.decide_table(
        probability[fresh],
        encoded.matrix[fresh],
        budget=budget,
        context=context,
        used=None if journal is None else journal.used(model.name, period.name),
    )
    made: dict[str, Any] = decisions.to_columns()
    made["propensity"] = decisions.propensity.tolist()
    made["explored"] = decisions.explored.tolist()
    made["holdout"] = [assigned_holdouts(catalogue, customer) for customer in rest]
    if journal is not None:
        valid = encoded.valid[fresh]
        records = _records(model, rest, decisions, made["holdout"], period)
        kept = [record for record, good in zip(records, valid, strict=True) if good]
        written = [r for r in kept if r.customer not in context.no_contact]
        capped = set(journal.record(written, limits=catalogue.contact.limits).capped)
        _take_away(made, [record.key in capped for record in records])
    return Decided(_merged(customers, fresh, made, before), fresh, decisions)


def _before(
    journal: Journal, policy: str, period: DecisionPeriod, customers: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Give the period's decisions that stand, by customer."""
    table = journal.decisions(policy=policy, period=period.name, customers=customers)
    rows = table.to_pylist()
    down = {row["about"] for row in rows if row["verdict"] in {"reject", "snooze"}}
    found = {}
    for row in rows:
        if row["verdict"] == "decide":
            found[row["customer"]] = row | (_TURNED_DOWN if row["key"] in down else {})
    return found


def _records(
    model: RetentionModel,
    customers: Sequence[str],
    decisions: Decisions,
    holdouts: Sequence[str | None],
    period: DecisionPeriod,
) -> list[DecisionRecord]:
    from churnkit.journal import DecisionRecord, decision_key

    policy = model.name
    actions = {action.name: action for action in model.catalogue.actions}
    return [
        DecisionRecord(
            decision_key(policy, period.name, customer),
            customer,
            as_of=period.as_of,
            decided_at=period.at or period.as_of,
            policy=policy,
            model=model.name,
            model_digest=model.digest,
            period=period.name,
            holdout=holdout,
            **decision_fields(decision, actions),
        )
        for customer, decision, holdout in zip(
            customers, decisions.to_rows(), holdouts, strict=True
        )
    ]


def _take_away(made: dict[str, Any], capped: Sequence[bool]) -> None:
    for i in np.flatnonzero(capped).tolist():
        made["action"][i], made["reason"][i] = None, REASONS[CAPPED]
        made["propensity"][i], made["explored"][i] = None, False
        for name in ("expected_gain", "gain_low", "gain_high", "cost"):
            made[name][i] = 0.0


def _merged(
    customers: Sequence[str],
    fresh: NDArray[np.bool_],
    made: Mapping[str, Any],
    before: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Put what was decided now and before in the customers' order."""
    merged: dict[str, Any] = {}
    places = np.where(fresh, np.cumsum(fresh) - 1, -1).tolist()
    for name in (*_WORDS, *_NUMBERS, "explored"):
        column = list(made[name])
        nothing = 0.0 if name in _NUMBERS and name != "propensity" else None
        merged[name] = [
            column[place] if place >= 0 else _known(before[customer][name], nothing)
            for customer, place in zip(customers, places, strict=True)
        ]
    return merged


def _known(value: Any, nothing: Any) -> Any:
    return nothing if value is None else value
