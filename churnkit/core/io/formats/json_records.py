"""JSON: an array of objects, or objects one after another (JSON lines)."""

from __future__ import annotations

import json
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa

from churnkit.core.io.formats.json_layouts import unwrap_rows
from churnkit.core.io.formats.python_values import to_arrow
from churnkit.core.io.table_file import BATCH_ROWS
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["json_batches"]

_PROBE = 4096
_CHUNK_CHARACTERS = 1 << 18
_MAX_OBJECT_CHARACTERS = 64 << 20
# More keys are ids or dates rather than columns.
_MAX_COLUMNS = 10_000
_SEPARATORS = " \t\r\n,"


def json_batches(path: Path, *, name: str) -> Iterator[pa.Table]:
    """Read the objects of a JSON file in batches, a column for each key.

    Parameters
    ----------
    path
        UTF-8 or UTF-16 text: ``[{...}, {...}]``, ``{...}`` one after another, or one object that
        holds the rows; see `unwrap_rows`.
    name
        Name of the file in messages.

    Returns
    -------
    Iterator of pyarrow.Table
        Columns of a batch in the order in which the keys first appear. The values of a nested
        object are columns such as ``address.city``; an array is text.

    Raises
    ------
    ChurnkitError
        If the text is not JSON, a value is not an object, or two values have one name.
    """
    with path.open("rb") as probe:
        is_utf16 = probe.read(2) in {b"\xff\xfe", b"\xfe\xff"}
    try:
        with path.open(encoding="utf-16" if is_utf16 else "utf-8-sig") as stream:
            is_bare = stream.read(_PROBE).lstrip()[:1] == "{"
            stream.seek(0)
            objects = _Parser(stream, name).objects()
            rows = unwrap_rows(objects, name) if is_bare else objects
            yield pa.table({})
            while part := list(islice(rows, BATCH_ROWS)):
                yield _to_table(part, name)
    except UnicodeError:
        raise ChurnkitError(f"{name} is not UTF-8: export it as UTF-8") from None


def _to_table(rows: list[dict[str, Any]], name: str) -> pa.Table:
    if any(isinstance(value, (dict, list)) for row in rows for value in row.values()):
        rows = [_unique(list(_flatten(row)), name) for row in rows]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    if len(keys) > _MAX_COLUMNS:
        raise ChurnkitError(
            f"{name} has objects with {len(keys):,} keys, more than the {_MAX_COLUMNS:,} columns of a "
            "table: write an array of objects, or one object a line"
        )
    return pa.table({key: to_arrow([row.get(key) for row in rows]) for key in keys})


def _flatten(row: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested objects by their path, and arrays as text."""
    for key, value in row.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            yield f"{prefix}{key}", json.dumps(value, ensure_ascii=False)
        else:
            yield f"{prefix}{key}", value


class _Parser:
    """Incremental parser of objects, in an array or one after another."""

    def __init__(self, stream: IO[str], name: str) -> None:
        self._stream = stream
        self._name = name
        self._decoder = json.JSONDecoder(object_pairs_hook=lambda pairs: _unique(pairs, name))
        self._buffer = ""
        self._position = 0
        self._count = 0

    def objects(self) -> Iterator[dict[str, Any]]:
        """Yield objects as soon as they are complete."""
        is_array = self._next() == "["
        self._position += is_array
        while (character := self._next()) not in {"", "]"}:
            value = self._value()
            if character != "{" or not isinstance(value, dict):
                raise self._malformed("it is not an object of columns and values")
            self._count += 1
            yield value
        if is_array != (self._next() == "]"):
            raise self._malformed("the array does not end" if is_array else "a bracket is stray")
        self._position += is_array
        if self._next():
            raise self._malformed("text follows the end of the array")

    def _next(self) -> str:
        """Skip separators and return the next character; empty at the end."""
        while True:
            while self._position < len(self._buffer):
                if self._buffer[self._position] not in _SEPARATORS:
                    return self._buffer[self._position]
                self._position += 1
            if not self._read():
                return ""

    def _read(self) -> bool:
        rest = self._buffer[self._position :]
        chunk = self._stream.read(max(_CHUNK_CHARACTERS, len(rest)))
        self._buffer, self._position = rest + chunk, 0
        return bool(chunk)

    def _value(self) -> Any:
        while True:
            try:
                value, self._position = self._decoder.raw_decode(self._buffer, self._position)
            except json.JSONDecodeError:
                if len(self._buffer) - self._position > _MAX_OBJECT_CHARACTERS:
                    limit = f"{_MAX_OBJECT_CHARACTERS >> 20} MB"
                    raise self._malformed(f"it is damaged, or an object exceeds {limit}") from None
                if not self._read():
                    raise self._malformed("it is damaged or incomplete") from None
            except RecursionError:
                raise self._malformed("it is nested too deeply") from None
            else:
                return value

    def _malformed(self, reason: str) -> ChurnkitError:
        return ChurnkitError(
            f"{self._name} cannot be read as JSON after {self._count:,} objects: {reason}; write "
            "an array of objects, one object a line, or one object of columns"
        )


def _unique(pairs: list[tuple[str, Any]], name: str) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ChurnkitError(f"{name}: an object has two values of one key: give each its own key")
    return row
