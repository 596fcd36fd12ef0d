"""Advisory file locks between processes, on every operating system."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = ["LockHeldError", "exclusive_lock", "lock_stream"]


class LockHeldError(Exception):
    """Another process holds the lock."""


def lock_stream(stream: IO[Any], *, wait: bool) -> None:
    """Lock an open file until it is closed.

    Parameters
    ----------
    stream
        The open file.
    wait
        Wait for the lock; otherwise fail if another process holds it.

    Raises
    ------
    LockHeldError
        If another process holds the lock and `wait` is false.
    """
    import portalocker

    flags = portalocker.LockFlags.EXCLUSIVE
    if not wait:
        flags |= portalocker.LockFlags.NON_BLOCKING
    try:
        portalocker.lock(stream, flags)
    except portalocker.exceptions.AlreadyLocked:
        raise LockHeldError from None


@contextmanager
def exclusive_lock(path: str | os.PathLike[str], *, wait: bool = True) -> Iterator[IO[str]]:
    """Hold an exclusive lock on a file, which is created if missing.

    Parameters
    ----------
    path
        Path of the lock file.
    wait
        Wait for the lock; otherwise fail if another process holds it.

    Raises
    ------
    LockHeldError
        If another process holds the lock and `wait` is false.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with exclusive_lock(Path(folder) / "job.lock"):
    ...         try:
    ...             with exclusive_lock(Path(folder) / "job.lock", wait=False):
    ...                 pass
    ...         except LockHeldError:
    ...             print("held")
    held
    """
    with Path(path).open("a", encoding="utf-8") as stream:
        lock_stream(stream, wait=wait)
        yield stream
