"""Raw tables in files, by name."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.core.io.formats.excel import choose_sheets
from churnkit.core.io.formats.excel_tables import split_workbook
from churnkit.core.io.formats.file_names import (
    FILE_DATE,
    common_stem,
    file_dates,
    find_numbered,
    name_pattern,
    series_stems,
)
from churnkit.core.io.formats.lakehouse import DELTA_LOG, is_iceberg
from churnkit.core.io.formats.signature import (
    READABLE,
    describe_unreadable,
    kind_of,
    split_compression,
    table_stem,
)
from churnkit.core.io.locations import parse_location
from churnkit.core.io.query import database_tables
from churnkit.core.io.source_files import BatchSource, Source, TableFiles, add_dates
from churnkit.core.io.table_file import TableFile, quote_column
from churnkit.core.io.table_sources import (
    HIDDEN,
    is_pattern,
    list_files,
    local_parquet,
    open_rows,
    open_source,
    read_all,
)
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

__all__ = [
    "describe_files",
    "find_several",
    "find_tables",
    "is_old_workbook",
    "is_parquet",
    "name_numbered",
    "name_table",
    "raw_table",
    "recorded_locations",
]

# Prepared tables with their locations, while they are recorded.
_RECORDED: ContextVar[list[tuple[Any, Path]] | None] = ContextVar("recorded", default=None)
_DATABASES = {"sqlite", "duckdb", "database"}


def find_tables(
    folder: Path | None, named: Sequence[str] = (), *, with_views: bool = True
) -> dict[str, Path]:
    """Find raw tables: the files of a folder by their names, and named files.

    Parameters
    ----------
    folder
        Each readable file in it is a table, each folder of such files, each table of a database
        file, and each sheet of a workbook. Files with the same columns whose names differ only in
        a number or a date are one table. A database file in its place has its tables. Workbooks in
        the old .xls format are listed, and refused when they are read.
    named
        ``"events=log.parquet"``; these take precedence over the folder's.
    with_views
        False to leave out the views of databases of several tables: they repeat rows of tables, and
        some cannot be queried outside of their server. Tables take precedence over views of the
        same name; a name that is a view in two databases is left out.

    Returns
    -------
    dict
        Locations by table name; the location of several files is their pattern.

    Raises
    ------
    ChurnkitError
        If there is no table, two files of the folder have the same name, or of files whose names
        differ only in a number or a date some have other columns.

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
    for name, path in _join_numbered(list(_tables_in(folder))):
        if name in in_folder and name not in tables:
            raise ChurnkitError(
                f"{folder} has table '{name}' twice, as {in_folder[name].name} and "
                f"{path.name}: move one out of the folder, or choose one with --table {name}=FILE"
            )
        in_folder[name] = path
    views = list(_views_in(folder, of_tables=with_views))
    counts = Counter(name for name, _ in views)
    in_folder = {name: path for name, path in views if counts[name] == 1} | in_folder
    old = [path for path in _files_of(folder) if is_old_workbook(path)]
    if not in_folder and not tables:
        if old:
            raise ChurnkitError(f"{old[0]} {describe_unreadable(old[0])}")
        raise ChurnkitError(f"{folder} has no {READABLE} file: name a folder with tables")
    return {path.stem: path for path in old} | in_folder | tables


def is_old_workbook(path: Path) -> bool:
    """Return True for a workbook in the old .xls format, which cannot be read.

    Examples
    --------
    >>> is_old_workbook(Path("crm.xlsx"))
    False
    """
    return path.suffix.lower() == ".xls" and path.is_file()


def _files_of(folder: Path) -> list[Path]:
    """List the files and folders that may be tables; a database file in its place is one."""
    if folder.is_file():
        return [folder]
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(HIDDEN)]


def _tables_in(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in _files_of(folder):
        if _is_database(path):
            for name in database_tables(path, name=str(path), with_views=False):
                yield name, Path(f"{path}#{name}")
        elif path.is_file() and kind_of(path.name) == "excel":
            sheets = split_workbook(path)
            names = [table_stem(path.name)] if len(sheets) == 1 else _name_tables(sheets)
            yield from zip(names, sheets, strict=True)
        elif kind_of(path.name) is not None if path.is_file() else _is_table_folder(path):
            yield table_stem(path.name), path


def _join_numbered(tables: Sequence[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Replace files whose names differ in a number or a date by one pattern for each table."""
    patterns: dict[Path, Path] = {}
    files = [path for _, path in tables if path.is_file()]
    for folder in dict.fromkeys(file.parent for file in files):
        for names in find_numbered(file.name for file in files if file.parent == folder):
            paths = [folder / name for name in names]
            if _are_one_table(paths):
                patterns |= dict.fromkeys(paths, _pattern_of(paths))
    joined = {patterns.get(path, path): name for name, path in tables}
    return [(name_table(p) if p in patterns.values() else name, p) for p, name in joined.items()]


def _are_one_table(paths: Sequence[Path]) -> bool:
    """Return True for files of the same columns; False for files that have little in common."""
    columns = {path: open_rows(open_source(path)).columns for path in paths}
    counts = Counter(frozenset(names) for names in columns.values())
    if len(counts) == 1:
        return True
    (usual, files), *_ = counts.most_common(1)
    similar = (2 * len(a & b) >= max(len(a), len(b)) for a, b in combinations(counts, 2))
    if files == 1 and not any(similar):
        return False
    first = next(path for path in paths if set(columns[path]) == usual)
    other = next(path for path in paths if set(columns[path]) != usual)
    missing = [quote_column(columns[first], c) for c in columns[first] if c not in columns[other]]
    added = [quote_column(columns[other], c) for c in columns[other] if c not in usual]
    noted = [f"without {missing[0]}"] * bool(missing) + [f"with {each}" for each in added[:1]]
    raise ChurnkitError(
        f"{other.parent}: {other.name} has other columns than {first.name} ({', '.join(noted)}); "
        "files whose names differ only in a number or a date are read as one table: give them the "
        f"same columns, or rename {other.name} if it is another table"
    )


def _pattern_of(paths: Sequence[Path]) -> Path:
    folder = paths[0].parent
    in_folder = [file.name for file in folder.iterdir() if file.is_file()]
    pattern, others = name_pattern([path.name for path in paths], in_folder)
    if others:
        raise ChurnkitError(
            f"{folder}: {paths[0].name} to {paths[-1].name} are one table, but their pattern {pattern} "
            f"matches {others[0]} too: rename that file, or move the others to a folder of their own"
        )
    return folder / pattern


def describe_files(name: str, path: Path) -> str:
    """Describe a table of several files or sheets; empty for any other location.

    Parameters
    ----------
    name, path
        An item of `find_tables`.

    Returns
    -------
    str
        Such as ``"sales: 3 files sales_2015.csv to sales_2017.csv"``.
    """
    location = parse_location(path)
    if location.part is not None and "*" in location.part and kind_of(location.text) == "excel":
        kind, names = "sheets", choose_sheets(location.path, location.part, name=location.text)
    elif location.is_local and is_pattern(path):
        kind, names = "files", [file.name for file in open_rows(open_source(path)).paths]
    else:
        return ""
    names = (find_numbered(names) or [names])[0]
    return f"{name}: {len(names)} {kind} {names[0]} to {names[-1]}"


def _views_in(folder: Path, *, of_tables: bool) -> Iterator[tuple[str, Path]]:
    """List views of databases; unless `of_tables`, only of those that have no two tables."""
    for path in _files_of(folder):
        if not _is_database(path):
            continue
        tables = database_tables(path, name=str(path), with_views=False)
        for name in database_tables(path, name=str(path)):
            if name not in tables and (of_tables or len(tables) < 2):
                yield name, Path(f"{path}#{name}")


def _is_database(path: Path) -> bool:
    return path.is_file() and kind_of(path.name) in _DATABASES


def name_table(source: str | Path) -> str:
    """Return a name for a table: its sheet or table, or the file name without suffixes.

    Examples
    --------
    >>> name_table("crm.xlsx#Customers"), name_table("exports/events.csv.gz")
    ('Customers', 'events')
    >>> name_table("exports/sales_[0-9]*.csv")
    'sales'
    """
    location = parse_location(source)
    part = location.part if location.part and "*" not in location.part else ""
    file = location.text.rstrip("/").rpartition("/")[2]
    return part or (common_stem(file) if is_pattern(source) else table_stem(file))


def _name_tables(sources: Sequence[Path]) -> list[str]:
    """Name several tables; sheets of one pattern after it, if no other table of their workbook is."""
    counts = Counter(parse_location(source).text for source in sources)
    own = Counter(map(name_table, sources))
    names = []
    for location, name in ((parse_location(source), name_table(source)) for source in sources):
        stem = common_stem(location.part or "*")
        is_named = counts[location.text] > 1 and "*" in (location.part or "")
        is_named = is_named and stem not in {common_stem("*"), *own}
        names.append(stem if is_named else name)
    return names


def find_several(sources: Sequence[Path], *, with_views: bool = True) -> dict[str, Path] | None:
    """Return raw tables by name if the sources hold several tables.

    Parameters
    ----------
    sources
        Files, a folder, or a database file.
    with_views
        False to leave out the views of databases of several tables, see `find_tables`.

    Returns
    -------
    dict or None
        Locations by table name; None for a single table.

    Raises
    ------
    ChurnkitError
        If one of several tables is not on this machine, where training could not find it, or two
        have the same name.
    """
    locations = [parse_location(source) for source in sources]
    if any(location.is_stream for location in locations):
        raise ChurnkitError(
            "standard input can be read once, and training reads the table again: save it to a file"
        )
    if len(sources) > 1:
        if not all(location.is_local for location in locations):
            raise ChurnkitError("copy the raw tables to this machine: several URLs cannot be read")
        several: dict[str, Path] = {}
        for name, path in _join_numbered(list(zip(_name_tables(sources), sources, strict=True))):
            if name in several:
                raise ChurnkitError(
                    f"table '{name}' is there twice, as {several[name]} and {path}: rename one of them, "
                    "or leave one out"
                )
            several[name] = path
        return several
    (location,) = locations
    if not location.is_local or location.part is not None:
        return None
    if location.path.is_dir() and not _is_partitioned(location.path):
        return find_tables(location.path, with_views=with_views)
    if location.path.is_file() and kind_of(location.text) in _DATABASES:
        tables = find_tables(location.path, with_views=with_views)
        return tables if len(tables) > 1 else None
    return None


def _is_partitioned(folder: Path) -> bool:
    """Return True for a folder of nothing but folders such as ``month=2026-01``: one table."""
    entries = _files_of(folder)
    return bool(entries) and all("=" in path.name and path.is_dir() for path in entries)


def _is_table_folder(path: Path) -> bool:
    return path.is_dir() and (
        bool(list_files(path)) or (path / DELTA_LOG).is_dir() or is_iceberg(path)
    )


def name_numbered(tables: Mapping[str, Path], names: Iterable[str]) -> dict[str, Path]:
    """Name single files with a number or a date after the table to which they belong.

    Parameters
    ----------
    tables
        Tables from `find_tables`.
    names
        Names of the tables that are needed.

    Examples
    --------
    >>> name_numbered({"customers_2024_09": Path("customers_2024_09.csv")}, ["customers"])
    {'customers': PosixPath('customers_2024_09.csv')}
    """
    named = dict(tables)
    needed = set(names)
    for name in needed - set(named):
        single = [table for table in tables if table not in needed and name in series_stems(table)]
        if len(single) == 1:
            named[name] = named.pop(single[0])
    return named


def _dated_source(path: str | Path) -> Source:
    """Open files or a sheet with the dates in their names as a column."""
    source = open_rows(open_source(path))
    if FILE_DATE in source.columns:
        return source
    files = source.files if isinstance(source, TableFiles) else (source,)
    location = parse_location(path)
    names = [location.path.name if source is files[0] else file.name for file in files]
    if kind_of(location.text) == "excel":
        sheets = choose_sheets(location.path, location.part, name=location.text)
        names = sheets if file_dates(sheets, "*") else names
    dates = file_dates(names, "*")
    if dates is None:
        raise ChurnkitError(
            f"{source.name}: the model reads the date of its rows, '{FILE_DATE}', from the name of each "
            f"file, and {names[0]} has none: rename it after the month or day of the export, such as "
            "customers_2024-08.csv"
        )
    dated = add_dates(files, dates)
    return dated[0] if len(dated) == 1 else TableFiles(source.name, tuple(dated))


def raw_table(path: str | Path, *, is_dated: bool = False) -> Any:
    """Prepare a table for a timeline: a path where DuckDB reads it correctly, else a table.

    Parameters
    ----------
    path
        A location from `find_tables`.
    is_dated
        Add the date in the name of each file as the column ``file_date``.

    Returns
    -------
    Path or pyarrow.Table
        The path of Parquet files, of UTF-8 CSV with commas, and of temporary copies of other
        formats, else the text of all columns.

    Raises
    ------
    ChurnkitError
        If the table cannot be read, or the name of a file has no date.
    """
    table = _prepare(path, is_dated=is_dated)
    if (recorded := _RECORDED.get()) is not None:
        recorded.append((table, Path(path)))
    return table


@contextmanager
def recorded_locations() -> Iterator[list[tuple[Any, Path]]]:
    """Record the tables that `raw_table` prepares, with their locations."""
    recorded: list[tuple[Any, Path]] = []
    token = _RECORDED.set(recorded)
    try:
        yield recorded
    finally:
        _RECORDED.reset(token)


def _prepare(path: str | Path, *, is_dated: bool) -> Any:
    if is_parquet(path) and not is_dated:
        return Path(path)
    source = _dated_source(path) if is_dated else open_rows(open_source(path))
    dialect = source.dialect
    if isinstance(source, TableFiles) and any(file.dialect is not None for file in source.files):
        return local_parquet(_trimmed_source(source))
    if dialect is None:
        return local_parquet(source)
    if isinstance(source, TableFile) and dialect.is_plain and source.path.suffix.lower() == ".csv":
        return source.path
    return _trimmed(read_all(source))


def is_parquet(path: str | Path) -> bool:
    """Return True for a local Parquet file, or a folder of nothing but such files.

    Examples
    --------
    >>> is_parquet("events.parquet"), is_parquet("s3://bucket/events.parquet")
    (True, False)
    """
    location = parse_location(path)
    if not location.is_local or split_compression(location.text)[1] is not None:
        return False
    file = location.path
    if not file.is_dir():
        return kind_of(file.name) == "parquet" and not is_pattern(path)
    if (file / DELTA_LOG).is_dir() or is_iceberg(file):
        return False
    files = list_files(file)
    return bool(files) and all(kind_of(part.name) == "parquet" for part in files)


def _trimmed_source(source: Source) -> Source:
    def read(columns: list[str]) -> Iterator[pa.Table]:
        return map(_trimmed, source.batches(columns))

    fingerprint = [["trimmed"], *source.fingerprint]
    return BatchSource(source.name, source.columns, source.paths, fingerprint, read)


def _trimmed(table: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    def trim(column: Any) -> Any:
        return pc.ascii_trim_whitespace(column) if pa.types.is_string(column.type) else column

    return pa.table({name: trim(table[name]) for name in table.column_names})
