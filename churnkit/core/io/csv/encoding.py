"""Encoding of a text file, detected from all its bytes."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TextScan", "open_bytes", "open_text", "scan_text"]

_CHUNK_BYTES = 1 << 20
_TAIL_BYTES = 1 << 15
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NOT_IN_WINDOWS_1252 = bytes([0x81, 0x8D, 0x8F, 0x90, 0x9D])
# Bytes of text in legacy encodings that are collected to tell the encodings apart.
_SAMPLE_BYTES = 1 << 16
_ASCII = bytes(range(0x80))
# Characters of Western European texts; others are rare in Windows-1252.
_WESTERN = set(
    "äöüßÄÖÜÉÈéèêëçàâáåÅæøØñÑóôòõúùûíìîïœŒãÁÍÓÚÇÀÂŠš€£§°²³½«»“”„\u2018\u2019\u2013—…•·®©™¿¡\u00a0"
)
_MIN_WESTERN_SHARE = 0.9
_MIN_SCRIPT_SHARE = 0.7
# Letters of other scripts stand next to each other, accented Latin letters rarely.
_RUNS = re.compile(r"[^\x00-\x7f]{2,}")
_LONG_RUNS = re.compile(r"[^\x00-\x7f]{3,}")
# Polish letters of Windows-1250 are superscripts and a Spanish sign of Windows-1252, never within words.
_IN_WORDS = re.compile(r"[^\W\d_][³¹¿][a-zà-ÿ]")
_MAX_IN_WORDS = 2
# Signs before a quoted text, and after one whose quote is another text's first.
_BEFORE_QUOTE = np.isin(np.arange(256), list(b",;\t|\r\n^~:\x01"))
_AFTER_QUOTE = np.array(
    [chr(code).isalnum() or chr(code) == " " or code > 127 for code in range(256)]
)
_LONGEST_QUOTE = 65_536
# Characters that stand alone between digits: of dates, times and amounts.
_DATE_CHARACTERS = set("年月日時分秒円元년월일원")
# Tried where Windows-1252 gives unlikely text: the encoding and the scripts of its letters.
_LEGACY = (
    ("cp1251", ("CYRILLIC SMALL",)),
    ("cp932", ("HIRAGANA", "KATAKANA", "CJK", "FULLWIDTH", "HALFWIDTH", "IDEOGRAPHIC")),
    ("gb18030", ("CJK", "FULLWIDTH", "IDEOGRAPHIC")),
    ("euc-kr", ("HANGUL",)),
)


@dataclass(frozen=True, slots=True)
class TextScan:
    """Facts about all bytes of a text file.

    Parameters
    ----------
    encoding
        ``utf8``, ``utf-16``, ``utf-16-le``, ``utf-16-be``, ``cp1252`` or another encoding of
        Python; ``latin-1`` for bytes that Windows-1252 lacks.
    is_certain
        False for a legacy encoding that was chosen by the frequency of its characters.
    odd_quotes
        True if the number of double quotes is odd.
    tail
        Last bytes of the file, decoded.
    has_wide_quotes
        True if a double quote may be open over several lines; see
        `churnkit.core.io.csv.text_check`.
    """

    encoding: str
    is_certain: bool
    odd_quotes: bool
    tail: str
    has_wide_quotes: bool = False


def open_bytes(file: Path) -> IO[bytes]:
    """Open a file that may be compressed with gzip."""
    if file.suffix.lower() == ".gz":
        return cast("IO[bytes]", gzip.open(file))
    return file.open("rb")


def open_text(file: Path, encoding: str, *, errors: str = "strict") -> io.TextIOWrapper:
    """Open a file that may be compressed with gzip as text, without its byte order mark."""
    python_encoding = "utf-8-sig" if encoding == "utf8" else encoding
    return io.TextIOWrapper(open_bytes(file), python_encoding, errors=errors, newline="")


def scan_text(file: Path) -> TextScan:
    """Detect the encoding from all bytes: the first accented letter may be in the last row.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf8, is_windows_1252, quotes, zeros = True, True, 0, [0, 0]
    sample, tail, last = bytearray(), b"", b""
    has_wide_quotes = False
    with open_bytes(file) as stream:
        is_utf16 = stream.read(2) in _BYTE_ORDER_MARKS
        stream.seek(0)
        while chunk := stream.read(_CHUNK_BYTES):
            quotes += chunk.count(b'"')
            has_wide_quotes = has_wide_quotes or _has_wide_quotes(last + chunk)
            last = chunk[-_LONGEST_QUOTE:]
            is_utf8 = is_utf8 and _decodes(decoder, chunk)
            is_windows_1252 &= len(chunk.translate(None, _NOT_IN_WINDOWS_1252)) == len(chunk)
            if not tail:
                zeros = [chunk[::2].count(0), chunk[1::2].count(0)]
            if not is_utf8 and len(sample) < _SAMPLE_BYTES:
                sample += _legacy_lines(chunk)
            tail = (tail + chunk)[-_TAIL_BYTES:]
    is_utf8 = is_utf8 and _decodes(decoder, b"", final=True)
    encoding, is_certain = "utf8", True
    if is_utf16:
        encoding = "utf-16"
    elif sum(zeros) > 0.2 * min(len(tail), _CHUNK_BYTES):
        encoding = "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    elif not is_utf8:
        encoding, is_certain = _legacy_encoding(
            bytes(sample[:_SAMPLE_BYTES]), is_windows_1252=is_windows_1252
        )
    tail_text = _decode_tail(file, tail, encoding)
    has_wide_quotes = has_wide_quotes or (encoding.startswith("utf-16") and quotes > 0)
    return TextScan(encoding, is_certain, quotes % 2 == 1, tail_text, has_wide_quotes)


def _has_wide_quotes(text: bytes) -> bool:
    """Return True if line ends lie between a first quote of a text and a quote within another.

    It is no proof: after a text that ends with a delimiter, its last quote seems to be a first one.
    """
    if b'"' not in text:
        return False
    signs = np.frombuffer(text, np.uint8)
    quotes = np.flatnonzero(signs == ord('"'))
    lines = np.flatnonzero((signs == ord("\n")) | (signs == ord("\r")))
    lines_before = np.searchsorted(lines, quotes)
    wide = np.flatnonzero(np.diff(lines_before))
    before, after = quotes[wide] - 1, quotes[wide + 1] + 1
    inner = (before >= 0) & (after < len(signs))
    return bool((_BEFORE_QUOTE[signs[before[inner]]] & _AFTER_QUOTE[signs[after[inner]]]).any())


def _legacy_lines(chunk: bytes) -> bytes:
    """Return the lines of a chunk with bytes beyond ASCII; the first and last may be cut."""
    lines = chunk.splitlines(keepends=True)
    return b"".join(line for line in lines[1:-1] or lines if line.translate(None, _ASCII))


def _legacy_encoding(sample: bytes, *, is_windows_1252: bool) -> tuple[str, bool]:
    """Choose the encoding of bytes that are not UTF-8, and whether it is certain."""
    western = "cp1252" if is_windows_1252 else "latin-1"
    text = sample.decode(western, "replace")
    characters = Counter(c for c in text if not c.isascii())
    likely = sum(count for c, count in characters.items() if c in _WESTERN)
    in_runs = sum(map(len, _LONG_RUNS.findall(text)))
    if len(_IN_WORDS.findall(text)) > _MAX_IN_WORDS:
        return "cp1250", False
    if likely >= _MIN_WESTERN_SHARE * characters.total() and 2 * in_runs <= characters.total():
        return western, True
    for encoding, scripts in _LEGACY:
        text = sample.decode(encoding, "ignore")
        letters = Counter("".join(_RUNS.findall(text)))
        in_script = sum(
            n for c, n in letters.items() if unicodedata.name(c, "").startswith(scripts)
        )
        is_lossless = len(text.encode(encoding)) >= 0.99 * len(sample)
        others = sum(not c.isascii() and c not in _DATE_CHARACTERS for c in text)
        if is_lossless and in_script >= _MIN_SCRIPT_SHARE * max(others, 1):
            return encoding, False
    return western, False


def _decode_tail(file: Path, tail: bytes, encoding: str) -> str:
    if encoding == "utf-16":
        with open_bytes(file) as stream:
            encoding = "utf-16-be" if stream.read(2) == codecs.BOM_UTF16_BE else "utf-16-le"
    return tail.decode("utf-8" if encoding == "utf8" else encoding, "replace")


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True
