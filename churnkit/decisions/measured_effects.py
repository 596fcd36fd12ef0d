"""Effects measured by an experiment: for each customer, in place of assumed ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from churnkit.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.decisions.catalogue.catalogue import Catalogue

__all__ = ["MeasuredEffects", "Outcome", "SharedError"]

Outcome = Literal["staying", "money"]


@dataclass(frozen=True, slots=True, eq=False)
class SharedError:
    """Estimation error that customers have in common, so that a total does not average it away.

    Effects are ``basis @ coefficients``, with one covariance of the coefficients.

    Parameters
    ----------
    basis
        (n, k, c) columns that the coefficients multiply, for k actions.
    positions
        For each action which coefficients its c columns belong to.
    covariance
        (p, p) of the coefficients.

    Examples
    --------
    >>> import numpy as np
    >>> shared = SharedError(np.ones((2, 1, 1)), ((0,),), np.array([[0.01]]))
    >>> shared.error_of_total(np.array([10.0, 20.0]), np.array([0, 0]))
    3.0
    """

    basis: NDArray[np.float64]
    positions: tuple[tuple[int, ...], ...]
    covariance: NDArray[np.float64]

    def error_of_total(self, stake: NDArray[np.float64], action: NDArray[np.int64]) -> float:
        """Return the standard error of a total.

        Parameters
        ----------
        stake
            (n,) money per unit of each customer's effect.
        action
            (n,) column of the action that each customer gets, -1 for none.
        """
        load = np.zeros(len(self.covariance))
        for column, positions in enumerate(self.positions):
            rows = np.flatnonzero(action == column)
            np.add.at(load, list(positions), stake[rows] @ self.basis[rows, column])
        return float(np.sqrt(max(float(load @ self.covariance @ load), 0.0)))


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredEffects:
    """Effects of the tried actions for each customer, with intervals.

    Parameters
    ----------
    places
        Positions in the catalogue of the actions that were tried. The others keep the effects
        that the catalogue assumes.
    outcome
        Unit of the effects: ``"staying"``, the increase in the probability of staying; or
        ``"money"``, the increase in revenue.
    low, expected, high
        (n, len(places)) effects; NaN where unknown, so that the action is not eligible.
    bound
        (n, len(places)) effects whose gain must be above zero for an action to go out; `low` if
        None.
    shared
        The error that customers have in common, for the interval of a total; None if unknown.

    Raises
    ------
    DataError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> effects = np.array([[0.02], [0.05]])
    >>> measured = MeasuredEffects((0,), "staying", effects - 0.01, effects, effects + 0.01)
    >>> measured.of_row(0)
    {0: (0.01, 0.02, 0.03, 0.01)}
    """

    places: tuple[int, ...]
    outcome: Outcome
    low: NDArray[np.float64]
    expected: NDArray[np.float64]
    high: NDArray[np.float64]
    bound: NDArray[np.float64] | None = None
    shared: SharedError | None = None

    def __post_init__(self) -> None:
        shape = self.expected.shape
        if len(shape) != 2 or shape[1] != len(self.places):
            raise DataError("measured", [f"shape {shape}: {len(self.places)} columns are needed"])
        if any(part.shape != shape for part in self._parts()):
            raise DataError("measured", ["low, expected, high and bound must be of one shape"])

    def _parts(self) -> tuple[NDArray[np.float64], ...]:
        return self.low, self.expected, self.high, self.low if self.bound is None else self.bound

    def of_row(self, row: int) -> dict[int, tuple[float, float, float, float]]:
        """Return a customer's low, expected, high and deciding effect by position of the action."""
        bounds = (part[row].tolist() for part in self._parts())
        return dict(zip(self.places, zip(*bounds, strict=True), strict=True))

    def stake(
        self, worth: NDArray[np.float64], catalogue: Catalogue
    ) -> NDArray[np.float64] | float:
        """Return the money per unit of effect: (n, 1), (n, len(places)), or one number."""
        if self.outcome == "money":
            return catalogue.margin
        return worth if worth.shape[1] == 1 else worth[:, list(self.places)]

    def gains(
        self, worth: NDArray[np.float64], cost: NDArray[np.float64], catalogue: Catalogue
    ) -> tuple[NDArray[np.float64], ...]:
        """Return low, expected, high and deciding gain of the tried actions, (n, len(places)) each.

        Parameters
        ----------
        worth
            (n, m), or (n, 1) where it is the same for all actions: money that keeping the customer
            is worth.
        cost
            (m,) or (n, m) the actions' costs.
        catalogue
            For the margin on revenue.
        """
        if self.expected.shape[0] != worth.shape[0] or max(self.places, default=-1) >= len(
            catalogue.actions
        ):
            rule = f"{self.expected.shape[0]} rows of effects for {worth.shape[0]} customers"
            raise DataError("measured", [f"{rule}, or an action that the catalogue lacks"])
        stake = self.stake(worth, catalogue)
        price = cost[..., list(self.places)]
        with np.errstate(over="ignore", invalid="ignore"):
            return tuple(part * stake - price for part in self._parts())
