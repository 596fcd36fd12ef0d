"""Sections: model performance, churn drivers and customer health."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_interval, format_percent
from churnkit.core.translation import _, capitalize_first, lower_first, mark_text, ngettext
from churnkit.report.blocks import Chart, Column, Missing, Section, Table, Text, interval_columns
from churnkit.report.card_texts import localize_card_text, localize_cluster_name
from churnkit.report.sections.customers import describe_highest, ratio_chart
from churnkit.report.sections.model_summary import found_customers, group_table, limit_sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from churnkit.insights.drivers import Driver, Drivers
    from churnkit.insights.metrics.risk_ratio import RiskRatio
    from churnkit.report.blocks import Block
    from churnkit.report.gather import ReportData

__all__ = ["drivers", "health", "model"]

_MOST_DRIVERS = 10
_DETAILED = 4
_METRICS = {
    "auc": mark_text("AUC"),
    "average_precision": mark_text("Average precision"),
    "top_decile_lift": mark_text("Lift in the top decile"),
    "log_loss": mark_text("Log loss (lower is better)"),
    "calibration_error": mark_text("Calibration error (lower is better)"),
}


def model(data: ReportData) -> Section:
    """Build the model's performance on held-out customers."""
    title = _("Model performance")
    if data.model is None:
        need = _("Train a model with churnkit train, or name one with --model.")
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
            _(title),
            metrics[name]["value"],
            format_interval(metrics[name]["low"], metrics[name]["high"], "score"),
            rule[name]["value"] if name in rule else None,
        )
        for name, title in _METRICS.items()
        if name in metrics
    )
    lead = _(
        "AUC {value:.3f} on {rows:,} held-out customers",
        value=metrics["auc"]["value"],
        rows=evaluation["rows"],
    )
    if "auc" in rule:
        lead += _("; the best single rule has {value:.3f}", value=rule["auc"]["value"])
    note = (
        _(" Rule: {rule}.", rule=localize_card_text(str(card["rule"])).rstrip("."))
        if card.get("rule")
        else ""
    )
    return f"{lead}.", Table(
        "metrics",
        _("Model compared with the best single rule"),
        (
            Column(_("Metric")),
            Column(_("Model"), "score"),
            Column(_("95% interval")),
            Column(_("Best single rule"), "score"),
        ),
        rows,
        _(
            "{rows:,} held-out customers, of whom {churners:,} churned. AUC: probability that a "
            "churned customer is ranked above one who stayed.{note}",
            rows=evaluation["rows"],
            churners=evaluation["churners"],
            note=note,
        ),
    )


def _calibration(data: ReportData, curve: Mapping[str, Any]) -> Chart:
    names = ("predicted_probability", "churn_rate", "low", "high", "customers")
    rows = tuple(zip(*(curve[name] for name in names), strict=True))
    inside = sum(1 for row in rows if row[2] <= row[0] <= row[3])
    return Chart(
        "calibration",
        _("Calibration: predicted and observed churn"),
        (
            Column(
                _("Predicted churn{next_days}", next_days=data.horizons.next_days), "share", "x"
            ),
            Column(_("Observed churn rate"), "share", "y"),
            *interval_columns("share"),
            Column(_("Customers"), "customers"),
        ),
        rows,
        _(
            "In {inside} of {rows} groups of equal size the prediction lies within the 95% "
            "interval of the observed churn rate.",
            inside=inside,
            rows=len(rows),
        ),
        chart_type="points",
        diagonal=True,
    )


def _cumulative_gains(lift: Mapping[str, Any]) -> Chart:
    rows = [(0.0, 0.0, 0.0)]
    rows += zip(lift["share_of_customers"], lift["model"], lift["rule"], strict=True)
    share, by_model, by_rule = min(rows, key=lambda row: abs(row[0] - 0.2))
    return Chart(
        "lift",
        _("Churned customers reached by share of customers contacted"),
        (
            Column(_("Customers contacted, highest risk first"), "share", "x"),
            Column(_("Churned customers reached, model"), "share", "y"),
            Column(_("Best single rule"), "share", "y"),
        ),
        tuple(rows),
        _(
            "Contacting the {share} of customers at highest risk reaches {by_model} of the "
            "churned customers with the model and {by_rule} with the rule. Dashed: random order.",
            share=format_percent(share, 1),
            by_model=format_percent(by_model, 1),
            by_rule=format_percent(by_rule, 1),
        ),
        diagonal=True,
    )


def _profit(data: ReportData, profit: Mapping[str, Any]) -> Chart:
    rows = tuple(zip(*(profit[n] for n in ("share_of_customers", "model", "rule")), strict=True))
    span = data.horizons.over_gain
    return Chart(
        "profit",
        _("Profit{span} by share of customers contacted", span=span),
        (
            Column(_("Customers contacted, highest risk first"), "share", "x"),
            Column(_("Profit per customer, model"), "money", "y"),
            Column(_("Best single rule"), "money", "y"),
        ),
        rows,
        _profit_caption(data, rows),
    )


def _profit_caption(data: ReportData, rows: tuple[tuple[float, ...], ...]) -> str:
    """Name the share with the highest profit, or the reason why no share has a profit."""
    best = max(rows, key=lambda row: row[1])
    source = _(
        "{effect_source}, as in the plan.", effect_source=capitalize_first(data.effect_source)
    )
    if best[1] > 0.0:
        return _(
            "{source} Contacting {share} of customers in order of risk has the highest profit: "
            "{profit} per customer of the base. {rule_profit}",
            source=source,
            share=format_percent(best[0], 1),
            profit=data.money(best[1]),
            rule_profit=_rule_profit(data, rows),
        )
    text = _(
        "{source} Contacting customers in order of risk does not pay at any share: the "
        "actions cost more than the churn that they prevent.",
        source=source,
    )
    if data.scored is None:
        return text
    treated = sum(action.customers for action in data.scored.actions)
    plan = (
        _(
            "{treated:,} of {customers:,} customers",
            treated=treated,
            customers=data.scored.customers,
        )
        if treated
        else _("no customer")
    )
    return _(
        "{text} The plan selects customers by expected gain and acts on {plan}.",
        text=text,
        plan=plan,
    )


def _rule_profit(data: ReportData, rows: tuple[tuple[float, ...], ...]) -> str:
    best = max(row[2] for row in rows)
    if best > 0.0:
        return _("Best profit with the rule: {best}.", best=data.money(best))
    return _("The rule has no profit at any share.")


def drivers(data: ReportData) -> Section:
    """Build what the predictions depend on, and what is associated with churn."""
    blocks: list[Block] = []
    lead = ""
    if data.scored is not None and data.scored.drivers.drivers:
        ranked = data.scored.drivers
        lead = _(
            "Strongest drivers: {drivers}. {caution}",
            drivers=", ".join(d.title for d in ranked.drivers[:3]),
            caution=_(ranked.caution),
        )
        blocks.append(_importance(ranked))
        shown = [driver for driver in ranked.drivers[:_DETAILED] if driver.steps]
        blocks += [_dependence(data, driver) for driver in shown]
        if any(top for _, top in ranked.segments):
            blocks.append(_by_segment(ranked))
    if data.topics:
        blocks.append(_topics(data.topics))
    if data.uses:
        blocks.append(_usage(data.uses))
    if not blocks:
        need = _(
            "Provide a model and its customers, or subscriptions with support tickets or product "
            "events (--table tickets=FILE, --table events=FILE)."
        )
        blocks.append(Missing(need))
    return Section("drivers", _("Churn drivers"), tuple(blocks), lead)


def _importance(ranked: Drivers) -> Chart:
    return Chart(
        "drivers",
        _("Top churn drivers"),
        (
            Column(_("Driver"), role="x"),
            Column(_("Share of importance"), "share", "y"),
            Column(_("Highest risk at")),
        ),
        tuple(
            (driver.title, driver.share, driver.highest.says if driver.highest else "")
            for driver in ranked.drivers[:_MOST_DRIVERS]
        ),
        f"{capitalize_first(ranked.formula)}.",
        chart_type="bars",
    )


def _dependence(data: ReportData, driver: Driver) -> Chart:
    has_outcome = any(step.observed is not None for step in driver.steps)
    low, high = driver.lowest, driver.highest
    caption = ""
    if low is not None and high is not None and low is not high:
        caption = _(
            "Predicted churn ranges from {lowest} ({low}) to {highest} ({high}), all other features unchanged.",
            lowest=format_percent(low.everyone, 1),
            low=_within_sentence(low.says, driver.title),
            highest=format_percent(high.everyone, 1),
            high=_within_sentence(high.says, driver.title),
        )
    columns = [
        Column(_("Value"), role="x"),
        Column(
            _(
                "Predicted churn if all customers had it{next_days}",
                next_days=data.horizons.next_days,
            ),
            "share",
            "y",
        ),
        Column(_("Customers"), "customers"),
        Column(_("Mean predicted churn"), "share"),
    ]
    return Chart(
        f"driver_{driver.column}",
        _("Predicted churn by: {title}", title=driver.title),
        (*columns, Column(_("Observed churn"), "share")) if has_outcome else tuple(columns),
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
    return capitalize_first(value)


def _within_sentence(sentence: str, title: str) -> str:
    """Lower a value's first letter, except in abbreviations and languages that capitalize nouns."""
    return lower_first(sentence.removeprefix(f"{title}: "))


def _by_segment(ranked: Drivers) -> Table:
    rows = []
    for name, top in ranked.segments:
        if top:
            cells = [f"{title} ({format_percent(share, 1)})" for title, share in top]
            rows.append((localize_cluster_name(name), *cells, *([None] * (3 - len(cells)))))
    return Table(
        "drivers_by_segment",
        _("Top drivers by segment"),
        (Column(_("Segment")), Column(_("First")), Column(_("Second")), Column(_("Third"))),
        tuple(rows),
        _("The three strongest drivers in each segment, with their share of importance."),
    )


def _topics(ratios: tuple[RiskRatio, ...]) -> Chart:
    return ratio_chart(
        "topics",
        _("Relative churn rate by support ticket topic"),
        ratios,
        _ratio_caption(lambda name: _("Customers with a ticket on {name}", name=name), ratios),
        of=_("Topic"),
    )


def _usage(ratios: tuple[RiskRatio, ...]) -> Chart:
    return ratio_chart(
        "uses",
        _("Relative churn rate by product usage"),
        ratios,
        _ratio_caption(lambda name: _("Customers who used {name}", name=name), ratios),
        of=_("Usage"),
    )


def _ratio_caption(group: Callable[[str], str], ratios: tuple[RiskRatio, ...]) -> str:
    return f"{describe_highest(group, ratios)} {capitalize_first(ratios[0].formula)}."


def health(data: ReportData) -> Section:
    """Build the distribution of health scores and their components."""
    title = _("Customer health")
    scored = data.scored
    if scored is None:
        return Section("health", title, (Missing(_("Provide a model and its customers.")),))
    scores = scored.health
    blocks: list[Block] = [
        Chart(
            "health",
            _("Customers by health score"),
            (
                Column(_("Score"), role="x"),
                Column(_("Customers"), "customers", "y"),
                Column(_("Share"), "share"),
                Column(data.horizons.value_label, "money"),
            ),
            tuple(
                (
                    _("{name} ({low} to {high})", name=_(band.name), low=band.low, high=band.high),
                    band.customers,
                    band.share,
                    band.value,
                )
                for band in scores.bands
            ),
            _("Score: {formula}.", formula=scores.formula),
            chart_type="bars",
        )
    ]
    if scores.components:
        blocks.append(
            Table(
                "health_components",
                _("Health score components"),
                (
                    Column(_("Component")),
                    Column(_("Mean effect where it lowers the score"), "points"),
                    Column(_("Mean effect where it raises the score"), "points"),
                ),
                tuple((_(name), *points) for name, *points in scores.components),
                _(
                    "Difference between the score and the score without the component's contribution."
                ),
            )
        )
    weak = sum(band.customers for band in scores.bands if band.name in {"Critical", "Weak"})
    lead = ngettext(
        "The mean score is {mean:.0f} of 100; {count:,} customer scores below 70.",
        "The mean score is {mean:.0f} of 100; {count:,} customers score below 70.",
        weak,
        mean=scores.mean,
    )
    return Section("health", title, tuple(blocks), lead)
