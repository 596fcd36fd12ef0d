"""What came, what went and what stayed within a stretch of time: customers and revenue."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from churnkit.insights.figure import Figure, ratio, share
from churnkit.insights.sql_session import in_dialect

if TYPE_CHECKING:
    import pandas as pd

    from churnkit.insights.metrics.calendar import Month
    from churnkit.insights.metrics.settings import RetentionSettings
    from churnkit.insights.sql_session import InsightsSession

__all__ = ["QUERIES", "Movement", "Movements", "measure_movement", "rates"]

# Every customer who was there at some time of the stretch: how it was before, and after.
_STATE = """
CREATE OR REPLACE TEMP TABLE ck_state AS
WITH held AS (
  SELECT s.who, s.subscription,
    max(CASE WHEN s.started < p.begin_at THEN 1 ELSE 0 END) AS was,
    max(CASE WHEN s.ended IS NULL OR s.ended >= p.until_at THEN 1 ELSE 0 END) AS still,
    sum(CASE WHEN s.started < p.begin_at THEN s.mrr ELSE 0 END) AS opening,
    sum(CASE WHEN s.ended IS NULL OR s.ended >= p.until_at THEN s.mrr ELSE 0 END) AS closing,
    max(s.mrr) AS most
  FROM ck_subs AS s CROSS JOIN ck_span AS p
  WHERE s.started < p.until_at AND (s.ended IS NULL OR s.ended >= p.begin_at)
  GROUP BY s.who, s.subscription
)
SELECT who, max(was) AS was, max(still) AS still, sum(opening) AS opening,
  sum(closing) AS closing, sum(most) AS most,
  sum(CASE WHEN was = 1 AND still = 0 THEN opening ELSE 0 END) AS lost
FROM held GROUP BY who
"""

_SUMS = """
WITH moved AS (
  SELECT s.*, f.first_started >= p.begin_at AS is_new,
    s.closing - s.opening + s.lost AS net_of_lost
  FROM ck_state AS s JOIN ck_first AS f ON f.who = s.who CROSS JOIN ck_span AS p
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
class Movement:
    """One stretch of time: customers and monthly revenue, before, moved and after.

    ``opening + new + reactivation + expansion - contraction - churn == closing``, for customers
    (joined, returned, left) as for revenue.
    """

    name: str
    complete: bool
    opening_customers: int
    new_customers: int
    returned_customers: int
    left_customers: int
    brief_customers: int
    """Who joined and left within the time; in the counts only if the settings say so."""
    closing_customers: int
    opening_mrr: float
    new_mrr: float
    reactivation_mrr: float
    expansion_mrr: float
    contraction_mrr: float
    churn_mrr: float
    closing_mrr: float

    def to_dict(self) -> dict[str, Any]:
        """Return the stretch as JSON-able data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Movements:
    """Movements by calendar month, the earliest first."""

    months: tuple[Movement, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the months as JSON-able data."""
        return {"months": [month.to_dict() for month in self.months]}

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row a month."""
        import pandas as pd

        return pd.DataFrame([month.to_dict() for month in self.months])


def measure_movement(business: InsightsSession, month: Month) -> Movement:
    """Measure one stretch of time; leaves its customers in the table ``ck_state``."""
    business.span(month.begin, month.until)
    business.run(in_dialect(_STATE))
    found = business.row(in_dialect(_SUMS))
    opening, new, returned, left, brief, closing = (int(count) for count in found[:6])
    o_mrr, n_mrr, r_mrr, up, down, gone, c_mrr, brief_mrr, lost, up_rest, down_rest = (
        float(money) for money in found[6:]
    )
    settings = business.settings
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


def rates(moved: Movement, settings: RetentionSettings, *, suffix: str, said: str) -> list[Figure]:
    """Work out the rates of one stretch of time.

    Parameters
    ----------
    moved
        The stretch.
    settings
        Where definitions differ.
    suffix
        Of the figures' names: ``month`` or ``year``.
    said
        The stretch in words: ``in 2025-03``.

    Examples
    --------
    >>> from churnkit.insights.metrics.settings import RetentionSettings
    >>> moved = Movement("2025-03", True, 100, 4, 0, 5, 0, 99, 1000.0, 40, 0, 30, 10, 50, 1010.0)
    >>> found = {f.name: f.value for f in rates(moved, RetentionSettings(), suffix="m", said="")}
    >>> found["logo_churn_m"], found["grr_m"], found["nrr_m"], round(found["quick_ratio_m"], 3)
    (0.05, 0.94, 0.97, 1.167)
    """
    lost = moved.contraction_mrr + moved.churn_mrr
    gained = moved.expansion_mrr
    more = "expansion"
    if settings.reactivation_in_nrr:
        gained, more = gained + moved.reactivation_mrr, "expansion + reactivation"
    before = moved.opening_mrr
    came = moved.new_mrr + moved.reactivation_mrr + moved.expansion_mrr
    return [
        Figure(
            f"logo_churn_{suffix}",
            f"Customers lost {said}".strip(),
            unit="share",
            formula="customers there at its beginning and gone at its end / customers there at "
            "its beginning",
            **share(moved.left_customers, moved.opening_customers),
        ),
        Figure(
            f"gross_churn_{suffix}",
            f"Revenue lost {said}".strip(),
            ratio(lost, before),
            "share",
            "(churn + contraction) / opening monthly revenue",
        ),
        Figure(
            f"net_churn_{suffix}",
            f"Revenue lost, net of growth {said}".strip(),
            ratio(lost - gained, before),
            "share",
            f"(churn + contraction - {more}) / opening monthly revenue; below 0 is growth",
        ),
        Figure(
            f"grr_{suffix}",
            f"Gross revenue retention {said}".strip(),
            ratio(before - lost, before),
            "share",
            "(opening - churn - contraction) / opening monthly revenue; never above 100%",
        ),
        Figure(
            f"nrr_{suffix}",
            f"Net revenue retention {said}".strip(),
            ratio(before - lost + gained, before),
            "share",
            f"(opening - churn - contraction + {more}) / opening monthly revenue; new customers "
            "do not count",
        ),
        Figure(
            f"quick_ratio_{suffix}",
            f"Quick ratio {said}".strip(),
            ratio(came, lost),
            "ratio",
            "(new + reactivation + expansion) / (churn + contraction)",
        ),
    ]
