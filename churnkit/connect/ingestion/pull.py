"""Pull declared sources into raw tables."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.connect.http.client import Client
from churnkit.connect.ingestion.erased_customers import ErasedCustomers
from churnkit.connect.ingestion.stream_pull import StreamCounts, pull_stream
from churnkit.connect.ingestion.tables import table_names, write_tables
from churnkit.connect.ingestion.version_log import VersionLog
from churnkit.core.io.lock import LockHeldError, exclusive_lock
from churnkit.core.output_ledger import record_output
from churnkit.core.result import Result
from churnkit.core.time import to_microseconds
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from random import Random

    from churnkit.connect.description.provider import Source, Stream
    from churnkit.connect.http.clock import Clock
    from churnkit.connect.http.transport import Transport
    from churnkit.core.project import Project

__all__ = ["PULLS", "PullReport", "open_client", "pull"]

PULLS = "pulls"


@dataclass(frozen=True)
class PullReport(Result):
    """Result of a pull.

    Parameters
    ----------
    streams
        Counts by stream: source, stream, mode, read, new, deleted, erased, and changed columns.
    tables
        Files and their rows.
    requests
        Number of requests.
    dry_run
        Whether nothing was requested or written.
    """

    streams: tuple[dict[str, Any], ...]
    tables: tuple[dict[str, Any], ...]
    requests: int
    dry_run: bool = False


def pull(
    sources: Mapping[str, Source],
    folder: Path,
    *,
    project: Project,
    transport: Transport,
    clock: Clock,
    jitter: Random,
    names: Sequence[str] = (),
    since: datetime | None = None,
    full: bool = False,
    dry_run: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> PullReport:
    """Pull sources and write their raw tables.

    An interrupted pull is continued by the next one, with the same result.

    Parameters
    ----------
    sources
        Declared sources by name.
    folder
        Folder of the raw tables.
    project
        Project whose store keeps the logs of versions.
    transport, clock, jitter
        Connection, clock, and random numbers that spread retries.
    names
        Sources to pull; all if empty.
    since
        Read changes from this time instead of from the last pull.
    full
        Whether to read all records again.
    dry_run
        Only list what would be read.
    progress
        Called with the name of each stream.

    Returns
    -------
    PullReport
        Counts by stream, and the tables.

    Raises
    ------
    ConnectError
        If a source is not declared or cannot be read, or another pull runs.
    DataError
        If a required column is missing or of another kind.
    """
    chosen = _choose(sources, names)
    streams: list[dict[str, Any]] = []
    tables: list[dict[str, Any]] = []
    requests = 0
    home = project.store / PULLS
    if dry_run:
        return PullReport(tuple(_outlook(home, chosen, full=full)), (), 0, dry_run=True)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for name in chosen:
            (home / name).mkdir(parents=True, exist_ok=True)
            _lock(stack, home / name / "lock", name)
        erased = ErasedCustomers(home)
        start = None if since is None else to_microseconds(since)
        for name, source in chosen.items():
            client = open_client(name, source, transport=transport, clock=clock, jitter=jitter)
            for stream in source.streams:
                progress(f"{name}: {stream.name}")
                log = VersionLog(home / name / stream.name)
                counts = pull_stream(
                    client,
                    source,
                    stream,
                    log,
                    full=full,
                    since=start,
                    is_erased=erased.contains,
                )
                tables += _build(log, stream, name, source, folder=folder, project=project)
                streams.append({"source": name, **_to_dict(counts)})
            requests += client.requests
    return PullReport(tuple(streams), tuple(tables), requests)


def open_client(
    name: str, source: Source, *, transport: Transport, clock: Clock, jitter: Random
) -> Client:
    """Open the HTTP client of a source."""
    provider = source.provider
    return Client(
        name,
        source.base_url,
        auth=provider.auth,
        secret=source.secret,
        rate=provider.rate,
        transport=transport,
        clock=clock,
        jitter=jitter,
        headers={key: text.format(**source.settings) for key, text in provider.headers.items()},
        settings=source.settings,
        quota_share=source.quota_share,
    )


def _choose(sources: Mapping[str, Source], names: Sequence[str]) -> dict[str, Source]:
    for name in names:
        if name not in sources:
            declared = ", ".join(sorted(sources)) or "none"
            raise ConnectError(f"no source '{name}' in sources.py; declared: {declared}")
    return {name: source for name, source in sources.items() if not names or name in names}


def _lock(stack: ExitStack, file: Path, name: str) -> None:
    try:
        stack.enter_context(exclusive_lock(file, wait=False))
    except LockHeldError:
        raise ConnectError(
            f"another pull of {name} is running: wait for it, or end it and pull again"
        ) from None


def _outlook(home: Path, sources: Mapping[str, Source], *, full: bool) -> list[dict[str, Any]]:
    outlook = []
    for name, source in sources.items():
        for stream in source.streams:
            folder = home / name / stream.name
            log = VersionLog(folder) if (folder / "manifest.json").exists() else None
            changes = log is not None and log.since is not None and stream.changes is not None
            mode = "changes" if changes and not full else "full"
            rows = 0 if log is None else log.rows
            outlook.append({"source": name, "stream": stream.name, "mode": mode, "stored": rows})
    return outlook


def _build(
    log: VersionLog, stream: Stream, name: str, source: Source, *, folder: Path, project: Project
) -> list[dict[str, Any]]:
    """Write the tables of a log that has changed since they were written."""
    files = [folder / f"{table}.parquet" for table in table_names(name, stream)]
    if log.is_built and all(file.is_file() for file in files):
        return []
    constant = source.constant.get(stream.name, ())
    written = write_tables(log, stream, name, folder, constant)
    log.is_built = True
    log.save()
    for file in files:
        # No column: the id of a customer may be in several.
        record_output(file, "", project=project)
    return [{"table": file, "rows": rows, "family": stream.family} for file, rows in written]


def _to_dict(counts: StreamCounts) -> dict[str, Any]:
    return {name: getattr(counts, name) for name in StreamCounts.__dataclass_fields__}
