"""Format numbers, percentages, amounts of money and intervals for readers."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from churnkit.core.translation import (
    _,
    active_locale,
    fill_text,
    localize_number,
    mark_plural,
    mark_text,
    plural_form,
)

__all__ = [
    "CURRENCY_SIGNS", "SHARE", "currency_sign", "exact_digits", "format_compact", "format_estimate",
    "format_interval", "format_money", "format_number", "format_percent", "format_quantity",
]  # fmt: skip

# Unit of numbers from 0 to 1 that are read as percentages.
SHARE = "share"
# Sign of a currency by its ISO 4217 code.
CURRENCY_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹"}
_SCALES = (
    (1e9, mark_text("{number}B")),
    (1e6, mark_text("{number}M")),
    (1e3, mark_text("{number}k")),
)


def format_number(value: float) -> str:
    """Format a number without more digits than a reader needs.

    Integers and numbers below 1,000 with at most two decimals, such as prices, stay exact. Other
    numbers keep three significant digits, or two below 1; from 1,000 on they lose their decimals.

    Parameters
    ----------
    value
        Number to format.

    Returns
    -------
    str
        The number, with a comma between thousands.

    Examples
    --------
    >>> format_number(0.857143), format_number(70.35), format_number(30.857143)
    ('0.86', '70.35', '30.9')
    >>> format_number(1674.75), format_number(12.0), format_number(-0.0004512)
    ('1,675', '12', '-0.00045')
    """
    size = abs(value)
    if not math.isfinite(value) or size >= 1000 or value == int(value):
        return localize_number(f"{value + 0.0:,.0f}")  # the sum turns -0 into 0
    if round(value, 2) == value:
        return localize_number(_strip_zeros(f"{value:.2f}"))
    digits = 3 if size >= 1 else 2
    decimals = max(digits - 1 - math.floor(math.log10(size)), 0)
    return localize_number(_strip_zeros(f"{value:.{decimals}f}"))


def exact_digits(value: float, *, is_percentage: bool = False) -> str:
    """Write a finite number with the fewest digits that read back as the same number.

    Parameters
    ----------
    value
        Number.
    is_percentage
        Whether the digits are those of the percentage of a share.

    Returns
    -------
    str
        The digits in Python's notation, without an exponent and in no locale.

    Examples
    --------
    >>> exact_digits(1234567.0), exact_digits(1e-5), exact_digits(0.07, is_percentage=True)
    ('1234567', '0.00001', '7')
    """
    number = Decimal(repr(float(value))).scaleb(2 if is_percentage else 0)
    return f"{number.normalize():f}"


def format_compact(value: float) -> str:
    """Shorten a number to three significant digits, for charts.

    Parameters
    ----------
    value
        Number to format.

    Returns
    -------
    str
        The number, with ``k``, ``M`` or ``B`` for thousands, millions or billions.

    Examples
    --------
    >>> format_compact(1_834_000), format_compact(12_345), format_compact(987.0)
    ('1.83M', '12.3k', '987')
    >>> format_compact(4.25), format_compact(-0.5)
    ('4.25', '-0.5')
    """
    for scale, pattern in _SCALES:
        # A number that rounds up to the next scale is shown in that scale.
        if abs(value) >= scale * 0.9995:
            return _(pattern, number=_three_digits(value / scale))
    return _three_digits(value)


def format_percent(share: float, decimals: int | None = None) -> str:
    """Format a share as a percentage.

    Parameters
    ----------
    share
        Share, 1.0 for 100%.
    decimals
        Decimals of the percentage. Default: none from 10% on, at most one below.

    Returns
    -------
    str
        The percentage with its sign.

    Examples
    --------
    >>> format_percent(0.857143), format_percent(0.0123), format_percent(0.02, 1)
    ('86%', '1.2%', '2.0%')
    """
    percent = 100.0 * share
    if decimals is not None:
        return localize_number(f"{percent:.{decimals}f}%")
    text = f"{percent:.{0 if abs(percent) >= 10 else 1}f}"
    return localize_number(f"{_strip_zeros(text)}%")


def currency_sign(currency: str) -> str:
    r"""Return what precedes an amount of a currency: its sign, or its code and a space.

    Parameters
    ----------
    currency
        ISO 4217 code, or an empty text.

    Returns
    -------
    str
        The prefix of an amount.

    Examples
    --------
    >>> currency_sign("EUR"), currency_sign("CHF"), currency_sign("")
    ('€', 'CHF\xa0', '')
    """
    return CURRENCY_SIGNS.get(currency) or (f"{currency}\N{NO-BREAK SPACE}" if currency else "")


def format_money(
    amount: float, currency: str = "", *, compact: bool = False, cents: bool = True
) -> str:
    r"""Format an amount of money.

    Parameters
    ----------
    amount
        Amount, in units of the currency.
    currency
        ISO 4217 code, or an empty text for an amount without a sign.
    compact
        Three significant digits, as in ``$867k``; for charts.
    cents
        Whether amounts below 1,000 keep their cents, if any.

    Returns
    -------
    str
        The amount with its sign.

    Examples
    --------
    >>> format_money(1834117.4, "USD"), format_money(-12.5, "EUR"), format_money(987, "GBP")
    ('$1,834,117', '-€12.50', '£987')
    >>> format_money(866_958, "USD", compact=True), format_money(1234, "CHF")
    ('$867k', 'CHF\xa01,234')
    """
    size = abs(amount)
    if compact:
        text = format_compact(size)
    else:
        has_cents = cents and size < 1000 and round(size, 2) % 1
        text = localize_number(f"{size:,.2f}" if has_cents else f"{size:,.0f}")
    sign, pattern = currency_sign(currency).strip(), active_locale().money
    if sign.isalpha():
        # A code is apart from the digits also where a sign is not, as in $5 and CHF 5.
        pattern = pattern.replace("}{", "}\N{NO-BREAK SPACE}{")
    text = pattern.format(sign=sign, amount=text).strip()
    return f"{active_locale().minus if amount < 0 else ''}{text}"


def format_quantity(
    value: Any,
    unit: str = "text",
    *,
    currency: str = "",
    compact: bool = False,
    cents: bool | None = None,
) -> str:
    """Format the value of a figure or table cell by its unit.

    Parameters
    ----------
    value
        Number, text, or None.
    unit
        ``"text"``, ``"share"``, ``"percent"`` (a share, without decimals), ``"points"``,
        ``"score"``, ``"times"``, ``"months"``, ``"days"``, ``"money"``, ``"money a month"``; any
        other unit is that of a count.
    currency
        ISO 4217 code of amounts of money.
    compact
        Three significant digits for large numbers; for charts.
    cents
        As for `format_money`. Default: amounts below 100 keep their cents.

    Returns
    -------
    str
        The value with its unit; an en dash for None.

    Examples
    --------
    >>> format_quantity(0.0213, "share"), format_quantity(1834117, "money", currency="USD")
    ('2.1%', '$1,834,117')
    >>> format_quantity(629.87, "money"), format_quantity(27.5, "money")
    ('630', '27.50')
    >>> format_quantity(1834117, "customers", compact=True), format_quantity(30.78, "months")
    ('1.83M', '30.8 months')
    >>> format_quantity(-0.04, "points")  # no minus before a zero
    '+0.0 points'
    >>> format_quantity(1.0, "months"), format_quantity(1.4, "months")
    ('1 month', '1.4 months')
    """
    if value is None or unit == "text" or isinstance(value, str):
        return "\N{EN DASH}" if value is None else str(value)
    number = float(value)
    if unit in {"share", "percent"}:
        return format_percent(number, 1 if unit == "share" else 0)
    if unit in {"money", "money a month"}:
        has_cents = abs(number) < 100 if cents is None else cents
        return format_money(number, currency, compact=compact, cents=has_cents)
    if unit in _DURATIONS:
        return _format_duration(_three_digits(number), unit)
    if unit in _SPECS:
        text = localize_number(format(number, _SPECS[unit]))
        return _(_SUFFIXES.get(unit, "{number}"), number=text)
    is_short = compact or abs(number) < 1000
    return format_compact(number) if is_short else localize_number(f"{number:,.0f}")


_SPECS = {"points": "+z.1f", "score": ".3f", "times": ".2f"}
_SUFFIXES = {
    "points": mark_text("{number} points"),
    "times": mark_text("{number}\N{MULTIPLICATION SIGN}"),
}
_DURATIONS = {
    "months": mark_plural("{number} month", "{number} months"),
    "days": mark_plural("{number} day", "{number} days"),
}


def _format_duration(digits: str, unit: str) -> str:
    """Add a unit to a number in the form of what is shown: 1 month, 1.4 months."""
    count = int(digits) if digits.isdecimal() else 2
    return fill_text(plural_form(*_DURATIONS[unit], count), {"number": digits})


def format_interval(low: Any, high: Any, unit: str = "count", *, currency: str = "") -> str:
    """Format an interval, with a unit that is a word only once.

    Parameters
    ----------
    low, high
        Ends of the interval.
    unit, currency
        As for `format_quantity`.

    Returns
    -------
    str
        Both ends.

    Examples
    --------
    >>> format_interval(0.018, 0.0226, "share"), format_interval(14.1, 18.4, "points")
    ('1.8% to 2.3%', '+14.1 to +18.4 points')
    """
    if unit == "points" and low is not None:
        first = localize_number(format(float(low), _SPECS[unit]))
    elif unit in _DURATIONS and low is not None:
        first = _three_digits(float(low))
    else:
        first = format_quantity(low, unit, currency=currency)
    return _("{low} to {high}", low=first, high=format_quantity(high, unit, currency=currency))


def format_estimate(value: float, low: float, high: float, spec: str = ".3f") -> str:
    """Format an estimate with its interval.

    Parameters
    ----------
    value, low, high
        Estimate and ends of its interval.
    spec
        Format specification of each number.

    Returns
    -------
    str
        The estimate, and its interval in parentheses.

    Examples
    --------
    >>> format_estimate(0.8471, 0.8366, 0.8569), format_estimate(0.21, 0.2, 0.22, ".1%")
    ('0.847 (0.837 to 0.857)', '21.0% (20.0% to 22.0%)')
    """
    number, first, last = (localize_number(format(n, spec)) for n in (value, low, high))
    return _("{value} ({low} to {high})", value=number, low=first, high=last)


def _strip_zeros(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _three_digits(value: float) -> str:
    size = abs(value)
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2
    return localize_number(_strip_zeros(f"{value:.{decimals}f}"))
