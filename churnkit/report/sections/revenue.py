"""Revenue, cohorts and survival, as sections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_quantity
from churnkit.insights.metrics.calendar import in_words
from churnkit.report.blocks import Chart, Column, Figures, Missing, Section, Table, Text

if TYPE_CHECKING:
    from churnkit.insights.figure import Figure
    from churnkit.insights.metrics.cohorts import Cohorts
    from churnkit.insights.metrics.retention import RetentionMetrics
    from churnkit.report.blocks import Block
    from churnkit.report.gather import Findings

__all__ = ["cohorts", "revenue", "survival"]

_MOST_MONTHS = 13
_SHOWN = (
    "mrr", "customers", "arpa", "logo_churn_month", "nrr_month", "grr_month", "gross_churn_month",
    "net_churn_month", "quick_ratio_month", "nrr_year", "grr_year", "logo_churn_year", "simple_ltv",
)  # fmt: skip


def picked(retention: RetentionMetrics, *names: str) -> tuple[Figure, ...]:
    """Return the figures of these names that there are, in this order."""
    known = {figure.name: figure for figure in retention.all_figures}
    return tuple(known[name] for name in names if name in known)


def revenue(findings: Findings) -> Section:
    """How revenue moves, and what is kept of it."""
    retention = findings.retention
    blocks: list[Block] = []
    lead = ""
    if retention is not None and retention.movements is not None:
        lead = _lead(retention)
        blocks.append(Figures((*picked(retention, *_SHOWN), *_model_value(findings))))
        blocks += [_movements(retention), _churn(retention)]
    if retention is not None and retention.purchases is not None:
        blocks += _orders(findings, retention)
    if not blocks:
        blocks.append(
            Missing(
                "Give --table subscriptions=FILE (customer, started, ended, monthly revenue) or "
                "--table orders=FILE (customer, date, amount)."
            )
        )
    else:
        blocks.append(Text(findings.settings.in_words()))
    return Section("revenue", "Revenue", tuple(blocks), lead)


def _lead(retention: RetentionMetrics) -> str:
    known = {figure.name: figure.value for figure in retention.figures}
    kept = known.get("nrr_year", known.get("nrr_month"))
    span = "a year" if "nrr_year" in known else "a month"
    if kept is None:
        return ""
    if kept < 1:
        tail = f"{format_quantity(1 - kept, 'share')} more has to be won to stand still"
    else:
        tail = "growth of existing customers makes up for what leaves"
    return f"Of each 100 in revenue, {100 * kept:.1f} are still there after {span}: {tail}."


def _model_value(findings: Findings) -> tuple[Figure, ...]:
    from churnkit.insights.figure import Figure

    scored = findings.scored
    if scored is None or scored.remaining_value is None:
        return ()
    return (
        Figure(
            "model_ltv",
            "Revenue of the next 24 months, by the model",
            scored.remaining_value,
            "money",
            "mean over customers of value x expected months still there, of 24, at each one's own "
            "probability of churn; before margin",
        ),
    )


def _movements(retention: RetentionMetrics) -> Chart:
    assert retention.movements is not None  # noqa: S101  (the caller saw it)
    months = retention.movements.months[-_MOST_MONTHS:]
    rows = tuple(
        (
            short(month.name) + ("" if month.complete else "*"),
            month.new_mrr,
            month.reactivation_mrr,
            month.expansion_mrr,
            -month.contraction_mrr,
            -month.churn_mrr,
            month.closing_mrr,
        )
        for month in months
    )
    last = next((m for m in reversed(months) if m.complete), months[-1])
    came = last.new_mrr + last.reactivation_mrr + last.expansion_mrr
    gone = last.contraction_mrr + last.churn_mrr
    money = "money a month"
    return Chart(
        "movements",
        "Does more revenue come than goes?",
        (
            Column("Month", role="x"),
            Column("New", money, "y"),
            Column("Came back", money, "y"),
            Column("Expansion", money, "y"),
            Column("Contraction", money, "y"),
            Column("Churn", money, "y"),
            Column("Revenue at the end", money),
        ),
        rows,
        f"In {in_words(last.name)}, {format_quantity(came, 'money', currency='')} came and "
        f"{format_quantity(gone, 'money', currency='')} went. The movements add up to the change of "
        "monthly revenue, to the cent."
        + (" * not over yet." if any(not month.complete for month in months) else ""),
        draws="stack",
    )


def _churn(retention: RetentionMetrics) -> Chart:
    assert retention.movements is not None  # noqa: S101  (the caller saw it)
    rows = []
    for month in retention.movements.months:
        if not month.complete or not month.opening_customers or not month.opening_mrr:
            continue
        lost = (month.contraction_mrr + month.churn_mrr) / month.opening_mrr
        rows.append((short(month.name), month.left_customers / month.opening_customers, lost))
    recent = [row[1] for row in rows[-3:]]
    before = [row[1] for row in rows[-6:-3]]
    answer = ""
    if len(before) == 3:
        now, then = sum(recent) / 3, sum(before) / 3
        word = "up from" if now > then * 1.05 else "down from" if now < then * 0.95 else "like the"
        answer = (
            f"Customers lost a month: {format_quantity(now, 'share')} in the last three months, {word} "
            f"{format_quantity(then, 'share')} of the three before."
        )
    return Chart(
        "churn_by_month",
        "Is churn rising or falling?",
        (
            Column("Month", role="x"),
            Column("Customers lost", "share", "y"),
            Column("Revenue lost (churn and contraction)", "share", "y"),
        ),
        tuple(rows),
        answer,
    )


def _orders(findings: Findings, retention: RetentionMetrics) -> list[Block]:
    assert retention.purchases is not None  # noqa: S101  (the caller saw it)
    rows = tuple(
        (short(month.name) + ("" if month.complete else "*"), month.revenue, month.orders, month.customers)
        for month in retention.purchases.months
    )  # fmt: skip
    own = "orders" if retention.movements is None else "purchases beside the subscription"
    blocks: list[Block] = [
        Figures(retention.purchases.figures),
        Chart(
            "orders_by_month",
            f"How much do {own} bring?",
            (
                Column("Month", role="x"),
                Column("Revenue", "money", "y"),
                Column("Orders", "customers"),
                Column("Customers who ordered", "customers"),
            ),
            rows,
            "Refunds are taken off. * not over yet."
            if any(not month.complete for month in retention.purchases.months)
            else "Refunds are taken off.",
        ),
    ]
    if findings.buyers:
        blocks.append(_buyers(findings))
    return blocks


def _buyers(findings: Findings) -> Table:
    days = findings.settings.horizon_days
    return Table(
        "buyers",
        "Which buyers are worth winning back?",
        (
            Column("Segment"),
            Column("Customers", "customers"),
            Column("Spent", "money"),
            Column(f"Silent for {days} days", "share"),
            Column("What to do"),
        ),
        tuple(
            (one.name, one.customers, one.spent, one.silent, one.advice)
            for one in findings.buyers
            if one.customers >= 5
        ),
        f"By how lately, how often and for how much they had ordered {days} days ago (RFM, in "
        "fifths); silent: no order since.",
    )


def cohorts(findings: Findings) -> Section:
    """Who joined together, and how many are left."""
    retention = findings.retention
    blocks: list[Block] = []
    if retention is not None and retention.cohorts is not None and retention.cohorts.rows:
        blocks += [
            _cohort_table(retention.cohorts, "cohorts", money=False),
            _cohort_table(retention.cohorts, "cohorts_revenue", money=True),
        ]
    if retention is not None and retention.order_cohorts is not None:
        has_more = bool(blocks)
        if retention.order_cohorts.rows and not has_more:
            blocks += [
                _cohort_table(retention.order_cohorts, "order_cohorts", money=False),
                _cohort_table(retention.order_cohorts, "order_cohorts_revenue", money=True),
            ]
    if not blocks:
        blocks.append(Missing("Give --table subscriptions=FILE or --table orders=FILE."))
    return Section("cohorts", "Cohorts", tuple(blocks), _cohort_lead(retention))


def _cohort_lead(retention: RetentionMetrics | None) -> str:
    """Hold the newest cohorts that are three months old against those of a year before."""
    table = None if retention is None else (retention.cohorts or retention.order_cohorts)
    after = [
        share[3]
        for row in (table.rows if table is not None else ())
        for share in (row.retention(),)
        if len(share) > 3 and share[3] is not None
    ]
    if len(after) < 6:
        return ""
    now, before = sum(after[-3:]) / 3, sum(after[:-3]) / len(after[:-3])
    return (
        f"Three months on, {format_quantity(now, 'share')} of the newest three cohorts are there; of the "
        f"{len(after) - 3} before them it was {format_quantity(before, 'share')}."
    )


def _cohort_table(table: Cohorts, name: str, *, money: bool) -> Table:
    rows = table.rows[-_MOST_MONTHS:]
    shares = [row.revenue_retention() if money else row.retention() for row in rows]
    width = min(max(_known(share) for share in shares), _MOST_MONTHS)
    cells: list[tuple[Any, ...]] = []
    for row, share in zip(rows, shares, strict=True):
        values = [*share[:width], *([None] * max(width - len(share), 0))]
        cells.append((short(row.name), row.size, *values))
    first = "All who joined" if name.startswith("cohorts") else "First bought"
    return Table(
        name,
        "Do newer customers bring their revenue longer?"
        if money
        else "Do newer customers stay longer than older ones did?",
        (
            Column("Joined in" if name.startswith("cohorts") else "First order in"),
            Column(first, "customers"),
            *(Column(str(since), "percent") for since in range(width)),
        ),
        tuple(cells),
        f"{(table.revenue_formula if money else table.formula).capitalize()}. Columns are months "
        "since; empty cells are not over yet.",
        heat=tuple(range(2, 2 + width)),
    )


def _known(share: tuple[float | None, ...]) -> int:
    return sum(1 for one in share if one is not None)


def survival(findings: Findings) -> Section:
    """How long customers stay."""
    staying = findings.retention.staying if findings.retention is not None else None
    if staying is None:
        return Section(
            "survival", "Time to churn", (Missing("Give --table subscriptions=FILE."),)
        )  # fmt: skip
    last = min(len(staying.months), 37)
    whole = staying.curves[""]
    rows = tuple(
        (month, whole["survival"][month], whole["low"][month], whole["high"][month])
        for month in staying.months[:last]
    )
    year = whole["survival"][12] if len(whole["survival"]) > 12 else None
    answer = (
        ""
        if year is None
        else f"{format_quantity(year, 'share')} of customers are still there after a year."
    )
    blocks: list[Block] = [
        Figures(staying.figures),
        Chart(
            "survival",
            "How many are still there after so many months?",
            (
                Column("Months since joining", "months", "x"),
                Column("Still there", "share", "y"),
                Column("at least", "share", "low"),
                Column("at most", "share", "high"),
            ),
            rows,
            f"{answer} The band is the 95% interval (Kaplan-Meier).".strip(),
        ),
    ]
    plans = [name for name in staying.curves if name]
    if len(plans) > 1:
        blocks.append(
            Chart(
                "survival_by_plan",
                "Which plan keeps its customers longest?",
                (
                    Column("Months since joining", "months", "x"),
                    *(Column(name, "share", "y") for name in plans),
                ),
                tuple(
                    (month, *(staying.curves[name]["survival"][month] for name in plans))
                    for month in staying.months[:last]
                ),
                _longest(staying.curves, plans),
            )
        )
    return Section("survival", "Time to churn", tuple(blocks), answer)


def _longest(curves: dict[str, Any], plans: list[str]) -> str:
    at = {
        name: curves[name]["survival"][12]
        for name in plans
        if len(curves[name]["survival"]) > 12 and curves[name]["survival"][12] is not None
    }
    if len(at) < 2:
        return ""
    best, worst = max(at, key=lambda name: at[name]), min(at, key=lambda name: at[name])
    return (
        f"After a year {format_quantity(at[best], 'share')} of {best} are still there, and "
        f"{format_quantity(at[worst], 'share')} of {worst}."
    )


def short(month: str) -> str:
    """Say a month as ``Mar 25``."""
    name, year = in_words(month).split(" ")
    return f"{name[:3]} {year[2:]}"
