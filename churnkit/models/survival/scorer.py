"""Survival curves from a fitted hazard, with numpy alone.

Trees predict the log-odds of churn within each period. The hazard is constant within a period: a
period survived with probability ``1 - h`` is survived to its fraction f with ``(1 - h) ** f``, so
survival never increases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from churnkit.core.stats.special import expit, softplus
from churnkit.errors import BundleError
from churnkit.models.errors import ModelDataError
from churnkit.models.scorers.base import check_matrix
from churnkit.models.scorers.serialization import read_array, read_number
from churnkit.models.survival.person_period import MAX_PERIODS
from churnkit.models.survival.survival_curves import (
    HazardBlock,
    SurvivalCurves,
    churn_log_odds,
    row_blocks,
)
from churnkit.models.survival.time_varying import TimeVaryingColumns
from churnkit.trees import CompiledTrees

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = ["HazardScorer"]

_PREFIX = "trees_"


class HazardScorer(SurvivalCurves):
    """Saved form of a `HazardModel`: trees by period, a baseline, and the width of a period.

    Parameters
    ----------
    trees
        Log-odds of churn in a period relative to the baseline, from the customer's columns and
        the number of the period in the last column.
    baseline : (periods,)
        Log-odds of churn in each period; the last applies to later ones too.
    slope : (periods,)
        Factor of the trees in each period.
    width
        Length of a period, in the unit of the durations.
    horizon
        `raw_score` and `contributions` refer to churn within this time.
    time_varying
        Columns with a known change per period, starting from their current values.
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
        self.time_varying: TimeVaryingColumns = time_varying or TimeVaryingColumns()

    @property
    def n_features(self) -> int:
        """Number of columns of the matrix."""
        return self.trees.n_features - 1

    def hazard(self, X: ArrayLike, periods: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of churn in each period, given survival until then.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        periods : (p,) numbers of periods, from 0

        Returns
        -------
        (n, p)
        """
        matrix = check_matrix(X, self.n_features)
        numbers = np.atleast_1d(np.asarray(periods, dtype=np.int64))
        if numbers.min(initial=0) < 0:
            raise ModelDataError("periods must be 0 or more")
        result = np.empty((len(matrix), len(numbers)))
        for rows in row_blocks(len(matrix), len(numbers)):
            period = np.broadcast_to(numbers, (rows.stop - rows.start, len(numbers)))
            result[rows] = expit(self._log_odds(matrix[rows], period, period))
        return result

    def contributions(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the contribution of each column, (n, f + 1), bias last, summing to `raw_score`.

        The log-odds of each period are split into Shapley values, which are propagated to the
        log-odds at the horizon by the slope of the chord from the base value (the rescale rule of
        DeepLIFT, Shrikumar et al. 2017, arXiv:1704.02685). The effect of time itself is part of
        the bias.
        """
        matrix = check_matrix(X, self.n_features)
        ahead = float(self.to_periods(self.horizon, "horizon")[0])
        result = np.empty((len(matrix), self.n_features + 1))
        periods = max(1, int(np.ceil(ahead)))
        share = np.clip(ahead - np.arange(periods), 0.0, 1.0)
        for rows in row_blocks(len(matrix), periods * (self.n_features + 2)):
            period = np.broadcast_to(np.arange(periods), (rows.stop - rows.start, periods))
            result[rows] = self._explain(matrix[rows], period, share)
        return result

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the scorer."""
        tree_settings, tree_arrays = self.trees.to_arrays()
        settings = {"width": self.width, "horizon": self.horizon, "trees": tree_settings}
        if self.time_varying:
            settings["moving"] = self.time_varying.to_list()
        arrays = {f"{_PREFIX}{name}": array for name, array in tree_arrays.items()}
        return settings, {"baseline": self.baseline, "slope": self.slope, **arrays}

    @classmethod
    def from_arrays(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore a scorer.

        Raises
        ------
        BundleError
            Settings and arrays are inconsistent.
        """
        width, horizon = (read_number(settings, name) for name in ("width", "horizon"))
        if not (width > 0 and 0 < horizon <= width * MAX_PERIODS):
            raise BundleError("the saved hazard's width or horizon is out of range")
        tree_settings = settings.get("trees")
        if not isinstance(tree_settings, dict):
            raise BundleError("the saved hazard has no settings of its trees")
        tree_arrays = {
            name.removeprefix(_PREFIX): array
            for name, array in arrays.items()
            if name.startswith(_PREFIX)
        }
        trees = CompiledTrees.from_arrays(tree_settings, tree_arrays)
        baseline = read_array(arrays, "baseline", dtype="float64")
        if not 1 <= len(baseline) <= MAX_PERIODS + 1:
            raise BundleError(
                f"the saved hazard's baseline must have 1 to {MAX_PERIODS + 1} periods"
            )
        slope = read_array(arrays, "slope", dtype="float64", size=len(baseline))
        if trees.n_outputs != 1 or trees.n_features < 2:
            raise BundleError("the saved hazard's trees need one output and at least 2 columns")
        time_varying = TimeVaryingColumns.from_saved(
            settings.get("moving", []), columns=trees.n_features - 1
        )
        return cls(trees, baseline, slope, width=width, horizon=horizon, time_varying=time_varying)

    def blocks(
        self, matrix: NDArray[np.float64], age: ArrayLike | None, ahead: float
    ) -> Iterator[HazardBlock]:
        """Yield blocks of rows with the cumulative hazard of each period from their age on."""
        ages = np.zeros(1) if age is None else self.to_periods(age, "age")
        if len(ages) not in {1, len(matrix)}:
            raise ModelDataError(f"{len(ages)} ages for {len(matrix)} rows: pass one per row")
        ages = np.broadcast_to(ages, (len(matrix),))
        first = np.floor(ages).astype(np.int64)
        start = ages - first
        periods = max(1, int(np.ceil(float(start.max(initial=0.0)) + ahead)))
        # Periods after the last of the baseline are equal without time-varying columns: score one.
        scored = periods
        if not self.time_varying:
            scored = min(periods, max(1, len(self.baseline) - int(first.min(initial=0))))
        for rows in row_blocks(len(matrix), periods):
            elapsed = np.broadcast_to(np.arange(scored), (rows.stop - rows.start, scored))
            log_odds = self._log_odds(matrix[rows], first[rows, None] + elapsed, elapsed)
            hazard = softplus(log_odds)
            if scored < periods:
                tail = np.repeat(hazard[:, -1:], periods - scored, axis=1)
                hazard = np.concatenate([hazard, tail], axis=1)
            yield HazardBlock(rows, start[rows], hazard)

    def _log_odds(
        self,
        matrix: NDArray[np.float64],
        periods: NDArray[np.int64],
        elapsed: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        rows, period = self._person_periods(matrix, periods, elapsed)
        raw = self.trees.raw_score(rows).reshape(period.shape)
        return raw * self.slope[period] + self.baseline[period]

    def _person_periods(
        self,
        matrix: NDArray[np.float64],
        periods: NDArray[np.int64],
        elapsed: NDArray[np.int64],
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        period = np.minimum(periods, len(self.baseline) - 1)
        rows = np.empty((period.size, self.n_features + 1))
        rows[:, :-1] = np.repeat(matrix, period.shape[1], axis=0)
        rows[:, -1] = period.ravel()
        self.time_varying.advance(rows, elapsed.ravel())
        return rows, period

    def _explain(
        self, matrix: NDArray[np.float64], periods: NDArray[np.int64], share: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        rows, period = self._person_periods(matrix, periods, periods)
        parts = self.trees.contributions(rows).reshape((*period.shape, self.n_features + 2))
        parts *= self.slope[period][:, :, None]
        base = parts[:, :, -1] + parts[:, :, -2] + self.baseline[period]
        log_odds = self._log_odds(matrix, periods, periods)
        slope = share * _chord_slope(softplus, base, log_odds, expit(base))
        start = (share * softplus(base)).sum(axis=1)
        end = np.cumsum(share * softplus(log_odds), axis=1)[:, -1]
        outer_slope = _chord_slope(churn_log_odds, start, end, -1.0 / np.expm1(-start))
        contributions = np.empty((len(matrix), self.n_features + 1))
        by_column = (slope[:, :, None] * parts[:, :, :-2]).sum(axis=1)
        contributions[:, :-1] = outer_slope[:, None] * by_column
        contributions[:, -1] = churn_log_odds(start)
        return contributions


def _chord_slope(
    function: Any,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    tangent: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the slope of the chord from start to end, or the tangent if they coincide."""
    run = end - start
    same = np.abs(run) < 1e-9
    rise = function(end) - function(start)
    return np.where(same, tangent, rise / np.where(same, 1.0, run))
