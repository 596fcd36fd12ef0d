"""Monotone maps from a scorer's log-odds to calibrated probabilities.

A map imports numpy alone; `churnkit.models.calibration.fit` fits them.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.core.stats.exponential import (
    EXP_LIMIT,
    LN2_HIGH,
    LN2_LOW,
    ROOTS_OF_TWO,
    STEPS_OF_TWO,
    STEPS_PER_UNIT,
    exp_minus,
    log1p_unit,
)
from churnkit.errors import BundleError
from churnkit.models.scorers.serialization import read_array, read_choice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = ["METHODS", "PROBABILITY_FLOOR", "Calibration", "exp_minus_scalar"]

# Ordered by degrees of freedom.
METHODS = ("identity", "platt", "beta", "isotonic")
# Probabilities stay this far from 0 and 1, so that the log loss is finite.
PROBABILITY_FLOOR = 1e-12


@dataclass(frozen=True)
class Calibration:
    """A monotone map from log-odds to probabilities.

    Parameters
    ----------
    method
        ``"identity"``, ``"platt"``, ``"beta"`` or ``"isotonic"``.
    slopes : (3,)
        For isotonic the slopes below the knots, unused, and above them; otherwise a, b and c of
        the formula below.
    knots : (k,)
        Ascending log-odds of the scorer; empty unless isotonic.
    logits : (k,)
        Ascending log-odds of churn at the knots.

    Notes
    -----
    With p the uncalibrated probability, the parametric maps are
    ``logit q = a log p - b log(1 - p) + c`` with nonnegative a and b: beta calibration (Kull,
    Silva Filho and Flach 2017), which is Platt's map for a = b and the identity for a = b = 1
    and c = 0.

    The isotonic map interpolates linearly between the centers of the pooled blocks, which keeps
    the order of customers within a block (centered isotonic regression, Oron and Flournoy 2017),
    and extrapolates with a constant slope.

    Examples
    --------
    >>> Calibration.identity().apply(np.array([0.0]))
    array([0.5])
    """

    method: str
    slopes: NDArray[np.float64]
    knots: NDArray[np.float64]
    logits: NDArray[np.float64]

    @classmethod
    def identity(cls) -> Self:
        """Return the map that leaves the scorer's probabilities unchanged."""
        return cls.parametric("identity", 1.0, 1.0, 0.0)

    @classmethod
    def parametric(cls, method: str, a: float, b: float, c: float) -> Self:
        """Return the map with the given slopes and intercept.

        Examples
        --------
        >>> round(Calibration.parametric("platt", 2.0, 2.0, 0.0).apply_one(0.5), 4)
        0.7311
        """
        return cls(method, np.array([a, b, c]), np.empty(0), np.empty(0))

    @classmethod
    def isotonic(cls, knots: ArrayLike, logits: ArrayLike, *, below: float, above: float) -> Self:
        """Return the map through the given points.

        Examples
        --------
        >>> curve = Calibration.isotonic([-1.0, 1.0], [0.0, 0.0], below=1.0, above=1.0)
        >>> curve.apply(np.array([-1.0, 0.0, 1.0]))
        array([0.5, 0.5, 0.5])
        """
        points = np.asarray(knots, dtype=np.float64), np.asarray(logits, dtype=np.float64)
        return cls("isotonic", np.array([below, 0.0, above]), *points)

    def shifted(self, by: float) -> Self:
        """Return the map with `by` added to its log-odds.

        Examples
        --------
        >>> round(Calibration.identity().shifted(np.log(3.0)).apply_one(0.0), 4)
        0.75
        """
        if by == 0:
            return self
        if self.method == "isotonic":
            return replace(self, logits=self.logits + by)
        method = "platt" if self.method == "identity" else self.method
        return replace(self, method=method, slopes=self.slopes + np.array([0.0, 0.0, by]))

    def apply(self, raw: ArrayLike) -> NDArray[np.float64]:
        """Return probabilities, (n,), of log-odds, (n,).

        Examples
        --------
        >>> Calibration.identity().apply(np.array([-1e9, 1e9])).round(9)
        array([0., 1.])
        """
        # Contiguous, so that numpy uses the same code path for one value as for many.
        scores = np.ascontiguousarray(raw, dtype=np.float64)
        logit = self._isotonic(scores) if self.method == "isotonic" else self._parametric(scores)
        # The logistic function without overflow.
        small = exp_minus(np.abs(logit))
        probability = np.where(logit >= 0, 1.0, small) / (1.0 + small)
        bounded: NDArray[np.float64] = np.clip(
            probability, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR
        )
        return bounded

    def apply_one(self, raw: float) -> float:
        """Return the probability of one customer, equal to `apply` to the last bit."""
        isotonic = self.method == "isotonic"
        logit = self._isotonic_one(raw) if isotonic else self._parametric_one(raw)
        small = exp_minus_scalar(abs(logit))
        probability = (1.0 if logit >= 0 else small) / (1.0 + small)
        return min(max(probability, PROBABILITY_FLOOR), 1 - PROBABILITY_FLOOR)

    def mean_slope(self, start: ArrayLike, end: ArrayLike) -> NDArray[np.float64]:
        """Return the mean change of the probability per log-odds on the line from start to end.

        Contributions in log-odds times this slope add up to the change of the probability: their
        Aumann-Shapley values on that line.

        Parameters
        ----------
        start, end : (n,) log-odds

        Returns
        -------
        (n,)

        Examples
        --------
        >>> slope = Calibration.identity().mean_slope([0.0], [np.log(3.0)])
        >>> (slope * np.log(3.0)).round(9)
        array([0.25])
        """
        low, high = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
        # Where start and end coincide, the slope around them.
        spread = np.where(np.abs(high - low) < 1e-6, 5e-4, 0.0)
        low, high = low - spread, high + spread
        slope: NDArray[np.float64] = (self.apply(high) - self.apply(low)) / (high - low)
        return slope

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the map."""
        return {"method": self.method}, {
            "slopes": self.slopes,
            "knots": self.knots,
            "logits": self.logits,
        }

    @classmethod
    def from_arrays(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore a map.

        Raises
        ------
        BundleError
            Settings and arrays are inconsistent, or the map is not monotone.
        """
        method = read_choice(settings, "method", among=METHODS)
        slopes = read_array(arrays, "slopes", dtype="float64", size=3)
        knots = read_array(arrays, "knots", dtype="float64")
        logits = read_array(arrays, "logits", dtype="float64", size=len(knots))
        if (len(knots) == 0) == (method == "isotonic"):
            raise BundleError(f"the saved calibration {method!r} has {len(knots)} knots")
        falls = (np.diff(knots) <= 0).any() or (np.diff(logits) < 0).any()
        negative = slopes[0] < 0 or (slopes[2] if method == "isotonic" else slopes[1]) < 0
        if falls or negative:
            raise BundleError(f"the saved calibration {method!r} is not monotone")
        return cls(method, slopes, knots, logits)

    def _parametric(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        a, b, c = (float(slope) for slope in self.slopes)
        if a == b:
            return raw * a + c
        # log(1 + exp(raw)) without overflow, and the same of -raw.
        log = log1p_unit(exp_minus(np.abs(raw)))
        logit: NDArray[np.float64] = (
            b * (np.maximum(raw, 0.0) + log) - a * (np.maximum(-raw, 0.0) + log) + c
        )
        return logit

    def _isotonic(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        knots, logits = self.knots, self.logits
        below, _, above = (float(slope) for slope in self.slopes)
        last = len(knots) - 1
        left = np.clip(np.searchsorted(knots, raw, side="right") - 1, 0, last)
        right = np.minimum(left + 1, last)
        width = np.where(right > left, knots[right] - knots[left], 1.0)
        inside = np.clip(raw, knots[0], knots[-1])
        rise = (logits[right] - logits[left]) * ((inside - knots[left]) / width)
        # Rounding must not lift a point above the next knot.
        inner = np.minimum(logits[left] + rise, logits[right])
        outside = np.minimum(raw - knots[0], 0.0) * below + np.maximum(raw - knots[-1], 0.0) * above
        logit: NDArray[np.float64] = inner + outside
        return logit

    @cached_property
    def _floats(self) -> tuple[list[float], list[float], list[float]]:
        return self.slopes.tolist(), self.knots.tolist(), self.logits.tolist()

    def _parametric_one(self, raw: float) -> float:
        a, b, c = self._floats[0]
        if a == b:
            return raw * a + c
        log = log1p_unit(exp_minus_scalar(abs(raw)))
        return float(b * (max(raw, 0.0) + log) - a * (max(-raw, 0.0) + log) + c)

    def _isotonic_one(self, raw: float) -> float:
        (below, _, above), knots, logits = self._floats
        last = len(knots) - 1
        left = min(max(bisect_right(knots, raw) - 1, 0), last)
        right = min(left + 1, last)
        width = knots[right] - knots[left] if right > left else 1.0
        inside = min(max(raw, knots[0]), knots[-1])
        rise = (logits[right] - logits[left]) * ((inside - knots[left]) / width)
        logit = min(logits[left] + rise, logits[right])
        return logit + (min(raw - knots[0], 0.0) * below + max(raw - knots[-1], 0.0) * above)


def exp_minus_scalar(x: float) -> float:
    """Return `churnkit.core.stats.exponential.exp_minus` of one number, equal to the last bit.

    Written out here, since each row passes through it.

    Examples
    --------
    >>> exp_minus_scalar(0.0)
    1.0
    """
    exponent = -min(x, EXP_LIMIT)
    if exponent != exponent:  # noqa: PLR0124 - only NaN differs from itself
        return exponent
    step = math.floor(exponent * STEPS_PER_UNIT + 0.5)
    rest = (exponent - step * LN2_HIGH) - step * LN2_LOW
    series = rest * (1 / 720) + (1 / 120)
    value = ((((series * rest + (1 / 24)) * rest + (1 / 6)) * rest + 0.5) * rest + 1.0) * rest + 1.0
    return math.ldexp(value * ROOTS_OF_TWO[step % STEPS_OF_TWO], step // STEPS_OF_TWO)
