"""Open the source tables of a timeline in DuckDB and check them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.errors import DataError
from churnkit.timeline.engines.duckdb_casts import Cast, cast_column, cast_entity, quote
from churnkit.timeline.source_tables import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb

    from churnkit.timeline.source_tables import Table
    from churnkit.timeline.timeline import Timeline

__all__ = ["TableStats", "check_entity_types", "column_types", "open_table"]

_RAW = "ck_raw_"

_NUMBERS = ("integer", "number")
_SCANS = {
    ".parquet": "read_parquet({path}, union_by_name = true)",
    ".csv": "read_csv({path}, all_varchar = true, header = true)",
}


@dataclass(frozen=True, slots=True)
class TableStats:
    """Statistics of a checked table.

    Parameters
    ----------
    entity_type
        SQL type of the customer column.
    first, last
        Microseconds since 1970 at which its first and last rows became known; None without rows.
    complete
        Numeric columns without missing values.
    """

    entity_type: str
    first: int | None
    last: int | None
    complete: tuple[str, ...] = ()


def open_table(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    tables: Mapping[str, Any],
    *,
    columns: Sequence[str],
) -> TableStats:
    """Create a view of the table with its columns cast as declared, and check its rows.

    Parameters
    ----------
    con
        Connection in which the view is created.
    table
        The declaration.
    tables
        The data by source name.
    columns
        Declared columns to read in addition to the id and timestamps.

    Returns
    -------
    TableStats

    Raises
    ------
    DataError
        If the table or a column is missing, has values that cannot be cast, or duplicate keys.
        It names the table, the column and the correction.
    """
    if table.source not in tables:
        raise DataError(
            table.source,
            [f"the table is missing; pass it to build: {did_you_mean(table.source, tables)}"],
        )
    raw = f"{_RAW}{table.source}"
    data = tables[table.source]
    types = column_types(con, table.source, data)
    casts = dict(_casts(table, columns, types, trim=_is_csv(data)))
    view = ", ".join(f"{cast.value} AS {quote(name)}" for name, cast in casts.items())
    con.execute(f"CREATE TEMP VIEW {quote(table.name)} AS SELECT {view} FROM {quote(raw)}")  # noqa: S608
    _check_keys(con, table, raw, types)
    first, last = _check_rows(con, table, raw, casts)
    numbers = [
        column.name
        for column in table.raw_columns
        if column.name in casts and column.type in _NUMBERS
    ]
    complete = _complete_columns(con, table, numbers)
    return TableStats(types[table.entity], first, last, complete)


def column_types(con: duckdb.DuckDBPyConnection, source: str, data: Any) -> dict[str, str]:
    """Register a table, and return the SQL types of its columns.

    Examples
    --------
    >>> import duckdb
    >>> column_types(duckdb.connect(), "orders", [{"buyer": "a", "amount": 1.5}])
    {'buyer': 'VARCHAR', 'amount': 'DOUBLE'}
    """
    raw = f"{_RAW}{source}"
    _register(con, raw, source, data)
    described = con.execute(f"DESCRIBE SELECT * FROM {quote(raw)}").fetchall()  # noqa: S608
    return {str(name): str(kind) for name, kind, *_ in described}


def _register(con: duckdb.DuckDBPyConnection, raw: str, name: str, data: Any) -> None:
    if con.execute("SELECT 1 FROM duckdb_views() WHERE view_name = ?", [raw]).fetchall():
        return
    if isinstance(data, (str, Path)):
        con.execute(f"CREATE TEMP VIEW {quote(raw)} AS SELECT * FROM {_scan(name, data)}")  # noqa: S608
        return
    table = _to_arrow(data, name)
    for position, field in enumerate(table.schema):
        # DuckDB before 1.4 reads a column of type null as integers.
        if str(field.type) == "null":
            text = table.column(position).cast("string")
            table = table.set_column(position, field.name, text)
    con.register(raw, table)


def _to_arrow(data: Any, name: str) -> Any:
    """Convert to Arrow; zoned pandas columns separately, since Arrow does not read pandas 3.1's."""
    from churnkit.contracts.arrow_interop import as_arrow

    zoned = []
    if type(data).__module__.split(".")[0] == "pandas" and data.columns.is_unique:
        zoned = [
            column
            for column, dtype in data.dtypes.items()
            if str(dtype).startswith("datetime64[") and "," in str(dtype)
        ]
    if not zoned:
        return as_arrow(data, name=name)
    import pyarrow as pa

    table = as_arrow(data.drop(columns=zoned), name=name)
    for column in zoned:
        timestamps = pa.array(data[column].dt.tz_convert(None), from_pandas=True)
        utc = timestamps.cast(pa.timestamp(timestamps.type.unit, tz="UTC"))
        table = table.append_column(str(column), utc)
    return table


def _scan(name: str, data: str | Path) -> str:
    path = Path(data)
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise DataError(name, [f"file {path.name} does not exist; correct the path"])
    suffix = files[0].name.removesuffix(".gz").rsplit(".", 1)[-1].lower()
    scan = _SCANS.get(f".{suffix}")
    if scan is None:
        raise DataError(name, [f"{path.name} is neither Parquet nor CSV; convert it"])
    paths = ", ".join(quote(str(file), "'") for file in files)
    return scan.format(path=f"[{paths}]")


def _is_csv(data: Any) -> bool:
    """Return True for data whose columns are all text, possibly with surrounding whitespace."""
    return isinstance(data, (str, Path)) and ".csv" in Path(data).name.lower()


def _casts(
    table: Table, columns: Sequence[str], types: Mapping[str, str], *, trim: bool
) -> Iterator[tuple[str, Cast]]:
    declared = {table.entity: "entity", **dict.fromkeys(table.times, "datetime")}
    declared |= {name: table[name].type for name in columns}
    missing = [name for name in declared if name not in types]
    if missing:
        raise DataError(
            table.source,
            [
                f"column '{name}' is missing; rename it in the file or in Table('{table.name}', "
                f"...): {did_you_mean(name, types)}"
                for name in missing
            ],
        )
    for name, kind in declared.items():
        if kind == "entity":
            cast = cast_entity(quote(name), types[name], trim=trim)
        else:
            cast = cast_column(quote(name), types[name], kind, table.time_zone, trim=trim)
        if cast is None:
            descriptions = {"entity": "text or integers", "datetime": "dates or times"}
            raise DataError(
                table.source,
                [
                    (
                        f"column '{name}' has type {types[name]} but is declared as "
                        f"{descriptions.get(kind, kind)}; convert it, or declare another type"
                    )
                ],
            )
        yield name, cast


def _complete_columns(
    con: duckdb.DuckDBPyConnection, table: Table, names: list[str]
) -> tuple[str, ...]:
    """List the columns without missing values, which later need no separate count."""
    if not names:
        return ()
    missing = ", ".join(f"count(*) - count({quote(name)})" for name in names)
    counts = con.execute(f"SELECT {missing} FROM {quote(table.name)}").fetchone() or ()  # noqa: S608
    return tuple(name for name, count in zip(names, counts, strict=True) if not count)


def _check_rows(
    con: duckdb.DuckDBPyConnection, table: Table, raw: str, casts: Mapping[str, Cast]
) -> tuple[int | None, int | None]:
    """Count invalid rows, and return the first and last timestamps, in one scan."""
    faults = [(name, *fault) for name, cast in casts.items() for fault in cast.faults]
    timestamp = casts[table.happened].value
    is_event = f"{casts[table.entity].value} IS NOT NULL AND {timestamp} IS NOT NULL"
    if table.available:
        available = casts[table.available].value
        remedy = (
            "is missing in {count} of {rows} rows that have happened: fill in when they became "
            "known, or declare the table without available="
        )
        faults.append((table.available, f"{is_event} AND {available} IS NULL", remedy))
        timestamp = f"greatest({timestamp}, {available})"
    counts = ", ".join(f"count(*) FILTER (WHERE {test})" for _, test, _ in faults) or "0"
    span = f"epoch_us(min({timestamp}) FILTER (WHERE {is_event})), epoch_us(max({timestamp}))"
    result = con.execute(f"SELECT count(*), {span}, {counts} FROM {quote(raw)}").fetchone()  # noqa: S608
    rows, first, last, *invalid = result or (0, None, None)
    problems = [
        f"column '{name}' {remedy.format(count=f'{count:,}', rows=f'{rows:,}')}"
        for (name, _, remedy), count in zip(faults, invalid, strict=False)
        if count
    ]
    if problems:
        raise DataError(table.source, problems)
    return first, last


def _check_keys(
    con: duckdb.DuckDBPyConnection, table: Table, raw: str, types: Mapping[str, str]
) -> None:
    if not table.key:
        return
    for name in table.key:
        if name not in types:
            hint = did_you_mean(name, types)
            raise DataError(table.source, [f"key column '{name}' is missing; {hint}"])
    key = ", ".join(map(quote, table.key))
    duplicates = f"SELECT 1 FROM {quote(raw)} GROUP BY {key} HAVING count(*) > 1"  # noqa: S608
    (count,) = con.execute(f"SELECT count(*) FROM ({duplicates})").fetchone() or (0,)  # noqa: S608
    if count:
        names = " and ".join(f"'{name}'" for name in table.key)
        raise DataError(
            table.source,
            [f"column {names}: {count:,} keys have more than one row; keep one row per key"],
        )


def check_entity_types(timeline: Timeline, types: Mapping[str, str]) -> None:
    """Check that customers have ids of one type in all tables.

    Parameters
    ----------
    timeline
        The timeline.
    types
        SQL type of the customer column by table.

    Raises
    ------
    DataError
        Names both tables, the column and the correction.
    """
    kinds = {name: "text" if _is_text(kind) else "integers" for name, kind in types.items()}
    eligible = timeline.eligible.table
    for name, kind in kinds.items():
        if kind != kinds[eligible]:
            table = timeline.table(name)
            raise DataError(
                table.source,
                [
                    (
                        f"column '{table.entity}' has {kind}, but customers in table '{eligible}' are "
                        f"{kinds[eligible]}; convert one of them"
                    )
                ],
            )


def _is_text(kind: str) -> bool:
    return kind.lower() in {"varchar", "string"} or kind.startswith("ENUM")
