"""A condition on one column of the contract: the part of a rule about who is eligible."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from churnkit.decisions._stored import exactly
from churnkit.errors import RecipeError

__all__ = ["Operator", "Where"]

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in", "is missing", "is known"]
_OPERATORS: tuple[str, ...] = get_args(Operator)
_ALONE = ("is missing", "is known")
_SETS = ("in", "not in")


@dataclass(frozen=True, slots=True)
class Where:
    """A condition on one column of the contract.

    A missing value fails every condition except ``is missing``, also ``!=`` and ``not in``:
    an action needs what its rules ask to be known.

    Parameters
    ----------
    column
        The column's name.
    op
        ``==, !=, <, <=, >, >=, in, not in, is missing`` or ``is known``.
    value
        What to compare with; several values for ``in`` and ``not in``, none for
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
        if self.op not in _OPERATORS:
            raise RecipeError(
                f"column '{self.column}': '{self.op}' is no comparison; "
                f"use one of: {', '.join(_OPERATORS)}"
            )
        if self.op in _SETS:
            if isinstance(self.value, str) or not isinstance(
                self.value, (Sequence, set, frozenset)
            ):
                raise RecipeError(f"column '{self.column}': '{self.op}' needs a list of values")
            members = tuple(sorted(self.value) if _is_set(self.value) else self.value)
            object.__setattr__(self, "value", members)
            values: tuple[Any, ...] = members
        elif self.op in _ALONE:
            if self.value is not None:
                raise RecipeError(f"column '{self.column}': '{self.op}' takes no value")
            return
        else:
            values = (self.value,)
        for value in values:
            if not isinstance(value, (str, bool, int, float)) or _is_wild(value):
                raise RecipeError(
                    f"column '{self.column}': '{self.op}' compares with text, true or false, or "
                    f"a finite number, not with {type(value).__name__}"
                )

    def __str__(self) -> str:
        if self.op in _ALONE:
            return f"{self.column} {self.op}"
        return f"{self.column} {self.op} {self.value!r}"

    def to_dict(self) -> dict[str, Any]:
        """Return the condition as JSON-able data; `from_dict` is its inverse."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"column": self.column, "op": self.op, "value": value}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Where:
        """Rebuild a condition from `to_dict`."""
        return cls(**exactly(cls, data))


def _is_wild(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _is_set(value: Any) -> bool:
    return isinstance(value, (set, frozenset))
