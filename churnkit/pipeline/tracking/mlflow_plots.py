"""Plots of a training run, from the numbers of its model card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "plot_calibration",
    "plot_drivers",
    "plot_lift",
    "plot_precision_recall",
    "plot_profit",
    "plot_roc",
]

_MODEL = "#1f5fa8"
_RULE = "#d0691a"
_REFERENCE = "#767676"


def _new_axes(*, fitted: bool = False) -> tuple[Any, Any]:
    """Return a figure and its axes, with margins fitted to the labels if these may be wide."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), layout="constrained" if fitted else None)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    if not fitted:
        # A fitted layout takes as long as the drawing.
        figure.subplots_adjust(left=0.1, right=0.98, bottom=0.11, top=0.93)
    return figure, axes


def plot_calibration(curve: Mapping[str, Sequence[float]]) -> Any:
    """Plot observed churn rate against predicted probability, with the interval of each bin."""
    figure, axes = _new_axes()
    predicted, rates = curve["predicted_probability"], curve["churn_rate"]
    top = max(*predicted, *curve["high"]) * 1.05
    axes.plot([0, top], [0, top], color=_REFERENCE, linestyle="--", label="perfect calibration")
    below = [max(rate - low, 0.0) for rate, low in zip(rates, curve["low"], strict=True)]
    above = [max(high - rate, 0.0) for rate, high in zip(rates, curve["high"], strict=True)]
    axes.errorbar(
        predicted,
        rates,
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


def plot_lift(curve: Mapping[str, Sequence[float]]) -> Any:
    """Plot the share of churners against the share of customers contacted, by model and rule."""
    figure, axes = _new_axes()
    axes.plot([0, 1], [0, 1], color=_REFERENCE, linestyle="--", label="random order")
    shares = [0.0, *curve["share_of_customers"]]
    axes.plot(shares, [0.0, *curve["rule"]], color=_RULE, label="best single rule")
    axes.plot(shares, [0.0, *curve["model"]], color=_MODEL, label="model")
    axes.set(
        title="Cumulative gains",
        xlabel="share of customers contacted, highest risk first",
        ylabel="share of churners among them",
    )
    axes.legend()
    return figure


def plot_roc(
    y: NDArray[np.int8],
    probabilities: Mapping[str, NDArray[np.float64]],
    *,
    sample_weight: NDArray[np.float64] | None = None,
) -> Any:
    """Plot the share of churners found against the share of others contacted, by ranking."""
    from sklearn.metrics import roc_curve

    figure, axes = _new_axes()
    axes.plot([0, 1], [0, 1], color=_REFERENCE, linestyle="--", label="random order")
    for (name, probability), color in zip(probabilities.items(), (_MODEL, _RULE), strict=False):
        false_positive, true_positive, _ = roc_curve(y, probability, sample_weight=sample_weight)
        axes.plot(false_positive, true_positive, color=color, label=name)
    axes.set(
        title="ROC, test customers",
        xlabel="false positive rate",
        ylabel="true positive rate",
    )
    axes.legend()
    return figure


def plot_precision_recall(
    y: NDArray[np.int8],
    probabilities: Mapping[str, NDArray[np.float64]],
    *,
    sample_weight: NDArray[np.float64] | None = None,
) -> Any:
    """Plot the share of churners among the contacted against the share found, by ranking."""
    from sklearn.metrics import precision_recall_curve

    figure, axes = _new_axes()
    for (name, probability), color in zip(probabilities.items(), (_MODEL, _RULE), strict=False):
        precision, recall, _ = precision_recall_curve(y, probability, sample_weight=sample_weight)
        # The last point has no customers.
        axes.plot(recall[:-1], precision[:-1], color=color, label=name, drawstyle="steps-post")
    axes.set(title="Precision and recall, test customers", xlabel="recall", ylabel="precision")
    axes.set_ylim(0, 1.02)
    axes.legend()
    return figure


def plot_profit(curve: Mapping[str, Sequence[float]]) -> Any:
    """Plot the profit of contacting the customers at highest risk, by model and rule."""
    figure, axes = _new_axes(fitted=True)
    axes.axhline(0.0, color=_REFERENCE, linestyle="--", label="no action")
    axes.plot(curve["share_of_customers"], curve["rule"], color=_RULE, label="best single rule")
    axes.plot(curve["share_of_customers"], curve["model"], color=_MODEL, label="model")
    axes.set(
        title="Profit, test customers",
        xlabel="share of customers contacted, highest risk first",
        ylabel="profit",
    )
    axes.legend()
    return figure


def plot_drivers(drivers: Sequence[Mapping[str, Any]]) -> Any:
    """Plot the mean absolute contribution of the strongest features, in percentage points."""
    figure, axes = _new_axes(fitted=True)
    ordered = list(reversed(drivers))
    axes.barh(
        [str(driver["title"] or driver["column"]) for driver in ordered],
        [driver["points"] for driver in ordered],
        color=_MODEL,
    )
    axes.set(title="Drivers", xlabel="mean absolute contribution, percentage points")
    return figure
