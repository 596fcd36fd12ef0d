"""Profit of contacting the customers at highest risk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from churnkit.displays.display import MODEL, REFERENCE, ClassifierDisplay
from churnkit.evaluation import ProfitCurve, profit_curve

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from churnkit.evaluation import CustomerCosts

__all__ = ["ProfitDisplay"]


class ProfitDisplay(ClassifierDisplay[ProfitCurve]):
    """Profit by the share of customers contacted, with its maximum.

    Parameters
    ----------
    result
        From `churnkit.evaluation.profit_curve`.
    name
        Label in the legend.

    Attributes
    ----------
    line_, maximum_
        The curve, and the mark of the highest profit.
    ax_, figure_
        Axes and figure of the last `plot`.

    Examples
    --------
    >>> from churnkit.evaluation import CustomerCosts
    >>> curve = profit_curve([1, 0, 1, 0], [0.9, 0.6, 0.5, 0.1], CustomerCosts(2.0, 10.0))
    >>> ProfitDisplay(curve).result.best.fraction
    0.75
    """

    line_: Any
    maximum_: Any

    @classmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        probability: ArrayLike,
        costs: CustomerCosts,
        *,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compute and draw the profit of a ranking.

        Parameters
        ----------
        y : (n,)
            Outcomes, 1 for churned.
        probability : (n,)
            Predicted probabilities of churn.
        costs
            Costs of these customers.
        name, ax, **kwargs
            As in `plot`.

        Returns
        -------
        ProfitDisplay
        """
        return cls(profit_curve(y, probability, costs), name=name).plot(ax=ax, **kwargs)

    def plot(self, *, ax: Any = None, name: str | None = None, **kwargs: Any) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        name
            Label in the legend.
        **kwargs
            For ``Axes.plot``.

        Returns
        -------
        The display.
        """
        axes = self._set_axes(
            ax,
            title="Profit",
            x="share of customers contacted, highest risk first",
            y="profit per customer",
        )
        axes.axhline(0.0, color=REFERENCE, linestyle="--", label="no action")
        (self.line_,) = axes.plot(
            self.result.share_of_customers,
            self.result.profit,
            **{"color": MODEL, "label": name or self.name or "model"} | kwargs,
        )
        best = self.result.best
        self.maximum_ = axes.scatter(
            [best.fraction],
            [float(best)],
            color=self.line_.get_color(),
            label=f"maximum at {best.fraction:.0%}",
        )
        axes.legend()
        return self
