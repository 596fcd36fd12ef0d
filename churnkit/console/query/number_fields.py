"""Numbers in addresses, and in the fields of the forms that lead to them.

Addresses and saved views have numbers in Python's notation, so that they mean the same in every
language. People type numbers in the notation of the console's locale. A form whose method is GET
has a hidden field `TYPED`; its numbers are read once, and the visitor is led to the address.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from churnkit.core.number_format import exact_digits
from churnkit.core.translation import parse_number

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["TYPED", "parse_plain", "read_typed"]

TYPED: Final = "typed"


def read_typed(params: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """Return the filled fields of a form, with numbers of the locale in Python's notation.

    Parameters
    ----------
    params
        Fields by name.
    names
        Fields with numbers; a text that is none stays as it is, for a message about it.

    Examples
    --------
    >>> read_typed({"typed": "1", "budget": "5,000", "effect": ""}, ["budget", "effect"])
    {'budget': '5000'}
    """
    return {
        name: _to_plain(text) if name in names else text
        for name, text in params.items()
        if name != TYPED and (text or name not in names)
    }


def parse_plain(text: str) -> float:
    """Return a finite number in Python's notation, with or without a percent sign.

    Raises
    ------
    ValueError
        If the text is none.

    Examples
    --------
    >>> parse_plain("12.5%")
    12.5
    """
    number = float(text.strip().removesuffix("%"))
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _to_plain(text: str) -> str:
    try:
        return exact_digits(parse_number(text.strip().removesuffix("%")))
    except ValueError:
        return text
