"""Sums of money without rounding: the same to the last bit in any order and any parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["exact_sum", "rounded"]

# The smallest number's unit, and the bits of a number.
_LEAST, _BITS = -1074, 53
_HALF = 27
_UNIT = 1 << (_BITS - _LEAST)
# Parts of so many numbers have sums that a float holds exactly.
_MOST = 1 << 25


def exact_sum(money: NDArray[np.float64]) -> int:
    """Give the sum of finite numbers as a whole number of units that every float is made of.

    Such sums add up as whole numbers do: without rounding, in any order.

    Examples
    --------
    >>> rounded(exact_sum(np.array([1e16, 1.0])) + exact_sum(np.array([-1e16])))
    1.0
    """
    total = 0
    for start in range(0, money.shape[0], _MOST):
        mantissa, exponent = np.frexp(money[start : start + _MOST])
        digits = np.ldexp(mantissa, _BITS)
        high = np.floor(np.ldexp(digits, -_HALF))
        low = digits - np.ldexp(high, _HALF)
        place = exponent - _LEAST
        highs, lows = np.bincount(place, weights=high), np.bincount(place, weights=low)
        for shift in np.flatnonzero((highs != 0.0) | (lows != 0.0)).tolist():
            total += ((int(highs[shift]) << _HALF) + int(lows[shift])) << shift
    return total


def rounded(total: int) -> float:
    """Give the float nearest to an exact sum, plus or minus infinity beyond all floats."""
    try:
        return total / _UNIT
    except OverflowError:
        return float("inf") if total > 0 else float("-inf")
