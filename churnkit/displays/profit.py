"""Profit of contacting the customers at highest risk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from churnkit.displays.display import (
    MODEL,
    REFERENCE,
    CurveDisplay,
    estimator_name,
    outcome_and_probability,
)
from churnkit.evaluation import ProfitCurve, profit_curve

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from churnkit.evaluation import CustomerCosts

__all__ = ["ProfitDisplay"]


class ProfitDisplay(CurveDisplay[ProfitCurve]):
    """Profit by the share of customers contacted, with its maximum.

    Parameters
    ----------
    curve
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
    >>> ProfitDisplay(curve).curve.best.fraction
    0.75
    """

    line_: Any
    maximum_: Any

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        costs: CustomerCosts,
        *,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compute and draw the profit of a fitted classifier's ranking.

        Parameters
        ----------
        estimator
            Classifier of two classes with `predict_proba`.
        X
            Customers that it was not fitted on.
        y : (n,)
            Their outcomes, in the estimator's classes.
        costs
            Costs of these customers.
        name
            Label in the legend; the class of the estimator if not given.
        ax, **kwargs
            As in `plot`.

        Returns
        -------
        ProfitDisplay
        """
        outcome, probability = outcome_and_probability(estimator, X, y)
        name = estimator_name(estimator, name)
        return cls.from_predictions(outcome, probability, costs, name=name, ax=ax, **kwargs)

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
            self.curve.share_of_customers,
            self.curve.profit,
            **{"color": MODEL, "label": name or self.name or "model"} | kwargs,
        )
        best = self.curve.best
        self.maximum_ = axes.scatter(
            [best.fraction],
            [float(best)],
            color=self.line_.get_color(),
            label=f"maximum at {best.fraction:.0%}",
        )
        axes.legend()
        return self
