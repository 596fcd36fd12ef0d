"""Numbers as a reader needs them: as the table wrote them if that is short, else three figures."""

from __future__ import annotations

import math

__all__ = ["SHARE", "said_amount", "said_number"]

# The unit of numbers from 0 to 1 that are read as percentages.
SHARE = "share"
# What a table writes with at most so many decimals, such as a price, is said as it is.
_DECIMALS = 2
_FIGURES = 3
_WHOLE = 1000


def said_number(value: float) -> str:
    """Say a number without more figures than one reads.

    Whole numbers and prices below a thousand stand as they are; what has more decimals is rounded
    to three figures, and below one to two.

    Examples
    --------
    >>> said_number(0.857143), said_number(70.35), said_number(30.857143), said_number(1674.75)
    ('0.86', '70.35', '30.9', '1,675')
    >>> said_number(12.0), said_number(-0.0004512)
    ('12', '-0.00045')
    """
    size = abs(value)
    if not math.isfinite(value) or size >= _WHOLE or value == int(value):
        return f"{value + 0.0:,.0f}"  # the sum turns -0 into 0
    if round(value, _DECIMALS) == value:
        return _stripped(f"{value:.{_DECIMALS}f}")
    figures = _FIGURES if size >= 1 else _FIGURES - 1
    decimals = max(figures - 1 - math.floor(math.log10(size)), 0)
    return _stripped(f"{value:.{decimals}f}")


def said_amount(value: float, unit: str | None) -> str:
    """Say a number; one whose unit is ``share`` as a percentage. Other units are not added.

    Examples
    --------
    >>> said_amount(0.857143, "share"), said_amount(0.0123, "share"), said_amount(2.0, "months")
    ('86 %', '1.2 %', '2')
    """
    if unit != SHARE:
        return said_number(value)
    percent = 100.0 * value
    return f"{_stripped(f'{percent:.{0 if abs(percent) >= 10 else 1}f}')} %"


def _stripped(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
