"""Segments and voice, as sections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_quantity
from churnkit.report.blocks import Card, Cards, Chart, Column, Figures, Missing, Section, Table
from churnkit.report.sections.revenue import short

if TYPE_CHECKING:
    from churnkit.insights.segmentation.segments import Segment
    from churnkit.insights.text.topics import Theme
    from churnkit.report.blocks import Block
    from churnkit.report.gather import Findings

__all__ = ["segments", "voice"]

_FEWEST = 5


def segments(findings: Findings) -> Section:
    """Who the customers are, as groups to act on."""
    scored = findings.scored
    if scored is None:
        return Section(
            "segments", "Segments", (Missing("Give a model and its customers (CUSTOMERS.csv)."),)
        )  # fmt: skip
    blocks: list[Block] = []
    lead = ""
    if scored.matrix:
        blocks.append(
            _table(
                "value_risk",
                "Which customers are both worth much and likely to leave?",
                scored.matrix,
                "Thirds of value, crossed with risk: high is 1.5 times the mean probability or "
                "more, low is below three quarters of it.",
            )
        )
        first = scored.matrix[0]
        if first.at_risk is not None and scored.at_risk:
            lead = (
                f"{first.customers:,} customers ({format_quantity(first.share, 'share')}) are of high value "
                f"and at high risk; they hold {format_quantity(first.at_risk / scored.at_risk, 'share')} of "
                "the revenue at risk."
            )
    if scored.groups:
        worst = scored.groups[0]
        rate = worst.observed if worst.observed is not None else worst.churn
        whole = scored.observed if scored.observed is not None else scored.churn
        blocks.append(
            _table(
                "groups",
                "Which kinds of customers leave far more than others?",
                scored.groups,
                f"{worst.name}: {format_quantity(rate, 'share')} against {format_quantity(whole, 'share')} of all. "
                "Pairs of traits whose churn neither trait alone explains, beyond chance.",
            )
        )
    if scored.clusters is not None:
        found, groups = scored.clusters
        blocks.append(
            _table(
                "clusters",
                "How do customers behave, in a few types?",
                groups,
                f"{len(groups)} groups by k-means on what customers do; silhouette "
                f"{found.silhouette:.2f}, stability {found.stability:.2f} (1 is best). Names say "
                "where a group lies far from the middle.",
            )
        )
    return Section("segments", "Segments", tuple(blocks), lead)


def _table(name: str, question: str, found: tuple[Segment, ...], answer: str) -> Table:
    shown_ones = [one for one in found if one.customers >= _FEWEST]
    observed = any(one.observed is not None for one in shown_ones)
    valued = any(one.value is not None for one in shown_ones)
    acted = any(one.action for one in shown_ones)
    columns = [
        Column("Segment"),
        Column("Customers", "customers"),
        Column("Share", "share"),
        Column("Predicted churn", "share"),
    ]
    columns += [Column("Really left", "share")] if observed else []
    columns += [Column("Revenue", "money"), Column("At risk", "money")] if valued else []
    columns += [Column("Best action"), Column("It gains", "money")] if acted else []
    rows = []
    for one in shown_ones:
        row: tuple[Any, ...] = (one.name, one.customers, one.share, one.churn)
        row += (one.observed,) if observed else ()
        row += (one.value, one.at_risk) if valued else ()
        row += (one.action or "none pays", one.gain or None) if acted else ()
        rows.append(row)
    return Table(name, question, tuple(columns), tuple(rows), answer, heat=(3,))


def voice(findings: Findings) -> Section:
    """What customers say."""
    blocks: list[Block] = []
    lead = ""
    found = findings.satisfaction
    if found is not None:
        blocks.append(Figures(found.figures))
        if found.later:
            first = found.later[0]
            word = (
                "Detractors leave" if first.name == "detractors" else "Who does not answer leaves"
            )
            lead = (
                f"{word} {first.value or 0:.1f} times as often (interval {first.low or 0:.1f} to "
                f"{first.high or 0:.1f})."
            )
            blocks.append(_later(findings))
        blocks += _trend(findings)
        if found.segments:
            blocks.append(
                Table(
                    "satisfaction_by_segment",
                    "Are some segments less satisfied?",
                    (
                        Column("Segment"),
                        Column("Survey"),
                        Column("Score", "count"),
                        Column("at least", "count"),
                        Column("at most", "count"),
                    ),
                    tuple(
                        (name, figure.name.upper(), figure.value, figure.low, figure.high)
                        for name, figure in found.segments
                    ),
                    "Answers of the last year; groups with fewer than five are left out.",
                )
            )
    if findings.themes is not None and findings.themes.themes:
        blocks += _themes(findings)
    if not blocks:
        blocks.append(
            Missing(
                "Give --table surveys=FILE (customer, sent, kind, score, text) or --table "
                "reviews=FILE (customer, date, text, rating)."
            )
        )
    return Section("voice", "Voice of the customer", tuple(blocks), lead)


def _later(findings: Findings) -> Chart:
    assert findings.satisfaction is not None  # noqa: S101  (the caller saw it)
    says = {
        "detractors": "Detractors against promoters",
        "silent": "Who did not answer against who did",
    }
    found = findings.satisfaction.later
    return Chart(
        "satisfaction_and_churn",
        "Do unhappy customers really leave?",
        (
            Column("Who", role="x"),
            Column("Left so many times as often", "times", "y"),
            Column("at least", "times", "low"),
            Column("at most", "times", "high"),
            Column("Share that left", "share"),
            Column("Share of the others", "share"),
            Column("Customers", "customers"),
        ),
        tuple(
            (
                says[one.name],
                one.value,
                one.low,
                one.high,
                one.rate,
                one.other_rate,
                one.customers + one.other_customers,
            )
            for one in found
        ),
        f"Within {findings.settings.horizon_days} days of each customer's last survey. If those "
        "who do not answer leave more often, scores are better than the base.",
        draws="bars",
    )


def _trend(findings: Findings) -> list[Block]:
    assert findings.satisfaction is not None  # noqa: S101  (the caller saw it)
    months = [
        one
        for one in findings.satisfaction.months
        if one.kind == "NPS" and one.answers >= _FEWEST
    ]  # fmt: skip
    if len(months) < 2:
        return []
    return [
        Chart(
            "nps_by_month",
            "Is satisfaction rising or falling?",
            (
                Column("Month", role="x"),
                Column("Net promoter score", "count", "y"),
                Column("at least", "count", "low"),
                Column("at most", "count", "high"),
                Column("Answers", "customers"),
                Column("Asked", "customers"),
            ),
            tuple(
                (short(one.name), one.value, one.low, one.high, one.answers, one.asked)
                for one in months
            ),
            "By the month in which the survey was sent; the band is the 95% interval.",
        )
    ]


def _themes(findings: Findings) -> list[Block]:
    themes = findings.themes
    assert themes is not None  # noqa: S101  (the caller saw it)
    found = [theme for theme in themes.themes if theme.texts >= _FEWEST]
    leaving = [theme for theme in found if theme.lift]
    answer = f"{themes.texts:,} texts; {themes.method}. Mood: {themes.mood}."
    if leaving:
        worst = max(leaving, key=lambda theme: theme.lift or 0.0)
        answer = (
            f"“{worst.name}” is {worst.lift or 0:.1f} times as common among those who leave as among "
            f"those who stay. {answer}"
        )
    table = Table(
        "themes",
        "What do customers write about, and what do leavers write about?",
        (
            Column("Theme"),
            Column("Texts", "customers"),
            Column("Share", "share"),
            Column("Earlier half", "share"),
            Column("Later half", "share"),
            Column("Content", "share"),
            Column("Of leavers' texts", "share"),
            Column("Of stayers' texts", "share"),
        ),
        tuple(
            (
                theme.name,
                theme.texts,
                theme.share,
                theme.earlier_share,
                theme.recent_share,
                theme.content,
                theme.leaver_share,
                theme.stayer_share,
            )
            for theme in found
        ),
        answer,
        heat=(2,),
    )
    return [table, _examples(found)]


def _examples(found: list[Theme]) -> Cards:
    return Cards(
        "In their words (names, mails, numbers and rare words are masked)",
        tuple(
            Card(theme.name, " · ".join(f"“{one}”" for one in theme.examples))
            for theme in found
            if theme.examples
        ),
    )
