"""Survival curves from a fitted hazard, with numpy alone.

Trees give the log-odds of leaving within each period; everything else follows from them. Within
a period the hazard is level: who survives a period with probability ``1 - h`` survives the part
f of it with ``(1 - h) ** f``. So survival falls and never rises, at whatever times it is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np

from churnkit.core.stats.special import expit, softplus
from churnkit.errors import BundleError
from churnkit.models.errors import ModelDataError
from churnkit.models.scorers.base import check_matrix
from churnkit.models.scorers.serialization import read_array, read_number
from churnkit.models.survival.person_period import MAX_PERIODS, period_units
from churnkit.models.survival.time_varying import TimeVaryingColumns
from churnkit.trees import CompiledTrees

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["HazardScorer"]

_BLOCK_CELLS = 65_536
_PREFIX = "trees_"


class HazardScorer:
    """What a `HazardModel` saves: trees by period, a baseline, and the width of a period.

    Parameters
    ----------
    trees
        Log-odds of leaving in a period, beyond the baseline, from the customer's columns and
        the period's number in the last one.
    baseline : (periods,) log-odds of leaving in each period; the last holds for all later ones
    slope : (periods,) what the trees are multiplied by in each period
    width
        Length of a period, in the unit of the durations.
    horizon
        What `raw_score` and `contributions` speak of: leaving within so much time.
    time_varying
        Columns that move with time, from what they are now.
    """

    kind: ClassVar[str] = "hazard"

    def __init__(
        self,
        trees: CompiledTrees,
        baseline: NDArray[np.float64],
        slope: NDArray[np.float64],
        *,
        width: float,
        horizon: float,
        time_varying: TimeVaryingColumns | None = None,
    ) -> None:
        self.trees = trees
        self.baseline = baseline
        self.slope = slope
        self.width = width
        self.horizon = horizon
        self.time_varying = time_varying or TimeVaryingColumns()

    @property
    def n_features(self) -> int:
        """How many columns the matrix must have."""
        return self.trees.n_features - 1

    def survival(
        self, X: ArrayLike, times: ArrayLike, *, age: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the probability of still being there at each time, (n, len(times)).

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        times : (t,) from now on, in the unit of the durations, zero or more
        age : (n,) or number
            How much time each customer has already survived; `times` count from there.

        Raises
        ------
        ModelDataError
            A shape does not fit, or a time is negative, not finite or too far away.
        """
        matrix = check_matrix(X, self.n_features)
        ahead = self._units(times, "times")
        found = np.empty((len(matrix), len(ahead)))
        for part in self._parts(matrix, age, float(ahead.max(initial=0.0))):
            summed = np.zeros((len(part.start), part.cumulative.shape[1] + 1))
            np.cumsum(part.cumulative, axis=1, out=summed[:, 1:])
            begun = _interpolated(summed, part.cumulative, part.start[:, None])
            ended = _interpolated(summed, part.cumulative, part.start[:, None] + ahead)
            found[part.rows] = np.exp(begun - ended)
        return found

    def lifetime(
        self, X: ArrayLike, *, horizon: float | None = None, age: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the expected time until leaving or the horizon, whichever comes first, (n,).

        It is the area under the survival curve: ``integral from 0 to horizon of S(u) du``,
        exact for a level hazard within periods.

        Parameters
        ----------
        X, age
            As `survival`.
        horizon
            In the unit of the durations; the scorer's own if not given.
        """
        matrix = check_matrix(X, self.n_features)
        ahead = float(self._units(self.horizon if horizon is None else horizon, "horizon")[0])
        found = np.empty(len(matrix))
        for part in self._parts(matrix, age, ahead):
            share = part.shares(ahead)
            fallen = np.zeros((len(share), share.shape[1] + 1))
            np.cumsum(part.cumulative * share, axis=1, out=fallen[:, 1:])
            lived = np.exp(-fallen[:, :-1]) * share * _mean_decay(part.cumulative * share)
            found[part.rows] = self.width * lived.sum(axis=1)
        return found

    def survival_weights(
        self, X: ArrayLike, periods: Sequence[float], *, rate: float = 0.0
    ) -> NDArray[np.float64]:
        """Return how many periods' value a customer who stays through the first is good for.

        With ``S`` the survival and ``d(u) = exp(-rate u)`` it is, for each end ``p`` of `periods`,
        ``integral from 0 to 1 of d(u) du + integral from 1 to p of S(u) / S(1) d(u) du``.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        periods
            Ends to which it is counted, in periods of the hazard, above zero.
        rate
            Continuous discount for one period.

        Returns
        -------
        (n, len(periods))
        """
        matrix = check_matrix(X, self.n_features)
        ends = [float(end) for end in periods]
        self._units(np.array(ends) * self.width, "periods")
        found = np.empty((len(matrix), len(ends)))
        for part in self._parts(matrix, None, max([1.0, *ends])):
            fall = part.cumulative + rate
            fallen = np.zeros((len(fall), fall.shape[1] + 1))
            np.cumsum(fall, axis=1, out=fallen[:, 1:])
            # Who is kept is there at the end of the first period.
            stayed = np.exp(part.cumulative[:, 0])
            for place, end in enumerate(ends):
                share = part.shares(end)
                lived = np.exp(-fallen[:, :-1]) * share * _mean_decay(fall * share)
                lived *= stayed[:, None]
                lived[:, 0] = share[:, 0] * _mean_decay(rate * share[:, 0])
                found[part.rows, place] = lived.sum(axis=1)
        return found

    def hazard(self, X: ArrayLike, periods: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of leaving in each period, if still there, (n, len(periods)).

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        periods : (p,) numbers of periods, the first is 0
        """
        matrix = check_matrix(X, self.n_features)
        wanted = np.atleast_1d(np.asarray(periods, dtype=np.int64))
        if wanted.min(initial=0) < 0:
            raise ModelDataError("a period is negative: the first is 0")
        found = np.empty((len(matrix), len(wanted)))
        for rows in _blocks(len(matrix), len(wanted)):
            at = np.broadcast_to(wanted, (rows.stop - rows.start, len(wanted)))
            found[rows] = expit(self._log_odds(matrix[rows], at, at))
        return found

    def raw_score(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return log-odds of leaving within the horizon, (n,)."""
        matrix = check_matrix(X, self.n_features)
        ahead = float(self._units(self.horizon, "horizon")[0])
        found = np.empty(len(matrix))
        for part in self._parts(matrix, None, ahead):
            total = np.cumsum(part.cumulative * part.shares(ahead), axis=1)[:, -1]
            found[part.rows] = _log_odds_of(total)
        return found

    def raw_score_row(self, values: Sequence[float]) -> float:
        """Return the log-odds of one row, equal to `raw_score` to the last bit."""
        return float(self.raw_score(np.array([values], dtype=np.float64))[0])

    def contributions(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return what each column adds to `raw_score`, (n, f + 1), the bias last.

        Each period's log-odds split exactly into Shapley values. They are carried through the
        two curves from log-odds by period to log-odds at the horizon by the slope of the chord
        from the starting point (the rescale rule of DeepLIFT, Shrikumar et al. 2017,
        arXiv:1704.02685), so rows sum to `raw_score`. What the passing of time itself does is
        part of the bias.
        """
        matrix = check_matrix(X, self.n_features)
        ahead = float(self._units(self.horizon, "horizon")[0])
        found = np.empty((len(matrix), self.n_features + 1))
        periods = max(1, int(np.ceil(ahead)))
        share = np.clip(ahead - np.arange(periods), 0.0, 1.0)
        for rows in _blocks(len(matrix), periods * (self.n_features + 2)):
            at = np.broadcast_to(np.arange(periods), (rows.stop - rows.start, periods))
            found[rows] = self._explained(matrix[rows], at, share)
        return found

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the scorer."""
        settings, arrays = self.trees.to_arrays()
        held = {f"{_PREFIX}{name}": array for name, array in arrays.items()}
        described = {"width": self.width, "horizon": self.horizon, "trees": settings}
        if self.time_varying:
            described["moving"] = self.time_varying.to_list()
        return described, {"baseline": self.baseline, "slope": self.slope, **held}

    @classmethod
    def from_arrays(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore a scorer.

        Raises
        ------
        BundleError
            Settings and arrays do not fit together.
        """
        width, horizon = (read_number(settings, name) for name in ("width", "horizon"))
        if not (width > 0 and 0 < horizon <= width * MAX_PERIODS):
            raise BundleError("the saved hazard's width or horizon is out of range")
        described = settings.get("trees")
        if not isinstance(described, dict):
            raise BundleError("the trees of the saved hazard are not described")
        held = {
            name.removeprefix(_PREFIX): array
            for name, array in arrays.items()
            if name.startswith(_PREFIX)
        }
        trees = CompiledTrees.from_arrays(described, held)
        baseline = read_array(arrays, "baseline", dtype="float64")
        if not 1 <= len(baseline) <= MAX_PERIODS:
            raise BundleError(f"the saved hazard has no baseline of 1 to {MAX_PERIODS} periods")
        slope = read_array(arrays, "slope", dtype="float64", size=len(baseline))
        if trees.n_outputs != 1 or trees.n_features < 2:
            raise BundleError("the trees of the saved hazard read no customer, or score classes")
        time_varying = TimeVaryingColumns.from_saved(
            settings.get("moving", []), columns=trees.n_features - 1
        )
        return cls(trees, baseline, slope, width=width, horizon=horizon, time_varying=time_varying)

    def _units(self, times: ArrayLike, name: str) -> NDArray[np.float64]:
        try:
            ahead = np.atleast_1d(np.asarray(times, dtype=np.float64))
        except (TypeError, ValueError):
            raise ModelDataError(f"{name} holds values that are no numbers") from None
        if ahead.ndim != 1:
            raise ModelDataError(f"{name} has {ahead.ndim} dimensions: pass a list of numbers")
        # Written so that NaN fails it too.
        wrong = int(np.count_nonzero(~((ahead >= 0) & (ahead <= MAX_PERIODS * self.width))))
        if wrong:
            raise ModelDataError(
                f"{wrong} of {name} are negative, missing, or more than {MAX_PERIODS:,} periods "
                "away"
            )
        return period_units(ahead, self.width)

    def _parts(
        self, matrix: NDArray[np.float64], age: ArrayLike | None, ahead: float
    ) -> Iterator[_Part]:
        """Yield blocks of rows with what each period from their age on adds to the hazard."""
        lived = np.zeros(1) if age is None else self._units(age, "age")
        if len(lived) not in {1, len(matrix)}:
            raise ModelDataError(f"{len(lived)} ages for {len(matrix)} rows: give one for each row")
        lived = np.broadcast_to(lived, (len(matrix),))
        first = np.floor(lived).astype(np.int64)
        start = lived - first
        periods = max(1, int(np.ceil(float(start.max(initial=0.0)) + ahead)))
        # Later periods than the baseline's last are all alike, unless columns move: scored once.
        lowest = int(first.min(initial=0))
        scored = (
            min(periods, max(1, len(self.baseline) - lowest)) if not self.time_varying else periods
        )
        for rows in _blocks(len(matrix), periods):
            ahead_of_now = np.broadcast_to(np.arange(scored), (rows.stop - rows.start, scored))
            at = first[rows, None] + ahead_of_now
            grown = softplus(self._log_odds(matrix[rows], at, ahead_of_now))
            if scored < periods:
                tail = np.repeat(grown[:, -1:], periods - scored, axis=1)
                grown = np.concatenate([grown, tail], axis=1)
            yield _Part(rows, start[rows], grown)

    def _log_odds(
        self,
        matrix: NDArray[np.float64],
        periods: NDArray[np.int64],
        elapsed: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        rows, at = self._person_periods(matrix, periods, elapsed)
        return self.trees.raw_score(rows).reshape(at.shape) * self.slope[at] + self.baseline[at]

    def _person_periods(
        self,
        matrix: NDArray[np.float64],
        periods: NDArray[np.int64],
        elapsed: NDArray[np.int64],
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        at = np.minimum(periods, len(self.baseline) - 1)
        rows = np.empty((at.size, self.n_features + 1))
        rows[:, :-1] = np.repeat(matrix, at.shape[1], axis=0)
        rows[:, -1] = at.ravel()
        self.time_varying.move(rows, elapsed.ravel())
        return rows, at

    def _explained(
        self, matrix: NDArray[np.float64], periods: NDArray[np.int64], share: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        rows, at = self._person_periods(matrix, periods, periods)
        added = self.trees.contributions(rows).reshape((*at.shape, self.n_features + 2))
        added *= self.slope[at][:, :, None]
        own = added[:, :, :-2]
        base = added[:, :, -1] + added[:, :, -2] + self.baseline[at]
        reached = self._log_odds(matrix, periods, periods)
        slope = share * _chord(softplus, base, reached, expit(base))
        before = (share * softplus(base)).sum(axis=1)
        after = np.cumsum(share * softplus(reached), axis=1)[:, -1]
        steep = _chord(_log_odds_of, before, after, -1.0 / np.expm1(-before))
        explained = np.empty((len(matrix), self.n_features + 1))
        explained[:, :-1] = steep[:, None] * (slope[:, :, None] * own).sum(axis=1)
        explained[:, -1] = _log_odds_of(before)
        return explained


class _Part(NamedTuple):
    """Some rows: where in their first period they stand, and each period's added hazard."""

    rows: slice
    start: NDArray[np.float64]
    cumulative: NDArray[np.float64]

    def shares(self, ahead: float) -> NDArray[np.float64]:
        """Return how much of each period lies between now and `ahead`, (rows, periods)."""
        edge = np.arange(self.cumulative.shape[1] + 1)
        begin = self.start[:, None]
        return np.diff(np.clip(edge, begin, begin + ahead), axis=1)


def _blocks(rows: int, cells: int) -> Iterator[slice]:
    size = max(1, _BLOCK_CELLS // max(1, cells))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def _interpolated(
    summed: NDArray[np.float64], added: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    whole = np.minimum(np.floor(at).astype(np.int64), added.shape[1] - 1)
    below = np.take_along_axis(summed, whole, axis=1)
    reached: NDArray[np.float64] = below + (at - whole) * np.take_along_axis(added, whole, axis=1)
    return reached


def _log_odds_of(cumulative: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-odds of leaving from the cumulative hazard: ``log(exp(x) - 1)``."""
    return cumulative + np.log(-np.expm1(-cumulative))


def _mean_decay(fall: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of ``exp(-fall * u)`` for u from 0 to 1."""
    small = fall < 1e-8
    return np.where(small, 1.0 - fall / 2, -np.expm1(-fall) / np.where(small, 1.0, fall))


def _chord(
    curve: Any,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    tangent: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the slope from start to end, the tangent where they are one point."""
    run = end - start
    same = np.abs(run) < 1e-9
    rise = curve(end) - curve(start)
    return np.where(same, tangent, rise / np.where(same, 1.0, run))
