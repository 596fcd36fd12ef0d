"""Calibration: churn rates by predicted probability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.displays.display import MODEL, REFERENCE, ClassifierDisplay
from churnkit.evaluation import CalibrationCurve, calibration_curve

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


__all__ = ["CalibrationDisplay"]


class CalibrationDisplay(ClassifierDisplay[CalibrationCurve]):
    """Churn rates by predicted probability, with 95% intervals.

    Parameters
    ----------
    result
        From `churnkit.evaluation.calibration_curve`.
    name
        Label in the legend.

    Attributes
    ----------
    line_
        Container of the points and their intervals.
    ax_, figure_
        Axes and figure of the last `plot`.

    Examples
    --------
    >>> curve = calibration_curve([0, 0, 1, 1], [0.25, 0.25, 0.75, 0.75], bins=2)
    >>> CalibrationDisplay(curve, name="telco").result.churn_rate
    array([0., 1.])
    """

    line_: Any

    @classmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        probability: ArrayLike,
        *,
        bins: int = 10,
        sample_weight: ArrayLike | None = None,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compute and draw the calibration of probabilities.

        Parameters
        ----------
        y : (n,)
            Outcomes, 1 for churned.
        probability : (n,)
            Predicted probabilities of churn.
        bins, sample_weight
            As in `churnkit.evaluation.calibration_curve`.
        name, ax, **kwargs
            As in `plot`.

        Returns
        -------
        CalibrationDisplay
        """
        curve = calibration_curve(y, probability, bins=bins, sample_weight=sample_weight)
        return cls(curve, name=name).plot(ax=ax, **kwargs)

    def plot(self, *, ax: Any = None, name: str | None = None, **kwargs: Any) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        name
            Label in the legend.
        **kwargs
            For ``Axes.errorbar``.

        Returns
        -------
        The display.
        """
        axes = self._set_axes(
            ax,
            title="Calibration",
            x="predicted churn probability",
            y="churn rate",
        )
        curve = self.result
        top = float(max(curve.predicted_probability.max(), curve.high.max())) * 1.05
        axes.plot([0, top], [0, top], color=REFERENCE, linestyle="--", label="perfect calibration")
        below = np.maximum(curve.churn_rate - curve.low, 0.0)
        above = np.maximum(curve.high - curve.churn_rate, 0.0)
        options = {
            "color": MODEL,
            "marker": "o",
            "capsize": 3,
            "label": name or self.name or "model",
        }
        options |= kwargs
        self.line_ = axes.errorbar(
            # Lists: older versions of matplotlib warn of arrays of one value.
            curve.predicted_probability,
            curve.churn_rate,
            yerr=[np.asarray(below).tolist(), np.asarray(above).tolist()],
            **options,
        )
        axes.legend()
        return self
