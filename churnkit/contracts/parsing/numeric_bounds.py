"""The checks of a number as one interval and two sets: what a clean value is compared with."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from churnkit.contracts.schema.column import Column

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """All checks of a column of numbers or truth values at once.

    A code passes every check if and only if it lies in ``[low, high]``, in `allowed` (where
    there is such a set) and not in `forbidden`. Which check a code breaks is asked only then.

    Examples
    --------
    >>> from churnkit.contracts import Check, Column
    >>> limits = Limits.of(Column("age", "integer", ("feature",), checks=(Check("ge", 18),)))
    >>> limits.low, limits.allowed
    (18.0, None)
    """

    low: float
    high: float
    allowed: frozenset[float] | None
    forbidden: frozenset[float]

    @classmethod
    def of(cls, column: Column) -> Limits:
        """Gather the checks of a column."""
        low, high = -sys.float_info.max, sys.float_info.max
        allowed: frozenset[float] | None = None
        forbidden: frozenset[float] = frozenset()
        for check in column.checks:
            if check.rule in {"isin", "eq"}:
                these = _numbers(check.value)
                allowed = these if allowed is None else allowed & these
            elif check.rule in {"notin", "ne"}:
                forbidden |= _numbers(check.value)
            elif check.rule in {"ge", "gt"}:
                limit = float(check.value)
                low = max(low, limit if check.rule == "ge" else math.nextafter(limit, math.inf))
            else:
                limit = float(check.value)
                high = min(high, limit if check.rule == "le" else math.nextafter(limit, -math.inf))
        return cls(low, high, allowed, forbidden)


def _numbers(value: object) -> frozenset[float]:
    items = value if isinstance(value, tuple) else (value,)
    return frozenset(float(item) for item in items)
