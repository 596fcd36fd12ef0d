"""Waterfall of revenue: from the opening to the closing amount."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from churnkit.displays.display import MODEL, NEGATIVE, POSITIVE, REFERENCE, ResultDisplay
from churnkit.insights.metrics.revenue.mrr_movements import Movement, Movements

__all__ = ["MovementsDisplay"]

_GAINS = ("new", "reactivation", "expansion")
_LOSSES = ("contraction", "churn")


class MovementsDisplay(ResultDisplay[Movements | Movement]):
    """Monthly revenue at the start and end of an interval, and its movements, as a waterfall.

    Parameters
    ----------
    result
        ``movements`` of `churnkit.insights.RetentionMetrics`, whose complete months are added
        up, or one of its months.

    Attributes
    ----------
    bars_
        Container of the bars: opening, movements, closing.
    amounts : dict of str
        Opening, movements (losses negative) and closing revenue.
    ax_, figure_
        Axes and figure of the last `plot`.

    Examples
    --------
    >>> from churnkit.insights.metrics.revenue.mrr_movements import Movement
    >>> month = Movement("2025-03", True, 9, 1, 0, 1, 0, 9, 90.0, 10.0, 0.0, 5.0, 2.0, 10.0, 93.0)
    >>> MovementsDisplay(month).amounts["churn"]
    -10.0
    """

    bars_: Any

    def __init__(self, result: Movements | Movement) -> None:
        super().__init__(result)
        months = result.months if isinstance(result, Movements) else (result,)
        complete = [month for month in months if month.complete] or list(months)
        total = {
            name: sign * sum(getattr(month, f"{name}_mrr") for month in complete)
            for sign, names in ((1.0, _GAINS), (-1.0, _LOSSES))
            for name in names
        }
        first, last = (complete[0], complete[-1]) if complete else (None, None)
        self.amounts: dict[str, float] = {
            "opening": 0.0 if first is None else first.opening_mrr,
            **total,
            "closing": 0.0 if last is None else last.closing_mrr,
        }
        names = dict.fromkeys(month.name for month in complete)
        self._interval = " to ".join(list(names)[:: max(1, len(names) - 1)])

    def plot(self, *, ax: Any = None, currency: str = "", **kwargs: Any) -> Self:
        """Draw the waterfall.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        currency
            Unit in the labels.
        **kwargs
            For ``Axes.bar``.

        Returns
        -------
        The display.
        """
        unit = f", {currency}" if currency else ""
        title = f"Revenue movements, {self._interval}"
        axes = self._set_axes(ax, title=title, x="", y=f"monthly revenue{unit}")
        amounts = np.array(list(self.amounts.values()))
        moves = amounts[:-1]
        reached = np.cumsum(moves)
        bottom = np.concatenate([[0.0], np.minimum(reached[:-1], reached[1:]), [0.0]])
        colors = [MODEL, *[POSITIVE] * len(_GAINS), *[NEGATIVE] * len(_LOSSES), MODEL]
        heights = np.abs(amounts)
        options: dict[str, Any] = {"color": colors} | kwargs
        self.bars_ = axes.bar(list(self.amounts), heights, bottom=bottom, **options)
        signs = ["", *["+"] * len(_GAINS), *["−"] * len(_LOSSES), ""]  # noqa: RUF001  (a minus)
        labels = [f"{sign}{height:,.0f}" for sign, height in zip(signs, heights, strict=True)]
        axes.bar_label(self.bars_, labels, padding=2, fontsize="small")
        for position, level in enumerate(reached):
            axes.plot([position, position + 1], [level, level], color=REFERENCE, linewidth=0.8)
        axes.tick_params(axis="x", labelrotation=30)
        axes.margins(y=0.1)
        return self
