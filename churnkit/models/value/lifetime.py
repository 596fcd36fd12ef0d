"""Discounted lifetime value of customers without a contract, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from churnkit.core.result import PlottableResult
from churnkit.core.stats.interval import Interval
from churnkit.models.errors import ModelDataError
from churnkit.models.value.covariates import read_covariates
from churnkit.models.value.gamma_gamma import read_spending
from churnkit.models.value.purchase.purchase_history import (
    PurchaseHistories,
    check_column,
    read_histories,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from churnkit.models.value.gamma_gamma import GammaGamma
    from churnkit.models.value.purchase.base import PurchaseModel

__all__ = ["LifetimeValue", "lifetime_value"]

_BLOCK_ROWS = 1 << 14


@dataclass(frozen=True)
class LifetimeValue(PlottableResult):
    """Expected future value of each customer.

    Parameters
    ----------
    value : (n,)
        Expected discounted value.
    low, high : (n,)
        Confidence interval of the expectation, from the uncertainty of the parameters. The
        realized value of a single customer varies far more.
    purchases : (n,)
        Expected discounted purchases.
    spend : (n,)
        Expected spend per purchase.
    total
        The value of all customers together; its interval is not the sum of theirs.
    level
        Confidence level.
    """

    _display: ClassVar[str] = "LifetimeValueDisplay"

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    purchases: NDArray[np.float64]
    spend: NDArray[np.float64]
    total: Interval
    level: float

    def to_frame(self) -> pd.DataFrame:
        """Return one row per customer, in the order of the input."""
        import pandas as pd

        names = ("value", "low", "high", "purchases", "spend")
        return pd.DataFrame({name: getattr(self, name) for name in names})

    def to_dict(self) -> dict[str, Any]:
        """Return the value of all customers together as JSON-able data."""
        return {"customers": len(self.value), "level": self.level, "total": self.total.to_dict()}

    def _repr_html_(self) -> str:
        return str(self.to_frame().describe().to_html())


def lifetime_value(  # noqa: PLR0917 - the columns are in the order of the models' fit
    purchases: PurchaseModel,
    spend: GammaGamma,
    frequency: ArrayLike,
    recency: ArrayLike,
    T: ArrayLike,
    monetary: ArrayLike,
    *,
    rate: float,
    horizon: float | None = None,
    margin: float = 1.0,
    level: float = 0.95,
    draws: int = 200,
    seed: int = 0,
    covariates: Any = None,
) -> LifetimeValue:
    """Return margin x expected spend x discounted expected purchases of each customer.

    The intervals are those of a parametric bootstrap: the parameters of both models are drawn
    from their asymptotic distribution, `draws` times.

    Parameters
    ----------
    purchases
        A fitted `BGNBD`, `MBGNBD` or `ParetoNBD`.
    spend
        A fitted `GammaGamma`.
    frequency, recency, T, monetary : (n,)
        As for their `fit`.
    rate
        Continuous discount rate per unit of time: ``log(1 + yearly) / 52`` for weeks.
    horizon
        Length of the period that counts; unlimited if not given.
    margin
        Margin as a share of the spend.
    level
        Confidence level.
    draws
        Number of draws; with 0 the intervals are NaN.
    seed
        The same seed gives the same intervals.
    covariates : table of n rows
        As for the `fit` of `purchases`.

    Returns
    -------
    LifetimeValue
        Values of the customers with intervals.

    Raises
    ------
    ModelDataError
        A column is invalid, or a model's likelihood is too flat for intervals.

    Examples
    --------
    >>> from churnkit.models.value import BGNBD, GammaGamma
    >>> frequency = [0] * 12 + [1, 1, 1, 1, 2, 3, 5, 9, 1, 2]
    >>> recency = [0] * 12 + [3, 2, 20, 36, 8, 9, 30, 36, 12, 31]
    >>> monetary = [0] * 12 + [20, 35, 11, 42, 18, 60, 33, 25, 29, 15]
    >>> purchases = BGNBD().fit(frequency, recency, [38] * 22)
    >>> spend = GammaGamma().fit(frequency, monetary)
    >>> T = [38] * 22
    >>> result = lifetime_value(
    ...     purchases, spend, frequency, recency, T, monetary, rate=0.003, draws=0
    ... )
    >>> result.value.shape
    (22,)
    """
    histories = read_histories(frequency, recency, T)
    columns = read_covariates(covariates, len(histories.T), names=purchases.covariates_)[1]
    histories = histories._replace(covariates=columns)
    x, mean = read_spending(frequency, monetary)
    if len(x) != len(histories.T):
        raise ModelDataError("frequency and monetary must have one row per customer")
    share = float(check_column([margin], "margin")[0])
    if not 0 < level < 1:
        raise ModelDataError(f"level must be between 0 and 1, got {level}")
    parameters = _draw_parameters(purchases, spend, draws, seed)
    counts = purchases.discounted_purchases_at(
        tuple(purchases.params_.values()), histories, rate=rate, horizon=horizon
    )
    amounts = spend.spend_at(tuple(spend.params_.values()), x, mean)
    value = share * _multiply(counts, amounts)
    low, high = np.full((2, len(value)), np.nan)
    totals = np.zeros(draws)
    ends = ((1 - level) / 2, (1 + level) / 2)
    for start in range(0, len(value) if draws else 0, _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        block = PurchaseHistories(*(column[rows] for column in histories))
        sampled = np.array(
            [
                share
                * _multiply(
                    purchases.discounted_purchases_at(p, block, rate=rate, horizon=horizon),
                    spend.spend_at(s, x[rows], mean[rows]),
                )
                for p, s in parameters
            ]
        )
        totals += sampled.sum(axis=1)
        low[rows], high[rows] = np.quantile(sampled, ends, axis=0, method="inverted_cdf")
    bounds = np.quantile(totals, ends, method="inverted_cdf") if draws else (np.nan, np.nan)
    total = Interval(float(value.sum()), float(bounds[0]), float(bounds[1]))
    return LifetimeValue(value, low, high, counts, amounts, total, level)


def _draw_parameters(
    purchases: PurchaseModel, spend: GammaGamma, draws: int, seed: int
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    if draws == 0:
        return []
    streams = np.random.SeedSequence(seed).generate_state(2)
    return list(
        zip(
            purchases.draw_parameters(draws, seed=int(streams[0])),
            spend.draw_parameters(draws, seed=int(streams[1])),
            strict=True,
        )
    )


def _multiply(counts: NDArray[np.float64], amounts: NDArray[np.float64]) -> NDArray[np.float64]:
    # Zero purchases have zero value, even if the spend has no finite mean.
    return np.where(counts > 0, counts * np.where(counts > 0, amounts, 0.0), 0.0)
