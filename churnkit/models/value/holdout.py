"""How good forecasts of purchases or value are on a time that the model did not see."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.models.errors import ModelDataError
from churnkit.models.value.purchase_history import check_column
from churnkit.models.value.rfm_summary import day_number, read_purchase_days

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from churnkit.models.value.base import PurchaseModel

__all__ = ["Decile", "HoldoutFigures", "RollingHoldout", "holdout_figures", "rolling_holdout"]


@dataclass(frozen=True)
class Decile:
    """A tenth of the customers by forecast: how many, forecast and actual mean."""

    customers: int
    predicted: float
    actual: float


@dataclass(frozen=True)
class HoldoutFigures:
    """Forecasts against what came.

    Parameters
    ----------
    customers
        How many.
    actual, predicted
        Totals over all customers.
    bias
        How far the predicted total lies above the actual one, as a share of it.
    rmse, mae
        Of single customers.
    correlation
        Pearson's; NaN where either side is constant.
    normalized_gini
        How well forecasts rank customers: 1 as well as the outcome itself, 0 as chance.
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

        return pd.DataFrame([asdict(each) for each in self.deciles])

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, JSON-ready."""
        return asdict(self) | {"deciles": [asdict(each) for each in self.deciles]}

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html())


@dataclass(frozen=True)
class RollingHoldout:
    """The figures of several models at several dates.

    Parameters
    ----------
    figures
        By model, then by date as text.
    horizon_days
        How far each forecast reached.
    """

    figures: Mapping[str, Mapping[str, HoldoutFigures]]
    horizon_days: int

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each model and date."""
        import pandas as pd

        rows = [
            {"model": model, "as_of": as_of, **_scalars(found)}
            for model, dates in self.figures.items()
            for as_of, found in dates.items()
        ]
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, JSON-ready."""
        figures = {
            model: {as_of: found.to_dict() for as_of, found in dates.items()}
            for model, dates in self.figures.items()
        }
        return {"horizon_days": self.horizon_days, "figures": figures}

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html())


def holdout_figures(actual: ArrayLike, predicted: ArrayLike) -> HoldoutFigures:
    """Hold forecasts, of purchases or of value, against what came.

    Parameters
    ----------
    actual : (n,) not negative
    predicted : (n,) not negative

    Raises
    ------
    ModelDataError
        A column does not fit, or nothing came at all.

    Examples
    --------
    >>> found = holdout_figures([0, 0, 1, 3], [0.1, 0.3, 0.6, 2.0])
    >>> round(found.bias, 3), round(found.rmse, 3), found.normalized_gini
    (-0.25, 0.561, 1.0)
    """
    came = check_column(actual, "actual")
    forecast = check_column(predicted, "predicted", size=len(came))
    if not len(came) or not came.sum() > 0:
        raise ModelDataError("actual is 0 for every customer: take a longer horizon")
    error = forecast - came
    order = np.argsort(forecast, kind="stable")
    deciles = tuple(
        Decile(len(part), float(forecast[part].mean()), float(came[part].mean()))
        for part in np.array_split(order, 10)
        if len(part)
    )
    return HoldoutFigures(
        customers=len(came),
        actual=float(came.sum()),
        predicted=float(forecast.sum()),
        bias=float(error.sum() / came.sum()),
        rmse=float(np.sqrt(np.mean(error**2))),
        mae=float(np.abs(error).mean()),
        correlation=_correlation(came, forecast),
        normalized_gini=_normalised_gini(came, forecast),
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
    """Fit at each date on what was known before it, and forecast the days that follow.

    Parameters
    ----------
    transactions, customer, time, unit_days
        As for `summarize`.
    models
        Unfitted purchase models by name; they are cloned.
    as_of
        Dates; each forecast covers ``[as_of, as_of + horizon_days)``.
    horizon_days
        How far to forecast.
    until
        The first day that was no longer observed; the day after the log's last if not given.

    Raises
    ------
    ModelDataError
        A horizon ends after the observation, or the log does not fit.

    Examples
    --------
    >>> from churnkit.models.value import BGNBD
    >>> rng = np.random.default_rng(0)
    >>> log = [
    ...     {"customer_id": each, "date": np.datetime64("2026-01-01") + int(day)}
    ...     for each, often in enumerate(rng.gamma(0.5, 0.1, size=200))
    ...     for day in np.r_[0, np.cumsum(rng.exponential(1 / often, size=rng.geometric(rng.beta(1, 3))))]
    ...     if day < 300
    ... ]
    >>> found = rolling_holdout(log, {"BG/NBD": BGNBD()}, as_of=["2026-07-01"], horizon_days=60)
    >>> found.to_frame()["customers"].tolist()
    [200]
    """
    from sklearn.base import clone

    days = read_purchase_days(transactions, customer=customer, time=time)
    end = int(days.day.max()) + 1 if until is None else day_number(until)
    if horizon_days < 1:
        raise ModelDataError("horizon_days must be at least 1")
    figures: dict[str, dict[str, HoldoutFigures]] = {name: {} for name in models}
    for moment in as_of:
        number = day_number(moment)
        name_of_day = str(np.datetime64(number, "D"))
        if number + horizon_days > end:
            raise ModelDataError(
                f"the {horizon_days} days from {name_of_day} are not all observed: take an "
                "earlier date or a shorter horizon, or say until when was observed"
            )
        summary = days.summary(moment, unit_days=unit_days)
        history = (summary.frequency, summary.recency, summary.T)
        came = days.purchases_after(moment, horizon_days)
        for name, model in models.items():
            fitted = clone(model).fit(*history)
            forecast = fitted.conditional_expected_purchases(horizon_days / unit_days, *history)
            figures[name][name_of_day] = holdout_figures(came, forecast)
    return RollingHoldout(figures, horizon_days)


def _scalars(found: HoldoutFigures) -> dict[str, Any]:
    return {name: value for name, value in found.to_dict().items() if name != "deciles"}


def _correlation(came: NDArray[np.float64], forecast: NDArray[np.float64]) -> float:
    if np.ptp(came) == 0 or np.ptp(forecast) == 0:
        return float("nan")
    return float(np.corrcoef(came, forecast)[0, 1])


def _normalised_gini(came: NDArray[np.float64], forecast: NDArray[np.float64]) -> float:
    from scipy.stats import rankdata

    middle = (len(came) + 1) / 2
    best = float((rankdata(came) - middle) @ came)
    # Equal forecasts share their ranks, so a constant forecast scores 0 in any order of rows.
    return float((rankdata(forecast) - middle) @ came) / best if best > 0 else float("nan")
