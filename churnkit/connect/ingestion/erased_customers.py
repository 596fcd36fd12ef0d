"""Erased customers of pulls: salted hashes that keep them from coming back, and their removal."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING

import numpy as np

from churnkit.connect.ingestion.version_log import VersionLog, conform
from churnkit.core.io.atomic_write import write_atomic
from churnkit.core.io.lock import LockHeldError, exclusive_lock
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    import pyarrow as pa

    from churnkit.core.project import Project

__all__ = ["ErasedCustomers", "erase_from_pulls"]

_FILE = "erased.json"


class ErasedCustomers:
    """Salted hashes of erased customers.

    Parameters
    ----------
    folder
        Folder of the pulls.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / _FILE
        try:
            content = json.loads(self._file.read_bytes())
            self._salt, self._hashes = str(content["salt"]), set(content["hashes"])
        except FileNotFoundError:
            self._salt, self._hashes = secrets.token_hex(32), set()
        except (ValueError, KeyError, TypeError):
            raise ConnectError(f"{self._file} cannot be read: restore it from a backup") from None

    def contains(self, customer: str) -> bool:
        """Return True if a customer was erased."""
        return bool(self._hashes) and self._hash(customer) in self._hashes

    def add(self, customers: Collection[str]) -> None:
        """Store the hashes of customers."""
        self._hashes |= {self._hash(customer) for customer in customers}
        content = {"salt": self._salt, "hashes": sorted(self._hashes)}
        write_atomic(self._file, json.dumps(content), mode=0o600)

    def _hash(self, customer: str) -> str:
        return hashlib.sha256(f"{self._salt}:{customer}".encode()).hexdigest()


def erase_from_pulls(
    customers: Collection[str], project: Project, *, dry_run: bool = False
) -> dict[str, int]:
    """Erase customers from the logs of all pulls; the next pull does not bring them back.

    The raw tables are written again by the next pull; remove their rows with `erase_customers`.

    Parameters
    ----------
    customers
        Ids as text: keys of records, and values of ``customer_id``.
    project
        Project with the pulls.
    dry_run
        Only count.

    Returns
    -------
    dict
        Number of versions by ``source/stream``.

    Raises
    ------
    ConnectError
        If a pull is running.
    """
    home = project.store / "pulls"
    if not home.is_dir():
        return {}
    if not dry_run:
        # Before the rows: a pull that follows a crash must not restore them.
        ErasedCustomers(home).add(customers)
    erased: dict[str, int] = {}
    for folder in sorted(path for path in home.iterdir() if path.is_dir()):
        try:
            with exclusive_lock(folder / "lock", wait=False):
                for stream in sorted(path for path in folder.iterdir() if path.is_dir()):
                    count = _erase(VersionLog(stream), set(customers), dry_run=dry_run)
                    if count:
                        erased[f"{folder.name}/{stream.name}"] = count
        except LockHeldError:
            raise ConnectError(
                f"a pull of {folder.name} is running: wait for it, and erase again"
            ) from None
    return erased


def _erase(log: VersionLog, customers: set[str], *, dry_run: bool) -> int:
    import pyarrow as pa

    count = 0
    for batch in log.batches(["_key", "customer_id"]):
        count += int(_belongs(batch, customers).sum())
    if dry_run or not count:
        return count
    schema = log.schema()

    def rest() -> Iterator[pa.Table]:
        for batch in log.batches():
            kept = pa.array(~_belongs(batch, customers))
            yield conform(pa.Table.from_batches([batch]).filter(kept), schema)

    # A new name: the old parts are removed once the manifest no longer lists them.
    number = 1 + sum(part.file.startswith("erased-") for part in log.parts)
    log.replace_parts(rest(), f"erased-{log.runs:06d}-{number:05d}-{secrets.token_hex(4)}.parquet")
    log.save()
    VersionLog(log.folder)
    return count


def _belongs(batch: pa.RecordBatch, customers: set[str]) -> np.ndarray:
    names = [name for name in ("_key", "customer_id") if name in batch.schema.names]
    columns = [batch.column(name).to_pylist() for name in names]
    return np.array(
        [any(value in customers for value in row) for row in zip(*columns, strict=True)],
        dtype=np.bool_,
    )
