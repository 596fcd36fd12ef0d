"""Allocate actions for more customers than fit in memory.

Examples
--------
>>> import numpy as np
>>> gain = np.array([[30.0, 50.0], [20.0, 45.0], [-5.0, 10.0]])
>>> parts = [(gain[:2], np.array([5.0, 20.0])), (gain[2:], np.array([5.0, 20.0]))]
>>> plan = allocate_batches(lambda: iter(parts), budget=25.0)
>>> [action.tolist() for action in plan.actions()], plan.value, round(plan.gap, 6)
([[0, 1], [-1]], 75.0, 0.0)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.result import Result
from churnkit.decisions.allocation.allocate import (
    check_budget,
    check_limits,
    check_shared,
    check_table,
)
from churnkit.decisions.allocation.plan import ShadowPrices
from churnkit.decisions.allocation.streaming_passes import CustomerRows, Limits, hash_keys, run_pass
from churnkit.decisions.allocation.streaming_solver import solve_streaming
from churnkit.errors import DataError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from churnkit.decisions.allocation.plan import StreamingPlan
    from churnkit.decisions.allocation.problem import Floats, Ints

__all__ = ["BatchPlan", "allocate_batches"]

Batches = Callable[[], Iterable[tuple[Any, Any]]]


@dataclass(frozen=True, slots=True, eq=False)
class BatchPlan(Result):
    """One action or none for each customer of many batches.

    Parameters
    ----------
    rows
        Number of customers.
    customers : (m,)
        Number of customers of each action.
    value
        Total gain of the assigned actions, in money.
    cost
        Total cost of the assigned actions, in money.
    bound
        Upper bound on the value of any plan within the limits, in money.
    shadow_prices
        Marginal gain of one more unit of each limit.
    passes
        Number of passes over the batches.
    """

    rows: int
    customers: Ints
    value: float
    cost: float
    bound: float
    shadow_prices: ShadowPrices
    passes: int
    _plan: StreamingPlan = field(repr=False)
    _table: _Table = field(repr=False)

    @property
    def gap(self) -> float:
        """Maximum improvement by any other plan, as a share of `bound`; 0 is proven optimal."""
        return self._plan.gap

    def actions(self) -> Iterator[Ints]:
        """Read the batches once more and yield the actions of each, (n,), -1 for none.

        Raises
        ------
        DataError
            If the batches have another number of rows than before.
        """
        count = 0
        for rows in self._table.parts():
            count += rows.keys.shape[0]
            yield self._plan.apply(rows)
        self._table.check_rows(count, self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Summarize the plan, without customers.

        Examples
        --------
        >>> batch = np.array([[2.0], [1.0]]), np.zeros(1)
        >>> allocate_batches(lambda: [batch], capacity=[1]).to_dict()["customers"]
        [1]
        """
        return {
            "rows": self.rows,
            "customers": self.customers.tolist(),
            "value": self.value,
            "cost": self.cost,
            "bound": self.bound,
            "gap": self.gap,
            "shadow_prices": self.shadow_prices.to_dict(),
            "passes": self.passes,
        }


def allocate_batches(
    batches: Batches,
    *,
    budget: float | None = None,
    capacity: Sequence[float | None] | NDArray[Any] | None = None,
    shared: Sequence[tuple[float, Sequence[int]]] = (),
    sample: int = 200_000,
) -> BatchPlan:
    """Choose one action or none for each customer of many batches, in flat memory.

    Parameters
    ----------
    batches
        Function that returns an iterable of the batches: pairs of gain (n, m) and cost (n, m) or
        (m,), as for `allocate`. It is called three to six times, and again by
        `BatchPlan.actions`.
    budget, capacity, shared
        As for `allocate`.
    sample
        Maximum number of customers held in memory, at least 16,384.

    Returns
    -------
    BatchPlan
        Plan within all limits, with an upper bound on the value of any plan. It does not depend
        on how the customers are split into batches.

    Raises
    ------
    DataError
        If a gain is plus infinity, a cost is negative, the shapes do not match, or the batches
        differ between calls.
    RecipeError
        If the budget or a capacity is negative or NaN, or the sample is empty.

    Notes
    -----
    A sample gives approximate prices and a box around them with a radius of four standard errors.
    A customer whose best action is constant in the box is settled; a sample of the others gives
    better prices and a smaller box, until all others fit in memory and are planned exactly. If
    the plan may be improved by more than 1e-5, the widest box that fits in memory is planned
    too. A plan that is not certified within 1e-4 of the bound, as where few customers have most
    of the gain, is compared with that of `allocate` for all customers in memory, if their gains
    are at most 8 million numbers; so up to there the value is at least 1 - 1e-4 of that of
    `allocate`. Beyond, `gap` states what is certified. Sums are exact, so limits are kept to
    the last bit. Gains are perturbed by random shares below 1e-6, which depend on the
    customer's position alone, to break ties; values are of the original
    gains. A table within the sample is planned as by `allocate`.

    Examples
    --------
    >>> import numpy as np
    >>> def batches():
    ...     for seed in range(20):
    ...         yield np.random.default_rng(seed).lognormal(size=(500, 2)), np.array([1.0, 2.0])
    >>> plan = allocate_batches(batches, budget=3000.0, capacity=[None, 1000], sample=2000)
    >>> plan.rows, plan.cost <= 3000.0, plan.gap < 1e-3
    (10000, True, True)

    """
    if sample < 1:
        raise RecipeError(f"sample must be at least 1, got {sample}")
    money = math.inf if budget is None else check_budget(budget)
    table = _Table(batches)
    if not table.read_width():
        return _empty(table, 0 if capacity is None else len(capacity), len(shared))
    counts, (most, uses) = check_limits(capacity, table.width), check_shared(shared, table.width)
    limits = Limits.of(np.concatenate([[money], counts, most]), uses)
    plan = solve_streaming(table.run, limits, sample=sample)
    return BatchPlan(
        rows=plan.rows,
        customers=plan.counts,
        value=plan.value,
        cost=plan.cost,
        bound=plan.bound,
        shadow_prices=ShadowPrices(
            float(plan.prices[0]),
            plan.prices[1 : 1 + table.width],
            plan.prices[1 + table.width :],
        ),
        passes=table.passes,
        _plan=plan,
        _table=table,
    )


class _Table:
    """Batches that are read several times."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self.width = 0
        self.passes = 0
        self._rows: int | None = None

    def read_width(self) -> bool:
        """Read the number of actions from the first batch; return False without batches."""
        for gain, cost in self._batches():
            self.width = check_table(gain, cost)[0].shape[1]
            return True
        return False

    def run(self, task: Any) -> Any:
        """Run a pass over all batches."""
        self.passes += 1
        count = 0

        def counted() -> Iterator[CustomerRows]:
            nonlocal count
            for rows in self.parts():
                count += rows.keys.shape[0]
                yield rows

        result = run_pass(task, counted())
        self._rows = count if self._rows is None else self._rows
        self.check_rows(count, self._rows)
        return task.evaluate(_no_rows(self.width)) if result is None else result

    def parts(self) -> Iterator[CustomerRows]:
        """Return the batches with the keys of their rows."""
        start = 0
        for number, batch in enumerate(self._batches()):
            gain, cost = check_table(*batch)
            if gain.shape[1] != self.width:
                raise DataError(
                    f"batch {number}",
                    [
                        f"{gain.shape[1]} actions, but the first batch has {self.width}; pass the same actions"
                    ],
                )
            keys = hash_keys(np.arange(start, start + gain.shape[0], dtype=np.uint64))
            start += gain.shape[0]
            yield CustomerRows(keys, gain, np.broadcast_to(cost, gain.shape))

    @staticmethod
    def check_rows(count: int, rows: int) -> None:
        if count != rows:
            raise DataError(
                "batches",
                [f"{count} rows, but {rows} before; return the same batches at every call"],
            )


def _no_rows(actions: int) -> CustomerRows:
    empty: Floats = np.zeros((0, actions))
    return CustomerRows(np.zeros(0, dtype=np.uint64), empty, empty)


def _empty(table: _Table, actions: int, shared: int) -> BatchPlan:
    table.width = actions
    limits = Limits.of(np.full(1 + actions + shared, np.inf), np.zeros((actions + shared, actions)))
    plan = solve_streaming(table.run, limits, sample=1)
    prices = ShadowPrices(0.0, np.zeros(actions), np.zeros(shared))
    return BatchPlan(0, plan.counts, 0.0, 0.0, 0.0, prices, 0, plan, table)
