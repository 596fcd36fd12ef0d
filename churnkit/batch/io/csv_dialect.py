"""How a CSV file is written: its characters, its delimiter, its header."""

from __future__ import annotations

import codecs
import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Dialect", "look"]

_DELIMITERS = ",;\t|"
_CHUNK_BYTES = 1 << 20
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file is written.

    Parameters
    ----------
    encoding
        ``utf8``, ``utf-16``, or ``latin-1`` for whatever is neither.
    delimiter
        What stands between two fields.
    columns
        The header; empty if the file holds nothing.
    odd_quotes
        Whether the number of double quotes is odd: one may be open to the file's end.
    """

    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    odd_quotes: bool


def look(file: Path) -> Dialect:
    """Read a CSV file once to tell how it is written.

    Raises
    ------
    OSError
        If the file cannot be read.
    csv.Error
        If its header is no CSV.
    """
    encoding, odd_quotes = _scan(file)
    opened = "utf-8-sig" if encoding == "utf8" else encoding
    with file.open(encoding=opened, newline="") as stream:
        header = next((line for line in stream if line.strip()), "")
    delimiter = max(_DELIMITERS, key=header.count)
    with file.open(encoding=opened, newline="") as stream:
        rows = csv.reader(stream, delimiter=delimiter)
        columns = next((row for row in rows if row), [])
    return Dialect(encoding, delimiter, tuple(columns), odd_quotes)


def _scan(file: Path) -> tuple[str, bool]:
    """Tell the encoding by every byte: the first odd letter may stand in the last row."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    encoding, quotes = "utf8", 0
    with file.open("rb") as stream:
        if stream.read(2) in _BYTE_ORDER_MARKS:
            encoding = "utf-16"
        stream.seek(0)
        while chunk := stream.read(_CHUNK_BYTES):
            quotes += chunk.count(b'"')
            if encoding == "utf8" and not _decodes(decoder, chunk):
                encoding = "latin-1"
    if encoding == "utf8" and not _decodes(decoder, b"", final=True):
        encoding = "latin-1"
    return encoding, quotes % 2 == 1


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True
