"""Allocation plans: actions, upper bound and shadow prices, with their JSON file for a service."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from churnkit.core.io.atomic_write import write_atomic
from churnkit.core.result import PlottableResult, Result
from churnkit.decisions.allocation.streaming_passes import best_actions
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from churnkit.decisions.allocation.problem import Floats, Ints
    from churnkit.decisions.allocation.streaming_passes import CustomerRows, Keys, Limits
    from churnkit.decisions.catalogue.catalogue import Catalogue

__all__ = [
    "Plan",
    "ShadowPrices",
    "StreamingPlan",
    "read_prices",
    "relative_gap",
    "write_prices",
]

_FORMAT = 1
_ARRAYS = ("capacity", "shared", "floors")


def _empty() -> NDArray[np.float64]:
    return np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class ShadowPrices(PlottableResult):
    """Marginal gain of one more unit of each limit, in money.

    Parameters
    ----------
    budget
        Gain per unit of budget; 0 if the budget does not bind.
    capacity : (m,)
        Gain per customer of each action's capacity; 0 if it does not bind.
    shared : (s,)
        Gain per customer of each shared capacity, in the catalogue's order.
    floors : (f,)
        Gain per customer fewer in each floor.

    Examples
    --------
    >>> ShadowPrices(0.5, np.zeros(1)).to_dict()
    {'budget': 0.5, 'capacity': [0.0], 'shared': [], 'floors': []}
    """

    _display: ClassVar[str] = "ShadowPriceDisplay"

    budget: float
    capacity: NDArray[np.float64]
    shared: NDArray[np.float64] = field(default_factory=_empty)
    floors: NDArray[np.float64] = field(default_factory=_empty)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ShadowPrices:
        """Rebuild prices from `to_dict`.

        Raises
        ------
        RecipeError
            If a price is missing, negative or not a number.
        """
        try:
            budget = float(data["budget"])
            arrays = [np.array(data[name], dtype=np.float64) for name in _ARRAYS]
        except (KeyError, TypeError, ValueError):
            raise RecipeError("shadow prices: invalid data; write them with to_dict()") from None
        prices = np.concatenate([[budget], *(array.ravel() for array in arrays)])
        is_valid = bool(((prices >= 0.0) & np.isfinite(prices)).all())
        if not is_valid or any(array.ndim != 1 for array in arrays):
            raise RecipeError("shadow prices: each must be a finite number, zero or more")
        return cls(budget, *arrays)


def relative_gap(value: float, bound: float) -> float:
    """Return the gap between a plan and its upper bound as a share of the bound; 0 is optimal.

    Examples
    --------
    >>> relative_gap(99.0, 100.0), relative_gap(0.0, math.inf)
    (0.01, 1.0)
    """
    if not math.isfinite(bound):
        # The amounts overflow: nothing is proven.
        return 1.0
    return max(0.0, bound - value) / bound if bound > 0.0 else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class StreamingPlan:
    """Plan that can be applied to any part of the customers independently.

    Parameters
    ----------
    limits
        Limits of the plan.
    prices
        (1 + k,) shadow prices.
    center, radius
        (1 + k,) box in which most customers are settled. Without center no limit binds and
        everyone gets the best action; without radius no customer is settled.
    keys, action
        (w,) keys of the open customers, ascending, and their actions, -1 for none.
    counts
        (m,) customers of each action.
    rows, cost, value, bound
        Number of customers; total cost, total gain and its upper bound, in money.
    """

    limits: Limits
    prices: Floats
    center: Floats | None
    radius: Floats | None
    keys: Keys
    action: Ints
    counts: Ints
    rows: int
    cost: float
    value: float
    bound: float

    @property
    def gap(self) -> float:
        """Maximum improvement by any other plan, as a share of `bound`; 0 is proven optimal."""
        return relative_gap(self.value, self.bound)

    def apply(self, customers: CustomerRows) -> Ints:
        """Return the actions of some customers, (n,), -1 for none."""
        rows = self.limits.feasible(customers)
        action = np.full(rows.keys.shape[0], -1, dtype=np.int64)
        has_action = np.flatnonzero((rows.gain > -np.inf).any(axis=1))
        action[has_action] = self._choose(rows.subset(has_action))
        return action

    def _choose(self, rows: CustomerRows) -> Ints:
        if self.center is None:
            return best_actions(rows.gain)
        if self.radius is None:
            return self._open_actions(rows.keys)
        is_settled, choice = self.limits.problem(rows).settled_actions(self.center, self.radius)
        actions: Ints = np.where(is_settled, choice.astype(np.int64), -1)
        unsettled = np.flatnonzero(~is_settled)
        actions[unsettled] = self._open_actions(rows.keys[unsettled])
        return actions

    def _open_actions(self, keys: Keys) -> Ints:
        action = np.full(keys.shape[0], -1, dtype=np.int64)
        index = np.searchsorted(self.keys, keys)
        matches = np.flatnonzero(index < self.keys.shape[0])
        matches = matches[self.keys[index[matches]] == keys[matches]]
        action[matches] = self.action[index[matches]]
        return action


@dataclass(frozen=True, slots=True, eq=False)
class Plan(Result):
    """One action or none for each customer.

    Parameters
    ----------
    action : (n,)
        Index of the action, -1 for none.
    value
        Total gain of the assigned actions, in money.
    cost
        Total cost of the assigned actions, in money.
    bound
        Upper bound on the value of any plan within the limits, in money.
    shadow_prices
        Marginal gain of one more unit of each limit.
    shortfall
        Number of customers missing in each floor, where other limits leave no capacity.
    """

    action: NDArray[np.int64]
    value: float
    cost: float
    bound: float
    shadow_prices: ShadowPrices
    shortfall: tuple[int, ...] = ()

    @property
    def gap(self) -> float:
        """Maximum improvement by any other plan, as a share of `bound`; 0 is proven optimal."""
        return relative_gap(self.value, self.bound)

    def to_dict(self) -> dict[str, Any]:
        """Summarize the plan, without customers.

        Examples
        --------
        >>> from churnkit.decisions import allocate
        >>> plan = allocate(np.array([[2.0], [1.0]]), np.zeros(1), capacity=[1])
        >>> plan.to_dict()["customers"]
        1
        """
        return {
            "customers": int(np.count_nonzero(self.action >= 0)),
            "value": self.value,
            "cost": self.cost,
            "bound": self.bound,
            "gap": self.gap,
            "shadow_prices": self.shadow_prices.to_dict(),
            "shortfall": list(self.shortfall),
        }


def write_prices(path: str | Path, prices: ShadowPrices, catalogue: Catalogue) -> None:
    """Write shadow prices with the names of their actions, limits and segments.

    Parameters
    ----------
    path
        A .json file, written atomically.
    prices
        Shadow prices of a plan.
    catalogue
        Catalogue of the plan.

    Raises
    ------
    RecipeError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from churnkit.decisions import Action, Catalogue, Effect
    >>> catalogue = Catalogue((Action("call", "A call", 5, Effect(0, 0.1, 0.2)),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_prices(f"{folder}/prices.json", ShadowPrices(0.5, np.zeros(1)), catalogue)
    ...     read_prices(f"{folder}/prices.json", catalogue).budget
    0.5
    """
    content = {"format": _FORMAT, **_names(catalogue), **prices.to_dict()}
    try:
        write_atomic(path, json.dumps(content, indent=1, allow_nan=False))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path}: prices cannot be written ({type(error).__name__})") from None


def read_prices(path: str | Path, catalogue: Catalogue) -> ShadowPrices:
    """Read shadow prices; refuse those of another catalogue.

    Parameters
    ----------
    path
        A file from `write_prices`.
    catalogue
        Catalogue of the service.

    Returns
    -------
    ShadowPrices
        Prices of the catalogue's limits.

    Raises
    ------
    RecipeError
        If the file is missing, damaged, newer, or of other actions or limits.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path}: prices cannot be read ({type(error).__name__})") from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise RecipeError(f"{path} has no prices of format {_FORMAT}: plan again")
    if any(content.get(key) != names for key, names in _names(catalogue).items()):
        raise RecipeError(f"{path}: the prices are of another catalogue: plan again")
    prices = ShadowPrices.from_dict(content)
    lengths = (len(prices.capacity), len(prices.shared), len(prices.floors))
    if lengths != (len(catalogue.names), len(catalogue.capacities), len(catalogue.floors)):
        raise RecipeError(f"{path}: the prices do not match the actions and limits: plan again")
    return prices


def _names(catalogue: Catalogue) -> dict[str, list[str]]:
    return {
        "actions": list(catalogue.names),
        "limits": [str(limit) for limit in catalogue.capacities],
        "segments": [floor.name for floor in catalogue.floors],
    }
