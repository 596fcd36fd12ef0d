"""Fitting of calibration maps, and choice of the simplest one that is good enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.result import Result
from churnkit.core.stats.newton_logistic import Block, newton_logistic
from churnkit.core.stats.special import softplus
from churnkit.models.calibration.maps import METHODS, Calibration
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = ["CalibrationResult", "calibrate", "fit_calibration", "row_log_losses"]

# Customers with the overall churn rate added to each block of the isotonic map.
_PRIOR_CUSTOMERS = 2.0
_MAX_ISOTONIC_POINTS = 2_000


@dataclass(frozen=True)
class CalibrationResult(Result):
    """Result of `calibrate`.

    Parameters
    ----------
    calibration
        The chosen map, fitted on all rows.
    probability : (n,)
        Probabilities of the chosen method, each from a map fitted without the row's fold.
    log_losses
        Cross-fitted log loss of each method.
    by_fold
        The chosen map by fold, fitted without the fold's rows.
    """

    calibration: Calibration
    probability: NDArray[np.float64]
    log_losses: Mapping[str, float]
    by_fold: Mapping[int, Calibration]


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
    raw : (n,)
        Log-odds, each from a model fitted without the row.
    y : (n,)
        Outcomes, 1 for churned.
    fold : (n,)
        Number of the row's fold.
    sample_weight : (n,)
        Weights of the rows.
    methods
        Candidate maps, ordered by degrees of freedom.

    Returns
    -------
    CalibrationResult
        With the simplest map whose loss is within one standard error of the best (of the rows'
        paired differences).

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
    held_out: dict[str, NDArray[np.float64]] = {}
    maps: dict[str, dict[int, Calibration]] = {}
    for method in methods:
        held_out[method], maps[method] = _cross_fit(scores, outcome, weight, folds, method=method)
    losses = {method: row_log_losses(outcome, held_out[method]) for method in methods}
    means = {method: float(np.average(losses[method], weights=weight)) for method in methods}
    best = min(methods, key=lambda method: means[method])
    chosen = next(
        method
        for method in methods
        if means[method] - means[best] <= _standard_error(losses[method] - losses[best], weight)
    )
    return CalibrationResult(
        calibration=fit_calibration(scores, outcome, method=chosen, sample_weight=weight),
        probability=held_out[chosen],
        log_losses=means,
        by_fold=maps[chosen],
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

    Returns
    -------
    Calibration

    Raises
    ------
    ModelDataError
        The method is unknown.

    Notes
    -----
    The slopes of Platt's and the beta map have a normal prior around the identity with standard
    deviation one: it keeps separable data finite and is negligible with a few hundred customers.
    Negative slopes are set to zero.

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
    raise ModelDataError(f"unknown calibration {method!r}: use one of {', '.join(METHODS)}")


def row_log_losses(y: NDArray[np.float64], probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log loss of each row, (n,).

    Examples
    --------
    >>> row_log_losses(np.array([1.0, 0.0]), np.array([0.5, 0.5])).round(4)
    array([0.6931, 0.6931])
    """
    losses: NDArray[np.float64] = -np.log(np.where(y == 1, probability, 1 - probability))
    return losses


def _cross_fit(
    scores: NDArray[np.float64],
    outcome: NDArray[np.float64],
    weight: NDArray[np.float64],
    fold: NDArray[np.int_],
    *,
    method: str,
) -> tuple[NDArray[np.float64], dict[int, Calibration]]:
    """Return probabilities, each from a map fitted without the row's fold, and the maps."""
    probability, maps = np.empty(len(scores)), {}
    for number in np.unique(fold).tolist():
        test = fold == number
        maps[number] = fit_calibration(
            scores[~test], outcome[~test], method=method, sample_weight=weight[~test]
        )
        probability[test] = maps[number].apply(scores[test])
    return probability, maps


def _standard_error(differences: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    share = weight / weight.sum()
    mean = float(share @ differences)
    return float(np.sqrt(share**2 @ (differences - mean) ** 2))


def _platt(
    scores: NDArray[np.float64], outcome: NDArray[np.float64], weight: NDArray[np.float64]
) -> Calibration:
    change, intercept = _around_identity(scores[:, None], scores, outcome, weight)
    slope = float(1 + change[0])
    if slope < 0:  # the scores rank worse than chance
        return _constant_rate("platt", outcome, weight)
    return Calibration.parametric("platt", slope, slope, intercept)


def _beta(
    scores: NDArray[np.float64], outcome: NDArray[np.float64], weight: NDArray[np.float64]
) -> Calibration:
    log_churn, minus_log_stay = -softplus(-scores), softplus(scores)
    columns = np.column_stack([log_churn, minus_log_stay])
    change, intercept = _around_identity(columns, scores, outcome, weight)
    a, b = (float(slope) for slope in 1 + change)
    if a >= 0 and b >= 0:
        return Calibration.parametric("beta", a, b, intercept)
    # A negative slope would not be monotone: the constrained optimum has one slope, or none.
    candidates = [_constant_rate("beta", outcome, weight)]
    for use_a, use_b, column in ((1.0, 0.0, log_churn), (0.0, 1.0, minus_log_stay)):
        change, intercept = _around_identity(column[:, None], column, outcome, weight)
        slope = float(1 + change[0])
        if slope >= 0:
            candidates.append(
                Calibration.parametric("beta", slope * use_a, slope * use_b, intercept)
            )
    return min(
        candidates,
        key=lambda candidate: float(weight @ row_log_losses(outcome, candidate.apply(scores))),
    )


def _constant_rate(
    method: str, outcome: NDArray[np.float64], weight: NDArray[np.float64]
) -> Calibration:
    """Return the map that assigns every customer the churn rate."""
    rows = len(outcome)
    _, intercept = _around_identity(np.empty((rows, 0)), np.zeros(rows), outcome, weight)
    return Calibration.parametric(method, 0.0, 0.0, intercept)


def _around_identity(
    columns: NDArray[np.float64],
    offset: NDArray[np.float64],
    outcome: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """Return the difference of each slope from one, and the intercept."""
    design = np.column_stack([columns, np.ones(len(columns))])
    # A small penalty on the intercept: a fold may have only one class.
    penalty = np.append(np.ones(columns.shape[1]), 1e-3)
    fitted = newton_logistic(lambda: [Block(design, outcome, weight, offset)], penalty)
    return fitted.coefficients[:-1], float(fitted.coefficients[-1])


def _isotonic(
    scores: NDArray[np.float64], outcome: NDArray[np.float64], weight: NDArray[np.float64]
) -> Calibration:
    outside = float(_platt(scores, outcome, weight).slopes[0])
    score, mass, churned = _pooled_points(scores, outcome, weight)
    score, mass, churned = _pooled_blocks(score, mass, churned)
    # The prior keeps rates off 0 and 1. It moves small blocks more, so pool once again.
    overall = np.clip(churned.sum() / mass.sum(), 1e-6, 1 - 1e-6)
    score, mass, churned = _pooled_blocks(
        score, mass + _PRIOR_CUSTOMERS, churned + overall * _PRIOR_CUSTOMERS
    )
    rate = churned / mass
    return Calibration.isotonic(score, np.log(rate / (1 - rate)), below=outside, above=outside)


def _pooled_points(
    scores: NDArray[np.float64], outcome: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return distinct scores with their weight and churn, grouped to a few thousand at most."""
    order = np.argsort(scores, kind="stable")
    ordered, mass = scores[order], weight[order]
    is_new = np.append(True, ordered[1:] != ordered[:-1])
    midpoint = np.cumsum(mass) - 0.5 * mass
    group = np.floor(midpoint * (_MAX_ISOTONIC_POINTS / mass.sum()))
    if is_new.sum() > _MAX_ISOTONIC_POINTS:
        # Equal scores stay together: a group may start only at a new score.
        is_new &= np.append(True, group[1:] != group[:-1])
    starts = np.flatnonzero(is_new)
    total = np.add.reduceat(mass, starts)
    center = np.add.reduceat(mass * ordered, starts) / total
    return center, total, np.add.reduceat(mass * outcome[order], starts)


def _pooled_blocks(
    score: NDArray[np.float64], mass: NDArray[np.float64], churned: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Pool adjacent violators: return the center, weight and churn of each block."""
    blocks: list[tuple[float, float, float]] = []
    for point in zip((score * mass).tolist(), mass.tolist(), churned.tolist(), strict=True):
        moment, total, churn = point
        # Compare rates without division: absorb previous blocks with an equal or higher rate.
        while blocks and blocks[-1][2] * total >= churn * blocks[-1][1]:
            previous = blocks.pop()
            moment, total, churn = moment + previous[0], total + previous[1], churn + previous[2]
        blocks.append((moment, total, churn))
    moments, totals, churns = (np.array(part) for part in zip(*blocks, strict=True))
    return moments / totals, totals, churns
