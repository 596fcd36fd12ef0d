"""What a recipe can ask about a customer at a date, over the rows known before it.

A window is half-open: ``window_days=30, lag_days=7`` means
``[as_of - 37 days, as_of - 7 days)``; ``window_days=None`` reaches back without end.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from churnkit.core.predicate import Where, as_conditions
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    "Ratio",
    "Recency",
    "Share",
    "Sum",
    "Tenure",
    "Trend",
    "feature_from_dict",
    "whole_days",
]

# The oldest day that a window can reach.
MOST_DAYS = 36_500
_NUMBERS = ("integer", "number")
_VALUES = ("integer", "number", "boolean", "string")


def whole_days(said: str, name: str, days: Any, *, least: int) -> None:
    """Refuse what is no number of whole days.

    Raises
    ------
    RecipeError
        Names the setting and its range.

    Examples
    --------
    >>> whole_days("Count", "window_days", 30, least=1)
    """
    if type(days) is not int or not least <= days <= MOST_DAYS:
        raise RecipeError(f"{said}: {name} is a whole number of days, {least} to {MOST_DAYS:,}")


@dataclass(frozen=True)
class Feature:
    """The base of all features.

    Parameters
    ----------
    title
        The feature in a person's words, for reasons and reports.
    """

    # The types of column that it can read; empty for a feature that reads none.
    reads: ClassVar[tuple[str, ...]] = ()
    # The type that it becomes; empty for that of the column it reads.
    gives: ClassVar[str] = "number"

    _: KW_ONLY
    title: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the feature as JSON-able data; `feature_from_dict` is its inverse."""
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
        """The conditions on the rows that it reads."""
        return as_conditions(getattr(self, "where", ()))


@dataclass(frozen=True)
class _Windowed(Feature):
    table: str
    _: KW_ONLY
    window_days: int | None = None
    lag_days: int = 0
    where: Where | Sequence[Where] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", as_conditions(self.where))
        if self.window_days is not None:
            whole_days(type(self).__name__, "window_days", self.window_days, least=1)
        whole_days(type(self).__name__, "lag_days", self.lag_days, least=0)


@dataclass(frozen=True)
class _OfColumn(_Windowed):
    reads: ClassVar[tuple[str, ...]] = _NUMBERS

    column: str


@dataclass(frozen=True)
class Count(_Windowed):
    """The number of rows in the window.

    Examples
    --------
    >>> Count("events", window_days=30).window_days
    30
    """

    gives: ClassVar[str] = "integer"


@dataclass(frozen=True)
class DistinctDays(_Windowed):
    """The number of days with a row in the window, counted back from `as_of`."""

    gives: ClassVar[str] = "integer"


@dataclass(frozen=True)
class Recency(_Windowed):
    """Whole days since the last row in the window: less than w exactly if one is in the last w.

    Missing where the window holds no row.
    """

    gives: ClassVar[str] = "integer"


@dataclass(frozen=True)
class Tenure(_Windowed):
    """Whole days since the first row in the window; missing where there is none."""

    gives: ClassVar[str] = "integer"


@dataclass(frozen=True)
class Sum(_OfColumn):
    """The sum of a column over the window; 0 where no value is known.

    Examples
    --------
    >>> Sum("events", "amount", window_days=90, where=Where("event_type", "==", "purchase")).column
    'amount'
    """


@dataclass(frozen=True)
class Mean(_OfColumn):
    """The mean of a column's known values in the window; missing where there is none."""


@dataclass(frozen=True)
class Min(_OfColumn):
    """The smallest value in the window; missing where none is known."""


@dataclass(frozen=True)
class Max(_OfColumn):
    """The largest value in the window; missing where none is known."""


@dataclass(frozen=True)
class Last(_OfColumn):
    """The latest known value in the window; of several at one time the largest.

    Examples
    --------
    >>> nps = Last("answers", "score", window_days=365, where=Where("kind", "==", "NPS"))
    """

    reads: ClassVar[tuple[str, ...]] = _VALUES
    gives: ClassVar[str] = ""


@dataclass(frozen=True)
class Share(_OfColumn):
    """The share of the window's rows whose column has this value; missing where there is none.

    Examples
    --------
    >>> Share("tickets", "topic", "billing", window_days=180).value
    'billing'
    """

    reads: ClassVar[tuple[str, ...]] = _VALUES

    value: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        Where(self.column, "==", self.value)


@dataclass(frozen=True)
class Trend(_Windowed):
    """The daily rate in the last `window_days` over that in the longer `against_days`.

    1 is steady, 0 has stopped; of rows, or of a column's sum. Missing where the longer window
    holds nothing.

    Examples
    --------
    >>> Trend("events", window_days=30, against_days=90).against_days
    90
    """

    reads: ClassVar[tuple[str, ...]] = _NUMBERS

    column: str | None = None
    _: KW_ONLY
    window_days: int = 30
    against_days: int = 90

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_days("Trend", "window_days", self.window_days, least=1)
        whole_days("Trend", "against_days", self.against_days, least=self.window_days + 1)


@dataclass(frozen=True)
class Ratio(Feature):
    """One feature divided by another; missing where either is, or the second is 0.

    Examples
    --------
    >>> week, month = Count("events", window_days=7), Count("events", window_days=30)
    >>> Ratio(week, month).over.window_days
    7
    """

    over: Feature
    under: Feature

    def __post_init__(self) -> None:
        for part in (self.over, self.under):
            if not isinstance(part, Feature) or isinstance(part, Ratio):
                raise RecipeError("Ratio: give two features that are no ratios themselves")


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
    """A column of what runs at `as_of`; of several rows that which began last.

    Of a table without ends it is the latest row. Missing where nothing runs.

    Examples
    --------
    >>> Current("subscriptions", "plan").column
    'plan'
    """

    reads: ClassVar[tuple[str, ...]] = _VALUES
    gives: ClassVar[str] = ""


@dataclass(frozen=True)
class CurrentSum(_State):
    """The sum of a column over everything that runs at `as_of`; 0 where nothing does."""

    reads: ClassVar[tuple[str, ...]] = _NUMBERS


@dataclass(frozen=True)
class DaysSince(_State):
    """Whole days since a time in a column of what runs at `as_of`; missing if it lies ahead."""

    reads: ClassVar[tuple[str, ...]] = ("datetime",)
    gives: ClassVar[str] = "integer"


@dataclass(frozen=True)
class OpenCount(Feature):
    """How many rows began before `as_of` and had not ended before it.

    Examples
    --------
    >>> OpenCount("tickets", where=Where("topic", "==", "sync")).table
    'tickets'
    """

    gives: ClassVar[str] = "integer"

    table: str
    _: KW_ONLY
    where: Where | Sequence[Where] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", as_conditions(self.where))


_KINDS: dict[str, type[Feature]] = {
    kind.__name__: kind
    for kind in (
        Count, Current, CurrentSum, DaysSince, DistinctDays, Last, Max, Mean, Min, OpenCount,
        Ratio, Recency, Share, Sum, Tenure, Trend,
    )
}  # fmt: skip


def feature_from_dict(data: Mapping[str, Any]) -> Feature:
    """Rebuild a feature from its `to_dict`.

    Raises
    ------
    RecipeError
        If there is no feature of this kind.

    Examples
    --------
    >>> feature_from_dict(Count("events", window_days=7).to_dict())
    Count(title='', table='events', window_days=7, lag_days=0, where=())
    """
    stored = dict(data)
    kind = _KINDS.get(str(stored.pop("kind", "")))
    if kind is None:
        raise RecipeError(f"there is no feature of this kind; there are: {', '.join(_KINDS)}")
    for part in ("over", "under"):
        if part in stored:
            stored[part] = feature_from_dict(stored[part])
    if "where" in stored:
        stored["where"] = tuple(Where.from_dict(condition) for condition in stored["where"])
    return kind(**stored)
