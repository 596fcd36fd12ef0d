"""What a model's figures will be, before anybody knows who left.

If probabilities are calibrated, the labels that are still to come are coins of known bias, and so
the expected value of every figure is known (confidence-based performance estimation):

    AUC = P(score of a leaver > score of a stayer), each pair weighted by p_i (1 - p_j).

It is right as long as calibration holds. It cannot see that what a customer's features mean has
changed; `reconcile` can, once labels are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.stats.interval import Interval
from churnkit.evaluation.classification.metrics import auc

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["PerformanceEstimate", "Reconciled", "foresee", "reconcile"]

_DRAWS = 200
_TINY = 1e-15


@dataclass(frozen=True, slots=True)
class PerformanceEstimate:
    """Figures that are expected, each with the range that chance in the labels leaves it."""

    rows: int
    churn_rate: Interval
    auc: Interval
    log_loss: Interval

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        figures = {
            name: getattr(self, name).to_dict() for name in ("churn_rate", "auc", "log_loss")
        }
        return {"rows": self.rows, **figures}


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What came, beside what was foreseen."""

    rows: int
    churned: float
    """How many left; weighted where customers stand for others."""
    expected: float
    """How many were expected to."""
    ratio: Interval
    """churned / expected with its 99% interval: 1 where calibration holds."""
    auc: Interval
    foreseen: PerformanceEstimate

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "rows": self.rows,
            "churned": self.churned,
            "expected": self.expected,
            "ratio": self.ratio.to_dict(),
            "auc": self.auc.to_dict(),
            "foreseen": self.foreseen.to_dict(),
        }


def foresee(probability: ArrayLike, *, seed: int = 0, level: float = 0.95) -> PerformanceEstimate:
    """Estimate a model's figures on customers whose labels are not known yet.

    Parameters
    ----------
    probability
        (n,) calibrated probabilities.
    seed
        Of the draws behind the ranges.
    level
        Of the ranges.

    Examples
    --------
    >>> p = np.linspace(0.01, 0.99, 500)
    >>> round(foresee(p).auc.value, 2)
    0.83
    """
    p = np.clip(np.asarray(probability, dtype=np.float64), _TINY, 1 - _TINY)
    rng = np.random.default_rng(seed)
    draws = np.empty((_DRAWS, 3))
    order = np.argsort(p, kind="stable")
    for draw in draws:
        y = rng.random(len(p)) < p
        draw[:] = y.mean(), _auc_sorted(y[order], p[order]), _log_loss(y, p)
    expected = (
        p.mean(),
        _expected_auc(p[order]),
        float(-(p * np.log(p) + (1 - p) * np.log1p(-p)).mean()),
    )
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.nanquantile(draws, tails, axis=0)
    figures = [
        Interval(float(v), float(a), float(b)) for v, a, b in zip(expected, low, high, strict=True)
    ]
    return PerformanceEstimate(len(p), *figures)


def reconcile(
    y: ArrayLike,
    probability: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    seed: int = 0,
) -> Reconciled:
    """Hold what came against what was foreseen.

    Parameters
    ----------
    y
        (n,) who left, 0 or 1. Leave out whom an action was meant to keep: it changes the label.
    probability
        (n,) what the model said.
    weight
        (n,) for whom each customer stands: one over the probability of having been left alone.
    seed
        As in `foresee`.

    Examples
    --------
    >>> reconcile([0, 1, 0, 0], [0.2, 0.4, 0.2, 0.2]).ratio.value
    1.0
    """
    left = np.asarray(y, dtype=np.float64)
    p = np.asarray(probability, dtype=np.float64)
    w = np.ones(len(p)) if weight is None else np.asarray(weight, dtype=np.float64)
    came, expected = float((w * left).sum()), float((w * p).sum())
    spread = float(np.sqrt((w**2 * p * (1 - p)).sum()))
    reach = 2.576 * spread / expected if expected else np.inf
    ratio = came / expected if expected else np.nan
    measured = auc(left, p, sample_weight=w) if 0 < left.sum() < len(left) else np.nan
    error = 1.96 * _auc_error(measured, left)
    return Reconciled(
        len(p),
        came,
        expected,
        Interval(ratio, ratio - reach, ratio + reach),
        Interval(float(measured), float(measured - error), float(measured + error)),
        foresee(p, seed=seed),
    )


def _auc_error(value: float, left: NDArray[np.float64]) -> float:
    """Give the standard error of an area (Hanley and McNeil 1982)."""
    ones = left.sum()
    zeros = len(left) - ones
    if not (ones and zeros) or np.isnan(value):
        return float("nan")
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value) + (ones - 1) * (q1 - value**2) + (zeros - 1) * (q2 - value**2)
    return float(np.sqrt(max(spread, 0.0) / (ones * zeros)))


def _expected_auc(p: NDArray[np.float64]) -> float:
    """Weigh each pair of sorted scores by how likely one leaves and the other stays."""
    stays = np.concatenate([[0.0], np.cumsum(1 - p)])
    first, last = np.searchsorted(p, p, "left"), np.searchsorted(p, p, "right")
    below, level = stays[first], stays[last] - stays[first]
    # A customer is no pair with itself.
    total = p.sum() * (1 - p).sum() - (p * (1 - p)).sum()
    wins = (p * (below + 0.5 * (level - (1 - p)))).sum()
    return float(wins / total) if total > 0 else float("nan")


def _auc_sorted(y: NDArray[np.bool_], p: NDArray[np.float64]) -> float:
    ones = int(y.sum())
    if ones in {0, len(y)}:
        return float("nan")
    rank = 0.5 * (np.searchsorted(p, p, "left") + np.searchsorted(p, p, "right") + 1)
    return float((rank[y].sum() - ones * (ones + 1) / 2) / (ones * (len(y) - ones)))


def _log_loss(y: NDArray[np.bool_], p: NDArray[np.float64]) -> float:
    return float(-np.log(np.where(y, p, 1 - p)).mean())
