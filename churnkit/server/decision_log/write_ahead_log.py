"""Decisions on their way to the journal: on disk before the answer goes out, written soon after.

A line of a file outlives its process: what a killed worker had answered and not yet written is
written by the next one. The journal takes each key once, so writing twice does no harm.
"""

from __future__ import annotations

import contextlib
import os
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec

from churnkit.core.io.lock import LockHeldError, lock_stream

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Spool"]

_ENDING: Final = ".decisions"
_ENCODE = msgspec.json.Encoder().encode

Line = dict[str, Any]


class Spool:
    """A worker's file of decisions, and the files that dead workers left.

    Parameters
    ----------
    folder
        Made if need be, for its owner alone: the lines hold customers' ids.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     spool = Spool(Path(folder))
    ...     spool.add([{"key": "k1"}])
    ...     kept = spool.left_over()
    ...     spool.close()
    >>> kept
    []
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._place = folder / f"{os.getpid()}-{os.urandom(4).hex()}{_ENDING}"
        handle = os.open(self._place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._stream: IO[bytes] = os.fdopen(handle, "wb", buffering=0)
        # Held while this process lives: so another one knows whose files are left over.
        lock_stream(self._stream, wait=True)

    def add(self, lines: list[Line]) -> None:
        """Keep decisions until `clear`: in the system's hands when this returns."""
        self._stream.write(b"".join(_ENCODE(line) + b"\n" for line in lines))

    def clear(self) -> None:
        """Forget them: they stand in the journal."""
        self._stream.truncate(0)

    def close(self) -> None:
        """Take the file away if nothing is in it."""
        empty = os.fstat(self._stream.fileno()).st_size == 0
        self._stream.close()
        if empty:
            self._place.unlink(missing_ok=True)

    def left_over(self) -> list[tuple[Path, list[Line]]]:
        """Read the files of workers that are gone; remove each with `done` once it is written."""
        found = []
        for place in sorted(self._folder.glob(f"*{_ENDING}")):
            if place == self._place:
                continue
            with contextlib.suppress(OSError, LockHeldError), place.open("rb+") as stream:
                lock_stream(stream, wait=False)
                found.append((place, _read(stream.read())))
        return found

    @staticmethod
    def done(place: Path) -> None:
        """Remove a file whose decisions stand in the journal."""
        place.unlink(missing_ok=True)


def _read(content: bytes) -> list[Line]:
    lines = []
    for line in content.splitlines():
        # A worker may have been killed in the middle of its last line: nobody was answered then.
        with contextlib.suppress(msgspec.DecodeError):
            lines.append(msgspec.json.decode(line, type=dict[str, Any]))
    return lines
