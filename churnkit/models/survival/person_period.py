"""Customers' time under risk, cut into periods: the rows that a hazard is learnt from.

A customer at risk from `entry` to `duration` gives one row for each period touched. Period k
covers ``(k, k + 1]`` in units of the width, so that who leaves at 3.0 leaves in period 2. A row
that ends in leaving weighs 1; a row without leaving weighs the part of the period that was
watched, so a follow-up that ends in mid-period neither counts as a full one nor is thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["MAX_PERIODS", "FollowUp", "PersonPeriods", "period_units", "person_periods"]

MAX_PERIODS = 10_000
_CHUNK_ROWS = 1_000_000


@dataclass(frozen=True)
class FollowUp:
    """What is known of each row's time under risk, in units of the period width.

    Attributes
    ----------
    entry, exit : (n,) when watching begins and ends
    left : (n,) whether the customer left at `exit`
    weight : (n,) of the rows

    Examples
    --------
    >>> watched = FollowUp.of(np.array([2.0, 3.5]), np.array([True, False]), width=1.0)
    >>> watched.last
    array([1, 3])
    """

    entry: NDArray[np.float64]
    exit: NDArray[np.float64]
    left: NDArray[np.bool_]
    weight: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        duration: NDArray[np.float64],
        left: NDArray[np.bool_],
        *,
        width: float,
        entry: NDArray[np.float64] | None = None,
        weight: NDArray[np.float64] | None = None,
    ) -> FollowUp:
        """Scale checked times to periods.

        Raises
        ------
        ModelDataError
            The times span more periods than can be bounded.
        """
        ends = period_units(duration, width)
        if ends.max(initial=0.0) > MAX_PERIODS:
            raise ModelDataError(
                f"the durations span more than {MAX_PERIODS:,} periods of width {width:g}: "
                "set a larger width"
            )
        begins = np.zeros(len(ends)) if entry is None else period_units(entry, width)
        weights = np.ones(len(ends)) if weight is None else weight
        return cls(begins, ends, left, weights)

    @property
    def first(self) -> NDArray[np.int64]:
        """Period in which watching begins, (n,)."""
        return np.floor(self.entry).astype(np.int64)

    @property
    def last(self) -> NDArray[np.int64]:
        """Period in which watching ends, (n,)."""
        return np.maximum(np.ceil(self.exit).astype(np.int64) - 1, self.first)

    def take(self, at: NDArray[np.intp] | slice) -> FollowUp:
        """Return some of the rows."""
        return FollowUp(self.entry[at], self.exit[at], self.left[at], self.weight[at])

    def totals(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how many left in each period and how many were at risk, both (periods,).

        The second is the weight of all rows of the period, exact without making the rows.
        """
        first, last, weight = self.first, self.last, self.weight
        periods = int(last.max(initial=0)) + 1
        left = np.bincount(last[self.left], weight[self.left], periods).astype(np.float64)
        entered = np.bincount(first, weight, periods + 1)
        gone = np.bincount(last + 1, weight, periods + 1)
        at_risk = np.cumsum(entered - gone)[:periods]
        # What of the first and last period was not watched; leaving rows weigh 1 in any case.
        late = weight * (self.entry - first)
        whole = self.left & (first == last)
        at_risk -= np.bincount(first[~whole], late[~whole], periods)
        early = weight * (last + 1 - self.exit)
        at_risk -= np.bincount(last[~self.left], early[~self.left], periods)
        return left, np.maximum(at_risk, left)


@dataclass(frozen=True)
class PersonPeriods:
    """One row for each customer and period under risk.

    Attributes
    ----------
    row : (m,) which row of the caller's table
    period : (m,) which period
    left : (m,) 1.0 where the customer left in it
    weight : (m,) the watched part of the period, times what the sampling asks for
    share : float
        Which share of the rows without leaving was drawn; 1.0 for all.
    """

    row: NDArray[np.int64]
    period: NDArray[np.int32]
    left: NDArray[np.float32]
    weight: NDArray[np.float32]
    share: float


def period_units(time: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Return times in units of the width, the last bits of a division rounded away.

    Examples
    --------
    >>> period_units(np.array([1.1]), 0.1)
    array([11.])
    """
    scaled = np.asarray(time, dtype=np.float64) / width
    whole = np.round(scaled)
    near = np.abs(scaled - whole) <= 1e-9 * np.maximum(1.0, np.abs(scaled))
    return np.where(near, whole, scaled)


def person_periods(watched: FollowUp, *, max_rows: int, seed: int) -> PersonPeriods:
    """Make the rows, or a weighted sample of them if they are more than `max_rows`.

    All rows in which somebody left are kept, unless they alone fill half of the room; of the
    others a random share is drawn, and each drawn row stands for those that were not. The rows
    are made in chunks, so memory is bounded by `max_rows` and not by the follow-up.

    Parameters
    ----------
    watched
        Times under risk.
    max_rows
        About how many rows there may be.
    seed
        The same seed draws the same rows.

    Examples
    --------
    >>> watched = FollowUp.of(np.array([2.0, 1.5]), np.array([True, False]), width=1.0)
    >>> made = person_periods(watched, max_rows=100, seed=0)
    >>> made.row.tolist(), made.period.tolist(), made.left.tolist(), made.weight.tolist()
    ([0, 0, 1, 1], [0, 1, 0, 1], [0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.5])
    """
    total = int((watched.last - watched.first + 1).sum())
    leavers = int(watched.left.sum())
    keep_left, keep_stayed = 1.0, 1.0
    if total > max_rows:
        if 2 * leavers > max_rows:
            keep_left = keep_stayed = max_rows / total
        else:
            keep_stayed = (max_rows - leavers) / (total - leavers)
    rng = np.random.default_rng(seed)
    rows, periods, lefts, weights = [], [], [], []
    for row, period, left, weight in _chunks(watched):
        if total > max_rows:
            keep = np.where(left, keep_left, keep_stayed)
            drawn = rng.random(len(row)) < keep
            row, period, left = row[drawn], period[drawn], left[drawn]  # noqa: PLW2901
            weight = weight[drawn] / keep[drawn]  # noqa: PLW2901
        rows.append(row)
        periods.append(period.astype(np.int32))
        lefts.append(left.astype(np.float32))
        weights.append(weight.astype(np.float32))
    return PersonPeriods(
        np.concatenate(rows),
        np.concatenate(periods),
        np.concatenate(lefts),
        np.concatenate(weights),
        keep_stayed,
    )


def _chunks(
    watched: FollowUp,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]]:
    """Yield row, period, left and weight of all person-periods, some customers at a time."""
    counts = watched.last - watched.first + 1
    bounds = np.searchsorted(
        np.cumsum(counts), np.arange(_CHUNK_ROWS, counts.sum() + _CHUNK_ROWS, _CHUNK_ROWS)
    )
    start = 0
    for stop in np.unique(np.minimum(bounds + 1, len(counts))):
        part = watched.take(slice(start, int(stop)))
        first, last, count = part.first, part.last, counts[start:stop]
        at = np.repeat(np.arange(len(count)), count)
        begun = np.repeat(np.cumsum(count) - count, count)
        period = first[at] + np.arange(len(at)) - begun
        left = part.left[at] & (period == last[at])
        seen = np.minimum(part.exit[at], period + 1) - np.maximum(part.entry[at], period)
        weight = part.weight[at] * np.where(left, 1.0, seen)
        kept = weight > 0
        yield at[kept] + start, period[kept], left[kept], weight[kept]
        start = int(stop)
