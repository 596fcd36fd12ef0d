"""Plots of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.evaluation import CalibrationCurve, LiftCurve

__all__ = ["plot_calibration", "plot_lift"]

_MODEL = "#1f5fa8"
_REFERENCE = "#767676"


def _new_axes() -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    return figure, figure.subplots()


def plot_calibration(curve: CalibrationCurve) -> Any:
    """Plot observed churn rate against predicted probability, with the interval of each bin."""
    figure, axes = _new_axes()
    top = float(max(curve.predicted_probability.max(), curve.high.max())) * 1.05
    axes.plot([0, top], [0, top], color=_REFERENCE, linestyle="--", label="perfect calibration")
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
        title="Calibration",
        xlabel="mean predicted churn probability per decile",
        ylabel="observed churn rate",
    )
    axes.legend()
    return figure


def plot_lift(curve: LiftCurve) -> Any:
    """Plot the share of churners against the share of customers contacted."""
    figure, axes = _new_axes()
    axes.plot([0, 1], [0, 1], color=_REFERENCE, linestyle="--", label="random order")
    axes.plot(curve.share_of_customers, curve.share_of_churners, color=_MODEL, label="model")
    axes.set(
        title="Cumulative gains",
        xlabel="share of customers contacted, highest risk first",
        ylabel="share of churners among them",
    )
    axes.legend()
    return figure
