"""Forecast of the recurring revenue of today's customers from their subscriptions alone.

Customers leave at the rates of the last twelve months on the same day of their tenure (a period
life table, weighted by revenue), and revenue per customer changes as in past months. So the ends of
monthly and annual contracts are part of the forecast.

References
----------
Preston, Heuveline, Guillot (2001). Demography: measuring and modeling population processes. Ch. 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.translation import _
from churnkit.insights.figure import Figure
from churnkit.insights.metrics.survival import DAYS_A_MONTH
from churnkit.insights.sql_session import transpile_sql
from churnkit.models.value.revenue_forecast import RevenueForecast, forecast_revenue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.insights.metrics.revenue.mrr_movements import Movement
    from churnkit.insights.sql_session import InsightsSession

    Floats = NDArray[np.float64]

__all__ = ["QUERIES", "forecast_figure", "forecast_mrr"]

MONTHS_AHEAD = 6
_DAYS_AHEAD = int(np.ceil(MONTHS_AHEAD * DAYS_A_MONTH))
_DAYS_A_YEAR = 365
_WINDOW_DAYS = 365.25
_MONTHS_OF_CHANGES = 12
_LEAST_MONTHS_OF_CHANGES = 3
# Average customers by which the churn rate on a day of tenure is shrunk to the overall rate.
_PRIOR_CUSTOMERS = 5.0

# Spells with the revenue at their end, or today; days since the spell began.
_AT_RISK = """
WITH lasting AS (
  SELECT p.customer_key, p.spell, min(p.began) AS began, min(coalesce(p.left_at, t.as_of)) AS seen_until,
    max(CASE WHEN p.left_at IS NULL THEN 0 ELSE 1 END) AS has_left,
    sum(s.mrr) AS mrr
  FROM ck_spells AS p CROSS JOIN ck_terms AS t
  JOIN ck_subs AS s ON s.customer_key = p.customer_key AND s.started < coalesce(p.left_at, t.as_of)
    AND (s.ended IS NULL OR s.ended >= coalesce(p.left_at, t.as_of))
  GROUP BY p.customer_key, p.spell
)
SELECT date_diff('microsecond', l.began, l.seen_until) / 86400000000.0 AS days,
  date_diff('microsecond', l.began, t.as_of) / 86400000000.0 AS days_to_today, l.has_left, l.mrr
FROM lasting AS l CROSS JOIN ck_terms AS t
WHERE l.mrr > 0
ORDER BY days, days_to_today, l.has_left, l.mrr
"""

QUERIES = {"at_risk": _AT_RISK}


def forecast_mrr(
    session: InsightsSession,
    movements: Sequence[Movement],
    *,
    level: float = 0.95,
) -> RevenueForecast | None:
    """Forecast the monthly recurring revenue of today's customers for six months.

    Parameters
    ----------
    session
        Session whose subscriptions are prepared.
    movements
        Movements by month, the earliest first; the last twelve complete months give the changes of
        revenue.
    level
        Probability of each month's interval.

    Returns
    -------
    RevenueForecast or None
        None without a customer today or without churn in the last twelve months.
    """
    table = session.arrays(transpile_sql(_AT_RISK))
    days, today, left, mrr = (
        np.asarray(table[name], dtype=np.float64)
        for name in ("days", "days_to_today", "has_left", "mrr")
    )
    active, entry = left == 0, np.maximum(today - _WINDOW_DAYS, 0.0)
    seen = days >= entry
    churned = (left == 1) & seen
    if not active.any() or not churned.any():
        return None
    rates = TenureRates.of(days[seen], entry[seen], churned[seen], mrr[seen])
    influence = rates.influence(days[churned], today[active], mrr[active])
    churned_revenue = mrr[churned] * influence
    complete = [month for month in movements if month.complete and month.opening_mrr > 0]
    complete = complete[-_MONTHS_OF_CHANGES:]
    if len(complete) < _LEAST_MONTHS_OF_CHANGES:
        complete = []
    return forecast_revenue(
        mrr[active],
        rates.survival(today[active]),
        expansion=[month.expansion_mrr / month.opening_mrr for month in complete],
        contraction=[month.contraction_mrr / month.opening_mrr for month in complete],
        churned_revenue=churned_revenue if churned_revenue.any() else mrr[churned],
        level=level,
    )


@dataclass(frozen=True, slots=True)
class TenureRates:
    """Probabilities of churn by day of tenure, weighted by revenue.

    Parameters
    ----------
    probability : (days,)
        Probability of leaving on each day. A day with little revenue at risk, or none, is shrunk
        towards the same day a year earlier, and in the first year towards the overall rate.
    at_risk : (days,)
        Revenue at risk on each day, with that of the shrinkage.
    """

    probability: Floats
    at_risk: Floats

    @classmethod
    def of(
        cls, days: Floats, entry: Floats, churned: NDArray[np.bool_], revenue: Floats
    ) -> TenureRates:
        """Estimate the probabilities.

        Parameters
        ----------
        days, entry : (n,) tenure at the end and at the start of the observation
        churned : (n,) True if the customer left at the end
        revenue : (n,)

        Examples
        --------
        >>> import numpy as np
        >>> days, churned = np.array([1.5, 0.5, 2.0]), np.array([True, False, False])
        >>> TenureRates.of(days, np.zeros(3), churned, np.full(3, 10.0)).probability[:3].round(2)
        array([0.1 , 0.26, 0.14])
        """
        last, first = days.astype(int), entry.astype(int)
        length = int(last.max()) + 1
        entered = np.bincount(first, weights=revenue, minlength=length)
        gone = np.bincount(last + 1, weights=revenue, minlength=length + 1)[:length]
        at_risk = np.maximum(np.cumsum(entered - gone), 0.0)
        events = np.bincount(last[churned], weights=revenue[churned], minlength=length)
        prior = _PRIOR_CUSTOMERS * float(revenue.mean())
        # The days after the longest tenure have no data.
        beyond = (0, _DAYS_AHEAD + 1)
        events, at_risk = np.pad(events, beyond), np.pad(at_risk, beyond)
        probability = np.empty(len(events))
        expected: Floats = np.full(_DAYS_A_YEAR, min(events.sum() / at_risk.sum(), 1.0))
        for start in range(0, len(events), _DAYS_A_YEAR):
            year = slice(start, start + _DAYS_A_YEAR)
            mean = expected[: len(events[year])]
            expected = probability[year] = (events[year] + prior * mean) / (at_risk[year] + prior)
        return cls(probability, at_risk + prior)

    def survival(self, tenure: Floats) -> Floats:
        """Return the probability of staying for 1, 2, ... 6 further months, (n, 6)."""
        hazard = -np.log1p(-np.minimum(self.probability, 1.0 - 1e-12))
        cumulative = np.cumsum(hazard)
        ahead = np.arange(1, MONTHS_AHEAD + 1) * DAYS_A_MONTH
        until = (tenure[:, None] + ahead).astype(int)
        survival: Floats = np.exp(cumulative[tenure.astype(int)][:, None] - cumulative[until])
        return survival

    def influence(self, days: Floats, tenure: Floats, revenue: Floats) -> Floats:
        """Return the revenue that passes each day in the next months, per revenue at risk on it.

        A churned customer changes the forecast by their revenue times this.

        Parameters
        ----------
        days : (c,) tenure at churn
        tenure, revenue : (n,) of today's customers
        """
        length = len(self.probability)
        now = np.bincount(tenure.astype(int), weights=revenue, minlength=length)
        until = np.cumsum(now)
        passing = until - np.concatenate([np.zeros(_DAYS_AHEAD), until])[:length]
        influence: Floats = (passing / self.at_risk)[days.astype(int)]
        return influence


def forecast_figure(forecast: RevenueForecast) -> Figure:
    """Return the expected revenue of today's customers at the end of the forecast."""
    months = len(forecast.closing)
    return Figure(
        "mrr_ahead",
        _("Monthly revenue of today's customers in {months} months", months=months),
        float(forecast.closing[-1]),
        "money a month",
        _(
            "expected revenue after churn at the rates of the last 12 months by tenure, "
            "contraction and expansion; without new customers"
        ),
        low=float(forecast.low[-1]),
        high=float(forecast.high[-1]),
    )
