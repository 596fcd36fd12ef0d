"""Detect that a file has changed, at most once per interval."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

__all__ = ["FileWatch"]


class FileWatch:
    """Polls a file's modification time, size and inode.

    Parameters
    ----------
    path
        The file; it may be missing.
    seconds
        Minimum time between two looks at the file system.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "a.json"
    ...     watch = FileWatch(file, seconds=0.0)
    ...     before = watch.changed()
    ...     _ = file.write_text("{}")
    ...     before, watch.changed(), watch.changed()
    (False, True, False)
    """

    def __init__(self, path: str | os.PathLike[str], seconds: float) -> None:
        self.path: Path = Path(path)
        self._seconds = seconds
        self._stamp = self._read_stamp()
        self._next = time.monotonic() + seconds

    def changed(self) -> bool:
        """Return whether the file differs from the last look; false within the interval."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._seconds
        stamp, self._stamp = self._stamp, self._read_stamp()
        return stamp != self._stamp

    def _read_stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
