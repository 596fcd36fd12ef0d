"""Themes of customer feedback, and the relation of tickets and usage to churn."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.translation import _
from churnkit.errors import DataError
from churnkit.insights.metrics.risk_ratio import (
    FEWEST_CUSTOMERS,
    RiskRatio,
    exposure_risk_ratios,
    set_horizon,
)
from churnkit.insights.sql_session import transpile_sql
from churnkit.insights.text.topics import Themes, find_themes

if TYPE_CHECKING:
    from churnkit.insights.sql_session import InsightsSession
    from churnkit.insights.text.embeddings import Embedder

__all__ = ["QUERIES", "measure_themes", "ticket_risk_ratios", "usage_risk_ratios"]

_MOST_TEXTS = 50_000
_SEEN_DAYS = 90

_WITH_CHURN = """
SELECT x.text, x.positive, date_diff('second', TIMESTAMP '1970-01-01 00:00:00', x.happened) AS at,
  CASE WHEN s.customer_key IS NULL OR date_diff('second', x.happened, t.as_of) < h.seconds THEN NULL
    WHEN s.left_at IS NOT NULL AND date_diff('second', x.happened, s.left_at) < h.seconds THEN 1.0
    ELSE 0.0 END AS gone
FROM ck_texts AS x CROSS JOIN ck_terms AS t CROSS JOIN ck_horizon AS h
LEFT JOIN ck_customers AS w ON w.customer = x.customer
LEFT JOIN ck_spells AS s ON s.customer_key = w.customer_key AND s.began < x.happened
  AND (s.left_at IS NULL OR s.left_at >= x.happened)
ORDER BY x.happened DESC, x.text
"""

_WITHOUT_CHURN = """
SELECT text, positive, date_diff('second', TIMESTAMP '1970-01-01 00:00:00', happened) AS at,
  CAST(NULL AS DOUBLE) AS gone
FROM ck_texts ORDER BY happened DESC, text
"""

QUERIES = {"with_churn": _WITH_CHURN, "without_churn": _WITHOUT_CHURN}

_POSITIVE = (
    "CASE upper({kind}) WHEN 'NPS' THEN CASE WHEN score >= 9 THEN 1.0 WHEN score <= 6 THEN 0.0 END "
    "WHEN 'CES' THEN CASE WHEN score >= 5 THEN 1.0 WHEN score <= 3 THEN 0.0 END "
    "ELSE CASE WHEN score >= 4 THEN 1.0 WHEN score <= 2 THEN 0.0 END END"
)


def measure_themes(session: InsightsSession, *, embed: Embedder | None = None) -> Themes | None:
    """Find the themes of the latest 50,000 surveys, reviews and tickets.

    Parameters
    ----------
    session
        From `open_session`.
    embed
        As for `find_themes`.

    Returns
    -------
    Themes or None
        None if there are too few texts.
    """
    parts = _text_queries(session)
    if not parts:
        return None
    moment = f"TIMESTAMP '{session.as_of:%Y-%m-%d %H:%M:%S}'"
    session.run(
        "CREATE OR REPLACE TEMP TABLE ck_texts AS SELECT * FROM ("  # noqa: S608  (built from constants of this module)
        + " UNION ALL ".join(parts)
        + f") AS texts WHERE text IS NOT NULL AND happened < {moment}"
    )
    if session.has("subscriptions"):
        set_horizon(session)
        sql = transpile_sql(_WITH_CHURN)
    else:
        sql = transpile_sql(_WITHOUT_CHURN)
    rows = session.rows(f"{sql} LIMIT {_MOST_TEXTS}")
    try:
        return find_themes(
            [row[0] for row in rows],
            positive=_numbers(rows, 1),
            times=np.array([row[2] for row in rows], dtype=np.int64),
            churned=_numbers(rows, 3) if session.has("subscriptions") else None,
            embed=embed,
        )
    except DataError:
        return None


def _numbers(
    rows: list[tuple[object, ...]], column: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(
        [np.nan if row[column] is None else row[column] for row in rows], dtype=np.float64
    )


def _text_queries(session: InsightsSession) -> list[str]:
    parts = []
    if session.has("surveys", "text"):
        happened = "coalesce(answered, sent)" if session.has("surveys", "answered") else "sent"
        kind = "kind" if session.has("surveys", "kind") else "'NPS'"
        positive = _POSITIVE.format(kind=kind)
        parts.append(
            f"SELECT customer, {happened} AS happened, text, {positive} AS positive FROM ck_in_surveys"  # noqa: S608
        )
    if session.has("reviews"):
        scored = session.has("reviews", "score")
        positive = _POSITIVE.format(kind="'stars'") if scored else "CAST(NULL AS DOUBLE)"
        parts.append(f"SELECT customer, happened, text, {positive} AS positive FROM ck_in_reviews")  # noqa: S608
    if session.has("tickets", "text"):
        parts.append(
            "SELECT customer, opened AS happened, text, CAST(NULL AS DOUBLE) AS positive "
            "FROM ck_in_tickets"
        )
    return parts


def ticket_risk_ratios(session: InsightsSession) -> tuple[RiskRatio, ...]:
    """Compare churn of customers with and without a ticket on each topic; empty without topics."""
    if not (session.has("subscriptions") and session.has("tickets", "topic")):
        return ()
    return _risk_ratios(session, "tickets", "opened", "topic", _("a ticket on the topic"))


def usage_risk_ratios(session: InsightsSession) -> tuple[RiskRatio, ...]:
    """Compare churn of customers with and without each kind of product event, lowest first."""
    if not (session.has("subscriptions") and session.has("events", "kind")):
        return ()
    return _risk_ratios(session, "events", "happened", "kind", _("such an event"))[::-1]


def _risk_ratios(
    session: InsightsSession, table: str, time: str, part: str, event: str
) -> tuple[RiskRatio, ...]:
    until = session.as_of - dt.timedelta(days=session.settings.horizon_days)
    begin = until - dt.timedelta(days=_SEEN_DAYS)
    session.set_span(begin, until)
    session.run(
        "CREATE OR REPLACE TEMP TABLE ck_moments AS "  # noqa: S608  (built from constants of this module)
        f"SELECT w.customer_key, max(x.{time}) AS happened, x.{part} AS part FROM ck_in_{table} AS x "
        "JOIN ck_customers AS w ON w.customer = x.customer CROSS JOIN ck_span AS p "
        f"WHERE x.{time} >= p.begin_at AND x.{time} < p.until_at AND x.{part} IS NOT NULL "
        f"GROUP BY w.customer_key, x.{part}"
    )
    ratios = exposure_risk_ratios(session, begin, until, event=event)
    return tuple(r for r in ratios if r.value is not None and r.customers >= FEWEST_CUSTOMERS)[:12]
