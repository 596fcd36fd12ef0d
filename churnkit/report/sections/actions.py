"""Sections: scorecard, recommended actions and experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_estimate, format_quantity
from churnkit.core.translation import _, capitalize_first, mark_text, ngettext
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


_PERSPECTIVES = {
    "financial": mark_text("Financial"),
    "customer": mark_text("Customer"),
    "process": mark_text("Process"),
    "learning": mark_text("Learning"),
}


def scorecard(data: ReportData) -> Section:
    """Build the balanced scorecard."""
    title = _("Scorecard")
    if data.scorecard is None or not data.scorecard.goals:
        return Section("scorecard", title, (Missing(_("Provide raw tables or a model.")),))
    goals = data.scorecard.goals
    table = Table(
        "scorecard",
        _("Measures and targets"),
        tuple(
            map(
                Column,
                (
                    _("Perspective"),
                    _("Measure"),
                    _("Current"),
                    _("Target"),
                    _("Status"),
                    _("Trend"),
                    _("Formula"),
                ),
            )
        ),
        tuple(_scorecard_row(goal, data.currency) for goal in goals),
        _(
            "Default target: the mean of the previous months, at most 12. Set a target with "
            "--target NAME=NUMBER. Trend: the last three months compared with the three before."
        ),
    )
    met = sum(1 for goal in goals if goal.met)
    judged = sum(1 for goal in goals if goal.met is not None)
    lead = _("Targets met: {met} of {judged}.", met=met, judged=judged) if judged else ""
    return Section("scorecard", title, (table,), lead)


def _scorecard_row(goal: Goal, currency: str) -> tuple[str | None, ...]:
    target = None
    if goal.target is not None:
        bound = format_quantity(goal.target, goal.unit, currency=currency)
        target = (
            _("at most {bound}", bound=bound)
            if goal.at_most
            else _("at least {bound}", bound=bound)
        )
        target += "" if goal.is_custom or goal.perspective == "learning" else _(" (previous mean)")
    return (
        _(_PERSPECTIVES[goal.perspective]),
        goal.title,
        format_quantity(goal.value, goal.unit, currency=currency),
        target,
        {True: _("✓ met"), False: _("✗ missed"), None: None}[goal.met],
        goal.trend if goal.series else None,
        goal.formula,
    )


def actions(data: ReportData) -> Section:
    """Build the plan by action, and the reasons for no action."""
    title = _("Recommended actions")
    scored = data.scored
    if scored is None or not (scored.actions or scored.no_action):
        need = _("Provide a model whose recipe has a catalogue of actions, and its customers.")
        return Section("actions", title, (Missing(need),))
    blocks: list[Block] = []
    if scored.actions:
        blocks.append(
            Chart(
                "actions",
                _("Expected gain by action{over_gain}", over_gain=data.horizons.over_gain),
                (
                    Column(_("Action"), role="x"),
                    Column(_("Expected gain"), "money", "y", "saved"),
                    *interval_columns("money"),
                    Column(_("Customers"), "customers"),
                    Column(_("Cost"), "money"),
                    Column(
                        _("Mean churn risk{next_days}", next_days=data.horizons.next_days), "share"
                    ),
                    Column(_("Eligibility")),
                ),
                tuple(
                    (a.title, a.gain, a.low, a.high, a.customers, a.cost, a.churn, a.eligibility)
                    for a in scored.actions
                ),
                _(
                    "Net of cost, with its 90% interval, from {effect_source}.{rule}",
                    effect_source=data.effect_source,
                    rule=_rule(data),
                ),
                chart_type="bars",
            )
        )
    if scored.no_action:
        blocks.append(
            Chart(
                "no_action",
                _("Customers without an action, by reason"),
                (Column(_("Reason"), role="x"), Column(_("Customers"), "customers", "y")),
                tuple((capitalize_first(_(reason)), count) for reason, count in scored.no_action),
                _("A high churn risk alone is not a reason to act."),
                chart_type="bars",
            )
        )
    if scored.budgets is not None and scored.actions:
        blocks.append(_budget_curve(data, scored.budgets))
    treated = sum(action.customers for action in scored.actions)
    untreated = sum(count for _, count in scored.no_action)
    lead = ngettext(
        "{count:,} customer gets an action, {untreated:,} do not.",
        "{count:,} customers get an action, {untreated:,} do not.",
        treated,
        untreated=untreated,
    )
    return Section("actions", title, tuple(blocks), lead)


def _budget_curve(data: ReportData, budgets: Mapping[str, Any]) -> Chart:
    columns = [budgets[name].tolist() for name in ("budget", "value", "low", "high", "customers")]
    rows = tuple(zip(*columns, strict=True))
    half = max((row for row in rows if row[1] <= 0.5 * rows[-1][1]), key=lambda row: row[0])
    return Chart(
        "budget_curve",
        _("Expected gain by budget{over_gain}", over_gain=data.horizons.over_gain),
        (
            Column(_("Budget"), "money", "x"),
            Column(_("Expected gain of a new plan"), "money", "y", "saved"),
            *interval_columns("money"),
            Column(_("Customers with an action"), "customers"),
        ),
        rows,
        _(
            "What if the budget changes: net of cost, with its 90% interval. A budget of {most} "
            "pays for every action that pays for itself; {half} yields {gain}.",
            most=data.money(rows[-1][0]),
            half=data.money(half[0]),
            gain=data.money(half[1]),
        ),
    )


def _rule(data: ReportData) -> str:
    """Describe when an action goes out; an experiment states its own level of confidence."""
    if data.measured:
        return ""
    return _(" A customer gets an action only if the lower bound of its gain is above zero.")


def experiments(data: ReportData) -> Section:
    """Build the effects of past actions."""
    title = _("Experiments")
    if not data.effects:
        need = _(
            "Provide past actions (--table treatments=FILE: customer, action, propensity, "
            "decided, churned). Effects are estimated by comparison with customers who got no "
            "action."
        )
        return Section("experiments", title, (Missing(need),))
    first = data.effects[0]
    change = format_estimate(100 * first.value, 100 * first.low, 100 * first.high, "+.1f")
    is_randomized = all(effect.randomized for effect in data.effects)
    chart = Chart(
        "effects",
        _("Effect of past actions on churn")
        if is_randomized
        else _("Churn after past actions (not randomized)"),
        (
            Column(_("Action"), role="x"),
            Column(_("Change in churn rate"), "points", "y"),
            *interval_columns("points"),
            Column(_("Churn rate with action"), "share"),
            Column(_("Churn rate without"), "share"),
            Column(_("Customers with action"), "customers"),
            Column(_("Verdict")),
        ),
        tuple(
            (
                capitalize_first(e.action), 100 * e.value, 100 * e.low, 100 * e.high, e.rate, e.control_rate,
                e.customers, e.verdict,
            )
            for e in data.effects
        ),
        _("{formula}. Below zero the action reduces churn.", formula=capitalize_first(first.formula)),
        chart_type="bars",
    )  # fmt: skip
    lead = _(
        "{action} changed the churn rate by {change} points: {verdict}.",
        action=capitalize_first(first.action),
        change=change,
        verdict=first.verdict,
    )
    return Section("experiments", title, (chart,), lead)
