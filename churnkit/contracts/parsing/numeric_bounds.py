"""The checks of a numeric column combined into one interval and two sets."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from churnkit.contracts.schema.check import Check

__all__ = ["NumericBounds"]


@dataclass(frozen=True, slots=True)
class NumericBounds:
    """All checks of a numeric or boolean column at once.

    A value passes every check if and only if it lies in ``[low, high]``, in `allowed` (unless
    that is None) and not in `forbidden`.

    Examples
    --------
    >>> from churnkit.contracts import Check
    >>> bounds = NumericBounds.from_checks([Check("ge", 18)])
    >>> bounds.low, bounds.allowed
    (18.0, None)
    """

    low: float
    high: float
    allowed: frozenset[float] | None
    forbidden: frozenset[float]

    @classmethod
    def from_checks(cls, checks: Iterable[Check]) -> NumericBounds:
        """Combine checks that compare with numbers."""
        low, high = -sys.float_info.max, sys.float_info.max
        allowed: frozenset[float] | None = None
        forbidden: frozenset[float] = frozenset()
        for check in checks:
            values = check.value if isinstance(check.value, tuple) else (check.value,)
            numbers = frozenset(map(float, values))
            if check.rule in {"isin", "eq"}:
                allowed = numbers if allowed is None else allowed & numbers
            elif check.rule in {"notin", "ne"}:
                forbidden |= numbers
            elif check.rule in {"ge", "gt"}:
                limit = float(check.value)
                low = max(low, limit if check.rule == "ge" else math.nextafter(limit, math.inf))
            else:
                limit = float(check.value)
                high = min(high, limit if check.rule == "le" else math.nextafter(limit, -math.inf))
        return cls(low, high, allowed, forbidden)
