"""What came of each customer's first decision, within a horizon, from the journal's tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.evaluation.classification.score_order import EvaluationError

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["Outcomes", "outcomes_after", "outcomes_of_decisions"]

_DAY = 86_400_000_000


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Customers whose horizon has passed, in the order of their first decisions.

    Attributes
    ----------
    customer
        The customers' names.
    value : (n,) sum of the outcome's values within the horizon; 0 where there is none
    holdout
        The holdouts that each was in, as the journal writes them.
    immature
        How many customers were decided on less than a horizon ago, and are left out.
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
    """Sum what came of each customer in the horizon after the first decision.

    Parameters
    ----------
    decisions, outcomes
        The journal's tables.
    kind
        The outcome that counts.
    horizon_days
        From the decision on, the end left out.
    until
        When the tables were read; the latest observation of any kind if not given.

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
    for row, customer in enumerate(customers):  # the journal gives decisions by time
        first.setdefault(customer, row)
    rows = np.fromiter(first.values(), dtype=np.intp, count=len(first))
    end = _end(outcomes, at, until)
    horizon = round(horizon_days * _DAY)
    ripe = rows[at[rows] + horizon <= end]
    names = [customers[row] for row in ripe]
    value = _summed(outcomes, kind, names, at[ripe], horizon)
    return Outcomes(
        tuple(names), value, tuple(holdouts[row] for row in ripe), len(rows) - len(ripe)
    )


def outcomes_of_decisions(
    decisions: pa.Table,
    outcomes: pa.Table,
    *,
    kind: str,
    horizon_days: float,
    until: datetime | None = None,
) -> tuple[pa.Table, NDArray[np.float64]]:
    """Give the decisions whose horizon has passed, and what came of each.

    Outcomes that name their decision count for it alone; the others for each decision of the
    customer in whose horizon they fall.

    Parameters, raises: as `outcomes_after`.
    """
    decided = _decided(decisions)
    at = _micros(decided["decided_at"])
    horizon = round(horizon_days * _DAY)
    ripe = np.flatnonzero(at + horizon <= _end(outcomes, at, until))
    chosen = decided.take(ripe)
    keys = chosen["key"].to_pylist()
    value = _summed(
        outcomes, kind, chosen["customer"].to_pylist(), at[ripe], horizon, decision=keys
    )
    return chosen, value


def _decided(decisions: pa.Table) -> Any:
    import pyarrow.compute as pc

    decided = decisions.filter(pc.equal(decisions["verdict"], "decide"))
    if not decided.num_rows:
        raise EvaluationError(
            "the journal has no decisions: record what is decided (Journal.record) before asking "
            "what came of it"
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


def _summed(
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
        known = sorted(set(outcomes["kind"].to_pylist()))
        raise EvaluationError(
            f"the journal has no outcome '{kind}'; it has: {', '.join(known) or 'none at all'}"
        )
    places: dict[str, list[int]] = {}
    for place, customer in enumerate(customers):
        places.setdefault(customer, []).append(place)
    by_key = {} if decision is None else {key: place for place, key in enumerate(decision)}
    total = np.zeros(len(customers))
    when = _micros(of_kind["observed_at"])
    rows = zip(
        of_kind["customer"].to_pylist(),
        of_kind["decision"].to_pylist(),
        of_kind["value"].to_pylist(),
        when.tolist(),
        strict=True,
    )
    for customer, cause, value, seen in rows:
        if decision is not None and cause is not None:
            mine = [by_key[cause]] if cause in by_key else []
        else:
            mine = places.get(customer, [])
        for place in mine:
            if at[place] <= seen < at[place] + horizon:
                total[place] += value
    return total
