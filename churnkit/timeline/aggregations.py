"""Features of a customer at a date, computed from the rows known before it.

A window is half-open: ``window_days=30, lag_days=7`` means
``[as_of - 37 days, as_of - 7 days)``; ``window_days=None`` has no start.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from churnkit.core.predicate import Where, as_conditions
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Count",
    "Current",
    "CurrentSum",
    "DaysSince",
    "DistinctDays",
    "Feature",
    "Last",
    "Max",
    "Mean",
    "Min",
    "OpenCount",
    "Recency",
    "Share",
    "Sum",
    "Tenure",
    "Trend",
    "Windowed",
    "check_days",
]

# The longest window in days.
MAX_DAYS = 36_500
_NUMBERS = ("integer", "number")
_VALUES = ("integer", "number", "boolean", "string")


def check_days(owner: str, name: str, days: Any, *, minimum: int) -> None:
    """Check that a setting is an integer in range.

    Raises
    ------
    RecipeError
        Names the setting and its range.

    Examples
    --------
    >>> check_days("Count", "window_days", 30, minimum=1)
    """
    if type(days) is not int or not minimum <= days <= MAX_DAYS:
        raise RecipeError(f"{owner}: {name} must be an integer from {minimum} to {MAX_DAYS:,}")


@dataclass(frozen=True)
class Feature:
    """Base class of all features.

    Parameters
    ----------
    title
        Display name for reasons and reports.
    """

    # Accepted types of the column; empty for a feature without a column.
    column_types: ClassVar[tuple[str, ...]] = ()
    # Type of the result; empty for the type of the column.
    result_type: ClassVar[str] = "number"

    _: KW_ONLY
    title: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the feature as JSON-serializable data; `feature_from_dict` is its inverse."""
        stored: dict[str, Any] = {"kind": type(self).__name__}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Feature):
                value = value.to_dict()
            elif field.name == "where":
                value = [condition.to_dict() for condition in value]
            stored[field.name] = value
        return stored

    @property
    def conditions(self) -> tuple[Where, ...]:
        """The conditions on its rows."""
        return as_conditions(getattr(self, "where", ()))


@dataclass(frozen=True)
class Windowed(Feature):
    """Base class of features of the rows in a window."""

    table: str
    _: KW_ONLY
    window_days: int | None = None
    lag_days: int = 0
    where: Where | Sequence[Where] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", as_conditions(self.where))
        if self.window_days is not None:
            check_days(type(self).__name__, "window_days", self.window_days, minimum=1)
        check_days(type(self).__name__, "lag_days", self.lag_days, minimum=0)


@dataclass(frozen=True)
class _ColumnWindow(Windowed):
    column_types: ClassVar[tuple[str, ...]] = _NUMBERS

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

    column_types: ClassVar[tuple[str, ...]] = _VALUES
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

    column_types: ClassVar[tuple[str, ...]] = _VALUES

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

    column_types: ClassVar[tuple[str, ...]] = _NUMBERS

    column: str | None = None
    _: KW_ONLY
    window_days: int = 30
    against_days: int = 90

    def __post_init__(self) -> None:
        super().__post_init__()
        check_days("Trend", "window_days", self.window_days, minimum=1)
        check_days("Trend", "against_days", self.against_days, minimum=self.window_days + 1)


@dataclass(frozen=True)
class _State(Feature):
    table: str
    column: str
    _: KW_ONLY
    where: Where | Sequence[Where] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", as_conditions(self.where))


@dataclass(frozen=True)
class Current(_State):
    """Column of the row that is active at `as_of`; the one that began last if there are several.

    In a table without ends this is the latest row. Missing if no row is active.

    Parameters
    ----------
    table
        Name of the source table.
    column
        Column of the table.
    title
        Display name for reasons and reports.
    where
        Condition or conditions on the rows.

    Examples
    --------
    >>> Current("subscriptions", "plan").column
    'plan'
    """

    column_types: ClassVar[tuple[str, ...]] = _VALUES
    result_type: ClassVar[str] = ""


@dataclass(frozen=True)
class CurrentSum(_State):
    """Sum of a column over the rows that are active at `as_of`; 0 if there are none.

    Parameters
    ----------
    table
        Name of the source table.
    column
        Column of the table.
    title
        Display name for reasons and reports.
    where
        Condition or conditions on the rows.
    """

    column_types: ClassVar[tuple[str, ...]] = _NUMBERS


@dataclass(frozen=True)
class DaysSince(_State):
    """Full days since a time in a column of the active row; missing if it is after `as_of`.

    Parameters
    ----------
    table
        Name of the source table.
    column
        Column of the table.
    title
        Display name for reasons and reports.
    where
        Condition or conditions on the rows.
    """

    column_types: ClassVar[tuple[str, ...]] = ("datetime",)
    result_type: ClassVar[str] = "integer"


@dataclass(frozen=True)
class OpenCount(Feature):
    """Number of rows that began before `as_of` and had not ended before it.

    Parameters
    ----------
    table
        Name of the source table.
    title
        Display name for reasons and reports.
    where
        Condition or conditions on the rows.

    Examples
    --------
    >>> OpenCount("tickets", where=Where("topic", "==", "sync")).table
    'tickets'
    """

    result_type: ClassVar[str] = "integer"

    table: str
    _: KW_ONLY
    where: Where | Sequence[Where] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", as_conditions(self.where))
