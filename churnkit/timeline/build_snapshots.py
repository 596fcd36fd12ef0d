"""From raw tables to snapshots, by DuckDB here or by Spark where the data are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from churnkit.core.io.atomic_write import atomic_write
from churnkit.errors import RecipeError
from churnkit.timeline.snapshots import as_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from churnkit.timeline.timeline import Timeline

__all__ = ["build", "build_to"]

Engine = Literal["duckdb", "spark"]
_ARROW = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "datetime": pa.timestamp("us", tz="UTC"),
}


def build(
    timeline: Timeline,
    tables: Mapping[str, Any],
    *,
    engine: Engine = "duckdb",
    known_until: Any = None,
    memory_limit: str = "4GB",
    spill_dir: str | None = None,
    threads: int | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> pa.Table:
    """Work out a timeline: one row for each date and eligible customer, in this order.

    Parameters
    ----------
    timeline
        The plan.
    tables
        The raw tables by their names: paths of Parquet or CSV files or of a folder of Parquet
        files; pandas, polars or Arrow tables. With Spark: names of registered views, or Spark
        data frames.
    engine
        ``"duckdb"``, or ``"spark"`` with the extra ``spark``.
    known_until
        The moment up to which the data are complete; the last moment in them if not given.
        Snapshots whose label is known only later are refused.
    memory_limit, spill_dir, threads
        DuckDB's: what it may use, the folder for what does not fit, and processors.
    progress
        Called with the name of the step and the share that is done, 0 to 1.

    Returns
    -------
    pyarrow.Table
        Columns as `Timeline.column_names`; dates in UTC. The label is missing where
        `churnkit.timeline.labels` says so.

    Raises
    ------
    DataError
        If a table is missing or cannot be read as declared, or does not reach as far as the
        plan looks.

    Examples
    --------
    >>> from datetime import datetime
    >>> from churnkit.timeline import ActiveWithin, Count, Snapshots, Table, Timeline
    >>> plan = Timeline(
    ...     [Table("orders", "buyer", happened="at")],
    ...     {"orders_30d": Count("orders", window_days=30)},
    ...     Snapshots(dates=("2025-02-01",)),
    ...     ActiveWithin("orders", days=90),
    ... )
    >>> orders = [{"buyer": "a", "at": datetime(2025, 1, day)} for day in (1, 10, 20)]
    >>> build(plan, {"orders": orders}).to_pylist()[0]["orders_30d"]
    2
    """
    batches = _batches(
        timeline,
        tables,
        engine=engine,
        known_until=known_until,
        memory_limit=memory_limit,
        spill_dir=spill_dir,
        threads=threads,
        progress=progress,
    )
    return pa.Table.from_batches(batches)


def build_to(
    path: str | Path,
    timeline: Timeline,
    tables: Mapping[str, Any],
    *,
    engine: Engine = "duckdb",
    known_until: Any = None,
    memory_limit: str = "4GB",
    spill_dir: str | None = None,
    threads: int | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> int:
    """Work out a timeline into a Parquet file, written whole or not at all.

    Parameters
    ----------
    path
        The file; one that is there is replaced once the new one is complete.
    timeline, tables, engine, known_until, memory_limit, spill_dir, threads, progress
        As in `build`.

    Returns
    -------
    int
        The number of rows.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import datetime
    >>> from churnkit.timeline import ActiveWithin, Count, Snapshots, Table, Timeline
    >>> plan = Timeline(
    ...     [Table("orders", "buyer", happened="at")],
    ...     {"orders_30d": Count("orders", window_days=30)},
    ...     Snapshots(dates=("2025-02-01",)),
    ...     ActiveWithin("orders", days=90),
    ... )
    >>> orders = [{"buyer": "a", "at": datetime(2025, 1, day)} for day in (1, 10, 20)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     build_to(f"{folder}/snapshots.parquet", plan, {"orders": orders})
    1
    """
    import pyarrow.parquet as pq

    target = Path(path)
    batches = _batches(
        timeline,
        tables,
        engine=engine,
        known_until=known_until,
        memory_limit=memory_limit,
        spill_dir=spill_dir,
        threads=threads,
        progress=progress,
    )
    rows = 0
    with atomic_write(target) as unfinished:
        first = next(batches)
        with pq.ParquetWriter(unfinished, first.schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
    return rows


def _batches(
    timeline: Timeline,
    tables: Mapping[str, Any],
    *,
    engine: str,
    known_until: Any,
    memory_limit: str,
    spill_dir: str | None,
    threads: int | None,
    progress: Callable[[str, float], None] | None,
) -> Iterator[pa.RecordBatch]:
    """Yield the result, an empty batch first."""
    until = None if known_until is None else as_moment(known_until, "known_until")
    if engine == "duckdb":
        from churnkit.timeline.engines.duckdb import run

        found = run(
            timeline,
            tables,
            known_until=until,
            memory_limit=memory_limit,
            spill_dir=spill_dir,
            threads=threads,
            progress=progress,
        )
    elif engine == "spark":
        from churnkit.timeline.engines.spark import run as run_spark

        found = run_spark(timeline, tables, known_until=until, progress=progress)
    else:
        raise RecipeError(f"there is no engine '{engine}'; choose duckdb or spark")
    for batch in found:
        yield _conformed(timeline, batch)


def _conformed(timeline: Timeline, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Give the columns the types that every engine gives."""
    entity = batch.schema.field(0).type
    text = not pa.types.is_integer(entity)
    fields = [pa.field(timeline.entity, pa.string() if text else pa.int64())]
    fields += [pa.field(name, _ARROW[kind]) for name, kind in timeline.column_types.items()]
    arrays = [array.cast(field.type) for array, field in zip(batch.columns, fields, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
