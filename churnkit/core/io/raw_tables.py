"""Raw tables in files, by name."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from itertools import combinations, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.core.io.formats.excel import describe_sheet, sheet_names
from churnkit.core.io.formats.file_names import common_stem, find_numbered, name_pattern
from churnkit.core.io.formats.lakehouse import DELTA_LOG, is_iceberg
from churnkit.core.io.formats.signature import (
    OLD_WORKBOOK,
    READABLE,
    kind_of,
    split_compression,
    table_stem,
)
from churnkit.core.io.locations import parse_location
from churnkit.core.io.query import database_tables
from churnkit.core.io.source_files import BatchSource, Source, TableFiles
from churnkit.core.io.table_file import TableFile, quote_column
from churnkit.core.io.table_sources import (
    is_pattern,
    list_files,
    local_parquet,
    open_rows,
    open_source,
    read_all,
)
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

__all__ = [
    "describe_files",
    "find_several",
    "find_sheet",
    "find_tables",
    "has_sheets",
    "is_old_workbook",
    "is_parquet",
    "name_table",
    "raw_table",
    "split_workbook",
]

_MIN_SHEET_ROWS = 50
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
            raise ChurnkitError(f"{old[0]} {OLD_WORKBOOK}")
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
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith((".", "_"))]


def _tables_in(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in _files_of(folder):
        if _is_database(path):
            for name in database_tables(path, name=str(path), with_views=False):
                yield name, Path(f"{path}#{name}")
        elif path.is_file() and kind_of(path.name) == "excel":
            sheets = split_workbook(path)
            names = [table_stem(path.name)] if len(sheets) == 1 else map(name_table, sheets)
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
    """Describe a table of several files; empty for any other location.

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
    if not location.is_local or not is_pattern(path):
        return ""
    names = [file.name for file in open_rows(open_source(path)).paths]
    names = (find_numbered(names) or [names])[0]
    return f"{name}: {len(names)} files {names[0]} to {names[-1]}"


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


def split_workbook(source: Path) -> list[Path]:
    """Name the sheets of a workbook that hold tables; any other source is returned as it is.

    Sheets with fewer than 50 rows, such as a list of columns, are left out. Sheets of the same
    columns are one table.

    Parameters
    ----------
    source
        A file or a URL.

    Returns
    -------
    list of Path
        ``crm.xlsx#Customers``, one for each table.
    """
    location = parse_location(source)
    is_workbook = location.is_local and kind_of(location.text) == "excel"
    if not is_workbook or location.part is not None or not location.path.is_file():
        return [source]
    path, name = location.path, location.text
    names = sheet_names(path, name=name)
    described = {
        sheet: describe_sheet(path, sheet, name=name, limit=2 * _MIN_SHEET_ROWS)
        for sheet in (names if len(names) > 1 else ())
    }
    tables = {
        sheet: set(notes.columns)
        for sheet, notes in described.items()
        if notes.rows >= _MIN_SHEET_ROWS and len(notes.columns) > 1
    }
    is_one = len(tables) > 1 and all(each == tables[next(iter(tables))] for each in tables.values())
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*tables, strict=False))
    pattern = f"{''.join(letters[0] for letters in same)}*"
    if is_one and [sheet for sheet in names if fnmatchcase(sheet, pattern)] == list(tables):
        return [Path(f"{source}#{pattern}")]
    return [Path(f"{source}#{sheet}") for sheet in tables if not is_one] or [source]


def has_sheets(source: str | Path) -> bool:
    """Return True for a local workbook with several sheets, of which the name states none."""
    location = parse_location(source)
    is_workbook = location.is_local and kind_of(location.text) == "excel"
    if not is_workbook or location.part is not None or not location.path.is_file():
        return False
    return len(sheet_names(location.path, name=location.text)) > 1


def find_sheet(
    source: str | Path, has_columns: Callable[[Sequence[str]], bool], *, known: str | None = None
) -> str:
    """Choose the sheet of a workbook by its columns.

    Parameters
    ----------
    source
        A workbook with several sheets.
    has_columns
        Function of the columns of a sheet.
    known
        The sheet that was read earlier; it is preferred if it has the columns.

    Returns
    -------
    str
        Name of the sheet.

    Raises
    ------
    ChurnkitError
        If no sheet has the columns, or several have.
    """
    path, name = parse_location(source).path, str(source)
    names = sheet_names(path, name=name)
    fitting = [
        sheet
        for sheet in names
        if has_columns(describe_sheet(path, sheet, name=name, limit=2 * _MIN_SHEET_ROWS).columns)
    ]
    if known in fitting or len(fitting) == 1:
        return str(known) if known in fitting else fitting[0]
    listed = ", ".join(fitting or names)
    reason = f"{len(fitting)} of them have" if fitting else "none of them has"
    raise ChurnkitError(
        f"{name} has {len(names)} sheets, and {reason} the columns that are needed ({listed}): name "
        f"one as {name}#SHEET"
    )


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
        If one of several tables is not on this machine, where training could not find it.
    """
    locations = [parse_location(source) for source in sources]
    if any(location.is_stream for location in locations):
        raise ChurnkitError(
            "standard input can be read once, and training reads the table again: save it to a file"
        )
    if len(sources) > 1:
        if not all(location.is_local for location in locations):
            raise ChurnkitError("copy the raw tables to this machine: several URLs cannot be read")
        named = find_tables(None, [f"{name_table(source)}={source}" for source in sources])
        return dict(_join_numbered(list(named.items())))
    (location,) = locations
    if not location.is_local or location.part is not None:
        return None
    if location.path.is_dir():
        return find_tables(location.path, with_views=with_views)
    if location.path.is_file() and kind_of(location.text) in _DATABASES:
        tables = find_tables(location.path, with_views=with_views)
        return tables if len(tables) > 1 else None
    return None


def _is_table_folder(path: Path) -> bool:
    return path.is_dir() and (
        bool(list_files(path)) or (path / DELTA_LOG).is_dir() or is_iceberg(path)
    )


def raw_table(path: str | Path) -> Any:
    """Prepare a table for a timeline: a path where DuckDB reads it correctly, else a table.

    Parameters
    ----------
    path
        A location from `find_tables`.

    Returns
    -------
    Path or pyarrow.Table
        The path of Parquet files, of UTF-8 CSV with commas, and of temporary copies of other
        formats, else the text of all columns.

    Raises
    ------
    ChurnkitError
        If the table cannot be read.
    """
    if is_parquet(path):
        return Path(path)
    source = open_rows(open_source(path))
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
