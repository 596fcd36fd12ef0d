"""Sections: segments and voice of the customer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import (
    format_estimate,
    format_interval,
    format_percent,
    format_quantity,
)
from churnkit.core.translation import _
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
from churnkit.report.card_texts import localize_cluster_name
from churnkit.report.sections.revenue import short_month

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    title = _("Segments")
    scored = data.scored
    if scored is None:
        return Section("segments", title, (Missing(_("Provide a model and its customers.")),))
    blocks: list[Block] = []
    lead = ""
    if scored.responses:
        blocks.append(_responses(data, scored.responses))
    if scored.value_risk:
        caption = _(
            "Thirds of value by risk level. High risk: at least 1.5 times the mean churn "
            "probability; low risk: below 0.75 times."
        )
        blocks.append(
            _segment_table(
                data, "value_risk", _("Customers by value and risk"), scored.value_risk, caption
            )
        )
        first = scored.value_risk[0]
        if first.at_risk is not None and scored.at_risk:
            lead = _(
                "{customers:,} high-value, high-risk customers ({share}) hold {part} of the "
                "at-risk {noun}.",
                customers=first.customers,
                share=format_percent(first.share, 1),
                part=format_percent(first.at_risk / scored.at_risk, 1),
                noun=data.horizons.at_risk_noun,
            )
            if first.action:
                lead += _(" The plan acts on {treated:,} of them.", treated=first.treated)
    if scored.groups:
        first = scored.groups[0]
        rate = first.churn if first.observed is None else first.observed
        mean = scored.churn if scored.observed is None else scored.observed
        caption = _(
            "{name}: churn rate {rate}, all customers {mean}. Pairs of traits with more churn "
            "than each trait explains alone (5% level, Bonferroni).",
            name=first.name,
            rate=format_percent(rate, 1),
            mean=format_percent(mean, 1),
        )
        blocks.append(
            _segment_table(data, "groups", _("High-churn segments"), scored.groups, caption)
        )
    if scored.clusters is not None:
        clusters, groups = scored.clusters
        caption = _(
            "{groups} groups by k-means on numeric features; silhouette {silhouette:.2f}, "
            "stability {stability:.2f} (maximum 1). Names give the features farthest from "
            "average.",
            groups=len(groups),
            silhouette=clusters.silhouette,
            stability=clusters.stability,
        )
        blocks.append(
            _segment_table(
                data,
                "clusters",
                _("Behavior segments"),
                tuple(replace(s, name=localize_cluster_name(s.name)) for s in groups),
                caption,
            )
        )
    return Section("segments", title, tuple(blocks), lead)


def _responses(data: ReportData, rows: tuple[Segment, ...]) -> Table:
    definitions = "; ".join(f"{_(name)}: {_(text)}" for name, text in RESPONSES.items())
    return _segment_table(
        data,
        "responses",
        _("Customers by expected response"),
        rows,
        _(
            "By the churn risk and the effect of the action, or of the best eligible one. The "
            "first that applies of: {definitions}.",
            definitions=definitions,
        ),
    )


def _segment_table(
    data: ReportData, name: str, title: str, rows: tuple[Segment, ...], caption: str
) -> Table:
    large = [segment for segment in rows if segment.customers >= _FEWEST]
    columns: list[tuple[Column, list[Any]]] = [
        (Column(_("Segment")), [s.name for s in large]),
        (Column(_("Customers"), "customers"), [s.customers for s in large]),
        (Column(_("Share"), "share"), [s.share for s in large]),
        (
            Column(_("Predicted churn{next_days}", next_days=data.horizons.next_days), "share"),
            [s.churn for s in large],
        ),
    ]
    if any(s.observed is not None for s in large):
        columns.append((Column(_("Observed churn"), "share"), [s.observed for s in large]))
    if any(s.value is not None for s in large):
        columns.append((Column(data.horizons.value_label, "money"), [s.value for s in large]))
        columns.append((Column(data.horizons.at_risk_label, "money"), [s.at_risk for s in large]))
    if any(s.action for s in large):
        columns.append((Column(_("With an action"), "customers"), [s.treated for s in large]))
        columns.append((Column(data.horizons.gain_label, "money"), [s.gain or None for s in large]))
        columns.append((Column(_("Top action")), [s.action or _("none") for s in large]))
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
            large = [ratio for ratio in satisfaction.churn_ratios if ratio.is_large_enough]
            lead = _voice_lead(large[0]) if large else ""
            blocks.append(_churn_by_response(data, satisfaction))
        blocks += _nps_by_month(satisfaction)
        if satisfaction.segments:
            blocks.append(_scores_by_segment(satisfaction))
    if data.themes is not None and data.themes.themes:
        blocks += _themes(data.themes)
    if not blocks:
        blocks.append(
            Missing(
                _(
                    "Provide surveys (--table surveys=FILE: customer, sent, kind, score, text) or "
                    "reviews (--table reviews=FILE: customer, date, text, rating)."
                )
            )
        )
    return Section("voice", _("Voice of the customer"), tuple(blocks), lead)


def _voice_lead(first: RiskRatio) -> str:
    groups = {
        "detractors": (_("Detractors"), _("promoters")),
        "silent": (_("Customers who ignored a survey"), _("those who answered")),
    }
    group, others = groups[first.name]
    ratio = format_estimate(first.value or 0, first.low or 0, first.high or 0, ".1f")
    return _(
        "{group} churn at {ratio} times the rate of {others}.",
        group=group,
        ratio=ratio,
        others=others,
    )


def ratio_chart(
    name: str, title: str, ratios: tuple[RiskRatio, ...], caption: str, *, of: str, **labels: str
) -> Chart:
    """Build a bar chart of risk ratios; `labels` replace the ratios' names."""
    return Chart(
        name,
        title,
        (
            Column(of, role="x"),
            Column(_("Relative churn rate"), "times", "y"),
            *interval_columns("times"),
            Column(_("Customers"), "customers"),
            Column(_("Churn rate"), "share"),
            Column(_("Churn rate of others"), "share"),
        ),
        tuple(
            (labels.get(r.name, r.name), r.value, r.low, r.high, r.customers, r.rate, r.other_rate)
            for r in ratios
        ),
        caption,
        chart_type="bars",
    )


def describe_highest(group: Callable[[str], str], ratios: Sequence[RiskRatio]) -> str:
    """Name the group with the highest ratio, or the lowest if none churns more than the others.

    Only groups count that are large, and whose difference chance does not explain.

    In groups of fewer than 20 customers or 5 churned ones the intervals are approximate.
    """
    large = [r for r in ratios if r.is_large_enough]
    above = [r for r in large if r.low is not None and r.low > 1.0]
    below = [r for r in large if r.high is not None and r.high < 1.0]
    ratio = max(above, key=lambda each: each.value or 0.0, default=None) or min(
        below, key=lambda each: each.value or 0.0, default=None
    )
    if ratio is None or ratio.value is None or ratio.low is None or ratio.high is None:
        return _(
            "No group of 20 customers and 5 churned ones or more churns more or less than the others "
            "beyond what chance explains."
        )
    value = format_estimate(ratio.value, ratio.low, ratio.high, ".2f")
    return _(
        "{group} churned at {value} times the rate of all others; the intervals hold for all "
        "groups together.",
        group=group(ratio.name),
        value=value,
    )


def _churn_by_response(data: ReportData, satisfaction: Satisfaction) -> Chart:
    return ratio_chart(
        "satisfaction_and_churn",
        _("Relative churn rate by survey response"),
        satisfaction.churn_ratios,
        _(
            "Churn within {horizon_days} days of a customer's last survey. If customers who do "
            "not answer churn more, survey scores overstate satisfaction.",
            horizon_days=data.settings.horizon_days,
        ),
        of=_("Group"),
        detractors=_("Detractors vs promoters"),
        silent=_("No answer vs answered"),
    )


def _nps_by_month(satisfaction: Satisfaction) -> list[Block]:
    months = [m for m in satisfaction.months if m.kind == "NPS" and m.answers >= _FEWEST]
    if len(months) < 2:
        return []
    return [
        Chart(
            "nps_by_month",
            _("Net promoter score by month"),
            (
                Column(_("Month"), role="x"),
                Column(_("Net promoter score"), "count", "y"),
                *interval_columns("count"),
                Column(_("Answers"), "customers"),
                Column(_("Surveys sent"), "customers"),
            ),
            tuple((short_month(m.name), m.value, m.low, m.high, m.answers, m.sent) for m in months),
            _("By the month in which the survey was sent, with the 95% interval."),
        )
    ]


def _scores_by_segment(satisfaction: Satisfaction) -> Table:
    return Table(
        "satisfaction_by_segment",
        _("Survey scores by segment"),
        (
            Column(_("Segment")),
            Column(_("Survey")),
            Column(_("Score")),
            Column(_("95% interval")),
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
        _(
            "Answers of the last 12 months; groups with fewer than {fewest} answers are left out.",
            fewest=_FEWEST,
        ),
    )


def _themes(themes: Themes) -> list[Block]:
    shown = [theme for theme in themes.themes if theme.texts >= _FEWEST]
    caption = _(
        "{texts:,} texts; {method}. Sentiment: {sentiment}.",
        texts=themes.texts,
        method=themes.method,
        sentiment=themes.sentiment,
    )
    with_lift = [theme for theme in shown if theme.lift]
    if with_lift:
        top = max(with_lift, key=lambda theme: theme.lift or 0.0)
        caption = _(
            "“{name}” is {lift:.1f} times as common in texts of customers who churned as in "
            "those of customers who stayed. {caption}",
            name=top.name,
            lift=top.lift or 0,
            caption=caption,
        )
    table = Table(
        "themes",
        _("Themes in customer feedback"),
        (
            Column(_("Theme")),
            Column(_("Texts"), "customers"),
            Column(_("Share"), "share"),
            Column(_("Earlier half"), "share"),
            Column(_("Later half"), "share"),
            Column(_("Positive sentiment"), "share"),
            Column(_("Texts of churned customers"), "share"),
            Column(_("Texts of others"), "share"),
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
        _("Sample comments (names, email addresses, numbers and rare words masked)"),
        tuple(
            Card(theme.name, " · ".join(_("“{text}”", text=text) for text in theme.examples))
            for theme in themes
            if theme.examples
        ),
    )
