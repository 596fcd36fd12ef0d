"""Plots of a training run, from the numbers of its model card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["plot_calibration", "plot_lift"]

_MODEL = "#1f5fa8"
_RULE = "#d0691a"
_REFERENCE = "#767676"


def _new_axes() -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    return figure, figure.subplots()


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
