"""Draft a timeline over raw tables: features, dates, eligibility and label."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from churnkit.core.time import from_microseconds
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_roles import DraftColumn
from churnkit.pipeline.scaffold.leakage.total_columns import total_columns
from churnkit.pipeline.scaffold.raw.churn_reasons import label_with_cause
from churnkit.pipeline.scaffold.raw.churn_rules import ChurnRule, activity_table, churn_rules
from churnkit.pipeline.scaffold.raw.history import distinct_times, measure
from churnkit.pipeline.scaffold.raw.snapshot_dates import (
    Schedule,
    choose_schedule,
    recorded_schedule,
    short_schedule,
)
from churnkit.pipeline.scaffold.raw.snapshot_tables import (
    active_days,
    describe_missing,
    describe_series,
    series_rule,
    series_schedule,
)
from churnkit.timeline import (
    ContractualChurn,
    Count,
    Current,
    DistinctDays,
    EventChurn,
    Last,
    Mean,
    OpenCount,
    Recency,
    Share,
    Snapshots,
    Sum,
    Tenure,
    Timeline,
    Trend,
    Where,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from churnkit.pipeline.scaffold.raw.history import History
    from churnkit.pipeline.scaffold.raw.tables.raw_table import RawTable, RawTables

__all__ = ["TimelineDraft", "draft_timeline"]

_MAX_COUNTED_LEVELS = 4
# The shortest horizon of a draft, in days.
_SHORTEST = 7
_PLACEHOLDER_DATES = ("2025-01-31", "2025-02-28")
_BY_CAUSE = "a label with Cause(...) is commented out in the recipe"
_NEVER_MISSING = ("Count", "Sum", "DistinctDays", "OpenCount")
_TYPES = {"integer": "int", "number": "float", "boolean": "bool", "string": "str"}


@dataclass(frozen=True)
class TimelineDraft:
    """A drafted timeline with what was chosen.

    Parameters
    ----------
    timeline
        The timeline.
    columns
        Schema of its snapshots.
    notes
        What was chosen and why, one sentence each.
    alternatives
        Other meanings of churn, as Python of a label with its reason.
    question
        What must be answered before training; it is the ``todo`` of the label's column.
    begin
        Time of the first row of any table; None without times.
    ends
        Times of the tables' last rows, in order.
    meaning
        What churn means, with the table.
    position, meanings
        Position of that meaning, and the number of all: the most explicit is the first.
    """

    timeline: Timeline
    columns: tuple[DraftColumn, ...]
    notes: tuple[str, ...]
    alternatives: tuple[tuple[Any, str], ...]
    question: str = ""
    begin: dt.datetime | None = None
    ends: tuple[dt.datetime, ...] = ()
    meaning: str = ""
    position: int = 0
    meanings: int = 1

    @property
    def shorter_than(self) -> int | None:
        """Days of the horizon, if a shorter one means the same: not for inactivity."""
        label = self.timeline.label
        if self.question or not isinstance(label, (ContractualChurn, EventChurn)):
            return None
        return label.horizon_days if label.horizon_days > _SHORTEST else None


def draft_timeline(
    raw: RawTables,
    *,
    label: str | None = None,
    positive: Sequence[str] = (),
    below: int | None = None,
    until: dt.datetime | None = None,
    skip: int = 0,
) -> TimelineDraft:
    """Draft features, dates and a label for raw tables.

    Tables that cover too few days are drafted with a question.

    Parameters
    ----------
    raw
        The tables.
    label, positive
        Column of recorded outcomes, and its values that mean churned; inferred by default.
    below
        Days than which the horizon must be shorter; None for any.
    until
        Time at which the data end, where later rows are planned ones; None for their last row.
    skip
        Number of meanings of churn, the most explicit first, that are not drafted.

    Raises
    ------
    ChurnkitError
        If no table shows churn, or `label` is no column of a table with a row per customer.
    """
    main = raw.tables[0]
    if raw.question and not {main.happened, main.entity} <= set(main.profiles):
        return _draft_without_times(raw)
    if len(raw.tables) == 1 and main.is_series:
        return _draft_series(raw, main, label, positive)
    data = raw.data()
    histories, refused = measure(raw.tables, data)
    ends = tuple(sorted({history.last for history in histories.values()}))
    begin = min((history.first for history in histories.values()), default=None)
    if until is not None:
        histories = {
            name: replace(each, last=min(each.last, until)) for name, each in histories.items()
        }
    notes = [f"table '{name}' is left out: {reason}" for name, reason in refused.items()]
    tables = [_without_short_ends(t, histories) for t in raw.tables if t.name not in refused]
    raw = _with_tables(raw, tables)
    rules = churn_rules(raw, histories, label=label, positive=positive)[skip:]
    activity = activity_table(tables)
    if not rules or activity is None:
        raise ChurnkitError(
            "no table shows churn: it needs rows with an end (subscriptions), repeated rows with "
            f"times (orders, visits), or a column with the outcome; {'; '.join((*raw.notes, *notes))}"
        )
    problem = ""
    for position, rule in enumerate(rules):
        main = _main_table(rule, activity, tables, histories)
        try:
            schedule = _schedule(rule, raw, main, histories, data, below=below)
        except ChurnkitError as error:
            problem = problem or str(error)
            continue
        others = [other for other in rules[position + 1 :] if other.kind != rule.kind]
        draft = _assemble(
            raw, rule, main, schedule, histories=histories, others=others, notes=notes
        )
        earlier = tuple(end for end in ends if until is None or end < until)
        draft = replace(draft, begin=begin, ends=earlier)
        draft = replace(draft, position=skip + position, meanings=skip + len(rules))
        return _ask(draft, raw.question or raw.difference or rule.question)
    main = _main_table(rules[0], activity, tables, histories)
    schedule = short_schedule(histories[main.name])
    draft = _assemble(raw, rules[0], main, schedule, histories=histories, others=(), notes=notes)
    return _ask(draft, raw.question or raw.difference or f"{problem}; then run churnkit init again")


def _main_table(
    rule: ChurnRule,
    activity: RawTable,
    tables: Sequence[RawTable],
    histories: Mapping[str, History],
) -> RawTable:
    """Choose the table that shows who is a customer at a date.

    Activity that is recorded for less than half of the time of the events of churn does not: the
    customers themselves, from their begin on, do.
    """
    if rule.kind == "contract":
        return _named(tables, rule.table)
    if rule.kind != "event" or 2 * histories[activity.name].days >= histories[rule.table].days:
        return activity
    customers = [
        table
        for table in tables
        if table.is_unique and table.name in histories and table.name != rule.table
        if histories[table.name].first < histories[activity.name].first
    ]
    return max(customers, key=lambda table: table.rows, default=activity)


def _draft_without_times(raw: RawTables) -> TimelineDraft:
    """Draft a timeline whose dates are placeholders."""
    (table,) = raw.tables
    rule = ChurnRule("inactivity", table.name, f"customers without a row in '{table.source}'")
    schedule = Schedule(30, 0, Snapshots(dates=_PLACEHOLDER_DATES), "placeholders")
    features = _event_features(table, 30, 90, ())
    timeline = Timeline(
        tables=[table.declaration()],
        features=features,
        snapshots=schedule.snapshots,
        eligible=rule.eligible(table, 60),
        label=rule.label(schedule.horizon, 0),
    )
    columns = _schema(timeline, raw.tables, rule)
    return _ask(TimelineDraft(timeline, columns, (), ()), raw.question)


def _draft_series(
    raw: RawTables, table: RawTable, label: str | None, positive: Sequence[str]
) -> TimelineDraft:
    """Draft a timeline over states of customers at several dates, such as monthly exports."""
    rule = series_rule(table, label, positive)
    schedule = series_schedule(table)
    timeline = Timeline(
        tables=[table.declaration(dict(rule.columns))],
        features=_features(table, None),
        snapshots=schedule.snapshots,
        eligible=rule.eligible(table, active_days(table)),
        label=rule.label(schedule.horizon, 0),
    )
    notes = (
        describe_series(table),
        f"churn: {type(timeline.label).__name__} of '{table.source}': {rule.reason}",
        _describe_dates(schedule),
        *filter(None, [describe_missing(table, rule)]),
    )
    columns = _schema(timeline, raw.tables, rule)
    return _ask(TimelineDraft(timeline, columns, notes, ()), raw.question or rule.question)


def _ask(draft: TimelineDraft, question: str) -> TimelineDraft:
    """Add a question to the label's column."""
    if not question:
        return draft
    columns = tuple(
        replace(column, settings={**column.settings, "todo": question})
        if column.role == "label"
        else column
        for column in draft.columns
    )
    return replace(draft, columns=columns, question=question)


def _assemble(
    raw: RawTables,
    rule: ChurnRule,
    main: RawTable,
    schedule: Schedule,
    *,
    histories: Mapping[str, History],
    others: Sequence[ChurnRule],
    notes: list[str],
) -> TimelineDraft:
    features: dict[str, Any] = {}
    if rule.kind != "recorded":
        raw, totals = _without_totals(raw)
        notes += totals
    for table in raw.tables:
        windows = schedule.windows(histories.get(table.name))
        own = _features(table, windows)
        if own and rule.is_file_of_labels(table):
            notes.append(
                f"features of '{table.source}' are left out: the columns of a file of labels are "
                "known with the outcome"
            )
            continue
        if not own and table.happened is not None and table.name != rule.table:
            notes.append(
                f"features of '{table.source}' are left out: its rows begin too late for the first "
                f"snapshot, {schedule.snapshots.timestamps[0]:%Y-%m-%d}"
            )
        features |= own
    days = 2 * schedule.horizon
    if rule.kind == "recorded" or main.is_unique:
        since = schedule.snapshots.timestamps[-1] - histories[main.name].first
        days = max(histories[main.name].days + 2, since.days + 2, days)
    chosen = rule.label(schedule.horizon, schedule.grace)
    used = {rule.table, main.name, *(f.table for f in features.values())}
    more = {rule.table: dict(rule.columns)}
    timeline = Timeline(
        tables=[t.declaration(more.get(t.name)) for t in raw.tables if t.name in used],
        features=features,
        snapshots=schedule.snapshots,
        eligible=rule.eligible(main, days),
        label=chosen,
    )
    source = _named(raw.tables, rule.table).source
    with_cause = label_with_cause(rule, _named(raw.tables, rule.table), chosen)
    alternatives = (
        *([with_cause] if with_cause else []),
        *((each.label(schedule.horizon, schedule.grace), each.reason) for each in others),
    )
    notes += [
        f"churn: {type(chosen).__name__} of '{source}' within {schedule.horizon} days: {rule.reason}",
        _describe_dates(schedule),
        *([rule.review] if rule.review else []),
        *(
            [f"churn by cause: '{with_cause[0].cause.column}' has reasons; {_BY_CAUSE}"]
            if with_cause
            else []
        ),
        *(f"churn could also be: {each.reason}" for each in others),
    ]
    columns = _schema(timeline, raw.tables, rule)
    meaning = f"{type(chosen).__name__} of '{source}' ({rule.reason})"
    return TimelineDraft(timeline, columns, tuple(notes), alternatives, meaning=meaning)


def _describe_dates(schedule: Schedule) -> str:
    dates = [f"{date:%Y-%m-%d}" for date in schedule.snapshots.timestamps]
    if len(dates) == 1:
        return f"snapshot: {dates[0]}, {schedule.reason}"
    return (
        f"horizon: {schedule.horizon} days, {schedule.reason}; {len(dates)} snapshots from "
        f"{dates[0]} to {dates[-1]}"
    )


def _schedule(
    rule: ChurnRule,
    raw: RawTables,
    main: RawTable,
    histories: Mapping[str, History],
    data: Mapping[str, Any],
    *,
    below: int | None,
) -> Schedule:
    history = histories[main.name]
    if rule.kind == "recorded":
        dates: list[dt.datetime] = []
        if rule.dated:
            table = _named(raw.tables, rule.table)
            dates = [from_microseconds(each) for each in distinct_times(table, data)]
        return recorded_schedule(rule, history, dates)
    others = [histories[t.name] for t in raw.tables if t.name in histories and not t.is_unique]
    if rule.kind == "event" and main.is_unique:
        last = max(history.last, histories[rule.table].last)
        return choose_schedule(rule, history, last, others, below=below)
    if rule.kind != "contract":
        return choose_schedule(rule, history, history.last, others, below=below)
    last = max(each.last for each in histories.values())
    schedule = choose_schedule(rule, history, last, others, below=below)
    # The data end with the tables that the timeline reads.
    read = [
        table.name
        for table in raw.tables
        if table.name == rule.table or _features(table, schedule.windows(histories.get(table.name)))
    ]
    last = max(histories[name].last for name in read if name in histories)
    return choose_schedule(rule, history, last, others, below=below)


def _named(tables: Sequence[RawTable], name: str) -> RawTable:
    return next(table for table in tables if table.name == name)


def _with_tables(raw: RawTables, tables: Sequence[RawTable]) -> RawTables:
    return replace(raw, tables=tuple(tables))


def _without_totals(raw: RawTables) -> tuple[RawTables, list[str]]:
    """Leave totals up to the export out of tables with one row per customer; the second result are notes."""
    tables, notes = [], []
    for table in raw.tables:
        totals = total_columns(table.numbers) if table.is_unique and not table.is_series else ()
        kept = tuple(name for name in table.numbers if name not in totals)
        tables.append(replace(table, numbers=kept))
        notes += [
            f"column '{name}' of '{table.source}' is left out: by its name it counts up to the export, and "
            "so shows the outcome at earlier dates"
            for name in totals
        ]
    return _with_tables(raw, tables), notes


def _without_short_ends(table: RawTable, histories: Mapping[str, History]) -> RawTable:
    """Treat rows that last less than a day, such as sessions and calls, as events."""
    history = histories.get(table.name)
    if table.ended is None or table.is_subscription or history is None:
        return table
    is_short = history.length_days is None or history.length_days < 1.0
    return replace(table, ended=None, known_at_end=()) if is_short else table


def _features(table: RawTable, windows: tuple[int, ...] | None) -> dict[str, Any]:
    """Draft the features of one table."""
    prefix = table.name
    values = [*table.categories, *table.numbers, *table.flags]
    if table.is_subscription:
        current = {f"{prefix}_{_short(name)}": Current(prefix, name) for name in values}
        return {**current, f"{prefix}_days": Tenure(prefix)}
    if table.is_unique or table.is_series:
        last = {f"{prefix}_{_short(name)}": Last(prefix, name) for name in values}
        return last | ({f"days_since_{prefix}": Tenure(prefix)} if table.happened else {})
    if windows is None:
        return {}
    short, long, *longer = windows
    if table.ended is not None:
        count = Count(prefix, window_days=long)
        return {f"{prefix}_open": OpenCount(prefix), f"{prefix}_{long}d": count}
    return _event_features(table, short, long, longer)


def _event_features(
    table: RawTable, short: int, long: int, longer: Sequence[int]
) -> dict[str, Any]:
    prefix = table.name
    features: dict[str, Any] = {
        f"{prefix}_{short}d": Count(prefix, window_days=short),
        f"{prefix}_{long}d": Count(prefix, window_days=long),
        f"{prefix}_days_{short}d": DistinctDays(prefix, window_days=short),
        f"{prefix}_days_{long}d": DistinctDays(prefix, window_days=long),
        # Many customers have a single active day within a horizon, and a rhythm over a year.
        **{f"{prefix}_days_{days}d": DistinctDays(prefix, window_days=days) for days in longer},
        f"{prefix}_days_ever": DistinctDays(prefix),
        f"{prefix}_trend": Trend(prefix, window_days=short, against_days=long),
        f"days_since_{prefix}": Recency(prefix),
        f"days_since_first_{prefix}": Tenure(prefix),
    }
    for name in table.numbers:
        features[f"{prefix}_{_short(name)}_{long}d"] = Sum(prefix, name, window_days=long)
        features[f"{prefix}_{_short(name)}_mean"] = Mean(prefix, name, window_days=long)
    if table.signed:
        where = Where(table.signed, "<", 0)
        features[f"{prefix}_returns_{long}d"] = Count(prefix, window_days=long, where=where)
    for name in table.flags:
        features[f"{prefix}_{_short(name)}_{long}d"] = Share(prefix, name, True, window_days=long)
    for name, texts in table.categories.items():
        for text in texts[:_MAX_COUNTED_LEVELS]:
            where = Where(name, "==", text)
            feature = f"{prefix}_{_short(name)}_{_short(text)}_{long}d"
            features.setdefault(feature, Count(prefix, window_days=long, where=where))
    return features


def _short(name: str) -> str:
    return name_rules.make_module_name(name)[:32]


def _schema(
    timeline: Timeline, tables: Sequence[RawTable], rule: ChurnRule
) -> tuple[DraftColumn, ...]:
    """Draft the schema of a timeline's snapshots."""
    revenue = {f"{table.name}_{_short(table.revenue)}" for table in tables if table.revenue}
    columns = [
        DraftColumn(timeline.entity, "str", "entity"),
        DraftColumn(timeline.as_of, "Utc", "as_of"),
    ]
    for name, feature in timeline.features.items():
        kind = type(feature).__name__
        settings: dict[str, Any] = {} if kind in _NEVER_MISSING else {"nullable": True}
        if kind in {"Count", "DistinctDays", "OpenCount", "Recency", "Tenure"}:
            settings["ge"] = 0
        review = ""
        if name in revenue and kind == "Current":
            settings["also"] = ("value",)
            review = "assumed to be the revenue per period"
        dtype = _TYPES[timeline.feature_type(feature)]
        columns.append(DraftColumn(name, dtype, "feature", settings, review))
    days = timeline.label.horizon_days if timeline.label else 0
    review = (
        f"{type(timeline.label).__name__}: churn within {days} days, {rule.reason}; see the recipe"
    )
    columns.append(DraftColumn(timeline.label_name, "bool", "label", {}, review))
    return tuple(columns)
