"""Budget curve: gain of the plan by budget."""

from __future__ import annotations

from typing import Any, Self

from churnkit.decisions import WhatIf
from churnkit.displays.display import BAND, MODEL, REFERENCE, ResultDisplay

__all__ = ["BudgetDisplay"]


class BudgetDisplay(ResultDisplay[WhatIf]):
    """Expected gain of the plan by budget, with its 90% interval and the bound of any plan.

    Parameters
    ----------
    result
        From `churnkit.decisions.what_if`.

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
    >>> BudgetDisplay(curve).result.value
    array([ 0., 35.])
    """

    line_: Any
    bound_: Any

    def plot(self, *, ax: Any = None, currency: str = "", **kwargs: Any) -> Self:
        """Draw the curve.

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
        axes = self._set_axes(
            ax, title="Budget curve", x=f"budget{unit}", y=f"expected gain of the plan{unit}"
        )
        curve = self.result
        options = {"color": MODEL, "marker": "o", "label": "plan, 90% interval"} | kwargs
        (self.line_,) = axes.plot(curve.budget, curve.value, **options)
        color = self.line_.get_color()
        axes.fill_between(curve.budget, curve.low, curve.high, color=color, alpha=BAND, linewidth=0)
        (self.bound_,) = axes.plot(
            curve.budget, curve.bound, color=REFERENCE, linestyle="--", label="bound of any plan"
        )
        axes.legend()
        return self
