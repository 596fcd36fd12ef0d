"""Prepare subscriptions for queries: intervals, first starts and spells of being a customer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.insights.sql_session import transpile_sql

if TYPE_CHECKING:
    import datetime as dt

    from churnkit.insights.sql_session import InsightsSession

__all__ = ["QUERIES", "first_start", "prepare_subscriptions"]

# Integer keys: grouping by them is several times cheaper than by text.
_CUSTOMERS = """
CREATE OR REPLACE TEMP TABLE ck_customers AS
SELECT customer, row_number() OVER () AS customer_key
FROM (SELECT DISTINCT customer FROM ck_in_subscriptions) AS distinct_customers
"""

_SPELLS = """
CREATE OR REPLACE TEMP TABLE ck_spells AS
WITH marked AS (
  SELECT customer_key, started, coalesce(ended, TIMESTAMP '9999-01-01 00:00:00') AS ended, plan,
    max(coalesce(ended, TIMESTAMP '9999-01-01 00:00:00')) OVER (
      PARTITION BY customer_key ORDER BY started, ended
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS paid_until
  FROM ck_subs
), numbered AS (
  SELECT m.customer_key, m.started, m.ended, m.plan,
    sum(CASE WHEN m.paid_until IS NULL OR date_diff('microsecond', m.paid_until, m.started)
        > t.grace_days * 86400000000 THEN 1 ELSE 0 END) OVER (
      PARTITION BY m.customer_key ORDER BY m.started, m.ended
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS spell
  FROM marked AS m CROSS JOIN ck_terms AS t
)
SELECT n.customer_key, n.spell, min(n.started) AS began, min(n.plan) AS plan,
  CASE WHEN max(n.ended) < min(t.as_of) THEN max(n.ended) END AS left_at
FROM numbered AS n CROSS JOIN ck_terms AS t
GROUP BY n.customer_key, n.spell
"""

_FIRST = """
CREATE OR REPLACE TEMP TABLE ck_first AS
WITH begun AS (
  SELECT customer_key, started, mrr, min(started) OVER (PARTITION BY customer_key) AS first_started FROM ck_subs
)
SELECT customer_key, first_started, date_trunc('month', first_started) AS cohort,
  sum(CASE WHEN started = first_started THEN mrr ELSE 0 END) AS first_mrr
FROM begun GROUP BY customer_key, first_started
"""

QUERIES = {"customers": _CUSTOMERS, "spells": _SPELLS, "first": _FIRST}


def prepare_subscriptions(session: InsightsSession) -> None:
    """Create the tables ``ck_subs``, ``ck_first`` and ``ck_spells``.

    A row is active at a moment if it began strictly before it and has not ended before it.
    """
    settings = session.settings
    session.run(
        "CREATE OR REPLACE TEMP TABLE ck_terms AS SELECT "
        f"TIMESTAMP '{session.as_of:%Y-%m-%d %H:%M:%S}' AS as_of, "
        f"{settings.grace_days} AS grace_days"
    )
    session.run(transpile_sql(_CUSTOMERS))
    session.run(_subscriptions_sql(session))
    session.run(transpile_sql(_FIRST))
    session.run(transpile_sql(_SPELLS))


def _subscriptions_sql(session: InsightsSession) -> str:
    """Return the query of ``ck_subs``, with pauses resolved and later starts left out."""
    settings = session.settings
    name = "s.subscription" if session.has("subscriptions", "subscription") else "''"
    plan = "s.plan" if session.has("subscriptions", "plan") else "NULL"
    mrr, condition = "coalesce(s.mrr, 0)", ""
    if session.has("subscriptions", "status"):
        statuses = ", ".join("'" + s.replace("'", "''") + "'" for s in settings.paused_statuses)
        paused = f"lower(coalesce(s.status, '')) IN ({statuses.lower()})"
        if settings.paused == "kept":
            mrr = f"CASE WHEN {paused} THEN 0 ELSE {mrr} END"
        else:
            condition = f"AND NOT {paused}"
    return (
        "CREATE OR REPLACE TEMP TABLE ck_subs AS "  # noqa: S608  (built from constants of this module)
        f"SELECT w.customer_key, {name} AS subscription, CAST({plan} AS VARCHAR) AS plan, s.started, "
        f"s.ended, CAST({mrr} AS DOUBLE) AS mrr FROM ck_in_subscriptions AS s "
        "JOIN ck_customers AS w ON w.customer = s.customer CROSS JOIN ck_terms AS t "
        f"WHERE s.started < t.as_of {condition}"
    )


def first_start(session: InsightsSession) -> dt.datetime | None:
    """Return the start of the first subscription; None if there is none."""
    (first,) = session.row("SELECT min(started) FROM ck_subs")
    return None if first is None else first.replace(tzinfo=session.as_of.tzinfo)
