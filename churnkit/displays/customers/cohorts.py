"""Heat map of retention by cohort."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from churnkit.displays.display import ResultDisplay
from churnkit.errors import ChurnkitError
from churnkit.insights.metrics.cohorts import Cohorts

__all__ = ["CohortDisplay"]

_MAX_LABELED = 14


class CohortDisplay(ResultDisplay[Cohorts]):
    """Share of each cohort's customers, or revenue, that remains after each month.

    Parameters
    ----------
    result
        ``cohorts`` or ``order_cohorts`` of `churnkit.insights.RetentionMetrics`.

    Attributes
    ----------
    image_
        The cells: cohorts in rows, months in columns, NaN for months that are not complete.
    ax_, figure_
        Axes and figure of the last `plot`.

    Examples
    --------
    >>> from churnkit.insights.metrics.cohorts import Cohort, Cohorts
    >>> table = Cohorts((Cohort("2025-01", 4, 40.0, (4, 3), (40.0, 30.0)),), "kept", "revenue kept")
    >>> CohortDisplay(table).result.rows[0].retention()
    (1.0, 0.75)
    """

    image_: Any

    def plot(self, *, ax: Any = None, revenue: bool = False, **kwargs: Any) -> Self:
        """Draw the heat map.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        revenue
            True for retention of revenue instead of customers.
        **kwargs
            For ``Axes.imshow``.

        Returns
        -------
        The display.

        Raises
        ------
        ChurnkitError
            There are no cohorts.
        """
        rows = self.result.rows
        if not rows:
            raise ChurnkitError(
                "there are no cohorts to draw: they need a month that ended before as_of, with "
                "customers who joined in it"
            )
        shares = [row.revenue_retention() if revenue else row.retention() for row in rows]
        cells = np.array(shares, dtype=np.float64).reshape(len(rows), -1)
        title = "Revenue retention by cohort" if revenue else "Customer retention by cohort"
        axes = self._set_axes(ax, title=title, x="months since the start", y="cohort")
        options = {"cmap": "Blues", "vmin": 0.0, "vmax": 1.0, "aspect": "auto"} | kwargs
        self.image_ = axes.imshow(cells, **options)
        axes.xaxis.get_major_locator().set_params(integer=True)
        step = max(1, -(-len(rows) // 20))
        axes.set_yticks(range(0, len(rows), step), [row.name for row in rows[::step]])
        if max(cells.shape) <= _MAX_LABELED:
            for (row, month), share in np.ndenumerate(cells):
                if np.isfinite(share):
                    color = "white" if share > 0.6 else "black"
                    label = f"{100 * share:.0f}"
                    axes.text(month, row, label, ha="center", va="center", color=color, size=7)
        bar = self.figure_.colorbar(self.image_, ax=axes, format=lambda share, _: f"{share:.0%}")
        bar.set_label("share of the start")
        return self
