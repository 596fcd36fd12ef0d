"""Predicates on one column: the conditions of feature sets and of eligibility rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from churnkit.core.parsing import Settings
from churnkit.errors import RecipeError

__all__ = ["Operator", "Where", "as_conditions"]

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in", "is missing", "is known"]
_OPERATORS: tuple[str, ...] = get_args(Operator)
_SETS = ("in", "not in")
_UNARY = ("is missing", "is known")


@dataclass(frozen=True, slots=True)
class Where(Settings):
    """A condition on one column.

    A missing value meets no condition but ``is missing``, also not ``!=`` and ``not in``.

    Parameters
    ----------
    column
        The column's name.
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
    >>> str(Where("tenure", ">=", 6)), str(Where("plan", "in", ["basic", "plus"]))
    ('tenure >= 6', "plan in ('basic', 'plus')")
    >>> str(Where("last_call", "is missing"))
    'last_call is missing'
    """

    column: str
    op: Operator
    value: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.column, str):
            raise RecipeError(
                f"a condition is on a column: give its name, not {type(self.column).__name__}"
            )
        where = f"column '{self.column}': '{self.op}'"
        if self.op not in _OPERATORS:
            raise RecipeError(f"{where} is not an operator; use one of: {', '.join(_OPERATORS)}")
        if self.op in _SETS:
            unordered = isinstance(self.value, (set, frozenset))
            if isinstance(self.value, str) or not (unordered or isinstance(self.value, Sequence)):
                raise RecipeError(f"{where} needs a list of values")
            object.__setattr__(
                self, "value", tuple(sorted(self.value) if unordered else self.value)
            )
        elif self.op in _UNARY and self.value is not None:
            raise RecipeError(f"{where} takes no value")
        for value in self.values:
            if not isinstance(value, (str, bool, int, float)) or not _is_finite(value):
                raise RecipeError(
                    f"{where} compares with text, true or false, or a finite number, "
                    f"not with {type(value).__name__}"
                )

    @property
    def values(self) -> tuple[Any, ...]:
        """The values to compare with."""
        if self.op in _UNARY:
            return ()
        return self.value if isinstance(self.value, tuple) else (self.value,)

    def __str__(self) -> str:
        text = f"{self.column} {self.op}"
        return text if self.op in _UNARY else f"{text} {self.value!r}"


def _is_finite(value: str | float) -> bool:
    try:
        return isinstance(value, str) or math.isfinite(value)
    except OverflowError:  # an integer beyond doubles
        return False


def as_conditions(where: Any) -> tuple[Where, ...]:
    """Return one condition, several or none as a tuple.

    Examples
    --------
    >>> as_conditions(Where("score", "is known"))
    (Where(column='score', op='is known', value=None),)
    """
    conditions = (where,) if isinstance(where, Where) else tuple(where)
    if not all(isinstance(condition, Where) for condition in conditions):
        raise RecipeError("where takes conditions: Where('column', '==', value)")
    for condition in conditions:
        if condition.op in _SETS and not condition.values:
            where = f"column '{condition.column}': '{condition.op}'"
            raise RecipeError(f"{where} needs at least one value")
    return conditions
