"""Exact sums of floats: the same to the last bit in any order and partition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["exact_sum", "rounded"]

# Exponent of the smallest float, and the bits of a mantissa.
_LEAST, _BITS = -1074, 53
_HALF = 27
_UNIT = 1 << (_BITS - _LEAST)
# Partial sums of this many half mantissas are exact.
_BLOCK = 1 << 25


def exact_sum(money: NDArray[np.float64]) -> int:
    """Return the sum of finite floats as an integer multiple of the smallest float.

    Such sums can be added without rounding, in any order.

    Examples
    --------
    >>> rounded(exact_sum(np.array([1e16, 1.0])) + exact_sum(np.array([-1e16])))
    1.0
    """
    total = 0
    for start in range(0, money.shape[0], _BLOCK):
        mantissa, exponent = np.frexp(money[start : start + _BLOCK])
        digits = np.ldexp(mantissa, _BITS)
        high = np.floor(np.ldexp(digits, -_HALF))
        low = digits - np.ldexp(high, _HALF)
        shifts = exponent - _LEAST
        highs, lows = np.bincount(shifts, weights=high), np.bincount(shifts, weights=low)
        for shift in np.flatnonzero((highs != 0.0) | (lows != 0.0)).tolist():
            total += ((int(highs[shift]) << _HALF) + int(lows[shift])) << shift
    return total


def rounded(total: int) -> float:
    """Return the float nearest to an exact sum; infinite if it overflows."""
    try:
        return total / _UNIT
    except OverflowError:
        return float("inf") if total > 0 else float("-inf")
