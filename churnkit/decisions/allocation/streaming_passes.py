"""Passes over the customers, in parts of any order.

A pass returns sums and a small sample of each part, which are merged. Sums are integers, and the
sample has the rows with the smallest keys, so that the result does not depend on the partition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.decisions.allocation.exact_sum import exact_sum
from churnkit.decisions.allocation.problem import AllocationProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from churnkit.decisions.allocation.problem import Floats, Ints

    Keys = NDArray[np.uint64]

__all__ = [
    "BoxPass",
    "BoxResult",
    "CustomerRows",
    "Limits",
    "Sample",
    "SurveyPass",
    "SurveyResult",
    "best_actions",
    "hash_keys",
    "perturbed_gain",
    "run_pass",
]

# Relative perturbation of gains that breaks ties.
_PERTURBATION = 2.0**-20
_MAX_KEY = 2**64 - 1
# Rows evaluated at once, and results merged at once.
_BLOCK = 65_536
_MERGED = 4


@dataclass(frozen=True, slots=True, eq=False)
class CustomerRows:
    """Gains and costs of some customers, in any order.

    Parameters
    ----------
    keys
        (n,) unique pseudo-random key of each customer.
    gain
        (n, m) gains in money; only positive ones are feasible.
    cost
        (n, m) costs in money.
    """

    keys: Keys
    gain: Floats
    cost: Floats

    def subset(self, rows: Any) -> CustomerRows:
        """Return a subset of the rows."""
        return CustomerRows(self.keys[rows], self.gain[rows], self.cost[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """Budget and capacities of a plan.

    Parameters
    ----------
    most
        (1 + k,) budget, then capacities; ``inf`` for no limit.
    uses
        (k, m) 1 where an action counts towards a capacity, else 0.
    closed
        (m,) actions without capacity.
    max_cost
        Maximum cost of a single action.
    """

    most: Floats
    uses: Floats
    closed: NDArray[np.bool_]
    max_cost: float

    @classmethod
    def of(cls, most: Floats, uses: Floats) -> Limits:
        """Build the limits, with the actions that they rule out."""
        closed: NDArray[np.bool_] = np.any((uses > 0.0) & (most[1:, None] < 1.0), axis=0)
        return cls(most, uses, closed, float(most[0]))

    def feasible(self, rows: CustomerRows) -> CustomerRows:
        """Set the gain of infeasible actions to ``-inf`` and their cost to 0."""
        is_feasible = (rows.gain > 0.0) & (rows.cost <= self.max_cost) & (rows.cost < np.inf)
        is_feasible &= ~self.closed
        gain = np.where(is_feasible, rows.gain, -np.inf)
        cost = np.where(is_feasible, rows.cost, 0.0)
        return CustomerRows(rows.keys, gain, cost)

    def problem(
        self, rows: CustomerRows, most: Floats | None = None, base: float = 0.0
    ) -> AllocationProblem:
        """Return the allocation problem of some rows, with ties broken."""
        return AllocationProblem(
            np.ascontiguousarray(perturbed_gain(rows).T),
            tuple(np.ascontiguousarray(rows.cost.T)),
            self.most if most is None else most,
            self.uses,
            base,
        )


def hash_keys(numbers: Keys) -> Keys:
    """Hash integers to unique pseudo-random keys.

    Examples
    --------
    >>> len(set(hash_keys(np.arange(1000, dtype=np.uint64)).tolist()))
    1000
    """
    # Finalizer of SplitMix64, a bijection.
    out = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    out ^= out >> np.uint64(30)
    out *= np.uint64(0xBF58476D1CE4E5B9)
    out ^= out >> np.uint64(27)
    out *= np.uint64(0x94D049BB133111EB)
    out ^= out >> np.uint64(31)
    return out


def perturbed_gain(rows: CustomerRows) -> Floats:
    """Return the gains, (n, m), increased by small random shares to break ties.

    Each action has its own hash of the key: the shares must depend neither on the order of the
    keys, by which samples are drawn, nor on each other, or gains in a simple ratio stay tied.
    """
    offsets = np.arange(rows.gain.shape[1], dtype=np.uint64) * np.uint64(0xD1342543DE82EF95)
    random = (hash_keys(rows.keys[:, None] + offsets) >> np.uint64(11)).astype(np.float64)
    top = np.finfo(np.float64).max
    with np.errstate(over="ignore"):
        return np.minimum(rows.gain * (1.0 + random * (_PERTURBATION * 2.0**-53)), top)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Rows with the smallest keys."""

    rows: CustomerRows

    @classmethod
    def of(cls, rows: CustomerRows, most: int, below: int = _MAX_KEY) -> Sample:
        """Return at most `most` rows, those with the smallest keys, none above `below`."""
        if below < _MAX_KEY:
            rows = rows.subset(rows.keys <= np.uint64(below))
        if rows.keys.shape[0] > most:
            rows = rows.subset(np.argpartition(rows.keys, most - 1)[:most])
        return cls(rows)

    @classmethod
    def merge(cls, parts: Sequence[Sample], most: int) -> Sample:
        """Merge samples: keep the smallest keys."""
        rows = [part.rows for part in parts]
        return cls.of(
            CustomerRows(
                np.concatenate([part.keys for part in rows]),
                np.concatenate([part.gain for part in rows]),
                np.concatenate([part.cost for part in rows]),
            ),
            most,
        )

    def in_order(self) -> CustomerRows:
        """Return the rows by key: a random order that does not depend on the partition."""
        return self.rows.subset(np.argsort(self.rows.keys, kind="stable"))


@dataclass(frozen=True, slots=True, eq=False)
class SurveyResult:
    """Totals of all customers, before any price is known."""

    rows: int
    feasible: int
    """Customers with a feasible action."""
    possible: Ints
    """(k,) customers with a feasible action of each capacity."""
    max_cost: int
    """Exact sum of each customer's most expensive action."""
    counts: Ints
    """(m,) customers of each action if everyone gets the best."""
    cost: int
    """Exact total cost of that."""
    value: int
    """Exact total gain of that."""
    sample: Sample


@dataclass(frozen=True, slots=True, eq=False)
class SurveyPass:
    """Pass that returns totals and a first sample."""

    limits: Limits
    sample: int
    below: int = _MAX_KEY

    def evaluate(self, customers: CustomerRows) -> SurveyResult:
        """Evaluate some customers."""
        rows = self.limits.feasible(customers)
        rows = rows.subset((rows.gain > -np.inf).any(axis=1))
        is_feasible = rows.gain > -np.inf
        best = best_actions(rows.gain)
        count = rows.keys.shape[0]
        index = np.arange(count)
        return SurveyResult(
            rows=customers.keys.shape[0],
            feasible=count,
            possible=np.array(
                [int(is_feasible[:, row > 0.0].any(axis=1).sum()) for row in self.limits.uses],
                dtype=np.int64,
            ),
            max_cost=exact_sum(rows.cost.max(axis=1, initial=0.0)),
            counts=_counts(best, rows.gain.shape[1]),
            cost=exact_sum(rows.cost[index, best]) if count else 0,
            value=exact_sum(rows.gain[index, best]) if count else 0,
            sample=Sample.of(rows, self.sample, self.below),
        )

    def merge(self, parts: Sequence[SurveyResult]) -> SurveyResult:
        """Merge the results of several parts."""
        return SurveyResult(
            rows=sum(p.rows for p in parts),
            feasible=sum(p.feasible for p in parts),
            possible=np.sum([p.possible for p in parts], axis=0),
            max_cost=sum(p.max_cost for p in parts),
            counts=np.sum([p.counts for p in parts], axis=0),
            cost=sum(p.cost for p in parts),
            value=sum(p.value for p in parts),
            sample=Sample.merge([p.sample for p in parts], self.sample),
        )


@dataclass(frozen=True, slots=True, eq=False)
class BoxResult:
    """Totals of the customers settled in a box of prices, and a sample of the others."""

    counts: Ints
    """(m,) settled customers of each action."""
    cost: int
    """Their exact total cost."""
    value: int
    """Their exact total gain."""
    perturbed_value: int
    """Their exact total perturbed gain."""
    open: int
    """Number of customers that are not settled."""
    open_value: int
    """Exact sum of their best reduced gains at the center of the box."""
    sample: Sample
    """Sample of the open customers; all, if the sample is large enough."""


@dataclass(frozen=True, slots=True, eq=False)
class BoxPass:
    """Pass that settles customers whose best action is constant in a box of prices."""

    limits: Limits
    prices: Floats
    radius: Floats
    sample: int
    below: int = _MAX_KEY

    def evaluate(self, customers: CustomerRows) -> BoxResult:
        """Evaluate some customers."""
        rows = self.limits.feasible(customers)
        rows = rows.subset((rows.gain > -np.inf).any(axis=1))
        problem = self.limits.problem(rows)
        is_settled, choice = problem.settled_actions(self.prices, self.radius)
        settled = np.flatnonzero(is_settled & (choice >= 0))
        action = choice[settled].astype(np.int64)
        unsettled = np.flatnonzero(~is_settled)
        reduced = problem.reduced_gains(self.prices, unsettled)
        return BoxResult(
            counts=_counts(action, rows.gain.shape[1]),
            cost=exact_sum(rows.cost[settled, action]),
            value=exact_sum(rows.gain[settled, action]),
            perturbed_value=exact_sum(problem.gain[action, settled]),
            open=unsettled.shape[0],
            open_value=exact_sum(reduced.max(axis=0, initial=0.0)),
            sample=Sample.of(rows.subset(unsettled), self.sample, self.below),
        )

    def merge(self, parts: Sequence[BoxResult]) -> BoxResult:
        """Merge the results of several parts."""
        return BoxResult(
            counts=np.sum([p.counts for p in parts], axis=0),
            cost=sum(p.cost for p in parts),
            value=sum(p.value for p in parts),
            perturbed_value=sum(p.perturbed_value for p in parts),
            open=sum(p.open for p in parts),
            open_value=sum(p.open_value for p in parts),
            sample=Sample.merge([p.sample for p in parts], self.sample),
        )


def run_pass(task: Any, parts: Iterable[CustomerRows]) -> Any:
    """Evaluate each part in blocks of rows and merge the results; None without rows."""
    results: list[Any] = []
    for rows in parts:
        for start in range(0, rows.keys.shape[0], _BLOCK):
            results.append(task.evaluate(rows.subset(slice(start, start + _BLOCK))))
            if len(results) == _MERGED:
                results = [task.merge(results)]
    return task.merge(results) if results else None


def best_actions(gain: Floats) -> Ints:
    """Return the first action with the highest gain, (n,)."""
    if gain.shape[0] == 0:
        return np.zeros(0, dtype=np.int64)
    actions: Ints = np.argmax(gain, axis=1)
    return actions


def _counts(action: Ints, actions: int) -> Ints:
    counts: Ints = np.bincount(action, minlength=actions).astype(np.int64)
    return counts
