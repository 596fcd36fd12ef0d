"""Build timelines with Spark, with the same steps and results as DuckDB."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from churnkit.errors import DataError, MissingExtraError
from churnkit.timeline.data_coverage import check_coverage
from churnkit.timeline.engines.duckdb_sources import check_entity_types
from churnkit.timeline.engines.spark_casts import cast_column, quote
from churnkit.timeline.source_tables import did_you_mean
from churnkit.timeline.sql.compiler import compile_timeline, render

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping

    import pyarrow as pa

    from churnkit.timeline.source_tables import Table
    from churnkit.timeline.timeline import Timeline

__all__ = ["run", "to_spark"]

_ZONE = "spark.sql.session.timeZone"


def run(
    timeline: Timeline,
    tables: Mapping[str, Any],
    *,
    known_until: dt.datetime | None,
    progress: Callable[[str, float], None] | None,
) -> Iterator[pa.RecordBatch]:
    """Yield the result in batches, by date and customer; see `churnkit.timeline.build`."""
    import pyarrow as pa

    spark = _session(tables)
    with _utc_session(spark), _temporary_views(spark) as views:
        frame = _frame(
            spark, timeline, tables, known_until=known_until, views=views, progress=progress
        )
        table = frame.toArrow()
        yield pa.RecordBatch.from_pylist([], schema=table.schema)
        yield from table.to_batches()
    if progress:
        progress("done", 1.0)


def to_spark(timeline: Timeline, tables: Mapping[str, Any], *, known_until: Any = None) -> Any:
    """Build a timeline as a Spark data frame, which stays on the cluster.

    The session's time zone is set to UTC and stays so. Steps that are read more than once stay
    cached; ``spark.catalog.clearCache()`` frees them after the frame is written.

    Parameters
    ----------
    timeline
        The timeline.
    tables
        Names of registered views, or Spark data frames, by the source names of the timeline.
    known_until
        As in `churnkit.timeline.build`.

    Returns
    -------
    pyspark.sql.DataFrame
        Columns as `Timeline.column_names`.

    Raises
    ------
    MissingExtraError
        If pyspark is not installed.
    DataError
        As in `churnkit.timeline.build`.
    """
    from churnkit.timeline.snapshots import parse_timestamp

    spark = _session(tables)
    spark.conf.set(_ZONE, "UTC")
    until = None if known_until is None else parse_timestamp(known_until, "known_until")
    return _frame(spark, timeline, tables, known_until=until, views=[], progress=None)


def _session(tables: Mapping[str, Any]) -> Any:
    try:
        from pyspark.sql import SparkSession  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise MissingExtraError("spark", "pyspark") from None
    for table in tables.values():
        if hasattr(table, "sparkSession"):
            return table.sparkSession
    return SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()


@contextmanager
def _utc_session(spark: Any) -> Iterator[None]:
    zone = spark.conf.get(_ZONE)
    spark.conf.set(_ZONE, "UTC")
    try:
        yield
    finally:
        spark.conf.set(_ZONE, zone)


@contextmanager
def _temporary_views(spark: Any) -> Iterator[list[tuple[str, Any]]]:
    """Collect views and cached frames, and drop them at the end."""
    views: list[tuple[str, Any]] = []
    try:
        yield views
    finally:
        for name, cached in reversed(views):
            spark.catalog.dropTempView(name)
            if cached is not None:
                cached.unpersist()


def _frame(
    spark: Any,
    timeline: Timeline,
    tables: Mapping[str, Any],
    *,
    known_until: dt.datetime | None,
    views: list[tuple[str, Any]],
    progress: Callable[[str, float], None] | None,
) -> Any:
    spans: dict[str, tuple[int | None, int | None]] = {}
    entity_types: dict[str, str] = {}
    names = {table.name: f"ck_from_{table.name}" for table in timeline.tables}
    for table in timeline.tables:
        if table.name in timeline.used_tables:
            raw = _raw_frame(spark, table, tables)
            spans[table.name], entity_types[table.name] = _create_view(
                raw, timeline, table, names[table.name]
            )
            views.append((names[table.name], None))
    check_entity_types(timeline, entity_types)
    check_coverage(timeline, spans, known_until)
    sources = tuple(
        replace(table, source=names[table.name], time_zone="UTC") for table in timeline.tables
    )
    compiled = compile_timeline(replace(timeline, tables=sources))
    step_sources = compiled.sources()
    for number, (name, query) in enumerate(compiled.steps):
        if progress:
            progress(name, number / (len(compiled.steps) + 1))
        frame = spark.sql(render(query, "spark"))
        # Spark evaluates a view again each time it is read.
        read_again = sum(source.count(name) for source in step_sources) > 1
        cached = frame.persist() if read_again else None
        frame.createOrReplaceTempView(name)
        views.append((name, cached))
    return spark.sql(render(compiled.result, "spark"))


def _raw_frame(spark: Any, table: Table, tables: Mapping[str, Any]) -> Any:
    data = tables.get(table.source)
    if data is None:
        raise DataError(
            table.source,
            [f"the table is missing; pass it to build: {did_you_mean(table.source, tables)}"],
        )
    if not isinstance(data, str):
        return data
    if not spark.catalog.tableExists(data):
        raise DataError(
            table.source,
            [f"view '{data}' does not exist; create it: frame.createOrReplaceTempView('{data}')"],
        )
    return spark.table(data)


def _create_view(
    raw: Any, timeline: Timeline, table: Table, view: str
) -> tuple[tuple[int | None, int | None], str]:
    """Create a view of the columns cast as declared; return its time span and entity type."""
    types = dict(raw.dtypes)
    declared = {name: table[name].type for name in timeline.used_columns(table)}
    declared |= {table.entity: "entity", **dict.fromkeys(table.times, "datetime")}
    missing = [name for name in (*declared, *table.key) if name not in types]
    if missing:
        raise DataError(
            table.source,
            [f"column '{name}' is missing; {did_you_mean(name, types)}" for name in missing],
        )
    columns, faults = {}, []
    for name, kind in declared.items():
        cast = cast_column(quote(name), types[name], kind, table.time_zone)
        if cast is None:
            raise DataError(
                table.source,
                [
                    (
                        f"column '{name}' has type {types[name]} but is declared as {kind}; convert "
                        "it, or declare another type"
                    )
                ],
            )
        columns[name] = cast.value
        faults += [(name, *fault) for fault in cast.faults]
    raw.selectExpr(
        *(f"{value} AS {quote(name)}" for name, value in columns.items())
    ).createOrReplaceTempView(view)
    return _check_rows(raw, table, columns, faults), types[table.entity]


def _check_rows(
    raw: Any, table: Table, columns: Mapping[str, str], faults: list[tuple[str, str, str]]
) -> tuple[int | None, int | None]:
    timestamp = columns[table.happened]
    is_event = f"{columns[table.entity]} IS NOT NULL AND {timestamp} IS NOT NULL"
    if table.available:
        available = columns[table.available]
        remedy = "is missing in {count} of {rows} rows that have happened: fill in when they became known"
        faults = [*faults, (table.available, f"{is_event} AND {available} IS NULL", remedy)]
        timestamp = f"greatest({timestamp}, {available})"
    counts = [f"count(CASE WHEN {test} THEN 1 END)" for _, test, _ in faults]
    first = f"unix_micros(min(CASE WHEN {is_event} THEN {timestamp} END))"
    row = raw.selectExpr("count(*)", first, f"unix_micros(max({timestamp}))", *counts).first()
    problems = [
        f"column '{name}' {remedy.format(count=f'{count:,}', rows=f'{row[0]:,}')}"
        for (name, _, remedy), count in zip(faults, row[3:], strict=True)
        if count
    ]
    if table.key:
        duplicates = raw.groupBy(*table.key).count().where("count > 1").count()
        names = " and ".join(f"'{name}'" for name in table.key)
        if duplicates:
            problems.append(
                f"column {names}: {duplicates:,} keys have more than one row; keep one row per key"
            )
    if problems:
        raise DataError(table.source, problems)
    return row[1], row[2]
