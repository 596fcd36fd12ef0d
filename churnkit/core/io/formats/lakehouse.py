"""Delta Lake and Iceberg tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from churnkit.core.io.table_file import BATCH_ROWS
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["DELTA_LOG", "is_iceberg", "open_delta", "open_iceberg"]

DELTA_LOG = "_delta_log"
"""Subfolder by which a Delta table is recognized."""

_METADATA = "*.metadata.json"

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
        If deltalake is not installed, or the table cannot be read.
    """
    try:
        from deltalake import DeltaTable
    except ImportError:
        raise _missing(name, "Delta", "deltalake") from None
    try:
        table = DeltaTable(location)
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
