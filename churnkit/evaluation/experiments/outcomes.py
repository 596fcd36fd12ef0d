"""Outcomes within a horizon after decisions, from the journal's tables.

A journal has millions of rows: columns stay Arrow and numpy arrays, and outcomes are joined to
decisions in blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.evaluation.validation import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["Outcomes", "outcomes_after", "outcomes_of_decisions"]

_DAY = 86_400_000_000
# Pairs of an outcome and a decision of its customer that are compared at once.
_MAX_PAIRS = 2_000_000


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Outcomes of customers whose horizon has passed, in the order of their first decisions.

    Attributes
    ----------
    customer : (n,) texts
        Identifiers of the customers.
    value : (n,) sum of the outcome's values within the horizon; 0 if there is none
    holdout : (n,) texts
        Holdouts of each customer, as the journal writes them.
    immature
        Number of customers decided on less than a horizon ago; they are excluded.
    """

    customer: pa.ChunkedArray
    value: NDArray[np.float64]
    holdout: pa.ChunkedArray
    immature: int

    def __len__(self) -> int:
        return len(self.value)


def outcomes_after(
    decisions: pa.Table,
    outcomes: pa.Table,
    *,
    kind: str,
    horizon_days: float,
    until: datetime | None = None,
) -> Outcomes:
    """Sum each customer's outcomes in the horizon after the first decision.

    Parameters
    ----------
    decisions, outcomes
        The journal's tables.
    kind
        The kind of outcome.
    horizon_days
        Length of the horizon from the decision on; its end is excluded.
    until
        Time at which the tables were read; the latest observation of any kind if not given.

    Returns
    -------
    Outcomes

    Raises
    ------
    EvaluationError
        There is no decision, or no outcome of this kind.
    """
    decided = _decided(decisions)
    at = _micros(decided["decided_at"])
    codes, count = _codes(decided["customer"])
    rows = np.empty(count, dtype=np.intp)
    # The journal returns decisions by time, so the last write of a code is its first decision.
    rows[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    horizon = round(horizon_days * _DAY)
    mature = rows[at[rows] + horizon <= _end(outcomes, at, until)]
    chosen = decided.select(["customer", "holdout"]).take(mature)
    value = _sum_values(outcomes, kind, chosen["customer"], at[mature], horizon)
    return Outcomes(chosen["customer"], value, chosen["holdout"], count - len(mature))


def outcomes_of_decisions(
    decisions: pa.Table,
    outcomes: pa.Table,
    *,
    kind: str,
    horizon_days: float,
    until: datetime | None = None,
) -> tuple[pa.Table, NDArray[np.float64]]:
    """Return the decisions whose horizon has passed, and the sum of outcomes of each.

    Outcomes that name a decision count for that decision only; others count for each decision
    of the customer in whose horizon they fall.

    Parameters, raises: as `outcomes_after`.

    Returns
    -------
    table, (n,)
        The decisions, and the sum of outcomes of each.
    """
    decided = _decided(decisions)
    at = _micros(decided["decided_at"])
    horizon = round(horizon_days * _DAY)
    mature = np.flatnonzero(at + horizon <= _end(outcomes, at, until))
    chosen = decided.take(mature)
    value = _sum_values(
        outcomes, kind, chosen["customer"], at[mature], horizon, decision=chosen["key"]
    )
    return chosen, value


def _decided(decisions: pa.Table) -> Any:
    import pyarrow.compute as pc

    decided = decisions
    if "verdict" in decisions.column_names:
        decided = decisions.filter(pc.equal(decisions["verdict"], "decide"))
    if not decided.num_rows:
        raise EvaluationError(
            "the journal has no decisions: log decisions with Journal.record before evaluating them"
        )
    return decided


def _micros(column: Any) -> NDArray[np.int64]:
    import pyarrow as pa

    return np.asarray(column.cast(pa.int64()).to_numpy(), dtype=np.int64)


def _end(outcomes: pa.Table, at: NDArray[np.int64], until: datetime | None) -> int:
    if until is not None:
        return round(until.timestamp() * 1e6)
    if outcomes.num_rows:
        return int(_micros(outcomes["observed_at"]).max())
    return int(at.max())


def _codes(texts: Any) -> tuple[NDArray[np.int64], int]:
    """Number texts by their first appearance; return the numbers and how many there are."""
    import pyarrow.compute as pc

    distinct = pc.unique(texts)
    return _positions(texts, distinct), len(distinct)


def _positions(texts: Any, among: Any) -> NDArray[np.int64]:
    """Return the position of each text among others, -1 if it is not one of them."""
    import pyarrow.compute as pc

    found = pc.fill_null(pc.index_in(texts, value_set=among), -1)
    return np.asarray(found.to_numpy(), dtype=np.int64)


def _sum_values(
    outcomes: pa.Table,
    kind: str,
    customers: Any,
    at: NDArray[np.int64],
    horizon: int,
    *,
    decision: Any = None,
) -> NDArray[np.float64]:
    """Sum the outcomes of each row; those of a row are added in the order of the table."""
    import pyarrow.compute as pc

    of_kind = outcomes.filter(pc.equal(outcomes["kind"], kind))
    if not of_kind.num_rows:
        kinds = sorted(set(outcomes["kind"].to_pylist()))
        raise EvaluationError(
            f"the journal has no outcome '{kind}'; it has: {', '.join(kinds) or 'none'}"
        )
    value = np.asarray(of_kind["value"].to_numpy(), dtype=np.float64)
    observed_at = _micros(of_kind["observed_at"])
    candidates, start, count = _candidates(of_kind, customers, decision)
    total = np.zeros(len(at))
    for block in _blocks(count):
        pair = np.repeat(np.arange(block.start, block.stop), count[block])
        within = np.arange(len(pair)) - np.repeat(
            np.cumsum(count[block]) - count[block], count[block]
        )
        row = candidates[start[pair] + within]
        inside = (at[row] <= observed_at[pair]) & (observed_at[pair] < at[row] + horizon)
        np.add.at(total, row[inside], value[pair[inside]])
    return total


def _candidates(
    outcomes: pa.Table, customers: Any, decision: Any
) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]:
    """Return rows by customer, and for each outcome the range in it of the rows it may count for."""
    import pyarrow.compute as pc

    distinct = pc.unique(customers)
    codes = _positions(customers, distinct)
    rows = np.argsort(codes, kind="stable")
    size = np.bincount(codes, minlength=len(distinct))
    # The last range, for a customer without a row, is empty.
    first, size = np.append(np.cumsum(size) - size, 0), np.append(size, 0)
    code = _positions(outcomes["customer"], distinct)
    start, count = first[code], size[code]
    if decision is not None:
        named = np.asarray(pc.is_valid(outcomes["decision"]).to_numpy(), dtype=bool)
        keys = pc.unique(decision)
        own = _positions(outcomes["decision"].filter(named), keys)
        # The row of a key is the first one, should a key repeat.
        _, first_row = np.unique(_positions(decision, keys), return_index=True)
        own = np.where(own >= 0, np.append(first_row, -1)[own], -1)
        # An outcome that names a decision counts for that one only: a range of one row.
        start[named] = len(rows) + np.maximum(own, 0)
        count[named] = own >= 0
        rows = np.append(rows, np.arange(len(codes)))
    return rows, start, count


def _blocks(count: NDArray[np.int64]) -> Iterator[slice]:
    """Yield slices of outcomes with a bounded number of pairs, at least one outcome each."""
    ends = np.cumsum(count)
    start = 0
    while start < len(count):
        before = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, before + _MAX_PAIRS, side="right"))
        yield slice(start, max(stop, start + 1))
        start = max(stop, start + 1)
