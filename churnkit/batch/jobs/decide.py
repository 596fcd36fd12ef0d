"""Decide for a table of customers, once per customer and period, with the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.bundle.decision_records import RecordBuilder
from churnkit.decisions import REASONS, Decisions
from churnkit.decisions.eligibility.exclusions import assigned_holdouts
from churnkit.decisions.reason_codes import CAPPED
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from numpy.typing import NDArray

    from churnkit.bundle.model import RetentionModel
    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.journal import DecisionRecord, Journal

__all__ = ["DecisionPeriod", "PeriodDecisions", "decide_period", "refuse_row_numbers"]

_NUMBERS = ("expected_gain", "gain_low", "gain_high", "cost", "propensity")
_TEXTS = ("action", "reason", "holdout")
_REJECTED = {
    "action": None,
    "reason": "rejected by a person",
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
class PeriodDecisions:
    """Decisions of a table: new ones, and earlier ones of the period.

    Parameters
    ----------
    columns
        (n,) each: action, expected_gain, gain_low, gain_high, cost, reason, propensity,
        explored, holdout.
    fresh
        (n,) whether the decision is new.
    decisions
        The new decisions.
    """

    columns: Mapping[str, Any]
    fresh: NDArray[np.bool_]
    decisions: Decisions


def decide_period(
    model: RetentionModel,
    encoded: Encoded,
    probability: NDArray[np.float64],
    customers: Sequence[str],
    *,
    budget: float | None,
    period: DecisionPeriod,
) -> PeriodDecisions:
    """Decide for each customer without a decision in the period.

    Earlier costs of the period count towards the budget and the capacities. New decisions are
    recorded before this returns; an action that breaks a contact limit because of another program's
    contact is removed.
    """
    from churnkit.journal import read_decision_context

    journal, catalogue = period.journal, model.catalogue
    if journal is not None:
        refuse_row_numbers(model)
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
    columns: dict[str, Any] = decisions.to_columns()
    columns["propensity"] = decisions.propensity.tolist()
    columns["explored"] = decisions.explored.tolist()
    columns["holdout"] = [assigned_holdouts(catalogue, customer) for customer in rest]
    if journal is not None:
        valid = encoded.valid[fresh]
        records = _records(model, rest, decisions, period)
        kept = [record for record, good in zip(records, valid, strict=True) if good]
        written = [r for r in kept if r.customer not in context.no_contact]
        capped = set(journal.record(written, limits=catalogue.contact.limits).capped)
        _remove_capped(columns, [record.key in capped for record in records])
    return PeriodDecisions(_merge(customers, fresh, columns, before), fresh, decisions)


def refuse_row_numbers(model: RetentionModel) -> None:
    """Refuse a journal for a model whose customers are row numbers.

    Raises
    ------
    RecipeError
        If the contract numbers rows: the same number is another customer in the next file.
    """
    entity = model.contract.entity
    if entity.numbered:
        raise RecipeError(
            f"column '{entity.name}' holds row numbers, which name other customers in the next "
            "file: a journal needs ids that stay the same; add them to the table, name them with "
            "entity() and train again"
        )


def _before(
    journal: Journal, policy: str, period: DecisionPeriod, customers: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return the period's earlier decisions by customer."""
    table = journal.decisions(policy=policy, period=period.name, customers=customers)
    rows = table.to_pylist()
    rejected = {row["about"] for row in rows if row["verdict"] in {"reject", "snooze"}}
    earlier = {}
    for row in rows:
        if row["verdict"] == "decide":
            earlier[row["customer"]] = row | (_REJECTED if row["key"] in rejected else {})
    return earlier


def _records(
    model: RetentionModel,
    customers: Sequence[str],
    decisions: Decisions,
    period: DecisionPeriod,
) -> list[DecisionRecord]:
    from churnkit.journal import decision_key

    builder = RecordBuilder(model)
    return [
        record
        for customer, decision in zip(customers, decisions.to_rows(), strict=True)
        for record in builder.records(
            decision,
            customer,
            key=decision_key(model.name, period.name, customer),
            as_of=period.as_of,
            decided_at=period.at or period.as_of,
            period=period.name,
        )
    ]


def _remove_capped(columns: dict[str, Any], capped: Sequence[bool]) -> None:
    for i in np.flatnonzero(capped).tolist():
        columns["action"][i], columns["reason"][i] = None, REASONS[CAPPED]
        columns["propensity"][i], columns["explored"][i] = None, False
        for name in ("expected_gain", "gain_low", "gain_high", "cost"):
            columns[name][i] = 0.0


def _merge(
    customers: Sequence[str],
    fresh: NDArray[np.bool_],
    columns: Mapping[str, Any],
    before: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Merge new and earlier decisions in the customers' order."""
    merged: dict[str, Any] = {}
    indices = np.where(fresh, np.cumsum(fresh) - 1, -1).tolist()
    for name in (*_TEXTS, *_NUMBERS, "explored"):
        column = list(columns[name])
        missing = 0.0 if name in _NUMBERS and name != "propensity" else None
        merged[name] = [
            column[index]
            if index >= 0
            else missing
            if before[customer][name] is None
            else before[customer][name]
            for customer, index in zip(customers, indices, strict=True)
        ]
    return merged
