"""Format numbers, amounts and intervals for readers."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["SHARE", "between", "compact", "said_amount", "said_number", "shown"]

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


_PLAIN = {"percent": "{:.0f} %", "score": "{:.3f}", "times": "{:.2f}\N{MULTIPLICATION SIGN}"}
_STEPS = ((1e9, "B"), (1e6, "M"), (1e3, "k"))


def compact(number: float) -> str:
    """Shorten a number to three figures.

    Examples
    --------
    >>> compact(1_834_000), compact(12_345), compact(987.0), compact(4.25), compact(-0.5)
    ('1.83M', '12.3k', '987', '4.25', '-0.5')
    """
    size = abs(number)
    for step, letter in _STEPS:
        # What rounds up to the next step is shown in it.
        if size >= step * 0.9995:
            return f"{_three(number / step)}{letter}"
    return _three(number)


def _three(number: float) -> str:
    size = abs(number)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2
    text = f"{number:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def shown(value: Any, unit: str = "text", *, currency: str = "", exact: bool = False) -> str:
    """Show a value with its unit.

    Parameters
    ----------
    value
        A number, a text, or None.
    unit
        Of a figure or column.
    currency
        Before amounts of money: ``USD``.
    exact
        In tables: whole numbers in full, ``1,834,117``.

    Examples
    --------
    >>> shown(0.0213, "share"), shown(1834117, "money", currency="USD"), shown(30.78, "months")
    ('2.1 %', 'USD 1.83M', '30.8 months')
    >>> shown(1834117, "customers", exact=True), shown(30.78, "months")
    ('1,834,117', '30.8 months')
    """
    if value is None:
        return "\N{EN DASH}"
    if unit == "text" or isinstance(value, str):
        return str(value)
    return _number(float(value), unit, currency=currency, exact=exact)


def between(low: Any, high: Any, unit: str, *, currency: str = "") -> str:
    """Show an interval, its unit once.

    Examples
    --------
    >>> between(0.018, 0.0226, "share"), between(14.1, 18.4, "points")
    ('1.8 % to 2.3 %', '+14.1 to +18.4 points')
    """
    first = shown(low, unit, currency=currency)
    for word in (" points", " months", " days"):
        first = first.removesuffix(word)
    return f"{first} to {shown(high, unit, currency=currency)}"


def _number(number: float, unit: str, *, currency: str, exact: bool) -> str:
    if unit in {"share", "points"}:
        return f"{100 * number:.1f} %" if unit == "share" else f"{number:+.1f} points"
    if unit in _PLAIN:
        return _PLAIN[unit].format(100 * number if unit == "percent" else number)
    if unit in {"months", "days"}:
        return f"{_three(number)} {unit}"
    whole = exact and abs(number) >= 1000
    if unit in {"money", "money a month"}:
        return f"{currency} {f'{number:,.0f}' if whole else compact(number)}".strip()
    return f"{number:,.0f}" if whole or (unit == "customers" and exact) else compact(number)
