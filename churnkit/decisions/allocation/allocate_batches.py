"""Who gets which action, for more customers than fit in memory.

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

from churnkit.decisions.allocation.allocate import (
    check_budget,
    check_limits,
    check_shared,
    check_table,
)
from churnkit.decisions.allocation.shadow_prices import ShadowPrices
from churnkit.decisions.allocation.streaming_passes import Limits, Rows, gather, mixed
from churnkit.decisions.allocation.streaming_solver import close_in
from churnkit.errors import DataError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from churnkit.decisions.allocation.dual import Floats, Ints
    from churnkit.decisions.allocation.streaming_solver import Verdict

__all__ = ["BatchPlan", "allocate_batches"]

Batches = Callable[[], Iterable[tuple[Any, Any]]]


@dataclass(frozen=True, slots=True, eq=False)
class BatchPlan:
    """One action or none for each customer of many batches."""

    rows: int
    """How many customers there are."""
    customers: Ints
    """(m,) how many get each action."""
    value: float
    """The sum of the gains of the actions given, in money."""
    cost: float
    """The sum of their costs, in money."""
    bound: float
    """No plan within the limits is worth more than this, in money."""
    shadow_prices: ShadowPrices
    """What one more unit of each limit would bring."""
    passes: int
    """How often the batches were read to find the plan."""
    _verdict: Verdict = field(repr=False)
    _table: _Table = field(repr=False)

    @property
    def gap(self) -> float:
        """The most that a better plan could add, as a share of `bound`; 0 is proven best."""
        return self._verdict.gap

    def actions(self) -> Iterator[Ints]:
        """Read the batches once more and give for each (n,) its actions, -1 for none.

        Raises
        ------
        DataError
            If the batches have another number of rows than before.
        """
        seen = 0
        for rows in self._table.parts():
            seen += rows.keys.shape[0]
            yield self._verdict.apply(rows)
        self._table.refuse_other(seen, self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Summarise the plan, without customers.

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
        Gives the batches anew at each call: pairs of gain (n, m) and cost (n, m) or (m,), as for
        `allocate`. It is called three to five times, and once more by `BatchPlan.actions`.
    budget, capacity, shared
        As for `allocate`.
    sample
        The most customers that are held in memory at once.

    Returns
    -------
    BatchPlan
        Within all limits, with an upper bound on the value of any plan. However the customers
        are split into batches, the plan is the same.

    Raises
    ------
    DataError
        A gain is plus infinity, a cost is negative, the shapes do not fit together, or the
        batches differ from one reading to the next.
    RecipeError
        The budget or a capacity is negative or NaN, or the sample holds nobody.

    Notes
    -----
    A sample gives rough prices with a box around them, four standard errors wide to each side.
    A customer whose best action is the same all over the box is settled; of the others a sample
    gives better prices and a smaller box, until they all fit in memory and are planned exactly.
    Sums are exact, so a limit is kept to the last bit. Gains are raised by shares below a
    millionth, by chance that depends on a customer's place alone, so that no two tie; values are
    of the gains as given. A table within the sample is planned as by `allocate`.

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
        raise RecipeError("sample: must hold one customer at least")
    money = math.inf if budget is None else check_budget(budget)
    table = _Table(batches)
    if not table.read_width():
        return _empty(table, 0 if capacity is None else len(capacity), len(shared))
    counts, (most, uses) = check_limits(capacity, table.width), check_shared(shared, table.width)
    limits = Limits.of(np.concatenate([[money], counts, most]), uses)
    verdict = close_in(table.ask, limits, sample=sample)
    return BatchPlan(
        rows=verdict.rows,
        customers=verdict.given,
        value=verdict.value,
        cost=verdict.spent,
        bound=verdict.bound,
        shadow_prices=ShadowPrices(
            float(verdict.prices[0]),
            verdict.prices[1 : 1 + table.width],
            verdict.prices[1 + table.width :],
        ),
        passes=table.passes,
        _verdict=verdict,
        _table=table,
    )


class _Table:
    """Batches that are read again and again."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self.width = 0
        self.passes = 0
        self._rows: int | None = None

    def read_width(self) -> bool:
        """Read the first batch for the number of actions; tell whether there is one."""
        for gain, cost in self._batches():
            self.width = check_table(gain, cost)[0].shape[1]
            return True
        return False

    def ask(self, question: Any) -> Any:
        """Ask a question of every batch."""
        self.passes += 1
        seen = 0

        def counted() -> Iterator[Rows]:
            nonlocal seen
            for rows in self.parts():
                seen += rows.keys.shape[0]
                yield rows

        answer = gather(question, counted())
        self._rows = seen if self._rows is None else self._rows
        self.refuse_other(seen, self._rows)
        return question.ask(_nobody(self.width)) if answer is None else answer

    def parts(self) -> Iterator[Rows]:
        """Give the batches with their rows' keys."""
        place = 0
        for number, batch in enumerate(self._batches()):
            gain, cost = check_table(*batch)
            if gain.shape[1] != self.width:
                raise DataError(
                    f"batch {number}",
                    [f"{gain.shape[1]} actions, the first batch has {self.width}; give the same"],
                )
            keys = mixed(np.arange(place, place + gain.shape[0], dtype=np.uint64))
            place += gain.shape[0]
            yield Rows(keys, gain, np.broadcast_to(cost, gain.shape))

    @staticmethod
    def refuse_other(seen: int, rows: int) -> None:
        if seen != rows:
            raise DataError(
                "batches",
                [f"{seen} rows, {rows} before; give the same batches at every call"],
            )


def _nobody(actions: int) -> Rows:
    nothing: Floats = np.zeros((0, actions))
    return Rows(np.zeros(0, dtype=np.uint64), nothing, nothing)


def _empty(table: _Table, actions: int, shared: int) -> BatchPlan:
    table.width = actions
    limits = Limits.of(np.full(1 + actions + shared, np.inf), np.zeros((actions + shared, actions)))
    verdict = close_in(table.ask, limits, sample=1)
    prices = ShadowPrices(0.0, np.zeros(actions), np.zeros(shared))
    return BatchPlan(0, verdict.given, 0.0, 0.0, 0.0, prices, 0, verdict, table)
