"""Decompose a customer's health score into the base mean and one part per feature group."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.result import Result
from churnkit.core.translation import mark_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["HealthPart", "HealthParts", "HealthShares", "decompose_health", "explain_health"]

_OTHER = mark_text("Other features")
# Log-odds closer than this use the derivative instead of the difference quotient.
_NEAR = 1e-6
_STEP = 1e-4
_ROUNDING = 1e-9
_BLOCK = 256


@dataclass(frozen=True, slots=True, eq=False)
class HealthShares:
    """Health scores of many customers as sums of one share per feature.

    Parameters
    ----------
    scores : (n,)
        ``100 * (1 - calibrated probability of churn)``.
    start
        Mean score of the reference customers.
    shares : (n, f)
        Points of each feature; `start` plus a row's shares equals its score.
    """

    scores: NDArray[np.float64]
    start: float
    shares: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HealthPart:
    """Points that a component adds to a health score; negative points lower it."""

    name: str
    points: float


@dataclass(frozen=True, slots=True)
class HealthParts(Result):
    """A customer's health score as the sum of its parts.

    Parameters
    ----------
    score
        ``100 * (1 - calibrated probability of churn)``.
    start
        Mean score of the reference customers.
    parts
        Parts, the strongest first; `start` plus all points equals `score`.
    """

    score: float
    start: float
    parts: tuple[HealthPart, ...]

    def top(self, most: int, *, rest: str = _OTHER) -> HealthParts:
        """Keep the strongest parts and sum the others into one part at the end."""
        if len(self.parts) <= most:
            return self
        others = math.fsum(part.points for part in self.parts[most:])
        return replace(self, parts=(*self.parts[:most], HealthPart(rest, others)))

    def rounded(self, decimals: int = 1) -> HealthParts:
        """Round so that the rounded parts still add up (largest remainder method).

        Examples
        --------
        >>> parts = tuple(HealthPart(name, 0.14) for name in "abc")
        >>> [part.points for part in HealthParts(70.42, 70.0, parts).rounded().parts]
        [0.2, 0.1, 0.1]
        """
        unit = 10**decimals
        score, start = round(self.score * unit), round(self.start * unit)
        exact = [part.points * unit for part in self.parts]
        rounded = [math.floor(points) for points in exact]
        order = sorted(range(len(exact)), key=lambda at: rounded[at] - exact[at])
        missing = score - start - sum(rounded)
        for at in order[: max(missing, 0)]:
            rounded[at] += 1
        for at in order[len(order) + min(missing, 0) :]:
            rounded[at] -= 1
        parts = tuple(
            HealthPart(part.name, points / unit)
            for part, points in zip(self.parts, rounded, strict=True)
        )
        return HealthParts(score / unit, start / unit, parts)

    def starting_at(self, start: float, *, rest: str = _OTHER) -> HealthParts:
        """Return the same score with another start, such as the mean of customers not sampled.

        Examples
        --------
        >>> HealthParts(70.0, 60.0, (HealthPart("use", 10.0),)).starting_at(61.0).parts[1]
        HealthPart(name='Other features', points=-1.0)
        """
        difference = self.start - start
        if abs(difference) < _ROUNDING:
            return replace(self, start=start)
        return replace(self, start=start, parts=(*self.parts, HealthPart(rest, difference)))

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with one row per part."""
        import pandas as pd

        return pd.DataFrame([asdict(part) for part in self.parts], columns=["name", "points"])


def explain_health(
    contributions: ArrayLike,
    reference: ArrayLike,
    apply: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    names: Sequence[str],
) -> HealthParts:
    """Split a customer's health score into parts that add up to it.

    The difference in score to each reference customer is divided among the features in proportion
    to their differences in log-odds, and averaged over the reference customers. The parts and the
    mean reference score add up to the customer's score exactly, for any calibration.

    Parameters
    ----------
    contributions : (f + 1,)
        Exact SHAP values of the customer in log-odds, the bias last.
    reference : (m, f + 1)
        Those of the reference customers, such as the whole base.
    apply
        Function from log-odds to calibrated probability, ``calibration.apply``.
    names : (f,)
        Group of each feature; features with the same name form one part.

    Returns
    -------
    HealthParts
        Score, mean reference score and parts.

    Raises
    ------
    ValueError
        If shapes differ, or there are no reference customers.

    Notes
    -----
    With score h of log-odds z and contributions c, the part of group g is
    ``mean_b (c_g - c_bg) * (h(z) - h(z_b)) / (z - z_b)``: the Aumann-Shapley value along the
    straight line from customer b (Sundararajan, Taly and Yan 2017, integrated gradients), averaged
    over the reference customers.

    Examples
    --------
    >>> import numpy as np
    >>> def apply(raw):
    ...     return 1.0 / (1.0 + np.exp(-raw))
    >>> parts = explain_health(
    ...     [1.0, -0.5, 0.0], [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]], apply, names=["tickets", "use"]
    ... )
    >>> [(part.name, round(part.points, 1)) for part in parts.parts]
    [('tickets', -18.1), ('use', 12.0)]
    >>> round(parts.start + sum(part.points for part in parts.parts) - parts.score, 9)
    0.0
    """
    values = np.asarray(contributions, dtype=np.float64)
    base = np.asarray(reference, dtype=np.float64)
    if values.ndim != 1 or base.ndim != 2 or base.shape[1:] != values.shape or not len(base):
        raise ValueError(
            f"reference must have shape (m, {values.size}) with m at least 1, got {base.shape}"
        )
    if len(names) != len(values) - 1:
        raise ValueError(f"names must have {len(values) - 1} entries, got {len(names)}")

    found = decompose_health(values[None, :], base, apply)
    score, start, shares = float(found.scores[0]), found.start, found.shares[0]
    points: dict[str, float] = {}
    for name, share in zip(names, shares.tolist(), strict=True):
        points[name] = points.get(name, 0.0) + share
    order = sorted(points, key=lambda name: (-abs(points[name]), name))
    if order:
        # The largest part absorbs the rounding error of the sum.
        points[order[0]] += score - math.fsum([start, *points.values()])
    return HealthParts(score, start, tuple(HealthPart(name, points[name]) for name in order))


def decompose_health(
    contributions: NDArray[np.float64],
    reference: NDArray[np.float64],
    apply: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> HealthShares:
    """Split the health scores of many customers into one share per feature.

    Parameters
    ----------
    contributions : (n, f + 1)
        Exact SHAP values of the customers in log-odds, the bias last.
    reference : (m, f + 1)
        Those of the reference customers.
    apply
        Function from log-odds to calibrated probability.

    Returns
    -------
    HealthShares
        As `explain_health`, for all customers at once.

    Examples
    --------
    >>> import numpy as np
    >>> def apply(raw):
    ...     return 1.0 / (1.0 + np.exp(-raw))
    >>> parts = decompose_health(np.array([[1.0, -0.5, 0.0]]), np.zeros((2, 3)), apply)
    >>> bool(np.isclose(parts.start + parts.shares.sum(), parts.scores[0]))
    True
    """

    def health(raw: NDArray[np.float64]) -> NDArray[np.float64]:
        return 100.0 * (1.0 - apply(raw))

    raw, at = reference.sum(axis=1), contributions.sum(axis=1)
    base, scores = health(raw), health(at)
    shares = np.empty((len(contributions), contributions.shape[1] - 1))
    for first in range(0, len(contributions), _BLOCK):
        rows = slice(first, first + _BLOCK)
        distance = at[rows, None] - raw[None, :]
        near = np.abs(distance) < _NEAR
        slope = (scores[rows, None] - base[None, :]) / np.where(near, 1.0, distance)
        if near.any():
            around = np.broadcast_to(raw[None, :], near.shape)[near]
            slope[near] = (health(around + _STEP) - health(around - _STEP)) / (2.0 * _STEP)
        # All customers have the same bias, so its share is zero.
        own = contributions[rows, :-1] * slope.mean(axis=1)[:, None]
        shares[rows] = own - slope @ reference[:, :-1] / len(reference)
    return HealthShares(scores, float(base.mean()), shares)
