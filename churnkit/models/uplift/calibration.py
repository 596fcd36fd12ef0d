"""Calibrate predicted effects, and estimate their variance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from churnkit.models.uplift.nuisance import boosted
from churnkit.models.uplift.scorer import Curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.models.uplift.nuisance import Settings
    from churnkit.trees import CompiledTrees

__all__ = ["Calibrating", "fit_curve", "fit_spread"]

Calibrating = Literal["isotonic", "linear"]

_BINS = 20
_FEWEST_OF_A_BIN = 100
_SPREAD_ROUNDS = 60


def fit_curve(
    raw: NDArray[np.float64],
    effect: NDArray[np.float64],
    weight: NDArray[np.float64],
    *,
    method: Calibrating = "isotonic",
    falling: bool = False,
) -> Curve:
    """Fit a calibration curve of predicted effects to doubly robust scores.

    Parameters
    ----------
    raw : (n,) out-of-fold predictions
    effect : (n,) doubly robust scores
    weight : (n,) weights of the rows
    method
        ``"linear"``, or ``"isotonic"``: over twentieths of the customers, with a knot in the
        middle of each run that shares a value (Oron and Flournoy 2017).
    falling
        Allow the effect to decrease with the prediction, for predictions of the outcome.

    Examples
    --------
    >>> raw = np.linspace(0.0, 1.0, 4000)
    >>> curve = fit_curve(raw, raw / 2, np.ones(4000))
    >>> curve.apply(np.array([0.5])).round(2)
    array([0.25])
    """
    center, level = float(np.average(raw, weights=weight)), float(effect.mean())
    off = raw - center
    spread = float(np.average(off**2, weights=weight))
    if spread < 1e-24:
        return Curve(np.array([center]), np.array([level]), 0.0)
    lift = effect - np.average(effect, weights=weight)
    slope = float(np.average(off * lift, weights=weight)) / spread
    if not falling:
        slope = max(slope, 0.0)
    bins = min(_BINS, len(raw) // _FEWEST_OF_A_BIN)
    if method == "linear" or bins < 3 or slope == 0.0:
        return Curve(np.array([center]), np.array([level]), slope)
    return _isotonic(raw, effect, weight, bins, slope)


def _isotonic(
    raw: NDArray[np.float64],
    effect: NDArray[np.float64],
    weight: NDArray[np.float64],
    bins: int,
    slope: float,
) -> Curve:
    from sklearn.isotonic import isotonic_regression

    order = np.argsort(raw, kind="stable")
    even = np.linspace(0, len(raw), bins, endpoint=False).astype(np.int64)
    # Equal predictions share a bin: split by the order of the table, they would seem to increase.
    rising = raw[order]
    starts = np.unique(np.searchsorted(rising, rising[even]))
    mass = np.add.reduceat(weight[order], starts)
    knots = np.add.reduceat((weight * raw)[order], starts) / mass
    means = np.add.reduceat((weight * effect)[order], starts) / mass
    values = isotonic_regression(means, sample_weight=mass, increasing=slope > 0)
    # A strictly increasing curve keeps the order of customers within a bin.
    pooled = np.flatnonzero(np.append(True, np.diff(values) != 0))
    mass, knots = np.add.reduceat(mass, pooled), np.add.reduceat(mass * knots, pooled)
    return Curve(knots / mass, np.asarray(values, dtype=np.float64)[pooled], slope)


def fit_spread(
    matrix: NDArray[np.float64], variance: NDArray[np.float64], settings: Settings, *, pairs: int
) -> CompiledTrees:
    """Fit trees to the logarithm of a variance (n,) estimated from `pairs` differences.

    The expected logarithm of a chi-squared draw with `pairs` degrees of freedom is corrected for.
    """
    from scipy.special import digamma

    from churnkit.trees import compile_booster

    bias = float(digamma(pairs / 2.0)) + float(np.log(2.0 / pairs))
    floor = max(float(variance.mean()) * 1e-6, 1e-24)
    target = np.log(np.maximum(variance, floor)) - bias
    return compile_booster(
        boosted(matrix, target, settings, rounds=_SPREAD_ROUNDS, learning_rate=0.1)
    )
