"""The model, and what moves its predictions, as sections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_quantity
from churnkit.report.blocks import Chart, Column, Missing, Section, Table, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.insights.drivers import Driver
    from churnkit.insights.metrics.treatment_effects import MeasuredEffect
    from churnkit.report.blocks import Block
    from churnkit.report.gather import Findings

__all__ = ["drivers", "health", "model"]

_MOST_DRIVERS = 10
_DETAILED = 4


def model(findings: Findings) -> Section:
    """How good the model is, on customers that it never saw."""
    facts = findings.model
    if facts is None:
        return Section(
            "model", "The model", (Missing("Train one with churnkit train, or give --model."),)
        )  # fmt: skip
    card = facts.card
    blocks: list[Block] = []
    evaluation = card.get("evaluation")
    lead = ""
    if evaluation:
        lead, table = _metrics(card, evaluation)
        blocks.append(table)
    for make in (_calibration, _lift, _profit):
        chart = make(card, findings.currency)
        if chart is not None:
            blocks.append(chart)
    if card.get("limits"):
        blocks.append(Text(tuple(str(limit) for limit in card["limits"])))
    return Section("model", "The model", tuple(blocks), lead)


_METRICS = ("auc", "average_precision", "top_decile_lift", "log_loss", "calibration_error")
_TITLES = {
    "auc": "AUC: a leaver is ranked above a stayer",
    "average_precision": "Average precision",
    "top_decile_lift": "Churn in the riskiest tenth, against all",
    "log_loss": "Log loss (less is better)",
    "calibration_error": "Calibration error (less is better)",
}


def _metrics(card: Mapping[str, Any], evaluation: Mapping[str, Any]) -> tuple[str, Table]:
    metrics, rule = evaluation["metrics"], evaluation.get("baseline") or {}
    rows = tuple(
        (
            _TITLES[name],
            metrics[name]["value"],
            f"{metrics[name]['low']:.3f} to {metrics[name]['high']:.3f}",
            rule[name]["value"] if name in rule else None,
        )
        for name in _METRICS
        if name in metrics
    )
    auc = metrics["auc"]["value"]
    lead = f"On {evaluation['rows']:,} customers that it never saw, the model ranks a leaver above a stayer {100 * auc:.0f} times in 100"
    if "auc" in rule:
        lead += f"; the best single rule, {100 * rule['auc']['value']:.0f} times"
    said = f" The rule: {str(card['rule']).rstrip('.')}." if card.get("rule") else ""
    return f"{lead}.", Table(
        "metrics",
        "Is the model better than a rule of thumb?",
        (
            Column("Measure"),
            Column("Model", "score"),
            Column("95% interval"),
            Column("Best single rule", "score"),
        ),
        rows,
        f"Measured on {evaluation['rows']:,} held-out customers, of whom "
        f"{evaluation['churners']:,} left.{said}",
    )


def _calibration(card: Mapping[str, Any], currency: str) -> Chart | None:
    del currency
    curve = card.get("calibration")
    if not curve or not curve.get("customers"):
        return None
    names = ("predicted_probability", "churn_rate", "low", "high", "customers")
    rows = tuple(zip(*(curve[name] for name in names), strict=True))
    inside = sum(1 for row in rows if row[2] <= row[0] <= row[3])
    return Chart(
        "calibration",
        "Do as many leave as predicted?",
        (
            Column("Predicted probability", "share", "x"),
            Column("Share that left", "share", "y"),
            Column("at least", "share", "low"),
            Column("at most", "share", "high"),
            Column("Customers", "customers"),
        ),
        rows,
        f"In {inside} of {len(rows)} groups of equal size the prediction lies within the 95 % "
        "interval of what came.",
        draws="points",
        diagonal=True,
    )


def _lift(card: Mapping[str, Any], currency: str) -> Chart | None:
    del currency
    lift = card.get("lift")
    if not lift:
        return None
    rows = [(0.0, 0.0, 0.0)]
    rows += zip(lift["share_of_customers"], lift["model"], lift["rule"], strict=True)
    fifth = min(range(len(rows)), key=lambda place: abs(rows[place][0] - 0.2))
    return Chart(
        "lift",
        "How many leavers does contacting the riskiest find?",
        (
            Column("Share of customers contacted", "share", "x"),
            Column("Leavers found, by the model", "share", "y"),
            Column("by the best single rule", "share", "y"),
        ),
        tuple(rows),
        f"Contacting {format_quantity(rows[fifth][0], 'share')} by the model finds "
        f"{format_quantity(rows[fifth][1], 'share')} of the leavers; the rule finds "
        f"{format_quantity(rows[fifth][2], 'share')}, and chance {format_quantity(rows[fifth][0], 'share')} (dashed).",
        diagonal=True,
    )


def _profit(card: Mapping[str, Any], currency: str) -> Chart | None:
    profit = card.get("profit")
    if not profit:
        return None
    rows = tuple(zip(*(profit[n] for n in ("share_of_customers", "model", "rule")), strict=True))
    best = max(rows, key=lambda row: row[1])
    rule = max(row[2] for row in rows)
    return Chart(
        "profit",
        "How many customers is it worth contacting?",
        (
            Column("Share of customers contacted", "share", "x"),
            Column("Profit a customer, by the model", "money", "y"),
            Column("by the best single rule", "money", "y"),
        ),
        rows,
        f"At the assumed effects of the actions, contacting {format_quantity(best[0], 'share')} by the model "
        f"brings most: {format_quantity(best[1], 'money', currency=currency)} for each customer of the "
        f"base; the rule brings {format_quantity(rule, 'money', currency=currency)} at its best.",
    )


def drivers(findings: Findings) -> Section:
    """What goes with leaving."""
    blocks: list[Block] = []
    lead = ""
    if findings.scored is not None and findings.scored.drivers.drivers:
        found = findings.scored.drivers
        lead = (
            f"What moves predictions most: {', '.join(d.title for d in found.drivers[:3])}. "
            f"{found.caution}"
        )
        blocks.append(_importance(found.drivers, found.formula))
        blocks += [_dependence(driver) for driver in found.drivers[:_DETAILED] if driver.steps]
        if any(top for _, top in found.segments):
            blocks.append(_by_segment(findings))
    if findings.effects:
        blocks.append(Text(tuple(_caused(effect) for effect in findings.effects)))
    if findings.topics:
        blocks.append(_ratios(findings, "topics", "Which tickets come before leaving?"))
    if findings.uses:
        blocks.append(
            _ratios(findings, "uses", "Which parts of the product do those who stay use?")
        )
    if not blocks:
        blocks.append(
            Missing(
                "Give a model and its customers (CUSTOMERS.csv), or --table tickets=FILE and "
                "--table events=FILE beside the subscriptions."
            )
        )
    return Section("drivers", "Drivers", tuple(blocks), lead)


def _caused(effect: MeasuredEffect) -> str:
    """Say what an experiment found, beside what is only associated."""
    what = "Measured in an experiment" if effect.randomised else "Compared, not randomised"
    return (
        f"{what}: {effect.action} changes the share that leaves by {100 * effect.value:+.1f} points "
        f"({100 * effect.low:+.1f} to {100 * effect.high:+.1f}); it {effect.verdict}."
        if effect.verdict != "no effect format_quantity"
        else f"{what}: {effect.action} shows no effect on the share that leaves "
        f"({100 * effect.low:+.1f} to {100 * effect.high:+.1f} points)."
    )


def _importance(found: tuple[Driver, ...], formula: str) -> Chart:
    rows = []
    for driver in found[:_MOST_DRIVERS]:
        high = driver.highest.says if driver.highest else ""
        rows.append((driver.title, driver.share, high))
    return Chart(
        "drivers",
        "What goes with leaving most?",
        (
            Column("Driver", role="x"),
            Column("Part in the predictions", "share", "y"),
            Column("Risk is highest with"),
        ),
        tuple(rows),
        f"{formula[:1].upper()}{formula[1:]}.",
        draws="bars",
    )


def _dependence(driver: Driver) -> Chart:
    observed = any(step.observed is not None for step in driver.steps)
    low, high = driver.lowest, driver.highest
    answer = ""
    if low is not None and high is not None and low is not high:
        answer = (
            f"Predicted churn goes from {format_quantity(low.everyone, 'share')} "
            f"({_inside(low.says, driver.title)}) to {format_quantity(high.everyone, 'share')} "
            f"({_inside(high.says, driver.title)}), with everything else as it is."
        )
    columns = [
        Column("Value", role="x"),
        Column("Predicted churn if all had it", "share", "y"),
        Column("Customers", "customers"),
        Column("Mean prediction of those who have it", "share"),
    ]
    if observed:
        columns.append(Column("Really left", "share"))
    return Chart(
        f"driver_{driver.column}",
        f"How does churn go with: {driver.title}?",
        tuple(columns),
        tuple(
            (_value_of(step.says, driver.title), step.everyone, step.customers, step.predicted)
            + ((step.observed,) if observed else ())
            for step in driver.steps
        ),
        answer,
        draws="bars",
    )


def _value_of(says: str, title: str) -> str:
    """Leave the driver's title out where the question has named it."""
    value = says.removeprefix(f"{title}: ")
    return value[:1].upper() + value[1:]


def _inside(says: str, title: str) -> str:
    """Put a value inside a sentence; an abbreviation keeps its capitals."""
    value = _value_of(says, title)
    return value if value[:2].isupper() else value[:1].lower() + value[1:]


def _by_segment(findings: Findings) -> Table:
    assert findings.scored is not None  # noqa: S101  (the caller saw it)
    rows = []
    for name, top in findings.scored.drivers.segments:
        if top:
            said = [f"{title} ({format_quantity(share, 'share')})" for title, share in top]
            rows.append((name, *said, *([None] * (3 - len(said)))))
    return Table(
        "drivers_by_segment",
        "Does each segment leave for reasons of its own?",
        (Column("Segment"), Column("First"), Column("Second"), Column("Third")),
        tuple(rows),
        "The three strongest drivers within each segment, with their part in its predictions.",
    )


def _ratios(findings: Findings, name: str, question: str) -> Chart:
    found = findings.topics if name == "topics" else findings.uses
    first = found[0]
    ratio = first.value or 0.0
    if name == "topics":
        answer = (
            f"Customers with a ticket on {first.name} left {ratio:.1f} times as often as those "
            f"without ({first.low or 0:.1f} to {first.high or 0:.1f})."
        )
    else:
        answer = (
            f"Users of {first.name} left {ratio:.2f} times as often as those who did not use it "
            f"({first.low or 0:.2f} to {first.high or 0:.2f})."
        )
    return Chart(
        name,
        question,
        (
            Column("Topic" if name == "topics" else "Use", role="x"),
            Column("Left so many times as often", "times", "y"),
            Column("at least", "times", "low"),
            Column("at most", "times", "high"),
            Column("Customers", "customers"),
            Column("Share that left", "share"),
            Column("Share of the others", "share"),
        ),
        tuple(
            (one.name, one.value, one.low, one.high, one.customers, one.rate, one.other_rate)
            for one in found
        ),
        f"{answer} {first.formula[:1].upper()}{first.formula[1:]}.",
        draws="bars",
    )


def health(findings: Findings) -> Section:
    """The health of the base."""
    scored = findings.scored
    if scored is None:
        return Section(
            "health", "Health", (Missing("Give a model and its customers (CUSTOMERS.csv)."),)
        )  # fmt: skip
    found = scored.health
    weak = [band for band in found.bands if band.name in {"Critical", "Weak"}]
    count = sum(band.customers for band in weak)
    blocks: list[Block] = [
        Chart(
            "health",
            "How healthy is the customer base?",
            (
                Column("Score", role="x"),
                Column("Customers", "customers", "y"),
                Column("Share", "share"),
                Column("Revenue", "money"),
            ),
            tuple(
                (f"{band.name} ({band.low} to {band.high})", band.customers, band.share, band.value)
                for band in found.bands
            ),
            f"{found.formula[:1].upper()}{found.formula[1:]}.",
            draws="bars",
        )
    ]
    if found.components:
        blocks.append(
            Table(
                "health_components",
                "What pulls scores down, and what holds them up?",
                (
                    Column("Component"),
                    Column("Where it pulls down", "points"),
                    Column("Where it holds up", "points"),
                ),
                found.components,
                "Points: the score less what it would be without this. Means of the customers whose "
                "score it lowers, and of those whose score it raises.",
            )
        )
    lead = f"The mean score is {found.mean:.0f} of 100; {count:,} customers are below 70."
    return Section("health", "Health", tuple(blocks), lead)
