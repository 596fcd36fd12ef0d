"""Feather and Arrow IPC files."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from churnkit.core.io import table_file
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["arrow_batches", "arrow_schema"]


def arrow_schema(path: Path, *, name: str) -> pa.Schema:
    """Read the schema of an Arrow IPC file or stream.

    Raises
    ------
    ChurnkitError
        If the file is damaged.
    """
    with _errors(name), _open(path) as reader:
        return reader.schema


def arrow_batches(path: Path, columns: list[str], *, name: str) -> Iterator[pa.Table]:
    """Read an Arrow IPC file or stream in batches of at most `BATCH_ROWS` rows.

    Raises
    ------
    ChurnkitError
        If the file is damaged.
    """
    with _errors(name), _open(path) as reader:
        for batch in _record_batches(reader):
            for start in range(0, batch.num_rows, table_file.BATCH_ROWS):
                part = batch.slice(start, table_file.BATCH_ROWS)
                yield pa.Table.from_batches([part]).select(columns)


def _record_batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if hasattr(reader, "num_record_batches"):
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)
    else:
        yield from reader


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    with pa.memory_map(str(path)) as source:
        is_file = source.read(6) == b"ARROW1"
        source.seek(0)
        with pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source) as reader:
            yield reader


@contextmanager
def _errors(name: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise ChurnkitError(f"{name} cannot be read: {error.strerror}") from None
        raise ChurnkitError(
            f"{name} cannot be read as Arrow: it is damaged or truncated; export it again"
        ) from None
