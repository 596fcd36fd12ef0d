"""A write-ahead log of decisions: on disk before the reply, in the journal soon after.

A record outlives its process: the next worker writes what a killed one had answered and not yet
written. The journal takes each key once, so writing twice does no harm.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Final, get_type_hints

import msgspec

from churnkit.core.io.lock import LockHeldError, lock_stream
from churnkit.errors import JournalError
from churnkit.journal.records import DecisionRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["Orphan", "WriteAheadLog"]

_SUFFIX: Final = ".decisions"
_REJECTED: Final = "rejected.jsonl"
_ENCODE: Final = msgspec.json.Encoder().encode
_FIELDS: Final = dataclasses.fields(DecisionRecord)
_NAMES: Final = [part.name for part in _FIELDS]
_TYPES: Final = get_type_hints(
    DecisionRecord, localns={"date": datetime, "datetime": datetime, "Mapping": dict}
)
# The types of a line are checked, so that no line reaches the database that it cannot store.
_LINE: Final = msgspec.defstruct(
    "Line",
    [
        (part.name, _TYPES[part.name])
        if part.default is dataclasses.MISSING
        else (part.name, _TYPES[part.name], part.default)
        for part in _FIELDS
    ],
    forbid_unknown_fields=True,
)
_DECODE: Final[Any] = msgspec.json.Decoder(_LINE).decode


@dataclasses.dataclass(frozen=True, slots=True)
class Orphan:
    """The file of a worker that died.

    Parameters
    ----------
    path
        The file.
    records
        Its decisions.
    invalid
        Lines that hold no decision of this version.
    torn_bytes
        Size of an incomplete last line, whose reply was never sent.
    """

    path: Path
    records: tuple[DecisionRecord, ...]
    invalid: tuple[bytes, ...] = ()
    torn_bytes: int = 0


class WriteAheadLog:
    """A worker's file of decisions, and the files of workers that died.

    Parameters
    ----------
    folder
        Existing folder, for its owner alone: the lines hold customers' ids.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import date
    >>> from pathlib import Path
    >>> day = date(2026, 11, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = WriteAheadLog(Path(folder))
    ...     log.add([DecisionRecord("k1", "c1", day, day, "shop")])
    ...     orphans = list(log.orphans())
    ...     log.close()
    >>> orphans
    []
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._size = 0
        self._is_synced = True
        self._file, self._stream = self._create()

    def _create(self) -> tuple[Path, IO[bytes]]:
        while True:
            file = self._folder / f"{os.getpid()}-{os.urandom(4).hex()}{_SUFFIX}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            stream = os.fdopen(os.open(file, flags, 0o600), "wb", buffering=0)
            # Held while this process lives: a file without a lock is an orphan.
            lock_stream(stream, wait=True)
            # Before the lock, another worker may have removed the empty file as an orphan.
            if file.exists():
                _sync_folder(self._folder)
                return file, stream
            stream.close()

    def add(self, records: Sequence[DecisionRecord]) -> None:
        """Store decisions until `clear`; the operating system has them when this returns.

        Raises
        ------
        OSError
            If they cannot be stored as a whole; then none of them is.
        """
        if os.fstat(self._stream.fileno()).st_size != self._size:
            self._stream.truncate(self._size)
        content = memoryview(b"".join([_ENCODE(record) + b"\n" for record in records]))
        try:
            written = 0
            while written < len(content):
                # A write to a full disk stores a part and reports no error.
                written += self._stream.write(content[written:]) or 0
        except OSError:
            with contextlib.suppress(OSError):
                self._stream.truncate(self._size)
            raise
        self._size += len(content)
        self._is_synced = False

    def sync(self) -> None:
        """Wait until the disk holds what was added; it then survives a loss of power."""
        if not self._is_synced:
            self._is_synced = True
            try:
                os.fdatasync(self._stream.fileno())
            except OSError:
                self._is_synced = False
                raise

    def clear(self) -> None:
        """Drop all decisions, once they are in the journal."""
        if self._size:
            self._stream.truncate(0)
            self._size = 0
            self._is_synced = True

    def close(self) -> None:
        """Close the file, and remove it if it is empty."""
        empty = os.fstat(self._stream.fileno()).st_size == 0
        self._stream.close()
        if empty:
            self._file.unlink(missing_ok=True)

    def orphans(self) -> Iterator[Orphan]:
        """Yield the files of workers that died, each locked until the next; `remove` what is written."""
        for file in sorted(self._folder.glob(f"*{_SUFFIX}")):
            if file == self._file:
                continue
            with contextlib.suppress(FileNotFoundError, LockHeldError), file.open("rb+") as stream:
                lock_stream(stream, wait=False)
                yield _read(file, stream.read())

    @staticmethod
    def remove(orphan: Orphan) -> None:
        """Remove a file whose decisions are in the journal."""
        orphan.path.unlink(missing_ok=True)

    def reject(self, lines: Sequence[DecisionRecord | bytes]) -> Path:
        """Append lines that the journal cannot take to a file, for a person to look at.

        Returns
        -------
        pathlib.Path
            The file.
        """
        file = self._folder / _REJECTED
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with os.fdopen(os.open(file, flags, 0o600), "wb") as stream:
            for line in lines:
                stream.write((line if isinstance(line, bytes) else _ENCODE(line)) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        return file


def _read(path: Path, content: bytes) -> Orphan:
    complete, _, torn = content.rpartition(b"\n")
    records, invalid = [], []
    for line in complete.split(b"\n") if complete else ():
        record = _decode(line)
        if record is None:
            invalid.append(line)
        else:
            records.append(record)
    return Orphan(path, tuple(records), tuple(invalid), len(torn))


def _decode(line: bytes) -> DecisionRecord | None:
    """Read a line; None if it holds no decision of this version."""
    try:
        fields = _DECODE(line)
        return DecisionRecord(**{name: getattr(fields, name) for name in _NAMES})
    except (msgspec.DecodeError, JournalError, RecursionError, ValueError, OverflowError):
        return None


def _sync_folder(folder: Path) -> None:
    """Let a new file's name survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
