"""The metrics, each a function of outcomes and probabilities, and the table of all of them.

Ties are groups (see `churnkit.evaluation.classification.score_order`), weights are optional, and nothing depends on
the order of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.evaluation.classification.score_order import Mass, Ranked, checked_weight

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

__all__ = [
    "METRICS",
    "Metric",
    "auc",
    "average_precision",
    "brier",
    "calibration_error",
    "log_loss",
    "top_decile_lift",
    "top_decile_share",
]

_BINS = 10
_TOP = 0.1
# A probability of exactly 0 or 1 that is wrong would cost infinitely much.
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name for people, which way is better, and how it is computed.

    Attributes
    ----------
    title
        The metric in words.
    higher_is_better
        Whether a larger figure is the better one.
    of
        Computes it from grouped outcomes.
    bias_corrected
        Whether its bootstrap must be shifted: resampling adds noise, and this metric counts
        noise as error, so that the plain percentiles would lie above the figure itself.
    """

    title: str
    higher_is_better: bool
    of: Callable[[Mass], float]
    bias_corrected: bool = False


def auc(y: ArrayLike, probability: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Area under the ROC curve: how often a churner is ranked above a stayer, ties half.

    Parameters
    ----------
    y : (n,) outcomes, 1 for churned
    probability : (n,) predicted probabilities of churn
    sample_weight : (n,) weights of the rows

    Returns
    -------
    float
        0.5 for chance, 1 for perfect order.

    Raises
    ------
    EvaluationError
        The outcomes hold one class only, or a value is no probability.

    Examples
    --------
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    return _auc(_mass(y, probability, sample_weight))


def average_precision(
    y: ArrayLike, probability: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Average precision: the precision at each churner found, going down the ranking.

    Parameters, raises: as `auc`.

    Examples
    --------
    >>> average_precision([0, 1, 0, 1], [0.1, 0.5, 0.6, 0.8])
    0.8333333333333333
    """
    return _average_precision(_mass(y, probability, sample_weight))


def log_loss(
    y: ArrayLike, probability: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Mean negative log-likelihood of the outcomes, in nats.

    Parameters, raises: as `auc`. Probabilities of 0 and 1 are moved inside by 2.2e-16.

    Examples
    --------
    >>> round(log_loss([0, 1], [0.25, 0.75]), 4)
    0.2877
    """
    return _log_loss(_mass(y, probability, sample_weight))


def brier(y: ArrayLike, probability: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Mean squared difference of probability and outcome.

    Parameters, raises: as `auc`.

    Examples
    --------
    >>> brier([0, 1], [0.25, 0.75])
    0.0625
    """
    return _brier(_mass(y, probability, sample_weight))


def calibration_error(
    y: ArrayLike, probability: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Expected calibration error over 10 bins of equal mass.

    The rows are cut into tenths by probability; in each the mean probability is held against
    the share that churned, and the distances are averaged. Equal probabilities stay in one
    bin, the one that their middle falls into.

    Parameters, raises: as `auc`.

    Notes
    -----
    Perfect probabilities do not give zero on a finite table: a bin of m rows misses by about
    ``0.8 * sqrt(p * (1 - p) / m)`` by chance alone.

    Examples
    --------
    >>> calibration_error([0, 0, 1, 1], [0.0, 0.5, 0.5, 1.0])
    0.0
    """
    return _calibration_error(_mass(y, probability, sample_weight))


def top_decile_lift(
    y: ArrayLike, probability: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Churn rate of the tenth of customers with the highest probabilities, over the overall rate.

    The tenth is exact: of a group that straddles its edge, the fitting share counts.

    Parameters, raises: as `auc`.

    Examples
    --------
    >>> top_decile_lift([1] + [0] * 9, [0.9] + [0.1] * 9)
    10.0
    """
    return _top_decile_share(_mass(y, probability, sample_weight)) / _TOP


def top_decile_share(
    y: ArrayLike, probability: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Share of all churners that are among the tenth with the highest probabilities.

    Parameters, raises: as `auc`.

    Examples
    --------
    >>> top_decile_share([1, 1] + [0] * 8, [0.9, 0.5] + [0.1] * 8)
    0.5
    """
    return _top_decile_share(_mass(y, probability, sample_weight))


def _mass(y: ArrayLike, probability: ArrayLike, weight: ArrayLike | None) -> Mass:
    ranked = Ranked(y, probability)
    return ranked.mass(checked_weight(weight, rows=np.size(y)))


def _auc(mass: Mass) -> float:
    stayed_below = mass.up_to - mass.churned_up_to - 0.5 * mass.stayed
    churned = mass.churned_up_to[-1]
    return float(mass.churned @ stayed_below / (churned * (mass.up_to[-1] - churned)))


def _average_precision(mass: Mass) -> float:
    # Groups without churners add nothing, and among them are those of no weight at all.
    at = np.flatnonzero(mass.churned)
    churned = mass.churned[at]
    found = mass.churned_up_to[-1] - mass.churned_up_to[at] + churned
    passed = mass.up_to[-1] - mass.up_to[at] + mass.total[at]
    return float(churned @ (found / passed) / mass.churned_up_to[-1])


def _log_loss(mass: Mass) -> float:
    inside = np.clip(mass.probability, _EPSILON, 1 - _EPSILON)
    loss = mass.churned @ np.log(inside) + mass.stayed @ np.log1p(-inside)
    return float(-loss / mass.up_to[-1])


def _brier(mass: Mass) -> float:
    loss = mass.churned @ (1 - mass.probability) ** 2 + mass.stayed @ mass.probability**2
    return float(loss / mass.up_to[-1])


def _calibration_error(mass: Mass) -> float:
    middle = mass.up_to - 0.5 * mass.total
    surplus = mass.churned - mass.total * mass.probability
    edges = np.searchsorted(middle, np.arange(1, _BINS) / _BINS * mass.up_to[-1])
    bins = np.split(surplus, edges)
    return float(sum(abs(part.sum()) for part in bins) / mass.up_to[-1])


def _top_decile_share(mass: Mass) -> float:
    # The group that the edge of the tenth falls into counts with the share that lies above.
    below = (1 - _TOP) * mass.up_to[-1]
    at = int(np.searchsorted(mass.up_to, below, side="right"))
    at = min(at, len(mass.up_to) - 1)
    above = mass.up_to[at] - below
    part = above / mass.total[at] if mass.total[at] > 0 else 0.0
    share = mass.churned_up_to[-1] - mass.churned_up_to[at] + part * mass.churned[at]
    return float(share / mass.churned_up_to[-1])


METRICS: dict[str, Metric] = {
    "auc": Metric("AUC", higher_is_better=True, of=_auc),
    "average_precision": Metric("Average precision", higher_is_better=True, of=_average_precision),
    "log_loss": Metric("Log loss", higher_is_better=False, of=_log_loss),
    "brier": Metric("Brier score", higher_is_better=False, of=_brier),
    "calibration_error": Metric(
        "Calibration error", higher_is_better=False, of=_calibration_error, bias_corrected=True
    ),
    "top_decile_lift": Metric(
        "Lift in the top decile",
        higher_is_better=True,
        of=lambda mass: _top_decile_share(mass) / _TOP,
    ),
    "top_decile_share": Metric(
        "Share of churners in the top decile", higher_is_better=True, of=_top_decile_share
    ),
}
