"""Fitting the maps of `churnkit.models.calibration.maps`, and choosing the plainest that will do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.stats.newton_logistic import Block, newton_logistic, softplus
from churnkit.models.calibration.maps import METHODS, Calibration
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = ["CalibrationResult", "calibrate", "fit_calibration", "row_log_losses"]

# A block of the isotonic map is as sure as its count; so many customers of the overall churn
# rate are added to each.
_PRIOR_CUSTOMERS = 2.0
_MAX_ISOTONIC_POINTS = 2_000


@dataclass(frozen=True)
class CalibrationResult:
    """What `calibrate` found.

    Attributes
    ----------
    calibration
        The chosen map, fitted on all rows.
    probability : (n,) probabilities of the chosen method, each from a map that did not see the
        row's own fold
    log_losses
        Cross-fitted log loss of each method.
    """

    calibration: Calibration
    probability: NDArray[np.float64]
    log_losses: Mapping[str, float]


def calibrate(
    raw: ArrayLike,
    y: ArrayLike,
    fold: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    methods: tuple[str, ...] = METHODS,
) -> CalibrationResult:
    """Choose a map by cross-fitted log loss, and fit it on all rows.

    Parameters
    ----------
    raw : (n,) log-odds, each from a model that did not see the row
    y : (n,) outcomes, 1 for churned
    fold : (n,) number of the fold that the row belongs to
    sample_weight : (n,) weights of the rows
    methods
        Which maps to try, from the plainest to the freest.

    Returns
    -------
    CalibrationResult
        With the plainest map whose loss is within one standard error of the best one's, taken
        over the rows' paired differences: a freer map must earn its freedom.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(-1.0, 1.5, 4000)
    >>> churned = (rng.random(4000) < 1 / (1 + np.exp(-truth))).astype(float)
    >>> calibrate(truth, churned, np.arange(4000) % 5).calibration.method
    'identity'
    >>> calibrate(3 * truth, churned, np.arange(4000) % 5).calibration.method
    'platt'
    """
    scores, outcome = np.asarray(raw, dtype=np.float64), np.asarray(y, dtype=np.float64)
    weight = np.ones(len(scores)) if sample_weight is None else np.asarray(sample_weight, float)
    folds = np.asarray(fold)
    crossed = {
        method: _cross_fitted(scores, outcome, weight, folds, method=method) for method in methods
    }
    losses = {method: row_log_losses(outcome, crossed[method]) for method in methods}
    means = {method: float(np.average(losses[method], weights=weight)) for method in methods}
    best = min(methods, key=lambda method: means[method])
    chosen = next(
        method
        for method in methods
        if means[method] - means[best] <= _standard_error(losses[method] - losses[best], weight)
    )
    return CalibrationResult(
        calibration=fit_calibration(scores, outcome, method=chosen, sample_weight=weight),
        probability=crossed[chosen],
        log_losses=means,
    )


def fit_calibration(
    raw: ArrayLike, y: ArrayLike, *, method: str, sample_weight: ArrayLike | None = None
) -> Calibration:
    """Fit one map.

    Parameters
    ----------
    raw : (n,) log-odds
    y : (n,) outcomes, 1 for churned
    method
        One of `METHODS`.
    sample_weight : (n,) weights of the rows

    Raises
    ------
    ModelDataError
        The method is unknown.

    Notes
    -----
    The slopes of Platt's and the beta map have a normal prior around the identity with a
    standard deviation of one, which a few hundred customers overrule and which keeps a
    separable table finite. A negative slope becomes zero.

    Examples
    --------
    >>> fitted = fit_calibration([-2.0, -1.0, 1.0, 2.0], [0, 1, 0, 1], method="platt")
    >>> bool(fitted.apply_one(-2.0) < fitted.apply_one(2.0))
    True
    """
    scores, outcome = np.asarray(raw, dtype=np.float64), np.asarray(y, dtype=np.float64)
    weight = np.ones(len(scores)) if sample_weight is None else np.asarray(sample_weight, float)
    if method == "identity":
        return Calibration.identity()
    if method == "platt":
        return _platt(scores, outcome, weight)
    if method == "beta":
        return _beta(scores, outcome, weight)
    if method == "isotonic":
        return _isotonic(scores, outcome, weight)
    raise ModelDataError(f"there is no calibration {method!r}: use one of {', '.join(METHODS)}")


def row_log_losses(y: NDArray[np.float64], probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log loss of each row, (n,).

    Examples
    --------
    >>> row_log_losses(np.array([1.0, 0.0]), np.array([0.5, 0.5])).round(4)
    array([0.6931, 0.6931])
    """
    losses: NDArray[np.float64] = -np.log(np.where(y == 1, probability, 1 - probability))
    return losses


def _cross_fitted(
    scores: NDArray[np.float64],
    outcome: NDArray[np.float64],
    weight: NDArray[np.float64],
    fold: NDArray[np.int_],
    *,
    method: str,
) -> NDArray[np.float64]:
    probability = np.empty(len(scores))
    for number in np.unique(fold):
        held_out = fold == number
        rest = ~held_out
        fitted = fit_calibration(
            scores[rest], outcome[rest], method=method, sample_weight=weight[rest]
        )
        probability[held_out] = fitted.apply(scores[held_out])
    return probability


def _standard_error(differences: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    share = weight / weight.sum()
    mean = float(share @ differences)
    return float(np.sqrt(share**2 @ (differences - mean) ** 2))


def _platt(
    scores: NDArray[np.float64], outcome: NDArray[np.float64], weight: NDArray[np.float64]
) -> Calibration:
    change, intercept = _around_identity(scores[:, None], scores, outcome, weight)
    slope = float(1 + change[0])
    if slope < 0:  # the order is worth less than none
        return _churn_rate("platt", outcome, weight)
    return Calibration.parametric("platt", slope, slope, intercept)


def _beta(
    scores: NDArray[np.float64], outcome: NDArray[np.float64], weight: NDArray[np.float64]
) -> Calibration:
    stays, churns = -softplus(-scores), softplus(scores)
    change, intercept = _around_identity(np.column_stack([stays, churns]), scores, outcome, weight)
    a, b = (float(slope) for slope in 1 + change)
    if a >= 0 and b >= 0:
        return Calibration.parametric("beta", a, b, intercept)
    # A slope below zero would turn customers round: the best map has one slope, or none.
    options = [_churn_rate("beta", outcome, weight)]
    for kept, part in (((1.0, 0.0), stays), ((0.0, 1.0), churns)):
        change, intercept = _around_identity(part[:, None], part, outcome, weight)
        slope = float(1 + change[0])
        if slope >= 0:
            options.append(
                Calibration.parametric("beta", slope * kept[0], slope * kept[1], intercept)
            )
    return min(
        options, key=lambda option: float(weight @ row_log_losses(outcome, option.apply(scores)))
    )


def _churn_rate(
    method: str, outcome: NDArray[np.float64], weight: NDArray[np.float64]
) -> Calibration:
    """Give every customer the churn rate."""
    rows = len(outcome)
    _, intercept = _around_identity(np.empty((rows, 0)), np.zeros(rows), outcome, weight)
    return Calibration.parametric(method, 0.0, 0.0, intercept)


def _around_identity(
    columns: NDArray[np.float64],
    offset: NDArray[np.float64],
    outcome: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """Return how far each slope departs from one, and the intercept."""
    design = np.column_stack([columns, np.ones(len(columns))])
    # A little pull on the intercept too: a fold may hold one class only.
    penalty = np.append(np.ones(columns.shape[1]), 1e-3)
    fitted = newton_logistic(lambda: [Block(design, outcome, weight, offset)], penalty)
    return fitted.coefficients[:-1], float(fitted.coefficients[-1])


def _isotonic(
    scores: NDArray[np.float64], outcome: NDArray[np.float64], weight: NDArray[np.float64]
) -> Calibration:
    outside = float(_platt(scores, outcome, weight).slopes[0])
    score, mass, churned = _pooled_points(scores, outcome, weight)
    score, mass, churned = _pooled_blocks(score, mass, churned)
    # Bounded away from 0 and 1 by the counts. Small blocks move more, so some are pooled again.
    overall = np.clip(churned.sum() / mass.sum(), 1e-6, 1 - 1e-6)
    score, mass, churned = _pooled_blocks(
        score, mass + _PRIOR_CUSTOMERS, churned + overall * _PRIOR_CUSTOMERS
    )
    rate = churned / mass
    return Calibration.isotonic(score, np.log(rate / (1 - rate)), below=outside, above=outside)


def _pooled_points(
    scores: NDArray[np.float64], outcome: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return distinct scores with their weight and churn, at most a few thousand of them."""
    order = np.argsort(scores, kind="stable")
    ordered, mass = scores[order], weight[order]
    is_new = np.append(True, ordered[1:] != ordered[:-1])
    passed = np.cumsum(mass) - 0.5 * mass
    part = np.floor(passed * (_MAX_ISOTONIC_POINTS / mass.sum()))
    if is_new.sum() > _MAX_ISOTONIC_POINTS:
        # Equal scores stay together: a part may begin only where a new score does.
        is_new &= np.append(True, part[1:] != part[:-1])
    starts = np.flatnonzero(is_new)
    total = np.add.reduceat(mass, starts)
    centre = np.add.reduceat(mass * ordered, starts) / total
    return centre, total, np.add.reduceat(mass * outcome[order], starts)


def _pooled_blocks(
    score: NDArray[np.float64], mass: NDArray[np.float64], churned: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Pool adjacent violators: return the middle, weight and churn of each block."""
    blocks: list[tuple[float, float, float]] = []
    for point in zip((score * mass).tolist(), mass.tolist(), churned.tolist(), strict=True):
        moment, total, churn = point
        # Compared without division: a block of churn rate above or equal is taken in.
        while blocks and blocks[-1][2] * total >= churn * blocks[-1][1]:
            before = blocks.pop()
            moment, total, churn = moment + before[0], total + before[1], churn + before[2]
        blocks.append((moment, total, churn))
    moments, totals, churns = (np.array(part) for part in zip(*blocks, strict=True))
    return moments / totals, totals, churns
