"""Section: the summary, with key figures and next steps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from churnkit.core.number_format import format_estimate, format_percent
from churnkit.core.translation import _, fill_text, ngettext
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
                "churn", _("Predicted churn{next_days}", next_days=data.horizons.next_days), scored.churn, "share",
                _("mean calibrated churn probability"), note=_("of {customers:,} customers", customers=scored.customers),
            )
        )  # fmt: skip
    blocks: list[Block] = []
    if figures:
        blocks.append(Figures(tuple(figures[:_MOST_TILES])))
    steps = _next_steps(data)
    if steps:
        blocks.append(Cards(_("Next steps"), steps))
    notes = (data.note, *_missing_units(data))
    if any(notes):
        blocks.append(Text(tuple(filter(None, notes))))
    if not blocks:
        blocks.append(
            Missing(_("Provide a model and its customers, or raw tables (--table NAME=FILE)."))
        )
    return Section("headline", _("Summary"), tuple(blocks), _headline_lead(data))


def _missing_units(data: ReportData) -> list[str]:
    """Return what the schema would have to name so that figures have a horizon and a currency."""
    scored, hints = data.scored, []
    if scored is not None and not data.horizons.risk_days:
        hints.append(
            _(
                "The horizon of the churn risk is unknown: name it in the schema, as in "
                'label("Left within 90 days").'
            )
        )
    if scored is not None and scored.value is not None and not data.currency:
        hints.append(
            _(
                "The currency and the period of the amounts are unknown: name them in the schema, "
                'as in unit="USD a month".'
            )
        )
    return hints


def _model_figures(data: ReportData) -> list[Figure]:
    scored = data.scored
    if scored is None:
        return []
    figures, horizons = [], data.horizons
    if scored.at_risk is not None:
        note = ""
        if scored.retained:
            text = (
                _("{share} of the margin of {total} over {span}")
                if horizons.margin < 1.0
                else _("{share} of the revenue of {total} over {span}")
            )
            note = fill_text(
                text,
                {
                    "share": format_percent(scored.at_risk / scored.retained, 1),
                    "total": data.money(scored.retained),
                    "span": horizons.value_span,
                },
            )
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
                "expected_gain", _("Expected gain of the plan{over_gain}", over_gain=horizons.over_gain), gain.value,
                "money",
                _("sum over planned actions of the part of the at-risk {at_risk_noun} that the action " "saves - cost, with its 90% interval", at_risk_noun=horizons.at_risk_noun),
                gain.low, gain.high, _("net of a cost of {cost}", cost=data.money(cost)),
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
    note = _("{rate} in {month}", rate=rate, month=month_title(earlier.name))
    return [
        replace(figure, note=note) if figure.name == "logo_churn_month" else figure
        for figure in figures
    ]


def _headline_lead(data: ReportData) -> str:
    scored, horizons = data.scored, data.horizons
    if scored is None:
        return ""
    days = horizons.risk_days
    within = (
        ngettext("in the next {count} day", "in the next {count} days", days)
        if days
        else _("within the horizon of the label")
    )
    risk = _(
        "About {churn:,.0f} of {customers:,} customers are expected to churn {within}.",
        churn=scored.churn * scored.customers,
        customers=scored.customers,
        within=within,
    )
    if scored.at_risk is None or not scored.value:
        return risk
    risk = f"{risk} {horizons.at_risk_label}: {data.money(scored.at_risk)}."
    gain = scored.total_gain
    if gain is None:
        return risk
    treated = sum(action.customers for action in scored.actions)
    if not treated:
        return _("{risk} The plan acts on no customer.", risk=risk)
    cost = sum(action.cost for action in scored.actions)
    return ngettext(
        "{risk} The plan acts on {count:,} customer at a cost of {cost}; its expected "
        "gain{over_gain} is {value} net of cost (90% interval {low} to {high}).",
        "{risk} The plan acts on {count:,} customers at a cost of {cost}; its expected "
        "gain{over_gain} is {value} net of cost (90% interval {low} to {high}).",
        treated,
        risk=risk,
        cost=data.money(cost),
        over_gain=horizons.over_gain,
        value=data.money(gain.value),
        low=data.money(gain.low),
        high=data.money(gain.high),
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
            ngettext(
                "For {count:,} customer of the plan, at a cost of {cost}. 90% interval of the "
                "gain: {low} to {high}{over_gain}.",
                "For {count:,} customers of the plan, at a cost of {cost}. 90% interval of the "
                "gain: {low} to {high}{over_gain}.",
                action.customers,
                cost=data.money(action.cost),
                low=data.money(action.low),
                high=data.money(action.high),
                over_gain=data.horizons.over_gain,
            ),
            _("{gain} expected gain", gain=data.money(action.gain)),
        )
        for action in data.scored.actions
    ]


def _harmful(data: ReportData) -> list[Card]:
    """Return past actions that increased churn by an experiment."""
    harmful = [effect for effect in data.effects if effect.randomized and effect.low > 0.0]
    return [
        Card(
            _("Stop or retarget: {action}", action=effect.action),
            _(
                "The churn rate of {customers:,} customers with this action changed by {value} "
                "points, compared with customers without.",
                customers=effect.customers,
                value=format_estimate(
                    100 * effect.value, 100 * effect.low, 100 * effect.high, "+.1f"
                ),
            ),
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
            _("Look into support tickets on {name}", name=topic.name),
            _(
                "{customers:,} customers had one, and churned at {value} times the rate of others. "
                "An association, not necessarily a cause.",
                customers=topic.customers,
                value=format_estimate(
                    topic.value or 0.0, topic.low or 0.0, topic.high or 0.0, ".2f"
                ),
            ),
        )
    ]
