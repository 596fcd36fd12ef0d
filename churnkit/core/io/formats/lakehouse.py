"""Delta Lake and Iceberg tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa

from churnkit.core.io.remote.object_parquet import ObjectParquet
from churnkit.core.io.remote.object_store import find_objects
from churnkit.core.io.source_files import PartitionFile, TableFiles
from churnkit.core.io.table_file import BATCH_ROWS, open_table
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from churnkit.core.io.source_files import Source

__all__ = ["DELTA_LOG", "delta_files", "is_iceberg", "open_delta", "open_iceberg"]

DELTA_LOG = "_delta_log"
"""Subfolder by which a Delta table is recognized."""

_METADATA = "*.metadata.json"
_REFUSED_FEATURES = {"columnMapping", "deletionVectors"}

Opened = tuple[pa.Schema, "Callable[[list[str]], Iterator[pa.Table]]", str]


def is_iceberg(folder: Path) -> bool:
    """Return True for a folder with the metadata of an Iceberg table."""
    return any((folder / "metadata").glob(_METADATA))


def open_delta(location: str, *, name: str) -> Opened:
    """Open the current version of a Delta table.

    Parameters
    ----------
    location
        Folder or URL.
    name
        Name of the table in messages.

    Returns
    -------
    schema, batches, version
        The schema, a function that reads some columns in batches, and the version.

    Raises
    ------
    ChurnkitError
        If deltalake is not installed, the table cannot be read, or it has deletion vectors or
        mapped columns.
    """
    table = _delta_table(location, name)
    try:
        dataset = table.to_pyarrow_dataset()
    except Exception as error:  # noqa: BLE001 - deltalake's errors share no base class
        raise _unreadable(name, "Delta", error) from None

    def batches(columns: list[str]) -> Iterator[pa.Table]:
        try:
            for batch in dataset.to_batches(columns=columns, batch_size=BATCH_ROWS):
                yield pa.Table.from_batches([batch]).select(columns)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(name, "Delta", error) from None

    return dataset.schema, batches, str(table.version())


def delta_files(location: str, *, name: str) -> TableFiles | None:
    """Open the Parquet files of the current version of a Delta table, to read each on its own.

    Parameters
    ----------
    location, name
        As of `open_delta`.

    Returns
    -------
    TableFiles or None
        Files with the columns of the table: of its partitions too, and nulls where a column was
        added later. None if there are no files, or some outside of the location.

    Raises
    ------
    ChurnkitError
        As of `open_delta`.
    """
    table = _delta_table(location, name)
    try:
        schema = pa.schema(table.schema().to_arrow())
        actions = pa.table(table.get_add_actions(flatten=True))
        paths = [unquote(path) for path in actions["path"].to_pylist()]
        partitions = {
            field.name: actions[f"partition.{field.name}"].cast(field.type)
            for field in schema
            if f"partition.{field.name}" in actions.column_names
        }
    except Exception as error:  # noqa: BLE001 - deltalake's errors share no base class
        raise _unreadable(name, "Delta", error) from None
    if not paths or any(path.startswith("/") or "://" in path for path in paths):
        return None
    files = []
    opened = _open_parquet(location, paths)
    for row in sorted(range(len(paths)), key=paths.__getitem__):
        absent = [field for field in schema if field.name not in opened[row].columns]
        values = tuple(
            (field.name, partitions[field.name][row])
            if field.name in partitions
            else (field.name, pa.scalar(None, field.type))
            for field in absent
        )
        files.append(PartitionFile(opened[row], values, tuple(schema.names)))
    return TableFiles(name, tuple(files))


def _open_parquet(location: str, paths: list[str]) -> list[Source]:
    """Open Parquet files below a folder, or a prefix of an object store."""
    if "://" not in location:
        return [open_table(Path(location) / path) for path in paths]
    root = location.rstrip("/")
    stored = {file.url.removeprefix(f"{root}/"): file for file in find_objects(root)[0]}
    return [ObjectParquet.open(stored[path]) for path in paths]


def _delta_table(location: str, name: str) -> Any:
    """Open a Delta table; refuse one whose files do not state its rows and columns."""
    try:
        from deltalake import DeltaTable
    except ImportError:
        raise _missing(name, "Delta", "deltalake") from None
    try:
        table = DeltaTable(location)
        features = set(table.protocol().reader_features or ())
        mapping = table.metadata().configuration.get("delta.columnMapping.mode") or "none"
    except Exception as error:  # noqa: BLE001 - deltalake's errors share no base class
        raise _unreadable(name, "Delta", error) from None
    if mapping != "none":
        features.add("columnMapping")
    refused = sorted(features & _REFUSED_FEATURES)
    if refused:
        raise ChurnkitError(
            f"{name} is a Delta table with the feature {refused[0]}, by which its files have other "
            f"rows or columns than the table: drop it (ALTER TABLE ... DROP FEATURE {refused[0]}), "
            "or write the table to Parquet files"
        )
    return table


def open_iceberg(folder: Path, *, name: str) -> Opened:
    """Open the current snapshot of an Iceberg table by its newest metadata file.

    Parameters
    ----------
    folder
        Folder of the table.
    name
        Name of the table in messages.

    Returns
    -------
    schema, batches, version
        As of `open_delta`.

    Raises
    ------
    ChurnkitError
        If pyiceberg is not installed, or the table cannot be read.
    """
    try:
        from pyiceberg.table import StaticTable
    except ImportError:
        raise _missing(name, "Iceberg", "pyiceberg[pyarrow]") from None
    newest = max((folder / "metadata").glob(_METADATA), key=_version)
    try:
        scan = StaticTable.from_metadata(str(newest)).scan()
        schema = scan.to_arrow_batch_reader().schema
    except Exception as error:  # noqa: BLE001 - pyiceberg's errors share no base class
        raise _unreadable(name, "Iceberg", error) from None

    def batches(columns: list[str]) -> Iterator[pa.Table]:
        try:
            for batch in scan.select(*columns).to_arrow_batch_reader():
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    part = batch.slice(start, BATCH_ROWS)
                    yield pa.Table.from_batches([part]).select(columns)
        except Exception as error:  # noqa: BLE001 - as above
            raise _unreadable(name, "Iceberg", error) from None

    return schema, batches, newest.name


def _version(path: Path) -> tuple[int, str]:
    digits = path.name.removeprefix("v").partition("-")[0].partition(".")[0]
    return (int(digits) if digits.isdigit() else -1), path.name


def _missing(name: str, kind: str, package: str) -> ChurnkitError:
    return ChurnkitError(f"{name} is a {kind} table: pip install '{package}' to read it")


def _unreadable(name: str, kind: str, error: Any) -> ChurnkitError:
    return ChurnkitError(
        f"{name} cannot be read as a {kind} table ({type(error).__name__}): check that it is "
        "complete, and that the installed package knows its features"
    )
