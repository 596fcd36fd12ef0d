"""Sections: revenue, cohorts and survival."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_percent
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
    from churnkit.insights.metrics.mrr_movements import Movement
    from churnkit.insights.metrics.orders import Purchases
    from churnkit.insights.metrics.retention import RetentionMetrics
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
    name, year = month_title(month).split(" ")
    return f"{name[:3]} {year[2:]}"


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
        need = (
            "Provide subscriptions (--table subscriptions=FILE: customer, started, ended, monthly "
            "revenue) or orders (--table orders=FILE: customer, date, amount)."
        )
        return Section("revenue", "Revenue", (Missing(need),))
    blocks.append(Text(data.settings.describe()))
    return Section("revenue", "Revenue", tuple(blocks), lead)


def _revenue_lead(retention: RetentionMetrics) -> str:
    figures = pick_figures(retention, "nrr_year", "nrr_month")
    if not figures or figures[0].value is None:
        return ""
    kept = figures[0].value
    span = "12 months" if figures[0].name == "nrr_year" else "a month"
    growth = (
        f"{format_percent(1 - kept, 1)} has to be replaced by new customers"
        if kept < 1
        else "expansion of existing customers outweighs churn"
    )
    return f"Net revenue retention over {span} is {format_percent(kept, 1)}: {growth}."


def _model_value(data: ReportData) -> tuple[Figure, ...]:
    if data.scored is None or data.scored.remaining_value is None:
        return ()
    return (
        Figure(
            "model_ltv",
            "Expected revenue per customer, next 24 months",
            data.scored.remaining_value,
            "money",
            "mean over customers of value x expected months as a customer (at most 24) at the "
            "predicted churn probability; before margin",
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
        "Net revenue change by month",
        (
            Column("Month", role="x"),
            Column("New", _MONTHLY, "y"),
            Column("Reactivation", _MONTHLY, "y"),
            Column("Expansion", _MONTHLY, "y"),
            Column("Contraction", _MONTHLY, "y"),
            Column("Churn", _MONTHLY, "y", "churn"),
            Column("Monthly revenue at month end", _MONTHLY),
        ),
        rows,
        f"{month_title(last.name)}: {data.money(gained)} gained, {data.money(lost)} lost. The "
        f"movements add up to the change in monthly revenue.{_partial_note(months)}",
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
        trend = (
            "up from" if now > then * 1.05 else "down from" if now < then * 0.95 else "as against"
        )
        caption = (
            f"Monthly customer churn over the last three months is {format_percent(now, 1)}, {trend} "
            f"{format_percent(then, 1)} in the three months before."
        )
    columns = (
        Column("Month", role="x"),
        Column("Customer churn", "share", "y", "churn"),
        Column("Gross revenue churn", "share", "y"),
    )
    return Chart("churn_by_month", "Churn rate by month", columns, rows, caption)


def _forecast(data: ReportData, forecast: RevenueForecast, months: tuple[Movement, ...]) -> Chart:
    past = tuple((_month_label(month), month.closing_mrr, None, None, None) for month in months)
    today = months[-1].closing_mrr
    label, last, *_ = past[-1]
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
        "Monthly revenue, and forecast for today's customers",
        (
            Column("Month", role="x"),
            Column("Monthly revenue", _MONTHLY, "y"),
            Column("Forecast, today's customers", _MONTHLY, "y"),
            *interval_columns(_MONTHLY),
        ),
        (*past[:-1], (label, last, today, today, today), *ahead),
        f"In {len(forecast.closing)} months: {data.money(forecast.closing[-1])} a month "
        f"({forecast.level:.0%} interval {data.money(forecast.low[-1])} to "
        f"{data.money(forecast.high[-1])}) without new customers, "
        f"{data.money(float(lost.sum()))} lost and {data.money(float(gained.sum()))} gained.",
    )


def _orders(data: ReportData, purchases: Purchases, *, extra: bool) -> list[Block]:
    blocks: list[Block] = [
        Figures(purchases.figures),
        Chart(
            "orders_by_month",
            "One-time revenue by month" if extra else "Order revenue by month",
            (
                Column("Month", role="x"),
                Column("Revenue", "money", "y"),
                Column("Orders", "customers"),
                Column("Customers with an order", "customers"),
            ),
            tuple(
                (_month_label(month), month.revenue, month.orders, month.customers)
                for month in purchases.months
            ),
            f"Net of refunds.{_partial_note(purchases.months)}",
        ),
    ]
    if data.buyers:
        blocks.append(_buyers(data))
    return blocks


def _month_label(month: Any) -> str:
    return short_month(month.name) + ("" if month.complete else "*")


def _partial_note(months: tuple[Any, ...]) -> str:
    return "" if all(month.complete for month in months) else " * Month not complete."


def _buyers(data: ReportData) -> Table:
    days = data.settings.horizon_days
    return Table(
        "buyers",
        "Buyers by recency, frequency and spend",
        (
            Column("Segment"),
            Column("Customers", "customers"),
            Column("Spend", "money"),
            Column(f"No order in {days} days", "share"),
            Column("Suggestion"),
        ),
        tuple(
            (buyers.name, buyers.customers, buyers.spent, buyers.silent, buyers.advice)
            for buyers in data.buyers
            if buyers.customers >= 5
        ),
        f"RFM quintiles as of {days} days ago, and the share without an order since.",
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
            Missing("Provide subscriptions or orders (--table subscriptions=FILE, orders=FILE).")
        )
    return Section("cohorts", "Cohorts", tuple(blocks), _cohort_lead(retention))


def _cohort_lead(retention: RetentionMetrics | None) -> str:
    """Compare three-month retention of the newest three cohorts with earlier ones."""
    table = None if retention is None else (retention.cohorts or retention.order_cohorts)
    shares = [row.retention() for row in (table.rows if table is not None else ())]
    after = [share[3] for share in shares if len(share) > 3 and share[3] is not None]
    if len(after) < 6:
        return ""
    now, before = sum(after[-3:]) / 3, sum(after[:-3]) / len(after[:-3])
    return (
        f"Retention after three months is {format_percent(now, 1)} in the newest three cohorts, and "
        f"{format_percent(before, 1)} in the {len(after) - 3} before them."
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
    cells += (("All", size, *total, *([None] * (width - len(total)))),)
    subscribers = name.startswith("cohorts")
    return Table(
        name,
        "Revenue retention by cohort" if money else "Customer retention by cohort",
        (
            Column("Joined" if subscribers else "First order"),
            Column("Customers", "customers"),
            *(Column(str(since), "percent") for since in range(width)),
        ),
        cells,
        f"{(table.revenue_formula if money else table.formula).capitalize()}. Columns: months since "
        f"the {'start' if subscribers else 'first order'}. Empty cells: month not complete. All: cohorts that "
        "completed the month.",
        heat=tuple(range(2, 2 + width)),
    )


def survival(data: ReportData) -> Section:
    """Build survival curves and the time to churn."""
    title = "Survival"
    metrics = data.retention.survival if data.retention is not None else None
    if metrics is None:
        return Section(
            "survival", title, (Missing("Provide subscriptions (--table subscriptions=FILE)."),)
        )
    months = metrics.months[:_LONGEST_SURVIVAL]
    curve = metrics.curves[""]
    year = curve["survival"][12] if len(curve["survival"]) > 12 else None
    lead = (
        "" if year is None else f"{format_percent(year, 1)} of customers stay for a year or more."
    )
    blocks: list[Block] = [
        Figures(metrics.figures),
        Chart(
            "survival",
            "Customers remaining by months since joining",
            (
                Column("Months since joining", "months", "x"),
                Column("Customers remaining", "share", "y"),
                *interval_columns("share"),
            ),
            tuple((m, *(curve[part][m] for part in ("survival", "low", "high"))) for m in months),
            "Kaplan-Meier estimate with its 95% interval.",
        ),
    ]
    plans = {name: curve["survival"] for name, curve in metrics.curves.items() if name}
    if len(plans) > 1:
        blocks.append(
            Chart(
                "survival_by_plan",
                "Customers remaining by plan",
                (
                    Column("Months since joining", "months", "x"),
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
    return (
        f"After a year {format_percent(after[best], 1)} of {best} customers and "
        f"{format_percent(after[worst], 1)} of {worst} customers remain."
    )
