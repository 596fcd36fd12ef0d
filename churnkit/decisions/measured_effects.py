"""Effects that an experiment measured: for each customer, in the place of assumed ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from churnkit.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.decisions.catalogue.catalogue import Catalogue

__all__ = ["MeasuredEffects", "Outcome"]

Outcome = Literal["staying", "money"]


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredEffects:
    """What the tried actions do for each customer, with intervals.

    Parameters
    ----------
    places
        Which actions were tried: their places in the catalogue. The others keep the effects
        that the catalogue assumes.
    outcome
        What the effects are measured in: ``"staying"``, what an action adds to the probability
        of staying; or ``"money"``, what it adds to revenue.
    low, expected, high
        (n, len(places)) effects; NaN where none is known, so that the action is not eligible.

    Raises
    ------
    DataError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> effects = np.array([[0.02], [0.05]])
    >>> measured = MeasuredEffects((0,), "staying", effects - 0.01, effects, effects + 0.01)
    >>> measured.of_one(0)
    {0: (0.01, 0.02, 0.03)}
    """

    places: tuple[int, ...]
    outcome: Outcome
    low: NDArray[np.float64]
    expected: NDArray[np.float64]
    high: NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = self.expected.shape
        if len(shape) != 2 or shape[1] != len(self.places):
            raise DataError("measured", [f"shape {shape}: {len(self.places)} columns are needed"])
        if self.low.shape != shape or self.high.shape != shape:
            raise DataError("measured", ["low, expected and high must be of one shape"])

    def of_one(self, row: int) -> dict[int, tuple[float, float, float]]:
        """Give one customer's low, expected and high effect by the place of the action."""
        bounds = (part[row].tolist() for part in (self.low, self.expected, self.high))
        return dict(zip(self.places, zip(*bounds, strict=True), strict=True))

    def gains(
        self, worth: NDArray[np.float64], cost: NDArray[np.float64], catalogue: Catalogue
    ) -> tuple[NDArray[np.float64], ...]:
        """Give low, expected and high gain of the tried actions, each (n, len(places)).

        Parameters
        ----------
        worth
            (n, m), or (n, 1) where it is the same for all actions: what keeping the customer is
            worth, in money.
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
        own = worth if worth.shape[1] == 1 else worth[:, list(self.places)]
        scale = own if self.outcome == "staying" else catalogue.margin
        price = cost[..., list(self.places)]
        with np.errstate(over="ignore", invalid="ignore"):
            low, expected, high = (
                part * scale - price for part in (self.low, self.expected, self.high)
            )
        return low, expected, high
