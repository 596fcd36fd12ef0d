"""Delete customers' rows from tables of databases and from files of object stores."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from churnkit.batch.io.delete_rows import erase_rows
from churnkit.batch.io.folder_writer import upload
from churnkit.core.io.formats.signature import kind_of
from churnkit.core.io.query import connect_engine, quote_identifier
from churnkit.core.io.remote.object_store import find_objects, open_filesystem, store_errors
from churnkit.core.io.spool import temporary_folder
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from churnkit.core.io.locations import Location

__all__ = ["erase_remote_rows"]

_IDS_OF_A_STATEMENT = 500


def erase_remote_rows(
    location: Location, customers: set[str], *, column: str, dry_run: bool = False
) -> int | None:
    """Delete the rows of some customers from an output in a database or an object store.

    A table is changed in one transaction. Each file of a store with such rows is written again
    and replaced; stores with versions keep the earlier ones.

    Parameters
    ----------
    location
        A table of a database, or a file or prefix of an object store.
    customers
        Ids as text.
    column
        Column with the ids.
    dry_run
        Only count.

    Returns
    -------
    int or None
        Number of their rows; None if there is no such output.

    Raises
    ------
    ChurnkitError
        If the database or the store cannot be reached, or refuses.
    """
    if location.is_object_store:
        return _in_store(location.text, customers, column=column, dry_run=dry_run)
    if location.is_local and not location.path.exists():
        return None
    ids = sorted(customers)
    if location.is_local and kind_of(location.text) == "duckdb":
        return _in_duckdb(location, ids, column=column, dry_run=dry_run)
    return _in_database(location, ids, column=column, dry_run=dry_run)


def _in_duckdb(location: Location, ids: list[str], *, column: str, dry_run: bool) -> int | None:
    import duckdb

    table = quote_identifier(str(location.part))
    rows = f"FROM {table} WHERE trim(CAST({quote_identifier(column)} AS VARCHAR)) IN (SELECT unnest(?))"
    listed = "SELECT count(*) FROM duckdb_tables() WHERE table_name = ?"
    with _errors(location), duckdb.connect(location.text, read_only=dry_run) as connection:
        if connection.execute(listed, [location.part]).fetchone() == (0,):
            return None
        (count,) = connection.execute(f"SELECT count(*) {rows}", [ids]).fetchone() or (0,)
        if count and not dry_run:
            connection.execute(f"DELETE {rows}", [ids])
    return int(count)


def _in_database(location: Location, ids: list[str], *, column: str, dry_run: bool) -> int | None:
    import sqlalchemy as sa

    url = f"sqlite:///{location.path.absolute()}" if location.is_local else location.text
    engine = connect_engine(url)
    table = sa.table(str(location.part), sa.column(column))
    text = sa.func.trim(sa.cast(table.c[column], sa.String))
    count = 0
    try:
        with _errors(location), engine.begin() as connection:
            if not sa.inspect(connection).has_table(str(location.part)):
                return None
            for start in range(0, len(ids), _IDS_OF_A_STATEMENT):
                is_customer = text.in_(ids[start : start + _IDS_OF_A_STATEMENT])
                query = sa.select(sa.func.count()).select_from(table).where(is_customer)
                count += int(connection.execute(query).scalar_one())
                if not dry_run:
                    connection.execute(sa.delete(table).where(is_customer))
    finally:
        engine.dispose()
    return count


@contextmanager
def _errors(location: Location) -> Iterator[None]:
    import duckdb
    import sqlalchemy as sa

    try:
        yield
    except (sa.exc.SQLAlchemyError, duckdb.Error, OSError) as error:
        kind = type(getattr(error, "orig", None) or error).__name__
        raise ChurnkitError(f"{location} was not changed: the database refuses ({kind})") from None


def _in_store(url: str, customers: set[str], *, column: str, dry_run: bool) -> int | None:
    from pyarrow import fs

    filesystem, path = open_filesystem(url)
    with store_errors(url):
        if filesystem.get_file_info(path.rstrip("/")).type == fs.FileType.NotFound:
            return None
    files, _ = find_objects(url)
    folder = temporary_folder()
    total = 0
    try:
        for file in files:
            if kind_of(file.name) is None:
                continue
            copy = folder / file.name
            shutil.copyfile(file.download(), copy)
            rows = erase_rows(copy, customers, column=column, dry_run=dry_run)
            if rows and not dry_run:
                upload(copy, file.filesystem, file.path, url=file.url)
            total += rows
            copy.unlink()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return total
