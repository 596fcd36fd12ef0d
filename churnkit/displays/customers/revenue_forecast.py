"""Forecast of monthly recurring revenue, with its interval."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from churnkit.displays.display import BAND, MODEL, ResultDisplay
from churnkit.models.value import RevenueForecast

__all__ = ["RevenueForecastDisplay"]


class RevenueForecastDisplay(ResultDisplay[RevenueForecast]):
    """Expected monthly revenue of today's customers, with its interval.

    Parameters
    ----------
    result
        From `churnkit.models.value.forecast_revenue`.

    Attributes
    ----------
    line_
        The expected revenue, from today on.
    ax_, figure_
        Axes and figure of the last `plot`.

    Examples
    --------
    >>> from churnkit.models.value import forecast_revenue
    >>> RevenueForecastDisplay(forecast_revenue([100.0], [[1.0, 1.0]])).result.closing
    array([100., 100.])
    """

    line_: Any

    def plot(self, *, ax: Any = None, currency: str = "", **kwargs: Any) -> Self:
        """Draw the forecast.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        currency
            Unit in the labels.
        **kwargs
            For ``Axes.plot``.

        Returns
        -------
        The display.
        """
        unit = f", {currency}" if currency else ""
        result = self.result
        axes = self._set_axes(
            ax, title="Revenue forecast", x="months from today", y=f"monthly revenue{unit}"
        )
        today = result.opening[:1]
        closing, low, high = (
            np.concatenate([today, part]) for part in (result.closing, result.low, result.high)
        )
        months = np.arange(len(closing))
        label = f"expected, {result.level:.0%} interval"
        options = {"color": MODEL, "marker": "o", "label": label} | kwargs
        (self.line_,) = axes.plot(months, closing, **options)
        color = self.line_.get_color()
        axes.fill_between(months, low, high, color=color, alpha=BAND, linewidth=0)
        axes.legend()
        return self
