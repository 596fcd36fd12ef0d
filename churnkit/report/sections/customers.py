"""Sections: segments and voice of the customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import (
    format_estimate,
    format_interval,
    format_percent,
    format_quantity,
)
from churnkit.decisions import RESPONSES
from churnkit.report.blocks import (
    Card,
    Cards,
    Chart,
    Column,
    Figures,
    Missing,
    Section,
    Table,
    interval_columns,
)
from churnkit.report.sections.revenue import short_month

if TYPE_CHECKING:
    from churnkit.insights.metrics.risk_ratio import RiskRatio
    from churnkit.insights.metrics.surveys import Satisfaction
    from churnkit.insights.segmentation.segments import Segment
    from churnkit.insights.text.topics import Theme, Themes
    from churnkit.report.blocks import Block
    from churnkit.report.gather import ReportData

__all__ = ["ratio_chart", "segments", "voice"]

_FEWEST = 5


def segments(data: ReportData) -> Section:
    """Build segments by value and risk, by churn, and by behavior."""
    title = "Segments"
    scored = data.scored
    if scored is None:
        return Section("segments", title, (Missing("Provide a model and its customers."),))
    blocks: list[Block] = []
    lead = ""
    if scored.responses:
        blocks.append(_responses(data, scored.responses))
    if scored.value_risk:
        caption = (
            "Thirds of value by risk level. High risk: at least 1.5 times the mean churn "
            "probability; low risk: below 0.75 times."
        )
        blocks.append(
            _segment_table(
                data, "value_risk", "Customers by value and risk", scored.value_risk, caption
            )
        )
        first = scored.value_risk[0]
        if first.at_risk is not None and scored.at_risk:
            lead = (
                f"{first.customers:,} high-value, high-risk customers "
                f"({format_percent(first.share, 1)}) hold "
                f"{format_percent(first.at_risk / scored.at_risk, 1)} of the at-risk "
                f"{data.horizons.at_risk_noun}."
            )
            if first.action:
                lead += f" The plan acts on {first.treated:,} of them."
    if scored.groups:
        first = scored.groups[0]
        rate = first.churn if first.observed is None else first.observed
        mean = scored.churn if scored.observed is None else scored.observed
        caption = (
            f"{first.name}: churn rate {format_percent(rate, 1)}, all customers "
            f"{format_percent(mean, 1)}. Pairs of traits with more churn than each trait explains "
            "alone (5% level, Bonferroni)."
        )
        blocks.append(_segment_table(data, "groups", "High-churn segments", scored.groups, caption))
    if scored.clusters is not None:
        clusters, groups = scored.clusters
        caption = (
            f"{len(groups)} groups by k-means on numeric features; silhouette "
            f"{clusters.silhouette:.2f}, stability {clusters.stability:.2f} (maximum 1). Names give "
            "the features farthest from average."
        )
        blocks.append(_segment_table(data, "clusters", "Behavior segments", groups, caption))
    return Section("segments", title, tuple(blocks), lead)


def _responses(data: ReportData, rows: tuple[Segment, ...]) -> Table:
    definitions = "; ".join(f"{name}: {text}" for name, text in RESPONSES.items())
    return _segment_table(
        data,
        "responses",
        "Customers by expected response",
        rows,
        "By the churn risk and the effect of the action, or of the best eligible one. The first "
        f"that applies of: {definitions}.",
    )


def _segment_table(
    data: ReportData, name: str, title: str, rows: tuple[Segment, ...], caption: str
) -> Table:
    large = [segment for segment in rows if segment.customers >= _FEWEST]
    columns: list[tuple[Column, list[Any]]] = [
        (Column("Segment"), [s.name for s in large]),
        (Column("Customers", "customers"), [s.customers for s in large]),
        (Column("Share", "share"), [s.share for s in large]),
        (Column(f"Predicted churn{data.horizons.next_days}", "share"), [s.churn for s in large]),
    ]
    if any(s.observed is not None for s in large):
        columns.append((Column("Observed churn", "share"), [s.observed for s in large]))
    if any(s.value is not None for s in large):
        columns.append((Column(data.horizons.value_label, "money"), [s.value for s in large]))
        columns.append((Column(data.horizons.at_risk_label, "money"), [s.at_risk for s in large]))
    if any(s.action for s in large):
        columns.append((Column("With an action", "customers"), [s.treated for s in large]))
        columns.append((Column(data.horizons.gain_label, "money"), [s.gain or None for s in large]))
        columns.append((Column("Top action"), [s.action or "none" for s in large]))
    titles, values = zip(*columns, strict=True)
    return Table(name, title, titles, tuple(zip(*values, strict=True)), caption, heat=(3,))


def voice(data: ReportData) -> Section:
    """Build survey scores, their relation to churn, and themes of customer feedback."""
    blocks: list[Block] = []
    lead = ""
    satisfaction = data.satisfaction
    if satisfaction is not None:
        blocks.append(Figures(satisfaction.figures))
        if satisfaction.churn_ratios:
            lead = _voice_lead(satisfaction.churn_ratios[0])
            blocks.append(_churn_by_response(data, satisfaction))
        blocks += _nps_by_month(satisfaction)
        if satisfaction.segments:
            blocks.append(_scores_by_segment(satisfaction))
    if data.themes is not None and data.themes.themes:
        blocks += _themes(data.themes)
    if not blocks:
        blocks.append(
            Missing(
                "Provide surveys (--table surveys=FILE: customer, sent, kind, score, text) or reviews "
                "(--table reviews=FILE: customer, date, text, rating)."
            )
        )
    return Section("voice", "Voice of the customer", tuple(blocks), lead)


def _voice_lead(first: RiskRatio) -> str:
    groups = {
        "detractors": ("Detractors", "promoters"),
        "silent": ("Customers who ignored a survey", "those who answered"),
    }
    group, others = groups[first.name]
    ratio = format_estimate(first.value or 0, first.low or 0, first.high or 0, ".1f")
    return f"{group} churn at {ratio} times the rate of {others}."


def ratio_chart(
    name: str, title: str, ratios: tuple[RiskRatio, ...], caption: str, *, of: str, **labels: str
) -> Chart:
    """Build a bar chart of risk ratios; `labels` replace the ratios' names."""
    return Chart(
        name,
        title,
        (
            Column(of, role="x"),
            Column("Relative churn rate", "times", "y"),
            *interval_columns("times"),
            Column("Customers", "customers"),
            Column("Churn rate", "share"),
            Column("Churn rate of others", "share"),
        ),
        tuple(
            (labels.get(r.name, r.name), r.value, r.low, r.high, r.customers, r.rate, r.other_rate)
            for r in ratios
        ),
        caption,
        chart_type="bars",
    )


def describe_highest(group: str, ratio: RiskRatio) -> str:
    """Name the group with the highest ratio of several, unless chance explains it."""
    if ratio.value is None or ratio.low is None or ratio.high is None or ratio.low <= 1.0:
        return "No group churns more than the others beyond what chance explains."
    value = format_estimate(ratio.value, ratio.low, ratio.high, ".2f")
    return (
        f"{group} churned at {value} times the rate of all others; the intervals hold for all "
        "groups together."
    )


def _churn_by_response(data: ReportData, satisfaction: Satisfaction) -> Chart:
    return ratio_chart(
        "satisfaction_and_churn",
        "Relative churn rate by survey response",
        satisfaction.churn_ratios,
        f"Churn within {data.settings.horizon_days} days of a customer's last survey. If customers "
        "who do not answer churn more, survey scores overstate satisfaction.",
        of="Group",
        detractors="Detractors vs promoters",
        silent="No answer vs answered",
    )


def _nps_by_month(satisfaction: Satisfaction) -> list[Block]:
    months = [m for m in satisfaction.months if m.kind == "NPS" and m.answers >= _FEWEST]
    if len(months) < 2:
        return []
    return [
        Chart(
            "nps_by_month",
            "Net promoter score by month",
            (
                Column("Month", role="x"),
                Column("Net promoter score", "count", "y"),
                *interval_columns("count"),
                Column("Answers", "customers"),
                Column("Surveys sent", "customers"),
            ),
            tuple((short_month(m.name), m.value, m.low, m.high, m.answers, m.sent) for m in months),
            "By the month in which the survey was sent, with the 95% interval.",
        )
    ]


def _scores_by_segment(satisfaction: Satisfaction) -> Table:
    return Table(
        "satisfaction_by_segment",
        "Survey scores by segment",
        (
            Column("Segment"),
            Column("Survey"),
            Column("Score"),
            Column("95% interval"),
        ),
        tuple(
            (
                name,
                figure.name.upper(),
                format_quantity(figure.value, figure.unit),
                format_interval(figure.low, figure.high, figure.unit),
            )
            for name, figure in satisfaction.segments
        ),
        f"Answers of the last 12 months; groups with fewer than {_FEWEST} answers are left out.",
    )


def _themes(themes: Themes) -> list[Block]:
    shown = [theme for theme in themes.themes if theme.texts >= _FEWEST]
    caption = f"{themes.texts:,} texts; {themes.method}. Sentiment: {themes.sentiment}."
    with_lift = [theme for theme in shown if theme.lift]
    if with_lift:
        top = max(with_lift, key=lambda theme: theme.lift or 0.0)
        caption = (
            f"“{top.name}” is {top.lift or 0:.1f} times as common in texts of customers who churned "
            f"as in those of customers who stayed. {caption}"
        )
    table = Table(
        "themes",
        "Themes in customer feedback",
        (
            Column("Theme"),
            Column("Texts", "customers"),
            Column("Share", "share"),
            Column("Earlier half", "share"),
            Column("Later half", "share"),
            Column("Positive sentiment", "share"),
            Column("Texts of churned customers", "share"),
            Column("Texts of others", "share"),
        ),
        tuple(
            (
                t.name, t.texts, t.share, t.earlier_share, t.recent_share, t.positive, t.churned_share,
                t.stayed_share,
            )
            for t in shown
        ),
        caption,
        heat=(2,),
    )  # fmt: skip
    return [table, _comments(shown)]


def _comments(themes: list[Theme]) -> Cards:
    return Cards(
        "Sample comments (names, email addresses, numbers and rare words masked)",
        tuple(
            Card(theme.name, " · ".join(f"“{text}”" for text in theme.examples))
            for theme in themes
            if theme.examples
        ),
    )
