"""Movements of customers and monthly recurring revenue (MRR) within an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from churnkit.core.result import PlottableResult
from churnkit.core.translation import _
from churnkit.insights.figure import Figure, ratio, results_to_frame, share
from churnkit.insights.sql_session import transpile_sql

if TYPE_CHECKING:
    import pandas as pd

    from churnkit.insights.metrics.calendar import Month
    from churnkit.insights.metrics.settings import RetentionSettings
    from churnkit.insights.sql_session import InsightsSession

__all__ = ["QUERIES", "Movement", "Movements", "measure_movement", "rates"]

# State before and after the interval of each customer active in it.
_STATE = """
CREATE OR REPLACE TEMP TABLE ck_state AS
WITH held AS (
  SELECT s.customer_key, s.subscription,
    max(CASE WHEN s.started < p.begin_at THEN 1 ELSE 0 END) AS was,
    max(CASE WHEN s.ended IS NULL OR s.ended >= p.until_at THEN 1 ELSE 0 END) AS still,
    sum(CASE WHEN s.started < p.begin_at THEN s.mrr ELSE 0 END) AS opening,
    sum(CASE WHEN s.ended IS NULL OR s.ended >= p.until_at THEN s.mrr ELSE 0 END) AS closing,
    max(s.mrr) AS most
  FROM ck_subs AS s CROSS JOIN ck_span AS p
  WHERE s.started < p.until_at AND (s.ended IS NULL OR s.ended >= p.begin_at)
  GROUP BY s.customer_key, s.subscription
)
SELECT customer_key, max(was) AS was, max(still) AS still, sum(opening) AS opening,
  sum(closing) AS closing, sum(most) AS most,
  sum(CASE WHEN was = 1 AND still = 0 THEN opening ELSE 0 END) AS lost
FROM held GROUP BY customer_key
"""

_SUMS = """
WITH moved AS (
  SELECT s.*, f.first_started >= p.begin_at AS is_new,
    s.closing - s.opening + s.lost AS net_of_lost
  FROM ck_state AS s JOIN ck_first AS f ON f.customer_key = s.customer_key CROSS JOIN ck_span AS p
)
SELECT
  count(CASE WHEN was = 1 THEN 1 END),
  count(CASE WHEN was = 0 AND still = 1 AND is_new THEN 1 END),
  count(CASE WHEN was = 0 AND still = 1 AND NOT is_new THEN 1 END),
  count(CASE WHEN was = 1 AND still = 0 THEN 1 END),
  count(CASE WHEN was = 0 AND still = 0 AND is_new THEN 1 END),
  count(CASE WHEN still = 1 THEN 1 END),
  coalesce(sum(opening), 0),
  coalesce(sum(CASE WHEN was = 0 AND is_new THEN closing END), 0),
  coalesce(sum(CASE WHEN was = 0 AND NOT is_new THEN closing END), 0),
  coalesce(sum(CASE WHEN was = 1 AND still = 1 THEN greatest(closing - opening, 0) END), 0),
  coalesce(sum(CASE WHEN was = 1 AND still = 1 THEN greatest(opening - closing, 0) END), 0),
  coalesce(sum(CASE WHEN was = 1 AND still = 0 THEN opening END), 0),
  coalesce(sum(closing), 0),
  coalesce(sum(CASE WHEN was = 0 AND still = 0 AND is_new THEN most END), 0),
  coalesce(sum(CASE WHEN was = 1 AND still = 1 THEN lost END), 0),
  coalesce(sum(CASE WHEN was = 1 AND still = 1 THEN greatest(net_of_lost, 0) END), 0),
  coalesce(sum(CASE WHEN was = 1 AND still = 1 THEN greatest(-net_of_lost, 0) END), 0)
FROM moved
"""

QUERIES = {"state": _STATE, "sums": _SUMS}


@dataclass(frozen=True, slots=True)
class Movement(PlottableResult):
    """Customers and monthly revenue at the start and end of an interval, and the movements.

    ``opening + new + reactivation + expansion - contraction - churn == closing``, for customers
    (joined, returned, left) as for revenue.
    """

    _display: ClassVar[str] = "MovementsDisplay"

    name: str
    complete: bool
    opening_customers: int
    new_customers: int
    returned_customers: int
    left_customers: int
    brief_customers: int
    """Customers who joined and left within the interval; counted only if the settings say so."""
    closing_customers: int
    opening_mrr: float
    new_mrr: float
    reactivation_mrr: float
    expansion_mrr: float
    contraction_mrr: float
    churn_mrr: float
    closing_mrr: float


@dataclass(frozen=True, slots=True)
class Movements(PlottableResult):
    """Movements by calendar month, the earliest first."""

    _display: ClassVar[str] = "MovementsDisplay"

    months: tuple[Movement, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with one row per month."""
        return results_to_frame(self.months)


def measure_movement(session: InsightsSession, month: Month) -> Movement:
    """Compute the movement of an interval; the table ``ck_state`` then has its customers."""
    session.set_span(month.begin, month.until)
    session.run(transpile_sql(_STATE))
    sums = session.row(transpile_sql(_SUMS))
    opening, new, returned, left, brief, closing = (int(count) for count in sums[:6])
    o_mrr, n_mrr, r_mrr, up, down, gone, c_mrr, brief_mrr, lost, up_rest, down_rest = (
        float(money) for money in sums[6:]
    )
    settings = session.settings
    if settings.partial_loss == "churn":
        up, down, gone = up_rest, down_rest, gone + lost
    if settings.same_month == "counted":
        new, left, n_mrr, gone = new + brief, left + brief, n_mrr + brief_mrr, gone + brief_mrr
    return Movement(
        name=month.name,
        complete=month.complete,
        opening_customers=opening,
        new_customers=new,
        returned_customers=returned,
        left_customers=left,
        brief_customers=brief,
        closing_customers=closing,
        opening_mrr=o_mrr,
        new_mrr=n_mrr,
        reactivation_mrr=r_mrr,
        expansion_mrr=up,
        contraction_mrr=down,
        churn_mrr=gone,
        closing_mrr=c_mrr,
    )


def rates(
    moved: Movement, settings: RetentionSettings, *, suffix: str, interval: str
) -> list[Figure]:
    """Compute churn and retention rates of an interval.

    Parameters
    ----------
    moved
        Movement of the interval.
    settings
        Metric definitions.
    suffix
        Suffix of the figures' names: ``month`` or ``year``.
    interval
        Interval in words: ``March 2025``.

    Returns
    -------
    list of Figure
        Logo churn, gross and net revenue churn, GRR, NRR and quick ratio.

    Examples
    --------
    >>> from churnkit.insights.metrics.settings import RetentionSettings
    >>> moved = Movement("2025-03", True, 100, 4, 0, 5, 0, 99, 1000.0, 40, 0, 30, 10, 50, 1010.0)
    >>> figures = rates(moved, RetentionSettings(), suffix="month", interval="March 2025")
    >>> [(figure.name, round(figure.value, 3)) for figure in figures[3:5]]
    [('grr_month', 0.94), ('nrr_month', 0.97)]
    """
    lost = moved.contraction_mrr + moved.churn_mrr
    gained, gains = moved.expansion_mrr, _("expansion")
    if settings.reactivation_in_nrr:
        gained, gains = gained + moved.reactivation_mrr, _("expansion + reactivation")
    before = moved.opening_mrr
    growth = moved.new_mrr + moved.reactivation_mrr + moved.expansion_mrr
    return [
        Figure(
            f"logo_churn_{suffix}", _("Customer churn, {interval}", interval=interval), unit="share",
            formula=_("customers at the start who are lost at the end / customers at the start"),
            **share(moved.left_customers, moved.opening_customers),
        ),
        Figure(
            f"gross_churn_{suffix}", _("Gross revenue churn, {interval}", interval=interval), ratio(lost, before),
            "share", _("(churn + contraction) / opening monthly revenue"),
        ),
        Figure(
            f"net_churn_{suffix}", _("Net revenue churn, {interval}", interval=interval), ratio(lost - gained, before),
            "share",
            _("(churn + contraction - {gains}) / opening monthly revenue; negative values are " "growth", gains=gains),
        ),
        Figure(
            f"grr_{suffix}", _("Gross revenue retention, {interval}", interval=interval), ratio(before - lost, before),
            "share", _("(opening - churn - contraction) / opening monthly revenue; at most 100%"),
        ),
        Figure(
            f"nrr_{suffix}", _("Net revenue retention, {interval}", interval=interval),
            ratio(before - lost + gained, before), "share",
            _("(opening - churn - contraction + {gains}) / opening monthly revenue; without new " "customers", gains=gains),
        ),
        Figure(
            f"quick_ratio_{suffix}", _("Quick ratio, {interval}", interval=interval), ratio(growth, lost), "ratio",
            _("(new + reactivation + expansion) / (churn + contraction)"),
        ),
    ]  # fmt: skip
