"""Raw tables in files, by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.core.io.table_file import CSV_SUFFIXES, PARQUET_SUFFIXES, open_table, read_table
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

__all__ = ["find_tables", "raw_table"]


def find_tables(folder: Path | None, named: Sequence[str] = ()) -> dict[str, Path]:
    """Find raw tables: the files of a folder by their names, and named files.

    Parameters
    ----------
    folder
        Each .csv or .parquet file in it is a table, and so is each folder of .parquet files.
    named
        ``"events=log.parquet"``; these take precedence over the folder's.

    Returns
    -------
    dict
        Paths by table name.

    Raises
    ------
    ChurnkitError
        If there is no table, or two files of the folder have the same name.

    Examples
    --------
    >>> find_tables(None, ["events=/data/log.parquet"])
    {'events': PosixPath('/data/log.parquet')}
    """
    tables: dict[str, Path] = {}
    for pair in named:
        name, equals, file = pair.partition("=")
        if not (name and equals and file):
            raise ChurnkitError(f"--table {pair}: write it as NAME=FILE")
        tables[name] = Path(file)
    if folder is None:
        return tables
    in_folder: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        is_table = _is_table_file(path) if path.is_file() else _has_parquet(path)
        if not is_table or path.name.startswith("."):
            continue
        if path.stem in in_folder:
            raise ChurnkitError(
                f"{folder} has table '{path.stem}' twice, as {in_folder[path.stem].name} and "
                f"{path.name}: choose one with --table {path.stem}=FILE"
            )
        in_folder[path.stem] = path
    if not in_folder and not tables:
        raise ChurnkitError(f"{folder} has no .csv or .parquet file: name a folder with tables")
    return in_folder | tables


def _is_table_file(path: Path) -> bool:
    return path.suffix.lower() in CSV_SUFFIXES | PARQUET_SUFFIXES


def _has_parquet(path: Path) -> bool:
    return path.is_dir() and any(path.rglob("*.parquet"))


def raw_table(path: Path) -> Any:
    """Prepare a file for a timeline: a path where DuckDB reads it correctly, else a table.

    Parameters
    ----------
    path
        A file or folder from `find_tables`.

    Returns
    -------
    Path or pyarrow.Table
        The path of Parquet files and of UTF-8 CSV with commas, else the text of all columns.

    Raises
    ------
    ChurnkitError
        If the file cannot be read.
    """
    if path.is_dir() or path.suffix.lower() in PARQUET_SUFFIXES:
        return path
    dialect = open_table(path).dialect
    is_plain = dialect is not None and dialect.is_plain
    return path if is_plain and path.suffix.lower() == ".csv" else _trimmed(read_table(path))


def _trimmed(table: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pa.table({name: pc.ascii_trim_whitespace(table[name]) for name in table.column_names})
