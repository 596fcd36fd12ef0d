"""Survey metrics: NPS, CSAT and CES, response rates, and later churn."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.core.result import Result
from churnkit.core.stats.special import NORMAL_95
from churnkit.core.translation import _, mark_text, ngettext
from churnkit.insights.figure import Figure, mean_interval, results_to_frame, share
from churnkit.insights.metrics.calendar import months_until, subtract_months
from churnkit.insights.metrics.risk_ratio import RiskRatio, count_churned_after, risk_ratio
from churnkit.insights.sql_session import transpile_sql

if TYPE_CHECKING:
    import pandas as pd

    from churnkit.insights.sql_session import InsightsSession

__all__ = ["QUERIES", "Satisfaction", "SurveyMonth", "measure_satisfaction", "nps"]

_RECENT_DAYS = 90
_FEWEST = 5

_SUMS = """
SELECT a.kind, a.segment, count(*) AS sent,
  count(CASE WHEN a.score IS NOT NULL THEN 1 END) AS answers,
  count(CASE WHEN a.score >= a.good_from THEN 1 END) AS good,
  count(CASE WHEN a.score <= a.bad_to THEN 1 END) AS bad,
  coalesce(sum(a.score), 0) AS total, coalesce(sum(a.score * a.score), 0) AS squares
FROM ck_surveys AS a CROSS JOIN ck_span AS p
WHERE a.sent >= p.begin_at AND a.sent < p.until_at
GROUP BY a.kind, a.segment ORDER BY a.kind, a.segment
"""

_ANSWER_MOMENTS = """
CREATE OR REPLACE TEMP TABLE ck_moments AS
SELECT w.customer_key, a.answered AS happened, CASE WHEN a.score >= a.good_from THEN 'promoters'
  WHEN a.score <= a.bad_to THEN 'detractors' ELSE 'passives' END AS part
FROM ck_surveys AS a JOIN ck_customers AS w ON w.customer = a.customer
WHERE a.kind = 'NPS' AND a.score IS NOT NULL
"""

_RESPONSE_MOMENTS = """
CREATE OR REPLACE TEMP TABLE ck_moments AS
SELECT w.customer_key, a.sent AS happened,
  CASE WHEN a.score IS NULL THEN 'silent' ELSE 'answered' END AS part
FROM ck_surveys AS a JOIN ck_customers AS w ON w.customer = a.customer
"""

QUERIES = {"sums": _SUMS, "answer_moments": _ANSWER_MOMENTS, "response_moments": _RESPONSE_MOMENTS}


@dataclass(frozen=True, slots=True)
class Answers:
    """Counts of one kind of survey in one group."""

    sent: int
    answers: int
    good: int
    bad: int
    total: float
    squares: float

    def __add__(self, other: Answers) -> Answers:
        return Answers(*(getattr(self, n) + getattr(other, n) for n in Answers.__slots__))


@dataclass(frozen=True, slots=True)
class SurveyMonth(Result):
    """Score of one kind of survey in one month; None without answers."""

    name: str
    kind: str
    sent: int
    answers: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Satisfaction(Result):
    """Result of `measure_satisfaction`.

    Parameters
    ----------
    figures
        NPS, CSAT, CES and response rates of the last 90 days.
    months
        Scores by month.
    segments
        Scores by segment over the last 12 months.
    churn_ratios
        Churn of detractors relative to promoters, and of customers who did not answer relative to
        those who did; empty without subscriptions.
    """

    figures: tuple[Figure, ...]
    months: tuple[SurveyMonth, ...]
    segments: tuple[tuple[str, Figure], ...]
    churn_ratios: tuple[RiskRatio, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-able data."""
        segments = [{"segment": name, **figure.to_dict()} for name, figure in self.segments]
        return {**Result.to_dict(self), "segments": segments}

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with one row per figure."""
        return results_to_frame(self.figures)


def nps(promoters: int, detractors: int, answers: int) -> dict[str, float | None]:
    """Return the net promoter score with its 95% interval.

    ``100 * (promoters - detractors) / answers``, with the variance of a variable that is 1, 0 or -1.

    Parameters
    ----------
    promoters, detractors, answers
        Number of scores of 9 and 10, of 0 to 6, and of all.

    Returns
    -------
    dict
        ``value``, ``low`` and ``high``; None without answers.

    Examples
    --------
    >>> {name: round(number, 1) for name, number in nps(50, 20, 100).items()}
    {'value': 30.0, 'low': 14.7, 'high': 45.3}
    """
    if not answers:
        return {"value": None, "low": None, "high": None}
    good, bad = promoters / answers, detractors / answers
    half = NORMAL_95 * math.sqrt(max(good + bad - (good - bad) ** 2, 0.0) / answers)
    return {
        name: 100.0 * number
        for name, number in (
            ("value", good - bad),
            ("low", max(good - bad - half, -1.0)),
            ("high", min(good - bad + half, 1.0)),
        )
    }


_KINDS = {
    "NPS": (mark_text("Net promoter score"), "points", mark_text("100 x (share of scores 9 and 10 - share of scores 0 to 6)")),
    "CSAT": (mark_text("Customer satisfaction (CSAT)"), "share", mark_text("scores of 4 and 5 / all scores, 1 to 5")),
    "CES": (mark_text("Customer effort score (CES)"), "count", mark_text("mean score, 1 (difficult) to 7 (easy)")),
}  # fmt: skip


def _score(kind: str, sums: Answers) -> Figure:
    title, unit, formula = _KINDS[kind]
    if kind == "NPS":
        estimate: Any = nps(sums.good, sums.bad, sums.answers)
    elif kind == "CSAT":
        estimate = share(sums.good, sums.answers)
    else:
        estimate = mean_interval(sums.total, sums.squares, sums.answers)
    return Figure(kind.lower(), _(title), unit=unit, formula=_(formula), **estimate)


def measure_satisfaction(session: InsightsSession) -> Satisfaction | None:
    """Compute survey metrics; return None without surveys in the last 12 months.

    Surveys count by the time they were sent. Answers after the date of the analysis are ignored.

    Parameters
    ----------
    session
        Session with the table ``surveys``.

    Returns
    -------
    Satisfaction or None
        The metrics.
    """
    _prepare(session)
    as_of = session.as_of
    recent = _sums(session, as_of - dt.timedelta(days=_RECENT_DAYS), as_of)
    year = _sums(session, subtract_months(as_of, 12), as_of)
    if not year:
        return None
    figures = []
    for kind in _kinds(year):
        sums = _total(recent, kind)
        figures.append(_score(kind, sums))
        figures.append(
            Figure(
                f"{kind.lower()}_response",
                _("{kind} response rate", kind=kind),
                unit="share",
                formula=_(
                    "{kind} surveys answered / sent in the last {recent_days} days",
                    kind=kind,
                    recent_days=_RECENT_DAYS,
                ),
                **share(sums.answers, sums.sent),
            )
        )
    figures += _reweighted(year)
    return Satisfaction(
        tuple(figures),
        _months(session),
        _segments(year),
        _churn_ratios(session) if session.has("subscriptions") else (),
    )


def _prepare(session: InsightsSession) -> None:
    """Create the table ``ck_surveys`` with the good and bad scores of each kind of survey."""
    answered = "s.answered" if session.has("surveys", "answered") else "s.sent"
    kind = "upper(s.kind)" if session.has("surveys", "kind") else "NULL"
    plan, joined = "''", ""
    if session.has("subscriptions", "plan"):
        plan = "coalesce(c.plan, '')"
        joined = (
            "LEFT JOIN (SELECT w.customer, arg_max(b.plan, b.started) AS plan FROM ck_subs AS b "
            "JOIN ck_customers AS w ON w.customer_key = b.customer_key GROUP BY w.customer) AS c "
            "ON c.customer = s.customer"
        )
    moment = f"TIMESTAMP '{session.as_of:%Y-%m-%d %H:%M:%S}'"
    scale = "CASE WHEN max(s.score) OVER () > 7 THEN 'NPS' WHEN max(s.score) OVER () > 5 THEN 'CES' ELSE 'CSAT' END"
    session.run(
        "CREATE OR REPLACE TEMP TABLE ck_surveys AS "  # noqa: S608  (built from constants of this module)
        f"WITH raw AS (SELECT s.customer, coalesce({kind}, {scale}) AS kind, {plan} AS segment, "
        f"s.sent, {answered} AS answered, s.score FROM ck_in_surveys AS s {joined}) "
        "SELECT customer, kind, segment, sent, "
        f"CASE WHEN answered < {moment} THEN answered END AS answered, "
        f"CASE WHEN answered < {moment} THEN score END AS score, "
        "CASE kind WHEN 'NPS' THEN 9 WHEN 'CSAT' THEN 4 ELSE 5 END AS good_from, "
        "CASE kind WHEN 'NPS' THEN 6 WHEN 'CSAT' THEN 2 ELSE 3 END AS bad_to "
        f"FROM raw WHERE kind IN ('NPS', 'CSAT', 'CES') AND sent < {moment}"
    )


def _sums(
    session: InsightsSession, begin: dt.datetime, until: dt.datetime
) -> dict[tuple[str, str], Answers]:
    session.set_span(begin, until)
    return {
        (kind, segment): Answers(*(int(count) for count in counts[:4]), *counts[4:])
        for kind, segment, *counts in session.rows(transpile_sql(_SUMS))
    }


def _kinds(sums: dict[tuple[str, str], Answers]) -> list[str]:
    present = {kind for kind, _ in sums}
    return [kind for kind in _KINDS if kind in present]


def _total(sums: dict[tuple[str, str], Answers], kind: str) -> Answers:
    parts = (part for (part_kind, _), part in sums.items() if part_kind == kind)
    return sum(parts, start=Answers(0, 0, 0, 0, 0.0, 0.0))


def _reweighted(year: dict[tuple[str, str], Answers]) -> list[Figure]:
    """Weight the NPS of each segment by surveys sent instead of answers."""
    parts = [part for (kind, _), part in year.items() if kind == "NPS" and part.answers]
    if len(parts) < 2:
        return []
    sent = sum(part.sent for part in parts)
    value = sum(part.sent / sent * 100.0 * (part.good - part.bad) / part.answers for part in parts)
    return [
        Figure(
            "nps_as_asked",
            _("Net promoter score, adjusted for response rates"),
            value,
            "points",
            _(
                "mean score of the segments in the last 12 months, weighted by surveys sent instead "
                "of answers"
            ),
        )
    ]


def _months(session: InsightsSession) -> tuple[SurveyMonth, ...]:
    as_of = session.as_of
    months = []
    for month in months_until(as_of, subtract_months(as_of, 12), at_most=12):
        sums = _sums(session, month.begin, month.until)
        for kind in _kinds(sums):
            total = _total(sums, kind)
            score = _score(kind, total)
            months.append(
                SurveyMonth(
                    month.name,
                    kind,
                    total.sent,
                    total.answers,
                    score.value,
                    score.low,
                    score.high,
                )
            )
    return tuple(months)


def _segments(year: dict[tuple[str, str], Answers]) -> tuple[tuple[str, Figure], ...]:
    return tuple(
        (segment, _score(kind, sums))
        for (kind, segment), sums in year.items()
        if segment and sums.answers >= _FEWEST
    )


def _churn_ratios(session: InsightsSession) -> tuple[RiskRatio, ...]:
    days = session.settings.horizon_days
    until = session.as_of - dt.timedelta(days=days)
    begin = subtract_months(until, 24)
    session.run(transpile_sql(_ANSWER_MOMENTS))
    by_score = count_churned_after(session, begin, until)
    session.run(transpile_sql(_RESPONSE_MOMENTS))
    by_response = count_churned_after(session, begin, until)
    ratios = []
    for group, others, counts, groups in (
        ("detractors", "promoters", by_score, _("detractors / of promoters, by last answer")),
        ("silent", "answered", by_response, _("customers who did not answer / of those who did")),
    ):
        if group in counts and others in counts:
            formula = ngettext(
                "churn rate within {count} day of {groups}",
                "churn rate within {count} days of {groups}",
                days,
                groups=groups,
            )
            ratios.append(risk_ratio(group, *counts[group], *counts[others], formula=formula))
    return tuple(ratio for ratio in ratios if ratio.customers)
