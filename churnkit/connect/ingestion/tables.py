"""Raw tables of a stream, built from its log of versions.

A record stream gives two tables: one row per record with its times and constant columns, and one
row per version with the columns that change, valid from the moment the version was first seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.connect.ingestion.version_index import last_of_each
from churnkit.connect.ingestion.version_log import LIVE, SWEPT, conform
from churnkit.core.io.atomic_write import atomic_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.connect.description.provider import Stream
    from churnkit.connect.ingestion.version_log import VersionLog

__all__ = ["FIRST_PULL", "table_names", "write_tables"]

FIRST_PULL = b"churnkit.first_pull"
"""Key of a table's metadata: time of the first pull, in microseconds since 1970."""

_GROUP_ROWS = 5_000
_INTERNAL = {"_key", "_hash", "_digest", "_state", "_seen"}
_NEVER = np.iinfo(np.int64).min


def table_names(source: str, stream: Stream) -> tuple[str, ...]:
    """Return the names of a stream's tables, without suffix.

    Examples
    --------
    >>> from churnkit.connect import Stripe, Env
    >>> table_names("billing", Stripe(key=Env("KEY")).streams[0])
    ('billing_customers', 'billing_customers_history')
    """
    name = f"{source}_{stream.name}"
    return (name,) if stream.log else (name, f"{name}_history")


@dataclass(slots=True)
class _Times:
    """Moments of each version and its record, in microseconds; `_NEVER` for none."""

    seen: NDArray[np.int64]
    valid_to: NDArray[np.int64]
    deleted: NDArray[np.int64]
    is_version: NDArray[np.bool_]
    is_last: NDArray[np.bool_]


def write_tables(
    log: VersionLog, stream: Stream, source: str, folder: Path, constant: tuple[str, ...]
) -> list[tuple[str, int]]:
    """Write the raw tables of a stream.

    Parameters
    ----------
    log
        Log of the stream.
    stream
        Description of the stream.
    source
        Name of the source, which the tables' names begin with.
    folder
        Folder of the tables.
    constant
        Columns that never change, besides those of the description.

    Returns
    -------
    list of (str, int)
        Name of each file and its number of rows.
    """
    times = _find_times(log)
    schema = log.schema()
    columns = [name for name in schema.names if name not in _INTERNAL]
    facts = [n for n in columns if stream.log or n in _facts(stream, constant)]
    names = table_names(source, stream)
    written = [
        _write(
            folder / f"{names[0]}.parquet",
            _select(log, schema, facts, times, chosen=times.is_last, add_times=_record_times),
            log,
        )
    ]
    if not stream.log:
        keys = [
            name
            for name in columns
            if name in facts and (name.endswith("_id") or name in stream.key)
        ]
        changing = ["id", *(n for n in columns if n not in facts), *keys]
        changing = list(dict.fromkeys(n for n in changing if n in columns))
        written.append(
            _write(
                folder / f"{names[1]}.parquet",
                _select(
                    log, schema, changing, times, chosen=times.is_version, add_times=_version_times
                ),
                log,
            )
        )
    return written


def _facts(stream: Stream, constant: tuple[str, ...]) -> set[str]:
    facts = {"id", "deleted_at", *stream.constant, *constant, stream.happened, stream.ended}
    return {name for name in facts if name}


def _find_times(log: VersionLog) -> _Times:
    hashes, states = log.read("_hash"), log.read("_state")
    seen = _read_moments(log, "_seen")
    if "modified_at" in log.kinds:
        # A run has one time, its start: what changed while it read is valid from the change.
        seen = np.maximum(seen, _read_moments(log, "modified_at"))
    count = len(hashes)
    order = np.argsort(hashes, kind="stable")
    follows = np.zeros(count, dtype=np.bool_)
    follows[:-1] = hashes[order][1:] == hashes[order][:-1]
    valid_to = np.full(count, _NEVER)
    valid_to[order[:-1]] = np.where(follows[:-1], seen[order][1:], _NEVER)[: max(count - 1, 0)]
    is_version = states != SWEPT
    last_state = last_of_each(hashes)
    contents = np.flatnonzero(is_version)
    is_last = np.zeros(count, dtype=np.bool_)
    is_last[contents[last_of_each(hashes[contents])]] = True
    # Deleted since the version at which its state became deleted.
    gone = dict(
        zip(
            hashes[last_state][states[last_state] != LIVE].tolist(),
            seen[last_state][states[last_state] != LIVE].tolist(),
            strict=True,
        )
    )
    deleted = np.full(count, _NEVER)
    if gone:
        keys = np.array(sorted(gone), dtype=np.int64)
        moments = np.array([gone[key] for key in keys.tolist()], dtype=np.int64)
        at = np.minimum(np.searchsorted(keys, hashes), len(keys) - 1)
        deleted = np.where(keys[at] == hashes, moments[at], _NEVER)
    return _Times(seen, valid_to, deleted, is_version & (states == LIVE), is_last)


def _read_moments(log: VersionLog, name: str) -> NDArray[np.int64]:
    import pyarrow as pa
    import pyarrow.compute as pc

    arrays = []
    for batch in log.batches([name]):
        if name in batch.schema.names and pa.types.is_timestamp(batch.column(name).type):
            values = pc.fill_null(batch.column(name).cast(pa.int64()), int(_NEVER))
            arrays.append(values.to_numpy(zero_copy_only=False))
        else:
            arrays.append(np.full(batch.num_rows, _NEVER))
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=np.int64)


def _select(
    log: VersionLog,
    schema: pa.Schema,
    columns: list[str],
    times: _Times,
    *,
    chosen: NDArray[np.bool_],
    add_times: Callable[[pa.Table, _Times, NDArray[np.int64]], pa.Table],
) -> Iterator[pa.Table]:
    import pyarrow as pa

    selected = pa.schema([schema.field(name) for name in columns])
    start = 0
    yield add_times(conform(pa.table({}), selected), times, np.empty(0, dtype=np.int64))
    for batch in log.batches([*columns, "_hash"]):
        indices = start + np.flatnonzero(chosen[start : start + batch.num_rows])
        table = pa.Table.from_batches([batch]).take(pa.array(indices - start))
        start += batch.num_rows
        if indices.size:
            yield add_times(conform(table, selected), times, indices)


def _record_times(table: pa.Table, times: _Times, indices: NDArray[np.int64]) -> pa.Table:
    import pyarrow.compute as pc

    gone = _moments(times.deleted[indices])
    if "deleted_at" in table.column_names:
        position = table.column_names.index("deleted_at")
        stated = pc.if_else(pc.is_valid(gone), table["deleted_at"], None)
        return table.set_column(position, "deleted_at", pc.coalesce(stated, gone))
    return table.append_column("deleted_at", gone)


def _version_times(table: pa.Table, times: _Times, indices: NDArray[np.int64]) -> pa.Table:
    table = table.append_column("valid_from", _moments(times.seen[indices]))
    return table.append_column("valid_to", _moments(times.valid_to[indices]))


def _moments(values: NDArray[np.int64]) -> Any:
    import pyarrow as pa

    return pa.array(values, mask=values == _NEVER).cast(pa.timestamp("us", tz="UTC"))


def _write(file: Path, tables: Iterator[pa.Table], log: VersionLog) -> tuple[str, int]:
    """Write a table in groups whose size does not depend on the log's parts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = next(tables)
    schema = buffer.schema.with_metadata({FIRST_PULL: str(log.first_seen).encode()})
    rows = 0
    with (
        atomic_write(file) as path,
        pq.ParquetWriter(path, schema, compression="snappy") as writer,
    ):
        for table in tables:
            buffer = pa.concat_tables([buffer, table])
            while buffer.num_rows >= _GROUP_ROWS:
                writer.write_table(buffer.slice(0, _GROUP_ROWS).combine_chunks())
                rows += _GROUP_ROWS
                buffer = buffer.slice(_GROUP_ROWS)
        if buffer.num_rows or not rows:
            writer.write_table(buffer.combine_chunks())
            rows += buffer.num_rows
    return file.name, rows
