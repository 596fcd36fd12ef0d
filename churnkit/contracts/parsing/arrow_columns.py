"""Parse columns of Arrow tables: as numbers, or as distinct values and their positions.

Training validates, learns categories, reads the label and encodes the same columns;
`ParsedTable` decodes each column once for all of these steps.
"""

from __future__ import annotations

import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.contracts.parsing.scalars import BLANKS, NOT_READABLE, read_number, to_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.contracts.schema.column import Column
    from churnkit.contracts.schema.table_schema import TableSchema

__all__ = [
    "ParsedColumn",
    "ParsedTable",
    "complete_keys",
    "distinct_values",
    "is_temporal",
    "is_text_type",
    "normalize_dates",
    "one_array",
    "standard_types",
]

# Texts that Arrow parses to the same float as Python; all others are parsed one by one.
_PLAIN_NUMBER = r"^-?[0-9]+(\.[0-9]*)?$"


class _Unreadable:
    """Placeholder for a value that no column type accepts: a list, bytes, a date out of range."""


_UNREADABLE = _Unreadable()


class ParsedColumn:
    """A column whose numbers and distinct values are decoded on first use and kept.

    Parameters
    ----------
    array
        The column's n values in a layout of `one_array`.

    Examples
    --------
    >>> column = ParsedColumn(pa.array(["3", "x", None, "3"]))
    >>> column.numbers[0]
    array([ 3., nan, nan,  3.])
    >>> column.distinct
    (['3', 'x', None], array([0, 1, 2, 0]))
    """

    def __init__(self, array: pa.Array) -> None:
        self.array = array

    @cached_property
    def numbers(self) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
        """Leniently parsed numbers (n,), NaN if missing or unreadable; unreadable rows or None."""
        return _parse_numbers(self.array)

    @cached_property
    def distinct(self) -> tuple[list[Any], NDArray[np.intp]]:
        """The result of `distinct_values`."""
        return distinct_values(self.array)

    def filter(self, rows: NDArray[np.bool_]) -> ParsedColumn:
        """Select rows by a mask (n,), keeping what has been decoded."""
        column = ParsedColumn(self.array.filter(pa.array(rows)))
        if "numbers" in self.__dict__:
            numbers, unreadable = self.numbers
            column.numbers = numbers[rows], None if unreadable is None else unreadable[rows]
        if "distinct" in self.__dict__:
            values, index = self.distinct
            column.distinct = values, index[rows]
        return column


class ParsedTable:
    """An Arrow table whose columns are parsed once, however many steps read them.

    Parameters
    ----------
    table
        n rows.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> visits = Column("visits", "number", ("feature",), written="1.234,5")
    >>> parsed = ParsedTable(pa.table({"visits": ["1,5", "2"]}))
    >>> parsed.column(visits).numbers[0], parsed.column(visits) is parsed.column(visits)
    (array([1.5, 2. ]), True)
    """

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.num_rows: int = table.num_rows
        self.column_names: list[str] = table.column_names
        self._columns: dict[str, ParsedColumn] = {}

    @classmethod
    def wrap(cls, table: pa.Table | ParsedTable) -> ParsedTable:
        """Return a table that is parsed already as it is."""
        return table if isinstance(table, ParsedTable) else cls(table)

    def column(self, column: Column, *, keep: bool = True) -> ParsedColumn:
        """Return a column with its texts normalized as its contract column declares.

        Parameters
        ----------
        column
            The column of the contract; the table has a column of its name.
        keep
            Keep it for the next reader; without it, memory is freed as soon as it was read.
        """
        parsed = self._columns.get(column.name)
        if parsed is None:
            parsed = ParsedColumn(_normalize(one_array(self.table[column.name]), column))
            if keep:
                self._columns[column.name] = parsed
        return parsed

    def filter(self, rows: NDArray[np.bool_]) -> ParsedTable:
        """Select rows by a mask (n,), keeping what has been parsed."""
        chosen = ParsedTable(self.table.filter(pa.array(rows)))
        chosen._columns = {name: column.filter(rows) for name, column in self._columns.items()}
        return chosen


def complete_keys(
    table: pa.Table, schema: TableSchema, *, first: int = 0, as_of: str | None = None
) -> pa.Table:
    """Add the row numbers and the as-of date that a table may lack.

    Parameters
    ----------
    table
        n rows.
    schema
        States whether rows are numbered, and the default of the as-of date.
    first
        Number of the first row.
    as_of
        A date in place of the default.

    Examples
    --------
    >>> from churnkit.contracts import Column, Contract
    >>> row = Column("row", "integer", ("entity",), numbered=True)
    >>> day = Column("day", "datetime", ("as_of",), default="2025-03-31")
    >>> rows = pa.table({"plan": ["a", "b"]})
    >>> complete_keys(rows, Contract("gym", (row, day)), first=5).to_pylist()[0]
    {'row': 5, 'plan': 'a', 'day': '2025-03-31'}
    """
    entity, dated = schema.entity, schema.as_of
    if entity.numbered and entity.name not in table.column_names:
        numbers = pa.array(np.arange(first, first + table.num_rows))
        table = table.add_column(0, entity.name, numbers)
    if dated is not None and dated.default and dated.name not in table.column_names:
        date = pa.scalar(as_of or dated.default, pa.large_string())
        table = table.append_column(dated.name, pa.repeat(date, table.num_rows))
    return table


def normalize_dates(table: pa.Table, column: Column) -> pa.Table:
    """Rewrite the dates of a column in ISO 8601; unreadable ones stay as they are.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> day = Column("day", "datetime", ("as_of",), written="DD/MM/YYYY")
    >>> normalize_dates(pa.table({"day": ["31.12.2024"]}), day)["day"].to_pylist()
    ['2024-12-31']
    """
    if column.spelling is None or column.name not in table.column_names:
        return table
    array = _normalize(one_array(table[column.name]), column)
    return table.set_column(table.column_names.index(column.name), column.name, array)


def _normalize(array: pa.Array, column: Column) -> pa.Array:
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    spelling = column.spelling
    is_epoch = column.type == "datetime" and _is_number_type(kind)
    if spelling is None or not (is_text_type(kind) or is_epoch):
        return array
    values, index = distinct_values(array)
    normalized = map(spelling.normalize_value, values)
    texts = [
        value if value is None or isinstance(value, str) else to_text(value) for value in normalized
    ]
    return pa.array(texts, pa.large_string()).take(pa.array(index))


def one_array(chunked: pa.ChunkedArray) -> pa.Array:
    """Combine a column's chunks to one array of a standard type."""
    if pa.types.is_dictionary(chunked.type):
        chunked = chunked.unify_dictionaries()
    if chunked.num_chunks == 1:
        array = chunked.chunk(0)
    elif chunked.num_chunks == 0:
        array = pa.array([], chunked.type)
    else:
        array = pa.concat_arrays(chunked.chunks)
    return _standard_array(array)


def standard_types(table: pa.Table) -> pa.Table:
    """Convert columns of types that not every function and file format supports.

    Views become strings, decimals 128-bit ones (double floats, if they have more digits), half
    floats single ones, UUIDs text; run-end encoded columns are decoded, extension types replaced
    by their storage.

    Examples
    --------
    >>> standard_types(pa.table({"id": pa.array(["a"], pa.string_view())})).schema.types
    [DataType(large_string)]
    """
    for position, field in enumerate(table.schema):
        if not _is_standard(field.type):
            column = one_array(table.column(position))
            table = table.set_column(position, field.name, column)
    return table


def _is_standard(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_standard(kind.value_type)
    return not (
        isinstance(kind, pa.BaseExtensionType)
        or pa.types.is_run_end_encoded(kind)
        or kind in _STANDARD
        or pa.types.is_decimal32(kind)
        or pa.types.is_decimal64(kind)
        or pa.types.is_decimal256(kind)
    )


# Digits of a 128-bit decimal.
_DECIMAL_DIGITS = 38
_STANDARD = {
    pa.string_view(): pa.large_string(),
    pa.binary_view(): pa.large_binary(),
    pa.float16(): pa.float32(),
}


def _standard_array(array: pa.Array) -> pa.Array:
    kind = array.type
    if _is_standard(kind):
        return array
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(array.indices, _standard_array(array.dictionary))
    if isinstance(array, pa.ExtensionArray):
        return (
            _uuid_texts(array)
            if kind.extension_name == "arrow.uuid"
            else _standard_array(array.storage)
        )
    if pa.types.is_run_end_encoded(kind):
        return _standard_array(pc.run_end_decode(array))
    if pa.types.is_decimal256(kind):
        return _short_decimals(array)
    target = _STANDARD.get(kind) or pa.decimal128(kind.precision, kind.scale)
    return array.cast(target)


def _short_decimals(array: pa.Array) -> pa.Array:
    """Return 128-bit decimals, or double floats if a value has more digits than these hold."""
    scale = array.type.scale
    try:
        return array.cast(pa.decimal128(_DECIMAL_DIGITS, scale))
    except pa.ArrowInvalid:
        return array.cast(pa.float64())


def _uuid_texts(array: pa.ExtensionArray) -> pa.Array:
    values = array.storage.to_pylist()
    texts = [None if value is None else str(uuid.UUID(bytes=value)) for value in values]
    return pa.array(texts, pa.large_string())


def is_temporal(kind: pa.DataType) -> bool:
    """Return True for an Arrow date or timestamp; durations and times of day are neither."""
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def is_text_type(kind: pa.DataType) -> bool:
    """Return True for any of Arrow's string types."""
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_number_type(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _parse_numbers(array: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
    if pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        numbers = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return np.asarray(numbers), None
    dictionary, index = _dictionary(array)
    if pa.types.is_large_string(dictionary.type) or pa.types.is_string(dictionary.type):
        numbers, unreadable = _parse_texts(dictionary)
    else:
        numbers, unreadable = _parse_each(_python_values(dictionary))
    numbers = np.append(numbers, np.nan)[index]
    return numbers, np.append(unreadable, False)[index] if unreadable.any() else None


def _parse_texts(texts: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    trimmed = pc.utf8_trim(texts, characters=BLANKS)
    plain = pc.fill_null(pc.match_substring_regex(trimmed, _PLAIN_NUMBER), False)
    numbers = np.full(len(texts), np.nan)
    unreadable = np.zeros(len(texts), dtype=bool)
    mask = np.asarray(plain)
    numbers[mask] = trimmed.filter(plain).cast(pa.float64()).to_numpy(zero_copy_only=False)
    if not mask.all():
        others = trimmed.filter(pc.invert(plain)).to_pylist()
        numbers[~mask], unreadable[~mask] = _parse_each(others)
    return numbers, unreadable


def _parse_each(values: list[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    numbers = [read_number(value, lenient=True) for value in values]
    unreadable = [number is NOT_READABLE for number in numbers]
    return np.array(numbers, dtype=np.float64), np.array(unreadable, dtype=bool)


def distinct_values(array: pa.Array) -> tuple[list[Any], NDArray[np.intp]]:
    """Return the distinct values, with None last, and for each row its position among them.

    Examples
    --------
    >>> distinct_values(pa.array(["b", "a", None, "b"]))
    (['b', 'a', None], array([0, 1, 2, 0]))
    """
    dictionary, index = _dictionary(array)
    return [*_python_values(dictionary), None], index


def _dictionary(array: pa.Array) -> tuple[pa.Array, NDArray[np.intp]]:
    """Return the distinct values and each row's position; nulls have the position after the last."""
    if pa.types.is_dictionary(array.type):
        dictionary, indices = array.dictionary, array.indices
    elif _is_scalar_type(array.type):
        encoded = pc.dictionary_encode(_computable(array))
        dictionary, indices = encoded.dictionary, encoded.indices
    else:
        valid = np.asarray(array.is_valid())
        return pa.array([b""], pa.binary()), np.where(valid, 0, 1)
    if indices.null_count:
        indices = pc.fill_null(indices.cast(pa.int64()), len(dictionary))
    return _computable(dictionary), np.asarray(indices).astype(np.intp, copy=False)


def _is_scalar_type(kind: pa.DataType) -> bool:
    return bool(
        is_text_type(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or is_temporal(kind)
    )


def _computable(array: pa.Array) -> pa.Array:
    """Cast timestamps to microseconds, which Python supports."""
    if pa.types.is_timestamp(array.type):
        return array.cast(pa.timestamp("us", tz="UTC" if array.type.tz else None), safe=False)
    return array


def _python_values(dictionary: pa.Array) -> list[Any]:
    if not _is_scalar_type(dictionary.type):
        return [None if null else _UNREADABLE for null in dictionary.is_null().to_pylist()]
    try:
        return list(dictionary.to_pylist())
    except (ValueError, OverflowError):
        return [_python_value(scalar) for scalar in dictionary]


def _python_value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return _UNREADABLE
