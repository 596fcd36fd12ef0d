"""Sections: scorecard, recommended actions and experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_estimate, format_quantity
from churnkit.report.blocks import (
    Chart,
    Column,
    Missing,
    Section,
    Table,
    interval_columns,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.insights.scorecard import Goal
    from churnkit.report.blocks import Block
    from churnkit.report.gather import ReportData

__all__ = ["actions", "experiments", "scorecard"]


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
                    Column("Expected gain", "money", "y", "saved"),
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
    if scored.budgets is not None and scored.actions:
        blocks.append(_budget_curve(data, scored.budgets))
    treated = sum(action.customers for action in scored.actions)
    untreated = sum(count for _, count in scored.no_action)
    lead = f"{treated:,} customers get an action, {untreated:,} do not."
    return Section("actions", title, tuple(blocks), lead)


def _budget_curve(data: ReportData, budgets: Mapping[str, Any]) -> Chart:
    columns = [budgets[name].tolist() for name in ("budget", "value", "low", "high", "customers")]
    rows = tuple(zip(*columns, strict=True))
    half = max((row for row in rows if row[1] <= 0.5 * rows[-1][1]), key=lambda row: row[0])
    return Chart(
        "budget_curve",
        f"Expected gain by budget{data.horizons.over_gain}",
        (
            Column("Budget", "money", "x"),
            Column("Expected gain of a new plan", "money", "y", "saved"),
            *interval_columns("money"),
            Column("Customers with an action", "customers"),
        ),
        rows,
        f"What if the budget changes: net of cost, with its 90% interval. A budget of "
        f"{data.money(rows[-1][0])} pays for every action that pays for itself; "
        f"{data.money(half[0])} yields {data.money(half[1])}.",
    )


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
