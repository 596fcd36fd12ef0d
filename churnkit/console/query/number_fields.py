"""Numbers in addresses, and in the fields of the forms that lead to them.

Addresses and saved views have numbers in Python's notation, so that they mean the same in every
language. People type numbers in the notation of their locale. A form with numbers has a hidden field
`TYPED` with the language of its page, as another page may have changed the visitor's. If its method
is GET, its numbers are read once, and the visitor is led to the address.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from churnkit.console.query.request_locale import offered_languages
from churnkit.core.number_format import exact_digits
from churnkit.core.translation import active_locale, find_locale, parse_number, use_locale

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["TYPED", "parse_plain", "parse_typed", "read_typed"]

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
    language = params.get(TYPED, "")
    return {
        name: _to_plain(text, language) if name in names else text
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


def parse_typed(text: str, language: str) -> float:
    """Return a number that a person typed on a page in a language.

    Parameters
    ----------
    text
        The text, with or without a percent sign.
    language
        Code of the language; with that of the active locale, or an unknown one, its separators.

    Raises
    ------
    ValueError
        If the text is no finite number.

    Examples
    --------
    >>> parse_typed("1.234", "de"), parse_typed("1.234", "en")
    (1234.0, 1.234)
    """
    is_other = language != active_locale().language and language in offered_languages()
    with use_locale(find_locale(language) if is_other else active_locale()):
        return parse_number(text.strip().removesuffix("%"))


def _to_plain(text: str, language: str) -> str:
    try:
        return exact_digits(parse_typed(text, language))
    except ValueError:
        return text
