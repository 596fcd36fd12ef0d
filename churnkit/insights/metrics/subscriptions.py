"""Subscriptions ready for queries: who, from when to when, for how much, and spells of staying."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.insights.sql_session import in_dialect

if TYPE_CHECKING:
    import datetime as dt

    from churnkit.insights.sql_session import InsightsSession

__all__ = ["QUERIES", "first_start", "prepare_subscriptions"]

# Customers as whole numbers: grouping by them is several times cheaper than by text.
_WHO = """
CREATE OR REPLACE TEMP TABLE ck_who AS
SELECT customer, row_number() OVER () AS who
FROM (SELECT DISTINCT customer FROM ck_in_subscriptions) AS known
"""

_SPELLS = """
CREATE OR REPLACE TEMP TABLE ck_spells AS
WITH marked AS (
  SELECT who, started, coalesce(ended, TIMESTAMP '9999-01-01 00:00:00') AS ended, plan,
    max(coalesce(ended, TIMESTAMP '9999-01-01 00:00:00')) OVER (
      PARTITION BY who ORDER BY started, ended
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS paid_until
  FROM ck_subs
), numbered AS (
  SELECT m.who, m.started, m.ended, m.plan,
    sum(CASE WHEN m.paid_until IS NULL OR date_diff('microsecond', m.paid_until, m.started)
        > t.grace_days * 86400000000 THEN 1 ELSE 0 END) OVER (
      PARTITION BY m.who ORDER BY m.started, m.ended
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS spell
  FROM marked AS m CROSS JOIN ck_terms AS t
)
SELECT n.who, n.spell, min(n.started) AS began, min(n.plan) AS plan,
  CASE WHEN max(n.ended) < min(t.as_of) THEN max(n.ended) END AS left_at
FROM numbered AS n CROSS JOIN ck_terms AS t
GROUP BY n.who, n.spell
"""

_FIRST = """
CREATE OR REPLACE TEMP TABLE ck_first AS
WITH begun AS (
  SELECT who, started, mrr, min(started) OVER (PARTITION BY who) AS first_started FROM ck_subs
)
SELECT who, first_started, date_trunc('month', first_started) AS cohort,
  sum(CASE WHEN started = first_started THEN mrr ELSE 0 END) AS first_mrr
FROM begun GROUP BY who, first_started
"""

QUERIES = {"who": _WHO, "spells": _SPELLS, "first": _FIRST}


def prepare_subscriptions(business: InsightsSession) -> None:
    """Make the tables ``ck_subs``, ``ck_first`` and ``ck_spells``.

    A row is there at a moment if it began strictly before it and has not ended before it, as
    everywhere in churnkit.
    """
    settings = business.settings
    business.run(
        "CREATE OR REPLACE TEMP TABLE ck_terms AS SELECT "
        f"TIMESTAMP '{business.as_of:%Y-%m-%d %H:%M:%S}' AS as_of, "
        f"{settings.grace_days} AS grace_days"
    )
    business.run(in_dialect(_WHO))
    business.run(_subs(business))
    business.run(in_dialect(_FIRST))
    business.run(in_dialect(_SPELLS))


def _subs(business: InsightsSession) -> str:
    """Write the query of ``ck_subs``: pauses resolved, and nothing that begins later."""
    settings = business.settings
    name = "s.subscription" if business.has("subscriptions", "subscription") else "''"
    plan = "s.plan" if business.has("subscriptions", "plan") else "NULL"
    mrr, kept = "coalesce(s.mrr, 0)", ""
    if business.has("subscriptions", "status"):
        words = ", ".join("'" + word.replace("'", "''") + "'" for word in settings.paused_statuses)
        paused = f"lower(coalesce(s.status, '')) IN ({words.lower()})"
        if settings.paused == "kept":
            mrr = f"CASE WHEN {paused} THEN 0 ELSE {mrr} END"
        else:
            kept = f"AND NOT {paused}"
    return (
        "CREATE OR REPLACE TEMP TABLE ck_subs AS "  # noqa: S608  (of this module's own words)
        f"SELECT w.who, {name} AS subscription, CAST({plan} AS VARCHAR) AS plan, s.started, "
        f"s.ended, CAST({mrr} AS DOUBLE) AS mrr FROM ck_in_subscriptions AS s "
        "JOIN ck_who AS w ON w.customer = s.customer CROSS JOIN ck_terms AS t "
        f"WHERE s.started < t.as_of {kept}"
    )


def first_start(business: InsightsSession) -> dt.datetime | None:
    """Return the moment at which the first subscription began; None if there is none."""
    (found,) = business.row("SELECT min(started) FROM ck_subs")
    return None if found is None else found.replace(tzinfo=business.as_of.tzinfo)
