"""Discounted lifetime value of customers without a contract, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.evaluation import Interval
from churnkit.models.errors import ModelDataError
from churnkit.models.value.gamma_gamma import read_spending
from churnkit.models.value.purchase_history import Histories, check_column, read_histories

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from churnkit.models.value.base import PurchaseModel
    from churnkit.models.value.gamma_gamma import GammaGamma

__all__ = ["LifetimeValue", "lifetime_value"]

_BLOCK_ROWS = 1 << 14


@dataclass(frozen=True)
class LifetimeValue:
    """What each customer is expected to bring from now on.

    Parameters
    ----------
    value : (n,) expected discounted value
    low, high : (n,) its interval: what the data leave open about the parameters. What one
        customer really brings varies far more.
    purchases : (n,) expected discounted purchases
    spend : (n,) expected spend at each
    total
        The value of all customers together; its interval is not the sum of theirs.
    level
        Of the intervals.
    """

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    purchases: NDArray[np.float64]
    spend: NDArray[np.float64]
    total: Interval
    level: float

    def to_frame(self) -> pd.DataFrame:
        """Return one row a customer, in the order they were given."""
        import pandas as pd

        names = ("value", "low", "high", "purchases", "spend")
        return pd.DataFrame({name: getattr(self, name) for name in names})

    def to_dict(self) -> dict[str, Any]:
        """Return the value of all customers together, JSON-ready."""
        return {"customers": len(self.value), "level": self.level, "total": self.total.to_dict()}

    def _repr_html_(self) -> str:
        return str(self.to_frame().describe().to_html())


def lifetime_value(  # noqa: PLR0917 - the columns stand in the order of the models' own fits
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
) -> LifetimeValue:
    """Return margin x expected spend x discounted expected purchases, customer by customer.

    The intervals are those of a parametric bootstrap: both models' parameters are drawn from
    the normal law of their logarithms around the maximum, `draws` times.

    Parameters
    ----------
    purchases
        A fitted `BGNBD`, `MBGNBD` or `ParetoNBD`.
    spend
        A fitted `GammaGamma`.
    frequency, recency, T, monetary : (n,) as for their `fit`
    rate
        Continuous discount rate for one unit of time: ``log(1 + yearly) / 52`` for weeks.
    horizon
        How far ahead purchases count; without end if not given.
    margin
        Share of the spend that is earned.
    level
        Of the intervals.
    draws
        How many; 0 for none, and no intervals (NaN).
    seed
        The same seed gives the same intervals.

    Raises
    ------
    ModelDataError
        A column does not fit, or a model's likelihood is too flat for intervals.

    Examples
    --------
    >>> from churnkit.models.value import BGNBD, GammaGamma
    >>> frequency = [0] * 12 + [1, 1, 1, 1, 2, 3, 5, 9, 1, 2]
    >>> recency = [0] * 12 + [3, 2, 20, 36, 8, 9, 30, 36, 12, 31]
    >>> monetary = [0] * 12 + [20, 35, 11, 42, 18, 60, 33, 25, 29, 15]
    >>> bought = BGNBD().fit(frequency, recency, [38] * 22)
    >>> spent = GammaGamma().fit(frequency, monetary)
    >>> found = lifetime_value(
    ...     bought, spent, frequency, recency, [38] * 22, monetary, rate=0.003, draws=0
    ... )
    >>> found.value.shape
    (22,)
    """
    histories = read_histories(frequency, recency, T)
    x, mean = read_spending(frequency, monetary)
    if len(x) != len(histories.T):
        raise ModelDataError("frequency and monetary must have one row for each customer")
    earned = float(check_column([margin], "margin")[0])
    if not 0 < level < 1:
        raise ModelDataError(f"level is {level}, and must lie between 0 and 1")
    drawn = _drawn(purchases, spend, draws, seed)
    counts = purchases.discount_purchases(
        tuple(purchases.params_.values()), histories, rate=rate, horizon=horizon
    )
    each = spend.spend_under(tuple(spend.params_.values()), x, mean)
    value = earned * _worth(counts, each)
    low, high = np.full((2, len(value)), np.nan)
    totals = np.zeros(draws)
    ends = ((1 - level) / 2, (1 + level) / 2)
    for start in range(0, len(value) if draws else 0, _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        part = Histories(*(column[rows] for column in histories))
        sampled = np.array(
            [
                earned
                * _worth(
                    purchases.discount_purchases(bought, part, rate=rate, horizon=horizon),
                    spend.spend_under(spent, x[rows], mean[rows]),
                )
                for bought, spent in drawn
            ]
        )
        totals += sampled.sum(axis=1)
        low[rows], high[rows] = np.quantile(sampled, ends, axis=0, method="inverted_cdf")
    bounds = np.quantile(totals, ends, method="inverted_cdf") if draws else (np.nan, np.nan)
    total = Interval(float(value.sum()), float(bounds[0]), float(bounds[1]))
    return LifetimeValue(value, low, high, counts, each, total, level)


def _drawn(
    purchases: PurchaseModel, spend: GammaGamma, draws: int, seed: int
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    if draws == 0:
        return []
    streams = np.random.SeedSequence(seed).generate_state(2)
    bought = purchases.draw_parameters(draws, seed=int(streams[0]))
    spent = spend.draw_parameters(draws, seed=int(streams[1]))
    return list(zip(bought, spent, strict=True))


def _worth(counts: NDArray[np.float64], each: NDArray[np.float64]) -> NDArray[np.float64]:
    # No purchase is worth nothing, also at a spend that has no finite mean.
    return np.where(counts > 0, counts * np.where(counts > 0, each, 0.0), 0.0)
