"""The pictures of a training run: is the probability true, and does the top pay?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.evaluation import CalibrationCurve, LiftCurve

__all__ = ["plot_calibration", "plot_lift"]

_SIZE = (6.4, 4.8)
_MODEL = "#1f5fa8"
_REFERENCE = "#767676"


def plot_calibration(curve: CalibrationCurve) -> Any:
    """Draw predicted against observed churn, with the interval of each bin."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    top = float(max(curve.predicted_probability.max(), curve.high.max())) * 1.05
    axes.plot([0, top], [0, top], color=_REFERENCE, linestyle="--", label="as predicted")
    below = (curve.churn_rate - curve.low).clip(min=0)
    above = (curve.high - curve.churn_rate).clip(min=0)
    axes.errorbar(
        curve.predicted_probability,
        curve.churn_rate,
        yerr=[below, above],
        color=_MODEL,
        marker="o",
        capsize=3,
        label="test customers, 95% interval",
    )
    axes.set(
        title="Do as many customers leave as predicted?",
        xlabel="predicted probability of churn (mean of each tenth)",
        ylabel="share that left",
    )
    axes.legend()
    return figure


def plot_lift(curve: LiftCurve) -> Any:
    """Draw the share of churners found against the share of customers contacted."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=_REFERENCE, linestyle="--", label="contacting at random")
    axes.plot(
        curve.share_of_customers, curve.share_of_churners, color=_MODEL, label="the model's order"
    )
    axes.set(
        title="How many churners does contacting the top find?",
        xlabel="share of customers contacted, riskiest first",
        ylabel="share of churners among them",
    )
    axes.legend()
    return figure
