"""Outcomes within a horizon after decisions, from the journal's tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.evaluation.validation import EvaluationError

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["Outcomes", "outcomes_after", "outcomes_of_decisions"]

_DAY = 86_400_000_000


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Outcomes of customers whose horizon has passed, in the order of their first decisions.

    Attributes
    ----------
    customer
        Identifiers of the customers.
    value : (n,) sum of the outcome's values within the horizon; 0 if there is none
    holdout
        Holdouts of each customer, as the journal writes them.
    immature
        Number of customers decided on less than a horizon ago; they are excluded.
    """

    customer: tuple[str, ...]
    value: NDArray[np.float64]
    holdout: tuple[str | None, ...]
    immature: int

    def __len__(self) -> int:
        return len(self.customer)


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
    customers = decided["customer"].to_pylist()
    at = _micros(decided["decided_at"])
    holdouts = decided["holdout"].to_pylist()
    first: dict[str, int] = {}
    for row, customer in enumerate(customers):  # the journal returns decisions by time
        first.setdefault(customer, row)
    rows = np.fromiter(first.values(), dtype=np.intp, count=len(first))
    horizon = round(horizon_days * _DAY)
    mature = rows[at[rows] + horizon <= _end(outcomes, at, until)]
    names = [customers[row] for row in mature]
    value = _sum_values(outcomes, kind, names, at[mature], horizon)
    return Outcomes(
        tuple(names), value, tuple(holdouts[row] for row in mature), len(rows) - len(mature)
    )


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
    keys = chosen["key"].to_pylist()
    value = _sum_values(
        outcomes, kind, chosen["customer"].to_pylist(), at[mature], horizon, decision=keys
    )
    return chosen, value


def _decided(decisions: pa.Table) -> Any:
    import pyarrow.compute as pc

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


def _sum_values(
    outcomes: pa.Table,
    kind: str,
    customers: list[str],
    at: NDArray[np.int64],
    horizon: int,
    *,
    decision: list[str] | None = None,
) -> NDArray[np.float64]:
    import pyarrow.compute as pc

    of_kind = outcomes.filter(pc.equal(outcomes["kind"], kind))
    if not of_kind.num_rows:
        kinds = sorted(set(outcomes["kind"].to_pylist()))
        raise EvaluationError(
            f"the journal has no outcome '{kind}'; it has: {', '.join(kinds) or 'none'}"
        )
    rows_of: dict[str, list[int]] = {}
    for row, customer in enumerate(customers):
        rows_of.setdefault(customer, []).append(row)
    row_of_key = {} if decision is None else {key: row for row, key in enumerate(decision)}
    total = np.zeros(len(customers))
    observations = zip(
        of_kind["customer"].to_pylist(),
        of_kind["decision"].to_pylist(),
        of_kind["value"].to_pylist(),
        _micros(of_kind["observed_at"]).tolist(),
        strict=True,
    )
    for customer, key, value, observed_at in observations:
        if decision is not None and key is not None:
            rows = [row_of_key[key]] if key in row_of_key else []
        else:
            rows = rows_of.get(customer, [])
        for row in rows:
            if at[row] <= observed_at < at[row] + horizon:
                total[row] += value
    return total
