"""The tables that a plan reads, opened in DuckDB and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.errors import DataError
from churnkit.timeline.engines.duckdb_casts import Reader, quoted, read_column, read_entity
from churnkit.timeline.errors import refusal
from churnkit.timeline.source_tables import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb

    from churnkit.timeline.source_tables import Table
    from churnkit.timeline.timeline import Timeline

__all__ = ["Found", "column_types", "open_table", "refuse_unlike_entities"]

_RAW = "ck_raw_"

_NUMBERS = ("integer", "number")
_READERS = {
    ".parquet": "read_parquet({path}, union_by_name = true)",
    ".csv": "read_csv({path}, all_varchar = true, header = true)",
}


@dataclass(frozen=True, slots=True)
class Found:
    """What a check of a table found.

    Parameters
    ----------
    entity_type
        The type of the column that names the customer.
    first, last
        Microseconds since 1970 at which its first and last rows were known; None without rows.
    complete
        Columns of numbers without a missing value.
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
) -> Found:
    """Make a view of the table's name with its columns read as declared, and check it.

    Parameters
    ----------
    con
        Where the view is made.
    table, tables
        What it is, and the tables that were given.
    columns
        The declared columns to read, beside its customer and times.

    Raises
    ------
    DataError
        If the table or a column is missing, holds what cannot be read, or has two rows for one
        key; it names the table, the column and the mend.
    """
    if table.source not in tables:
        raise refusal(
            table.source,
            f"the table is not there; give it to build: {did_you_mean(table.source, tables)}",
        )
    raw = f"{_RAW}{table.source}"
    types = column_types(con, table.source, tables[table.source])
    trim = _is_csv(tables[table.source])
    readers = dict(_readers(table, columns, types, trim=trim))
    view = ", ".join(f"{one.value} AS {quoted(name)}" for name, one in readers.items())
    con.execute(f"CREATE TEMP VIEW {quoted(table.name)} AS SELECT {view} FROM {quoted(raw)}")  # noqa: S608
    _refuse_two_for_one_key(con, table, raw, types)
    first, last = _checked(con, table, raw, readers)
    numbers = [
        one.name for one in table.raw_columns if one.name in readers and one.type in _NUMBERS
    ]
    return Found(types[table.entity], first, last, _complete(con, table, numbers))


def column_types(con: duckdb.DuckDBPyConnection, source: str, given: Any) -> dict[str, str]:
    """Open a table as it is, and return the types that DuckDB gives its columns.

    Examples
    --------
    >>> import duckdb
    >>> column_types(duckdb.connect(), "orders", [{"buyer": "a", "amount": 1.5}])
    {'buyer': 'VARCHAR', 'amount': 'DOUBLE'}
    """
    raw = f"{_RAW}{source}"
    _register(con, raw, source, given)
    described = con.execute(f"DESCRIBE SELECT * FROM {quoted(raw)}").fetchall()  # noqa: S608
    return {str(name): str(kind) for name, kind, *_ in described}


def _register(con: duckdb.DuckDBPyConnection, raw: str, name: str, given: Any) -> None:
    known = con.execute("SELECT 1 FROM duckdb_views() WHERE view_name = ?", [raw]).fetchall()
    if known:
        return
    if isinstance(given, (str, Path)):
        scan = _scan(name, given)
        con.execute(f"CREATE TEMP VIEW {quoted(raw)} AS SELECT * FROM {scan}")  # noqa: S608
        return
    table = _as_arrow(given, name)
    for place, field in enumerate(table.schema):
        # Columns without any value have no type; older DuckDB would call them numbers.
        if str(field.type) == "null":
            table = table.set_column(place, field.name, table.column(place).cast("string"))
    con.register(raw, table)


def _as_arrow(given: Any, name: str) -> Any:
    """Convert to Arrow; pandas' moments with a zone apart, over which pandas 3.1 and Arrow fall out."""
    from churnkit.contracts.arrow_interop import as_arrow

    zoned = []
    if type(given).__module__.split(".")[0] == "pandas" and given.columns.is_unique:
        zoned = [
            at
            for at, kind in given.dtypes.items()
            if str(kind).startswith("datetime64[") and "," in str(kind)
        ]
    if not zoned:
        return as_arrow(given, name=name)
    import pyarrow as pa

    table = as_arrow(given.drop(columns=zoned), name=name)
    for column in zoned:
        moments = pa.array(given[column].dt.tz_convert(None), from_pandas=True)
        utc = moments.cast(pa.timestamp(moments.type.unit, tz="UTC"))
        table = table.append_column(str(column), utc)
    return table


def _scan(name: str, given: str | Path) -> str:
    path = Path(given)
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise refusal(name, f"there is no file at {path.name}; correct the path")
    ending = files[0].name.removesuffix(".gz").rsplit(".", 1)[-1].lower()
    reader = _READERS.get(f".{ending}")
    if reader is None:
        raise refusal(name, f"{path.name} is neither Parquet nor CSV; convert it to one")
    listed = ", ".join(quoted(str(file), "'") for file in files)
    return reader.format(path=f"[{listed}]")


def _is_csv(given: Any) -> bool:
    """Tell whether everything comes as text, with blanks around it perhaps."""
    return isinstance(given, (str, Path)) and ".csv" in Path(given).name.lower()


def _readers(
    table: Table, columns: Sequence[str], types: Mapping[str, str], *, trim: bool
) -> Iterator[tuple[str, Reader]]:
    wanted = [(table.entity, "entity"), *((name, "datetime") for name in table.times)]
    wanted += [(name, table[name].type) for name in columns]
    missing = [name for name, _ in wanted if name not in types]
    if missing:
        raise DataError(
            table.source,
            [
                f"column '{name}' is missing; rename it in the file or in Table('{table.name}', "
                f"...): {did_you_mean(name, types)}"
                for name in dict.fromkeys(missing)
            ],
        )
    for name, declared in dict(wanted).items():
        kind = types[name]
        if declared == "entity":
            reader = read_entity(quoted(name), kind, trim=trim)
        else:
            reader = read_column(quoted(name), kind, declared, table.time_zone, trim=trim)
        if reader is None:
            words = {"entity": "text or whole numbers", "datetime": "dates or times"}
            raise refusal(
                table.source,
                f"column '{name}' is of type {kind}, and the plan reads it as "
                f"{words.get(declared, declared)}; convert it, or declare another type",
            )
        yield name, reader


def _complete(con: duckdb.DuckDBPyConnection, table: Table, names: list[str]) -> tuple[str, ...]:
    """Name the columns that are never missing; counting them is cheap, and saves more later."""
    if not names:
        return ()
    missing = ", ".join(f"count(*) - count({quoted(name)})" for name in names)
    counts = con.execute(f"SELECT {missing} FROM {quoted(table.name)}").fetchone() or ()  # noqa: S608
    return tuple(name for name, count in zip(names, counts, strict=True) if not count)


def _checked(
    con: duckdb.DuckDBPyConnection, table: Table, raw: str, readers: Mapping[str, Reader]
) -> tuple[int | None, int | None]:
    """Count faults and find the first and last moments, in one scan."""
    faults = [(name, *fault) for name, one in readers.items() for fault in one.faults]
    moment = readers[table.happened].value
    there = f"{readers[table.entity].value} IS NOT NULL AND {moment} IS NOT NULL"
    if table.available:
        available = readers[table.available].value
        unknown = f"{there} AND {available} IS NULL"
        remedy = (
            "is missing in {count} of {rows} rows that have happened: say when they were known, "
            "or declare the table without available="
        )
        faults.append((table.available, unknown, remedy))
        moment = f"greatest({moment}, {available})"
    counts = ", ".join(f"count(*) FILTER (WHERE {test})" for _, test, _ in faults) or "0"
    span = f"epoch_us(min({moment}) FILTER (WHERE {there})), epoch_us(max({moment}))"
    found = con.execute(f"SELECT count(*), {span}, {counts} FROM {quoted(raw)}").fetchone()  # noqa: S608
    rows, first, last, *wrong = found or (0, None, None)
    said = [
        f"column '{name}' {remedy.format(count=f'{count:,}', rows=f'{rows:,}')}"
        for (name, _, remedy), count in zip(faults, wrong, strict=False)
        if count
    ]
    if said:
        raise DataError(table.source, said)
    return first, last


def _refuse_two_for_one_key(
    con: duckdb.DuckDBPyConnection, table: Table, raw: str, types: Mapping[str, str]
) -> None:
    if not table.key:
        return
    for name in table.key:
        if name not in types:
            raise refusal(
                table.source, f"column '{name}' of its key is missing; {did_you_mean(name, types)}"
            )
    key = ", ".join(map(quoted, table.key))
    twice = f"SELECT 1 FROM {quoted(raw)} GROUP BY {key} HAVING count(*) > 1"  # noqa: S608
    (count,) = con.execute(f"SELECT count(*) FROM ({twice})").fetchone() or (0,)  # noqa: S608
    if count:
        named = " and ".join(f"'{name}'" for name in table.key)
        raise refusal(
            table.source,
            f"column {named}: {count:,} keys have more than one row; keep one row for each",
        )


def refuse_unlike_entities(plan: Timeline, found: Mapping[str, Found]) -> None:
    """Refuse tables that name customers by different types.

    Raises
    ------
    DataError
        Names both tables, the column and the mend.
    """
    kinds = {
        name: "text"
        if one.entity_type == "VARCHAR" or one.entity_type.startswith("ENUM")
        else "whole numbers"
        for name, one in found.items()
    }
    own = plan.eligible.table
    for name, kind in kinds.items():
        if kind != kinds[own]:
            table = plan.table(name)
            raise refusal(
                table.source,
                f"column '{table.entity}' holds {kind}, and in table '{own}' customers are "
                f"{kinds[own]}; make both alike",
            )
