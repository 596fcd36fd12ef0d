"""What customers wrote, with mood and fate beside it; and what goes with leaving."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from churnkit.errors import DataError
from churnkit.insights.metrics.risk_ratio import RiskRatio, linked_to_leaving, set_horizon
from churnkit.insights.sql_session import in_dialect
from churnkit.insights.text.topics import Themes, find_themes

if TYPE_CHECKING:
    from churnkit.insights.sql_session import InsightsSession
    from churnkit.insights.text.embeddings import Embedder

__all__ = ["QUERIES", "themes_of", "topics_linked", "uses_linked"]

_MOST_TEXTS = 50_000
_SEEN_DAYS = 90

_WITH_FATE = """
SELECT x.text, x.content, date_diff('second', TIMESTAMP '1970-01-01 00:00:00', x.happened) AS at,
  CASE WHEN s.who IS NULL OR date_diff('second', x.happened, t.as_of) < h.seconds THEN NULL
    WHEN s.left_at IS NOT NULL AND date_diff('second', x.happened, s.left_at) < h.seconds THEN 1.0
    ELSE 0.0 END AS gone
FROM ck_texts AS x CROSS JOIN ck_terms AS t CROSS JOIN ck_horizon AS h
LEFT JOIN ck_who AS w ON w.customer = x.customer
LEFT JOIN ck_spells AS s ON s.who = w.who AND s.began < x.happened
  AND (s.left_at IS NULL OR s.left_at >= x.happened)
ORDER BY x.happened DESC, x.text
"""

_ALONE = """
SELECT text, content, date_diff('second', TIMESTAMP '1970-01-01 00:00:00', happened) AS at,
  CAST(NULL AS DOUBLE) AS gone
FROM ck_texts ORDER BY happened DESC, text
"""

QUERIES = {"with_fate": _WITH_FATE, "alone": _ALONE}

_GOOD = (
    "CASE upper({kind}) WHEN 'NPS' THEN CASE WHEN score >= 9 THEN 1.0 WHEN score <= 6 THEN 0.0 END "
    "WHEN 'CES' THEN CASE WHEN score >= 5 THEN 1.0 WHEN score <= 3 THEN 0.0 END "
    "ELSE CASE WHEN score >= 4 THEN 1.0 WHEN score <= 2 THEN 0.0 END END"
)


def themes_of(business: InsightsSession, *, embed: Embedder | None = None) -> Themes | None:
    """Find the themes of surveys, reviews and tickets; None where there is too little text.

    Of many texts the latest 50,000 are read. `embed` is that of `find_themes`.
    """
    parts = _texts(business)
    if not parts:
        return None
    moment = f"TIMESTAMP '{business.as_of:%Y-%m-%d %H:%M:%S}'"
    business.run(
        "CREATE OR REPLACE TEMP TABLE ck_texts AS SELECT * FROM ("  # noqa: S608  (own words)
        + " UNION ALL ".join(parts)
        + f") AS written WHERE text IS NOT NULL AND happened < {moment}"
    )
    if business.has("subscriptions"):
        set_horizon(business)
        sql = in_dialect(_WITH_FATE)
    else:
        sql = in_dialect(_ALONE)
    rows = business.rows(f"{sql} LIMIT {_MOST_TEXTS}")
    try:
        return find_themes(
            [row[0] for row in rows],
            content=_known(rows, 1),
            when=np.array([row[2] for row in rows], dtype=np.int64),
            left=_known(rows, 3) if business.has("subscriptions") else None,
            embed=embed,
        )
    except DataError:
        return None


def _known(
    rows: list[tuple[object, ...]], place: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(
        [np.nan if row[place] is None else row[place] for row in rows], dtype=np.float64
    )


def _texts(business: InsightsSession) -> list[str]:
    parts = []
    if business.has("surveys", "text"):
        happened = "coalesce(answered, sent)" if business.has("surveys", "answered") else "sent"
        kind = "kind" if business.has("surveys", "kind") else "'NPS'"
        good = _GOOD.format(kind=kind)
        parts.append(
            f"SELECT customer, {happened} AS happened, text, {good} AS content FROM ck_in_surveys"  # noqa: S608
        )
    if business.has("reviews"):
        scored = business.has("reviews", "score")
        good = _GOOD.format(kind="'stars'") if scored else "CAST(NULL AS DOUBLE)"
        parts.append(f"SELECT customer, happened, text, {good} AS content FROM ck_in_reviews")  # noqa: S608
    if business.has("tickets", "text"):
        parts.append(
            "SELECT customer, opened AS happened, text, CAST(NULL AS DOUBLE) AS content "
            "FROM ck_in_tickets"
        )
    return parts


def topics_linked(business: InsightsSession) -> tuple[RiskRatio, ...]:
    """Hold customers with a ticket on each topic against those without; empty without topics."""
    if not (business.has("subscriptions") and business.has("tickets", "topic")):
        return ()
    return _linked(business, "tickets", "opened", "topic", "a ticket on it")


def uses_linked(business: InsightsSession) -> tuple[RiskRatio, ...]:
    """Hold users of each part of the product against customers who did not use it.

    Below 1, its use goes with staying.
    """
    if not (business.has("subscriptions") and business.has("events", "kind")):
        return ()
    found = _linked(business, "events", "happened", "kind", "a use of it")
    return tuple(reversed(found))


def _linked(
    business: InsightsSession, table: str, moment: str, part: str, what: str
) -> tuple[RiskRatio, ...]:
    until = business.as_of - dt.timedelta(days=business.settings.horizon_days)
    begin = until - dt.timedelta(days=_SEEN_DAYS)
    business.span(begin, until)
    business.run(
        "CREATE OR REPLACE TEMP TABLE ck_moments AS "  # noqa: S608  (of this module's own words)
        f"SELECT w.who, max(x.{moment}) AS happened, x.{part} AS part FROM ck_in_{table} AS x "
        "JOIN ck_who AS w ON w.customer = x.customer CROSS JOIN ck_span AS p "
        f"WHERE x.{moment} >= p.begin_at AND x.{moment} < p.until_at AND x.{part} IS NOT NULL "
        f"GROUP BY w.who, x.{part}"
    )
    found = linked_to_leaving(business, begin, until, what=what)
    return tuple(one for one in found if one.value is not None and one.customers >= 5)[:12]
