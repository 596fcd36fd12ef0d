"""Pull one stream into its log of versions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.connect.description.columns import RowMapper, split_column
from churnkit.connect.description.row_paths import value_at
from churnkit.connect.description.table_sources import column_kinds, read_tables, row_values
from churnkit.connect.ingestion.page_reader import (
    ExpiredTokenError,
    read_fields,
    read_pages,
    run_job,
)
from churnkit.connect.ingestion.templates import fill, template_values
from churnkit.connect.ingestion.version_index import VersionIndex, digest
from churnkit.connect.ingestion.version_log import DELETED, LIVE, SWEPT, Position
from churnkit.core.loader_columns import is_loader_column, marks_deletion
from churnkit.core.time import to_microseconds
from churnkit.errors import ConnectError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from churnkit.connect.description.provider import Endpoint, Source, Stream
    from churnkit.connect.http.client import Client
    from churnkit.connect.ingestion.version_log import Pending, VersionLog

__all__ = ["StreamCounts", "pull_stream"]

_GROUP_ROWS = 1500
_MOST_RESTARTS = 3
_MICROSECONDS_A_MINUTE = 60_000_000
_MINUTES_A_DAY = 1440.0


@dataclass(slots=True)
class StreamCounts:
    """Counts of one run of a stream.

    Parameters
    ----------
    stream, mode
        Name of the stream; ``"full"`` or ``"changes"``.
    read
        Number of rows that the provider sent.
    new
        Number of new versions.
    deleted
        Number of records that were deleted.
    erased
        Number of rows of erased customers, which were left out.
    added_columns, changed_columns, missing_columns
        Columns that are new, of another kind, or no longer described by the provider.
    """

    stream: str
    mode: str
    read: int = 0
    new: int = 0
    deleted: int = 0
    erased: int = 0
    added_columns: tuple[str, ...] = ()
    changed_columns: tuple[str, ...] = ()
    missing_columns: tuple[str, ...] = ()


def pull_stream(
    client: Client,
    source: Source,
    stream: Stream,
    log: VersionLog,
    *,
    full: bool = False,
    since: int | None = None,
    is_erased: Callable[[str], bool] = lambda _: False,
) -> StreamCounts:
    """Read a stream's records, or what changed, and append new versions to the log.

    Parameters
    ----------
    client, source, stream
        Client, source and stream.
    log
        Log of the stream; a run that was interrupted is continued.
    full
        Whether to read all records.
    since
        Start of the changes in microseconds; the end of the last run if None.
    is_erased
        Function that returns True for the id of an erased customer.

    Returns
    -------
    StreamCounts
        Counts of the run.

    Raises
    ------
    DataError
        If a required column is missing or of another kind; nothing is written.
    ConnectError
        If the provider cannot be read.
    """
    run = _Run(client, source, stream, log, is_erased)
    run.check_fields()
    run.begin(full=full, since=since)
    return run.read()


class _Run:
    """State of a run."""

    def __init__(
        self,
        client: Client,
        source: Source,
        stream: Stream,
        log: VersionLog,
        is_erased: Callable[[str], bool],
    ) -> None:
        self._client, self._source, self._stream, self._log = client, source, stream, log
        self._is_erased = is_erased
        self._now = to_microseconds(client.clock.now())
        self._fields = self._described_fields()
        self._mapper = RowMapper(stream.columns, stream.rest, self._fields, stream.name)
        self._index = VersionIndex(log)
        self._rows: list[dict[str, Any]] = []
        self._keys: list[int] = []
        self._first: set[int] = set()
        self.counts = StreamCounts(stream.name, "full")

    def _described_fields(self) -> dict[str, str]:
        stream = self._stream
        chosen = self._source.fields.get(stream.name)
        if stream.fields is None:
            return dict.fromkeys(chosen or (), "text")
        fields = read_fields(self._client, stream.fields)
        if chosen is None:
            return fields
        missing = [name for name in chosen if name not in fields]
        if missing:
            raise DataError(
                f"stream '{stream.name}'",
                f"field '{missing[0]}' of sources.py does not exist at the provider: correct its "
                "name, or remove it",
            )
        prefix = f"{stream.rest}." if stream.rest else ""
        paths = [split_column(spec)[0] for spec in stream.columns.values()]
        paths += [] if stream.deletion is None else [stream.deletion[0]]
        declared = [path.removeprefix(prefix) for path in paths]
        return {name: fields[name] for name in (*declared, *chosen) if name in fields}

    def check_fields(self) -> None:
        """Compare the described fields with those of the earlier runs."""
        before, stream = self._log.kinds, self._stream
        required = self._source.require.get(stream.name, ())
        if stream.fields is not None:
            for name in required:
                if name not in self._fields and name not in stream.columns:
                    raise DataError(
                        f"stream '{stream.name}'",
                        f"required column '{name}' no longer exists at the provider: nothing was "
                        "written; restore the field, or remove it from require",
                    )
        changed = [n for n, kind in self._fields.items() if before.get(n, kind) != kind]
        for name in changed:
            if name in required:
                raise DataError(
                    f"stream '{stream.name}'",
                    f"required column '{name}' was {before[name]} and is {self._fields[name]}: "
                    "nothing was written; restore the field, or remove it from require",
                )
        self.counts.changed_columns = tuple(changed)
        if stream.fields is not None and before:
            described = {*self._fields, *stream.columns}
            self.counts.missing_columns = tuple(n for n in before if n not in described)

    def begin(self, *, full: bool, since: int | None) -> None:
        """Continue the interrupted run, or begin one."""
        log, stream = self._log, self._stream
        pending = log.pending
        if pending is None or (full and pending.mode != "full"):
            now = self._now
            start = log.since if since is None else since
            mode = "changes" if self._reads_changes(start, now) and not full else "full"
            overlap = round(stream.overlap_minutes * _MICROSECONDS_A_MINUTE)
            pending = log.begin(mode, now, max((start or 0) - overlap, 0))
        self.counts.mode = pending.mode

    def _reads_changes(self, start: int | None, now: int) -> bool:
        if self._stream.changes is None or start is None:
            return False
        days = self._stream.changes_days
        return days is None or now - start < days * _MINUTES_A_DAY * _MICROSECONDS_A_MINUTE

    def read(self) -> StreamCounts:
        """Read the endpoints of the run and finish it."""
        pending, stream = self._pending(), self._stream
        records = stream.changes if pending.mode == "changes" else stream.full
        endpoints = [e for e in (records, stream.deleted) if e is not None]
        while pending.position.endpoint < len(endpoints):
            number = pending.position.endpoint
            try:
                self._read_endpoint(endpoints[number], is_deleted=number == 1)
            except ExpiredTokenError:
                restarts = pending.position.restarts + 1
                if restarts > _MOST_RESTARTS:
                    raise ConnectError(
                        f"{self._client.provider}: {endpoints[number].path} expires before it is "
                        "read: run the command again"
                    ) from None
                self._commit(Position(number, restarts=restarts))
            else:
                self._commit(Position(number + 1))
        if pending.mode == "full" and not stream.log:
            self._sweep()
        self._log.finish()
        return self.counts

    def _read_endpoint(self, endpoint: Endpoint, *, is_deleted: bool) -> None:
        pending = self._pending()
        values = template_values(
            since=pending.since,
            until=pending.seen_at,
            fields=sorted(self._fields),
            settings=self._source.settings,
        )
        position = pending.position
        if endpoint.format == "table":
            self._read_tables(fill(endpoint.path, values))
            return
        if endpoint.job is not None:
            values["job"] = run_job(
                self._client,
                endpoint,
                values,
                position.job,
                lambda job: self._commit(replace(position, job=job)),
            )
            position = pending.position
        if endpoint.newest_first:
            self._first = set(self._log.read_keys().tolist())
        for page in read_pages(self._client, endpoint, values, position.token):
            if pending.served_at is None and page.served_at is not None:
                pending.served_at = page.served_at
            for row in page.rows:
                self._add(row, is_deleted=is_deleted, newest_first=endpoint.newest_first)
            if len(self._keys) >= _GROUP_ROWS and page.following is not None:
                self._commit(replace(position, token=page.following))

    def _read_tables(self, text: str) -> None:
        """Read a table of a database or files; a repeated read leaves stored rows out."""
        stream = self._stream
        named = {*stream.key, *(split_column(spec)[0] for spec in stream.columns.values())}
        named |= {name for name in (stream.happened, stream.ended) if name is not None}
        for table in read_tables(self._source, text):
            if not self._fields:
                self._fields = column_kinds(table.schema, stream.key)
                self._mapper = RowMapper(stream.columns, stream.rest, self._fields, stream.name)
            for row in row_values(table):
                # A new sync of the same record is no new version.
                added = {n for n in row if is_loader_column(n)} - named
                values = {n: value for n, value in row.items() if n not in added}
                self._add(values, is_deleted=marks_deletion(row), newest_first=False)
            if len(self._keys) >= _GROUP_ROWS:
                self._commit(self._pending().position)

    def _add(self, row: Mapping[str, Any], *, is_deleted: bool, newest_first: bool) -> None:
        stream = self._stream
        self.counts.read += 1
        values = self._mapper.map(row)
        key = "\x1f".join(str(value_at(row, path)) for path in stream.key)
        hashed = digest(key)
        if newest_first:
            if hashed in self._first:
                return
            self._first.add(hashed)
        self._keys.append(hashed)
        if self._is_erased(key) or self._is_erased(str(values.get("customer_id"))):
            self.counts.erased += 1
            return
        if stream.deletion is not None:
            is_deleted = is_deleted or value_at(row, stream.deletion[0]) == stream.deletion[1]
        state = DELETED if is_deleted else LIVE
        content = digest([state, {n: v for n, v in values.items() if v is not None}])
        if self._index.is_latest(hashed, content):
            return
        self._index.add(hashed, content)
        self.counts.new += 1
        self.counts.deleted += is_deleted
        values.update(_key=key, _hash=hashed, _digest=content, _state=state)
        self._rows.append(values)

    def _commit(self, position: Position) -> None:
        keys = np.array(self._keys, dtype=np.int64)
        self._log.commit(position, self._table(), keys)
        self._rows, self._keys = [], []

    def _table(self) -> pa.Table | None:
        if not self._rows:
            return None
        kinds = self._log.kinds
        names = dict.fromkeys(kinds)
        for row in self._rows:
            names.update(dict.fromkeys(row))
        columns = [name for name in names if name not in _INTERNAL]
        if self._log.runs:
            self.counts.added_columns += tuple(name for name in columns if name not in kinds)
        for name in columns:
            described = self._mapper.kind(name)
            if described:
                kinds[name] = described
            elif any(row.get(name) is not None for row in self._rows):
                kinds[name] = "text"
            else:
                kinds.setdefault(name, "text")
        return to_table(self._rows, {name: kinds[name] for name in columns}, self._pending())

    def _sweep(self) -> None:
        """Mark records as deleted that a full read no longer contains."""
        present = self._log.read_keys()
        if not len(self._index):
            return
        vanished = np.setdiff1d(self._index.live_keys(), present)
        if not vanished.size:
            return
        for batch in self._log.batches(["_hash", "_key"]):
            hashes = batch.column("_hash").to_numpy()
            for at in np.flatnonzero(np.isin(hashes, vanished)).tolist():
                hashed = int(hashes[at])
                if self._index.is_latest(hashed, 0):
                    continue
                self._index.add(hashed, 0)
                key = batch.column("_key")[at].as_py()
                self._rows.append({"_key": key, "_hash": hashed, "_digest": 0, "_state": SWEPT})
        self.counts.deleted += len(self._rows)
        self._commit(self._pending().position)

    def _pending(self) -> Pending:
        if self._log.pending is None:
            raise ConnectError("the run has not begun")
        return self._log.pending


_INTERNAL = ("_key", "_hash", "_digest", "_state")


def to_table(rows: list[dict[str, Any]], kinds: Mapping[str, str], pending: Pending) -> pa.Table:
    """Return versions as a table with the moment they were first seen."""
    import pyarrow as pa

    time = pa.timestamp("us", tz="UTC")
    types = {"text": pa.string(), "number": pa.float64(), "flag": pa.bool_(), "time": time}
    columns: dict[str, Any] = {
        "_key": pa.array([row["_key"] for row in rows], pa.string()),
        "_hash": pa.array([row["_hash"] for row in rows], pa.int64()),
        "_digest": pa.array([row["_digest"] for row in rows], pa.int64()),
        "_state": pa.array([row["_state"] for row in rows], pa.int8()),
        "_seen": pa.array([pending.seen_at] * len(rows), time),
    }
    by_name = _columns(rows)
    for name, kind in kinds.items():
        if by_name is None:
            values: Sequence[Any] = [row.get(name) for row in rows]
        else:
            values = by_name.get(name) or [None] * len(rows)
        columns[name] = pa.array(values, types[kind])
    return pa.table(columns)


def _columns(rows: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]] | None:
    """Return the values by column if all rows have the same columns in the same order."""
    names = list(rows[0])
    if any(list(row) != names for row in rows):
        return None
    return dict(zip(names, zip(*(row.values() for row in rows), strict=True), strict=True))
