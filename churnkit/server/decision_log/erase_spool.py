"""Erase customers from spools: decisions of workers that died, rejected lines, stored replies."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from churnkit.core.io.atomic_write import write_atomic
from churnkit.core.io.lock import LockHeldError, lock_stream
from churnkit.server.decision_log.spool_folder import state_folder
from churnkit.server.http.idempotency import REPLIES_FILE, IdempotentReplies

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["SpoolErasure", "erase_from_spools", "find_spools"]


@dataclass(frozen=True, slots=True)
class SpoolErasure:
    """Result for one spool.

    Parameters
    ----------
    folder
        The spool.
    lines
        Number of erased lines and replies.
    held
        Number of lines that a running service holds. Once it reaches the journal it writes or
        drops them; the journal refuses decisions about erased customers.
    """

    folder: Path
    lines: int
    held: int = 0


def find_spools(configured: str | None = None) -> list[Path]:
    """Return the spools of this user, and the one that ``CHURNKIT_SPOOL`` names."""
    folders: list[Path] = []
    with contextlib.suppress(OSError):
        folders += [folder for folder in sorted(state_folder().iterdir()) if folder.is_dir()]
    if configured and Path(configured).is_dir():
        folders.append(Path(configured))
    return folders


def erase_from_spools(
    customers: Collection[str], spools: Iterable[Path], *, dry_run: bool = False
) -> list[SpoolErasure]:
    """Erase customers from spools; lines of other customers keep their bytes and order.

    Parameters
    ----------
    customers
        Ids as text.
    spools
        Spool folders.
    dry_run
        Only count.

    Returns
    -------
    list of SpoolErasure
        One per spool with lines of the customers.
    """
    results = []
    for folder in spools:
        lines = held = 0
        for file in sorted([*folder.glob("*.decisions"), *folder.glob("rejected.jsonl")]):
            with contextlib.suppress(FileNotFoundError), file.open("rb+") as stream:
                try:
                    lock_stream(stream, wait=False)
                except LockHeldError:
                    held += len(_split(stream.read(), customers)[1])
                    continue
                kept, erased = _split(stream.read(), customers)
                lines += len(erased)
                if erased and not dry_run:
                    write_atomic(file, b"".join(kept), mode=0o600)
        if (folder / REPLIES_FILE).exists():
            replies = IdempotentReplies(folder)
            lines += replies.erase(customers, dry_run=dry_run)
            replies.close()
        if lines or held:
            results.append(SpoolErasure(folder, lines, held))
    return results


def _split(content: bytes, customers: Collection[str]) -> tuple[list[bytes], list[bytes]]:
    """Return the lines of other customers, and those of the given ones."""
    kept: list[bytes] = []
    erased: list[bytes] = []
    texts = [json.dumps(c, ensure_ascii=False)[1:-1].encode() for c in customers]
    for line in content.splitlines(keepends=True):
        try:
            named = str(json.loads(line)["customer"]) in customers
        except (ValueError, KeyError, TypeError, RecursionError):
            # Damaged lines are erased if the id occurs anywhere in them.
            named = any(text in line for text in texts)
        (erased if named else kept).append(line)
    return kept, erased
