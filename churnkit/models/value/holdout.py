"""Holdout evaluation of forecasts of purchases or value."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.result import Result
from churnkit.models.errors import ModelDataError
from churnkit.models.value.purchase.purchase_history import check_column
from churnkit.models.value.rfm_summary import day_number, read_purchase_days

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from churnkit.models.value.purchase.base import PurchaseModel

__all__ = ["Decile", "HoldoutFigures", "RollingHoldout", "holdout_figures", "rolling_holdout"]


@dataclass(frozen=True)
class Decile:
    """A tenth of the customers by forecast: their number, mean forecast and mean outcome."""

    customers: int
    predicted: float
    actual: float


@dataclass(frozen=True)
class HoldoutFigures(Result):
    """Accuracy of forecasts against outcomes.

    Parameters
    ----------
    customers
        Number of customers.
    actual, predicted
        Totals over all customers.
    bias
        Predicted total minus actual total, as a share of the actual total.
    rmse, mae
        Over single customers.
    correlation
        Pearson's; NaN if either side is constant.
    normalized_gini
        Ranking quality of the forecasts: 1 for the ranking by outcome, 0 for chance.
    deciles
        Calibration from the lowest forecasts to the highest.
    """

    customers: int
    actual: float
    predicted: float
    bias: float
    rmse: float
    mae: float
    correlation: float
    normalized_gini: float
    deciles: tuple[Decile, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the deciles as a table, the lowest forecasts first."""
        import pandas as pd

        return pd.DataFrame([asdict(decile) for decile in self.deciles])

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as JSON-able data."""
        return asdict(self) | {"deciles": [asdict(decile) for decile in self.deciles]}


@dataclass(frozen=True)
class RollingHoldout(Result):
    """Figures of several models at several dates.

    Parameters
    ----------
    figures
        By model, then by ISO date.
    horizon_days
        Length of each forecast.
    """

    figures: Mapping[str, Mapping[str, HoldoutFigures]]
    horizon_days: int

    def to_frame(self) -> pd.DataFrame:
        """Return one row per model and date."""
        import pandas as pd

        rows = [
            {"model": model, "as_of": as_of, **figures.to_dict()}
            for model, dates in self.figures.items()
            for as_of, figures in dates.items()
        ]
        return pd.DataFrame(rows).drop(columns="deciles", errors="ignore")

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as JSON-able data."""
        figures = {
            model: {as_of: result.to_dict() for as_of, result in dates.items()}
            for model, dates in self.figures.items()
        }
        return {"horizon_days": self.horizon_days, "figures": figures}


def holdout_figures(actual: ArrayLike, predicted: ArrayLike) -> HoldoutFigures:
    """Compare forecasts of purchases or value with the outcomes.

    Parameters
    ----------
    actual : (n,)
        Outcomes, not negative.
    predicted : (n,)
        Forecasts, not negative.

    Returns
    -------
    HoldoutFigures
        Bias, error and ranking figures.

    Raises
    ------
    ModelDataError
        A column is invalid, or all outcomes are zero.

    Examples
    --------
    >>> figures = holdout_figures([0, 0, 1, 3], [0.1, 0.3, 0.6, 2.0])
    >>> round(figures.bias, 3), round(figures.rmse, 3), figures.normalized_gini
    (-0.25, 0.561, 1.0)
    """
    outcome = check_column(actual, "actual")
    forecast = check_column(predicted, "predicted", size=len(outcome))
    if not len(outcome) or not outcome.sum() > 0:
        raise ModelDataError("actual is 0 for every customer: use a longer horizon")
    error = forecast - outcome
    order = np.argsort(forecast, kind="stable")
    deciles = tuple(
        Decile(len(rows), float(forecast[rows].mean()), float(outcome[rows].mean()))
        for rows in np.array_split(order, 10)
        if len(rows)
    )
    is_constant = np.ptp(outcome) == 0 or np.ptp(forecast) == 0
    return HoldoutFigures(
        customers=len(outcome),
        actual=float(outcome.sum()),
        predicted=float(forecast.sum()),
        bias=float(error.sum() / outcome.sum()),
        rmse=float(np.sqrt(np.mean(error**2))),
        mae=float(np.abs(error).mean()),
        correlation=np.nan if is_constant else float(np.corrcoef(outcome, forecast)[0, 1]),
        normalized_gini=_normalized_gini(outcome, forecast),
        deciles=deciles,
    )


def rolling_holdout(
    transactions: Any,
    models: Mapping[str, PurchaseModel],
    *,
    as_of: Iterable[date | str],
    horizon_days: int,
    customer: str = "customer_id",
    time: str = "date",
    unit_days: float = 7.0,
    until: date | str | None = None,
) -> RollingHoldout:
    """Fit models on the data before each date, and evaluate forecasts of the following days.

    Parameters
    ----------
    transactions
        As for `summarize`.
    models
        Unfitted purchase models by name; they are cloned.
    as_of
        Dates; each forecast covers ``[as_of, as_of + horizon_days)``.
    horizon_days
        Length of the forecast.
    customer, time, unit_days
        As for `summarize`.
    until
        End of the observation, exclusive; the day after the last purchase if not given.

    Returns
    -------
    RollingHoldout
        Figures of each model at each date.

    Raises
    ------
    ModelDataError
        A horizon ends after the observation, or the log is invalid.

    Examples
    --------
    >>> from churnkit.models.value import BGNBD
    >>> rng, start = np.random.default_rng(0), np.datetime64("2026-01-01")
    >>> log = [
    ...     {"customer_id": number, "date": start + np.timedelta64(int(day), "D")}
    ...     for number, rate in enumerate(rng.gamma(0.5, 0.1, size=200))
    ...     for day in np.r_[0, np.cumsum(rng.exponential(1 / rate, size=rng.geometric(rng.beta(1, 3))))]
    ...     if day < 300
    ... ]
    >>> result = rolling_holdout(log, {"BG/NBD": BGNBD()}, as_of=["2026-07-01"], horizon_days=60)
    >>> result.to_frame()["customers"].tolist()
    [200]
    """
    from sklearn.base import clone

    days = read_purchase_days(transactions, customer=customer, time=time)
    end = int(days.day.max()) + 1 if until is None else day_number(until)
    if horizon_days < 1:
        raise ModelDataError("horizon_days must be at least 1")
    figures: dict[str, dict[str, HoldoutFigures]] = {name: {} for name in models}
    for cutoff in as_of:
        day = day_number(cutoff)
        label = str(np.datetime64(day, "D"))
        if day + horizon_days > end:
            raise ModelDataError(
                f"the {horizon_days} days from {label} exceed the observation: use an earlier date "
                "or a shorter horizon, or set until"
            )
        summary = days.summary(cutoff, unit_days=unit_days)
        history = (summary.frequency, summary.recency, summary.T)
        purchases = days.purchases_after(cutoff, horizon_days)
        for name, model in models.items():
            fitted = clone(model).fit(*history)
            forecast = fitted.conditional_expected_purchases(horizon_days / unit_days, *history)
            figures[name][label] = holdout_figures(purchases, forecast)
    return RollingHoldout(figures, horizon_days)


def _normalized_gini(outcome: NDArray[np.float64], forecast: NDArray[np.float64]) -> float:
    from scipy.stats import rankdata

    mean_rank = (len(outcome) + 1) / 2
    best = float((rankdata(outcome) - mean_rank) @ outcome)
    # Equal forecasts share their ranks, so a constant forecast scores 0 in any order of rows.
    return float((rankdata(forecast) - mean_rank) @ outcome) / best if best > 0 else np.nan
