"""Numbers as people read them."""

from __future__ import annotations

from typing import Any

__all__ = ["between", "compact", "shown"]

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
