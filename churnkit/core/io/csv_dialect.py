"""Encoding, delimiter and header of a CSV file."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from dataclasses import dataclass
from itertools import islice
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Dialect", "detect_dialect"]

# In order of preference where several fit equally well: a comma may also be a decimal sign.
_DELIMITERS = ";\t|,"
_SAMPLE_ROWS = 50
_CHUNK_BYTES = 1 << 20
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NOT_IN_WINDOWS_1252 = bytes([0x81, 0x8D, 0x8F, 0x90, 0x9D])


@dataclass(frozen=True, slots=True)
class Dialect:
    """Format of a CSV file.

    Parameters
    ----------
    encoding
        ``utf8``, ``utf-16``, ``cp1252``, or ``latin-1`` for bytes that none of these has.
    delimiter
        Character between two fields.
    columns
        Header; empty if the file is.
    odd_quotes
        True if the number of double quotes is odd: one may be open to the end of the file.
    """

    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    odd_quotes: bool


def detect_dialect(file: Path) -> Dialect:
    """Detect the dialect of a CSV file; every byte is read once.

    The delimiter is the one that splits the header and the first rows into the same number of
    fields, with quotes respected.

    Raises
    ------
    OSError
        If the file cannot be read.
    csv.Error
        If the header cannot be parsed.
    """
    encoding, odd_quotes = _scan(file)
    samples = {
        delimiter: _first_rows(file, encoding, delimiter, _SAMPLE_ROWS) for delimiter in _DELIMITERS
    }
    delimiter = max(_DELIMITERS, key=lambda each: _score(samples[each]))
    if len(next(iter(samples[delimiter]), [])) < 2:
        delimiter = ","
    header = _first_rows(file, encoding, delimiter, 1, strict=True)
    return Dialect(encoding, delimiter, tuple(header[0]) if header else (), odd_quotes)


def _open(file: Path) -> IO[bytes]:
    if file.suffix.lower() == ".gz":
        return cast("IO[bytes]", gzip.open(file))
    return file.open("rb")


def _first_rows(
    file: Path, encoding: str, delimiter: str, count: int, *, strict: bool = False
) -> list[list[str]]:
    rows: list[list[str]] = []
    python_encoding = "utf-8-sig" if encoding == "utf8" else encoding
    with io.TextIOWrapper(_open(file), encoding=python_encoding, newline="") as stream:
        reader = csv.reader(stream, delimiter=delimiter)
        try:
            for row in islice(filter(None, reader), count):
                rows.append(row)  # noqa: PERF402 - the rows before an error are kept
        except csv.Error:
            if strict:
                raise
    return rows


def _score(rows: list[list[str]]) -> tuple[bool, float, int]:
    """Rate a delimiter: several fields, as many in each row as in the header, and many."""
    if not rows:
        return False, 0.0, 0
    width = len(rows[0])
    return width > 1, sum(len(row) == width for row in rows) / len(rows), width


def _scan(file: Path) -> tuple[str, bool]:
    """Detect the encoding from all bytes: the first accented letter may be in the last row."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf8, is_windows_1252, quotes = True, True, 0
    with _open(file) as stream:
        is_utf16 = stream.read(2) in _BYTE_ORDER_MARKS
        stream.seek(0)
        while chunk := stream.read(_CHUNK_BYTES):
            quotes += chunk.count(b'"')
            is_utf8 = is_utf8 and _decodes(decoder, chunk)
            is_windows_1252 &= len(chunk.translate(None, _NOT_IN_WINDOWS_1252)) == len(chunk)
    if is_utf16:
        encoding = "utf-16"
    elif is_utf8 and _decodes(decoder, b"", final=True):
        encoding = "utf8"
    else:
        encoding = "cp1252" if is_windows_1252 else "latin-1"
    return encoding, quotes % 2 == 1


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True
