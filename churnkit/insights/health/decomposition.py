"""One customer's health score as a sum: the average customer's, and what sets this one apart."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["HealthPart", "HealthParts", "explain_health"]

# Scores in log-odds that are nearer than this have one slope between them.
_NEAR = 1e-6
_STEP = 1e-4


@dataclass(frozen=True, slots=True)
class HealthPart:
    """What one component adds to a health score, in points; negative takes away."""

    name: str
    points: float


@dataclass(frozen=True, slots=True)
class HealthParts:
    """A customer's health score as the sum of its parts.

    Parameters
    ----------
    score
        ``100 * (1 - calibrated probability of churn)``.
    start
        The mean score of the customers that this one is compared with.
    parts
        The strongest first; `start` and all points add up to `score`.
    """

    score: float
    start: float
    parts: tuple[HealthPart, ...]

    def top(self, most: int, *, rest: str = "Everything else") -> HealthParts:
        """Keep the strongest parts, and sum up the others under one name at the end."""
        if len(self.parts) <= most:
            return self
        others = math.fsum(part.points for part in self.parts[most:])
        return replace(self, parts=(*self.parts[:most], HealthPart(rest, others)))

    def rounded(self, decimals: int = 1) -> HealthParts:
        """Round so that what is shown adds up, too; no number moves by more than one last digit.

        Examples
        --------
        >>> parts = tuple(HealthPart(name, 0.14) for name in "abc")
        >>> [part.points for part in HealthParts(70.42, 70.0, parts).rounded().parts]
        [0.2, 0.1, 0.1]
        """
        unit = 10**decimals
        score, start = round(self.score * unit), round(self.start * unit)
        exact = [part.points * unit for part in self.parts]
        whole = [math.floor(points) for points in exact]
        # Largest remainders go up, until the sum is what it must be.
        order = sorted(range(len(exact)), key=lambda place: whole[place] - exact[place])
        missing = score - start - sum(whole)
        for place in order[: max(missing, 0)]:
            whole[place] += 1
        for place in order[len(order) + min(missing, 0) :]:
            whole[place] -= 1
        parts = tuple(
            HealthPart(part.name, points / unit)
            for part, points in zip(self.parts, whole, strict=True)
        )
        return HealthParts(score / unit, start / unit, parts)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able data."""
        return {**asdict(self), "parts": [asdict(part) for part in self.parts]}

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row a part."""
        import pandas as pd

        return pd.DataFrame([asdict(part) for part in self.parts], columns=["name", "points"])


def explain_health(
    contributions: ArrayLike,
    others: ArrayLike,
    apply: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    names: Sequence[str],
) -> HealthParts:
    """Split one customer's health score into parts that add up to it.

    Against each of the `others` the difference in score is shared among the features in proportion
    to their differences in log-odds; the parts are the means over all others. That is exact: the
    points and the others' mean score add up to the customer's score, however the calibration bends.

    Parameters
    ----------
    contributions : (f + 1,) the customer's exact SHAP values in log-odds, the bias last
    others : (m, f + 1) those of the customers to compare with, such as the whole base
    apply
        From log-odds to calibrated probability, ``calibration.apply``.
    names : (f,)
        What each feature belongs to; features with one name are one part, such as all that come
        from one table.

    Raises
    ------
    ValueError
        If the shapes do not fit together, or there is nobody to compare with.

    Notes
    -----
    With h the score of log-odds z, and c the contributions, the part of group g is
    ``mean_b (c_g - c_bg) * (h(z) - h(z_b)) / (z - z_b)``: Aumann and Shapley's share along the
    straight line from customer b to this one (Sundararajan, Taly and Yan 2017, integrated
    gradients), averaged over the base.

    Examples
    --------
    >>> import numpy as np
    >>> def apply(raw):
    ...     return 1.0 / (1.0 + np.exp(-raw))
    >>> found = explain_health(
    ...     [1.0, -0.5, 0.0], [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]], apply, names=["tickets", "use"]
    ... )
    >>> [(part.name, round(part.points, 1)) for part in found.parts]
    [('tickets', -18.1), ('use', 12.0)]
    >>> round(found.start + sum(part.points for part in found.parts) - found.score, 9)
    0.0
    """
    own = np.asarray(contributions, dtype=np.float64)
    base = np.asarray(others, dtype=np.float64)
    if own.ndim != 1 or base.ndim != 2 or base.shape[1:] != own.shape or not len(base):
        raise ValueError("others are rows of contributions, one row or more, as the customer's")
    if len(names) != len(own) - 1:
        raise ValueError(f"there are {len(names)} names for {len(own) - 1} features")

    def health(raw: NDArray[np.float64]) -> NDArray[np.float64]:
        return 100.0 * (1.0 - apply(raw))

    raw, at = base.sum(axis=1), own.sum()
    score, scores = float(health(np.array([at]))[0]), health(raw)
    away = at - raw
    near = np.abs(away) < _NEAR
    slope = np.empty(len(base))
    slope[~near] = (score - scores[~near]) / away[~near]
    if near.any():
        slope[near] = (health(raw[near] + _STEP) - health(raw[near] - _STEP)) / (2.0 * _STEP)
    shares = slope @ (own - base) / len(base)
    points: dict[str, float] = {}
    # The bias is everybody's, so its share is nothing.
    for name, share in zip(names, shares[:-1].tolist(), strict=True):
        points[name] = points.get(name, 0.0) + share
    start = float(scores.mean())
    order = sorted(points, key=lambda name: (-abs(points[name]), name))
    if order:
        # What floating point lost on the way belongs to the greatest part.
        points[order[0]] += score - math.fsum([start, *points.values()])
    return HealthParts(score, start, tuple(HealthPart(name, points[name]) for name in order))
