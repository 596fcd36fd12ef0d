"""Qini and uplift curves: how well predicted effects rank the customers of an experiment.

The definitions are those of scikit-uplift (``qini_auc_score``, ``uplift_auc_score``,
``uplift_at_k``), so values are comparable with published ones. They apply to one action against
control and to outcomes 0 and 1, where 1 is desired; the doubly robust measures of
`churnkit.evaluation.uplift.rate` apply to any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np

from churnkit.core.result import PlottableResult
from churnkit.evaluation.validation import EvaluationError, refuse

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["UpliftCurve", "auuc_score", "qini_curve", "qini_score", "uplift_at_k", "uplift_curve"]

Strategy = Literal["overall", "by_group"]
# Outcomes times customers: below this an area is the rounding of zero.
_NO_AREA = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class UpliftCurve(PlottableResult):
    """Outcomes gained by treating the customers with the highest predicted effects.

    Parameters
    ----------
    customers : (g,)
        Number treated, from 0 to all; customers of equal prediction are added together.
    gain : (g,)
        Outcomes gained.
    """

    _display: ClassVar[str] = "QiniDisplay"

    customers: NDArray[np.int64]
    gain: NDArray[np.float64]

    @property
    def area(self) -> float:
        """Area between the curve and the straight line to its end."""
        total = np.trapezoid(self.gain, self.customers)
        return float(total - self.customers[-1] * self.gain[-1] / 2.0)


def uplift_curve(y: ArrayLike, uplift: ArrayLike, treatment: ArrayLike) -> UpliftCurve:
    """Compute the uplift curve: ``(mean treated - mean control) x customers`` in each top share.

    Parameters
    ----------
    y : (n,)
        Outcomes, 1 is desired.
    uplift : (n,)
        Predicted effects.
    treatment : (n,)
        1 for treated, 0 for control.

    Returns
    -------
    UpliftCurve
        One point per distinct prediction, after 0 customers.

    Raises
    ------
    EvaluationError
        Lengths differ, a group is empty, or a value is not a number.

    Examples
    --------
    >>> uplift_curve([1, 0, 1, 0], [0.4, 0.3, 0.2, 0.1], [1, 0, 0, 1]).gain.tolist()
    [0.0, 1.0, 2.0, 1.5, 0.0]
    """
    sums = _cumulate(*_checked(y, uplift, treatment))
    treated = _ratio(sums.treated_gain, sums.treated)
    return sums.curve((treated - _ratio(sums.control_gain, sums.control)) * sums.customers)


def qini_curve(y: ArrayLike, uplift: ArrayLike, treatment: ArrayLike) -> UpliftCurve:
    """Compute the Qini curve: outcomes of the treated minus those of control, scaled to their number.

    Parameters
    ----------
    y, uplift, treatment
        As `uplift_curve`.

    Returns
    -------
    UpliftCurve
        One point per distinct prediction, after 0 customers.

    Raises
    ------
    EvaluationError
        As `uplift_curve`.

    References
    ----------
    N. Radcliffe, Using control groups to target on predicted lift, DMA Analytics Annual
    Journal, 2007.

    Examples
    --------
    >>> qini_curve([1, 0, 1, 0], [0.4, 0.3, 0.2, 0.1], [1, 0, 0, 1]).gain.tolist()
    [0.0, 1.0, 1.0, 0.5, 0.0]
    """
    return _qini(*_checked(y, uplift, treatment))


def qini_score(y: ArrayLike, uplift: ArrayLike, treatment: ArrayLike) -> float:
    """Compute the Qini coefficient: area above the random line over the largest possible area.

    The best possible ranking knows each customer's treatment and outcome; negative effects are
    included.

    Parameters
    ----------
    y, uplift, treatment
        As `uplift_curve`.

    Returns
    -------
    float
        0 for a random order, 1 at most.

    Raises
    ------
    EvaluationError
        As `uplift_curve`.

    Examples
    --------
    >>> round(qini_score([1, 0, 1, 0], [0.4, 0.3, 0.2, 0.1], [1, 0, 0, 1]), 3)
    0.833
    """
    outcome, forecast, treated = _checked(y, uplift, treatment)
    perfect = _qini(outcome, outcome * treated - outcome * (1.0 - treated), treated)
    return _share(_qini(outcome, forecast, treated), perfect)


def auuc_score(y: ArrayLike, uplift: ArrayLike, treatment: ArrayLike) -> float:
    """Compute the area between uplift curve and random line over the largest possible area.

    Parameters
    ----------
    y, uplift, treatment
        As `uplift_curve`.

    Returns
    -------
    float
        0 for a random order, 1 at most.

    Raises
    ------
    EvaluationError
        As `uplift_curve`.

    Examples
    --------
    >>> auuc_score([1, 0, 1, 0], [0.4, 0.3, 0.2, 0.1], [1, 0, 0, 1])
    1.0
    """
    outcome, forecast, treated = _checked(y, uplift, treatment)
    responding = np.sum((outcome == 1) & (treated == 0))
    resisting = np.sum((outcome == 0) & (treated == 1))
    rest = outcome if responding > resisting else treated
    perfect = uplift_curve(outcome, 2.0 * (outcome == treated) + rest, treated)
    return _share(uplift_curve(outcome, forecast, treated), perfect)


def uplift_at_k(
    y: ArrayLike,
    uplift: ArrayLike,
    treatment: ArrayLike,
    *,
    k: float = 0.3,
    strategy: Strategy = "overall",
) -> float:
    """Compute the difference of mean outcomes among the customers with the highest predictions.

    Parameters
    ----------
    y, uplift, treatment
        As `uplift_curve`.
    k
        Share of customers, above 0 and at most 1.
    strategy
        ``"overall"``: the top share of all; ``"by_group"``: the top share of the treated
        against the top share of control.

    Returns
    -------
    float
        Treated minus control, in the outcome's unit.

    Raises
    ------
    EvaluationError
        As `uplift_curve`, or the top share has no customer of a group.

    Examples
    --------
    >>> uplift_at_k([1, 0, 1, 0], [0.4, 0.3, 0.2, 0.1], [1, 0, 0, 1], k=0.5)
    1.0
    """
    if strategy not in get_args(Strategy):
        raise EvaluationError(f"strategy must be 'overall' or 'by_group', got {strategy!r}")
    if not 0.0 < k <= 1.0:
        raise EvaluationError(f"k must be above 0 and at most 1, got {k}")
    outcome, forecast, treated = _checked(y, uplift, treatment)
    order = _descending(forecast)
    outcome, treated = outcome[order], treated[order]
    groups = []
    for kind in (1.0, 0.0):
        if strategy == "overall":
            top = int(len(outcome) * k)
            group = outcome[:top][treated[:top] == kind]
        else:
            members = outcome[treated == kind]
            group = members[: int(len(members) * k)]
        if not len(group):
            raise EvaluationError(f"the top {k:.0%} lacks treated or control: use a larger k")
        groups.append(float(group.mean()))
    return groups[0] - groups[1]


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Counts and outcomes of both groups, cumulated down to each distinct prediction."""

    customers: NDArray[np.int64]
    treated: NDArray[np.float64]
    control: NDArray[np.float64]
    treated_gain: NDArray[np.float64]
    control_gain: NDArray[np.float64]

    def curve(self, gain: NDArray[np.float64]) -> UpliftCurve:
        return UpliftCurve(np.append(0, self.customers), np.append(0.0, gain))


def _cumulate(
    y: NDArray[np.float64], uplift: NDArray[np.float64], treated: NDArray[np.float64]
) -> _Sums:
    order = _descending(uplift)
    y, uplift, treated = y[order], uplift[order], treated[order]
    last = np.append(np.flatnonzero(np.diff(uplift)), len(uplift) - 1)
    count = np.cumsum(treated)[last]
    return _Sums(
        customers=last + 1,
        treated=count,
        control=last + 1 - count,
        treated_gain=np.cumsum(y * treated)[last],
        control_gain=np.cumsum(y * (1.0 - treated))[last],
    )


def _qini(
    y: NDArray[np.float64], uplift: NDArray[np.float64], treated: NDArray[np.float64]
) -> UpliftCurve:
    sums = _cumulate(y, uplift, treated)
    scaled = sums.control_gain * _ratio(sums.treated, sums.control)
    return sums.curve(sums.treated_gain - scaled)


def _share(curve: UpliftCurve, perfect: UpliftCurve) -> float:
    if abs(perfect.area) < _NO_AREA:
        raise EvaluationError(
            "even the best ranking gains nothing over chance: the outcomes do not differ, or there "
            "are too few rows; use more customers"
        )
    return curve.area / perfect.area


def _descending(uplift: NDArray[np.float64]) -> NDArray[np.intp]:
    # Of equals the last one first, as in scikit-uplift; it matters for uplift_at_k.
    return np.argsort(uplift, kind="stable")[::-1]


def _ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator != 0)


def _checked(
    y: ArrayLike, uplift: ArrayLike, treatment: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    outcome, forecast, treated = (np.asarray(v, dtype=np.float64) for v in (y, uplift, treatment))
    shapes = {outcome.shape, forecast.shape, treated.shape}
    if len(shapes) > 1 or outcome.ndim != 1:
        raise EvaluationError(
            f"y {outcome.shape}, uplift {forecast.shape} and treatment {treated.shape}: all must "
            "be (n,); compare a single action with control"
        )
    for name, values in (("y", outcome), ("uplift", forecast)):
        refuse(~np.isfinite(values), f"values of {name} are not finite")
    if not np.isin(treated, (0.0, 1.0)).all() or len(np.unique(treated)) < 2:
        raise EvaluationError(
            "treatment must be 1 for treated and 0 for control, with some of each"
        )
    return outcome, forecast, treated
