"""Build a timeline from source tables, with DuckDB or Spark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from churnkit.core.io.atomic_write import atomic_write, private_mode
from churnkit.errors import RecipeError
from churnkit.timeline.snapshots import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from churnkit.timeline.timeline import Timeline

__all__ = ["build", "build_to"]

Engine = Literal["duckdb", "spark"]
_ARROW_TYPES = {
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
    """Build a timeline: one row per date and eligible customer, in this order.

    Parameters
    ----------
    timeline
        The timeline.
    tables
        The source tables by name: paths of Parquet or CSV files or of a folder of Parquet files,
        or pandas, polars or Arrow tables. With Spark: names of registered views, or Spark data
        frames.
    engine
        ``"duckdb"``, or ``"spark"`` with the extra ``spark``.
    known_until
        The time until which the data are complete; by default that of the last row, or the end of
        its day if its table has dates without times. Snapshots whose label becomes known later are
        an error.
    memory_limit, spill_dir, threads
        Settings of DuckDB: its memory, the folder for data beyond it, and the number of threads.
    progress
        Called with the name of the step and the finished share, 0 to 1.

    Returns
    -------
    pyarrow.Table
        Columns as `Timeline.column_names`, dates in UTC. Customers to whom the label does not
        apply, see `churnkit.timeline.labels`, have a missing label.

    Raises
    ------
    DataError
        If a table is missing, cannot be read as declared, or does not cover the snapshots and
        their labels.

    Examples
    --------
    >>> from datetime import datetime
    >>> from churnkit.timeline import ActiveWithin, Count, Snapshots, Table, Timeline
    >>> timeline = Timeline(
    ...     [Table("orders", "buyer", happened="at")],
    ...     {"orders_30d": Count("orders", window_days=30)},
    ...     Snapshots(dates=("2025-02-01",)),
    ...     ActiveWithin("orders", days=90),
    ... )
    >>> orders = [{"buyer": "a", "at": datetime(2025, 1, day)} for day in (1, 10, 20)]
    >>> build(timeline, {"orders": orders}).to_pylist()[0]["orders_30d"]
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
    """Build a timeline to a Parquet file, which is replaced only once it is complete.

    Parameters
    ----------
    path
        The file.
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
    >>> timeline = Timeline(
    ...     [Table("orders", "buyer", happened="at")],
    ...     {"orders_30d": Count("orders", window_days=30)},
    ...     Snapshots(dates=("2025-02-01",)),
    ...     ActiveWithin("orders", days=90),
    ... )
    >>> orders = [{"buyer": "a", "at": datetime(2025, 1, day)} for day in (1, 10, 20)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     build_to(f"{folder}/snapshots.parquet", timeline, {"orders": orders})
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
    with atomic_write(target, mode=private_mode(target)) as unfinished:
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
    """Yield the result with an empty batch first."""
    until = None if known_until is None else parse_timestamp(known_until, "known_until")
    if engine == "duckdb":
        from churnkit.timeline.engines.duckdb import run

        batches = run(
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

        batches = run_spark(timeline, tables, known_until=until, progress=progress)
    else:
        raise RecipeError(f"unknown engine '{engine}'; choose duckdb or spark")
    for batch in batches:
        yield _cast(timeline, batch)


def _cast(timeline: Timeline, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Cast the columns to types that do not depend on the engine."""
    is_integer = pa.types.is_integer(batch.schema.field(0).type)
    fields = [pa.field(timeline.entity, pa.int64() if is_integer else pa.string())]
    fields += [pa.field(name, _ARROW_TYPES[kind]) for name, kind in timeline.column_types.items()]
    arrays = [array.cast(field.type) for array, field in zip(batch.columns, fields, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
