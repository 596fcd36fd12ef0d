"""A timeline run by DuckDB, in this process: within a memory limit, spilling to disk."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from churnkit.core.time import EPOCH, from_microseconds
from churnkit.errors import ChurnkitError
from churnkit.timeline.engines.duckdb_casts import quoted
from churnkit.timeline.engines.duckdb_sources import open_table, refuse_unlike_entities
from churnkit.timeline.errors import refusal
from churnkit.timeline.label_maturity import refuse_before_all_data, refuse_immature
from churnkit.timeline.snapshots import Snapshots
from churnkit.timeline.source_tables import RESERVED
from churnkit.timeline.sql.compiler import lower
from churnkit.timeline.validation import used_columns, used_tables

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping

    import duckdb
    import pyarrow as pa

    from churnkit.timeline.sql.compiler import Lowered
    from churnkit.timeline.timeline import Timeline

__all__ = ["connected", "readable", "run"]

# Dates that are worked out together; more at once would only lengthen the query.
_TOGETHER = 24
_ROWS = 65_536


def run(
    plan: Timeline,
    tables: Mapping[str, Any],
    *,
    known_until: dt.datetime | None,
    memory_limit: str,
    spill_dir: str | None,
    threads: int | None,
    progress: Callable[[str, float], None] | None,
) -> Iterator[pa.RecordBatch]:
    """Yield the result in batches, by date and customer; see `churnkit.timeline.build`."""
    with connected(memory_limit, spill_dir, threads) as con:
        found = {}
        used = used_tables(plan)
        for table in plan.tables:
            if table.name in used:
                with (
                    _watched(con, progress, f"checking {table.name}", 0.0, 0.0),
                    readable(table.source),
                ):
                    found[table.name] = open_table(
                        con, table, tables, columns=used_columns(plan, table)
                    )
        refuse_unlike_entities(plan, found)
        refuse_before_all_data(plan, _moment(found[plan.eligible.table].first))
        last = max((one.last for one in found.values() if one.last is not None), default=None)
        refuse_immature(plan, known_until or _moment(last) or EPOCH)
        complete = frozenset(
            (name, column) for name, one in found.items() for column in one.complete
        )
        views = tuple(replace(one, source=one.name, time_zone="UTC") for one in plan.tables)
        dates = plan.snapshots.dates
        starts = [*range(0, len(dates), _TOGETHER), len(dates)]
        for start, end in pairwise(starts):
            part = replace(plan, tables=views, snapshots=Snapshots(dates=dates[start:end]))
            lowered = lower(part, complete)
            # Who asks for progress is told of every step, which then has to end before the next.
            lowered = lowered.streamed() if progress is None else lowered
            with _fitting(memory_limit):
                yield from _batches(con, lowered, progress, start / len(dates), end / len(dates))


@contextmanager
def readable(source: str) -> Iterator[None]:
    """Say which table DuckDB could not read; its own message may hold values."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise refusal(
            source,
            f"it cannot be read ({type(error).__name__}); check that it is a whole file of "
            "the kind that its name says",
        ) from None


@contextmanager
def _fitting(memory_limit: str) -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException:
        raise ChurnkitError(
            f"the work does not fit into memory_limit={memory_limit}; give more, or fewer threads"
        ) from None


def _moment(microseconds: int | None) -> dt.datetime | None:
    return None if microseconds is None else from_microseconds(microseconds)


@contextmanager
def connected(
    memory_limit: str, spill_dir: str | None, threads: int | None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a DuckDB of one's own in UTC, within a memory limit, that reaches nothing outside."""
    import tempfile

    import duckdb

    # Nothing is fetched from elsewhere: what a file can make DuckDB do stays in this folder.
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
            yield con
        finally:
            con.close()


def _batches(
    con: duckdb.DuckDBPyConnection,
    lowered: Lowered,
    progress: Callable[[str, float], None] | None,
    done: float,
    whole: float,
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    reads = [set(found) for found in lowered.reads()]
    share = (whole - done) / (len(lowered.steps) + 1)
    for place, (name, query) in enumerate(lowered.steps):
        with _watched(con, progress, _said(name), done + place * share, share):
            text = lowered.text(query, "duckdb")
            con.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(name)} AS {text}")
        for spent in reads[place] - set().union(*reads[place + 1 :]):
            if spent.startswith(RESERVED):
                con.execute(f"DROP TABLE IF EXISTS {quoted(spent)}")
    with _watched(con, progress, "writing", whole - share, share):
        # Without this the order of the result would not outlast its way to Arrow.
        con.execute("SET preserve_insertion_order = true")
        result = con.sql(lowered.text(lowered.result, "duckdb"))
        # Older DuckDB has the second name only.
        read = getattr(result, "to_arrow_reader", None) or result.fetch_arrow_reader
        found = read(_ROWS)
        # An empty batch first, so that a result without rows has its columns too.
        yield pa.RecordBatch.from_pylist([], schema=found.schema)
        yield from found
        con.execute("SET preserve_insertion_order = false")


def _said(step: str) -> str:
    return step.removeprefix(RESERVED).replace("_", " ")


@contextmanager
def _watched(
    con: duckdb.DuckDBPyConnection,
    progress: Callable[[str, float], None] | None,
    name: str,
    done: float,
    share: float,
) -> Iterator[None]:
    """Report how far a step is, five times a second, from a thread that only asks."""
    if progress is None:
        yield
        return
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.2):
            percent = con.query_progress()
            progress(name, done + share * max(percent, 0.0) / 100.0)

    progress(name, done)
    watcher = threading.Thread(target=ask, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        progress(name, done + share)
