"""From the simulator's whole numbers to columns of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnkit.datasets.simulation.history import NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["made_late", "named", "numbered", "timestamps"]

_LATE_SHARE = 0.03
_LATE_DAYS = 5
_HOUR = 3_600_000_000


def timestamps(moments: NDArray[np.int64]) -> pa.Array:
    """Return microseconds as UTC timestamps; `NEVER` becomes null."""
    return pa.array(moments, mask=moments == NEVER).view(pa.timestamp("us", tz="UTC"))


def named(names: tuple[str, ...], codes: NDArray[Any]) -> pa.Array:
    """Return the names that codes stand for."""
    return pa.array(names).take(pa.array(codes))


def numbered(letter: str, count: int) -> pa.Array:
    """Return the keys of `count` rows: a letter and the row's number."""
    return pa.array([f"{letter}{row:08d}" for row in range(1, count + 1)], pa.string())


def made_late(occurred: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Let a few rows be known only hours or days after they happened."""
    available = occurred.copy()
    late = np.flatnonzero(rng.random(len(occurred), dtype=np.float32) < _LATE_SHARE)
    hours = rng.integers(1, 24 * _LATE_DAYS + 1, len(late))
    available[late] += hours * _HOUR
    return available
