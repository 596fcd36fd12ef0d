"""Person-periods: one row per customer and period at risk, the training rows of a hazard.

Period k covers ``(k, k + 1]`` in units of the width: a customer who churns at 3.0 churns in period
2. A row with churn has weight 1; a row without churn has the observed share of the period as its
weight, so that a follow-up that ends within a period counts in part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["MAX_PERIODS", "FollowUp", "PersonPeriods", "expand_periods", "period_units"]

MAX_PERIODS = 10_000
_CHUNK_ROWS = 1_000_000


@dataclass(frozen=True)
class FollowUp:
    """Time at risk of each row, in units of the period width.

    Attributes
    ----------
    entry, exit : (n,) start and end of the observation
    churned : (n,) True if the customer churned at `exit`
    weight : (n,) of the rows

    Examples
    --------
    >>> follow_up = FollowUp.from_times(np.array([2.0, 3.5]), np.array([True, False]), width=1.0)
    >>> follow_up.last
    array([1, 3])
    """

    entry: NDArray[np.float64]
    exit: NDArray[np.float64]
    churned: NDArray[np.bool_]
    weight: NDArray[np.float64]

    @classmethod
    def from_times(
        cls,
        duration: NDArray[np.float64],
        churned: NDArray[np.bool_],
        *,
        width: float,
        entry: NDArray[np.float64] | None = None,
        weight: NDArray[np.float64] | None = None,
    ) -> FollowUp:
        """Convert checked times to periods.

        Raises
        ------
        ModelDataError
            The times span more than `MAX_PERIODS` periods.
        """
        ends = period_units(duration, width)
        if ends.max(initial=0.0) > MAX_PERIODS:
            raise ModelDataError(
                f"the durations span more than {MAX_PERIODS:,} periods of width {width:g}: "
                "increase width"
            )
        starts = np.zeros(len(ends)) if entry is None else period_units(entry, width)
        weights = np.ones(len(ends)) if weight is None else weight
        return cls(starts, ends, churned, weights)

    @property
    def first(self) -> NDArray[np.int64]:
        """Period in which the observation starts, (n,)."""
        return np.floor(self.entry).astype(np.int64)

    @property
    def last(self) -> NDArray[np.int64]:
        """Period in which the observation ends, (n,)."""
        return np.maximum(np.ceil(self.exit).astype(np.int64) - 1, self.first)

    def take(self, rows: NDArray[np.intp] | slice) -> FollowUp:
        """Return a selection of the rows."""
        return FollowUp(self.entry[rows], self.exit[rows], self.churned[rows], self.weight[rows])

    def totals(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the weight of churned rows and of all rows of each period, both (periods,)."""
        first, last, weight = self.first, self.last, self.weight
        periods = int(last.max(initial=0)) + 1
        churned = np.bincount(last[self.churned], weight[self.churned], periods).astype(np.float64)
        entered = np.bincount(first, weight, periods + 1)
        exited = np.bincount(last + 1, weight, periods + 1)
        at_risk = np.cumsum(entered - exited)[:periods]
        # Subtract the unobserved parts of the first and last period; churned rows have weight 1.
        unobserved = weight * (self.entry - first)
        full = self.churned & (first == last)
        at_risk -= np.bincount(first[~full], unobserved[~full], periods)
        unobserved = weight * (last + 1 - self.exit)
        at_risk -= np.bincount(last[~self.churned], unobserved[~self.churned], periods)
        return churned, np.maximum(at_risk, churned)


@dataclass(frozen=True)
class PersonPeriods:
    """One row per customer and period at risk.

    Attributes
    ----------
    row : (m,) row of the caller's table
    period : (m,) number of the period
    churned : (m,) 1.0 if the customer churned in it
    weight : (m,) observed part of the period, divided by the sampling probability
    sampling_fraction : float
        Share of the rows without churn that was drawn; 1.0 for all.
    """

    row: NDArray[np.int64]
    period: NDArray[np.int32]
    churned: NDArray[np.float32]
    weight: NDArray[np.float32]
    sampling_fraction: float

    def take(self, rows: NDArray[np.intp]) -> PersonPeriods:
        """Return a selection of the rows."""
        return PersonPeriods(
            self.row[rows],
            self.period[rows],
            self.churned[rows],
            self.weight[rows],
            self.sampling_fraction,
        )


def period_units(time: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Return times in units of the width, snapped to integers within rounding error.

    Examples
    --------
    >>> period_units(np.array([1.1]), 0.1)
    array([11.])
    """
    scaled = np.asarray(time, dtype=np.float64) / width
    nearest = np.round(scaled)
    is_integer = np.abs(scaled - nearest) <= 1e-9 * np.maximum(1.0, np.abs(scaled))
    return np.where(is_integer, nearest, scaled)


def expand_periods(follow_up: FollowUp, *, max_rows: int, seed: int) -> PersonPeriods:
    """Return the person-periods, or a weighted sample of about `max_rows` of them.

    A sample keeps all rows with churn, unless they exceed half of `max_rows`; the rows without
    churn are drawn at random and weighted by the inverse sampling fraction. Rows are created in
    chunks, so that memory is bounded by `max_rows`.

    Parameters
    ----------
    follow_up
        Times at risk.
    max_rows
        Approximate maximum number of rows.
    seed
        The same seed draws the same rows.

    Returns
    -------
    PersonPeriods

    Examples
    --------
    >>> follow_up = FollowUp.from_times(np.array([2.0, 1.5]), np.array([True, False]), width=1.0)
    >>> rows = expand_periods(follow_up, max_rows=100, seed=0)
    >>> rows.row.tolist(), rows.period.tolist(), rows.churned.tolist(), rows.weight.tolist()
    ([0, 0, 1, 1], [0, 1, 0, 1], [0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.5])
    """
    total = int((follow_up.last - follow_up.first + 1).sum())
    churners = int(follow_up.churned.sum())
    churned_fraction, stayed_fraction = 1.0, 1.0
    if total > max_rows:
        if 2 * churners > max_rows:
            churned_fraction = stayed_fraction = max_rows / total
        else:
            stayed_fraction = (max_rows - churners) / (total - churners)
    rng = np.random.default_rng(seed)
    rows, periods, events, weights = [], [], [], []
    for row, period, churned, weight in _chunks(follow_up):
        if total > max_rows:
            fraction = np.where(churned, churned_fraction, stayed_fraction)
            drawn = rng.random(len(row)) < fraction
            row, period, churned = row[drawn], period[drawn], churned[drawn]  # noqa: PLW2901
            weight = weight[drawn] / fraction[drawn]  # noqa: PLW2901
        rows.append(row)
        periods.append(period.astype(np.int32))
        events.append(churned.astype(np.float32))
        weights.append(weight.astype(np.float32))
    return PersonPeriods(
        np.concatenate(rows),
        np.concatenate(periods),
        np.concatenate(events),
        np.concatenate(weights),
        stayed_fraction,
    )


def _chunks(
    follow_up: FollowUp,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]]:
    """Yield row, period, churn and weight of the person-periods of consecutive customers."""
    counts = follow_up.last - follow_up.first + 1
    bounds = np.searchsorted(
        np.cumsum(counts), np.arange(_CHUNK_ROWS, counts.sum() + _CHUNK_ROWS, _CHUNK_ROWS)
    )
    start = 0
    for stop in np.unique(np.minimum(bounds + 1, len(counts))):
        part = follow_up.take(slice(start, int(stop)))
        first, last, count = part.first, part.last, counts[start:stop]
        row = np.repeat(np.arange(len(count)), count)
        offset = np.repeat(np.cumsum(count) - count, count)
        period = first[row] + np.arange(len(row)) - offset
        churned = part.churned[row] & (period == last[row])
        observed = np.minimum(part.exit[row], period + 1) - np.maximum(part.entry[row], period)
        weight = part.weight[row] * np.where(churned, 1.0, observed)
        kept = weight > 0
        yield row[kept] + start, period[kept], churned[kept], weight[kept]
        start = int(stop)
