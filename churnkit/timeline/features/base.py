"""Base classes of features."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from churnkit.core.predicate import Where, as_conditions
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NUMBERS", "VALUES", "Feature", "Windowed", "check_days"]

# The longest window in days.
MAX_DAYS = 36_500
NUMBERS = ("integer", "number")
VALUES = ("integer", "number", "boolean", "string")


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
