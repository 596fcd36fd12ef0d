"""Read UBJSON (Universal Binary JSON, draft 12), the binary form of XGBoost's model files."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from churnkit.errors import BundleError

__all__ = ["is_ubjson", "read_ubjson"]

# Marker -> type of a number, big-endian.
_NUMBERS = {
    marker: np.dtype(code)
    for marker, code in zip(
        b"iUIlLdD", ("i1", "u1", ">i2", ">i4", ">i8", ">f4", ">f8"), strict=True
    )
}
_CONSTANTS = {ord("T"): True, ord("F"): False, ord("Z"): None}
# Documents of models have seven levels.
_MAX_LEVELS: Final = 64


def is_ubjson(content: bytes) -> bool:
    r"""Return True if bytes start as an object of UBJSON and not of JSON.

    Examples
    --------
    >>> is_ubjson(b'{"learner": {}}'), is_ubjson(b"{i\x07learner{}}")
    (False, True)
    """
    return len(content) > 1 and content[:1] == b"{" and content[1] in b"iUIlL$#"


def read_ubjson(content: bytes) -> Any:
    r"""Read one value.

    Parameters
    ----------
    content
        The whole file. Nothing in it is executed, and it cannot make the result much larger than
        itself.

    Returns
    -------
    object
        As of `json.loads`; arrays of one numeric type are NumPy arrays.

    Raises
    ------
    BundleError
        If the content ends too early, has more after its end, or is malformed.

    Examples
    --------
    >>> read_ubjson(b"{i\x05trees[$l#i\x02\x00\x00\x00\x01\x00\x00\x00\x02}")
    {'trees': array([1, 2], dtype=int32)}
    """
    reader = _Reader(content)
    result = reader.value(reader.byte(), 0)
    if reader.at != len(content):
        raise _damaged(f"it has {len(content) - reader.at:,} bytes after its end")
    return result


def _damaged(problem: str) -> BundleError:
    return BundleError(
        f"the XGBoost model in UBJSON is damaged: {problem}. Copy it again, or write it again "
        "with save_model('model.ubj')"
    )


class _Reader:
    """A position in the content, from which values are read."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        start, self.at = self.at, self.at + size
        if size < 0:
            raise _damaged(f"a length at byte {start:,} is negative")
        if self.at > len(self.content):
            raise _damaged(f"it ends after {len(self.content):,} bytes, in the middle of a value")
        return self.content[start : self.at]

    def byte(self) -> int:
        """Return the next byte that is no padding."""
        while (marker := self.take(1)[0]) == ord("N"):
            pass
        return marker

    def value(self, marker: int, level: int) -> Any:
        """Read the value that a marker announces."""
        if marker in _NUMBERS:
            return self.numbers(marker, 1)[0].item()
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker in b"SC":
            return self.text(1 if marker == ord("C") else self.length())
        if marker not in b"[{" or level > _MAX_LEVELS:
            raise _damaged(f"byte {self.at:,} is not the start of a value")
        return self.array(level + 1) if marker == ord("[") else self.object(level + 1)

    def numbers(self, marker: int, count: int) -> Any:
        """Read numbers of one type, in the byte order of this machine."""
        dtype = _NUMBERS[marker]
        packed = self.take(count * dtype.itemsize)
        return np.frombuffer(packed, dtype).astype(dtype.newbyteorder("="))

    def text(self, size: int) -> str:
        try:
            return self.take(size).decode("utf-8")
        except UnicodeDecodeError as error:
            raise _damaged(f"a text before byte {self.at:,} is not UTF-8") from error

    def length(self, marker: int | None = None) -> int:
        """Read a length with its type."""
        marker = self.byte() if marker is None else marker
        if marker not in b"iUIlL":
            raise _damaged(f"byte {self.at:,} is not the type of a length")
        return int(self.numbers(marker, 1)[0])

    def header(self) -> tuple[int | None, int | None, int]:
        """Read a container's type of all values, its number of values, and the next marker."""
        kind = None
        marker = self.byte()
        if marker == ord("$"):
            kind = self.byte()
            marker = self.byte()
            if marker != ord("#"):
                raise _damaged(f"a container with a type has no number of values at {self.at:,}")
        if marker != ord("#"):
            return None, None, marker
        count = self.length()
        if not 0 <= count <= len(self.content) - self.at:
            raise _damaged(
                f"a container at byte {self.at:,} announces {count:,} values, and the content "
                f"ends after {len(self.content):,} bytes"
            )
        return kind, count, -1

    def array(self, level: int) -> Any:
        kind, count, marker = self.header()
        if kind in _NUMBERS and count is not None:
            return self.numbers(kind, count)
        values: list[Any] = []
        while len(values) < count if count is not None else marker != ord("]"):
            values.append(self._element(kind, None if count is not None else marker, level))
            if count is None:
                marker = self.byte()
        return values

    def object(self, level: int) -> dict[str, Any]:
        kind, count, marker = self.header()
        entries: dict[str, Any] = {}
        while len(entries) < count if count is not None else marker != ord("}"):
            key = self.text(self.length(None if count is not None else marker))
            if key in entries:
                raise _damaged(f"an object has a key twice before byte {self.at:,}")
            entries[key] = self._element(kind, None, level)
            if count is None:
                marker = self.byte()
        return entries

    def _element(self, kind: int | None, marker: int | None, level: int) -> Any:
        """Read a value of a container, whose marker may be common to all or already read."""
        known = marker if kind is None else kind
        return self.value(self.byte() if known is None else known, level)
