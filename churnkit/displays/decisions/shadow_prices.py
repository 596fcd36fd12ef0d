"""Shadow prices: gain of one more unit of each limit of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from churnkit.decisions import ShadowPrices
from churnkit.displays.display import MODEL, ResultDisplay
from churnkit.errors import ChurnkitError

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
            Names of all actions, shared capacities and floors; numbers if not given.
        **kwargs
            For ``Axes.barh``.

        Returns
        -------
        The display.

        Raises
        ------
        ChurnkitError
            There are more or fewer names than prices.
        """
        prices = self.result
        groups = (
            ("capacity of", "actions", actions, prices.capacity),
            ("shared capacity of", "limits", limits, prices.shared),
            ("floor of", "floors", floors, prices.floors),
        )
        labels, amounts = ["budget, per unit of money"], [prices.budget]
        for title, argument, names, values in groups:
            if names is not None and len(names) != len(values):
                raise ChurnkitError(
                    f"{argument} must name each of {len(values)} prices, got {len(names)} names"
                )
            labels += [f"{title} {name}" for name in names or range(len(values))]
            amounts += values.tolist()
        axes = self._set_axes(ax, title="Shadow prices", x="gain of one more unit", y="")
        options = {"color": MODEL} | kwargs
        # By position, as bars of the same label would be drawn over each other.
        self.bars_ = axes.barh(range(len(amounts)), amounts, **options)
        axes.set_yticks(range(len(labels)), labels)
        axes.bar_label(self.bars_, [f"{price:,.2f}" for price in amounts], padding=3)
        axes.invert_yaxis()
        axes.margins(x=0.15)
        return self
