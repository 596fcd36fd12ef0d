"""Survival, expected lifetimes and discounted periods from the hazards of periods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from churnkit.models.errors import ModelDataError
from churnkit.models.scorers.base import check_matrix
from churnkit.models.survival.person_period import MAX_PERIODS, period_units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["HazardBlock", "SurvivalCurves", "churn_log_odds", "row_blocks"]

_BLOCK_CELLS = 65_536


class SurvivalCurves(ABC):
    """Base class of scorers with a hazard that is constant within periods.

    Attributes
    ----------
    width
        Length of a period, in the unit of the durations.
    horizon
        `raw_score` refers to churn within this time.
    """

    width: float
    horizon: float

    @property
    @abstractmethod
    def n_features(self) -> int:
        """Number of columns of the matrix."""

    @abstractmethod
    def blocks(
        self, matrix: NDArray[np.float64], age: ArrayLike | None, ahead: float
    ) -> Iterator[HazardBlock]:
        """Yield blocks of rows with the cumulative hazard of each period from their age on."""

    def survival(
        self, X: ArrayLike, times: ArrayLike, *, age: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the probability of being active at each time.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        times : (t,) from now, in the unit of the durations, zero or more
        age : (n,) or number
            Time that each customer has already survived; `times` count from there.

        Returns
        -------
        (n, t)

        Raises
        ------
        ModelDataError
            Shapes differ, or a time is negative, not finite or too large.
        """
        matrix = check_matrix(X, self.n_features)
        ahead = self.to_periods(times, "times")
        result = np.empty((len(matrix), len(ahead)))
        for block in self.blocks(matrix, age, float(ahead.max(initial=0.0))):
            cumulative = _cumulate(block.hazard)
            start = _interpolate(cumulative, block.hazard, block.start[:, None])
            end = _interpolate(cumulative, block.hazard, block.start[:, None] + ahead)
            result[block.rows] = np.exp(start - end)
        return result

    def lifetime(
        self, X: ArrayLike, *, horizon: float | None = None, age: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the expected time until churn or the horizon, whichever is first (n,).

        The restricted mean survival time ``integral from 0 to horizon of S(u) du``, exact for a
        hazard that is constant within periods.

        Parameters
        ----------
        X, age
            As `survival`.
        horizon
            In the unit of the durations; `self.horizon` if not given.

        Returns
        -------
        (n,) in the unit of the durations
        """
        matrix = check_matrix(X, self.n_features)
        end = self.horizon if horizon is None else horizon
        ahead = float(self.to_periods(end, "horizon")[0])
        result = np.empty(len(matrix))
        for block in self.blocks(matrix, age, ahead):
            share = block.period_shares(ahead)
            hazard = block.hazard * share
            survived = np.exp(-_cumulate(hazard)[:, :-1])
            time = survived * share * _mean_decay(hazard)
            result[block.rows] = self.width * time.sum(axis=1)
        return result

    def survival_weights(
        self, X: ArrayLike, periods: Sequence[float], *, rate: float = 0.0
    ) -> NDArray[np.float64]:
        """Return the discounted number of active periods of a customer who survives the first.

        With ``S`` the survival and ``d(u) = exp(-rate u)`` it is, for each end ``p`` of `periods`,
        ``integral from 0 to 1 of d(u) du + integral from 1 to p of S(u) / S(1) d(u) du``.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        periods
            Upper limits of the integral, in periods of the hazard, above zero.
        rate
            Continuous discount rate per period.

        Returns
        -------
        (n, len(periods))
        """
        matrix = check_matrix(X, self.n_features)
        ends = [float(end) for end in periods]
        self.to_periods(np.array(ends) * self.width, "periods")
        result = np.empty((len(matrix), len(ends)))
        for block in self.blocks(matrix, None, max([1.0, *ends])):
            decay = block.hazard + rate
            discounted_survival = np.exp(-_cumulate(decay)[:, :-1])
            # Conditional on survival of the first period.
            inverse_first = np.exp(block.hazard[:, 0])
            for column, end in enumerate(ends):
                share = block.period_shares(end)
                time = discounted_survival * share * _mean_decay(decay * share)
                time *= inverse_first[:, None]
                time[:, 0] = share[:, 0] * _mean_decay(rate * share[:, 0])
                result[block.rows, column] = time.sum(axis=1)
        return result

    def raw_score(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return log-odds of churn within the horizon, (n,)."""
        matrix = check_matrix(X, self.n_features)
        ahead = float(self.to_periods(self.horizon, "horizon")[0])
        result = np.empty(len(matrix))
        for block in self.blocks(matrix, None, ahead):
            cumulative = np.cumsum(block.hazard * block.period_shares(ahead), axis=1)[:, -1]
            result[block.rows] = churn_log_odds(cumulative)
        return result

    def raw_score_row(self, values: Sequence[float]) -> float:
        """Return the log-odds of one row, equal to `raw_score` to the last bit."""
        return float(self.raw_score(np.array([values], dtype=np.float64))[0])

    def to_periods(self, times: ArrayLike, name: str) -> NDArray[np.float64]:
        """Return times in periods, (t,), or refuse invalid ones by `name`."""
        try:
            ahead = np.atleast_1d(np.asarray(times, dtype=np.float64))
        except (TypeError, ValueError):
            raise ModelDataError(f"{name} has values that are not numbers") from None
        if ahead.ndim != 1:
            raise ModelDataError(f"{name} has {ahead.ndim} dimensions: pass a list of numbers")
        # Negated, so that NaN is invalid too.
        invalid = int(np.count_nonzero(~((ahead >= 0) & (ahead <= MAX_PERIODS * self.width))))
        if invalid:
            raise ModelDataError(
                f"{invalid} of {name} are negative, missing, or more than {MAX_PERIODS:,} periods "
                "ahead"
            )
        return period_units(ahead, self.width)


class HazardBlock(NamedTuple):
    """Rows, their start within the first period, and the cumulative hazard of each period."""

    rows: slice
    start: NDArray[np.float64]
    hazard: NDArray[np.float64]

    def period_shares(self, ahead: float) -> NDArray[np.float64]:
        """Return the share of each period between now and `ahead`, (rows, periods)."""
        edges = np.arange(self.hazard.shape[1] + 1)
        start = self.start[:, None]
        return np.diff(np.clip(edges, start, start + ahead), axis=1)


def row_blocks(rows: int, cells: int) -> Iterator[slice]:
    """Yield slices of rows of so many cells each that fit a block."""
    size = max(1, _BLOCK_CELLS // max(1, cells))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def _cumulate(hazard: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cumulative hazard at the edges of the periods, (rows, periods + 1)."""
    cumulative = np.zeros((len(hazard), hazard.shape[1] + 1))
    np.cumsum(hazard, axis=1, out=cumulative[:, 1:])
    return cumulative


def _interpolate(
    cumulative: NDArray[np.float64], hazard: NDArray[np.float64], times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the cumulative hazard at times within the periods."""
    period = np.minimum(np.floor(times).astype(np.int64), hazard.shape[1] - 1)
    within = (times - period) * np.take_along_axis(hazard, period, axis=1)
    value: NDArray[np.float64] = np.take_along_axis(cumulative, period, axis=1) + within
    return value


def churn_log_odds(cumulative: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-odds of churn for a cumulative hazard: ``log(exp(x) - 1)``."""
    return cumulative + np.log(-np.expm1(-cumulative))


def _mean_decay(decay: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of ``exp(-decay * u)`` for u from 0 to 1."""
    small = decay < 1e-8
    return np.where(small, 1.0 - decay / 2, -np.expm1(-decay) / np.where(small, 1.0, decay))
