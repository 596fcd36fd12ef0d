"""Log of a stream's versions: parts, and one manifest that is replaced with each part.

A part and the position behind it are committed by one rename of the manifest, so that a killed
run continues from its last part. Files that the manifest does not list are removed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.io.atomic_write import atomic_write, write_atomic
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["DELETED", "LIVE", "SWEPT", "Part", "Pending", "Position", "VersionLog", "conform"]

LIVE, DELETED, SWEPT = 0, 1, 2
"""State of a version: live, deleted with its values, and deleted without values."""

_MANIFEST = "manifest.json"
_FORMAT = 1
_MOST_PARTS = 256
_BATCH_ROWS = 2000


@dataclass(slots=True)
class Part:
    """A file of versions.

    Parameters
    ----------
    file, rows, size
        Name, number of rows and size in bytes.
    """

    file: str
    rows: int
    size: int


@dataclass(slots=True)
class Position:
    """Position of a run.

    Parameters
    ----------
    endpoint, token, job
        Index of the endpoint, token of the next page, and id of the endpoint's job.
    restarts
        Number of expired tokens.
    """

    endpoint: int = 0
    token: Any = None
    job: str | None = None
    restarts: int = 0


@dataclass(slots=True)
class Pending:
    """An unfinished run.

    Parameters
    ----------
    mode
        ``"full"`` or ``"changes"``.
    seen_at
        Start of the run: the time at which its versions were first seen, in microseconds.
    since
        Start of the changes, in microseconds.
    served_at
        Time of the server at the first page; None before it.
    position
        Where to continue.
    keys
        Files with hashes of the keys that the run has read.
    parts
        Number of parts that the run has written.
    """

    mode: str
    seen_at: int
    since: int
    served_at: int | None = None
    position: Position = field(default_factory=Position)
    keys: list[str] = field(default_factory=list)
    parts: int = 0


class VersionLog:
    """Versions of a stream's records in a folder.

    Parameters
    ----------
    folder
        Folder of the log; created if missing.

    Raises
    ------
    ConnectError
        If the manifest cannot be read or a part is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parts: list[Part] = []
        self.kinds: dict[str, str] = {}
        self.first_seen: int | None = None
        self.since: int | None = None
        self.runs: int = 0
        self.is_built: bool = False
        self.pending: Pending | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._load()
        self._remove_orphans()

    @property
    def rows(self) -> int:
        """Number of versions."""
        return sum(part.rows for part in self.parts)

    def begin(self, mode: str, seen_at: int, since: int) -> Pending:
        """Begin a run; its time is kept if it is interrupted."""
        self.pending = Pending(mode, seen_at, since)
        self.save()
        return self.pending

    def commit(
        self, position: Position, table: pa.Table | None, keys: NDArray[np.int64] | None = None
    ) -> None:
        """Write rows and the position behind them."""
        if self.pending is None:
            raise ConnectError("the run has not begun")
        number = self.pending.parts + 1
        if table is not None and table.num_rows:
            # Named by its first row: a repeated commit replaces the file.
            name = f"{self.rows:012d}.parquet"
            with atomic_write(self.folder / name) as path:
                _write(path, table)
            self._add(name, table.num_rows)
            self.is_built = False
        if keys is not None and keys.size:
            name = f"{number:06d}.npy"
            with atomic_write(self.folder / name) as path, path.open("wb") as stream:
                np.save(stream, keys)
            self.pending.keys.append(name)
        self.pending.parts = number
        self.pending.position = position
        self.save()

    def finish(self) -> None:
        """End the run: the next one reads what changed since this one began."""
        pending = self.pending
        if pending is None:
            return
        self.runs += 1
        self.first_seen = pending.seen_at if self.first_seen is None else self.first_seen
        self.since = min(pending.seen_at, pending.served_at or pending.seen_at)
        self.pending = None
        if len(self.parts) > _MOST_PARTS:
            self._compact()
        self.save()
        self._remove_orphans()

    def read_keys(self) -> NDArray[np.int64]:
        """Return the hashes of the keys that the run has read."""
        files = self.pending.keys if self.pending else []
        arrays = [np.load(self.folder / name, allow_pickle=False) for name in files]
        return np.concatenate(arrays) if arrays else np.empty(0, dtype=np.int64)

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Read the versions in order, some thousand rows at once."""
        import pyarrow.parquet as pq

        for part in self.parts:
            with pq.ParquetFile(self.folder / part.file, memory_map=False) as file:
                names = file.schema_arrow.names
                selected = None if columns is None else [n for n in columns if n in names]
                yield from file.iter_batches(_BATCH_ROWS, columns=selected)

    def read(self, name: str) -> NDArray[Any]:
        """Read a narrow column of all versions."""
        arrays = [batch.column(0).to_numpy(zero_copy_only=False) for batch in self.batches([name])]
        return np.concatenate(arrays) if arrays else np.empty(0, dtype=np.int64)

    def replace_parts(self, batches: Iterator[pa.Table], name: str) -> None:
        """Replace all parts by one part of these tables; the caller saves the manifest."""
        import pyarrow.parquet as pq

        rows, writer = 0, None
        with atomic_write(self.folder / name) as path:
            for table in batches:
                writer = writer or pq.ParquetWriter(path, table.schema, compression="lz4")
                writer.write_table(table)
                rows += table.num_rows
            if writer is not None:
                writer.close()
        self.parts = []
        if rows:
            self._add(name, rows)
        self.is_built = False

    def save(self) -> None:
        """Replace the manifest."""
        content = {
            "format": _FORMAT,
            "parts": [asdict(part) for part in self.parts],
            "kinds": self.kinds,
            "first_seen": self.first_seen,
            "since": self.since,
            "runs": self.runs,
            "is_built": self.is_built,
            "pending": None if self.pending is None else asdict(self.pending),
        }
        write_atomic(self.folder / _MANIFEST, json.dumps(content), mode=0o600)

    def _add(self, name: str, rows: int) -> None:
        self.parts.append(Part(name, rows, (self.folder / name).stat().st_size))

    def _compact(self) -> None:
        import pyarrow as pa

        schema = self.schema()

        def tables() -> Iterator[pa.Table]:
            for batch in self.batches():
                yield conform(pa.Table.from_batches([batch]), schema)

        self.replace_parts(tables(), f"compacted-{self.rows:012d}.parquet")

    def schema(self) -> pa.Schema:
        """Return the schema of all parts: columns of two types become text."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        types: dict[str, pa.DataType] = {}
        for part in self.parts:
            for column in pq.read_schema(self.folder / part.file):
                earlier = types.setdefault(column.name, column.type)
                if earlier != column.type:
                    types[column.name] = pa.string()
        return pa.schema(list(types.items()))

    def _load(self) -> None:
        file = self.folder / _MANIFEST
        try:
            content = json.loads(file.read_bytes())
            if content["format"] != _FORMAT:
                raise ConnectError(f"{file} was written by a newer version of churnkit: upgrade")
            self.parts = [Part(**part) for part in content["parts"]]
            self.kinds = content["kinds"]
            self.first_seen, self.since = content["first_seen"], content["since"]
            self.runs, self.is_built = content["runs"], content["is_built"]
            pending = content["pending"]
            if pending is not None:
                position = Position(**pending.pop("position"))
                self.pending = Pending(position=position, **pending)
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError):
            raise ConnectError(f"{file} cannot be read: restore it from a backup") from None
        for part in self.parts:
            path = self.folder / part.file
            if not path.is_file() or path.stat().st_size != part.size:
                raise ConnectError(f"{path} is missing or damaged: restore it from a backup")

    def _remove_orphans(self) -> None:
        listed = {part.file for part in self.parts} | {_MANIFEST}
        listed |= set(self.pending.keys) if self.pending else set()
        for path in self.folder.iterdir():
            if path.name not in listed and path.is_file():
                path.unlink()


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Cast a table to a schema; missing columns are null."""
    import pyarrow as pa

    columns = [
        table[column.name].cast(column.type)
        if column.name in table.column_names
        else pa.nulls(table.num_rows, column.type)
        for column in schema
    ]
    return pa.table(columns, schema=schema)


def _write(path: Path, table: pa.Table) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, path, compression="lz4")
