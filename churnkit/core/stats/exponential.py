"""Exponential and logarithm with the same bits on every machine and in SQL.

The exponentials of NumPy, of the C library and of databases differ in the last bit. These use
only operations that IEEE 754 rounds exactly (addition, multiplication, division, powers of two),
in a fixed order, so that every engine computes the same probability from the same log-odds. The
polynomials take arrays, numbers and SQL expressions.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "EXP_LIMIT",
    "LN2_HIGH",
    "LN2_LOW",
    "ROOTS_OF_TWO",
    "STEPS_OF_TWO",
    "STEPS_PER_UNIT",
    "exp_minus",
    "exp_polynomial",
    "log1p_polynomial",
    "log1p_unit",
]

# Beyond this, exp(-x) is 4e-18 or less: one plus it is one.
EXP_LIMIT: Final = 40.0
# An exponent is the nearest multiple of ln 2 / 32 and a rest, of which six powers suffice.
STEPS_OF_TWO: Final = 32
STEPS_PER_UNIT: Final = STEPS_OF_TWO * 1.4426950408889634
# The first has 21 trailing zero bits, so that its product with a small integer is exact.
LN2_HIGH: Final = 0.6931471803691238 / STEPS_OF_TWO
LN2_LOW: Final = 1.9082149292705877e-10 / STEPS_OF_TWO
# Correctly rounded, unlike the powers of the C library.
ROOTS_OF_TWO: Final = tuple(
    float(Context(prec=40).power(Decimal(2), Decimal(step) / STEPS_OF_TWO))
    for step in range(STEPS_OF_TWO)
)
# Of 2 artanh(s) = log((1 + s) / (1 - s)): the next term is below 3e-18 of it up to a third.
_LOG_TERMS: Final = tuple(2.0 / power for power in range(33, 0, -2))


def exp_polynomial(x: Any) -> Any:
    """Return ``exp(x)`` for x between -0.011 and 0.011: an array, a number or a SQL expression.

    Examples
    --------
    >>> import math
    >>> exp_polynomial(0.0078125) == math.exp(0.0078125)
    True
    """
    # Taylor's series: the next term is below 4e-18.
    series = x * (1 / 720) + (1 / 120)
    return ((((series * x + (1 / 24)) * x + (1 / 6)) * x + 0.5) * x + 1.0) * x + 1.0


def log1p_polynomial(s: Any, squared: Any) -> Any:
    """Return ``log((1 + s) / (1 - s))`` for s between 0 and 1/3, with its square.

    Takes arrays, numbers and SQL expressions.

    Examples
    --------
    >>> import math
    >>> abs(log1p_polynomial(1 / 3, (1 / 3) * (1 / 3)) - math.log(2.0)) < 2e-16
    True
    """
    total: Any = _LOG_TERMS[0]
    for term in _LOG_TERMS[1:]:
        total = squared * total + term
    return total * s


def exp_minus(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``exp(-x)``, (n,), of numbers from 0; beyond `EXP_LIMIT` its value there.

    Examples
    --------
    >>> bool(np.abs(exp_minus(np.array([0.0, 1.0])) - np.exp([0.0, -1.0])).max() < 1e-16)
    True
    """
    exponent = -np.minimum(x, EXP_LIMIT)
    step = np.floor(exponent * STEPS_PER_UNIT + 0.5)
    rest = (exponent - step * LN2_HIGH) - step * LN2_LOW
    with np.errstate(invalid="ignore"):  # the step of NaN; its rest stays NaN
        whole = step.astype(np.int32)
    roots = _ROOTS.take(whole & (STEPS_OF_TWO - 1))
    scaled: NDArray[np.float64] = np.ldexp(exp_polynomial(rest) * roots, whole >> _BITS)
    return scaled


def log1p_unit(t: Any) -> Any:
    """Return ``log(1 + t)`` for t between 0 and 1: an array or a number.

    Examples
    --------
    >>> import math
    >>> abs(log1p_unit(0.5) - math.log1p(0.5)) < 2e-16
    True
    """
    s = t / (t + 2.0)
    return log1p_polynomial(s, s * s)


_BITS: Final = STEPS_OF_TWO.bit_length() - 1
_ROOTS: Final = np.array(ROOTS_OF_TWO)
