"""One column of an Arrow table as numbers, or as its distinct values and who has which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.contracts.parsing.scalars import BLANKS, NOT_READABLE, read_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["distinct_values", "is_temporal", "numbers_of", "one_array"]

# Texts that Arrow parses to the same float as Python; all others are read one by one.
_PLAIN_NUMBER = r"^-?[0-9]+(\.[0-9]*)?$"


class _Unreadable:
    """Stands for a value that no column can hold: a list, bytes, a date beyond the calendar."""


_UNREADABLE = _Unreadable()


def one_array(chunked: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array, in one of few layouts."""
    if pa.types.is_dictionary(chunked.type):
        chunked = chunked.unify_dictionaries()
    if chunked.num_chunks == 1:
        array = chunked.chunk(0)
    elif chunked.num_chunks == 0:
        array = pa.array([], chunked.type)
    else:
        array = pa.concat_arrays(chunked.chunks)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_float16(array.type):
        return array.cast(pa.float32())
    if pa.types.is_run_end_encoded(array.type):
        return pc.run_end_decode(array)
    return array


def is_temporal(kind: pa.DataType) -> bool:
    """Tell whether an Arrow type is a date or a moment, and not a duration or a time of day."""
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def numbers_of(array: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
    """Read a column of numbers, leniently.

    Returns
    -------
    numbers
        Float64 (n,), NaN where missing or not readable.
    unreadable
        Bool (n,), or None where everything could be read.
    """
    if pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        numbers = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return np.asarray(numbers), None
    dictionary, index = _distinct(array)
    if pa.types.is_large_string(dictionary.type) or pa.types.is_string(dictionary.type):
        numbers, unreadable = _parse(dictionary)
    else:
        numbers, unreadable = _read_each(_python_values(dictionary))
    numbers = np.append(numbers, np.nan)[index]
    return numbers, np.append(unreadable, False)[index] if unreadable.any() else None


def _parse(texts: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    trimmed = pc.utf8_trim(texts, characters=BLANKS)
    plain = pc.fill_null(pc.match_substring_regex(trimmed, _PLAIN_NUMBER), False)
    numbers = np.full(len(texts), np.nan)
    unreadable = np.zeros(len(texts), dtype=bool)
    mask = np.asarray(plain)
    numbers[mask] = trimmed.filter(plain).cast(pa.float64()).to_numpy(zero_copy_only=False)
    if not mask.all():
        rest = trimmed.filter(pc.invert(plain)).to_pylist()
        numbers[~mask], unreadable[~mask] = _read_each(rest)
    return numbers, unreadable


def _read_each(values: list[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    numbers = [read_number(value, lenient=True) for value in values]
    unreadable = [number is NOT_READABLE for number in numbers]
    return np.array(numbers, dtype=np.float64), np.array(unreadable, dtype=bool)


def distinct_values(array: pa.Array) -> tuple[list[Any], NDArray[np.intp]]:
    """Return the distinct values, None at last, and for each row the position of its own."""
    dictionary, index = _distinct(array)
    return [*_python_values(dictionary), None], index


def _distinct(array: pa.Array) -> tuple[pa.Array, NDArray[np.intp]]:
    """Return the distinct values and each row's position among them, their number for none."""
    if pa.types.is_dictionary(array.type):
        dictionary, indices = array.dictionary, array.indices
        if isinstance(dictionary, pa.ExtensionArray):
            dictionary = dictionary.storage
    elif _is_plain(array.type):
        encoded = pc.dictionary_encode(_readable_layout(array))
        dictionary, indices = encoded.dictionary, encoded.indices
    else:
        valid = np.asarray(array.is_valid())
        return pa.array([b""], pa.binary()), np.where(valid, 0, 1)
    if indices.null_count:
        indices = pc.fill_null(indices.cast(pa.int64()), len(dictionary))
    return _readable_layout(dictionary), np.asarray(indices).astype(np.intp, copy=False)


def _is_plain(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or is_temporal(kind)
    )


def _readable_layout(array: pa.Array) -> pa.Array:
    """Bring a layout that Arrow's own functions do not all know to one that they do."""
    if pa.types.is_string_view(array.type):
        return array.cast(pa.large_string())
    if pa.types.is_timestamp(array.type):
        return array.cast(pa.timestamp("us", tz="UTC" if array.type.tz else None), safe=False)
    return array


def _python_values(dictionary: pa.Array) -> list[Any]:
    if not _is_plain(dictionary.type):
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
