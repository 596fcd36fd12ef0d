"""Distribution of lifetime values."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from churnkit.displays.display import MODEL, REFERENCE, ResultDisplay, check_kind
from churnkit.models.value import LifetimeValue

__all__ = ["LifetimeValueDisplay"]


class LifetimeValueDisplay(ResultDisplay[LifetimeValue]):
    """Share of the total value by the share of customers, or the number of customers by value.

    Parameters
    ----------
    result
        From `churnkit.models.value.lifetime_value`.

    Attributes
    ----------
    drawn_
        The line, or the bars.
    ax_, figure_
        Axes and figure of the last `plot`.

    Examples
    --------
    >>> import numpy as np
    >>> from churnkit.evaluation import Interval
    >>> from churnkit.models.value import LifetimeValue
    >>> value = np.array([1.0, 3.0])
    >>> worth = LifetimeValue(value, value, value, value, value, Interval(4.0, 3.0, 5.0), 0.95)
    >>> LifetimeValueDisplay(worth).share_of_value
    array([0.  , 0.75, 1.  ])
    """

    drawn_: Any

    @property
    def share_of_value(self) -> Any:
        """Share of the value of the most valuable customers, (n + 1,), from none to all."""
        value = np.sort(self.result.value)[::-1]
        return np.append(0.0, np.cumsum(value) / value.sum())

    def plot(
        self, *, ax: Any = None, kind: str = "share", currency: str = "", **kwargs: Any
    ) -> Self:
        """Draw the distribution.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        kind
            ``"share"`` for the share of the value, ``"histogram"`` for the number of customers.
        currency
            Unit in the labels.
        **kwargs
            For ``Axes.plot`` or ``Axes.hist``.

        Returns
        -------
        The display.

        Raises
        ------
        ChurnkitError
            The kind is unknown.
        """
        unit = f", {currency}" if currency else ""
        if check_kind(kind, ("share", "histogram")) == "histogram":
            axes = self._set_axes(
                ax, title="Lifetime value", x=f"lifetime value{unit}", y="customers"
            )
            # A few large values would leave everyone else in one bar.
            top = float(np.quantile(self.result.value, 0.99))
            values = np.minimum(self.result.value, top)
            _, _, self.drawn_ = axes.hist(values, **{"bins": 40, "color": MODEL} | kwargs)
            axes.annotate(
                "the last bar has all above", (1, 1), xycoords="axes fraction",
                ha="right", va="bottom", fontsize="small",
            )  # fmt: skip
            return self
        axes = self._set_axes(
            ax,
            title="Lifetime value",
            x="share of customers, most valuable first",
            y="share of the value",
        )
        share = self.share_of_value
        axes.plot([0, 1], [0, 1], color=REFERENCE, linestyle="--", label="equal values")
        options = {"color": MODEL, "label": "customers"} | kwargs
        (self.drawn_,) = axes.plot(np.linspace(0.0, 1.0, len(share)), share, **options)
        axes.legend()
        return self
