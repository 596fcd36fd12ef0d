"""Build timelines with an embedded DuckDB, within a memory limit and spilling to disk."""

from __future__ import annotations

import tempfile
import threading
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from churnkit.errors import ChurnkitError, DataError
from churnkit.timeline.data_coverage import check_coverage
from churnkit.timeline.engines.casts import check_entity_types
from churnkit.timeline.engines.duckdb_casts import quote
from churnkit.timeline.engines.duckdb_sources import open_table
from churnkit.timeline.engines.signals import stop_on_signal
from churnkit.timeline.snapshots import Snapshots
from churnkit.timeline.source_tables import RESERVED
from churnkit.timeline.sql.compiler import compile_timeline, render

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping

    import duckdb
    import pyarrow as pa

    from churnkit.timeline.sql.compiler import CompiledTimeline
    from churnkit.timeline.timeline import Timeline

__all__ = ["connect", "read_errors", "run"]

# Dates per query; more only make the query longer.
_DATES_PER_QUERY = 24
_BATCH_ROWS = 65_536


def run(
    timeline: Timeline,
    tables: Mapping[str, Any],
    *,
    known_until: dt.datetime | None,
    memory_limit: str,
    spill_dir: str | None,
    threads: int | None,
    progress: Callable[[str, float], None] | None,
) -> Iterator[pa.RecordBatch]:
    """Yield the result in batches, by date and customer; see `churnkit.timeline.build`."""
    with connect(memory_limit, spill_dir, threads) as con:
        stats = {}
        for table in timeline.tables:
            if table.name in timeline.used_tables:
                with (
                    _report_progress(con, progress, f"checking {table.name}", 0.0, 0.0),
                    read_errors(table.source),
                ):
                    columns = timeline.used_columns(table)
                    stats[table.name] = open_table(con, table, tables, columns=columns)
        check_entity_types(timeline, {name: one.entity_type for name, one in stats.items()})
        spans = {name: (one.first, one.end) for name, one in stats.items()}
        check_coverage(timeline, spans, known_until)
        complete = frozenset(
            (name, column) for name, one in stats.items() for column in one.complete
        )
        views = tuple(
            replace(one, source=one.name, time_zone="UTC", lookups=(), written=(), missing=())
            for one in timeline.tables
        )
        dates = timeline.snapshots.dates
        starts = [*range(0, len(dates), _DATES_PER_QUERY), len(dates)]
        for start, end in pairwise(starts):
            part = replace(timeline, tables=views, snapshots=Snapshots(dates=dates[start:end]))
            compiled = compile_timeline(part, complete)
            # Progress is reported per step, so each step must finish before the next.
            compiled = compiled.inlined() if progress is None else compiled
            with _memory_errors(memory_limit):
                span = (start / len(dates), end / len(dates))
                yield from _batches(con, compiled, progress, *span)


@contextmanager
def read_errors(source: str) -> Iterator[None]:
    """Replace DuckDB's errors, whose messages may contain values, by one that names the table."""
    import duckdb
    import pyarrow as pa

    try:
        yield
    except (duckdb.Error, pa.ArrowException) as error:
        raise DataError(
            source,
            f"cannot be read ({type(error).__name__}); check that the file is complete and of "
            "the format that its name says",
        ) from None


@contextmanager
def _memory_errors(memory_limit: str) -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException:
        raise ChurnkitError(
            f"memory_limit={memory_limit} is too small; raise it, or use fewer threads"
        ) from None


@contextmanager
def connect(
    memory_limit: str, spill_dir: str | None, threads: int | None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory DuckDB in UTC with a memory limit and no access to extensions."""
    import duckdb

    settings: dict[str, Any] = {
        "memory_limit": memory_limit,
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
    }
    if threads is not None:
        settings["threads"] = threads
    with tempfile.TemporaryDirectory(prefix="churnkit-", dir=spill_dir) as folder:
        con = duckdb.connect(":memory:", config={**settings, "temp_directory": folder})
        try:
            con.execute("SET TimeZone = 'UTC'")
            # Its bar would go to stdout, among the results.
            con.execute("SET enable_progress_bar = false")
            with stop_on_signal(con.interrupt):
                yield con
        finally:
            con.close()


def _batches(
    con: duckdb.DuckDBPyConnection,
    compiled: CompiledTimeline,
    progress: Callable[[str, float], None] | None,
    start: float,
    end: float,
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    sources = [set(names) for names in compiled.sources()]
    share = (end - start) / (len(compiled.steps) + 1)
    for number, (name, query) in enumerate(compiled.steps):
        title = name.removeprefix(RESERVED).replace("_", " ")
        with _report_progress(con, progress, title, start + number * share, share):
            select = render(query, "duckdb")
            con.execute(f"CREATE OR REPLACE TEMP TABLE {quote(name)} AS {select}")
        for unused in sources[number] - set().union(*sources[number + 1 :]):
            if unused.startswith(RESERVED):
                con.execute(f"DROP TABLE IF EXISTS {quote(unused)}")
    with _report_progress(con, progress, "writing", end - share, share):
        # Without this setting, batches can reach Arrow out of order.
        con.execute("SET preserve_insertion_order = true")
        result = con.sql(render(compiled.result, "duckdb"))
        # DuckDB before 1.4 has only the second method.
        to_reader = getattr(result, "to_arrow_reader", None) or result.fetch_arrow_reader
        reader = to_reader(_BATCH_ROWS)
        # An empty batch first, so that a result without rows has its columns.
        yield pa.RecordBatch.from_pylist([], schema=reader.schema)
        yield from reader
        con.execute("SET preserve_insertion_order = false")


@contextmanager
def _report_progress(
    con: duckdb.DuckDBPyConnection,
    progress: Callable[[str, float], None] | None,
    name: str,
    start: float,
    share: float,
) -> Iterator[None]:
    """Report the progress of a step five times a second from a thread that polls DuckDB."""
    if progress is None:
        yield
        return
    finished = threading.Event()
    # Old versions of DuckDB have no progress of a query.
    query_progress = getattr(con, "query_progress", lambda: 0.0)

    def poll() -> None:
        while not finished.wait(0.2):
            percent = query_progress()
            progress(name, start + share * max(percent, 0.0) / 100.0)

    progress(name, start)
    watcher = threading.Thread(target=poll, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()
        progress(name, start + share)
