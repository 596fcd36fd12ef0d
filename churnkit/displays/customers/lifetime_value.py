"""Distribution of lifetime values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.displays.display import MODEL, REFERENCE, ResultDisplay, check_kind
from churnkit.errors import ChurnkitError
from churnkit.models.value import LifetimeValue

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
        """Share of the value of the most valuable customers, (n + 1,), from none to all.

        Raises
        ------
        ChurnkitError
            There are no customers, or the sum of their values is not positive.
        """
        value = np.sort(self._values())[::-1]
        total = value.sum()
        if not total > 0:
            raise ChurnkitError(
                f"the values of {len(value)} customers have no positive sum to divide: draw "
                "kind='histogram'"
            )
        return np.append(0.0, np.cumsum(value) / total)

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
            The kind is unknown, there are no customers, or the sum of the values whose shares are
            drawn is not positive.
        """
        unit = f", {currency}" if currency else ""
        if check_kind(kind, ("share", "histogram")) == "histogram":
            values = self._values()
            axes = self._set_axes(
                ax, title="Lifetime value", x=f"lifetime value{unit}", y="customers"
            )
            # A few large values would leave everyone else in one bar.
            values = np.minimum(values, float(np.quantile(values, 0.99)))
            _, _, self.drawn_ = axes.hist(values, **{"bins": 40, "color": MODEL} | kwargs)
            axes.annotate(
                "the last bar has all above", (1, 1), xycoords="axes fraction",
                ha="right", va="bottom", fontsize="small",
            )  # fmt: skip
            return self
        share = self.share_of_value
        axes = self._set_axes(
            ax,
            title="Lifetime value",
            x="share of customers, most valuable first",
            y="share of the value",
        )
        axes.plot([0, 1], [0, 1], color=REFERENCE, linestyle="--", label="equal values")
        options = {"color": MODEL, "label": "customers"} | kwargs
        (self.drawn_,) = axes.plot(np.linspace(0.0, 1.0, len(share)), share, **options)
        axes.legend()
        return self

    def _values(self) -> NDArray[np.float64]:
        """Return the value of each customer, (n,), of at least one."""
        if not len(self.result.value):
            raise ChurnkitError("there are no customers to draw: pass at least one")
        return self.result.value
