"""Locales: texts from a catalog, and the separators, dates and months of a language.

English texts are the keys of the catalogs in ``churnkit/core/catalogs``, one gettext file a
language, which Babel reads. Numbers and dates follow the Unicode CLDR, also through Babel. English
itself needs neither.
"""

from __future__ import annotations

import gettext
import math
import re
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any

from churnkit.errors import ChurnkitError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = [
    "Locale", "_", "active_locale", "capitalize_first", "fill_text", "find_locale", "format_day",
    "format_moment", "languages", "localize_number", "lower_first", "mark_plural", "mark_text",
    "month_name", "ngettext", "parse_number", "plural_form", "translate_stored", "use_locale",
]  # fmt: skip

_CATALOGS = Path(__file__).parent / "catalogs"
_SOURCE_LANGUAGE = "en"
_CAPITALIZED_NOUNS = frozenset({"de", "lb"})
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


def _is_plural(count: int) -> int:
    return int(count != 1)


@dataclass(frozen=True, slots=True)
class Locale:
    """Texts and formats of a language.

    Parameters
    ----------
    code
        Language, and territory if any: ``de``, ``de_CH``.
    messages
        Translations by English text; tuples of forms by singular and plural.
    plural
        Function from a number to the position of its form.
    decimal, group, minus
        Decimal separator, separator of thousands, minus sign.
    percent
        Pattern of a percentage, with ``{}`` for the number.
    money
        Pattern of an amount, with ``{sign}`` and ``{amount}``.
    months, short_months
        Names of the months.
    cldr
        Babel's locale, which formats dates; None for dates in ISO 8601.
    """

    code: str = _SOURCE_LANGUAGE
    messages: Mapping[Any, Any] = field(default_factory=dict)
    plural: Callable[[int], int] = _is_plural
    decimal: str = "."
    group: str = ","
    minus: str = "-"
    percent: str = "{}%"
    money: str = "{sign}{amount}"
    months: tuple[str, ...] = _MONTHS
    short_months: tuple[str, ...] = tuple(name[:3] for name in _MONTHS)
    cldr: Any = None

    @property
    def language(self) -> str:
        """Code of the language, as in the attribute ``lang`` of a page."""
        return self.code.split("_")[0]


_ACTIVE: ContextVar[Locale] = ContextVar("churnkit_locale", default=Locale())  # noqa: B039


def active_locale() -> Locale:
    """Return the locale of the current context; English if none was chosen."""
    return _ACTIVE.get()


@contextmanager
def use_locale(locale: str | Locale) -> Iterator[Locale]:
    """Use a locale for the texts and numbers that are formatted within the block.

    Parameters
    ----------
    locale
        Locale, or its code.

    Raises
    ------
    ChurnkitError
        If there is no such locale or no catalog of its language.
    MissingExtraError
        If Babel is not installed.

    Examples
    --------
    >>> with use_locale("de"):
    ...     _("Customers")
    'Kunden'
    """
    chosen = find_locale(locale) if isinstance(locale, str) else locale
    token = _ACTIVE.set(chosen)
    try:
        yield chosen
    finally:
        _ACTIVE.reset(token)


def languages() -> tuple[str, ...]:
    """Return the languages with texts: English and those with a catalog."""
    return (_SOURCE_LANGUAGE, *sorted(path.stem for path in _CATALOGS.glob("*.po")))


@lru_cache(maxsize=16)
def find_locale(code: str) -> Locale:
    """Return the locale of a code.

    Parameters
    ----------
    code
        Language and optional territory: ``de``, ``de_CH`` or ``de-CH``.

    Raises
    ------
    ChurnkitError
        If there is no such locale or no catalog of its language.
    MissingExtraError
        If Babel is not installed and the code is not ``en``.

    Examples
    --------
    >>> find_locale("de-AT").language
    'de'
    """
    if code == _SOURCE_LANGUAGE:
        return Locale()
    try:
        from babel import Locale as Cldr
        from babel import UnknownLocaleError
    except ImportError:
        raise MissingExtraError("report", "babel") from None
    try:
        cldr = Cldr.parse(code.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        raise ChurnkitError(f"unknown locale '{code}'; {_name_languages()}") from None
    if cldr.language not in languages():
        raise ChurnkitError(f"there are no texts for the locale '{code}'; {_name_languages()}")
    symbols = cldr.number_symbols["latn"]
    return Locale(
        str(cldr),
        *(({}, _is_plural) if cldr.language == _SOURCE_LANGUAGE else _read_catalog(cldr.language)),
        symbols["decimal"],
        symbols["group"],
        symbols["minusSign"],
        _fill_pattern(cldr.percent_formats[None].pattern, "{}"),
        _fill_pattern(cldr.currency_formats["standard"].pattern, "{amount}").replace("¤", "{sign}"),
        tuple(cldr.months["stand-alone"]["wide"][n] for n in range(1, 13)),
        tuple(cldr.months["stand-alone"]["abbreviated"][n] for n in range(1, 13)),
        cldr,
    )


def _name_languages() -> str:
    return f"available languages: {', '.join(languages())}"


def _fill_pattern(pattern: str, number: str) -> str:
    """Replace the digits of a CLDR number pattern.

    Examples
    --------
    >>> _fill_pattern("#,##0.00 ¤", "{amount}")
    '{amount} ¤'
    """
    return re.sub(r"[#0.,]+", number, pattern.split(";", maxsplit=1)[0], count=1)


def _read_catalog(language: str) -> tuple[dict[Any, Any], Callable[[int], int]]:
    from babel.messages.pofile import read_po

    with (_CATALOGS / f"{language}.po").open("rb") as file:
        catalog = read_po(file, locale=language)
    messages: dict[Any, Any] = {m.id: m.string for m in catalog if m.id and m.string}
    return messages, gettext.c2py(catalog.plural_expr)


def mark_text(text: str) -> str:
    """Return a text unchanged, and mark it for the catalog; its use is translated by `_`."""
    return text


def mark_plural(one: str, many: str) -> tuple[str, str]:
    """Return a text's singular and plural, and mark them for the catalog, for `ngettext`."""
    return one, many


class _LocalFormatter(Formatter):
    """Fields as in `str.format`, with the separators of the active locale in numbers."""

    def format_field(self, value: Any, format_spec: str) -> str:
        text = format(value, format_spec)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return localize_number(text) if is_number and format_spec else text


_FORMATTER = _LocalFormatter()


def _(message: str, /, **values: Any) -> str:
    """Translate a text into the language of the active locale, and fill in its fields.

    Parameters
    ----------
    message
        English text with fields as in `str.format`: ``"{count:,} customers"``. A text that is not
        in the catalog stays as it is.
    **values
        Values of the fields. Numbers with a format get the separators of the locale.

    Returns
    -------
    str
        The text.

    Examples
    --------
    >>> _("{count:,} customers", count=6958)
    '6,958 customers'
    """
    text = active_locale().messages.get(message, message)
    return fill_text(text, values) if values else text


def fill_text(text: str, values: Mapping[str, Any]) -> str:
    """Fill in the fields of a translated text, with the separators of the active locale.

    Examples
    --------
    >>> fill_text("{count:,} customers", {"count": 6958})
    '6,958 customers'
    """
    return _FORMATTER.vformat(str(text), (), values)


def localize_number(text: str) -> str:
    r"""Replace the separators and the percent sign of a number that Python has formatted.

    Examples
    --------
    >>> with use_locale("de"):
    ...     localize_number("-1,234.5"), localize_number("4.2%")
    ('-1.234,5', '4,2\xa0%')
    """
    locale = active_locale()
    digits, is_percent = text.removesuffix("%"), text.endswith("%")
    digits = digits.translate(
        {ord(","): locale.group, ord("."): locale.decimal, ord("-"): locale.minus}
    )
    return locale.percent.format(digits) if is_percent else digits


def ngettext(one: str, many: str, count: int, /, **values: Any) -> str:
    """Translate a text whose form depends on a number, and fill in its fields.

    Parameters
    ----------
    one, many
        English singular and plural, with the field ``count``.
    count
        The number.
    **values
        Values of the other fields.

    Examples
    --------
    >>> ngettext("{count:,} task due", "{count:,} tasks due", 1200)
    '1,200 tasks due'
    """
    return fill_text(plural_form(one, many, count), {"count": count, **values})


def plural_form(one: str, many: str, count: int) -> str:
    """Return the translated form of a text for a number, with its fields as they are.

    Examples
    --------
    >>> plural_form("{count} task", "{count} tasks", 1)
    '{count} task'
    """
    locale = active_locale()
    form: str = locale.messages.get((one, many), (one, many))[locale.plural(count)]
    return form


def parse_number(text: str) -> float:
    """Return a number that a person typed in the active locale, or in Python's notation.

    Thousands are separated by the locale's separator, a space or an apostrophe. A number with such
    a separator does not begin with a zero: "0.125" is an eighth in German, too.

    Raises
    ------
    ValueError
        If the text is no finite number.

    Examples
    --------
    >>> parse_number("5,000.5")
    5000.5
    >>> with use_locale("de"):
    ...     parse_number("5.000,5"), parse_number("12.5"), parse_number("0.125")
    (5000.5, 12.5, 0.125)
    """
    locale = active_locale()
    decimal, separators = re.escape(locale.decimal), rf"[\s'\u2019{re.escape(locale.group)}]"
    typed = text.strip().replace(locale.minus, "-").replace("\N{MINUS SIGN}", "-")
    typed = re.sub(r"^([-+])\s+", r"\1", typed)
    grouped = rf"(?!0)\d{{1,3}}(?P<group>{separators})\d{{3}}((?P=group)\d{{3}})*"
    if re.fullmatch(rf"[-+]?({grouped}|\d+)({decimal}\d*)?", typed):
        typed = re.sub(separators, "", typed).replace(locale.decimal, ".")
    number = float(typed)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def format_moment(moment: datetime) -> str:
    """Format a date with the time of day.

    Examples
    --------
    >>> format_moment(datetime(2026, 1, 31, 9, 5))
    '2026-01-31 09:05'
    """
    return f"{format_day(moment)} {moment:%H:%M}"


def format_day(day: str | date) -> str:
    """Format a date; texts that are no date stay as they are.

    Parameters
    ----------
    day
        Date, or ISO 8601 text that begins with one.

    Examples
    --------
    >>> format_day("2026-01-31")
    '2026-01-31'
    >>> with use_locale("de"):
    ...     format_day("2026-01-31")
    '31.01.2026'
    """
    try:
        moment = date.fromisoformat(str(day)[:10])
    except ValueError:
        return str(day)
    cldr = active_locale().cldr
    if cldr is None:
        return moment.isoformat()
    from babel.dates import format_date

    return str(format_date(moment, "medium", locale=cldr))


def month_name(number: int, *, is_short: bool = False) -> str:
    """Return the name of a month, 1 for January.

    Examples
    --------
    >>> month_name(3), month_name(3, is_short=True)
    ('March', 'Mar')
    """
    locale = active_locale()
    return (locale.short_months if is_short else locale.months)[number - 1]


def lower_first(text: str) -> str:
    """Lower the first letter, except of abbreviations and in languages that capitalize nouns.

    Examples
    --------
    >>> lower_first("Churn risk"), lower_first("NPS of a month")
    ('churn risk', 'NPS of a month')
    """
    is_kept = (
        text[:2].isupper() and text[:2].isalpha()
    ) or active_locale().language in _CAPITALIZED_NOUNS
    return text if is_kept else text[:1].lower() + text[1:]


def capitalize_first(text: str) -> str:
    """Raise the first letter of a text and keep the others, which nouns of some languages need.

    Examples
    --------
    >>> capitalize_first("months with us, in USD")
    'Months with us, in USD'
    """
    return text[:1].upper() + text[1:]


def translate_stored(text: str, templates: Iterable[str]) -> str:
    """Translate an English sentence that was stored, such as in a model, by its template.

    Parameters
    ----------
    text
        Sentence that was formatted from one of the templates.
    templates
        Texts of the catalog with fields.

    Returns
    -------
    str
        The translation with the sentence's own values; the sentence if no template fits.

    Examples
    --------
    >>> translate_stored("Only 7 churned.", ["Only {churners} churned."])
    'Only 7 churned.'
    """
    if not active_locale().messages:
        return text
    for template in templates:
        parts = re.split(r"\{(\w+)[^}]*\}", template)
        pattern = "".join(
            f"(?P<{part}>.+?)" if at % 2 else re.escape(part) for at, part in enumerate(parts)
        )
        match = re.fullmatch(pattern, text, re.DOTALL)
        if match is not None:
            translated = re.sub(r"\{(\w+):[^}]*\}", r"{\1}", _(template))
            values = {
                name: _localize_value(value, templates) for name, value in match.groupdict().items()
            }
            return translated.format(**values)
    return text


def _localize_value(text: str, templates: Iterable[str]) -> str:
    """Localize a stored value: a number, a date, or a text of its own template."""
    if re.fullmatch(r"[-+]?[\d,]*\.?\d+%?", text):
        return localize_number(text)
    is_day = re.fullmatch(r"\d{4}-\d\d-\d\d", text)
    return format_day(text) if is_day else translate_stored(text, templates)
