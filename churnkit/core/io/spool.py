"""Temporary copies of tables as local files, removed when the process ends.

Formats that cannot be read in batches from where they are (workbooks, JSON, downloads, standard
input, results of queries) are converted once, batch by batch, and read from the copy.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["copy_stream", "spool_file", "spool_table", "temporary_folder", "unify_types"]

_PREFIX = "churnkit-"
_CHUNK_BYTES = 1 << 20
# Left free on the disk for other programs.
_RESERVE_BYTES = 256 << 20

_lock = threading.RLock()
_folders: dict[int, Path] = {}
_files: dict[tuple[Any, ...], Path] = {}


def _folder() -> Path:
    """Return this process's folder; a forked process gets its own."""
    process = os.getpid()
    if process not in _folders:
        _folders[process] = Path(tempfile.mkdtemp(prefix=_PREFIX))
        atexit.register(_remove, process)
    return _folders[process]


def _remove(process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(_folders[process], ignore_errors=True)


def temporary_folder() -> Path:
    """Create an empty folder, removed when the process ends."""
    with _lock:
        return Path(tempfile.mkdtemp(dir=_folder()))


def spool_file(key: tuple[Any, ...], name: str, write: Callable[[Path], None]) -> Path:
    """Return the temporary file of a key, and write it if there is none yet.

    Parameters
    ----------
    key
        Identifies the content, such as the path, size and time of the original.
    name
        File name; its suffix states the format.
    write
        Called with the path of the file to write.

    Returns
    -------
    pathlib.Path
        The file, removed when the process ends.

    Raises
    ------
    ChurnkitError
        If the temporary folder cannot be written.
    """
    with _lock:
        key = (os.getpid(), *key)
        if key in _files and _files[key].exists():
            return _files[key]
        path = temporary_folder() / (Path(name).name or "table")
        try:
            write(path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        _files[key] = path
        return path


def spool_table(key: tuple[Any, ...], batches: Callable[[], Iterable[pa.Table]]) -> Path:
    """Write tables one after another to a temporary Parquet file with one schema.

    A column that is missing in a table is null there. A column of different types becomes the
    common numeric type, or text.

    Parameters
    ----------
    key
        As in `spool_file`.
    batches
        Called if there is no file yet; returns at least one table, which may have no rows.

    Returns
    -------
    pathlib.Path
        A Parquet file.
    """

    def write(path: Path) -> None:
        parts = path.with_name("parts.arrow")
        try:
            schema = _merge(list(_write_parts(parts, batches())))
            with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
                for table in _read_parts(parts):
                    writer.write_table(_conform(table, schema))
        except OSError as error:
            raise _no_space(error) from None
        finally:
            parts.unlink(missing_ok=True)

    return spool_file(key, "table.parquet", write)


def _write_parts(path: Path, batches: Iterable[pa.Table]) -> Iterator[pa.Schema]:
    """Append each table with its own schema; yield the schemas."""
    with path.open("wb") as stream:
        for table in batches:
            with pa.ipc.new_stream(stream, table.schema) as writer:
                writer.write_table(table)
            yield table.schema


def _read_parts(path: Path) -> Iterator[pa.Table]:
    with path.open("rb") as stream:
        size = path.stat().st_size
        while stream.tell() < size:
            with pa.ipc.open_stream(stream) as reader:
                yield reader.read_all()


def _merge(schemas: list[pa.Schema]) -> pa.Schema:
    types: dict[str, list[pa.DataType]] = {}
    for schema in schemas:
        for field in schema:
            types.setdefault(field.name, []).append(field.type)
    return pa.schema([(name, unify_types(kinds)) for name, kinds in types.items()])


def unify_types(types: Iterable[pa.DataType]) -> pa.DataType:
    """Return a type that has the values of all types: a common number or time, else text.

    Examples
    --------
    >>> unify_types([pa.int64(), pa.null(), pa.float64()])
    DataType(double)
    >>> unify_types([pa.int64(), pa.string()]), unify_types([pa.null()])
    (DataType(string), DataType(string))
    """
    present = list(dict.fromkeys(kind for kind in types if not pa.types.is_null(kind)))
    if not present:
        return pa.string()
    if len(present) == 1:
        return present[0]
    if any(map(pa.types.is_boolean, present)):
        return pa.string()
    try:
        merged = pa.unify_schemas(
            [pa.schema([("", kind)]) for kind in present], promote_options="permissive"
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()
    return merged.field(0).type


def _conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return pa.table(
        [
            table[field.name].cast(field.type)
            if field.name in table.column_names
            else pa.nulls(table.num_rows, field.type)
            for field in schema
        ],
        schema=schema,
    )


def copy_stream(stream: Any, path: Path, *, name: str, size: int | None = None) -> None:
    """Copy a stream to a file, as far as the disk has space.

    Parameters
    ----------
    stream
        Object with ``read(bytes)``.
    path
        File to write.
    name
        Name of the stream in messages.
    size
        Bytes of the stream, if known: a copy that does not fit is refused before it begins.

    Raises
    ------
    ChurnkitError
        If the disk has too little space.
    """
    free = shutil.disk_usage(path.parent).free - _RESERVE_BYTES
    if size is not None and size > free:
        raise _too_large(name, path)
    copied = 0
    with path.open("wb") as target:
        while chunk := stream.read(_CHUNK_BYTES):
            copied += len(chunk)
            if copied > free:
                raise _too_large(name, path)
            target.write(chunk)


def _too_large(name: str, path: Path) -> ChurnkitError:
    return ChurnkitError(
        f"{name} does not fit into the temporary folder {path.parent.parent.parent}: set TMPDIR to "
        "a folder on a larger disk"
    )


def _no_space(error: OSError) -> ChurnkitError:
    return ChurnkitError(
        f"the temporary folder {_folder().parent} cannot be written: "
        f"{error.strerror or 'the disk may be full'}; set TMPDIR to another folder"
    )
