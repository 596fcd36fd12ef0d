"""Budget curve: gain of the plan by budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from churnkit.displays.display import BAND, MODEL, REFERENCE, Display

if TYPE_CHECKING:
    from churnkit.decisions import WhatIf

__all__ = ["BudgetDisplay"]


class BudgetDisplay(Display):
    """Expected gain of the plan by budget, with its 90% interval and the bound of any plan.

    Parameters
    ----------
    curve
        From `churnkit.decisions.what_if`.
    currency
        Unit in the labels.

    Attributes
    ----------
    line_, bound_
        The gain, and the upper bound of the gain of any plan.
    ax_, figure_
        Axes and figure of the last `plot`.

    Examples
    --------
    >>> import numpy as np
    >>> from churnkit.decisions import WhatIf
    >>> ends = np.array([0.0, 35.0])
    >>> zero = np.zeros(2)
    >>> curve = WhatIf(np.array([0.0, 10.0]), ends, ends, ends, zero, ends, np.array([0, 1]), zero)
    >>> BudgetDisplay(curve).curve.value
    array([ 0., 35.])
    """

    line_: Any
    bound_: Any

    def __init__(self, curve: WhatIf, *, currency: str = "") -> None:
        self.curve = curve
        self.currency = currency

    @classmethod
    def from_result(
        cls, curve: WhatIf, *, currency: str = "", ax: Any = None, **kwargs: Any
    ) -> Self:
        """Draw a budget curve.

        Parameters
        ----------
        curve
            From `churnkit.decisions.what_if`.
        currency
            Unit in the labels.
        ax, **kwargs
            As in `plot`.

        Returns
        -------
        BudgetDisplay
        """
        return cls(curve, currency=currency).plot(ax=ax, **kwargs)

    def plot(self, *, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        **kwargs
            For ``Axes.plot``.

        Returns
        -------
        The display.
        """
        unit = f", {self.currency}" if self.currency else ""
        axes = self._set_axes(
            ax, title="Budget curve", x=f"budget{unit}", y=f"expected gain of the plan{unit}"
        )
        curve = self.curve
        (self.line_,) = axes.plot(
            curve.budget,
            curve.value,
            **{"color": MODEL, "marker": "o", "label": "plan, 90% interval"} | kwargs,
        )
        axes.fill_between(
            curve.budget,
            curve.low,
            curve.high,
            color=self.line_.get_color(),
            alpha=BAND,
            linewidth=0,
        )
        (self.bound_,) = axes.plot(
            curve.budget, curve.bound, color=REFERENCE, linestyle="--", label="bound of any plan"
        )
        axes.legend()
        return self
