"""Section: the summary, with key figures and next steps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from churnkit.core.number_format import format_estimate, format_percent
from churnkit.insights.figure import Figure
from churnkit.insights.metrics.calendar import month_title
from churnkit.report.blocks import Card, Cards, Figures, Missing, Section, Text
from churnkit.report.sections.revenue import pick_figures

if TYPE_CHECKING:
    from churnkit.report.blocks import Block
    from churnkit.report.gather import ReportData

__all__ = ["headline"]

_MOST_TILES = 4
_MOST_STEPS = 3


def headline(data: ReportData) -> Section:
    """Build the summary: key figures with the month before, and next steps."""
    figures = [*_model_figures(data)]
    scored = data.scored
    if data.retention is not None:
        figures += _table_figures(data)
    elif scored is not None:
        figures.append(
            Figure(
                "churn", f"Predicted churn{data.horizons.next_days}", scored.churn, "share",
                "mean calibrated churn probability", note=f"of {scored.customers:,} customers",
            )
        )  # fmt: skip
    blocks: list[Block] = []
    if figures:
        blocks.append(Figures(tuple(figures[:_MOST_TILES])))
    steps = _next_steps(data)
    if steps:
        blocks.append(Cards("Next steps", steps))
    if data.note:
        blocks.append(Text((data.note,)))
    if not blocks:
        blocks.append(
            Missing("Provide a model and its customers, or raw tables (--table NAME=FILE).")
        )
    return Section("headline", "Summary", tuple(blocks), _headline_lead(data))


def _model_figures(data: ReportData) -> list[Figure]:
    scored = data.scored
    if scored is None:
        return []
    figures, horizons = [], data.horizons
    if scored.at_risk is not None:
        note = ""
        if scored.value and scored.revenue_churn is not None:
            share = format_percent(scored.revenue_churn, 1)
            note = f"{share} of the revenue of {data.money(scored.value)} {horizons.period}"
        figures.append(
            Figure(
                "at_risk", horizons.at_risk_label, scored.at_risk, "money",
                horizons.at_risk_formula, note=note,
            )
        )  # fmt: skip
    gain = scored.total_gain
    if gain is not None:
        cost = sum(action.cost for action in scored.actions)
        figures.append(
            Figure(
                "expected_gain", f"Expected gain of the plan{horizons.over_gain}", gain.value,
                "money",
                f"sum over planned actions of the part of the at-risk {horizons.at_risk_noun} that "
                "the action saves - cost, with its 90% interval",
                gain.low, gain.high, f"net of a cost of {data.money(cost)}",
            )
        )  # fmt: skip
    return figures


def _table_figures(data: ReportData) -> list[Figure]:
    """Return figures of the last month with those of the month before."""
    if data.retention is None:
        return []
    names = ("logo_churn_month", "nrr_year", "nrr_month", "repeat_rate", "mau")
    figures = list(pick_figures(data.retention, *names))
    movements = data.retention.movements
    months = [] if movements is None else [m for m in movements.months if m.complete]
    if len(months) < 2 or not months[-2].opening_customers:
        return figures
    earlier = months[-2]
    rate = format_percent(earlier.left_customers / earlier.opening_customers, 1)
    note = f"{rate} in {month_title(earlier.name)}"
    return [
        replace(figure, note=note) if figure.name == "logo_churn_month" else figure
        for figure in figures
    ]


def _headline_lead(data: ReportData) -> str:
    scored, horizons = data.scored, data.horizons
    if scored is None:
        return ""
    days = horizons.risk_days
    within = f"in the next {days} days" if days else "within the horizon of the label"
    risk = (
        f"About {scored.churn * scored.customers:,.0f} of {scored.customers:,} customers are "
        f"expected to churn {within}."
    )
    if scored.at_risk is None or not scored.value:
        return risk
    risk = f"{risk} {horizons.at_risk_label}: {data.money(scored.at_risk)}."
    gain = scored.total_gain
    if gain is None:
        return risk
    treated = sum(action.customers for action in scored.actions)
    if not treated:
        return f"{risk} The plan acts on no customer."
    cost = sum(action.cost for action in scored.actions)
    return (
        f"{risk} The plan acts on {treated:,} customers at a cost of {data.money(cost)}; its "
        f"expected gain{horizons.over_gain} is {data.money(gain.value)} net of cost (90% interval "
        f"{data.money(gain.low)} to {data.money(gain.high)})."
    )


def _next_steps(data: ReportData) -> tuple[Card, ...]:
    """Return at most three things to do: harmful actions, the plan, the costliest topic."""
    steps = [*_harmful(data), *_topic(data)][: _MOST_STEPS - 1]
    planned = _planned(data)
    steps = [*planned[: _MOST_STEPS - len(steps)], *steps]
    return tuple(replace(step, tag=str(rank)) for rank, step in enumerate(steps, start=1))


def _planned(data: ReportData) -> list[Card]:
    if data.scored is None:
        return []
    return [
        Card(
            action.title,
            f"For {action.customers:,} customers of the plan, at a cost of "
            f"{data.money(action.cost)}. 90% interval of the gain: {data.money(action.low)} to "
            f"{data.money(action.high)}{data.horizons.over_gain}.",
            f"{data.money(action.gain)} expected gain",
        )
        for action in data.scored.actions
    ]


def _harmful(data: ReportData) -> list[Card]:
    """Return past actions that increased churn by an experiment."""
    harmful = [effect for effect in data.effects if effect.randomized and effect.low > 0.0]
    return [
        Card(
            f"Stop or retarget: {effect.action}",
            f"The churn rate of {effect.customers:,} customers with this action changed by "
            f"{format_estimate(100 * effect.value, 100 * effect.low, 100 * effect.high, '+.1f')} "
            "points, compared with customers without.",
        )
        for effect in harmful[:1]
    ]


def _topic(data: ReportData) -> list[Card]:
    """Return the ticket topic with the highest relative churn rate, if it is above others'."""
    topics = [t for t in data.topics if t.value is not None and t.low is not None and t.low > 1.0]
    if not topics:
        return []
    topic = max(topics, key=lambda ratio: ratio.value or 0.0)
    return [
        Card(
            f"Look into support tickets on {topic.name}",
            f"{topic.customers:,} customers had one, and churned at "
            f"{format_estimate(topic.value or 0.0, topic.low or 0.0, topic.high or 0.0, '.2f')} "
            "times the rate of others. An association, not necessarily a cause.",
        )
    ]
