"""Intervals of calibrated probabilities by inductive Venn-Abers predictors."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from churnkit.errors import BundleError
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = ["VennAbers"]

# Scores are compared in cells of this width in log-odds, about 0.8% of the odds: no score of a
# single customer is stored, and the table stays small.
_CELLS_PER_UNIT, _MAX_LOG_ODDS = 128, 16


class VennAbers:
    """Intervals around calibrated probabilities, from labeled customers outside the training.

    For a score, isotonic regression on the labeled customers is fitted twice more: with the new
    customer as one who stays, and as one who churns. The two fitted values are the ends. If the
    customers are exchangeable, the end that belongs to the actual outcome is a perfectly
    calibrated probability: where it is 0.2, a fifth of the customers churn, in samples of any
    size. The ends move apart where there are few labeled customers.

    Both ends are step functions of the score, which are computed once for all scores.

    Parameters
    ----------
    thresholds : (m,)
        Probabilities at which the ends change, ascending.
    lower, upper : (m + 1,)
        Ends between the thresholds.

    References
    ----------
    Vovk, Petej and Fedorova (2015). Large-scale probabilistic predictors with and without
    guarantees of validity. NeurIPS 28. arXiv:1511.00213

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> probability = rng.random(1000)
    >>> intervals = VennAbers.fit(probability, rng.random(1000) < probability)
    >>> low, high = intervals.ends([0.2, 0.8])
    >>> bool((low <= high).all()), bool(high[0] < low[1])
    (True, True)
    """

    def __init__(
        self,
        thresholds: NDArray[np.float64],
        lower: NDArray[np.float64],
        upper: NDArray[np.float64],
    ) -> None:
        self.thresholds = thresholds
        self.lower = lower
        self.upper = upper

    @classmethod
    def fit(
        cls, probability: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Compute the ends for all scores.

        Parameters
        ----------
        probability : (n,)
            Probabilities of customers that the model was not trained on.
        y : (n,)
            Their outcomes, 1 for churned.
        sample_weight : (n,)
            Weights of the rows, whose mean is that of a new customer.

        Returns
        -------
        VennAbers

        Raises
        ------
        ModelDataError
            There are no rows, or the arguments differ in length.
        """
        score, outcome = np.asarray(probability, dtype=np.float64), np.asarray(y, dtype=np.float64)
        weight = np.ones(len(score)) if sample_weight is None else np.asarray(sample_weight, float)
        if not len(score) == len(outcome) == len(weight) or not weight.sum() > 0:
            raise ModelDataError(
                f"intervals need a probability, an outcome and a weight for each of at least one "
                f"customer, got {len(score)}, {len(outcome)} and {len(weight)}"
            )
        weight = weight / weight[weight > 0].mean()
        edges = _cell_edges()
        cell = np.searchsorted(edges, score, side="right")
        mass: NDArray[np.float64] = np.bincount(cell, weight, len(edges) + 1).astype(np.float64)
        churned: NDArray[np.float64] = np.bincount(cell, weight * outcome, len(edges) + 1).astype(
            float
        )
        occupied = np.flatnonzero(mass)
        groups = _Groups.of(mass[occupied], churned[occupied])
        staying = np.array([0.0, *(groups.value(i, i + 1, 0.0) for i in range(len(occupied)))])
        churning = np.array([*(groups.value(i - 1, i, 1.0) for i in range(len(occupied))), 1.0])
        cells = np.arange(len(edges) + 1)
        # Both never fall; the running maximum removes rounding of the last digit.
        lower = np.maximum.accumulate(staying)[np.searchsorted(occupied, cells, side="right")]
        upper = np.maximum.accumulate(churning)[np.searchsorted(occupied, cells, side="left")]
        upper = np.maximum(lower, upper)
        changes = np.flatnonzero(np.diff(lower) + np.diff(upper) > 0)
        keep = np.append(changes, len(cells) - 1)
        return cls(edges[changes], lower[keep], upper[keep])

    def ends(self, probability: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the fitted values with the customer as one who stays, and who churns.

        Parameters
        ----------
        probability : (n,)
            Probabilities of new customers; NaN where unknown.

        Returns
        -------
        lower, upper : (n,)
            NaN where unknown.
        """
        values = np.asarray(probability, dtype=np.float64)
        step = np.searchsorted(self.thresholds, values, side="right")
        missing = np.isnan(values)
        return (
            np.where(missing, np.nan, self.lower[step]),
            np.where(missing, np.nan, self.upper[step]),
        )

    def interval(self, probability: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the ends, (n,) each, widened to hold the probability itself.

        The interval holds a perfectly calibrated probability, as the ends do.

        Parameters
        ----------
        probability : (n,)
            Probabilities of new customers; NaN where unknown.

        Returns
        -------
        low, high : (n,)
            NaN where unknown.

        Examples
        --------
        >>> intervals = VennAbers(np.array([0.5]), np.array([0.1, 0.7]), np.array([0.2, 0.9]))
        >>> intervals.interval([0.3, 0.8])
        (array([0.1, 0.7]), array([0.3, 0.9]))
        """
        values = np.asarray(probability, dtype=np.float64)
        lower, upper = self.ends(values)
        return np.minimum(lower, values), np.maximum(upper, values)

    def interval_one(self, probability: float) -> tuple[float, float]:
        """Return `interval` of one probability without building arrays."""
        thresholds, lower, upper = self._lists
        step = bisect_right(thresholds, probability)
        return min(lower[step], probability), max(upper[step], probability)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that restore the intervals."""
        return {"thresholds": self.thresholds, "lower": self.lower, "upper": self.upper}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore the intervals.

        Raises
        ------
        BundleError
            An array is missing, or they are no ascending steps of probabilities.
        """
        names = ("thresholds", "lower", "upper")
        if set(arrays) != set(names):
            raise BundleError("the intervals do not have the arrays thresholds, lower and upper")
        thresholds, lower, upper = (arrays[name] for name in names)
        ascending = (
            all(array.dtype == np.float64 and array.ndim == 1 for array in arrays.values())
            and len(lower) == len(upper) == len(thresholds) + 1
            and (np.diff(thresholds) > 0).all()
            and all((np.diff(ends) >= 0).all() for ends in (lower, upper))
        )
        if not ascending or not (lower[0] >= 0 and upper[-1] <= 1 and (lower <= upper).all()):
            raise BundleError("the intervals are no ascending steps of probabilities")
        return cls(thresholds, lower, upper)

    @cached_property
    def _lists(self) -> tuple[list[float], list[float], list[float]]:
        return self.thresholds.tolist(), self.lower.tolist(), self.upper.tolist()


class _Groups(NamedTuple):
    """Groups of equal scores in ascending order, with the blocks of isotonic regression.

    Attributes
    ----------
    mass, churned : (k + 1,) cumulative weight and churn before each group
    begin : first group of the last block among the groups up to each one
    end : last group of the first block among the groups from each one on
    """

    mass: list[float]
    churned: list[float]
    begin: list[int]
    end: list[int]

    @classmethod
    def of(cls, mass: NDArray[np.float64], churned: NDArray[np.float64]) -> Self:
        """Pool adjacent violators of all leading and of all trailing groups."""
        count = len(mass)
        groups = cls(
            [0.0, *np.cumsum(mass).tolist()],
            [0.0, *np.cumsum(churned).tolist()],
            list(range(count)),
            list(range(count)),
        )
        for last in range(count):
            first = last
            while first and groups.is_above((groups.begin[first - 1], first - 1), (first, last)):
                first = groups.begin[first - 1]
            groups.begin[last] = first
        for first in reversed(range(count)):
            last = first
            while last + 1 < count and groups.is_above(
                (first, last), (last + 1, groups.end[last + 1])
            ):
                last = groups.end[last + 1]
            groups.end[first] = last
        return groups

    def sums(self, first: int, last: int) -> tuple[float, float]:
        """Return weight and churn of a range of groups."""
        return (
            self.mass[last + 1] - self.mass[first],
            self.churned[last + 1] - self.churned[first],
        )

    def is_above(self, left: tuple[int, int], right: tuple[int, int]) -> bool:
        """Return True if the rate of the left range is not below that of the right one."""
        left_mass, left_churned = self.sums(*left)
        right_mass, right_churned = self.sums(*right)
        return left_churned * right_mass >= right_churned * left_mass

    def value(self, left: int, right: int, label: float) -> float:
        """Return the isotonic fit of one more customer between the groups `left` and `right`."""
        mass, churned = 1.0, label
        count = len(self.begin)
        while True:
            if right < count:
                added, more = self.sums(right, self.end[right])
                if churned * added >= more * mass:
                    mass, churned, right = mass + added, churned + more, self.end[right] + 1
                    continue
            if left >= 0:
                added, more = self.sums(self.begin[left], left)
                if more * mass >= churned * added:
                    mass, churned, left = mass + added, churned + more, self.begin[left] - 1
                    continue
            return min(max(churned / mass, 0.0), 1.0)


def _cell_edges() -> NDArray[np.float64]:
    """Return the probabilities between cells of equal width in log-odds."""
    half = _CELLS_PER_UNIT * _MAX_LOG_ODDS
    log_odds = np.arange(-half, half + 1) / _CELLS_PER_UNIT
    edges: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-log_odds))
    return edges
