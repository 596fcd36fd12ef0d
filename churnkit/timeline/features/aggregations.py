"""Features of the rows in a window before a date.

A window is half-open: ``window_days=30, lag_days=7`` means
``[as_of - 37 days, as_of - 7 days)``; ``window_days=None`` has no start.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from churnkit.core.predicate import Where
from churnkit.timeline.features.base import NUMBERS, VALUES, Windowed, check_days

__all__ = [
    "Count",
    "DistinctDays",
    "Last",
    "Max",
    "Mean",
    "Min",
    "Recency",
    "Share",
    "Sum",
    "Tenure",
    "Trend",
]


@dataclass(frozen=True)
class _ColumnWindow(Windowed):
    column_types: ClassVar[tuple[str, ...]] = NUMBERS

    column: str


@dataclass(frozen=True)
class Count(Windowed):
    """Number of rows in the window.

    Parameters
    ----------
    table
        Name of the source table.
    title
        Display name for reasons and reports.
    window_days
        Length of the window in days; None for all rows before `as_of`.
    lag_days
        Days between the end of the window and `as_of`.
    where
        Condition or conditions on the rows.

    Examples
    --------
    >>> Count("events", window_days=30).window_days
    30
    """

    result_type: ClassVar[str] = "integer"


@dataclass(frozen=True)
class DistinctDays(Windowed):
    """Number of days with a row in the window; days are counted back from `as_of`.

    Parameters
    ----------
    table
        Name of the source table.
    title
        Display name for reasons and reports.
    window_days
        Length of the window in days; None for all rows before `as_of`.
    lag_days
        Days between the end of the window and `as_of`.
    where
        Condition or conditions on the rows.
    """

    result_type: ClassVar[str] = "integer"


@dataclass(frozen=True)
class Recency(Windowed):
    """Full days since the last row in the window: less than w if and only if one is in the last w.

    Missing if the window has no row.

    Parameters
    ----------
    table
        Name of the source table.
    title
        Display name for reasons and reports.
    window_days
        Length of the window in days; None for all rows before `as_of`.
    lag_days
        Days between the end of the window and `as_of`.
    where
        Condition or conditions on the rows.
    """

    result_type: ClassVar[str] = "integer"


@dataclass(frozen=True)
class Tenure(Windowed):
    """Full days since the first row in the window; missing if there is none.

    Parameters
    ----------
    table
        Name of the source table.
    title
        Display name for reasons and reports.
    window_days
        Length of the window in days; None for all rows before `as_of`.
    lag_days
        Days between the end of the window and `as_of`.
    where
        Condition or conditions on the rows.
    """

    result_type: ClassVar[str] = "integer"


@dataclass(frozen=True)
class Sum(_ColumnWindow):
    """Sum of a column over the window; 0 if it has no value.

    Parameters
    ----------
    table
        Name of the source table.
    column
        Column of the table.
    title
        Display name for reasons and reports.
    window_days
        Length of the window in days; None for all rows before `as_of`.
    lag_days
        Days between the end of the window and `as_of`.
    where
        Condition or conditions on the rows.

    Examples
    --------
    >>> Sum("events", "amount", window_days=90, where=Where("event_type", "==", "purchase")).column
    'amount'
    """


@dataclass(frozen=True)
class Mean(_ColumnWindow):
    """Mean of the non-missing values in the window; missing if there are none.

    Parameters
    ----------
    table
        Name of the source table.
    column
        Column of the table.
    title
        Display name for reasons and reports.
    window_days
        Length of the window in days; None for all rows before `as_of`.
    lag_days
        Days between the end of the window and `as_of`.
    where
        Condition or conditions on the rows.
    """


@dataclass(frozen=True)
class Min(_ColumnWindow):
    """Smallest value in the window; missing if there is none.

    Parameters
    ----------
    table
        Name of the source table.
    column
        Column of the table.
    title
        Display name for reasons and reports.
    window_days
        Length of the window in days; None for all rows before `as_of`.
    lag_days
        Days between the end of the window and `as_of`.
    where
        Condition or conditions on the rows.
    """


@dataclass(frozen=True)
class Max(_ColumnWindow):
    """Largest value in the window; missing if there is none.

    Parameters
    ----------
    table
        Name of the source table.
    column
        Column of the table.
    title
        Display name for reasons and reports.
    window_days
        Length of the window in days; None for all rows before `as_of`.
    lag_days
        Days between the end of the window and `as_of`.
    where
        Condition or conditions on the rows.
    """


@dataclass(frozen=True)
class Last(_ColumnWindow):
    """Latest non-missing value in the window; the largest of several at the same time.

    Parameters
    ----------
    table
        Name of the source table.
    column
        Column of the table.
    title
        Display name for reasons and reports.
    window_days
        Length of the window in days; None for all rows before `as_of`.
    lag_days
        Days between the end of the window and `as_of`.
    where
        Condition or conditions on the rows.

    Examples
    --------
    >>> nps = Last("answers", "score", window_days=365, where=Where("kind", "==", "NPS"))
    """

    column_types: ClassVar[tuple[str, ...]] = VALUES
    result_type: ClassVar[str] = ""


@dataclass(frozen=True)
class Share(_ColumnWindow):
    """Share of the window's rows whose column has a value; missing if there are no rows.

    Parameters
    ----------
    table
        Name of the source table.
    column
        Column of the table.
    value
        The value that is counted.
    title
        Display name for reasons and reports.
    window_days
        Length of the window in days; None for all rows before `as_of`.
    lag_days
        Days between the end of the window and `as_of`.
    where
        Condition or conditions on the rows.

    Examples
    --------
    >>> Share("tickets", "topic", "billing", window_days=180).value
    'billing'
    """

    column_types: ClassVar[tuple[str, ...]] = VALUES

    value: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        Where(self.column, "==", self.value)


@dataclass(frozen=True)
class Trend(Windowed):
    """Daily rate in the last `window_days` divided by the rate in the longer `against_days`.

    The rate is of rows, or of a column's sum: 1 is constant, 0 has stopped. Missing if the longer
    window has no rows.

    Parameters
    ----------
    table
        Name of the source table.
    column
        Column of the table.
    title
        Display name for reasons and reports.
    window_days
        Length of the window in days; None for all rows before `as_of`.
    lag_days
        Days between the end of the window and `as_of`.
    where
        Condition or conditions on the rows.
    against_days
        Length of the longer window in days.

    Examples
    --------
    >>> Trend("events", window_days=30, against_days=90).against_days
    90
    """

    column_types: ClassVar[tuple[str, ...]] = NUMBERS

    column: str | None = None
    _: KW_ONLY
    window_days: int = 30
    against_days: int = 90

    def __post_init__(self) -> None:
        super().__post_init__()
        check_days("Trend", "window_days", self.window_days, minimum=1)
        check_days("Trend", "against_days", self.against_days, minimum=self.window_days + 1)
