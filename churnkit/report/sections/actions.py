"""Sections: summary, scorecard, recommended actions and experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.core.number_format import format_estimate, format_percent, format_quantity
from churnkit.insights.figure import Figure
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
from churnkit.report.sections.revenue import pick_figures

if TYPE_CHECKING:
    from churnkit.insights.scorecard import Goal
    from churnkit.report.blocks import Block
    from churnkit.report.gather import ReportData

__all__ = ["actions", "experiments", "headline", "scorecard"]

_MOST_TILES = 4
_TOP_ACTIONS = 3


def headline(data: ReportData) -> Section:
    """Build the summary: key figures and the actions with the highest expected gain."""
    figures = [*_model_figures(data)]
    scored = data.scored
    if data.retention is not None:
        names = ("logo_churn_month", "nrr_year", "nrr_month", "repeat_rate", "mau")
        figures += pick_figures(data.retention, *names)
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
    cards = _top_actions(data)
    if cards:
        blocks.append(Cards(f"Top actions by {_lower(data.horizons.gain_label)}", cards))
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


def _lower(label: str) -> str:
    return label[:1].lower() + label[1:]


def _headline_lead(data: ReportData) -> str:
    scored = data.scored
    if scored is None or scored.at_risk is None or not scored.value:
        return ""
    horizons = data.horizons
    risk = f"{horizons.at_risk_label}: {data.money(scored.at_risk)}."
    if scored.total_gain is None:
        return risk
    treated = sum(action.customers for action in scored.actions)
    if not treated:
        return f"{risk} The plan acts on no customer."
    return (
        f"{risk} The plan acts on {treated:,} of {scored.customers:,} customers, with an expected "
        f"gain of {data.money(scored.total_gain.value)}{horizons.over_gain} net of cost."
    )


def _top_actions(data: ReportData) -> tuple[Card, ...]:
    if data.scored is None:
        return ()
    return tuple(
        Card(
            action.title,
            f"{action.customers:,} customers; cost {data.money(action.cost)}; 90% interval of the "
            f"gain {data.money(action.low)} to {data.money(action.high)}.",
            f"{data.money(action.gain)} expected gain",
            str(rank),
        )
        for rank, action in enumerate(data.scored.actions[:_TOP_ACTIONS], start=1)
    )


def scorecard(data: ReportData) -> Section:
    """Build the balanced scorecard."""
    title = "Scorecard"
    if data.scorecard is None or not data.scorecard.goals:
        return Section("scorecard", title, (Missing("Provide raw tables or a model."),))
    goals = data.scorecard.goals
    table = Table(
        "scorecard",
        "Measures and targets",
        tuple(
            map(
                Column,
                ("Perspective", "Measure", "Current", "Target", "Status", "Trend", "Formula"),
            )
        ),
        tuple(_scorecard_row(goal, data.currency) for goal in goals),
        "Default target: the mean of the previous months, at most 12. Set a target with --target "
        "NAME=NUMBER. Trend: the last three months compared with the three before.",
    )
    met = sum(1 for goal in goals if goal.met)
    judged = sum(1 for goal in goals if goal.met is not None)
    lead = f"{met} of {judged} targets are met." if judged else ""
    return Section("scorecard", title, (table,), lead)


def _scorecard_row(goal: Goal, currency: str) -> tuple[str | None, ...]:
    target = None
    if goal.target is not None:
        target = f"{'at most' if goal.at_most else 'at least'} "
        target += format_quantity(goal.target, goal.unit, currency=currency)
        target += "" if goal.is_custom or goal.perspective == "learning" else " (previous mean)"
    return (
        goal.perspective.capitalize(),
        goal.title,
        format_quantity(goal.value, goal.unit, currency=currency),
        target,
        {True: "✓\N{NO-BREAK SPACE}met", False: "✗\N{NO-BREAK SPACE}missed", None: None}[goal.met],
        goal.trend if goal.series else None,
        goal.formula,
    )


def actions(data: ReportData) -> Section:
    """Build the plan by action, and the reasons for no action."""
    title = "Recommended actions"
    scored = data.scored
    if scored is None or not (scored.actions or scored.no_action):
        need = "Provide a model whose recipe has a catalogue of actions, and its customers."
        return Section("actions", title, (Missing(need),))
    blocks: list[Block] = []
    if scored.actions:
        blocks.append(
            Chart(
                "actions",
                f"Expected gain by action{data.horizons.over_gain}",
                (
                    Column("Action", role="x"),
                    Column("Expected gain", "money", "y"),
                    *interval_columns("money"),
                    Column("Customers", "customers"),
                    Column("Cost", "money"),
                    Column(f"Mean churn risk{data.horizons.next_days}", "share"),
                    Column("Eligibility"),
                ),
                tuple(
                    (a.title, a.gain, a.low, a.high, a.customers, a.cost, a.churn, a.eligibility)
                    for a in scored.actions
                ),
                f"Net of cost, with its 90% interval, from {data.effect_source}.{_rule(data)}",
                chart_type="bars",
            )
        )
    if scored.no_action:
        blocks.append(
            Chart(
                "no_action",
                "Customers without an action, by reason",
                (Column("Reason", role="x"), Column("Customers", "customers", "y")),
                tuple(
                    (reason[:1].upper() + reason[1:], count) for reason, count in scored.no_action
                ),
                "A high churn risk alone is not a reason to act.",
                chart_type="bars",
            )
        )
    treated = sum(action.customers for action in scored.actions)
    untreated = sum(count for _, count in scored.no_action)
    lead = f"{treated:,} customers get an action, {untreated:,} do not."
    return Section("actions", title, tuple(blocks), lead)


def _rule(data: ReportData) -> str:
    """Describe when an action goes out; an experiment states its own level of confidence."""
    if data.measured:
        return ""
    return " A customer gets an action only if the lower bound of its gain is above zero."


def experiments(data: ReportData) -> Section:
    """Build the effects of past actions."""
    title = "Experiments"
    if not data.effects:
        need = (
            "Provide past actions (--table treatments=FILE: customer, action, propensity, decided, "
            "churned). Effects are estimated by comparison with customers who got no action."
        )
        return Section("experiments", title, (Missing(need),))
    first = data.effects[0]
    change = format_estimate(100 * first.value, 100 * first.low, 100 * first.high, "+.1f")
    is_randomized = all(effect.randomized for effect in data.effects)
    chart = Chart(
        "effects",
        "Effect of past actions on churn"
        if is_randomized
        else "Churn after past actions (not randomized)",
        (
            Column("Action", role="x"),
            Column("Change in churn rate", "points", "y"),
            *interval_columns("points"),
            Column("Churn rate with action", "share"),
            Column("Churn rate without", "share"),
            Column("Customers with action", "customers"),
            Column("Verdict"),
        ),
        tuple(
            (
                e.action.capitalize(), 100 * e.value, 100 * e.low, 100 * e.high, e.rate, e.control_rate,
                e.customers, e.verdict,
            )
            for e in data.effects
        ),
        f"{first.formula[:1].upper()}{first.formula[1:]}. Below zero the action reduces churn.",
        chart_type="bars",
    )  # fmt: skip
    lead = (
        f"{first.action.capitalize()} changed the churn rate by {change} points: {first.verdict}."
    )
    return Section("experiments", title, (chart,), lead)
