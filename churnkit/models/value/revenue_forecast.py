"""Monthly forecast of the recurring revenue of today's customers, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from churnkit.core.result import PlottableResult
from churnkit.models.errors import ModelDataError
from churnkit.models.value.purchase.purchase_history import check_rows

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["RevenueForecast", "forecast_revenue"]

# Customers with the largest revenue are simulated one by one; the total of the others is normal.
_SIMULATED = 5_000
_MAX_PATHS = 100_000
# Common factors of the hazard at which the expected revenue of the others is computed.
_FACTORS = np.exp(np.linspace(-3.0, 3.0, 61))


@dataclass(frozen=True, slots=True)
class RevenueForecast(PlottableResult):
    """Expected movements of monthly recurring revenue, and an interval of the total.

    ``opening - churn - contraction + expansion == closing`` in each month; all are means over the
    paths of a simulation, in money, for customers of today.

    Parameters
    ----------
    opening, churn, contraction, expansion, closing : (months,)
        Revenue at the start of each month, its movements, and revenue at the end.
    low, high : (months,)
        Interval of `closing`.
    level
        Probability of each interval, pointwise.
    """

    _display: ClassVar[str] = "RevenueForecastDisplay"

    opening: NDArray[np.float64]
    churn: NDArray[np.float64]
    contraction: NDArray[np.float64]
    expansion: NDArray[np.float64]
    closing: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    level: float

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row per month from 1."""
        import pandas as pd

        names = ("opening", "churn", "contraction", "expansion", "closing", "low", "high")
        columns = {name: getattr(self, name) for name in names}
        return pd.DataFrame(columns, index=pd.RangeIndex(1, len(self.closing) + 1, name="month"))


def forecast_revenue(
    revenue: ArrayLike,
    survival: ArrayLike,
    *,
    expansion: ArrayLike = (),
    contraction: ArrayLike = (),
    churned_revenue: ArrayLike | None = None,
    level: float = 0.9,
    paths: int = 2_000,
    seed: int = 0,
) -> RevenueForecast:
    """Forecast the monthly recurring revenue of today's customers.

    Parameters
    ----------
    revenue : (n,)
        Monthly recurring revenue of each customer today.
    survival : (n, months)
        Probability of being active at the end of months 1, 2, ..., as
        `HazardModel.predict_survival` returns it.
    expansion, contraction : (h,)
        Gained and lost revenue of customers who stayed, in past months, as shares of the revenue
        at the start of each: ``Movement.expansion_mrr / Movement.opening_mrr``. Both have the same
        months, at least 3; without them revenue changes by churn alone.
    churned_revenue : (c,)
        Revenue of the churned customers that the survival model was fitted on. The level of all
        hazards is then uncertain by one over the root of their effective number,
        ``sum(revenue) ** 2 / sum(revenue ** 2)``. None for curves that are known.
    level
        Probability of each month's interval.
    paths
        Number of simulated futures.
    seed
        The same seed gives the same forecast.

    Returns
    -------
    RevenueForecast
        Expected movements and the interval of the total, by month.

    Raises
    ------
    ModelDataError
        A column is invalid, or lengths differ.

    Notes
    -----
    In each path every customer leaves at a time drawn from the survival curve, with a common factor
    of all hazards for the error of the model's level. Changes of revenue are the mean of the past
    months, with its error, plus the deviation of a past month drawn at random. New customers are
    not part of the forecast.

    Examples
    --------
    >>> forecast = forecast_revenue([100.0, 50.0], [[0.9, 0.8], [0.5, 0.4]])
    >>> forecast.closing.round(-1), forecast.low[1] < forecast.closing[1] < forecast.high[1]
    (array([120., 100.]), np.True_)
    """
    money, curves = _check_customers(revenue, survival)
    if not 0.0 < level < 1.0:
        raise ModelDataError(f"level must be between 0 and 1, got {level}")
    if not 100 <= paths <= _MAX_PATHS:
        raise ModelDataError(f"paths must be 100 to {_MAX_PATHS:,}, got {paths}")
    rng = np.random.default_rng(seed)
    factor = np.exp(rng.normal(size=paths) * _level_error(churned_revenue))
    kept = _simulate_kept(money, curves, factor, rng)
    changes = _Changes.of(expansion, contraction).draw(paths, curves.shape[1], rng)
    return _sum_up(float(money.sum()), kept, changes, level)


def _level_error(churned_revenue: ArrayLike | None) -> float:
    """Return the standard error of the logarithm of all hazards."""
    if churned_revenue is None:
        return 0.0
    lost = np.asarray(churned_revenue, dtype=np.float64).ravel()
    if not (np.isfinite(lost) & (lost >= 0)).all() or not lost.sum() > 0:
        raise ModelDataError(
            "churned_revenue must have the revenue of each churned customer, 0 or more, and some "
            "above zero"
        )
    return float(np.sqrt((lost**2).sum()) / lost.sum())


class _Changes(NamedTuple):
    """Gained and lost shares of past months, (h,)."""

    gained: NDArray[np.float64]
    lost: NDArray[np.float64]

    @classmethod
    def of(cls, expansion: ArrayLike, contraction: ArrayLike) -> _Changes:
        gained, lost = (np.asarray(v, dtype=np.float64).ravel() for v in (expansion, contraction))
        if len(gained) != len(lost):
            raise ModelDataError(
                f"{len(gained)} months of expansion, but {len(lost)} of contraction: pass the same"
            )
        if 0 < len(gained) < 3:
            raise ModelDataError(f"{len(gained)} months of changes: pass at least 3, or none")
        for name, shares in (("expansion", gained), ("contraction", lost)):
            if not (np.isfinite(shares) & (shares >= 0)).all():
                raise ModelDataError(f"{name} must be shares of the opening revenue, 0 or more")
        return cls(gained, lost)

    def draw(self, paths: int, months: int, rng: np.random.Generator) -> _Changes:
        """Draw future shares, (paths, months) each; gains and losses of a month stay together."""
        count = len(self.gained)
        if not count:
            return _Changes(np.zeros((paths, months)), np.zeros((paths, months)))
        past = np.stack(self)
        mean = past.mean(axis=1)
        spread = past.std(axis=1, ddof=1)
        error = rng.standard_t(count - 1, size=(paths, 2)) * spread / np.sqrt(count)
        deviation = (past - mean[:, None]) * np.sqrt(count / (count - 1))
        drawn = deviation[:, rng.integers(0, count, (paths, months))]
        future = np.maximum(mean[:, None, None] + error.T[:, :, None] + drawn, 0.0)
        return _Changes(*future)


def _simulate_kept(
    money: NDArray[np.float64],
    curves: NDArray[np.float64],
    factor: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return today's revenue of the customers who are still active, (paths, months)."""
    order = np.argsort(-money, kind="stable")
    largest, others = order[:_SIMULATED], order[_SIMULATED:]
    kept = np.empty((len(factor), curves.shape[1]))
    for path, power in enumerate(factor.tolist()):
        # A customer with survival S is active while a uniform number is below S ** power.
        drawn = rng.random(len(largest)) ** (1.0 / power)
        kept[path] = money[largest] @ (drawn[:, None] < curves[largest])
    if len(others):
        kept += _total_of_many(money[others], curves[others], factor, rng)
    return kept


def _total_of_many(
    money: NDArray[np.float64],
    curves: NDArray[np.float64],
    factor: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the kept revenue of many customers, normal around its expectation."""
    grid = np.array([money @ curves**power for power in _FACTORS])
    expected = np.column_stack([np.interp(factor, _FACTORS, column) for column in grid.T])
    # The covariance of a customer's activity at two times is S(later) (1 - S(earlier)).
    covariance = (curves * (money**2)[:, None]).T @ (1.0 - curves)
    covariance = np.triu(covariance.T) + np.triu(covariance.T, 1).T
    noise = rng.multivariate_normal(
        np.zeros(len(covariance)), covariance, len(factor), "warn", 1e-6
    )
    return np.clip(expected + noise, 0.0, money.sum())


def _sum_up(
    total: float, kept: NDArray[np.float64], changes: _Changes, level: float
) -> RevenueForecast:
    """Return the means of the movements and the interval of the closing revenue.

    A path without any revenue left has none in later months.
    """
    paths, months = kept.shape
    before = np.full(paths, total)
    opening = np.full(paths, total)
    means = np.empty((5, months))
    limits = np.empty((2, months))
    for month in range(months):
        stayed = opening * np.divide(kept[:, month], before, out=np.zeros(paths), where=before > 0)
        lost = np.minimum(opening * changes.lost[:, month], stayed)
        gained = opening * changes.gained[:, month]
        closing = stayed - lost + gained
        means[:, month] = [
            part.mean() for part in (opening, opening - stayed, lost, gained, closing)
        ]
        limits[:, month] = np.quantile(closing, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
        before, opening = kept[:, month], closing
    return RevenueForecast(
        opening=means[0],
        churn=means[1],
        contraction=means[2],
        expansion=means[3],
        closing=means[4],
        low=limits[0],
        high=limits[1],
        level=level,
    )


def _check_customers(
    revenue: ArrayLike, survival: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    money, curves = np.asarray(revenue, dtype=np.float64), np.asarray(survival, dtype=np.float64)
    if curves.ndim != 2 or not curves.shape[1]:
        raise ModelDataError("survival must have one row per customer and one column per month")
    if money.ndim != 1 or len(money) != len(curves):
        raise ModelDataError(
            f"revenue has shape {money.shape} for {len(curves)} rows of survival: pass one number "
            "per customer"
        )
    check_rows(~(np.isfinite(money) & (money >= 0)), "revenue is negative or missing in {} rows")
    check_rows(
        ~((curves >= 0) & (curves <= 1)).all(axis=1), "survival is not a probability in {} rows"
    )
    check_rows(
        (np.diff(curves, axis=1) > 1e-12).any(axis=1),
        "survival increases in {} rows: order its columns by time",
    )
    return money, curves
