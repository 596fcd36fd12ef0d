"""What surveys say: NPS, CSAT and CES, who answers at all, and who leaves later."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.insights.figure import Z95, Figure, figures_to_frame, mean_interval, ratio, share
from churnkit.insights.metrics.calendar import months_back, months_until
from churnkit.insights.metrics.risk_ratio import RiskRatio, left_after, risk_ratio
from churnkit.insights.sql_session import in_dialect

if TYPE_CHECKING:
    import pandas as pd

    from churnkit.insights.sql_session import InsightsSession

__all__ = ["QUERIES", "Satisfaction", "SurveyMonth", "measure_satisfaction", "nps"]

_RECENT_DAYS = 90
_FEWEST = 5

_SUMS = """
SELECT a.kind, a.segment, count(*) AS asked,
  count(CASE WHEN a.score IS NOT NULL THEN 1 END) AS answers,
  count(CASE WHEN a.score >= a.good_from THEN 1 END) AS good,
  count(CASE WHEN a.score <= a.bad_to THEN 1 END) AS bad,
  coalesce(sum(a.score), 0) AS total, coalesce(sum(a.score * a.score), 0) AS squares
FROM ck_asked AS a CROSS JOIN ck_span AS p
WHERE a.sent >= p.begin_at AND a.sent < p.until_at
GROUP BY a.kind, a.segment ORDER BY a.kind, a.segment
"""

_ANSWER_MOMENTS = """
CREATE OR REPLACE TEMP TABLE ck_moments AS
SELECT w.who, a.answered AS happened, CASE WHEN a.score >= a.good_from THEN 'promoters'
  WHEN a.score <= a.bad_to THEN 'detractors' ELSE 'passives' END AS part
FROM ck_asked AS a JOIN ck_who AS w ON w.customer = a.customer
WHERE a.kind = 'NPS' AND a.score IS NOT NULL
"""

_ASKED_MOMENTS = """
CREATE OR REPLACE TEMP TABLE ck_moments AS
SELECT w.who, a.sent AS happened,
  CASE WHEN a.score IS NULL THEN 'silent' ELSE 'answered' END AS part
FROM ck_asked AS a JOIN ck_who AS w ON w.customer = a.customer
"""

QUERIES = {"sums": _SUMS, "answer_moments": _ANSWER_MOMENTS, "asked_moments": _ASKED_MOMENTS}


@dataclass(frozen=True, slots=True)
class Answers:
    """Counts of one kind of survey in one group: what every figure here is made of."""

    asked: int
    answers: int
    good: int
    bad: int
    total: float
    squares: float

    def __add__(self, other: Answers) -> Answers:
        return Answers(*(getattr(self, n) + getattr(other, n) for n in Answers.__slots__))


@dataclass(frozen=True, slots=True)
class SurveyMonth:
    """One month of one kind of survey; None where nobody answered."""

    name: str
    kind: str
    asked: int
    answers: int
    value: float | None
    low: float | None
    high: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the month as JSON-able data."""
        return {name: getattr(self, name) for name in SurveyMonth.__slots__}


@dataclass(frozen=True, slots=True)
class Satisfaction:
    """What `measure_satisfaction` found.

    Parameters
    ----------
    figures
        NPS, CSAT, CES and response rates of the last 90 days.
    months
        The same by month.
    segments
        The score of each kind by segment, over the last year.
    later
        Detractors against promoters, and the silent against those who answered; empty without
        subscriptions.
    """

    figures: tuple[Figure, ...]
    months: tuple[SurveyMonth, ...]
    segments: tuple[tuple[str, Figure], ...]
    later: tuple[RiskRatio, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able data."""
        return {
            "figures": [figure.to_dict() for figure in self.figures],
            "months": [month.to_dict() for month in self.months],
            "segments": [
                {"segment": name, **figure.to_dict()} for name, figure in self.segments
            ],
            "later": [one.to_dict() for one in self.later],
        }  # fmt: skip

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row a figure."""
        return figures_to_frame(self.figures)


def nps(promoters: int, detractors: int, answers: int) -> dict[str, float | None]:
    """Return the net promoter score with its 95% interval.

    ``100 * (promoters - detractors) / answers``; its variance is that of a draw worth 1, 0 or -1.

    Examples
    --------
    >>> {name: round(number, 1) for name, number in nps(50, 20, 100).items()}
    {'value': 30.0, 'low': 14.7, 'high': 45.3}
    """
    if not answers:
        return {"value": None, "low": None, "high": None}
    good, bad = promoters / answers, detractors / answers
    half = Z95 * math.sqrt(max(good + bad - (good - bad) ** 2, 0.0) / answers)
    return {
        name: 100.0 * number
        for name, number in (
            ("value", good - bad),
            ("low", max(good - bad - half, -1.0)),
            ("high", min(good - bad + half, 1.0)),
        )
    }


_SAYS = {
    "NPS": ("Net promoter score", "points", "share of answers of 9 and 10 less that of 0 to 6, x 100"),
    "CSAT": ("Satisfied customers", "share", "answers of 4 and 5 / answers from 1 to 5 (CSAT)"),
    "CES": ("Ease", "count", "mean answer from 1 (hard) to 7 (easy) (CES)"),
}  # fmt: skip


def _score(kind: str, sums: Answers, *, said: str = "") -> Figure:
    title, unit, formula = _SAYS[kind]
    if kind == "NPS":
        found: Any = nps(sums.good, sums.bad, sums.answers)
    elif kind == "CSAT":
        found = share(sums.good, sums.answers)
    else:
        found = mean_interval(sums.total, sums.squares, sums.answers)
    return Figure(kind.lower(), f"{title}{said}", unit=unit, formula=formula, **found)


def measure_satisfaction(business: InsightsSession) -> Satisfaction | None:
    """Measure surveys; None where none was sent within a year.

    A survey counts by when it was sent. Answers that came after the date are not seen.
    """
    _prepare(business)
    as_of = business.as_of
    recent = _sums(business, as_of - dt.timedelta(days=_RECENT_DAYS), as_of)
    year = _sums(business, months_back(as_of, 12), as_of)
    if not year:
        return None
    figures = []
    for kind in _kinds(year):
        sums = _whole(recent, kind)
        figures.append(_score(kind, sums))
        figures.append(
            Figure(
                f"{kind.lower()}_response",
                f"Answered, {kind}",
                unit="share",
                formula=f"{kind} surveys answered / sent, in the last {_RECENT_DAYS} days",
                **share(sums.answers, sums.asked),
            )
        )
    figures += _reweighted(year)
    return Satisfaction(
        tuple(figures),
        _months(business),
        _segments(year),
        _later(business) if business.has("subscriptions") else (),
    )


def _prepare(business: InsightsSession) -> None:
    """Make the table ``ck_asked``: surveys with what counts as good and bad on their scale."""
    answered = "s.answered" if business.has("surveys", "answered") else "s.sent"
    kind = "upper(s.kind)" if business.has("surveys", "kind") else "NULL"
    plan, joined = "''", ""
    if business.has("subscriptions", "plan"):
        plan = "coalesce(c.plan, '')"
        joined = (
            "LEFT JOIN (SELECT w.customer, arg_max(b.plan, b.started) AS plan FROM ck_subs AS b "
            "JOIN ck_who AS w ON w.who = b.who GROUP BY w.customer) AS c "
            "ON c.customer = s.customer"
        )
    moment = f"TIMESTAMP '{business.as_of:%Y-%m-%d %H:%M:%S}'"
    scale = "CASE WHEN max(s.score) OVER () > 7 THEN 'NPS' WHEN max(s.score) OVER () > 5 THEN 'CES' ELSE 'CSAT' END"
    business.run(
        "CREATE OR REPLACE TEMP TABLE ck_asked AS "  # noqa: S608  (of this module's own words)
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
    business: InsightsSession, begin: dt.datetime, until: dt.datetime
) -> dict[tuple[str, str], Answers]:
    business.span(begin, until)
    return {
        (kind, segment): Answers(*(int(count) for count in counts[:4]), *counts[4:])
        for kind, segment, *counts in business.rows(in_dialect(_SUMS))
    }


def _kinds(sums: dict[tuple[str, str], Answers]) -> list[str]:
    there = {kind for kind, _ in sums}
    return [kind for kind in _SAYS if kind in there]


def _whole(sums: dict[tuple[str, str], Answers], kind: str) -> Answers:
    whole = Answers(0, 0, 0, 0, 0.0, 0.0)
    for (own, _), part in sums.items():
        whole = whole + part if own == kind else whole
    return whole


def _reweighted(year: dict[tuple[str, str], Answers]) -> list[Figure]:
    """Weigh each segment's NPS by who was asked, not by who answered."""
    parts = [part for (kind, _), part in year.items() if kind == "NPS" and part.answers]
    if len(parts) < 2:
        return []
    asked = sum(part.asked for part in parts)
    value = sum(
        part.asked / asked * 100.0 * (part.good - part.bad) / part.answers for part in parts
    )
    return [
        Figure(
            "nps_as_asked",
            "Net promoter score as if all segments answered alike",
            value,
            "points",
            "mean of the segments' scores in the last year, weighted by customers asked and not "
            "by answers",
        )
    ]


def _months(business: InsightsSession) -> tuple[SurveyMonth, ...]:
    as_of = business.as_of
    found = []
    for month in months_until(as_of, months_back(as_of, 12), at_most=12):
        sums = _sums(business, month.begin, month.until)
        for kind in _kinds(sums):
            whole = _whole(sums, kind)
            score = _score(kind, whole)
            found.append(
                SurveyMonth(
                    month.name,
                    kind,
                    whole.asked,
                    whole.answers,
                    score.value,
                    score.low,
                    score.high,
                )
            )
    return tuple(found)


def _segments(year: dict[tuple[str, str], Answers]) -> tuple[tuple[str, Figure], ...]:
    return tuple(
        (segment, _score(kind, sums))
        for (kind, segment), sums in year.items()
        if segment and sums.answers >= _FEWEST
    )


def _later(business: InsightsSession) -> tuple[RiskRatio, ...]:
    days = business.settings.horizon_days
    until = business.as_of - dt.timedelta(days=days)
    begin = months_back(until, 24)
    business.run(in_dialect(_ANSWER_MOMENTS))
    said = left_after(business, begin, until)
    business.run(in_dialect(_ASKED_MOMENTS))
    asked = left_after(business, begin, until)
    found = []
    for name, mine, theirs, counts in (
        ("detractors", "detractors", "promoters", said),
        ("silent", "silent", "answered", asked),
    ):
        if mine in counts and theirs in counts:
            what = {
                "detractors": "detractors / share of promoters, by each customer's last answer",
                "silent": "those who left their last survey unanswered / share of those who "
                "answered it",
            }[name]
            found.append(
                risk_ratio(
                    name,
                    *counts[mine],
                    *counts[theirs],
                    formula=f"share that left within {days} days of {what}",
                )
            )
    return tuple(one for one in found if ratio(one.left, one.customers) is not None)
