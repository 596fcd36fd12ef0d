"""Shadow prices: gain of one more unit of each limit of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from churnkit.decisions import ShadowPrices
from churnkit.displays.display import MODEL, ResultDisplay

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["ShadowPriceDisplay"]


class ShadowPriceDisplay(ResultDisplay[ShadowPrices]):
    """Gain of one more unit of budget, and of one more customer in each capacity or floor.

    Parameters
    ----------
    result
        ``shadow_prices`` of a plan.

    Attributes
    ----------
    bars_
        Container of the bars.
    ax_, figure_
        Axes and figure of the last `plot`.

    Examples
    --------
    >>> import numpy as np
    >>> from churnkit.decisions import ShadowPrices
    >>> ShadowPriceDisplay(ShadowPrices(0.5, np.array([3.0]))).result.budget
    0.5
    """

    bars_: Any

    def plot(
        self,
        *,
        ax: Any = None,
        actions: Sequence[str] | None = None,
        limits: Sequence[str] | None = None,
        floors: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the prices.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        actions, limits, floors
            Names of the actions, shared capacities and floors; numbers if not given.
        **kwargs
            For ``Axes.barh``.

        Returns
        -------
        The display.
        """
        prices = self.result
        groups = (
            ("capacity of", actions, prices.capacity),
            ("capacity of", limits, prices.shared),
            ("floor of", floors, prices.floors),
        )
        amounts = {"budget, per unit of money": prices.budget}
        for title, names, values in groups:
            labels = names or [str(number) for number in range(len(values))]
            amounts |= {
                f"{title} {label}": float(value)
                for label, value in zip(labels, values, strict=True)
            }
        axes = self._set_axes(ax, title="Shadow prices", x="gain of one more unit", y="")
        options = {"color": MODEL} | kwargs
        self.bars_ = axes.barh(list(amounts), list(amounts.values()), **options)
        axes.bar_label(self.bars_, [f"{price:,.2f}" for price in amounts.values()], padding=3)
        axes.invert_yaxis()
        axes.margins(x=0.15)
        return self
