"""Convert simulated codes and times to Arrow columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnkit.datasets.simulation.history import NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["delay_some", "row_ids", "to_names", "to_timestamps"]

_LATE_SHARE = 0.03
_LATE_DAYS = 5
_HOUR = 3_600_000_000


def to_timestamps(times: NDArray[np.int64]) -> pa.Array:
    """Convert microseconds to UTC timestamps; `NEVER` becomes null."""
    return pa.array(times, mask=times == NEVER).view(pa.timestamp("us", tz="UTC"))


def to_names(names: tuple[str, ...], codes: NDArray[Any]) -> pa.Array:
    """Decode category codes."""
    return pa.array(names).take(pa.array(codes))


def row_ids(letter: str, count: int) -> pa.Array:
    """Return ids of `count` rows: a letter and the row's number."""
    return pa.array([f"{letter}{row:08d}" for row in range(1, count + 1)], pa.string())


def delay_some(occurred: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return when rows become available: for a few, hours or days after they occurred."""
    available = occurred.copy()
    late = np.flatnonzero(rng.random(len(occurred), dtype=np.float32) < _LATE_SHARE)
    hours = rng.integers(1, 24 * _LATE_DAYS + 1, len(late))
    available[late] += hours * _HOUR
    return available
