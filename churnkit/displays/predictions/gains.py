"""Cumulative gains and lift: churners among the customers at highest risk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.displays.display import MODEL, REFERENCE, ClassifierDisplay, check_kind
from churnkit.evaluation import LiftCurve, lift_curve

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


__all__ = ["GainsDisplay"]


class GainsDisplay(ClassifierDisplay[LiftCurve]):
    """Share of churners, or lift, by the share of customers contacted, highest risk first.

    Parameters
    ----------
    result
        From `churnkit.evaluation.lift_curve`.
    name
        Label in the legend.

    Attributes
    ----------
    line_
        The curve.
    ax_, figure_
        Axes and figure of the last `plot`.

    Examples
    --------
    >>> curve = lift_curve([1, 0, 0, 0], [0.9, 0.1, 0.1, 0.1], points=4)
    >>> GainsDisplay(curve).result.share_of_churners
    array([1., 1., 1., 1.])
    """

    line_: Any

    @classmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        probability: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        kind: str = "gains",
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compute and draw the gains of probabilities.

        Parameters
        ----------
        y : (n,)
            Outcomes, 1 for churned.
        probability : (n,)
            Predicted probabilities of churn.
        sample_weight : (n,)
            Weights of the rows.
        kind, name, ax, **kwargs
            As in `plot`.

        Returns
        -------
        GainsDisplay
        """
        curve = lift_curve(y, probability, sample_weight=sample_weight)
        return cls(curve, name=name).plot(kind=kind, ax=ax, **kwargs)

    def plot(
        self, *, kind: str = "gains", ax: Any = None, name: str | None = None, **kwargs: Any
    ) -> Self:
        """Draw the curve.

        Parameters
        ----------
        kind
            ``"gains"`` for the share of churners, ``"lift"`` for its multiple of a random order.
        ax
            Axes to draw on; new ones if not given.
        name
            Label in the legend.
        **kwargs
            For ``Axes.plot``.

        Returns
        -------
        The display.

        Raises
        ------
        ChurnkitError
            The kind is unknown.
        """
        check_kind(kind, ("gains", "lift"))
        share, curve = self.result.share_of_customers, self.result
        axes = self._set_axes(
            ax,
            title="Cumulative gains" if kind == "gains" else "Lift",
            x="share of customers contacted, highest risk first",
            y="share of churners among them" if kind == "gains" else "multiple of a random order",
        )
        if kind == "gains":
            x, values = np.append(0.0, share), np.append(0.0, curve.share_of_churners)
            random = [0.0, 1.0]
        else:
            x, values, random = share, curve.lift, [1.0, 1.0]
        axes.plot([0, 1], random, color=REFERENCE, linestyle="--", label="random order")
        (self.line_,) = axes.plot(
            x, values, **{"color": MODEL, "label": name or self.name or "model"} | kwargs
        )
        axes.legend()
        return self
