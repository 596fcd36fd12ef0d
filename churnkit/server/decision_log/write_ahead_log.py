"""A write-ahead log of decisions: on disk before the reply, in the journal soon after.

A line outlives its process: the next worker writes what a killed one had answered and not yet
written. The journal takes each key once, so writing twice does no harm.
"""

from __future__ import annotations

import contextlib
import os
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec

from churnkit.core.io.lock import LockHeldError, lock_stream

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["WriteAheadLog"]

_SUFFIX: Final = ".decisions"
_ENCODE = msgspec.json.Encoder().encode

Line = dict[str, Any]


class WriteAheadLog:
    """A worker's file of decisions, and the files of workers that died.

    Parameters
    ----------
    folder
        Created if need be, for its owner alone: the lines hold customers' ids.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = WriteAheadLog(Path(folder))
    ...     log.add([{"key": "k1"}])
    ...     orphans = log.orphans()
    ...     log.close()
    >>> orphans
    []
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._file = folder / f"{os.getpid()}-{os.urandom(4).hex()}{_SUFFIX}"
        handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._stream: IO[bytes] = os.fdopen(handle, "wb", buffering=0)
        # Held while this process lives: a file without a lock is an orphan.
        lock_stream(self._stream, wait=True)

    def add(self, lines: list[Line]) -> None:
        """Store decisions until `clear`; the operating system has them when this returns."""
        self._stream.write(b"".join(_ENCODE(line) + b"\n" for line in lines))

    def clear(self) -> None:
        """Drop all decisions, once they are in the journal."""
        self._stream.truncate(0)

    def close(self) -> None:
        """Close the file, and remove it if it is empty."""
        empty = os.fstat(self._stream.fileno()).st_size == 0
        self._stream.close()
        if empty:
            self._file.unlink(missing_ok=True)

    def orphans(self) -> list[tuple[Path, list[Line]]]:
        """Read the files of workers that died; `remove` each once it is written."""
        orphans = []
        for file in sorted(self._folder.glob(f"*{_SUFFIX}")):
            if file == self._file:
                continue
            with contextlib.suppress(OSError, LockHeldError), file.open("rb+") as stream:
                lock_stream(stream, wait=False)
                orphans.append((file, _read(stream.read())))
        return orphans

    @staticmethod
    def remove(file: Path) -> None:
        """Remove a file whose decisions are in the journal."""
        file.unlink(missing_ok=True)


def _read(content: bytes) -> list[Line]:
    lines = []
    for line in content.splitlines():
        # A worker killed within its last line had not sent that reply.
        with contextlib.suppress(msgspec.DecodeError):
            lines.append(msgspec.json.decode(line, type=dict[str, Any]))
    return lines
