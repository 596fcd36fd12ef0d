"""Atomic file writes: a file appears complete under its name, or not at all."""

from __future__ import annotations

import os
import re
import secrets
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

__all__ = ["StagedFile", "atomic_write", "private_mode", "refuse_url", "write_atomic"]

# Two letters or more: a single one is a drive. A Path has lost one of the slashes.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
# The kernel takes the process's umask off this mode when the file is created.
_DEFAULT_MODE = 0o666
_PRIVATE_MODE = 0o600


def refuse_url(path: str | os.PathLike[str]) -> None:
    """Refuse a URL as an output, which would become a local folder named after its scheme.

    Examples
    --------
    >>> refuse_url("scores.parquet")
    >>> refuse_url("s3://bucket/scores.parquet")
    Traceback (most recent call last):
    churnkit.errors.ChurnkitError: output is a URL (s3:): write to a local file and copy it there
    """
    text = os.fspath(path)
    if _URL.match(text):
        scheme = text.partition(":")[0]
        raise ChurnkitError(f"output is a URL ({scheme}:): write to a local file and copy it there")


class StagedFile:
    """A temporary file in the target's folder that replaces the target on `commit`.

    As a context manager it commits when the block ends and discards when the block raises.
    Each instance uses a unique temporary name, so that concurrent writers do not interfere: the
    last commit wins.

    Parameters
    ----------
    target
        Path of the file to write. Missing parent folders are created.
    mode
        Permission bits, reduced by the process's umask.

    Raises
    ------
    OSError
        If the folder or the file cannot be created.
    ChurnkitError
        If the target is a URL.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with StagedFile(Path(folder) / "a.txt") as staged:
    ...         _ = staged.path.write_text("complete")
    ...     (Path(folder) / "a.txt").read_text()
    'complete'
    """

    def __init__(self, target: str | os.PathLike[str], *, mode: int = _DEFAULT_MODE) -> None:
        refuse_url(target)
        self.target: Path = Path(target)
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.path: Path = self.target.with_name(f".{self.target.name}-{secrets.token_hex(6)}")
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))

    def sync(self) -> None:
        """Flush the content to disk."""
        with self.path.open("rb+") as stream:
            os.fsync(stream.fileno())

    def commit(self) -> None:
        """Flush the content to disk and rename the file to the target."""
        self.sync()
        self.path.replace(self.target)

    def discard(self) -> None:
        """Remove the temporary file; the target stays as it was."""
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.commit()
        finally:
            self.discard()


def private_mode(target: str | os.PathLike[str]) -> int:
    """Return the permission bits for a file with customers' data.

    A new file is for its owner alone; a file that exists keeps its bits.
    """
    try:
        return stat.S_IMODE(Path(target).stat().st_mode)
    except OSError:
        return _PRIVATE_MODE


@contextmanager
def atomic_write(target: str | os.PathLike[str], *, mode: int = _DEFAULT_MODE) -> Iterator[Path]:
    """Yield a temporary path that replaces the target when the block ends without an error.

    Parameters
    ----------
    target
        Path of the file to write.
    mode
        Permission bits, reduced by the process's umask.
    """
    with StagedFile(target, mode=mode) as staged:
        yield staged.path


def write_atomic(
    target: str | os.PathLike[str], content: str | bytes, *, mode: int = _DEFAULT_MODE
) -> None:
    """Write a file's content atomically; text is encoded as UTF-8.

    Parameters
    ----------
    target
        Path of the file to write.
    content
        The complete content.
    mode
        Permission bits, reduced by the process's umask: ``0o600`` for secrets.

    Raises
    ------
    OSError
        If the file cannot be written; an older file stays as it was.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomic(Path(folder) / "a.json", "{}")
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['a.json']
    """
    with atomic_write(target, mode=mode) as path:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
