"""Tables of a database, and files in object stores."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.connect.delivery.messages import Receipt, check_secret
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.connect.delivery.messages import Link, Message
    from churnkit.connect.secrets import Secret

__all__ = ["DatabaseTable", "StoreFiles"]

_COLUMNS = ("decision", "customer", "action", "decided_at")


@dataclass(frozen=True, slots=True)
class DatabaseTable:
    """Rows of a database table, one per decision; the table is created if missing.

    Parameters
    ----------
    url
        Secret SQLAlchemy URL.
    table
        Name of the table.
    batch
        Rows in one transaction.

    Examples
    --------
    >>> from churnkit.connect import Env
    >>> DatabaseTable(Env("WAREHOUSE_URL")).table
    'churnkit_actions'
    """

    url: Secret
    table: str = "churnkit_actions"
    batch: int = 1000

    def __post_init__(self) -> None:
        check_secret("DatabaseTable", "url", self.url)

    @property
    def repeatable(self) -> bool:
        """Rows are replaced by their decision."""
        return True

    @property
    def undoable(self) -> bool:
        """Rows can be deleted."""
        return True

    def open(self, name: str, link: Link) -> _Rows:
        """Open the destination."""
        del link
        return _Rows(name, self)


class _Rows:
    def __init__(self, name: str, settings: DatabaseTable) -> None:
        from sqlalchemy import Column, MetaData, String, Table, create_engine
        from sqlalchemy.exc import ArgumentError, SQLAlchemyError

        self._name, self._errors = name, SQLAlchemyError
        columns = [Column(column, String(200)) for column in _COLUMNS[1:]]
        key = Column("decision", String(200), primary_key=True)
        self._table = Table(settings.table, MetaData(), key, *columns)
        try:
            self._engine = create_engine(settings.url.resolve(), hide_parameters=True)
            self._table.metadata.create_all(self._engine)
        except (SQLAlchemyError, ArgumentError, ModuleNotFoundError) as error:
            raise self._failure(error) from None

    def send(self, messages: Sequence[Message]) -> list[Receipt]:
        """Replace the rows of a batch in one transaction."""
        from sqlalchemy import insert

        rows = [{name: message.value(name) for name in _COLUMNS} for message in messages]
        return self._change(messages, insert(self._table), rows)

    def undo(self, messages: Sequence[Message]) -> list[Receipt]:
        """Delete the rows of a batch."""
        return self._change(messages, None, [])

    def _change(
        self, messages: Sequence[Message], statement: Any, rows: list[dict[str, Any]]
    ) -> list[Receipt]:
        from sqlalchemy import delete

        keys = [message.decision for message in messages]
        try:
            with self._engine.begin() as connection:
                connection.execute(delete(self._table).where(self._table.c.decision.in_(keys)))
                if rows:
                    connection.execute(statement, rows)
        except self._errors as error:
            raise self._failure(error) from None
        return [Receipt(key) for key in keys]

    def _failure(self, error: BaseException) -> ConnectError:
        return ConnectError(
            f"{self._name}: the database cannot be written ({type(error).__name__}): check its URL "
            "and the access"
        )


@dataclass(frozen=True, slots=True)
class StoreFiles:
    """Parquet files in a folder or an object store, one per batch.

    Parameters
    ----------
    folder
        Folder or URL, such as ``s3://bucket/actions``.
    batch
        Rows of a file.

    Examples
    --------
    >>> StoreFiles("s3://bucket/actions").repeatable
    True
    """

    folder: str
    batch: int = 10_000

    @property
    def repeatable(self) -> bool:
        """The name of a file follows from its decisions."""
        return True

    @property
    def undoable(self) -> bool:
        """Files stay, since they hold other actions too."""
        return False

    def open(self, name: str, link: Link) -> _Files:
        """Open the destination."""
        del link
        return _Files(name, self.folder.rstrip("/"))


class _Files:
    def __init__(self, name: str, folder: str) -> None:
        self._name, self._folder = name, folder

    def send(self, messages: Sequence[Message]) -> list[Receipt]:
        """Write a file for a batch."""
        import pyarrow as pa

        from churnkit.batch.io.open_writer import open_writer

        table = pa.Table.from_pylist([message.to_dict() for message in messages])
        keys = "".join(message.decision for message in messages)
        digest = hashlib.sha256(keys.encode()).hexdigest()[:32]
        with open_writer(f"{self._folder}/actions-{digest}.parquet", table.schema) as writer:
            writer.write(table)
            writer.finish()
        return [Receipt(message.decision) for message in messages]

    def undo(self, messages: Sequence[Message]) -> list[Receipt]:
        """Refuse."""
        raise ConnectError(f"{self._name}: {len(messages)} rows in files cannot be undone")
