"""Faults of the machine in the soak test: a database that stops, a full disk, a clock that jumps.

Each is used where the machine allows it: PostgreSQL's programs, permission to mount a tmpfs, and
libfaketime.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Clock", "Database", "Disk", "PostgreSQL", "SQLite", "faked_clock", "small_disk"]

_DISK_BYTES = 4_000_000
# Without its monotonic clock, libfaketime refuses the call of `time.sleep`.
_HOOK = "clock-hook"
_SLEEP = """import select
import time


def sleep(seconds):
    select.select((), (), (), seconds)


time.sleep = sleep
"""
_LIBRARIES = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
)


class Database(Protocol):
    """Database of the journal."""

    @property
    def url(self) -> str:
        """URL of the journal."""
        ...

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Keep all others from the journal while the block runs, as a migration does."""
        ...

    def stopped(self) -> contextlib.AbstractContextManager[None]:
        """Stop the database while the block runs."""
        ...


@dataclass(frozen=True)
class SQLite:
    """A journal in a file."""

    file: Path

    @property
    def url(self) -> str:
        """URL of the journal."""
        return f"sqlite:///{self.file}"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all others from the journal while the block runs, as a backup does."""
        connection = sqlite3.connect(self.file, isolation_level=None, timeout=5.0)
        with contextlib.closing(connection):
            with contextlib.suppress(sqlite3.OperationalError):
                connection.execute("BEGIN EXCLUSIVE")
            yield

    stopped = locked


class PostgreSQL:
    """A server of its own on a private socket; it does not run as root.

    Parameters
    ----------
    folder
        For its files.
    """

    def __init__(self, folder: Path) -> None:
        home = _postgres_programs()
        if home is None:
            raise RuntimeError("PostgreSQL is not installed")
        self._home = home
        self._folder = folder
        self._user: dict[str, Any] = {}
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            self._user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self.url = f"postgresql://churnkit@/postgres?host={quote(str(folder))}"

    @staticmethod
    def is_installed() -> bool:
        """Return whether its programs exist."""
        return _postgres_programs() is not None

    @contextlib.contextmanager
    def running(self) -> Iterator[PostgreSQL]:
        """Run the server while the block runs."""
        self._folder.mkdir(parents=True)
        if self._user:
            os.chown(self._folder, self._user["user"], self._user["group"])
        self._run("initdb", "-U", "churnkit", "-A", "trust", "-N", "-E", "UTF8")
        self._start()
        try:
            yield self
        finally:
            self._run("pg_ctl", "-m", "immediate", "stop")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the table of decisions while the block runs, as a migration does."""
        import psycopg

        with psycopg.connect(self.url) as connection:
            connection.execute("LOCK TABLE churnkit_decisions IN ACCESS EXCLUSIVE MODE")
            yield
            connection.rollback()

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the server while the block runs, without notice to its clients."""
        self._run("pg_ctl", "-m", "immediate", "stop")
        try:
            yield
        finally:
            self._start()

    def _start(self) -> None:
        server = f"-k {self._folder} -c listen_addresses= -c max_connections=60"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-w", "-t", "300", "-l", log, "-o", server, "start")

    def _run(self, program: str, *options: str) -> None:
        subprocess.run(
            [str(self._home / program), "-D", str(self._folder / "data"), *options],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
            **self._user,
        )


def _postgres_programs() -> Path | None:
    homes = Path("/usr/lib/postgresql").glob("*/bin")
    home = max(homes, key=lambda path: float(path.parent.name), default=None)
    if home is None:
        initdb = shutil.which("initdb")
        return Path(initdb).resolve().parent if initdb else None
    return home


@dataclass(frozen=True)
class Disk:
    """A small disk that can be filled."""

    folder: Path

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Fill the disk to the last byte while the block runs."""
        filler = self.folder / "filler"
        try:
            with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
                for size in (65_536, 1):
                    with contextlib.suppress(OSError):
                        while stream.write(b"\0" * size):
                            pass
            yield
        finally:
            filler.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Disk | None]:
    """Mount a tmpfs of a few megabytes while the block runs; None without the permission."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES},mode=0755", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        yield None
        return
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=False, capture_output=True)


@dataclass(frozen=True)
class Clock:
    """The system clock of processes that run under libfaketime."""

    file: Path
    library: Path

    @property
    def settings(self) -> dict[str, str]:
        """Environment variables for these processes."""
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_CACHE_DURATION": "1",
            # A jump of the system clock leaves the monotonic clock as it is.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": os.pathsep.join(
                filter(None, (str(self.file.parent / _HOOK), os.environ.get("PYTHONPATH")))
            ),
        }

    def jump(self, seconds: float) -> None:
        """Move the clock to this distance from the true time."""
        following = self.file.with_suffix(".next")
        following.write_text(f"{seconds:+.0f}\n")
        following.replace(self.file)


def faked_clock(folder: Path) -> Clock | None:
    """Return a clock that can jump; None without libfaketime."""
    for pattern in _LIBRARIES:
        for library in Path("/").glob(pattern.lstrip("/")):
            clock = Clock(folder / "clock", library)
            clock.jump(0.0)
            (folder / _HOOK).mkdir()
            (folder / _HOOK / "sitecustomize.py").write_text(_SLEEP)
            return clock
    return None
