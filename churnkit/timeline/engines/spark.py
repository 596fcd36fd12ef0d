"""A timeline run by Spark, where the data outgrow one machine: the same steps, the same table."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from churnkit.core.time import EPOCH, from_microseconds
from churnkit.errors import DataError, MissingExtraError
from churnkit.timeline.engines.spark_casts import read_as, spark_quoted
from churnkit.timeline.errors import refusal
from churnkit.timeline.label_maturity import refuse_before_all_data, refuse_immature
from churnkit.timeline.source_tables import did_you_mean
from churnkit.timeline.sql.compiler import lower
from churnkit.timeline.validation import used_columns, used_tables

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping

    import pyarrow as pa

    from churnkit.timeline.source_tables import Table
    from churnkit.timeline.timeline import Timeline

__all__ = ["run", "to_spark"]

_ZONE = "spark.sql.session.timeZone"


def run(
    plan: Timeline,
    tables: Mapping[str, Any],
    *,
    known_until: dt.datetime | None,
    progress: Callable[[str, float], None] | None,
) -> Iterator[pa.RecordBatch]:
    """Yield the result in batches, by date and customer; see `churnkit.timeline.build`."""
    import pyarrow as pa

    spark = _session(tables)
    with _in_utc(spark), _steps(spark) as made:
        found = _frame(spark, plan, tables, known_until=known_until, made=made, progress=progress)
        table = found.toArrow()
        yield pa.RecordBatch.from_pylist([], schema=table.schema)
        yield from table.to_batches()
    if progress:
        progress("done", 1.0)


def to_spark(plan: Timeline, tables: Mapping[str, Any], *, known_until: Any = None) -> Any:
    """Work a timeline out as a Spark data frame, which stays on the cluster.

    The session's time zone is set to UTC and stays so, and steps that are read more than once
    stay cached: ``spark.catalog.clearCache()`` after the frame is written frees them.

    Parameters
    ----------
    plan
        The plan.
    tables
        Names of registered views, or Spark data frames, by the names of the plan's sources.
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
    from churnkit.timeline.snapshots import as_moment

    spark = _session(tables)
    spark.conf.set(_ZONE, "UTC")
    until = None if known_until is None else as_moment(known_until, "known_until")
    return _frame(spark, plan, tables, known_until=until, made=[], progress=None)


def _session(tables: Mapping[str, Any]) -> Any:
    try:
        from pyspark.sql import SparkSession  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise MissingExtraError("spark", "pyspark") from None
    for given in tables.values():
        if hasattr(given, "sparkSession"):
            return given.sparkSession
    return SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()


@contextmanager
def _in_utc(spark: Any) -> Iterator[None]:
    zone = spark.conf.get(_ZONE)
    spark.conf.set(_ZONE, "UTC")
    try:
        yield
    finally:
        spark.conf.set(_ZONE, zone)


@contextmanager
def _steps(spark: Any) -> Iterator[list[tuple[str, Any]]]:
    """Gather what is made on the way, and clear it away in the end."""
    made: list[tuple[str, Any]] = []
    try:
        yield made
    finally:
        for name, cached in reversed(made):
            spark.catalog.dropTempView(name)
            if cached is not None:
                cached.unpersist()


def _frame(
    spark: Any,
    plan: Timeline,
    tables: Mapping[str, Any],
    *,
    known_until: dt.datetime | None,
    made: list[tuple[str, Any]],
    progress: Callable[[str, float], None] | None,
) -> Any:
    spans: dict[str, tuple[int | None, int | None]] = {}
    kinds: dict[str, str] = {}
    views = {}
    used = used_tables(plan)
    for table in plan.tables:
        views[table.name] = f"ck_from_{table.name}"
        if table.name in used:
            raw = _raw(spark, table, tables)
            spans[table.name], kinds[table.name] = _opened(raw, plan, table, views[table.name])
            made.append((views[table.name], None))
    _refuse_unlike(plan, kinds)
    refuse_before_all_data(plan, _moment(spans[plan.eligible.table][0]))
    last = max((span[1] for span in spans.values() if span[1] is not None), default=None)
    refuse_immature(plan, known_until or _moment(last) or EPOCH)
    sources = tuple(replace(one, source=views[one.name], time_zone="UTC") for one in plan.tables)
    lowered = lower(replace(plan, tables=sources))
    reads = lowered.reads()
    for place, (name, query) in enumerate(lowered.steps):
        if progress:
            progress(name, place / (len(lowered.steps) + 1))
        frame = spark.sql(lowered.text(query, "spark"))
        # Spark works a view out anew for each time that it is read.
        several = sum(found.count(name) for found in reads) > 1
        cached = frame.persist() if several else None
        frame.createOrReplaceTempView(name)
        made.append((name, cached))
    return spark.sql(lowered.text(lowered.result, "spark"))


def _moment(microseconds: int | None) -> dt.datetime | None:
    return None if microseconds is None else from_microseconds(microseconds)


def _raw(spark: Any, table: Table, tables: Mapping[str, Any]) -> Any:
    given = tables.get(table.source)
    if given is None:
        raise refusal(
            table.source,
            f"the table is not there; give it to build: {did_you_mean(table.source, tables)}",
        )
    if not isinstance(given, str):
        return given
    if not spark.catalog.tableExists(given):
        raise refusal(
            table.source,
            f"there is no view '{given}'; register it: frame.createOrReplaceTempView('{given}')",
        )
    return spark.table(given)


def _opened(
    raw: Any, plan: Timeline, table: Table, view: str
) -> tuple[tuple[int | None, int | None], str]:
    """Make a view with the columns read as declared; return its span and how customers look."""
    types = dict(raw.dtypes)
    wanted = {table.entity: "entity", **dict.fromkeys(table.times, "datetime")}
    wanted = {name: table[name].type for name in used_columns(plan, table)} | wanted
    missing = [name for name in (*wanted, *table.key) if name not in types]
    if missing:
        raise DataError(
            table.source,
            [f"column '{name}' is missing; {did_you_mean(name, types)}" for name in missing],
        )
    columns, faults = {}, []
    for name, declared in wanted.items():
        read = read_as(spark_quoted(name), types[name], declared, table.time_zone)
        if read is None:
            raise refusal(
                table.source,
                f"column '{name}' is of type {types[name]}, and the plan reads it as "
                f"{declared}; convert it, or declare another type",
            )
        columns[name], wrong = read
        faults += [(name, *fault) for fault in wrong]
    raw.selectExpr(
        *(f"{value} AS {spark_quoted(name)}" for name, value in columns.items())
    ).createOrReplaceTempView(view)
    return _checked(raw, table, columns, faults), types[table.entity]


def _checked(
    raw: Any, table: Table, columns: Mapping[str, str], faults: list[tuple[str, str, str]]
) -> tuple[int | None, int | None]:
    moment = columns[table.happened]
    there = f"{columns[table.entity]} IS NOT NULL AND {moment} IS NOT NULL"
    if table.available:
        available = columns[table.available]
        unknown = f"{there} AND {available} IS NULL"
        remedy = "is missing in {count} of {rows} rows that have happened: say when they were known"
        faults = [*faults, (table.available, unknown, remedy)]
        moment = f"greatest({moment}, {available})"
    counts = [f"count(CASE WHEN {test} THEN 1 END)" for _, test, _ in faults]
    first = f"unix_micros(min(CASE WHEN {there} THEN {moment} END))"
    found = raw.selectExpr("count(*)", first, f"unix_micros(max({moment}))", *counts).first()
    said = [
        f"column '{name}' {remedy.format(count=f'{count:,}', rows=f'{found[0]:,}')}"
        for (name, _, remedy), count in zip(faults, found[3:], strict=True)
        if count
    ]
    if table.key:
        twice = raw.groupBy(*table.key).count().where("count > 1").count()
        named = " and ".join(f"'{name}'" for name in table.key)
        if twice:
            said.append(f"column {named}: {twice:,} keys have more than one row; keep one for each")
    if said:
        raise DataError(table.source, said)
    return found[1], found[2]


def _refuse_unlike(plan: Timeline, kinds: Mapping[str, str]) -> None:
    own = plan.eligible.table
    for name, kind in kinds.items():
        if (kind == "string") != (kinds[own] == "string"):
            table = plan.table(name)
            raise refusal(
                table.source,
                f"column '{table.entity}' is of type {kind}, and in table '{own}' customers "
                f"are of type {kinds[own]}; make both alike",
            )
