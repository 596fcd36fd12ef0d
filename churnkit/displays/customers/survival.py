"""Survival: share of customers that are still active, observed and predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.displays.display import BAND, REFERENCE, Display, estimator_name
from churnkit.evaluation import kaplan_meier, kaplan_meier_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from churnkit.evaluation import SurvivalCurve

__all__ = ["SurvivalDisplay"]

_POINTS = 101


class SurvivalDisplay(Display):
    """Kaplan-Meier curves with 95% intervals, and the mean predicted survival.

    Parameters
    ----------
    curves
        Curve of each group, by its label.
    predicted
        For the label of a model: times and mean survival, (t,) each.

    Attributes
    ----------
    lines_ : dict of str
        The curve of each label.
    ax_, figure_
        Axes and figure of the last `plot`.

    Examples
    --------
    >>> display = SurvivalDisplay({"observed": kaplan_meier([1, 2, 3], [1, 0, 1])})
    >>> display.curves["observed"].median
    3.0
    """

    lines_: dict[str, Any]

    def __init__(
        self,
        curves: Mapping[str, SurvivalCurve],
        *,
        predicted: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]] | None = None,
    ) -> None:
        self.curves: dict[str, SurvivalCurve] = dict(curves)
        self.predicted: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = dict(
            predicted or {}
        )

    @classmethod
    def from_result(cls, result: SurvivalCurve, *, ax: Any = None, **kwargs: Any) -> Self:
        """Draw one curve, as the curve's own `plot` does.

        Parameters
        ----------
        result
            From `churnkit.evaluation.kaplan_meier`.
        ax, **kwargs
            As in `plot`.

        Returns
        -------
        SurvivalDisplay
        """
        return cls({"observed": result}).plot(ax=ax, **kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        duration: ArrayLike,
        event: ArrayLike,
        *,
        entry: ArrayLike | None = None,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Compute and draw observed survival and the mean prediction of a hazard model.

        Parameters
        ----------
        estimator
            Fitted `churnkit.models.HazardModel`.
        X
            Customers that it was not fitted on.
        duration, event, entry : (n,)
            As in `churnkit.evaluation.kaplan_meier`.
        name
            Label of the prediction; the class of the estimator if not given.
        ax
            Axes to draw on; new ones if not given.

        Returns
        -------
        SurvivalDisplay
        """
        observed = kaplan_meier(duration, event, entry=entry)
        times = np.linspace(0.0, observed.follow_up, _POINTS)
        mean = np.asarray(estimator.predict_survival(X, times)).mean(axis=0)
        predicted = {estimator_name(estimator, name): (times, mean)}
        return cls({"observed": observed}, predicted=predicted).plot(ax=ax)

    @classmethod
    def from_durations(
        cls,
        duration: ArrayLike,
        event: ArrayLike,
        *,
        entry: ArrayLike | None = None,
        group: ArrayLike | None = None,
        ax: Any = None,
    ) -> Self:
        """Compute and draw observed survival, one curve for each group.

        Parameters
        ----------
        duration, event, entry : (n,)
            As in `churnkit.evaluation.kaplan_meier`.
        group : (n,)
            Group of each customer; one curve if not given.
        ax
            Axes to draw on; new ones if not given.

        Returns
        -------
        SurvivalDisplay
        """
        if group is None:
            return cls({"observed": kaplan_meier(duration, event, entry=entry)}).plot(ax=ax)
        curves = kaplan_meier_by(group, duration, event, entry=entry)
        return cls({str(name): curve for name, curve in curves.items()}).plot(ax=ax)

    def plot(self, *, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        **kwargs
            For ``Axes.step``.

        Returns
        -------
        The display.
        """
        axes = self._set_axes(ax, title="Survival", x="time", y="share of active customers")
        self.lines_ = {}
        for name, curve in self.curves.items():
            time = np.concatenate([[0.0], curve.time, [curve.follow_up]])
            share, low, high = (
                np.concatenate([[1.0], values, values[-1:] if len(values) else [1.0]])
                for values in (curve.survival, curve.low, curve.high)
            )
            options = {"where": "post", "label": name} | kwargs
            (self.lines_[name],) = axes.step(time, share, **options)
            color = self.lines_[name].get_color()
            axes.fill_between(time, low, high, step="post", color=color, alpha=BAND, linewidth=0)
        for name, (time, share) in self.predicted.items():
            (self.lines_[name],) = axes.plot(
                time, share, color=REFERENCE, linestyle="--", label=name
            )
        axes.set_ylim(0.0, 1.02)
        axes.legend()
        return self
