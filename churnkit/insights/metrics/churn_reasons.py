"""Competing reasons of churn, where the subscriptions record why they ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from churnkit.core.result import Result
from churnkit.core.translation import mark_text
from churnkit.evaluation.survival.cumulative_incidence import cumulative_incidence
from churnkit.insights.metrics.survival import DAYS_A_MONTH
from churnkit.insights.sql_session import transpile_sql

if TYPE_CHECKING:
    from churnkit.insights.sql_session import InsightsSession

__all__ = ["ChurnReason", "ChurnReasons", "measure_churn_reasons"]

_MOST_REASONS: Final = 6
_FEWEST: Final = 5
_FEWEST_REASONS: Final = 2
_UNKNOWN: Final = mark_text("Not recorded")
_OTHER: Final = mark_text("Other")

# As the follow-up of the survival curves, with the reason of the subscription that ended last; of
# several that ended with it, the reason that a label would take.
_FOLLOW_UP = """
WITH observed AS (SELECT min(left_at) AS since FROM ck_spells),
reasons AS (
  SELECT w.customer_key, x.ended, {largest_reason} AS reason
  FROM ck_in_subscriptions AS x JOIN ck_customers AS w ON w.customer = x.customer
  WHERE x.ended IS NOT NULL GROUP BY w.customer_key, x.ended
), first AS (
  SELECT floor(date_diff('microsecond', s.began, coalesce(s.left_at, t.as_of))
      / 86400000000.0) + 1 AS days,
    CASE WHEN s.left_at IS NOT NULL AND date_diff('microsecond', s.left_at, t.as_of)
      >= t.grace_days * 86400000000 THEN coalesce(r.reason, 'Not recorded') END AS reason,
    greatest(floor(date_diff('microsecond', s.began, coalesce(o.since, s.began))
      / 86400000000.0), 0) AS entry
  FROM ck_spells AS s CROSS JOIN ck_terms AS t CROSS JOIN observed AS o
  LEFT JOIN reasons AS r ON r.customer_key = s.customer_key AND r.ended = s.left_at
  WHERE s.spell = 1
)
SELECT days, reason, entry, count(*) AS customers FROM first
GROUP BY days, reason, entry ORDER BY days, reason, entry
"""


@dataclass(frozen=True, slots=True)
class ChurnReason(Result):
    """A reason of churn.

    Parameters
    ----------
    name
        The reason as recorded, ``"Other"`` for rare ones, or ``"Not recorded"``.
    customers
        Customers who left for it.
    share
        Share of all customers who left.
    incidence
        Share of customers who have left for it, by month since joining; None after the longest
        follow-up (Aalen-Johansen).
    """

    name: str
    customers: int
    share: float
    incidence: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class ChurnReasons(Result):
    """Reasons, the most frequent first, and the months of their incidences.

    Parameters
    ----------
    months
        Months 0, 1, 2... since joining.
    reasons
        The reasons; with the customers who remain, their incidences sum to 1.
    """

    months: tuple[int, ...]
    reasons: tuple[ChurnReason, ...]


def measure_churn_reasons(session: InsightsSession) -> ChurnReasons | None:
    """Estimate the share of customers that leaves for each reason by month.

    Parameters
    ----------
    session
        Session with prepared subscriptions.

    Returns
    -------
    ChurnReasons or None
        None if fewer than two reasons are recorded, or none of five customers or more.
    """
    if not session.has("subscriptions", "reason"):
        return None
    from churnkit.timeline.sql.churn_reasons import largest_reason
    from churnkit.timeline.sql.expressions import column

    reason = largest_reason(column("reason", "x")).sql("duckdb")
    rows = session.rows(transpile_sql(_FOLLOW_UP.format(largest_reason=reason)))
    names = _group(rows)
    recorded = set(names.values()) - {_UNKNOWN}
    if len(recorded) < _FEWEST_REASONS or recorded == {_OTHER}:
        return None
    days, entry, weight = (np.array([row[i] for row in rows], np.float64) for i in (0, 2, 3))
    curves = cumulative_incidence(
        days,
        [None if row[1] is None else names[row[1]] for row in rows],
        entry=entry,
        sample_weight=weight,
    )
    months = tuple(range(int(curves.follow_up // DAYS_A_MONTH) + 1))
    shares = curves.at(np.array(months) * DAYS_A_MONTH)
    counts = dict(zip(curves.causes, curves.events.sum(axis=1).tolist(), strict=True))
    total = sum(counts.values())
    reasons = [
        ChurnReason(
            name,
            round(counts[name]),
            counts[name] / total,
            tuple(None if np.isnan(share) else float(share) for share in shares[row].tolist()),
        )
        for row, name in enumerate(curves.causes)
    ]
    reasons.sort(key=lambda reason: (reason.name in {_OTHER, _UNKNOWN}, -reason.customers))
    return ChurnReasons(months, tuple(reasons))


def _group(rows: list[tuple[Any, ...]]) -> dict[str, str]:
    """Return the shown name of each reason; rare reasons are shown together."""
    counts: dict[str, int] = {}
    for _, reason, _, customers in rows:
        if reason is not None:
            counts[reason] = counts.get(reason, 0) + customers
    ranked = sorted((name for name in counts if name != _UNKNOWN), key=lambda n: (-counts[n], n))
    kept = {name for name in ranked[:_MOST_REASONS] if counts[name] >= _FEWEST}
    return {name: name if name in kept or name == _UNKNOWN else _OTHER for name in counts}
