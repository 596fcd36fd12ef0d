"""Infer the formats of times and numbers in the columns of raw tables."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from churnkit.contracts.parsing.date_spelling import (
    MONTH_YEAR,
    MONTHS,
    SERIAL_DAYS,
    detect_date_styles,
)
from churnkit.contracts.parsing.number_spelling import currency_of, split_number, unit_factor
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.keys.date_columns import (
    are_months_of_years,
    detect_serial,
    months_review,
    open_dates,
)
from churnkit.pipeline.scaffold.keys.label_column import list_names
from churnkit.pipeline.scaffold.keys.label_names import means_no_end
from churnkit.pipeline.scaffold.number_columns import MISSING_TEXTS
from churnkit.timeline.engines.casts import IS_TIME
from churnkit.timeline.engines.text_formats import number_patterns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = ["ColumnFormat", "describe_unread", "number_formats", "time_format"]

_MONTHS_REVIEW = "assumed to be months, whose rows are known at the end of the month"
_MISSING = MISSING_TEXTS | {"\\n", "none", "nat", "<na>", "0000-00-00", "0000-00-00 00:00:00"}
# A year of two digits is not ISO 8601, although engines cast it.
_ISO = re.compile(f"(?=[0-9]{{4}}[-/])(?:{IS_TIME})")
_NAME = f"(?:{'|'.join(MONTHS)})[^-/.,0-9 ]*"
_PLAIN = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NUMERIC_DATE = re.compile(
    r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})"
    r"(?:[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?: ?[AaPp]\.?[Mm]\.?)?(?:Z| ?[A-Z]{3}|[+-][0-9:]+)?)?"
)
_COMPACT_DATE = re.compile(
    r"(?:19[5-9][0-9]|20[0-9]{2})(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:\.0+)?"
)
_MONTH = re.compile(r"(?:19[5-9][0-9]|20[0-4][0-9])([-/.]?)(?:0[1-9]|1[0-2])(?:\.0+)?")
_SHORT_DATE = re.compile(r"[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
_NAMED_MONTH = re.compile(
    rf"(?:[0-9]{{1,2}}[-/. ]+{_NAME}[-/., ]+|{_NAME}[-/., ]+[0-9]{{1,2}}[-/., ]+)"
    r"(?:[0-9]{4}|[0-9]{2})(?: .*)?",
    re.IGNORECASE,
)
_INTEGER = re.compile(r"[0-9]{9,17}(?:\.[0-9]*)?")
# Texts that begin as dates do, in any format, and numbers with separators.
_DATE_LIKE = re.compile(
    r"(?:19|20)[0-9]{2}[-/.][0-9]{1,2}[-/.][0-9]{1,2}(?![0-9])|"
    r"[0-9]{1,2}([-/.])[0-9]{1,2}\1(?:19|20)?[0-9]{2}(?![0-9.])|"
    rf"(?:[a-z]{{2,9}}[., ]+)?(?:[0-9]{{1,2}}[-/ .]+{_NAME}[-/ .]+[0-9]|{_NAME} [0-9]{{1,2}}[., ]+[0-9]{{4}})",
    re.IGNORECASE,
)
_NUMBER_LIKE = re.compile(
    r"[^0-9a-zA-Z]{0,3}(?:[0-9]{1,3}(?:[.,' ][0-9]{3})*|[0-9]+)(?:[.,][0-9]+)?[^0-9a-zA-Z]{0,3}"
)
# In a smaller share of the rows, texts that resemble dates or numbers are something else.
_MIN_ALIKE = 0.9
_TIME_WORDS = {
    "ts", "time", "timestamp", "date", "datetime", "at", "on", "epoch", "created", "updated", "when",
    "day", "ms", "unix", "start", "started", "end", "ended", "since", "until", "begin", "occurred",
    "happened", "datum", "zeit", "fecha", "data", "moment", "registered", "joined", "signup",
    "cancelled", "canceled", "closed", "expired", "expires", "terminated", "left", "churned", "lapsed",
    "stopped", "deactivated", "unsubscribed", "month", "period", "yyyymm", "ym", "yearmonth", "monat", "mois", "mes", "mese", "maand", "periode",
}  # fmt: skip
# Texts that may be dates that stand for no date, and the styles in which they are dates.
_MAYBE_OPEN = re.compile(
    r"20[5-9]\d|2[1-9]\d\d|9999|1900|1899|1970|1753|1601|0001|^-?\d{10,}|^0(?:\.0)?$"
)
_OPEN_STYLES = ("YYYY-MM-DD", "DD/MM/YYYY", "MM/DD/YYYY")
_COMPACT_LENGTH = 8
# From 1990 to 2049, in seconds.
_EPOCH_SECONDS = (6.3e8, 2.5e9)
_EPOCHS = {"epoch seconds": 1.0, "epoch milliseconds": 1e3, "epoch microseconds": 1e6}
_LAST_MONTH = 12
_CURRENCY = re.compile(r"[^\d\s.,'\u2019()+%-]+")
_SCALES = {"k", "m"}
_ONLY_THOUSANDS = {
    "1,234.5": re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+"),
    "1.234,5": re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+"),
}


@dataclass(frozen=True, slots=True)
class ColumnFormat:
    """Format of a column of times or numbers.

    Parameters
    ----------
    written
        See `churnkit.timeline.Table`; None for ISO 8601 times and plain numbers.
    missing
        Texts that mean missing, in lower case.
    unit
        Currency of the numbers, if there is one.
    review
        What to review; empty if the inference is certain.
    open
        Values that stand for no date, such as 9999-12-31.
    """

    written: str | None = None
    missing: tuple[str, ...] = ()
    unit: str = ""
    review: str = ""
    open: tuple[str, ...] = ()


def time_format(profile: ColumnProfile) -> ColumnFormat | None:
    """Infer the format of a column of times; None if it has other values.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.pipeline.scaffold.column_profile import profile_column
    >>> time_format(profile_column("at", pa.chunked_array([["31.12.2024", "1.1.2025"]]))).written
    'DD/MM/YYYY'
    >>> time_format(profile_column("ts", pa.chunked_array([[1735689600000]]))).written
    'epoch milliseconds'
    """
    opened = _open_dates(profile)
    if profile.kind == "date":
        days = {text[:10] for text in opened}
        review = _describe_open(profile, opened)
        return ColumnFormat(None, tuple(sorted(days)), "", review, opened)
    texts, missing = _split_markers(profile)
    ends = [text for text in texts if means_no_end(text)]
    if profile.kind not in {"text", "number"} or len(ends) == len(texts):
        return None
    if ends:
        texts = [text for text in texts if text not in ends]
        missing = tuple(sorted({*missing, *(text.lower() for text in ends)}))
    dates = [text for text in texts if text not in opened]
    form = _text_time_format(profile, dates or texts, missing)
    if form is not None and ends:
        review = (
            f"{list_names(ends)} is read as no date, and as missing in all columns of the table"
        )
        form = replace(form, review="; ".join(filter(None, (form.review, review))))
    if form is None or not dates or not opened:
        return form
    review = "; ".join(filter(None, (form.review, _describe_open(profile, opened))))
    missing = tuple(sorted({*form.missing, *(text.lower() for text in opened)}))
    return replace(form, missing=missing, review=review, open=opened)


def _open_dates(profile: ColumnProfile) -> tuple[str, ...]:
    """List the dates that stand for no date, such as 9999-12-31, if there are others."""
    texts = list(filter(_MAYBE_OPEN.search, profile.texts))
    numbers = [text for text in texts if _PLAIN.fullmatch(text) and len(text) != _COMPACT_LENGTH]
    opened = open_dates(sorted(set(texts).difference(numbers)), None, *_OPEN_STYLES)
    style = _usual_epoch(profile.texts)
    if style is not None:
        opened += tuple(text for text in numbers if open_dates([f"{float(text):.0f}"], style))
    return opened if len(opened) < profile.distinct else ()


def _usual_epoch(texts: Iterable[str]) -> str | None:
    """Return the epoch in which the most numbers are times of these decades; None for no numbers."""
    low, high = _EPOCH_SECONDS
    numbers = [float(text) for text in texts if _PLAIN.fullmatch(text)]
    counts = {
        style: sum(low <= number / scale < high for number in numbers)
        for style, scale in _EPOCHS.items()
    }
    style = max(counts, key=counts.__getitem__)
    return style if counts[style] else None


def _describe_open(profile: ColumnProfile, opened: tuple[str, ...]) -> str:
    if not opened:
        return ""
    rows = profile.rows_with(set(opened))
    return f"{', '.join(sorted(opened)[:4])} in {rows:,} rows is read as no date"


def _text_time_format(
    profile: ColumnProfile, texts: list[str], missing: tuple[str, ...]
) -> ColumnFormat | None:
    if profile.kind == "text" and all(map(_ISO.fullmatch, texts)):
        return ColumnFormat(None, missing)
    if profile.kind == "text" and all(map(_NUMERIC_DATE.fullmatch, texts)):
        return _day_and_month(texts, missing)
    if profile.kind == "text" and all(map(_NAMED_MONTH.fullmatch, texts)):
        return ColumnFormat("DD Mon YYYY", missing)
    if profile.kind == "text" and are_months_of_years(profile.name, texts):
        return ColumnFormat(MONTH_YEAR, missing, "", _MONTHS_REVIEW)
    if not name_rules.is_id(profile.name) and all(map(_COMPACT_DATE.fullmatch, texts)):
        return ColumnFormat("YYYYMMDD", missing)
    return _named_time_format(profile.name, texts, missing)


def _named_time_format(
    name: str, texts: list[str], missing: tuple[str, ...]
) -> ColumnFormat | None:
    """Infer the format of digits in a column with the name of a time."""
    serial = detect_serial(name, texts)
    if serial is not None and not serial.open:
        return ColumnFormat(SERIAL_DAYS, missing)
    if not set(name_rules.split_words(name)) & _TIME_WORDS:
        return None
    if all(map(_MONTH.fullmatch, texts)):
        return ColumnFormat("YYYYMM", missing, "", _MONTHS_REVIEW)
    if all(map(_SHORT_DATE.fullmatch, texts)):
        return ColumnFormat("YYMMDD", missing)
    return _epoch(texts, missing) if all(map(_INTEGER.fullmatch, texts)) else None


def _split_markers(profile: ColumnProfile) -> tuple[list[str], tuple[str, ...]]:
    """Split the texts of a column into values and texts that mean missing."""
    if profile.kind != "text":
        return list(profile.texts), ()
    markers = {text for text in profile.texts if text.casefold() in _MISSING}
    texts = [text for text in profile.texts if text not in markers]
    return texts, tuple(sorted({text.lower() for text in markers}))


def _day_and_month(texts: list[str], missing: tuple[str, ...]) -> ColumnFormat | None:
    """Infer the order of day and month; None if both orders occur."""
    parts = [match for match in map(_NUMERIC_DATE.fullmatch, texts) if match]
    day_first = any(int(match[1]) > _LAST_MONTH for match in parts)
    month_first = any(int(match[3]) > _LAST_MONTH for match in parts)
    if day_first and month_first:
        return None
    if day_first or month_first:
        return ColumnFormat("DD/MM/YYYY" if day_first else "MM/DD/YYYY", missing)
    styles = detect_date_styles(texts)
    review = months_review(texts, styles)
    if len(styles) == 1 or review:
        return ColumnFormat(styles[0], missing, "", review)
    written = "MM/DD/YYYY" if {match[2] for match in parts} == {"/"} else "DD/MM/YYYY"
    return ColumnFormat(written, missing, "", f"assumed to be {written}: no day is after the 12th")


def _epoch(texts: list[str], missing: tuple[str, ...]) -> ColumnFormat | None:
    numbers = [float(text) for text in texts]
    low, high = _EPOCH_SECONDS
    for written, factor in _EPOCHS.items():
        if low * factor <= min(numbers) and max(numbers) <= high * factor:
            return ColumnFormat(written, missing)
    return None


def number_formats(
    profiles: Mapping[str, ColumnProfile],
) -> tuple[dict[str, ColumnFormat], dict[str, str]]:
    """Infer the formats of a table's columns of numbers, with one decimal separator for all.

    Returns
    -------
    formats
        Formats by column.
    refused
        Columns with amounts that cannot be added up, with the reason.
    """
    formats: dict[str, ColumnFormat] = {}
    refused: dict[str, str] = {}
    for name, profile in profiles.items():
        units = _currencies(profile)
        is_amount = all(unit == "%" or currency_of(unit) for unit in units)
        form = _number_format(profile) if is_amount else None
        if form is not None and len(units) > 1:
            refused[name] = (
                f"mixes currencies ({', '.join(sorted(units)[:4])}): convert them to one"
            )
        elif form is not None:
            formats[name] = replace(form, unit=next(iter(units), ""))
        elif not is_amount and _has_units(profile):
            refused[name] = (
                f"has numbers with units ({', '.join(sorted(units)[:4])}): write plain numbers in one "
                "unit"
            )
    if any(form.written == "1.234,5" and not form.review for form in formats.values()):
        for name, form in formats.items():
            pattern = _ONLY_THOUSANDS["1.234,5"]
            dotted = [text for text in profiles[name].texts if "." in text]
            is_plain = form.written is None and profiles[name].kind == "text" and dotted
            if is_plain and all(pattern.fullmatch(text.lstrip("+-")) for text in dotted):
                review = "dots are read as separators of thousands, as in other columns"
                formats[name] = replace(form, written="1.234,5", review=review)
    return formats, refused


def _has_units(profile: ColumnProfile) -> bool:
    """Return True if each text is a number with a known unit."""
    if profile.kind != "text" or not profile.texts:
        return False
    numbers = [split_number(text) for text in profile.texts]
    return all(part is not None and unit_factor(part.suffix, part.suffix) for part in numbers)


def _number_format(profile: ColumnProfile) -> ColumnFormat | None:
    if profile.kind == "number":
        return ColumnFormat()
    texts, missing = _split_markers(profile)
    if profile.kind != "text" or not texts:
        return None
    if all(map(_PLAIN.fullmatch, texts)):
        return ColumnFormat(None, missing)
    fitting = []
    for written in ("1,234.5", "1.234,5"):
        shape = re.compile(number_patterns(written)[1])
        plain = [re.sub("['\u2019\u00a0\u202f]", "", text) for text in texts]
        if all(shape.fullmatch(text) for text in plain):
            fitting.append(written)
    if not fitting:
        return None
    if len(fitting) == 1:
        return ColumnFormat(fitting[0], missing)
    return ColumnFormat(*_choose_style(texts, missing))


def _choose_style(
    texts: list[str], missing: tuple[str, ...]
) -> tuple[str, tuple[str, ...], str, str]:
    """Choose the separators where both styles fit: three digits after one mean thousands."""
    for written, sign in (("1,234.5", ","), ("1.234,5", ".")):
        marked = [re.sub(r"[^0-9.,]", "", text) for text in texts if sign in text]
        if marked and all(_ONLY_THOUSANDS[written].fullmatch(text) for text in marked):
            return written, missing, "", f"'{sign}' is read as a separator of thousands"
    return "1,234.5", missing, "", ""


def _currencies(profile: ColumnProfile) -> set[str]:
    """Collect the currencies in a column of amounts."""
    if profile.kind != "text":
        return set()
    tokens = {
        token.strip(".")
        for text in profile.texts
        if any(character.isdigit() for character in text)
        for token in _CURRENCY.findall(text)
    }
    return {token for token in tokens if token and token.casefold() not in _SCALES}


def describe_unread(
    table: str,
    columns: Mapping[str, ColumnProfile],
    candidates: Iterable[str],
    *,
    required: Iterable[str | None],
) -> list[str]:
    """Describe rows without a customer or a time, and columns of dates or numbers that are not read.

    Parameters
    ----------
    table
        Name of the table.
    columns
        Its columns.
    candidates
        Columns that may be features, without those that are read as times or numbers.
    required
        Columns without which a row counts for no customer; None for none.
    """
    notes = [
        f"{columns[name].missing:,} of {columns[name].rows:,} rows of '{table}' have no '{name}' and are not "
        "counted: fill it, or check that they belong to no customer"
        for name in dict.fromkeys(filter(None, required))
        if name in columns and columns[name].missing
    ]
    for name in candidates:
        profile = columns[name]
        if profile.kind != "text":
            continue
        for kind, pattern in (("dates", _DATE_LIKE), ("numbers", _NUMBER_LIKE)):
            find = pattern.match if kind == "dates" else pattern.fullmatch
            count = profile.rows_with({text for text in profile.texts if find(text)})
            if profile.distinct > 1 and count >= _MIN_ALIKE * profile.filled:
                example = "YYYY-MM-DD HH:MM:SS" if kind == "dates" else "1234.5"
                others = profile.filled - count
                more = f", but {others:,} others" if others else ""
                notes.append(
                    f"column '{name}' of '{table}' is not read: it has {count:,} texts that resemble {kind}"
                    f"{more}, and no format that all have; write each as {example}"
                )
                break
    return notes
