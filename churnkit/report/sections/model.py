"""Sections: model performance, churn drivers and customer health."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_estimate, format_interval, format_percent
from churnkit.report.blocks import Chart, Column, Missing, Section, Table, Text, interval_columns
from churnkit.report.sections.customers import describe_highest, ratio_chart
from churnkit.report.sections.model_summary import found_customers, group_table, limit_sentences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.insights.drivers import Driver, Drivers
    from churnkit.insights.metrics.risk_ratio import RiskRatio
    from churnkit.insights.metrics.treatment_effects import MeasuredEffect
    from churnkit.report.blocks import Block
    from churnkit.report.gather import ReportData

__all__ = ["drivers", "health", "model"]

_MOST_DRIVERS = 10
_DETAILED = 4
_METRICS = {
    "auc": "AUC",
    "average_precision": "Average precision",
    "top_decile_lift": "Lift in the top decile",
    "log_loss": "Log loss (lower is better)",
    "calibration_error": "Calibration error (lower is better)",
}


def model(data: ReportData) -> Section:
    """Build the model's performance on held-out customers."""
    title = "Model performance"
    if data.model is None:
        need = "Train a model with churnkit train, or name one with --model."
        return Section("model", title, (Missing(need),))
    card = data.model.card
    blocks: list[Block] = []
    lead = ""
    found = found_customers(card)
    if found is not None:
        blocks.append(found)
    if card.get("evaluation"):
        lead, table = _metrics(card, card["evaluation"])
        blocks.append(table)
    if (card.get("calibration") or {}).get("customers"):
        blocks.append(_calibration(data, card["calibration"]))
    if card.get("lift"):
        blocks.append(_cumulative_gains(card["lift"]))
    if card.get("profit"):
        blocks.append(_profit(data, card["profit"]))
    groups = group_table(card)
    if groups is not None:
        blocks.append(groups)
    limits = limit_sentences(card)
    if limits:
        blocks.append(Text(limits))
    return Section("model", title, tuple(blocks), lead)


def _metrics(card: Mapping[str, Any], evaluation: Mapping[str, Any]) -> tuple[str, Table]:
    metrics, rule = evaluation["metrics"], evaluation.get("baseline") or {}
    rows = tuple(
        (
            title,
            metrics[name]["value"],
            format_interval(metrics[name]["low"], metrics[name]["high"], "score"),
            rule[name]["value"] if name in rule else None,
        )
        for name, title in _METRICS.items()
        if name in metrics
    )
    lead = f"AUC {metrics['auc']['value']:.3f} on {evaluation['rows']:,} held-out customers"
    if "auc" in rule:
        lead += f"; the best single rule has {rule['auc']['value']:.3f}"
    note = f" Rule: {str(card['rule']).rstrip('.')}." if card.get("rule") else ""
    return f"{lead}.", Table(
        "metrics",
        "Model compared with the best single rule",
        (
            Column("Metric"),
            Column("Model", "score"),
            Column("95% interval"),
            Column("Best single rule", "score"),
        ),
        rows,
        f"{evaluation['rows']:,} held-out customers, of whom {evaluation['churners']:,} churned. AUC: "
        f"probability that a churned customer is ranked above one who stayed.{note}",
    )


def _calibration(data: ReportData, curve: Mapping[str, Any]) -> Chart:
    names = ("predicted_probability", "churn_rate", "low", "high", "customers")
    rows = tuple(zip(*(curve[name] for name in names), strict=True))
    inside = sum(1 for row in rows if row[2] <= row[0] <= row[3])
    return Chart(
        "calibration",
        "Calibration: predicted and observed churn",
        (
            Column(f"Predicted churn{data.horizons.next_days}", "share", "x"),
            Column("Observed churn rate", "share", "y"),
            *interval_columns("share"),
            Column("Customers", "customers"),
        ),
        rows,
        f"In {inside} of {len(rows)} groups of equal size the prediction lies within the 95% interval "
        "of the observed churn rate.",
        chart_type="points",
        diagonal=True,
    )


def _cumulative_gains(lift: Mapping[str, Any]) -> Chart:
    rows = [(0.0, 0.0, 0.0)]
    rows += zip(lift["share_of_customers"], lift["model"], lift["rule"], strict=True)
    share, by_model, by_rule = min(rows, key=lambda row: abs(row[0] - 0.2))
    return Chart(
        "lift",
        "Churned customers reached by share of customers contacted",
        (
            Column("Customers contacted, highest risk first", "share", "x"),
            Column("Churned customers reached, model", "share", "y"),
            Column("Best single rule", "share", "y"),
        ),
        tuple(rows),
        f"Contacting the {format_percent(share, 1)} of customers at highest risk reaches "
        f"{format_percent(by_model, 1)} of the churned customers with the model and "
        f"{format_percent(by_rule, 1)} with the rule. Dashed: random order.",
        diagonal=True,
    )


def _profit(data: ReportData, profit: Mapping[str, Any]) -> Chart:
    rows = tuple(zip(*(profit[n] for n in ("share_of_customers", "model", "rule")), strict=True))
    span = data.horizons.over_gain
    return Chart(
        "profit",
        f"Profit{span} by share of customers contacted",
        (
            Column("Customers contacted, highest risk first", "share", "x"),
            Column("Profit per customer, model", "money", "y"),
            Column("Best single rule", "money", "y"),
        ),
        rows,
        _profit_caption(data, rows),
    )


def _profit_caption(data: ReportData, rows: tuple[tuple[float, ...], ...]) -> str:
    """Name the share with the highest profit, or the reason why no share has a profit."""
    best = max(rows, key=lambda row: row[1])
    source = f"{data.effect_source[:1].upper()}{data.effect_source[1:]}, as in the plan."
    if best[1] > 0.0:
        return (
            f"{source} Contacting {format_percent(best[0], 1)} of customers in order of risk has "
            f"the highest profit: {data.money(best[1])} per customer of the base. {_rule_profit(data, rows)}"
        )
    text = (
        f"{source} Contacting customers in order of risk does not pay at any share: the actions "
        "cost more than the churn that they prevent."
    )
    if data.scored is None:
        return text
    treated = sum(action.customers for action in data.scored.actions)
    plan = f"{treated:,} of {data.scored.customers:,} customers" if treated else "no customer"
    return f"{text} The plan selects customers by expected gain and acts on {plan}."


def _rule_profit(data: ReportData, rows: tuple[tuple[float, ...], ...]) -> str:
    best = max(row[2] for row in rows)
    if best > 0.0:
        return f"Best profit with the rule: {data.money(best)}."
    return "The rule has no profit at any share."


def drivers(data: ReportData) -> Section:
    """Build what the predictions depend on, and what is associated with churn."""
    blocks: list[Block] = []
    lead = ""
    if data.scored is not None and data.scored.drivers.drivers:
        ranked = data.scored.drivers
        lead = (
            f"Strongest drivers: {', '.join(d.title for d in ranked.drivers[:3])}. {ranked.caution}"
        )
        blocks.append(_importance(ranked))
        shown = [driver for driver in ranked.drivers[:_DETAILED] if driver.steps]
        blocks += [_dependence(data, driver) for driver in shown]
        if any(top for _, top in ranked.segments):
            blocks.append(_by_segment(ranked))
    if data.effects:
        blocks.append(Text(tuple(map(_effect_sentence, data.effects))))
    if data.topics:
        blocks.append(_topics(data.topics))
    if data.uses:
        blocks.append(_usage(data.uses))
    if not blocks:
        need = (
            "Provide a model and its customers, or subscriptions with support tickets or product "
            "events (--table tickets=FILE, --table events=FILE)."
        )
        blocks.append(Missing(need))
    return Section("drivers", "Churn drivers", tuple(blocks), lead)


def _effect_sentence(effect: MeasuredEffect) -> str:
    source = "Experiment" if effect.randomized else "Comparison, not randomized"
    change = format_estimate(100 * effect.value, 100 * effect.low, 100 * effect.high, "+.1f")
    return f"{source}: {effect.action} changes the churn rate by {change} points; {effect.verdict}."


def _importance(ranked: Drivers) -> Chart:
    return Chart(
        "drivers",
        "Top churn drivers",
        (
            Column("Driver", role="x"),
            Column("Share of importance", "share", "y"),
            Column("Highest risk at"),
        ),
        tuple(
            (driver.title, driver.share, driver.highest.says if driver.highest else "")
            for driver in ranked.drivers[:_MOST_DRIVERS]
        ),
        f"{ranked.formula[:1].upper()}{ranked.formula[1:]}.",
        chart_type="bars",
    )


def _dependence(data: ReportData, driver: Driver) -> Chart:
    has_outcome = any(step.observed is not None for step in driver.steps)
    low, high = driver.lowest, driver.highest
    caption = ""
    if low is not None and high is not None and low is not high:
        caption = (
            f"Predicted churn ranges from {format_percent(low.everyone, 1)} "
            f"({_within_sentence(low.says, driver.title)}) to {format_percent(high.everyone, 1)} "
            f"({_within_sentence(high.says, driver.title)}), all other features unchanged."
        )
    columns = [
        Column("Value", role="x"),
        Column(f"Predicted churn if all customers had it{data.horizons.next_days}", "share", "y"),
        Column("Customers", "customers"),
        Column("Mean predicted churn", "share"),
    ]
    return Chart(
        f"driver_{driver.column}",
        f"Predicted churn by: {driver.title}",
        (*columns, Column("Observed churn", "share")) if has_outcome else tuple(columns),
        tuple(
            (_value_label(step.says, driver.title), step.everyone, step.customers, step.predicted)
            + ((step.observed,) if has_outcome else ())
            for step in driver.steps
        ),
        caption,
        chart_type="bars",
    )


def _value_label(sentence: str, title: str) -> str:
    """Drop the driver's title, which the heading names already."""
    value = sentence.removeprefix(f"{title}: ")
    return value[:1].upper() + value[1:]


def _within_sentence(sentence: str, title: str) -> str:
    """Lower a value's first letter, except in abbreviations."""
    value = _value_label(sentence, title)
    return value if value[:2].isupper() else value[:1].lower() + value[1:]


def _by_segment(ranked: Drivers) -> Table:
    rows = []
    for name, top in ranked.segments:
        if top:
            cells = [f"{title} ({format_percent(share, 1)})" for title, share in top]
            rows.append((name, *cells, *([None] * (3 - len(cells)))))
    return Table(
        "drivers_by_segment",
        "Top drivers by segment",
        (Column("Segment"), Column("First"), Column("Second"), Column("Third")),
        tuple(rows),
        "The three strongest drivers in each segment, with their share of importance.",
    )


def _topics(ratios: tuple[RiskRatio, ...]) -> Chart:
    return ratio_chart(
        "topics",
        "Relative churn rate by support ticket topic",
        ratios,
        _ratio_caption(f"Customers with a ticket on {ratios[0].name}", ratios[0]),
        of="Topic",
    )


def _usage(ratios: tuple[RiskRatio, ...]) -> Chart:
    return ratio_chart(
        "uses",
        "Relative churn rate by product usage",
        ratios,
        _ratio_caption(f"Customers who used {ratios[0].name}", ratios[0]),
        of="Usage",
    )


def _ratio_caption(group: str, first: RiskRatio) -> str:
    formula = f"{first.formula[:1].upper()}{first.formula[1:]}"
    return f"{describe_highest(group, first)} {formula}."


def health(data: ReportData) -> Section:
    """Build the distribution of health scores and their components."""
    title = "Customer health"
    scored = data.scored
    if scored is None:
        return Section("health", title, (Missing("Provide a model and its customers."),))
    scores = scored.health
    blocks: list[Block] = [
        Chart(
            "health",
            "Customers by health score",
            (
                Column("Score", role="x"),
                Column("Customers", "customers", "y"),
                Column("Share", "share"),
                Column(data.horizons.value_label, "money"),
            ),
            tuple(
                (f"{band.name} ({band.low} to {band.high})", band.customers, band.share, band.value)
                for band in scores.bands
            ),
            f"Score: {scores.formula}.",
            chart_type="bars",
        )
    ]
    if scores.components:
        blocks.append(
            Table(
                "health_components",
                "Health score components",
                (
                    Column("Component"),
                    Column("Mean effect where it lowers the score", "points"),
                    Column("Mean effect where it raises the score", "points"),
                ),
                scores.components,
                "Difference between the score and the score without the component's contribution.",
            )
        )
    weak = sum(band.customers for band in scores.bands if band.name in {"Critical", "Weak"})
    lead = f"The mean score is {scores.mean:.0f} of 100; {weak:,} customers score below 70."
    return Section("health", title, tuple(blocks), lead)
