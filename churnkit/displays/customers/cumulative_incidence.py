"""Cumulative incidence: share of customers that has left for each cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.displays.display import BAND, ResultDisplay
from churnkit.evaluation import CumulativeIncidence, cumulative_incidence

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["CumulativeIncidenceDisplay"]


class CumulativeIncidenceDisplay(ResultDisplay[CumulativeIncidence]):
    """Share of customers that has left for each cause, with 95% intervals.

    Parameters
    ----------
    result
        From `churnkit.evaluation.cumulative_incidence`.

    Attributes
    ----------
    lines_ : dict of str
        The curve of each cause.
    ax_, figure_
        Axes and figure of the last `plot`.

    Examples
    --------
    >>> curves = cumulative_incidence([1, 2, 3], ["price", "card", None])
    >>> CumulativeIncidenceDisplay(curves).result.causes
    ('card', 'price')
    """

    lines_: dict[str, Any]

    @classmethod
    def from_durations(
        cls,
        duration: ArrayLike,
        cause: Any,
        *,
        entry: ArrayLike | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compute and draw the incidence of each cause.

        Parameters
        ----------
        duration, cause, entry : (n,)
            As in `churnkit.evaluation.cumulative_incidence`.
        ax, **kwargs
            As in `plot`.

        Returns
        -------
        CumulativeIncidenceDisplay
        """
        return cls(cumulative_incidence(duration, cause, entry=entry)).plot(ax=ax, **kwargs)

    def plot(self, *, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        **kwargs
            For ``Axes.step``.

        Returns
        -------
        The display.
        """
        curves = self.result
        axes = self._set_axes(
            ax, title="Cumulative incidence", x="time", y="share that has left for the cause"
        )
        time = np.concatenate([[0.0], curves.time, [curves.follow_up]])
        self.lines_ = {}
        for number, cause in enumerate(curves.causes):
            share, low, high = (
                np.pad(part[number], 1, mode="edge")
                * np.append(0.0, np.ones(len(part[number]) + 1))
                for part in (curves.incidence, curves.low, curves.high)
            )
            options = {"where": "post", "label": cause} | kwargs
            (self.lines_[cause],) = axes.step(time, share, **options)
            color = self.lines_[cause].get_color()
            axes.fill_between(time, low, high, step="post", color=color, alpha=BAND, linewidth=0)
        axes.set_ylim(bottom=0.0)
        axes.legend()
        return self
