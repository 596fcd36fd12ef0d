"""Connections to the journal database, and transactions that serialize writers."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
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

__all__ = ["Database", "absolute_url", "parse_url"]

_WAIT_SECONDS = 60
_CONNECT_SECONDS = 10
# Keys of PostgreSQL advisory locks: a namespace, and within it the journal, schema or bucket.
_NAMESPACE = 0x43_4B_4A
_JOURNAL, _SCHEMA = 0, -1
# Writers with customers in more buckets than this lock the journal instead of each bucket.
_MAX_BUCKET_LOCKS = 8
_BUCKETS = 4096


class Database:
    """SQLite or PostgreSQL database that serializes writers of the same customer.

    Parameters
    ----------
    url
        A SQLAlchemy URL.
    """

    def __init__(self, url: str) -> None:
        self.url: URL = parse_url(url)
        self.is_sqlite: bool = self.url.get_backend_name() == "sqlite"
        self._engine = self._connect()
        self._thread = threading.local()

    def __repr__(self) -> str:
        return f"<Database {self.url.render_as_string(hide_password=True)}>"

    def _connect(self) -> Engine:
        if self.is_sqlite and self.url.database and self.url.database != ":memory:":
            try:
                file = Path(self.url.database)
                file.parent.mkdir(parents=True, exist_ok=True)
                # For its owner alone; SQLite gives its other files the same mode.
                os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
            except OSError as error:
                raise JournalError(f"{self!r} cannot be created: {error.strerror}") from None
        # hide_parameters keeps customers' values out of error messages.
        settings: dict[str, Any] = {"hide_parameters": True, "pool_pre_ping": not self.is_sqlite}
        if self.is_sqlite:
            settings["connect_args"] = {"timeout": _WAIT_SECONDS}
        elif "connect_timeout" not in self.url.query:
            settings["connect_args"] = {"connect_timeout": _CONNECT_SECONDS}
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
        """Open a read transaction."""
        joint = self._joint()
        if joint is not None:
            yield joint
            return
        with self._journal_errors("read"), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(
        self, customers: Collection[str] = (), *, exclusive: bool = False
    ) -> Iterator[Connection]:
        """Open a write transaction, which waits for writers of the same customers.

        With `exclusive` it waits for all writers.
        """
        joint = self._joint()
        if joint is not None:
            with joint.begin_nested():
                yield joint
            return
        with self._journal_errors("written"), self._engine.connect() as plain:
            connection = plain.execution_options(churnkit_writes=True)
            with connection.begin():
                if not self.is_sqlite:
                    _lock(connection, customers, exclusive=exclusive)
                yield connection

    @contextmanager
    def joining(self) -> Iterator[Connection]:
        """Open an exclusive write transaction that the thread's reads and writes within it join.

        What they read is what they write on: nobody else writes in between, in this process or
        another, and an error undoes all of it.
        """
        with self.writing(exclusive=True) as connection:
            outer, self._thread.joint = self._joint(), connection
            try:
                yield connection
            finally:
                self._thread.joint = outer

    def _joint(self) -> Connection | None:
        """Return the thread's transaction to join; None outside `joining`."""
        return getattr(self._thread, "joint", None)

    @contextmanager
    def defining(self) -> Iterator[Connection]:
        """Open a transaction that changes the schema, exclusive across processes."""
        with self._journal_errors("opened"), self._engine.connect() as plain:
            connection = plain.execution_options(churnkit_writes=True)
            with connection.begin():
                if not self.is_sqlite:
                    connection.execute(_EXCLUSIVE, {"space": _NAMESPACE, "key": _SCHEMA})
                yield connection

    def is_in(self, column: ColumnElement[Any], values: Collection[str]) -> ColumnElement[bool]:
        """Return a SQL condition: the column is in `values`, passed as one parameter of any length."""
        if self.is_sqlite:
            members: Any = bindparam(None, json.dumps(list(values)), unique=True)
            table = func.json_each(members).table_valued("value")
            return column.in_(select(table.c.value))
        return column == func.any(bindparam(None, list(values), type_=ARRAY(Text()), unique=True))

    def truncate_log(self, seconds: float) -> bool:
        """Remove deleted rows from SQLite's write-ahead log too.

        Returns
        -------
        bool
            False if a reader keeps the log from being truncated for this time.
        """
        if not self.is_sqlite:
            return True
        with self._journal_errors("written"), self._engine.connect() as connection:
            raw = connection.connection.driver_connection
            if raw is None:
                return True
            raw.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")
            try:
                [(is_busy, _, _)] = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                raw.execute(f"PRAGMA busy_timeout = {_WAIT_SECONDS * 1000}")
            return not is_busy

    @contextmanager
    def _journal_errors(self, operation: str) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            where = self.url.render_as_string(hide_password=True)
            reason = getattr(error, "orig", None)
            kind = type(reason or error).__name__
            raise JournalError(
                f"the journal at {where} cannot be {operation} ({kind}{_hint(reason)}); this "
                "transaction was rolled back"
            ) from None


def absolute_url(url: str, folder: str | Path = "") -> str:
    """Return a journal's URL with the path of a SQLite file made absolute, from a folder if given.

    Raises
    ------
    JournalError
        If the URL is invalid.

    Examples
    --------
    >>> absolute_url("sqlite:////data/journal.db")
    'sqlite:////data/journal.db'
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in {None, "", ":memory:"}:
        return url
    path = str(Path(folder, str(parsed.database)).absolute())
    return parsed.set(database=path).render_as_string(hide_password=False)


_EXCLUSIVE = text("SELECT pg_advisory_xact_lock(:space, :key)")
_SHARED = text("SELECT pg_advisory_xact_lock_shared(:space, :key)")


def _lock(connection: Connection, customers: Collection[str], *, exclusive: bool) -> None:
    # The journal first, then buckets in ascending order: no deadlock.
    buckets = sorted({_bucket(customer) for customer in customers})
    if exclusive or len(buckets) > _MAX_BUCKET_LOCKS:
        connection.execute(_EXCLUSIVE, {"space": _NAMESPACE, "key": _JOURNAL})
        return
    connection.execute(_SHARED, {"space": _NAMESPACE, "key": _JOURNAL})
    for bucket in buckets:
        connection.execute(_EXCLUSIVE, {"space": _NAMESPACE, "key": bucket})


def _bucket(customer: str) -> int:
    return 1 + zlib.crc32(customer.encode()) % _BUCKETS


def parse_url(url: str) -> URL:
    """Parse a SQLAlchemy URL without opening the database.

    Raises
    ------
    JournalError
        If it is no URL of SQLite or PostgreSQL.

    Examples
    --------
    >>> parse_url("sqlite:///journal.db").database
    'journal.db'
    """
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise JournalError(
            "the journal's URL is invalid: use one such as sqlite:///journal.db or "
            "postgresql://user@host/name"
        ) from None
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise JournalError(f"the journal does not support '{backend}': use sqlite or postgresql")
    return parsed


def _hint(reason: BaseException | None) -> str:
    message = str(reason) if reason is not None else ""
    hints = ("database is locked", "unable to open", "readonly", "disk is full", "refused")
    return next((f": {hint}" for hint in hints if hint in message), "")


def _prepare_sqlite(raw: Any, _record: Any) -> None:
    # Transactions begin explicitly, in _begin_sqlite.
    raw.isolation_level = None
    cursor = raw.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_WAIT_SECONDS * 1000}")
    _use_write_ahead_log(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.close()


def _use_write_ahead_log(cursor: Any) -> None:
    # busy_timeout does not apply to the change of mode, so it is retried.
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
