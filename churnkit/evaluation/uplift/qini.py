"""How well forecasts of an effect rank customers, by what a randomised experiment saw.

The definitions are scikit-uplift's (``qini_auc_score``, ``uplift_auc_score``, ``uplift_at_k``),
so figures can be held against published ones. They are for one action against control, and for
outcomes 0 and 1 of which 1 is wanted; the doubly robust measures of
`churnkit.evaluation.uplift.rate` are for any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from churnkit.evaluation.classification.score_order import EvaluationError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["UpliftCurve", "auuc_score", "qini_curve", "qini_score", "uplift_at_k", "uplift_curve"]

Strategy = Literal["overall", "by_group"]
# Outcomes times customers: below this an area is the rounding of zero.
_NO_AREA = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class UpliftCurve:
    """What is gained when the customers of the highest forecasts are treated.

    Attributes
    ----------
    customers : (g,) how many, from 0 to all; customers of equal forecast come together
    gain : (g,) outcomes gained
    """

    customers: NDArray[np.int64]
    gain: NDArray[np.float64]

    @property
    def area(self) -> float:
        """Area under the curve less that under the straight line to its end."""
        whole = np.trapezoid(self.gain, self.customers)
        return float(whole - self.customers[-1] * self.gain[-1] / 2.0)

    def to_dict(self) -> dict[str, list[float]]:
        """Return both columns as lists."""
        return {"customers": self.customers.tolist(), "gain": self.gain.tolist()}


def uplift_curve(y: ArrayLike, uplift: ArrayLike, treatment: ArrayLike) -> UpliftCurve:
    """Give the uplift curve: ``(mean treated - mean control) x customers`` in each top share.

    Parameters
    ----------
    y : (n,) outcomes, 1 is wanted
    uplift : (n,) forecasts of the effect
    treatment : (n,) 1 for treated, 0 for control

    Raises
    ------
    EvaluationError
        If lengths differ, a group is empty, or a value is not a number.

    Examples
    --------
    >>> uplift_curve([1, 0, 1, 0], [0.4, 0.3, 0.2, 0.1], [1, 0, 0, 1]).gain.tolist()
    [0.0, 1.0, 2.0, 1.5, 0.0]
    """
    found = _Sums.of(*_checked(y, uplift, treatment))
    treated = _ratio(found.treated_gain, found.treated)
    return found.curve((treated - _ratio(found.control_gain, found.control)) * found.customers)


def qini_curve(y: ArrayLike, uplift: ArrayLike, treatment: ArrayLike) -> UpliftCurve:
    """Give the Qini curve: outcomes of the treated, less control's scaled to as many customers.

    Parameters, raises
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
    """Give the Qini coefficient: area above the random line, as a share of the best possible.

    The best possible ranking knows who was treated and bought, negative effects included.

    Parameters, raises
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
    """Give the area under the uplift curve above random, as a share of the best possible.

    Parameters, raises
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
    """Give the difference of the mean outcomes among the customers of the highest forecasts.

    Parameters
    ----------
    y, uplift, treatment
        As `uplift_curve`.
    k
        The share of customers, above 0 and at most 1.
    strategy
        ``"overall"``: the top share of all; ``"by_group"``: the top share of the treated
        against the top share of control.

    Raises
    ------
    EvaluationError
        As `uplift_curve`, or if the top share has nobody of a group.

    Examples
    --------
    >>> uplift_at_k([1, 0, 1, 0], [0.4, 0.3, 0.2, 0.1], [1, 0, 0, 1], k=0.5)
    1.0
    """
    if strategy not in get_args(Strategy):
        raise EvaluationError(f"strategy {strategy!r}: must be 'overall' or 'by_group'")
    if not 0.0 < k <= 1.0:
        raise EvaluationError(f"k is {k}: must be a share, above 0 and at most 1")
    outcome, forecast, treated = _checked(y, uplift, treatment)
    order = _descending(forecast)
    outcome, treated = outcome[order], treated[order]
    groups = []
    for kind in (1.0, 0.0):
        if strategy == "overall":
            top = int(len(outcome) * k)
            group = outcome[:top][treated[:top] == kind]
        else:
            whole = outcome[treated == kind]
            group = whole[: int(len(whole) * k)]
        if not len(group):
            raise EvaluationError(f"the top {k:.0%} has nobody of a group: take a larger k")
        groups.append(float(group.mean()))
    return groups[0] - groups[1]


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Counts and outcomes of both groups, among the customers down to each distinct forecast."""

    customers: NDArray[np.int64]
    treated: NDArray[np.float64]
    control: NDArray[np.float64]
    treated_gain: NDArray[np.float64]
    control_gain: NDArray[np.float64]

    @classmethod
    def of(
        cls, y: NDArray[np.float64], uplift: NDArray[np.float64], treated: NDArray[np.float64]
    ) -> _Sums:
        order = _descending(uplift)
        y, uplift, treated = y[order], uplift[order], treated[order]
        last = np.append(np.flatnonzero(np.diff(uplift)), len(uplift) - 1)
        count = np.cumsum(treated)[last]
        return cls(
            customers=last + 1,
            treated=count,
            control=last + 1 - count,
            treated_gain=np.cumsum(y * treated)[last],
            control_gain=np.cumsum(y * (1.0 - treated))[last],
        )

    def curve(self, gain: NDArray[np.float64]) -> UpliftCurve:
        return UpliftCurve(np.append(0, self.customers), np.append(0.0, gain))


def _qini(
    y: NDArray[np.float64], uplift: NDArray[np.float64], treated: NDArray[np.float64]
) -> UpliftCurve:
    found = _Sums.of(y, uplift, treated)
    scaled = found.control_gain * _ratio(found.treated, found.control)
    return found.curve(found.treated_gain - scaled)


def _share(curve: UpliftCurve, perfect: UpliftCurve) -> float:
    if abs(perfect.area) < _NO_AREA:
        raise EvaluationError(
            "even the best ranking gains nothing over chance here: the outcome never differs, or "
            "as much among the treated as among control in too few rows; bring more customers"
        )
    return curve.area / perfect.area


def _descending(uplift: NDArray[np.float64]) -> NDArray[np.intp]:
    # Of equals the last one first: as scikit-uplift has it, and it matters for uplift_at_k.
    return np.argsort(uplift, kind="stable")[::-1]


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.zeros_like(above), where=below != 0)


def _checked(
    y: ArrayLike, uplift: ArrayLike, treatment: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    outcome, forecast, treated = (np.asarray(v, dtype=np.float64) for v in (y, uplift, treatment))
    shapes = {outcome.shape, forecast.shape, treated.shape}
    if len(shapes) > 1 or outcome.ndim != 1:
        raise EvaluationError(
            f"y {outcome.shape}, uplift {forecast.shape} and treatment {treated.shape}: all must "
            "be (customers,); take one action against control at a time"
        )
    for name, values in (("y", outcome), ("uplift", forecast)):
        if not np.isfinite(values).all():
            raise EvaluationError(
                f"{name} holds {np.sum(~np.isfinite(values))} that are not finite"
            )
    if not np.isin(treated, (0.0, 1.0)).all() or len(np.unique(treated)) < 2:
        raise EvaluationError("treatment must be 1 for treated and 0 for control, some of each")
    return outcome, forecast, treated
