"""Drift of columns against the training data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from churnkit.displays.display import MODEL, REFERENCE, Display

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.evaluation.drift.profile import ColumnDrift, Profile

__all__ = ["DriftDisplay"]

_NOTICEABLE, _LARGE = 0.1, 0.25
_MAX_COLUMNS = 20


class DriftDisplay(Display):
    """Population stability index of the columns that changed most.

    Parameters
    ----------
    columns
        Drift of each column.

    Attributes
    ----------
    bars_
        Container of the bars, the largest drift first.
    ax_, figure_
        Axes and figure of the last `plot`.

    Examples
    --------
    >>> import numpy as np
    >>> from churnkit.evaluation.drift.profile import ColumnProfile
    >>> fee = ColumnProfile.fit("fee", np.arange(100.0), categorical=False)
    >>> DriftDisplay([fee.compare(np.arange(100.0))]).columns[0].psi
    0.0
    """

    bars_: Any

    def __init__(self, columns: Sequence[ColumnDrift]) -> None:
        self.columns: list[ColumnDrift] = sorted(columns, key=lambda column: -column.psi)

    @classmethod
    def from_result(cls, result: Any, *, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the drift of a monitoring report, as the report's own `plot` does.

        Parameters
        ----------
        result
            From `churnkit.monitoring.monitor`.
        ax, **kwargs
            As in `plot`.

        Returns
        -------
        DriftDisplay
        """
        return cls(result.drift).plot(ax=ax, **kwargs)

    @classmethod
    def from_profile(cls, profile: Profile, X: Any, *, ax: Any = None, **kwargs: Any) -> Self:
        """Compare a table with the training data, and draw the drift.

        Parameters
        ----------
        profile
            Of the training data.
        X : (n, f)
            Encoded rows.
        ax, **kwargs
            As in `plot`.

        Returns
        -------
        DriftDisplay
        """
        return cls(profile.compare(X)).plot(ax=ax, **kwargs)

    def plot(self, *, ax: Any = None, max_columns: int = _MAX_COLUMNS, **kwargs: Any) -> Self:
        """Draw the columns with the largest drift.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        max_columns
            Number of columns.
        **kwargs
            For ``Axes.barh``.

        Returns
        -------
        The display.
        """
        axes = self._set_axes(ax, title="Drift", x="population stability index", y="")
        axes.set_title("Drift", pad=18)
        columns = self.columns[:max_columns]
        self.bars_ = axes.barh(
            [column.name for column in columns],
            [column.psi for column in columns],
            **{"color": MODEL} | kwargs,
        )
        axes.invert_yaxis()
        for limit, label, side in ((_NOTICEABLE, "noticeable", "right"), (_LARGE, "large", "left")):
            axes.axvline(limit, color=REFERENCE, linestyle="--")
            axes.annotate(
                label,
                (limit, 1.0),
                xycoords=("data", "axes fraction"),
                ha=side,
                va="bottom",
                fontsize="small",
            )
        return self
