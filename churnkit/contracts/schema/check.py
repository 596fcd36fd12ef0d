"""Value checks of a column: comparisons, sets, patterns and lengths."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from churnkit.contracts.parsing.scalars import BLANKS, is_text
from churnkit.contracts.schema.linear_regex import PatternError, compile_regex
from churnkit.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Check", "is_category"]

_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "isin": lambda value, allowed: value in allowed,
    "notin": lambda value, forbidden: value not in forbidden,
    "eq": lambda value, other: bool(value == other),
    "ne": lambda value, other: bool(value != other),
    "gt": lambda value, limit: bool(value > limit),
    "ge": lambda value, limit: bool(value >= limit),
    "lt": lambda value, limit: bool(value < limit),
    "le": lambda value, limit: bool(value <= limit),
    "matches": lambda value, pattern: compile_regex(pattern).matches(value),
    "min_length": lambda value, length: len(value) >= length,
    "max_length": lambda value, length: len(value) <= length,
}
_SETS = ("isin", "notin")
_EQUALITY = (*_SETS, "eq", "ne")
_RULES_FOR = {
    "integer": (*_EQUALITY, "gt", "ge", "lt", "le"),
    "number": (*_EQUALITY, "gt", "ge", "lt", "le"),
    "boolean": _EQUALITY,
    "string": (*_EQUALITY, "matches", "min_length", "max_length"),
    "datetime": (),
}
_MAX_DISPLAYED = 8


@dataclass(frozen=True, slots=True)
class Check:
    """A rule that every non-missing value of a column must pass.

    Parameters
    ----------
    rule
        One of ``isin, notin, eq, ne, gt, ge, lt, le, matches, min_length, max_length``.
    value
        What the rule compares with; a tuple for ``isin`` and ``notin``.

    Raises
    ------
    ContractError
        If the rule is unknown, or the value cannot be stored as JSON.

    Examples
    --------
    >>> check = Check("ge", 0)
    >>> check.holds(3), check.holds(-1), str(check)
    (True, False, 'ge(0)')
    """

    rule: str
    value: Any
    _members: frozenset[Any] = field(init=False, repr=False, compare=False, default=frozenset())

    def __post_init__(self) -> None:
        if not isinstance(self.rule, str) or self.rule not in _TESTS:
            raise ContractError(f"unknown check '{self.rule}'; use one of: {', '.join(_TESTS)}")
        value = self.value
        if self.rule in _SETS:
            if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
                raise ContractError(f"the check '{self.rule}' needs a list of values")
            value = tuple(dict.fromkeys(_plain(self.rule, item) for item in value))
            object.__setattr__(self, "_members", frozenset(value))
        else:
            value = _plain(self.rule, value)
        object.__setattr__(self, "value", value)

    def __str__(self) -> str:
        if self.rule not in _SETS:
            return f"{self.rule}({self.value!r})"
        values = ", ".join(repr(item) for item in self.value[:_MAX_DISPLAYED])
        more = (
            f", and {len(self.value) - _MAX_DISPLAYED} more"
            if len(self.value) > _MAX_DISPLAYED
            else ""
        )
        return f"{self.rule}({values}{more})"

    def holds(self, value: Any) -> bool:
        """Return True if a non-missing value passes."""
        return _TESTS[self.rule](value, self._members if self.rule in _SETS else self.value)

    def fitted(self, column: str, kind: str) -> Check:
        """Return the check with its value converted for a column of this type.

        Raises
        ------
        ContractError
            If the rule or its value does not apply to the type.
        """
        if self.rule not in _RULES_FOR[kind]:
            raise ContractError(
                f"column '{column}': the check '{self.rule}' does not apply to type '{kind}'; "
                f"use one of: {', '.join(_RULES_FOR[kind]) or 'none'}"
            )
        items = self.value if self.rule in _SETS else (self.value,)
        if not all(_IS_VALID[self._kind(kind)](item) for item in items):
            raise ContractError(
                f"column '{column}': the check {self} needs {_REQUIREMENTS[self._kind(kind)]}"
            )
        if kind != "boolean":
            return self
        truths = tuple(bool(item) for item in items)
        return Check(self.rule, truths if self.rule in _SETS else truths[0])

    def _kind(self, column_type: str) -> str:
        if column_type in {"integer", "number"}:
            return "number"
        return self.rule if self.rule in _REQUIREMENTS else column_type

    def to_dict(self) -> dict[str, Any]:
        """Return the check as JSON-able data."""
        value = list(self.value) if self.rule in _SETS else self.value
        return {"rule": self.rule, "value": value}


def _plain(rule: str, value: Any) -> Any:
    """Convert a NumPy scalar to the Python type that JSON can store."""
    if hasattr(value, "item") and not isinstance(value, (str, int, float)):
        value = value.item()
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    raise ContractError(
        f"the check '{rule}' has a value of type {type(value).__name__}, which cannot be stored "
        "in a model: use numbers, text or booleans"
    )


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value) and float(value) == value
    except OverflowError:
        return False


def is_category(value: Any) -> bool:
    """Return True for a category: non-blank text without surrounding whitespace.

    Examples
    --------
    >>> is_category("Two year"), is_category(" Two year"), is_category("")
    (True, False, False)
    """
    return (
        isinstance(value, str) and is_text(value) and bool(value) and value == value.strip(BLANKS)
    )


def _is_pattern(value: Any) -> bool:
    if not isinstance(value, str) or not is_text(value):
        return False
    try:
        # The form used in JSON Schema, where global flags inside the pattern are invalid.
        re.compile(f"^(?:{value})")
        compile_regex(value)
    except (re.error, OverflowError, RecursionError, PatternError):
        return False
    return True


def _is_length(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_IS_VALID: dict[str, Callable[[Any], bool]] = {
    "number": _is_number,
    "boolean": lambda value: isinstance(value, (bool, int, float)) and value in {0, 1},
    "string": is_category,
    "matches": _is_pattern,
    "min_length": _is_length,
    "max_length": _is_length,
}
_REQUIREMENTS = {
    "number": "finite numbers that a float holds exactly",
    "boolean": "true or false",
    "string": "non-blank texts without surrounding whitespace",
    "matches": "a regular expression without global flags that is matched in linear time: nested at "
    "most 50 deep, of at most 2,000 states with its repeats written out, and without references, "
    "lookahead or lookbehind next to open repeats",
    "min_length": "a non-negative integer",
    "max_length": "a non-negative integer",
}
