"""Distribute rows over threads."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["share_rows"]


def share_rows(work: Callable[[int, int], None], n_rows: int, threads: int, *, unit: int) -> None:
    """Call ``work(start, stop)`` for ranges that cover all rows, one range per thread.

    The threads end with this call, so that a later fork is safe.

    Parameters
    ----------
    work
        Writes the results of its rows to memory that no other range uses.
    n_rows, threads
        Number of rows, and maximum number of threads.
    unit
        Ranges are multiples of this number of rows.

    Raises
    ------
    ValueError
        If `threads` is not positive.
    """
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    units = -(-n_rows // unit)
    threads = min(threads, units)
    if threads <= 1:
        work(0, n_rows)
        return
    # Most calls use one thread, and need not wait for this import.
    from concurrent.futures import ThreadPoolExecutor

    edges = [min(n_rows, units * part // threads * unit) for part in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        for finished in [pool.submit(work, *edge) for edge in pairwise(edges)]:
            finished.result()
