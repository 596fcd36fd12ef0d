"""Queries of the eligible customers of each date and of their outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from churnkit.timeline.labels import (
    OTHER_CAUSE,
    ActiveSubscription,
    ActiveWithin,
    Cause,
    ContractualChurn,
    EventChurn,
    InactivityChurn,
    Label,
    ObservedChurn,
    RevenueContraction,
    label_cause,
)
from churnkit.timeline.sql.churn_reasons import largest_reason
from churnkit.timeline.sql.expressions import (
    AS_OF,
    DAY,
    END_DAY,
    ENTITY,
    KNOWN,
    SnapshotDays,
    aliased,
    all_of,
    as_double,
    case_when,
    coalesce,
    column,
    is_null,
    literal,
    not_null,
    step_name,
    where_clause,
)
from churnkit.timeline.sql.partial_aggregates import PartialAggregate, WindowAggregate
from churnkit.timeline.sql.source_rows import (
    ENDED,
    active_on,
    interval_start,
    select_active,
    select_rows,
    step_table,
)

if TYPE_CHECKING:
    from churnkit.timeline.source_tables import Table

__all__ = [
    "activity",
    "cause_steps",
    "cause_value",
    "label_value",
    "last_days",
    "outcome_steps",
    "select_population",
]

_DATE = column(AS_OF, "d")
# The reason of churn in the steps of an outcome.
_REASON = "ck_reason"


def activity(eligible: ActiveWithin) -> WindowAggregate:
    """Return the number of rows in the last days, which is positive for active customers."""
    return WindowAggregate(PartialAggregate("count", eligible.conditions), eligible.days, 0)


def last_days(eligible: ActiveWithin) -> tuple[WindowAggregate, WindowAggregate] | None:
    """Return the last day with activity and the last day with a churn event, if those count."""
    if eligible.unless is None:
        return None
    conditions = (eligible.conditions, eligible.unless.conditions)
    active, churned = (
        WindowAggregate(PartialAggregate("last_day", where), None, 0) for where in conditions
    )
    return active, churned


def select_population(table: Table, days: SnapshotDays, eligible: ActiveSubscription) -> exp.Query:
    """Select the customers with an active row on each date."""
    condition = where_clause(eligible.conditions)
    columns = {where.column for where in eligible.conditions}
    query = exp.select(column(ENTITY, "p"), column(AS_OF, "p")).distinct()
    query = query.from_(select_active(table, days, columns).subquery("p"))
    return query if condition is None else query.where(condition)


def outcome_steps(table: Table, days: SnapshotDays, label: Label) -> list[tuple[str, exp.Query]]:
    """Return the steps of the outcomes per customer and date; the last one is ``ck_outcome``."""
    if isinstance(label, (InactivityChurn, EventChurn)):
        return [(step_name("outcome"), _select_active_later(table, days, label))]
    if isinstance(label, ObservedChurn):
        return [(step_name("outcome"), _select_observed(table, days, label))]
    if isinstance(label, ContractualChurn):
        return [
            (step_name("ends"), _select_ends(table, days, label)),
            (step_name("outcome"), _select_churned(label)),
        ]
    return [(step_name("outcome"), _select_revenue(table, days, label))]


def label_value(label: Label) -> exp.Expr:
    """Compute the label from the columns of ``ck_outcome`` under the alias ``o``."""
    if isinstance(label, InactivityChurn):
        return is_null(column(ENTITY, "o"))
    if isinstance(label, EventChurn):
        return not_null(column(ENTITY, "o"))
    if isinstance(label, ObservedChurn):
        return column("churned", "o").eq(literal(1))
    if isinstance(label, ContractualChurn):
        cases = exp.Case().when(
            column("in_gap", "o").eq(literal(1)), exp.cast(exp.Null(), "boolean")
        )
        churned = column("in_window", "o").eq(literal(1))
        return cases.when(churned, exp.true()).else_(exp.false())
    before, after = column("before", "o"), column("after", "o")
    lost = before - after >= literal(label.share) * before
    return case_when(before > literal(0), lost)


def cause_steps(table: Table, days: SnapshotDays, label: Label) -> list[tuple[str, exp.Query]]:
    """Return the steps of the reasons per customer and date, after those of the outcomes.

    The last one is ``ck_cause``; there are none without a cause, or if ``ck_outcome`` has it.
    """
    cause = label_cause(label)
    if cause is None or not isinstance(label, ContractualChurn | EventChurn):
        return []
    if isinstance(label, ContractualChurn):
        return [(step_name("cause"), _select_first_reason(label, step_name("ends"), END_DAY))]
    columns = {cause.column, *(where.column for where in label.conditions)}
    rows = select_rows(table, days, columns, as_happened=True).subquery("r")
    events = exp.select(column(ENTITY), column(DAY), aliased(column(cause.column), _REASON))
    events = events.from_(rows)
    condition = where_clause(label.conditions)
    return [
        (step_name("churn_events"), events if condition is None else events.where(condition)),
        (step_name("cause"), _select_first_reason(label, step_name("churn_events"), DAY)),
    ]


def cause_value(label: Label, cause: Cause) -> exp.Expr:
    """Compute the cause from the reason in ``ck_outcome`` as ``o`` or ``ck_cause`` as ``c``."""
    source = "o" if isinstance(label, ObservedChurn) else "c"
    reason = column(_REASON, source)
    value: exp.Expr = reason
    if cause.groups:
        grouped = exp.Case().when(is_null(reason.copy()), exp.cast(exp.Null(), "text"))
        for name, reasons in dict(cause.groups).items():
            listed = [literal(one) for one in reasons]
            grouped = grouped.when(exp.In(this=reason.copy(), expressions=listed), literal(name))
        value = grouped.else_(literal(OTHER_CAUSE))
    return case_when(label_value(label), value)


def _select_first_reason(label: ContractualChurn | EventChurn, events: str, day: str) -> exp.Query:
    """Select the reason of the first day with an event in the window."""
    in_window = all_of(
        column(day, "e") >= _days_after(label.gap_days),
        column(day, "e") < _days_after(label.gap_days + label.horizon_days),
    )
    keys = (column(ENTITY, "e"), column(AS_OF, "d"))
    first = exp.select(*keys, aliased(exp.Min(this=column(day, "e")), "first_day"))
    first = first.from_(step_table(events, "e"))
    first = first.join(step_table(step_name("dates"), "d"), on=in_window).group_by(*keys)
    same = all_of(
        column(ENTITY, "e").eq(column(ENTITY, "f")), column(day, "e").eq(column("first_day", "f"))
    )
    own = (column(ENTITY, "f"), column(AS_OF, "f"))
    query = exp.select(*own, aliased(largest_reason(column(_REASON, "e")), _REASON))
    query = query.from_(exp.alias_(first.subquery(), "f", table=True))
    return query.join(step_table(events, "e"), on=same).group_by(*own)


def _days_after(count: int) -> exp.Expr:
    return _DATE + literal(count) if count else _DATE.copy()


def _select_active_later(
    table: Table, days: SnapshotDays, label: InactivityChurn | EventChurn
) -> exp.Query:
    """Select the customers with a row in the outcome window of each date."""
    columns = {where.column for where in label.conditions}
    offsets = (label.gap_days, label.mature_days)
    edges = sorted({number + offset for number in days.numbers for offset in offsets})
    bounds = all_of(
        column(DAY) >= literal(edges[0]),
        column(DAY) < literal(edges[-1]),
        where_clause(label.conditions),
    )
    active = exp.select(column(ENTITY), aliased(interval_start(edges), DAY)).distinct()
    rows = select_rows(table, days, columns, as_happened=True)
    active = active.from_(rows.subquery("s")).where(bounds)
    in_window = all_of(
        column(DAY, "r") >= _days_after(label.gap_days),
        column(DAY, "r") < _days_after(label.mature_days),
    )
    return (
        exp.select(column(ENTITY, "r"), column(AS_OF, "d"))
        .distinct()
        .from_(active.subquery("r"))
        .join(step_table(step_name("dates"), "d"), on=in_window)
    )


def _select_observed(table: Table, days: SnapshotDays, label: ObservedChurn) -> exp.Query:
    """Select the recorded outcome of each customer; several rows count as churned if any does."""
    cause = label_cause(label)
    columns = {where.column for where in label.conditions} | ({cause.column} if cause else set())
    compared = {where.column for where in label.conditions if where.values}
    rows = select_rows(table, days, columns, as_happened=True).subquery("r")
    is_churned = where_clause(label.conditions)
    churned = coalesce(case_when(is_churned, literal(1)), literal(0))
    reasons = []
    if cause:
        reason = case_when(where_clause(label.conditions), column(cause.column, "r"))
        reasons.append(aliased(largest_reason(reason), _REASON))
    return (
        exp.select(
            column(ENTITY, "r"),
            column(AS_OF, "d"),
            aliased(exp.Max(this=churned), "churned"),
            *reasons,
        )
        .from_(rows)
        .join(
            step_table(step_name("dates"), "d"),
            on=column(DAY, "r").eq(_DATE) if label.dated else exp.true(),
        )
        .where(*(not_null(column(name)) for name in sorted(compared)))
        .group_by(column(ENTITY, "r"), column(AS_OF, "d"))
    )


def _select_ends(table: Table, days: SnapshotDays, label: ContractualChurn) -> exp.Query:
    """Select the ends after which no row is active or starts within the grace period."""
    cause = label_cause(label)
    columns = {where.column for where in label.conditions} | ({cause.column} if cause else set())
    condition = where_clause(label.conditions)

    def spells(alias: str) -> exp.Subquery:
        rows = select_rows(table, days, columns, as_happened=True, keep=(KNOWN, ENDED))
        query = exp.select("*").from_(rows.subquery("s"))
        return (query if condition is None else query.where(condition.copy())).subquery(alias)

    end = column(ENDED, "e")
    started: exp.Expr
    if label.grace_days:
        # In hours: a session with another time zone adds days of 23 or 25 hours.
        hours = exp.Literal.string(str(24 * label.grace_days))
        grace = exp.Interval(this=hours, unit=exp.var("HOUR"))
        started = exp.LT(this=column(KNOWN, "n"), expression=exp.Add(this=end, expression=grace))
    else:
        started = column(KNOWN, "n") <= end
    next_end = column(ENDED, "n")
    same_customer = column(ENTITY, "n").eq(column(ENTITY, "e"))
    continues = exp.or_(is_null(next_end), next_end > end)
    followed = exp.select(literal(1)).from_(spells("n"))
    followed = followed.where(all_of(same_customer, started, continues))
    last = days.numbers[-1] + label.gap_days + label.horizon_days
    bounds = all_of(
        column(END_DAY, "e") >= literal(days.numbers[0]),
        column(END_DAY, "e") < literal(last),
        exp.not_(exp.Exists(this=followed)),
    )
    reasons = [aliased(column(cause.column, "e"), _REASON)] if cause else []
    ends = exp.select(column(ENTITY, "e"), column(END_DAY, "e"), *reasons).distinct()
    return ends.from_(spells("e")).where(bounds)


def _select_churned(label: ContractualChurn) -> exp.Query:
    end, window_start = column(END_DAY, "e"), _days_after(label.gap_days)
    in_window = case_when(end >= window_start, literal(1))
    in_gap = case_when(end < window_start, literal(1))
    bounds = all_of(end >= _DATE, end < _days_after(label.gap_days + label.horizon_days))
    return (
        exp.select(
            column(ENTITY, "e"),
            column(AS_OF, "d"),
            aliased(exp.Max(this=in_window), "in_window"),
            aliased(exp.Max(this=in_gap), "in_gap"),
        )
        .from_(step_table(step_name("ends"), "e"))
        .join(step_table(step_name("dates"), "d"), on=bounds)
        .group_by(column(ENTITY, "e"), column(AS_OF, "d"))
    )


def _select_revenue(table: Table, days: SnapshotDays, label: RevenueContraction) -> exp.Query:
    """Sum the revenue at the date, as known then, and at the end of the window, as it happened."""
    columns = {label.column, *(where.column for where in label.conditions)}
    value = case_when(where_clause(label.conditions), as_double(column(label.column)))

    def total(rows: exp.Query, alias: str) -> exp.Expr:
        sums = exp.select(column(ENTITY), column(AS_OF), aliased(exp.Sum(this=value.copy()), "v"))
        sums = sums.from_(rows.subquery("s")).group_by(column(ENTITY), column(AS_OF))
        return exp.alias_(sums.subquery(), alias, table=True)

    end = _days_after(label.mature_days)
    later = (
        exp.select(
            column(ENTITY, "r"),
            column(AS_OF, "d"),
            *(column(name, "r") for name in sorted(columns)),
        )
        .from_(select_rows(table, days, columns, as_happened=True).subquery("r"))
        .join(
            step_table(step_name("dates"), "d"),
            on=all_of(column(DAY, "r") < end, active_on(table, end)),
        )
    )
    same_row = all_of(*(column(name, "a").eq(column(name, "b")) for name in (ENTITY, AS_OF)))
    return (
        exp.select(
            column(ENTITY, "b"),
            column(AS_OF, "b"),
            aliased(column("v", "b"), "before"),
            aliased(coalesce(column("v", "a"), as_double(literal(0))), "after"),
        )
        .from_(total(select_active(table, days, columns), "b"))
        .join(total(later, "a"), on=same_row, join_type="left")
    )
