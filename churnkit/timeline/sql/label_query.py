"""Who is looked at on a date, and what happened to them in the outcome window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from churnkit.timeline.labels import (
    ActiveSubscription,
    ActiveWithin,
    ContractualChurn,
    InactivityChurn,
    Label,
    RevenueContraction,
)
from churnkit.timeline.sql.expressions import (
    AS_OF,
    DAY,
    END_DAY,
    ENTITY,
    KNOWN,
    Days,
    aliased,
    both,
    case,
    column,
    condition,
    double,
    lit,
    step,
)
from churnkit.timeline.sql.partial_aggregates import Measure, Reading
from churnkit.timeline.sql.source_rows import ENDED, named, rows, running, runs_at, stretch

if TYPE_CHECKING:
    from churnkit.timeline.source_tables import Table

__all__ = ["active_reading", "label_value", "outcome", "population"]

_DATE = column(AS_OF, "d")


def active_reading(eligible: ActiveWithin) -> Reading:
    """Return what tells whether a customer was active: the number of rows in the last days."""
    return Reading(Measure("count", eligible.conditions), eligible.days, 0)


def population(table: Table, days: Days, eligible: ActiveSubscription) -> exp.Query:
    """Select the customers of each date for whom something runs."""
    met = condition(eligible.conditions)
    found = exp.select(column(ENTITY, "p"), column(AS_OF, "p")).distinct()
    own = {where.column for where in eligible.conditions}
    found = found.from_(running(table, days, own).subquery("p"))
    return found.where(met) if met is not None else found


def outcome(table: Table, days: Days, label: Label) -> list[tuple[str, exp.Query]]:
    """Return the steps to the outcomes of customers and dates; the last is ``ck_outcome``."""
    if isinstance(label, InactivityChurn):
        return [(step("outcome"), _active(table, days, label))]
    if isinstance(label, ContractualChurn):
        return [
            (step("ends"), _ends(table, days, label)),
            (step("outcome"), _left(label)),
        ]
    return [(step("outcome"), _revenue(table, days, label))]


def label_value(label: Label) -> exp.Expr:
    """Write the label from the columns of ``ck_outcome``, which is ``o``."""
    if isinstance(label, InactivityChurn):
        return exp.Is(this=column(ENTITY, "o"), expression=exp.Null())
    if isinstance(label, ContractualChurn):
        in_gap = exp.EQ(this=column("in_gap", "o"), expression=lit(1))
        left = exp.EQ(this=column("in_window", "o"), expression=lit(1))
        stayed = exp.Case().when(in_gap, exp.cast(exp.Null(), "boolean"))
        return stayed.when(left, exp.true()).else_(exp.false())
    before, after = column("before", "o"), column("after", "o")
    lost = exp.Sub(this=before, expression=after)
    least = exp.Mul(this=lit(label.share), expression=before.copy())
    had = exp.GT(this=before.copy(), expression=lit(0))
    return case(had, exp.GTE(this=lost, expression=least))


def _ahead(count: int) -> exp.Expr:
    return exp.Add(this=_DATE.copy(), expression=lit(count)) if count else _DATE.copy()


def _active(table: Table, days: Days, label: InactivityChurn) -> exp.Query:
    """Select who had a row in the outcome window of which date."""
    own = {where.column for where in label.conditions}
    ahead = (label.gap_days, label.mature_days)
    edges = sorted({number + days_ahead for number in days.numbers for days_ahead in ahead})
    bounds = both(
        exp.GTE(this=column(DAY), expression=lit(edges[0])),
        exp.LT(this=column(DAY), expression=lit(edges[-1])),
        condition(label.conditions),
    )
    active = exp.select(column(ENTITY), aliased(stretch(edges), DAY)).distinct()
    active = active.from_(rows(table, days, own, as_happened=True).subquery("s")).where(bounds)
    since = exp.GTE(this=column(DAY, "r"), expression=_ahead(label.gap_days))
    before = exp.LT(this=column(DAY, "r"), expression=_ahead(label.mature_days))
    return (
        exp.select(column(ENTITY, "r"), column(AS_OF, "d"))
        .distinct()
        .from_(active.subquery("r"))
        .join(named(step("dates"), "d"), on=both(since, before))
    )


def _ends(table: Table, days: Days, label: ContractualChurn) -> exp.Query:
    """Select the ends after which nothing runs, nor begins within the grace."""
    own = {where.column for where in label.conditions}
    keep = (KNOWN, ENDED)
    met = condition(label.conditions)

    def spells() -> exp.Select:
        found = exp.select("*").from_(
            rows(table, days, own, as_happened=True, keep=keep).subquery("s")
        )
        return found.where(met.copy()) if met is not None else found

    end = column(ENDED, "e")
    begun: exp.Expr
    if label.grace_days:
        grace = exp.Interval(this=exp.Literal.string(str(label.grace_days)), unit=exp.var("DAY"))
        begun = exp.LT(this=column(KNOWN, "n"), expression=exp.Add(this=end, expression=grace))
    else:
        begun = exp.LTE(this=column(KNOWN, "n"), expression=end)
    onward = exp.or_(
        exp.Is(this=column(ENDED, "n"), expression=exp.Null()),
        exp.GT(this=column(ENDED, "n"), expression=end.copy()),
    )
    same = exp.EQ(this=column(ENTITY, "n"), expression=column(ENTITY, "e"))
    follows = exp.select(lit(1)).from_(spells().subquery("n")).where(both(same, begun, onward))
    last = days.numbers[-1] + label.gap_days + label.horizon_days
    within = both(
        exp.GTE(this=column(END_DAY, "e"), expression=lit(days.numbers[0])),
        exp.LT(this=column(END_DAY, "e"), expression=lit(last)),
        exp.not_(exp.Exists(this=follows)),
    )
    ends = exp.select(column(ENTITY, "e"), column(END_DAY, "e")).distinct()
    return ends.from_(spells().subquery("e")).where(within)


def _left(label: ContractualChurn) -> exp.Query:
    end = column(END_DAY, "e")
    begins = _ahead(label.gap_days)
    within = case(exp.GTE(this=end, expression=begins), lit(1))
    ahead = case(exp.LT(this=end.copy(), expression=begins.copy()), lit(1))
    since = exp.GTE(this=end.copy(), expression=_DATE.copy())
    before = exp.LT(this=end.copy(), expression=_ahead(label.gap_days + label.horizon_days))
    return (
        exp.select(
            column(ENTITY, "e"),
            column(AS_OF, "d"),
            aliased(exp.Max(this=within), "in_window"),
            aliased(exp.Max(this=ahead), "in_gap"),
        )
        .from_(named(step("ends"), "e"))
        .join(named(step("dates"), "d"), on=both(since, before))
        .group_by(column(ENTITY, "e"), column(AS_OF, "d"))
    )


def _revenue(table: Table, days: Days, label: RevenueContraction) -> exp.Query:
    """Add up what runs at the date, as known then, and at the end of the window, as it was."""
    own = {label.column, *(where.column for where in label.conditions)}
    value = case(condition(label.conditions), double(column(label.column)))

    def total(found: exp.Query) -> exp.Subquery:
        summed = exp.select(column(ENTITY), column(AS_OF), aliased(exp.Sum(this=value.copy()), "v"))
        return summed.from_(found.subquery("s")).group_by(column(ENTITY), column(AS_OF)).subquery()

    end = _ahead(label.mature_days)
    later = (
        exp.select(
            column(ENTITY, "r"), column(AS_OF, "d"), *(column(name, "r") for name in sorted(own))
        )
        .from_(rows(table, days, own, as_happened=True).subquery("r"))
        .join(
            named(step("dates"), "d"),
            on=both(exp.LT(this=column(DAY, "r"), expression=end), runs_at(table, end.copy())),
        )
    )
    same = both(
        exp.EQ(this=column(ENTITY, "a"), expression=column(ENTITY, "b")),
        exp.EQ(this=column(AS_OF, "a"), expression=column(AS_OF, "b")),
    )
    after = exp.Coalesce(this=column("v", "a"), expressions=[double(lit(0))])
    return (
        exp.select(
            column(ENTITY, "b"),
            column(AS_OF, "b"),
            aliased(column("v", "b"), "before"),
            aliased(after, "after"),
        )
        .from_(exp.alias_(total(running(table, days, own)), "b", table=True))
        .join(exp.alias_(total(later), "a", table=True), on=same, join_type="left")
    )
