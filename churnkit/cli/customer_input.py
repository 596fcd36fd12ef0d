"""The customers that a command is asked about: rows that are ready, or raw tables and a date."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from churnkit.cli.output import say
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from churnkit.bundle.model import RetentionModel

__all__ = ["Asked"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person named.

    Parameters
    ----------
    customers
        A source for `churnkit.batch.open_source`, or with `as_of` a folder of raw tables.
    sql
        A query, for a database.
    tables
        Raw tables as ``NAME=FILE``.
    as_of
        The date at which the customers' rows are made from raw tables.
    """

    customers: str | None
    sql: str | None = None
    tables: tuple[str, ...] = ()
    as_of: str | None = None

    def open(self) -> Any:
        """Find the source, or the raw tables, before a model is loaded.

        Raises
        ------
        ChurnkitError
            If nobody can tell what is meant, or it is not there.
        """
        from churnkit.core.io.raw_tables import find_tables
        from churnkit.core.io.table_sources import open_source

        if self.as_of is None:
            if self.tables:
                raise ChurnkitError("raw tables need a date: say --as-of YYYY-MM-DD")
            if self.customers is None:
                raise typer.BadParameter("name a file, or raw tables with --as-of and --table.")
            return open_source(self.customers, sql=self.sql)
        if self.sql is not None:
            raise ChurnkitError("--sql and --as-of do not go together: raw tables are files")
        if self.customers is None:
            if not self.tables:
                raise ChurnkitError("--as-of needs raw tables: name a folder, or --table NAME=FILE")
            return find_tables(None, self.tables)
        if not Path(self.customers).is_dir():
            raise ChurnkitError(
                f"{self.customers} is no folder: with --as-of name a folder of raw tables, or each "
                "with --table NAME=FILE"
            )
        return find_tables(Path(self.customers), self.tables)

    @contextmanager
    def rows(self, opened: Any, model: RetentionModel) -> Iterator[Any]:
        """Give a source with a row a customer; one made of raw tables lasts for a while."""
        if self.as_of is None:
            yield opened
            return
        from churnkit.batch import snapshot_file
        from churnkit.core.io.table_sources import open_source

        with snapshot_file(model, opened, as_of=self.as_of) as file:
            say(f"the customers' rows as of {self.as_of} are made from raw tables")
            yield open_source(file)

    def __str__(self) -> str:
        """Say it once more, as a further command takes it."""
        parts = [] if self.customers is None else [shlex.quote(self.customers)]
        parts += [f"--sql {shlex.quote(self.sql)}"] if self.sql else []
        parts += [f"--table {shlex.quote(pair)}" for pair in self.tables]
        return " ".join([*parts, *([f"--as-of {self.as_of}"] if self.as_of else [])])
