"""Read the numbers and the days of a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.parsing.arrow_columns import distinct_values, one_array
from churnkit.contracts.parsing.date_spelling import normalize_date
from churnkit.contracts.parsing.scalars import NOT_READABLE, read_date, read_number, to_text
from churnkit.pipeline.scaffold import name_rules

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = ["column_days", "column_numbers", "holds_personal_data"]

_DAY = 86_400_000_000
# Formats of raw tables, in the styles of a schema that read them.
_STYLES = {
    "DD Mon YYYY": ("DD/MM/YYYY", "MM/DD/YYYY"),
    "YYYYMMDD": ("YYYY-MM-DD",),
    "YYYYMM": ("YYYY-MM-DD",),
    "YYMMDD": ("YYYY-MM-DD",),
}
# Contacts by which customers are reached, and a number below which it is no number of a phone.
_CONTACTS = {"email", "mail", "phone", "mobile", "telephone", "telefon", "handy", "fax"}
_MIN_PHONE = 1_000.0
# The first of the years that two digits stand for.
_PIVOT = 69


def holds_personal_data(profile: ColumnProfile) -> bool:
    """Return True for a column named as personal data, unless it measures the use of a contact.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.pipeline.scaffold.column_profile import profile_column
    >>> rates, phones = pa.chunked_array([[17.9, 42.0]]), pa.chunked_array([[5550100, 5550101]])
    >>> holds_personal_data(profile_column("email_open_rate", rates))
    False
    >>> holds_personal_data(profile_column("phone", phones))
    True
    """
    if not name_rules.is_personal(profile.name):
        return False
    if not set(name_rules.split_words(profile.name)) & _CONTACTS:
        return True
    numbers = [read_number(text, lenient=True) for text in profile.texts]
    return not all(abs(n) < _MIN_PHONE or n % 1.0 > 0.0 for n in numbers)


def column_numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return plain numbers, shape (n,); NaN where a value is missing or no number.

    Examples
    --------
    >>> import pyarrow as pa
    >>> column_numbers(pa.chunked_array([["3", "x", None]]))
    array([ 3., nan, nan])
    """
    return _read(column, lambda value: read_number(value, lenient=True))


def column_days(column: pa.ChunkedArray, written: str | None = None) -> NDArray[np.float64]:
    """Return dates as days since 1970, shape (n,); NaN where a value is missing or no date.

    Parameters
    ----------
    column
        The dates.
    written
        Format of their texts, as in a schema or in a table of a timeline; None for ISO 8601.

    Examples
    --------
    >>> import pyarrow as pa
    >>> column_days(pa.chunked_array([["02.01.1970", "no date", None]]), "DD/MM/YYYY")
    array([ 1., nan, nan])
    >>> column_days(pa.chunked_array([["11-Jan-70", "Jan 12, 1970"]]), "DD Mon YYYY")
    array([10., 11.])
    >>> column_days(pa.chunked_array([[700111]]), "YYMMDD")
    array([10.])
    """

    def read(value: Any) -> float:
        text = to_text(value) if written and value is not None else None
        if not text or written is None:
            return read_date(value)
        if written == "YYMMDD":
            text = f"{19 if int(text[:2] or 0) >= _PIVOT else 20}{text}"
        for style in _STYLES.get(written, (written,)):
            date = read_date(normalize_date(text.strip(), style))
            if date == date:  # noqa: PLR0124  (not NaN)
                return date
        # Columns of the table's own types need no format.
        return NOT_READABLE if isinstance(value, str) else read_date(value)

    return _read(column, read) / _DAY


def _read(column: pa.ChunkedArray, read: Callable[[Any], float]) -> NDArray[np.float64]:
    values, index = distinct_values(one_array(column))
    return np.array([read(value) for value in values], dtype=np.float64)[index]
