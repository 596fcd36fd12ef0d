"""Build timelines with Spark, with the same steps and results as DuckDB."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from churnkit.errors import DataError, MissingExtraError
from churnkit.timeline.data_coverage import check_coverage
from churnkit.timeline.engines.casts import (
    RowChecks,
    cast_columns,
    check_entity_types,
    entity_type,
    find_lookup,
    find_source,
    lookup_columns,
    lookup_key,
    refuse_duplicate_keys,
)
from churnkit.timeline.engines.spark_casts import cast_column, quote
from churnkit.timeline.sql.compiler import compile_timeline, render

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping, Sequence

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
            raw = _join_lookups(spark, raw, table, tables, timeline.used_columns(table))
            # Listed first, so that a table that is refused leaves no view.
            views.append((names[table.name], None))
            spans[table.name], entity_types[table.name] = _create_view(
                raw, timeline, table, names[table.name]
            )
    check_entity_types(timeline, entity_types)
    check_coverage(timeline, spans, known_until)
    sources = tuple(
        replace(
            table,
            source=names[table.name],
            time_zone="UTC",
            lookups=(),
            written=(),
            missing=(),
        )
        for table in timeline.tables
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
    return _as_frame(spark, table.source, find_source(table, tables))


def _join_lookups(
    spark: Any, raw: Any, table: Table, tables: Mapping[str, Any], columns: Sequence[str]
) -> Any:
    """Join the columns of the looked-up tables."""
    frames = [
        _as_frame(spark, lookup.source, find_lookup(lookup, tables)) for lookup in table.lookups
    ]
    types = [dict(frame.dtypes) for frame in (raw, *frames)]
    joined = raw
    for lookup, frame, names in zip(
        table.lookups, frames, lookup_columns(table, columns, types), strict=True
    ):
        key = lookup_key(f"CAST({quote(lookup.to)} AS STRING)")
        rows = frame.where(f"{quote(lookup.to)} IS NOT NULL")
        rows = rows.selectExpr(f"{key} AS ck_key", *map(quote, names)).distinct()
        refuse_duplicate_keys(lookup, rows.groupBy("ck_key").count().where("count > 1").count())
        own = lookup_key(f"CAST({quote(lookup.key)} AS STRING)")
        keyed = joined.selectExpr("*", f"{own} AS ck_key")
        joined = keyed.join(rows, on="ck_key", how="left").drop("ck_key")
    return joined


def _as_frame(spark: Any, source: str, data: Any) -> Any:
    if not isinstance(data, str):
        return data
    if not spark.catalog.tableExists(data):
        raise DataError(
            source,
            f"view '{data}' does not exist; create it: frame.createOrReplaceTempView('{data}')",
        )
    return spark.table(data)


def _create_view(
    raw: Any, timeline: Timeline, table: Table, view: str
) -> tuple[tuple[int | None, int | None], str]:
    """Create a view of the columns cast as declared; return its time span and entity type."""
    types = dict(raw.dtypes)
    casts = cast_columns(
        table,
        timeline.used_columns(table),
        types,
        lambda name, kind, declared: cast_column(
            quote(name),
            kind,
            declared,
            table.time_zone,
            written=table.formats.get(name),
            missing=table.missing,
        ),
    )
    columns = [f"{cast.value} AS {quote(name)}" for name, cast in casts.items()]
    raw.selectExpr(*columns).createOrReplaceTempView(view)
    checks = RowChecks(table, casts)
    row = raw.selectExpr(
        "count(*)",
        f"unix_micros(min(CASE WHEN {checks.is_event} THEN {checks.timestamp} END))",
        checks.end("unix_micros"),
        *(f"count(CASE WHEN {condition} THEN 1 END)" for condition in checks.conditions),
    ).first()
    groups = raw.groupBy(*table.key).count() if table.key else None
    duplicates = 0 if groups is None else groups.where("count > 1").count()
    checks.raise_faults(row[0], row[3:], duplicates)
    return (row[1], row[2]), entity_type(table, types)
