"""Metrics of binary outcomes and probabilities, and the table of all of them.

Tied probabilities form one group (see `churnkit.evaluation.classification.score_order`), weights
are optional, and no metric depends on the order of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.evaluation.classification.score_order import RankedOutcomes, ScoreGroups
from churnkit.evaluation.validation import EvaluationError, check_weight

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "METRICS",
    "Metric",
    "auc",
    "average_precision",
    "brier",
    "calibration_error",
    "find_metric",
    "log_loss",
    "top_decile_lift",
    "top_decile_share",
]

_BINS = 10
_TOP = 0.1
# A wrong probability of exactly 0 or 1 would cost infinitely much.
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: its title, its direction, and its computation.

    Parameters
    ----------
    title
        The metric's name in text and tables.
    higher_is_better
        Whether a larger value is better.
    compute
        Computes the metric from grouped outcomes.
    losses
        For means over rows: the loss of each row, from outcomes and probabilities, (n,).
    is_share
        True for metrics between 0 and 1 whose intervals are made on the logit scale.
    noise
        For metrics that count noise as error: the expected value for perfect probabilities.
    """

    title: str
    higher_is_better: bool
    compute: Callable[[ScoreGroups], float]
    losses: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]] | None = None
    is_share: bool = False
    noise: Callable[[ScoreGroups], float] | None = None

    @property
    def sign(self) -> float:
        """1 if a larger value is better, else -1."""
        return 1.0 if self.higher_is_better else -1.0


def auc(y: ArrayLike, probability: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Area under the ROC curve: how often a churner ranks above a stayer; ties count half.

    Parameters
    ----------
    y : (n,)
        Outcomes, 1 for churned.
    probability : (n,)
        Predicted probabilities of churn.
    sample_weight : (n,)
        Weights of the rows.

    Returns
    -------
    float
        0.5 for chance, 1 for perfect order.

    Raises
    ------
    EvaluationError
        Only one class occurs, or a probability is outside 0 to 1.

    Examples
    --------
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    return _auc(_grouped(y, probability, sample_weight))


def average_precision(
    y: ArrayLike, probability: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Average precision: mean of the precision at each churner, going down the ranking.

    Parameters
    ----------
    y, probability, sample_weight
        As `auc`.

    Returns
    -------
    float
        1 for perfect order, about the churn rate for chance.

    Raises
    ------
    EvaluationError
        As `auc`.

    Examples
    --------
    >>> average_precision([0, 1, 0, 1], [0.1, 0.5, 0.6, 0.8])
    0.8333333333333333
    """
    return _average_precision(_grouped(y, probability, sample_weight))


def log_loss(
    y: ArrayLike, probability: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Mean negative log-likelihood of the outcomes, in nats.

    Probabilities of 0 and 1 are moved inside by 2.2e-16.

    Parameters
    ----------
    y, probability, sample_weight
        As `auc`.

    Returns
    -------
    float
        0 for perfect probabilities, 0.693 for 0.5 everywhere.

    Raises
    ------
    EvaluationError
        As `auc`.

    Examples
    --------
    >>> round(log_loss([0, 1], [0.25, 0.75]), 4)
    0.2877
    """
    return _log_loss(_grouped(y, probability, sample_weight))


def brier(y: ArrayLike, probability: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Mean squared difference between probability and outcome.

    Parameters
    ----------
    y, probability, sample_weight
        As `auc`.

    Returns
    -------
    float
        0 for perfect probabilities, 0.25 for 0.5 everywhere.

    Raises
    ------
    EvaluationError
        As `auc`.

    Examples
    --------
    >>> brier([0, 1], [0.25, 0.75])
    0.0625
    """
    return _brier(_grouped(y, probability, sample_weight))


def calibration_error(
    y: ArrayLike, probability: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Expected calibration error over 10 bins of equal weight.

    Rows are binned by probability; the distances between mean probability and churn rate of
    the bins are averaged. Equal probabilities stay in one bin, the one that contains their
    middle.

    Parameters
    ----------
    y, probability, sample_weight
        As `auc`.

    Returns
    -------
    float
        0 if the mean probability of each bin is its churn rate.

    Raises
    ------
    EvaluationError
        As `auc`.

    Notes
    -----
    Perfect probabilities do not give zero on a finite table: a bin of m rows misses by about
    ``0.8 * sqrt(p * (1 - p) / m)`` by chance alone.

    Examples
    --------
    >>> calibration_error([0, 0, 1, 1], [0.0, 0.5, 0.5, 1.0])
    0.0
    """
    return _calibration_error(_grouped(y, probability, sample_weight))


def top_decile_lift(
    y: ArrayLike, probability: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Churn rate of the 10% of customers with the highest probabilities, over the overall rate.

    The 10% are exact: a group that straddles the edge counts in proportion.

    Parameters
    ----------
    y, probability, sample_weight
        As `auc`.

    Returns
    -------
    float
        1 for chance, 10 at most.

    Raises
    ------
    EvaluationError
        As `auc`.

    Examples
    --------
    >>> top_decile_lift([1] + [0] * 9, [0.9] + [0.1] * 9)
    10.0
    """
    return _top_decile_share(_grouped(y, probability, sample_weight)) / _TOP


def top_decile_share(
    y: ArrayLike, probability: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Share of all churners among the 10% of customers with the highest probabilities.

    Parameters
    ----------
    y, probability, sample_weight
        As `auc`.

    Returns
    -------
    float
        0.1 for chance, 1 at most.

    Raises
    ------
    EvaluationError
        As `auc`.

    Examples
    --------
    >>> top_decile_share([1, 1] + [0] * 8, [0.9, 0.5] + [0.1] * 8)
    0.5
    """
    return _top_decile_share(_grouped(y, probability, sample_weight))


def _grouped(y: ArrayLike, probability: ArrayLike, weight: ArrayLike | None) -> ScoreGroups:
    return RankedOutcomes(y, probability).group(check_weight(weight, rows=np.size(y)))


def _auc(groups: ScoreGroups) -> float:
    stayed_below = groups.cumulative_total - groups.cumulative_churned - 0.5 * groups.stayed
    churned = groups.cumulative_churned[-1]
    return float(
        groups.churned @ stayed_below / (churned * (groups.cumulative_total[-1] - churned))
    )


def _average_precision(groups: ScoreGroups) -> float:
    # Groups without churners add nothing, and groups of zero weight are among them.
    at = np.flatnonzero(groups.churned)
    churned, churners = groups.churned[at], groups.cumulative_churned[-1]
    churners_above = churners - groups.cumulative_churned[at] + churned
    rows_above = groups.cumulative_total[-1] - groups.cumulative_total[at] + groups.total[at]
    return float(churned @ (churners_above / rows_above) / churners)


def _log_loss(groups: ScoreGroups) -> float:
    inside = np.clip(groups.probability, _EPSILON, 1 - _EPSILON)
    loss = groups.churned @ np.log(inside) + groups.stayed @ np.log1p(-inside)
    return float(-loss / groups.cumulative_total[-1])


def _log_losses(
    outcome: NDArray[np.float64], probability: NDArray[np.float64]
) -> NDArray[np.float64]:
    inside = np.clip(probability, _EPSILON, 1 - _EPSILON)
    losses: NDArray[np.float64] = -np.where(outcome == 1, np.log(inside), np.log1p(-inside))
    return losses


def _brier(groups: ScoreGroups) -> float:
    loss = groups.churned @ (1 - groups.probability) ** 2 + groups.stayed @ groups.probability**2
    return float(loss / groups.cumulative_total[-1])


def _squared_errors(
    outcome: NDArray[np.float64], probability: NDArray[np.float64]
) -> NDArray[np.float64]:
    errors: NDArray[np.float64] = (outcome - probability) ** 2
    return errors


def _bin_sums(groups: ScoreGroups, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of values in 10 bins of equal weight."""
    middle = groups.cumulative_total - 0.5 * groups.total
    edges = np.searchsorted(middle, np.arange(1, _BINS) / _BINS * groups.cumulative_total[-1])
    return np.array([part.sum() for part in np.split(values, edges)])


def _calibration_error(groups: ScoreGroups) -> float:
    surplus = _bin_sums(groups, groups.churned - groups.total * groups.probability)
    return float(np.abs(surplus).sum() / groups.cumulative_total[-1])


def _calibration_noise(groups: ScoreGroups) -> float:
    """Return the calibration error that perfect probabilities have by chance."""
    spread = groups.total * groups.probability * (1 - groups.probability)
    deviation = np.sqrt(2 / np.pi * _bin_sums(groups, spread)).sum()
    return float(deviation / groups.cumulative_total[-1])


def _top_decile_share(groups: ScoreGroups) -> float:
    # The group at the edge counts with the share of it that lies above.
    below = (1 - _TOP) * groups.cumulative_total[-1]
    at = int(np.searchsorted(groups.cumulative_total, below, side="right"))
    at = min(at, len(groups.cumulative_total) - 1)
    above = groups.cumulative_total[at] - below
    part = above / groups.total[at] if groups.total[at] > 0 else 0.0
    churners = groups.cumulative_churned[-1]
    return float((churners - groups.cumulative_churned[at] + part * groups.churned[at]) / churners)


METRICS: dict[str, Metric] = {
    "auc": Metric("AUC", higher_is_better=True, compute=_auc, is_share=True),
    "average_precision": Metric(
        "Average precision", higher_is_better=True, compute=_average_precision, is_share=True
    ),
    "log_loss": Metric("Log loss", higher_is_better=False, compute=_log_loss, losses=_log_losses),
    "brier": Metric("Brier score", higher_is_better=False, compute=_brier, losses=_squared_errors),
    "calibration_error": Metric(
        "Calibration error",
        higher_is_better=False,
        compute=_calibration_error,
        noise=_calibration_noise,
    ),
    "top_decile_lift": Metric(
        "Lift in the top decile",
        higher_is_better=True,
        compute=lambda groups: _top_decile_share(groups) / _TOP,
    ),
    "top_decile_share": Metric(
        "Share of churners in the top decile", higher_is_better=True, compute=_top_decile_share
    ),
}


def find_metric(name: str) -> Metric:
    """Return the metric of a name.

    Raises
    ------
    EvaluationError
        There is no metric of that name.

    Examples
    --------
    >>> find_metric("auc").title
    'AUC'
    """
    if name not in METRICS:
        raise EvaluationError(f"there is no metric {name!r}: use one of {', '.join(METRICS)}")
    return METRICS[name]
