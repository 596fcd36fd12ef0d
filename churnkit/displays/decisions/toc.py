"""Targeting operator characteristic: effect among the first of a ranking, minus that of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.displays.display import MODEL, REFERENCE, Display
from churnkit.evaluation import toc_curve

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["TocDisplay"]


class TocDisplay(Display):
    """Mean effect among the customers ranked highest minus that of all, by their share.

    Parameters
    ----------
    difference : (n,)
        From `churnkit.evaluation.toc_curve`.
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
    >>> TocDisplay(toc_curve([3.0, 1.0, -1.0], [0.9, 0.5, 0.1])).difference
    array([2., 1., 0.])
    """

    line_: Any

    def __init__(self, difference: ArrayLike, *, name: str | None = None) -> None:
        self.difference: NDArray[np.float64] = np.asarray(difference, dtype=np.float64)
        self.name = name

    @classmethod
    def from_predictions(
        cls,
        effect: ArrayLike,
        priority: ArrayLike,
        *,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compute and draw the curve of predicted effects.

        Parameters
        ----------
        effect : (n,)
            Scores of the effect: a column of `churnkit.evaluation.doubly_robust_scores` minus
            that of control.
        priority : (n,)
            Predicted effects.
        name, ax, **kwargs
            As in `plot`.

        Returns
        -------
        TocDisplay
        """
        return cls(toc_curve(effect, priority), name=name).plot(ax=ax, **kwargs)

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
            title="Targeting operator characteristic",
            x="share of customers, highest priority first",
            y="mean effect among them, minus that of all",
        )
        axes.axhline(0.0, color=REFERENCE, linestyle="--", label="random order")
        share = np.arange(1, len(self.difference) + 1) / len(self.difference)
        # The mean effect of a handful of customers is noise that would set the scale.
        first = min(len(share) // 50, len(share) - 1)
        label = name or self.name or "model"
        options = {"color": MODEL, "label": label} | kwargs
        (self.line_,) = axes.plot(share[first:], self.difference[first:], **options)
        axes.set_xlim(0.0, 1.0)
        axes.legend()
        return self
