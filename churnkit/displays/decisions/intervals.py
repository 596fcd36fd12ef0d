"""Estimates in rows, with their intervals: effects by group, by action, by holdout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.displays.display import MODEL, REFERENCE, Display
from churnkit.errors import ChurnkitError
from churnkit.evaluation import paired_value
from churnkit.evaluation.validation import check_groups

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from churnkit.core.stats.interval import Interval

__all__ = ["IntervalDisplay"]

_ALL = "all customers"


class IntervalDisplay(Display):
    """Estimates with their intervals, one row for each label.

    Parameters
    ----------
    intervals
        Estimate of each label, in the order of the rows.
    title
        Title of the axes.

    Attributes
    ----------
    points_
        Container of the estimates and their intervals.
    ax_, figure_
        Axes and figure of the last `plot`.

    Examples
    --------
    >>> from churnkit.evaluation import Interval
    >>> display = IntervalDisplay({"call": Interval(0.1, 0.05, 0.15)})
    >>> display.intervals["call"].value
    0.1
    """

    points_: Any

    def __init__(self, intervals: Mapping[str, Interval], *, title: str = "") -> None:
        self.intervals: dict[str, Interval] = dict(intervals)
        self.title = title

    @classmethod
    def from_result(cls, result: Any, *, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the estimates of a result, as the result's own `plot` does.

        Parameters
        ----------
        result
            Result with ``intervals``, such as `churnkit.evaluation.ExperimentReport`.
        ax, **kwargs
            As in `plot`.

        Returns
        -------
        IntervalDisplay
        """
        return cls(result.intervals, title=result.display_title).plot(ax=ax, **kwargs)

    @classmethod
    def from_scores(
        cls,
        effect: ArrayLike,
        group: ArrayLike,
        *,
        level: float = 0.95,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compute and draw the mean effect in each group of customers, and in all of them.

        Parameters
        ----------
        effect : (n,)
            Scores of the effect: a column of `churnkit.evaluation.doubly_robust_scores` minus
            that of control.
        group : (n,)
            Group of each customer, known before the treatment: all texts, or all numbers.
        level
            Confidence level of each interval.
        ax, **kwargs
            As in `plot`.

        Returns
        -------
        IntervalDisplay

        Raises
        ------
        ChurnkitError
            The arguments differ in their number of rows, have none, or a group is missing, mixed
            of texts and numbers, or named as the row of all customers.
        """
        scores, labels = np.asarray(effect, dtype=np.float64), np.asarray(group)
        if scores.shape != labels.shape:
            raise ChurnkitError(
                f"effect and group must have one row per customer, got {scores.shape} and "
                f"{labels.shape}"
            )
        if not len(labels):
            raise ChurnkitError("there are no customers to draw: pass at least one row")
        groups, _ = check_groups(labels)
        if _ALL in groups.astype(str):
            raise ChurnkitError(f"the name {_ALL!r} is that of the row of all: rename this group")
        against_none = np.column_stack([np.zeros(len(scores)), scores])
        rows = {_ALL: np.ones(len(labels), dtype=bool)}
        rows |= {str(label): labels == label for label in groups}
        found = {
            label: paired_value(against_none[chosen], 1, level=level)
            for label, chosen in rows.items()
        }
        return cls(found, title="Effect by group").plot(ax=ax, **kwargs)

    def plot(self, *, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the estimates.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        **kwargs
            For ``Axes.errorbar``.

        Returns
        -------
        The display.

        Raises
        ------
        ChurnkitError
            There are no estimates.
        """
        if not self.intervals:
            raise ChurnkitError("there are no estimates to draw: intervals is empty")
        axes = self._set_axes(ax, title=self.title, x="estimate and interval", y="")
        self._draw_reference(axes)
        value, low, high = (
            np.array([getattr(interval, part) for interval in self.intervals.values()])
            for part in ("value", "low", "high")
        )
        rows = np.arange(len(value))[::-1]
        below, above = np.maximum(value - low, 0.0), np.maximum(high - value, 0.0)
        options = {"color": MODEL, "fmt": "o", "capsize": 3} | kwargs
        # Lists: older versions of matplotlib warn of arrays of one value.
        errors = [below.tolist(), above.tolist()]
        self.points_ = axes.errorbar(value, rows, xerr=errors, **options)
        axes.set_yticks(rows, list(self.intervals))
        axes.set_ylim(-0.5, len(value) - 0.5)
        return self

    def _draw_reference(self, axes: Any) -> None:
        """Draw what the estimates are compared with: zero."""
        axes.axvline(0.0, color=REFERENCE, linestyle="--")
