"""Features of the rows that are active at a date."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

from churnkit.core.predicate import Where, as_conditions
from churnkit.timeline.features.base import NUMBERS, VALUES, Feature

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Current", "CurrentSum", "DaysSince", "OpenCount"]


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

    column_types: ClassVar[tuple[str, ...]] = VALUES
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

    column_types: ClassVar[tuple[str, ...]] = NUMBERS


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
