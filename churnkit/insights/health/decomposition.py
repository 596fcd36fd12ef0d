"""Decompose a customer's health score into the base mean and one part per feature group."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["HealthPart", "HealthParts", "explain_health"]

# Log-odds closer than this use the derivative instead of the difference quotient.
_NEAR = 1e-6
_STEP = 1e-4


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

    def top(self, most: int, *, rest: str = "Other features") -> HealthParts:
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

    def health(raw: NDArray[np.float64]) -> NDArray[np.float64]:
        return 100.0 * (1.0 - apply(raw))

    raw, at = base.sum(axis=1), values.sum()
    score, scores = float(health(np.array([at]))[0]), health(raw)
    distance = at - raw
    near = np.abs(distance) < _NEAR
    slope = np.empty(len(base))
    slope[~near] = (score - scores[~near]) / distance[~near]
    if near.any():
        slope[near] = (health(raw[near] + _STEP) - health(raw[near] - _STEP)) / (2.0 * _STEP)
    shares = slope @ (values - base) / len(base)
    points: dict[str, float] = {}
    # All customers have the same bias, so its share is zero.
    for name, share in zip(names, shares[:-1].tolist(), strict=True):
        points[name] = points.get(name, 0.0) + share
    start = float(scores.mean())
    order = sorted(points, key=lambda name: (-abs(points[name]), name))
    if order:
        # The largest part absorbs the rounding error of the sum.
        points[order[0]] += score - math.fsum([start, *points.values()])
    return HealthParts(score, start, tuple(HealthPart(name, points[name]) for name in order))
