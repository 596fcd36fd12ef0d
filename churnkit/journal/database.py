"""Connections to the journal's database, and transactions that writers take in turn."""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, create_engine, event, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.types import Text

from churnkit.errors import JournalError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Engine

__all__ = ["Database"]

_WAIT_SECONDS = 60
# Advisory locks of the journal: the first number is its own space, the second what is locked.
_SPACE = 0x43_4B_4A
_WHOLE, _SCHEMA = 0, -1
# Writers with more customers than this lock the whole journal instead of each bucket.
_FEW = 8
_BUCKETS = 4096


class Database:
    """One database, SQLite or PostgreSQL, that serialises writers who touch the same customer.

    Parameters
    ----------
    url
        A SQLAlchemy URL.
    """

    def __init__(self, url: str) -> None:
        self.url = _parsed(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = self._connect()

    def __repr__(self) -> str:
        return f"<Database {self.url.render_as_string(hide_password=True)}>"

    def _connect(self) -> Engine:
        if self.is_sqlite and self.url.database and self.url.database != ":memory:":
            try:
                Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise JournalError(f"{self!r} cannot be made: {error.strerror}") from None
        # Values of customers never get into an error's text.
        settings: dict[str, Any] = {"hide_parameters": True, "pool_pre_ping": not self.is_sqlite}
        if self.is_sqlite:
            settings["connect_args"] = {"timeout": _WAIT_SECONDS}
        try:
            engine = create_engine(self.url, **settings)
        except ModuleNotFoundError:
            raise MissingExtraError("postgres", "psycopg") from None
        if self.is_sqlite:
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        return engine

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read from one state of the journal."""
        with self._refusing("read"), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(
        self, customers: Collection[str] = (), *, whole: bool = False
    ) -> Iterator[Connection]:
        """Write: all of it or nothing, after every writer who is at one of the same customers."""
        with self._refusing("written"), self._engine.connect() as plain:
            connection = plain.execution_options(churnkit_writes=True)
            with connection.begin():
                if not self.is_sqlite:
                    _lock(connection, customers, whole=whole)
                yield connection

    @contextmanager
    def defining(self) -> Iterator[Connection]:
        """Change the schema, one process at a time."""
        with self._refusing("opened"), self._engine.connect() as plain:
            connection = plain.execution_options(churnkit_writes=True)
            with connection.begin():
                if not self.is_sqlite:
                    connection.execute(_EXCLUSIVE, {"space": _SPACE, "what": _SCHEMA})
                yield connection

    def among(self, column: ColumnElement[Any], values: Collection[str]) -> ColumnElement[bool]:
        """Tell in SQL whether a column is among any number of values: one parameter, one plan."""
        if self.is_sqlite:
            members: Any = bindparam(None, json.dumps(list(values)), unique=True)
            given = func.json_each(members).table_valued("value")
            return column.in_(select(given.c.value))
        return column == func.any(bindparam(None, list(values), type_=ARRAY(Text()), unique=True))

    def forget(self) -> None:
        """Take what was deleted out of SQLite's log too."""
        if self.is_sqlite:
            with self._refusing("written"), self._engine.connect() as connection:
                raw = connection.connection.driver_connection
                if raw is not None:
                    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextmanager
    def _refusing(self, done: str) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            where = self.url.render_as_string(hide_password=True)
            reason = getattr(error, "orig", None)
            kind = type(reason or error).__name__
            raise JournalError(
                f"the journal at {where} cannot be {done} ({kind}{_hint(reason)}); nothing of "
                "this step was changed"
            ) from None


_EXCLUSIVE = text("SELECT pg_advisory_xact_lock(:space, :what)")
_SHARED = text("SELECT pg_advisory_xact_lock_shared(:space, :what)")


def _lock(connection: Connection, customers: Collection[str], *, whole: bool) -> None:
    # The whole journal first, then buckets in ascending order: nobody waits in a circle.
    buckets = sorted({_bucket(customer) for customer in customers})
    if whole or len(buckets) > _FEW:
        connection.execute(_EXCLUSIVE, {"space": _SPACE, "what": _WHOLE})
        return
    connection.execute(_SHARED, {"space": _SPACE, "what": _WHOLE})
    for bucket in buckets:
        connection.execute(_EXCLUSIVE, {"space": _SPACE, "what": bucket})


def _bucket(customer: str) -> int:
    return 1 + zlib.crc32(customer.encode()) % _BUCKETS


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise JournalError(
            "the journal's URL cannot be read: give one such as sqlite:///journal.db or "
            "postgresql://user@host/name"
        ) from None
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise JournalError(f"the journal cannot live on '{backend}': use sqlite or postgresql")
    return parsed


def _hint(reason: BaseException | None) -> str:
    said = str(reason) if reason is not None else ""
    for known in ("database is locked", "unable to open", "readonly", "disk is full", "refused"):
        if known in said:
            return f": {known}"
    return ""


def _prepare_sqlite(raw: Any, _record: Any) -> None:
    # Transactions begin where we say, not where the driver guesses.
    raw.isolation_level = None
    cursor = raw.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_WAIT_SECONDS * 1000}")
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    # The change of mode does not wait for other processes that are changing it too.
    for attempt in range(200):
        try:
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] in {"wal", "memory"}:
                return
            cursor.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or attempt == 199:
                raise
            time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("churnkit_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
