"""A condition on a row of a raw table, checked before it becomes SQL."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from churnkit.errors import RecipeError

__all__ = ["Operator", "Where", "as_conditions"]

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in", "is missing", "is known"]
_OPERATORS: tuple[str, ...] = get_args(Operator)
_SETS = ("in", "not in")
_ALONE = ("is missing", "is known")


@dataclass(frozen=True, slots=True)
class Where:
    """A condition on one column; a missing value meets none but ``is missing``.

    Parameters
    ----------
    column
        The column's name in the raw table.
    op
        ``==, !=, <, <=, >, >=, in, not in, is missing`` or ``is known``.
    value
        Text, a number, true or false; several for ``in`` and ``not in``, none for
        ``is missing`` and ``is known``.

    Raises
    ------
    RecipeError
        If the operator is unknown or the value does not fit it.

    Examples
    --------
    >>> str(Where("event_type", "==", "purchase"))
    "event_type == 'purchase'"
    """

    column: str
    op: Operator
    value: Any = None

    def __post_init__(self) -> None:
        if self.op not in _OPERATORS:
            raise RecipeError(
                f"column '{self.column}': '{self.op}' is no comparison; "
                f"use one of: {', '.join(_OPERATORS)}"
            )
        if self.op in _SETS:
            members = isinstance(self.value, Sequence) and not isinstance(self.value, str)
            if not members or not self.value:
                raise RecipeError(f"column '{self.column}': '{self.op}' needs a list of values")
            object.__setattr__(self, "value", tuple(self.value))
        elif self.op in _ALONE and self.value is not None:
            raise RecipeError(f"column '{self.column}': '{self.op}' takes no value")
        for value in self.values:
            finite = not isinstance(value, float) or math.isfinite(value)
            if not isinstance(value, (str, bool, int, float)) or not finite:
                raise RecipeError(
                    f"column '{self.column}': '{self.op}' compares with text, true or false, or "
                    f"a finite number, not with {type(value).__name__}"
                )

    @property
    def values(self) -> tuple[Any, ...]:
        """What the column is compared with, as a tuple."""
        if self.op in _ALONE:
            return ()
        return self.value if isinstance(self.value, tuple) else (self.value,)

    def __str__(self) -> str:
        said = f"{self.column} {self.op}"
        return said if self.op in _ALONE else f"{said} {self.value!r}"

    def to_dict(self) -> dict[str, Any]:
        """Return the condition as JSON-able data; `from_dict` is its inverse."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"column": self.column, "op": self.op, "value": value}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Where:
        """Rebuild a condition from `to_dict`."""
        return cls(data["column"], data["op"], data["value"])


def as_conditions(where: Any) -> tuple[Where, ...]:
    """Take one condition, several, or none.

    Examples
    --------
    >>> as_conditions(Where("score", "is known"))
    (Where(column='score', op='is known', value=None),)
    """
    conditions = (where,) if isinstance(where, Where) else tuple(where)
    if not all(isinstance(condition, Where) for condition in conditions):
        raise RecipeError("where takes conditions: Where('column', '==', value)")
    return conditions
