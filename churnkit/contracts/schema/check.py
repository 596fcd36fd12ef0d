"""A rule that every known value of a column must pass."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.contracts.parsing.scalars import BLANKS, is_text
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
    "matches": lambda value, pattern: re.match(pattern, value) is not None,
    "min_length": lambda value, length: len(value) >= length,
    "max_length": lambda value, length: len(value) <= length,
}
_SETS = ("isin", "notin")
_NAMED = (*_SETS, "eq", "ne")
_RULES_FOR = {
    "integer": (*_NAMED, "gt", "ge", "lt", "le"),
    "number": (*_NAMED, "gt", "ge", "lt", "le"),
    "boolean": _NAMED,
    "string": (*_NAMED, "matches", "min_length", "max_length"),
    "datetime": (),
}
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Check:
    """One rule that every known value of a column must pass.

    Parameters
    ----------
    rule
        One of ``isin, notin, eq, ne, gt, ge, lt, le, matches, min_length, max_length``.
    value
        What the rule compares with; a tuple for ``isin`` and ``notin``.

    Raises
    ------
    ContractError
        If there is no such rule, or the value cannot be stored as JSON.

    Examples
    --------
    >>> check = Check("ge", 0)
    >>> check.holds(3), check.holds(-1), str(check)
    (True, False, 'ge(0)')
    """

    rule: str
    value: Any

    def __post_init__(self) -> None:
        if not isinstance(self.rule, str) or self.rule not in _TESTS:
            known = ", ".join(_TESTS)
            raise ContractError(f"'{self.rule}' is not a check of a contract; known are: {known}")
        value = self.value
        if self.rule in _SETS:
            if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
                raise ContractError(f"the check '{self.rule}' needs a list of values")
            value = tuple(dict.fromkeys(_plain(self.rule, item) for item in value))
        else:
            value = _plain(self.rule, value)
        object.__setattr__(self, "value", value)

    def __str__(self) -> str:
        if self.rule not in _SETS:
            return f"{self.rule}({self.value!r})"
        shown = ", ".join(repr(item) for item in self.value[:_SHOWN])
        more = f", and {len(self.value) - _SHOWN} more" if len(self.value) > _SHOWN else ""
        return f"{self.rule}({shown}{more})"

    def holds(self, value: Any) -> bool:
        """Tell whether a known value passes."""
        return _TESTS[self.rule](value, self.value)

    def fitted(self, column: str, kind: str) -> Check:
        """Return the check as it holds for a column of this type.

        Raises
        ------
        ContractError
            If values of this type cannot be compared in this way.
        """
        if self.rule not in _RULES_FOR[kind]:
            raise ContractError(
                f"column '{column}': the check '{self.rule}' does not go with type '{kind}'; "
                f"known are: {', '.join(_RULES_FOR[kind]) or 'none'}"
            )
        items = self.value if self.rule in _SETS else (self.value,)
        if not all(_FITS[self._kind(kind)](item) for item in items):
            raise ContractError(
                f"column '{column}': the check {self} compares with {_WANTED[self._kind(kind)]}"
            )
        if kind != "boolean":
            return self
        truths = tuple(bool(item) for item in items)
        return Check(self.rule, truths if self.rule in _SETS else truths[0])

    def _kind(self, column_type: str) -> str:
        if column_type in {"integer", "number"}:
            return "number"
        return self.rule if self.rule in _WANTED else column_type

    def to_dict(self) -> dict[str, Any]:
        """Return the check as JSON-able data."""
        value = list(self.value) if self.rule in _SETS else self.value
        return {"rule": self.rule, "value": value}


def _plain(rule: str, value: Any) -> Any:
    """Return a value of another library (numpy's) as Python's own; JSON knows no other."""
    if hasattr(value, "item") and not isinstance(value, (str, int, float)):
        value = value.item()
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    raise ContractError(
        f"the check '{rule}' compares with a {type(value).__name__}, which cannot travel in an "
        "artefact: use numbers, text, true or false"
    )


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value) and float(value) == value
    except OverflowError:
        return False


def is_category(value: Any) -> bool:
    """Tell whether a value can be a category: text, not blank, with no blanks around it.

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
        # As the JSON Schema will say it: flags for the whole pattern find no place there.
        re.compile(f"^(?:{value})")
        re.compile(value)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _is_length(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_FITS: dict[str, Callable[[Any], bool]] = {
    "number": _is_number,
    "boolean": lambda value: isinstance(value, (bool, int, float)) and value in {0, 1},
    "string": is_category,
    "matches": _is_pattern,
    "min_length": _is_length,
    "max_length": _is_length,
}
_WANTED = {
    "number": "finite numbers that a float holds exactly",
    "boolean": "true or false",
    "string": "texts that are not blank and have no blanks around them",
    "matches": "a regular expression without flags for the whole of it",
    "min_length": "a whole number from 0",
    "max_length": "a whole number from 0",
}
