"""Headline, scorecard, actions and experiments, as sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.core.number_format import format_quantity
from churnkit.insights.figure import Figure
from churnkit.report.blocks import Card, Cards, Chart, Column, Figures, Missing, Section, Table
from churnkit.report.sections.revenue import picked

if TYPE_CHECKING:
    from churnkit.report.blocks import Block
    from churnkit.report.gather import Findings

__all__ = ["actions", "experiments", "headline", "scorecard"]


def headline(findings: Findings) -> Section:
    """What a manager reads if nothing else."""
    figures: list[Figure] = []
    scored = findings.scored
    if scored is not None and scored.at_risk is not None:
        figures.append(
            Figure(
                "at_risk",
                "Revenue at risk",
                scored.at_risk,
                "money a month",
                f"sum over customers of revenue {findings.period} x probability of churn",
                note=f"{format_quantity(scored.at_risk / scored.value, 'share')} of all"
                if scored.value
                else "",
            )
        )
    if scored is not None and scored.actions:
        parts = {
            name: sum(getattr(one, name) for one in scored.actions)
            for name in ("gain", "low", "high", "cost")
        }
        figures.append(
            Figure(
                "saving",
                "Expected saving",
                parts["gain"],
                "money",
                "sum over planned actions of probability x effect x value x periods x margin, less "
                "their cost; the interval is that of the effects",
                parts["low"],
                parts["high"],
                f"after a cost of {format_quantity(parts['cost'], 'money', currency=findings.currency)}",
            )
        )
    if findings.retention is not None:
        names = ("logo_churn_month", "nrr_year", "nrr_month", "repeat_rate", "mau")
        figures += picked(findings.retention, *names)
    elif scored is not None:
        figures.append(
            Figure(
                "churn", "Predicted to leave", scored.churn, "share",
                "mean calibrated probability of churn", note=f"of {scored.customers:,} customers",
            )
        )  # fmt: skip
    blocks: list[Block] = []
    if figures:
        blocks.append(Figures(tuple(figures[:4])))
    cards = _three(findings)
    if cards:
        blocks.append(Cards("The three actions with the highest expected gain", cards))
    if not blocks:
        blocks.append(Missing("Give a model with its customers, or raw tables: --table NAME=FILE."))
    return Section("headline", "At a glance", tuple(blocks), _say(findings))


def _say(findings: Findings) -> str:
    scored = findings.scored
    if scored is None or scored.at_risk is None or not scored.value:
        return ""
    total = sum(one.customers for one in scored.actions)
    risk = (
        f"{format_quantity(scored.at_risk, 'money', currency=findings.currency)} of "
        f"{format_quantity(scored.value, 'money', currency=findings.currency)} in revenue {findings.period} is "
        "expected to leave"
    )
    if not total:
        return f"{risk}."
    gain = sum(one.gain for one in scored.actions)
    return (
        f"{risk}. Acting on {total:,} of {scored.customers:,} customers is expected to bring "
        f"{format_quantity(gain, 'money', currency=findings.currency)} beyond its cost."
    )


def _three(findings: Findings) -> tuple[Card, ...]:
    if findings.scored is None:
        return ()
    currency = findings.currency
    return tuple(
        Card(
            one.title,
            f"{one.customers:,} customers, at a cost of "
            f"{format_quantity(one.cost, 'money', currency=currency)}; interval "
            f"{format_quantity(one.low, 'money', currency=currency)} to "
            f"{format_quantity(one.high, 'money', currency=currency)}.",
            f"{format_quantity(one.gain, 'money', currency=currency)} gain",
            str(place),
        )
        for place, one in enumerate(findings.scored.actions[:3], start=1)
    )


def scorecard(findings: Findings) -> Section:
    """The balanced scorecard."""
    found = findings.scorecard
    if found is None or not found.goals:
        return Section(
            "scorecard",
            "Scorecard",
            (Missing("Give raw tables or a model: its lines come from them."),),
        )
    rows = tuple(
        (
            goal.perspective.capitalize(),
            goal.title,
            format_quantity(goal.value, goal.unit, currency=findings.currency),
            ("at most " if goal.at_most else "at least ")
            + format_quantity(goal.target, goal.unit, currency=findings.currency)
            + ("" if goal.given or goal.perspective == "learning" else " (mean before)")
            if goal.target is not None
            else None,
            {True: "✓ met", False: "✗ missed", None: None}[goal.met],
            goal.trend if goal.series else None,
            goal.formula,
        )
        for goal in found.goals
    )
    met = sum(1 for goal in found.goals if goal.met)
    judged = sum(1 for goal in found.goals if goal.met is not None)
    return Section(
        "scorecard",
        "Scorecard",
        (
            Table(
                "scorecard",
                "Are we where we want to be?",
                (
                    Column("Perspective"),
                    Column("Measure"),
                    Column("Now"),
                    Column("Target"),
                    Column("Met"),
                    Column("Trend"),
                    Column("Formula"),
                ),
                rows,
                "Without a target of your own (--target NAME=NUMBER) the target is the mean of up "
                "to twelve months before. Trend: the last three months against the three before.",
            ),
        ),
        f"{met} of {judged} targets are met." if judged else "",
    )


def actions(findings: Findings) -> Section:
    """Who gets what, why, what it gains, and why others get nothing."""
    scored = findings.scored
    if scored is None or not (scored.actions or scored.none):
        need = "Give a model whose recipe names actions, and its customers (CUSTOMERS.csv)."
        return Section("actions", "Actions", (Missing(need),))
    blocks: list[Block] = []
    if scored.actions:
        blocks.append(
            Chart(
                "actions",
                "Which action brings most?",
                (
                    Column("Action", role="x"),
                    Column("Expected gain", "money", "y"),
                    Column("at least", "money", "low"),
                    Column("at most", "money", "high"),
                    Column("Customers", "customers"),
                    Column("Cost", "money"),
                    Column("Their churn", "share"),
                    Column("Who may get it"),
                ),
                tuple(
                    (one.title, one.gain, one.low, one.high, one.customers, one.cost, one.churn, one.who)
                    for one in scored.actions
                ),
                "Net of cost. An action goes out only where the lower bound of its gain is above "
                "zero; the interval is that of its effect.",
                draws="bars",
            )
        )  # fmt: skip
    if scored.none:
        blocks.append(
            Chart(
                "no_action",
                "Why do the others get nothing?",
                (Column("Reason", role="x"), Column("Customers", "customers", "y")),
                tuple((reason[:1].upper() + reason[1:], count) for reason, count in scored.none),
                "Nobody is contacted only because of risk.",
                draws="bars",
            )
        )
    total, nobody = sum(one.customers for one in scored.actions), sum(n for _, n in scored.none)
    lead = f"{total:,} customers get an action; {nobody:,} get none, each for a reason."
    return Section("actions", "Actions", tuple(blocks), lead)


def experiments(findings: Findings) -> Section:
    """What past actions did: a causal answer."""
    if not findings.effects:
        need = (
            "Give --table treatments=FILE (customer, action, propensity, decided, churned): what "
            "actions did is known only from a comparison with customers who got nothing."
        )
        return Section("experiments", "Experiments", (Missing(need),))
    best = findings.effects[0]
    causal = all(effect.randomised for effect in findings.effects)
    lead = (
        f"{best.action.capitalize()} changed the share that left by "
        f"{100 * best.value:+.1f} points ({100 * best.low:+.1f} to {100 * best.high:+.1f}): "
        f"{best.verdict}."
    )
    chart = Chart(
        "effects",
        "What did past actions really change?"
        if causal
        else "How did customers with past actions fare?",
        (
            Column("Action", role="x"),
            Column("Change of the share that left", "points", "y"),
            Column("at least", "points", "low"),
            Column("at most", "points", "high"),
            Column("Left with it", "share"),
            Column("Left without", "share"),
            Column("Customers with it", "customers"),
            Column("Verdict"),
        ),
        tuple(
            (
                e.action.capitalize(), 100 * e.value, 100 * e.low, 100 * e.high, e.rate, e.control_rate, e.customers,
                e.verdict,
            )
            for e in findings.effects
        ),
        f"{best.formula[:1].upper()}{best.formula[1:]}. Below zero, the action keeps customers.",
        draws="bars",
    )  # fmt: skip
    return Section("experiments", "Experiments", (chart,), lead)
