"""Sections: revenue, cohorts and survival."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_percent
from churnkit.core.translation import _, capitalize_first, mark_text, month_name, ngettext
from churnkit.insights.figure import Figure
from churnkit.insights.metrics.calendar import add_months, month_title
from churnkit.report.blocks import (
    Chart,
    Column,
    Figures,
    Missing,
    Section,
    Table,
    Text,
    interval_columns,
)
from churnkit.report.sections.churn_reasons import reason_blocks

if TYPE_CHECKING:
    from churnkit.insights.metrics.cohorts import Cohorts
    from churnkit.insights.metrics.retention import RetentionMetrics
    from churnkit.insights.metrics.revenue.mrr_movements import Movement
    from churnkit.insights.metrics.revenue.orders import Purchases
    from churnkit.models.value.revenue_forecast import RevenueForecast
    from churnkit.report.blocks import Block
    from churnkit.report.gather import ReportData

__all__ = ["cohorts", "pick_figures", "revenue", "short_month", "survival"]

_MOST_MONTHS = 13
_LONGEST_SURVIVAL = 37
_SHOWN = (
    "mrr", "customers", "arpa", "logo_churn_month", "nrr_month", "grr_month", "gross_churn_month",
    "net_churn_month", "quick_ratio_month", "nrr_year", "grr_year", "logo_churn_year", "simple_ltv",
    "mrr_ahead",
)  # fmt: skip
_MONTHLY = "money a month"
# Sentences by the sign of the change.
_TRENDS = {
    1: mark_text(
        "Monthly customer churn over the last three months is {now}, up from {then} in the three "
        "months before."
    ),
    0: mark_text(
        "Monthly customer churn over the last three months is {now}, little changed from {then} in "
        "the three months before."
    ),
    -1: mark_text(
        "Monthly customer churn over the last three months is {now}, down from {then} in the "
        "three months before."
    ),
}


def pick_figures(retention: RetentionMetrics, *names: str) -> tuple[Figure, ...]:
    """Return the figures of these names that exist, in this order."""
    by_name = {figure.name: figure for figure in retention.all_figures}
    return tuple(by_name[name] for name in names if name in by_name)


def short_month(month: str) -> str:
    """Abbreviate a month.

    Examples
    --------
    >>> short_month("2025-03")
    'Mar 25'
    """
    year, number = month.split("-")
    return f"{month_name(int(number), is_short=True)} {year[2:]}"


def revenue(data: ReportData) -> Section:
    """Build revenue movements, churn rates and orders."""
    retention = data.retention
    blocks: list[Block] = []
    lead = ""
    if retention is not None and retention.movements is not None:
        months = retention.movements.months
        lead = _revenue_lead(retention)
        blocks.append(Figures((*pick_figures(retention, *_SHOWN), *_model_value(data))))
        blocks += [_movements(data, months[-_MOST_MONTHS:]), _churn_rates(months)]
        if retention.forecast is not None:
            blocks.append(_forecast(data, retention.forecast, months[-_MOST_MONTHS:]))
    if retention is not None and retention.purchases is not None:
        blocks += _orders(data, retention.purchases, extra=retention.movements is not None)
    if not blocks:
        need = _(
            "Provide subscriptions (--table subscriptions=FILE: customer, started, ended, "
            "monthly revenue) or orders (--table orders=FILE: customer, date, amount)."
        )
        return Section("revenue", _("Revenue"), (Missing(need),))
    blocks.append(Text(data.settings.describe()))
    return Section("revenue", _("Revenue"), tuple(blocks), lead)


def _revenue_lead(retention: RetentionMetrics) -> str:
    figures = pick_figures(retention, "nrr_year", "nrr_month")
    if not figures or figures[0].value is None:
        return ""
    kept = figures[0].value
    span = _("12 months") if figures[0].name == "nrr_year" else _("one month")
    growth = (
        _("{kept} has to be replaced by new customers", kept=format_percent(1 - kept, 1))
        if kept < 1
        else _("expansion of existing customers outweighs churn")
    )
    return _(
        "Net revenue retention over {span} is {kept}: {growth}.",
        span=span,
        kept=format_percent(kept, 1),
        growth=growth,
    )


def _model_value(data: ReportData) -> tuple[Figure, ...]:
    if data.scored is None or data.scored.remaining_value is None:
        return ()
    return (
        Figure(
            "model_ltv",
            _("Expected revenue per customer, next 24 months"),
            data.scored.remaining_value,
            "money",
            _(
                "mean over customers of value x expected months as a customer (at most 24) at the "
                "predicted churn probability; before margin"
            ),
        ),
    )


def _movements(data: ReportData, months: tuple[Movement, ...]) -> Chart:
    rows = tuple(
        (
            _month_label(month),
            month.new_mrr,
            month.reactivation_mrr,
            month.expansion_mrr,
            -month.contraction_mrr,
            -month.churn_mrr,
            month.closing_mrr,
        )
        for month in months
    )
    last = next((month for month in reversed(months) if month.complete), months[-1])
    gained = last.new_mrr + last.reactivation_mrr + last.expansion_mrr
    lost = last.contraction_mrr + last.churn_mrr
    return Chart(
        "movements",
        _("Net revenue change by month"),
        (
            Column(_("Month"), role="x"),
            Column(_("New"), _MONTHLY, "y"),
            Column(_("Reactivation"), _MONTHLY, "y"),
            Column(_("Expansion"), _MONTHLY, "y"),
            Column(_("Contraction"), _MONTHLY, "y"),
            Column(_("Churn"), _MONTHLY, "y", "churn"),
            Column(_("Monthly revenue at month end"), _MONTHLY),
        ),
        rows,
        _(
            "{name}: {gained} gained, {lost} lost. The movements add up to the change in monthly "
            "revenue.{partial_note}",
            name=month_title(last.name),
            gained=data.money(gained),
            lost=data.money(lost),
            partial_note=_partial_note(months),
        ),
        chart_type="stack",
    )


def _churn_rates(months: tuple[Movement, ...]) -> Chart:
    rows = tuple(
        (
            short_month(month.name),
            month.left_customers / month.opening_customers,
            (month.contraction_mrr + month.churn_mrr) / month.opening_mrr,
        )
        for month in months
        if month.complete and month.opening_customers and month.opening_mrr
    )
    recent, before = [row[1] for row in rows[-3:]], [row[1] for row in rows[-6:-3]]
    caption = ""
    if len(before) == 3:
        now, then = sum(recent) / 3, sum(before) / 3
        caption = _(
            _TRENDS[(now > then * 1.05) - (now < then * 0.95)],
            now=format_percent(now, 1),
            then=format_percent(then, 1),
        )
    columns = (
        Column(_("Month"), role="x"),
        Column(_("Customer churn"), "share", "y", "churn"),
        Column(_("Gross revenue churn"), "share", "y"),
    )
    return Chart("churn_by_month", _("Churn rate by month"), columns, rows, caption)


def _forecast(data: ReportData, forecast: RevenueForecast, months: tuple[Movement, ...]) -> Chart:
    past = tuple((_month_label(month), month.closing_mrr, None, None, None) for month in months)
    today = months[-1].closing_mrr
    label, last = past[-1][:2]
    begin = dt.datetime.fromisoformat(f"{months[-1].name}-01")
    ahead = tuple(
        (short_month(f"{add_months(begin, number):%Y-%m}"), None, *numbers)
        for number, numbers in enumerate(
            zip(forecast.closing, forecast.low, forecast.high, strict=True), start=1
        )
    )
    lost, gained = forecast.churn + forecast.contraction, forecast.expansion
    return Chart(
        "revenue_forecast",
        _("Monthly revenue, and forecast for today's customers"),
        (
            Column(_("Month"), role="x"),
            Column(_("Monthly revenue"), _MONTHLY, "y"),
            Column(_("Forecast, today's customers"), _MONTHLY, "y"),
            *interval_columns(_MONTHLY),
        ),
        (*past[:-1], (label, last, today, today, today), *ahead),
        _(
            "In {months} months: {closing} a month ({level:.0%} interval {low} to {high}) "
            "without new customers, {lost} lost and {gained} gained.",
            months=len(forecast.closing),
            closing=data.money(forecast.closing[-1]),
            level=forecast.level,
            low=data.money(forecast.low[-1]),
            high=data.money(forecast.high[-1]),
            lost=data.money(float(lost.sum())),
            gained=data.money(float(gained.sum())),
        ),
    )


def _orders(data: ReportData, purchases: Purchases, *, extra: bool) -> list[Block]:
    blocks: list[Block] = [
        Figures(purchases.figures),
        Chart(
            "orders_by_month",
            _("One-time revenue by month") if extra else _("Order revenue by month"),
            (
                Column(_("Month"), role="x"),
                Column(_("Revenue"), "money", "y"),
                Column(_("Orders"), "customers"),
                Column(_("Customers with an order"), "customers"),
            ),
            tuple(
                (_month_label(month), month.revenue, month.orders, month.customers)
                for month in purchases.months
            ),
            _("Net of refunds.{partial_note}", partial_note=_partial_note(purchases.months)),
        ),
    ]
    if data.buyers:
        blocks.append(_buyers(data))
    return blocks


def _month_label(month: Any) -> str:
    return short_month(month.name) + ("" if month.complete else "*")


def _partial_note(months: tuple[Any, ...]) -> str:
    return "" if all(month.complete for month in months) else _(" * Month not complete.")


def _buyers(data: ReportData) -> Table:
    days = data.settings.horizon_days
    return Table(
        "buyers",
        _("Buyers by recency, frequency and spend"),
        (
            Column(_("Segment")),
            Column(_("Customers"), "customers"),
            Column(_("Spend"), "money"),
            Column(ngettext("No order in {count} day", "No order in {count} days", days), "share"),
            Column(_("Suggestion")),
        ),
        tuple(
            (_(buyers.name), buyers.customers, buyers.spent, buyers.silent, _(buyers.advice))
            for buyers in data.buyers
            if buyers.customers >= 5
        ),
        ngettext(
            "RFM quintiles as of {count} day ago, and the share without an order since.",
            "RFM quintiles as of {count} days ago, and the share without an order since.",
            days,
        ),
    )


def cohorts(data: ReportData) -> Section:
    """Build retention tables by cohort."""
    retention = data.retention
    blocks: list[Block] = []
    if retention is not None:
        for name, table in (
            ("cohorts", retention.cohorts),
            ("order_cohorts", retention.order_cohorts),
        ):
            if not blocks and table is not None and table.rows:
                blocks += [
                    _cohort_table(table, name, money=False),
                    _cohort_table(table, f"{name}_revenue", money=True),
                ]
    if not blocks:
        blocks.append(
            Missing(_("Provide subscriptions or orders (--table subscriptions=FILE, orders=FILE)."))
        )
    return Section("cohorts", _("Cohorts"), tuple(blocks), _cohort_lead(retention))


def _cohort_lead(retention: RetentionMetrics | None) -> str:
    """Compare three-month retention of the newest three cohorts with earlier ones."""
    table = None if retention is None else (retention.cohorts or retention.order_cohorts)
    shares = [row.retention() for row in (table.rows if table is not None else ())]
    after = [share[3] for share in shares if len(share) > 3 and share[3] is not None]
    if len(after) < 6:
        return ""
    now, before = sum(after[-3:]) / 3, sum(after[:-3]) / len(after[:-3])
    return _(
        "Retention after three months is {now} in the newest three cohorts, and {before} in "
        "the {after} before them.",
        now=format_percent(now, 1),
        before=format_percent(before, 1),
        after=len(after) - 3,
    )


def _cohort_table(table: Cohorts, name: str, *, money: bool) -> Table:
    rows = table.rows[-_MOST_MONTHS:]
    shares = [row.revenue_retention() if money else row.retention() for row in rows]
    width = min(max(sum(cell is not None for cell in share) for share in shares), _MOST_MONTHS)
    cells = tuple(
        (short_month(row.name), row.size, *share[:width], *([None] * max(width - len(share), 0)))
        for row, share in zip(rows, shares, strict=True)
    )
    size, *retained = replace(table, rows=rows).total
    total = retained[money][:width]
    cells += ((_("All"), size, *total, *([None] * (width - len(total)))),)
    subscribers = name.startswith("cohorts")
    return Table(
        name,
        _("Revenue retention by cohort") if money else _("Customer retention by cohort"),
        (
            Column(_("Joined") if subscribers else _("First order")),
            Column(_("Customers"), "customers"),
            *(Column(str(since), "percent") for since in range(width)),
        ),
        cells,
        _(
            "{formula}. Columns: months since the {beginning}. Empty cells: month not complete. "
            "All: cohorts that completed the month.",
            formula=capitalize_first(table.revenue_formula if money else table.formula),
            beginning=_("start") if subscribers else _("first order"),
        ),
        heat=tuple(range(2, 2 + width)),
    )


def survival(data: ReportData) -> Section:
    """Build survival curves and the time to churn."""
    title = _("Survival")
    metrics = data.retention.survival if data.retention is not None else None
    if metrics is None:
        return Section(
            "survival", title, (Missing(_("Provide subscriptions (--table subscriptions=FILE).")),)
        )
    months = metrics.months[:_LONGEST_SURVIVAL]
    curve = metrics.curves[""]
    year = curve["survival"][12] if len(curve["survival"]) > 12 else None
    lead = (
        ""
        if year is None
        else _("{year} of customers stay for a year or more.", year=format_percent(year, 1))
    )
    blocks: list[Block] = [
        Figures(metrics.figures),
        Chart(
            "survival",
            _("Customers remaining by months since joining"),
            (
                Column(_("Months since joining"), "months", "x"),
                Column(_("Customers remaining"), "share", "y"),
                *interval_columns("share"),
            ),
            tuple((m, *(curve[part][m] for part in ("survival", "low", "high"))) for m in months),
            _("Kaplan-Meier estimate with its 95% interval."),
        ),
    ]
    plans = {name: curve["survival"] for name, curve in metrics.curves.items() if name}
    if len(plans) > 1:
        blocks.append(
            Chart(
                "survival_by_plan",
                _("Customers remaining by plan"),
                (
                    Column(_("Months since joining"), "months", "x"),
                    *(Column(name, "share", "y") for name in plans),
                ),
                tuple((m, *(shares[m] for shares in plans.values())) for m in months),
                _compare_plans(plans),
            )
        )
    blocks += reason_blocks(data.reasons)
    return Section("survival", title, tuple(blocks), lead)


def _compare_plans(plans: dict[str, Any]) -> str:
    after = {name: s[12] for name, s in plans.items() if len(s) > 12 and s[12] is not None}
    if len(after) < 2:
        return ""
    best, worst = max(after, key=after.__getitem__), min(after, key=after.__getitem__)
    return _(
        "After a year {highest} of {best} customers and {lowest} of {worst} customers remain.",
        highest=format_percent(after[best], 1),
        best=best,
        lowest=format_percent(after[worst], 1),
        worst=worst,
    )
