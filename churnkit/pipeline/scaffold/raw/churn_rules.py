"""Choose what churn means: recorded, an event, the end of a contract, or inactivity."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.keys.label_column import list_names
from churnkit.pipeline.scaffold.keys.label_draft import draft_label
from churnkit.pipeline.scaffold.keys.label_names import name_rating, value_direction
from churnkit.pipeline.scaffold.raw.churn_events import EVENT_COLUMNS, find_churn_events
from churnkit.pipeline.scaffold.raw.history import measure
from churnkit.pipeline.scaffold.raw.tables.row_times import ends_customer
from churnkit.timeline import (
    ActiveSubscription,
    ActiveWithin,
    ChurnEvents,
    ContractualChurn,
    EventChurn,
    InactivityChurn,
    ObservedChurn,
    Where,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile
    from churnkit.pipeline.scaffold.column_roles import DraftColumn
    from churnkit.pipeline.scaffold.raw.history import History
    from churnkit.pipeline.scaffold.raw.tables.raw_table import RawTable, RawTables

__all__ = ["ChurnRule", "activity_table", "churn_rules", "is_split_table", "label_condition"]

# Activities by which customers are seen to be customers, the most telling first.
_ACTIVITIES = (
    {"order", "orders", "purchase", "purchases", "transaction", "transactions", "invoice", "invoices",
     "sale", "sales", "booking", "bookings", "trips", "rides", "retail", "bestellungen"},
    {"payment", "payments", "charges", "receipts", "bills"},
    {"visit", "visits", "session", "sessions", "event", "events", "log", "logs", "usage", "activity",
     "activities", "cdr", "calls", "checkins", "logins", "plays", "views", "clicks", "attendance"},
)  # fmt: skip
_SERVICE = {
    "ticket",
    "tickets",
    "support",
    "review",
    "reviews",
    "survey",
    "surveys",
    "complaints",
    "campaigns",
}
_NO_ACTIVITY = (
    "no table shows who churned, and customers without a row in '{source}' may still be customers: add "
    "dates or events of leaving, purchases or visits, and run churnkit init again; or delete todo if such "
    "customers have churned"
)
_CHURN_TABLE = {
    "churn",
    "churned",
    "cancellation",
    "cancellations",
    "cancelled",
    "canceled",
    "churns",
    "kündigungen",
}
_LABEL_TABLE = _CHURN_TABLE | {"label", "labels", "target", "targets", "outcome", "outcomes"}
# Names of dates at which an outcome was still open; in a file of labels, more names are theirs.
_DATE_OF_OUTCOME = {"snapshot", "asof", "observation", "cutoff", "reference", "scoring", "stichtag"}
_DATE_OF_LABEL = _DATE_OF_OUTCOME | {
    "label", "target", "outcome", "period", "prediction", "evaluation", "reporting", "obs", "ref",
}  # fmt: skip
_DATE = {
    "date", "day", "dt", "time", "timestamp", "week", "month", "quarter", "year", "yearmonth",
    "yyyymm", "datum", "tag", "monat", "fecha", "mes", "mois",
}  # fmt: skip
# Names of a customer's own dates, such as of the start of the contract in a period.
_DATE_OF_CUSTOMER = {
    "start", "started", "begin", "began", "signup", "sign", "signed", "join", "joined", "contract",
    "subscription", "membership", "birth", "created", "creation", "registration", "registered",
    "activation", "activated", "trial", "renewal",
}  # fmt: skip
_MAX_DATES_OF_OUTCOMES = 60
_NAMED_DAYS = re.compile(r"(?<![0-9])([1-9][0-9]{0,2})[\s_-]?d(?:ays?)?(?![a-z])")
_SMALL_TABLE = 5
# Share by which more rows have an end than customers churned, where ends are those of terms.
_MAX_MORE_ENDS = 1.1
# Columns of a table that holds the customers' states: the id, the state, and a date.
_STATE_TABLE = 3


@dataclass(frozen=True)
class ChurnRule:
    """A meaning of churn.

    Parameters
    ----------
    kind
        ``recorded``, ``event``, ``contract`` or ``inactivity``.
    table
        Name of the table.
    reason
        Why it can be chosen, for the output and the recipe.
    where
        Conditions on the rows.
    dated
        True if the outcome is recorded with the date to which it refers.
    columns
        Columns that the conditions read, with their types.
    review
        What to review; empty if the inference is certain.
    question
        What must be answered before training; empty if the values for churned are known.
    days
        Days of the outcome window, if the name of a recorded outcome states them.
    """

    kind: str
    table: str
    reason: str
    where: tuple[Where, ...] = ()
    dated: bool = False
    columns: tuple[tuple[str, str], ...] = ()
    review: str = ""
    question: str = ""
    days: int | None = None

    def is_file_of_labels(self, table: RawTable) -> bool:
        """Return True for the table of recorded outcomes if its name says that it holds nothing else.

        Its other columns, such as usage in the months of the outcome, are known with the outcome.
        """
        return (
            self.kind == "recorded"
            and self.table == table.name
            and bool(table.words & _LABEL_TABLE)
        )

    def label(self, horizon: int, grace: int) -> Any:
        """Return the label with a horizon."""
        settings: dict[str, Any] = {"horizon_days": horizon}
        if self.where:
            settings["where"] = self.where
        if self.kind == "recorded":
            return ObservedChurn(self.table, dated=self.dated, **settings)
        if self.kind == "event":
            return EventChurn(self.table, **settings)
        if self.kind == "contract":
            return ContractualChurn(self.table, grace_days=grace, **settings)
        return InactivityChurn(self.table, **settings)

    def eligible(self, activity: RawTable, days: int) -> Any:
        """Return the rule that decides which customers have a row at a date."""
        if self.kind == "contract":
            return ActiveSubscription(self.table)
        where = returns_condition(activity)
        settings: dict[str, Any] = {"where": where} if where else {}
        if self.kind == "event":
            settings["unless"] = ChurnEvents(self.table, where=self.where)
        return ActiveWithin(activity.name, days=days, **settings)


def returns_condition(table: RawTable) -> tuple[Where, ...]:
    """Return the condition that leaves out returns and refunds."""
    return (Where(table.signed, ">", 0),) if table.signed else ()


def activity_table(tables: Sequence[RawTable]) -> RawTable | None:
    """Choose the table by which customers are active: purchases before visits, then the largest."""
    repeated = [
        table
        for table in tables
        if table.happened and not table.is_unique and not _is_churn_table(table)
    ]
    # Their own customers before those of another table, such as orders before their lines.
    candidates = [table for table in repeated if not table.is_subscription] or repeated
    if not candidates:
        dated = [table for table in tables if table.happened and not _is_churn_table(table)]
        return max(dated, key=lambda table: table.rows, default=None)

    def rank(table: RawTable) -> tuple[int, int, int]:
        words = [bool(table.words & names) for names in _ACTIVITIES]
        level = words.index(True) if any(words) else len(words)
        level += bool(table.words & _SERVICE)
        return -level, -len(table.lookups), table.rows

    return max(candidates, key=rank)


def _is_churn_table(table: RawTable) -> bool:
    return bool(table.words & _CHURN_TABLE)


def churn_rules(
    raw: RawTables, histories: Mapping[str, History], *, label: str | None, positive: Sequence[str]
) -> list[ChurnRule]:
    """List the possible meanings of churn, the most explicit first.

    Raises
    ------
    ChurnkitError
        If `label` names a column that no table with one row per customer has.
    """
    recorded = [rule for table in raw.tables for rule in _recorded(table, label, positive)]
    if label is not None and not recorded:
        raise ChurnkitError(
            f"--label applies to a table with one row per customer, and none with column '{label}' "
            "has one: name another column, or leave the option out, and churn is inferred from the "
            "other tables"
        )
    if label is not None:
        return recorded
    small = [
        rule
        for rule, table in recorded_tables(raw, recorded)
        if len(table.profiles) <= _SMALL_TABLE and not (table.is_subscription and _is_open(table))
        # Dates of leaving say more than an outcome without a date.
        if rule.dated or not (table.happened and ends_customer(table.happened))
    ]
    events = [
        ChurnRule("event", table.name, f"table '{table.source}' lists customers who churned")
        for table in raw.tables
        if _is_churn_table(table)
        and table.happened
        and table.ended is None
        and table.name in histories
    ]
    events += [_leaving(table, table.leaving) for table in raw.tables if table.leaving]
    subscribed = [
        table
        for table in _subscriptions(raw.tables)
        if not _has_planned_ends(table, [rule for rule in recorded if rule.table == table.name])
    ]
    contracts = [_contract(table) for table in subscribed]
    activity = activity_table(raw.tables)
    # Customers without tickets are customers while they have a subscription.
    is_active = activity is not None and any(activity.words & names for names in _ACTIVITIES)
    if not is_active and any(map(_is_open, subscribed)):
        rules = [*small, *contracts, *events]
    else:
        rules = [*small, *events, *contracts]
    rules += [
        ChurnRule(
            "event", table.name, event.reason, (event.where,), columns=((event.column, "string"),)
        )
        for table in raw.tables
        for event in find_churn_events(table, raw.data())
    ]
    rules += [rule for rule in recorded if rule not in small]
    if activity is not None and not activity.is_unique:
        rules.append(_inactivity(activity))
    return rules


def is_split_table(raw: RawTables, *, label: str | None, positive: Sequence[str]) -> bool:
    """Return True if all tables have one row per customer, and the outcome has no date.

    No row is then known to be from before the outcome, so that the files are those of one table.

    Raises
    ------
    ChurnkitError
        If `label` names a column that no table with one row per customer has.
    """
    if len(raw.tables) < 2 or not all(table.is_unique for table in raw.tables):
        return False
    histories, _ = measure(raw.tables, raw.data())
    rules = churn_rules(raw, histories, label=label, positive=positive)
    undated = {rule.table for rule in rules if rule.kind == "recorded" and not rule.dated}
    return rules[0].kind in {"recorded", "event"} and rules[0].table in undated if rules else False


def recorded_tables(raw: RawTables, rules: list[ChurnRule]) -> list[tuple[ChurnRule, RawTable]]:
    """Pair recorded outcomes with their tables."""
    by_name = {table.name: table for table in raw.tables}
    return [(rule, by_name[rule.table]) for rule in rules]


def _subscriptions(tables: Sequence[RawTable]) -> list[RawTable]:
    found = [table for table in tables if table.is_subscription]

    def rank(table: RawTable) -> tuple[bool, bool, int]:
        return _is_open(table), not table.is_unique, table.rows

    # Tables whose rows all have an end may hold terms, which are renewed.
    return sorted(found, key=rank, reverse=True)


def _is_open(table: RawTable) -> bool:
    """Return True if some rows have an end and others have none yet."""
    return table.ended in table.profiles and table.profiles[table.ended].missing > 0


def _has_planned_ends(table: RawTable, recorded: Sequence[ChurnRule]) -> bool:
    """Return True for ends of terms: all customers have one, more than are recorded as churned."""
    if table.ended is None or not table.is_unique or _is_open(table):
        return False
    ends = table.profiles[table.ended].filled
    churned = [_count_churned(table, rule) for rule in recorded if not rule.question]
    return bool(churned) and ends > _MAX_MORE_ENDS * max(churned)


def _count_churned(table: RawTable, rule: ChurnRule) -> int:
    """Count the rows that meet the condition of a recorded outcome."""
    (where,) = rule.where
    profile = table.profiles[where.column]
    if where.op == "is known":
        return profile.filled
    values = {str(value).casefold().removesuffix(".0") for value in where.values}
    churned = {text for text in profile.texts if text.casefold().removesuffix(".0") in values}
    return profile.rows_with(churned)


def _contract(table: RawTable) -> ChurnRule:
    reason = f"rows of '{table.source}' end at '{table.ended}'"
    return ChurnRule("contract", table.name, reason)


def _leaving(table: RawTable, column: str) -> ChurnRule:
    reason = f"rows of '{table.source}' with a date in '{column}' are a customer's last"
    where = (Where(column, "is known"),)
    return ChurnRule("event", table.name, reason, where, columns=((column, "string"),))


def _inactivity(table: RawTable) -> ChurnRule:
    reason = f"customers without a row in '{table.source}'"
    where = returns_condition(table)
    if where:
        reason += f" with {where[0]}"
    is_service = table.words & _SERVICE and not any(table.words & names for names in _ACTIVITIES)
    question = _NO_ACTIVITY.format(source=table.source) if is_service else ""
    return ChurnRule("inactivity", table.name, reason, where, question=question)


def _recorded(table: RawTable, label: str | None, positive: Sequence[str]) -> list[ChurnRule]:
    """List the labels in a table with one row per customer, or per customer and date."""
    rules = []
    for name, profile in table.profiles.items():
        rating = name_rating(name)
        is_kind = bool(set(name_rules.split_words(name)) & EVENT_COLUMNS)
        small = len(table.profiles) <= _SMALL_TABLE
        # A state, such as is_active, changes after the row: it counts in a table of its own.
        is_own = len(table.profiles) <= _STATE_TABLE
        named = rating >= 3 or (rating > 0 and not is_kind and (is_own or (rating == 2 and small)))
        named = name == label if label is not None else named
        one_row = table.is_unique or (table.happened and len(table.profiles) <= _SMALL_TABLE)
        if not named or not one_row or table.lookups or not profile.distinct:
            continue
        try:
            draft = draft_label(table.source, profile, positive)
        except ChurnkitError:
            if label is not None:
                raise
            continue
        churned = [text for text in profile.texts if value_direction(text) == 1]
        is_asked = "todo" in draft.settings
        if draft.type == "Utc" or (is_asked and label is None and len(churned) < 2):
            continue
        kind, where = label_condition(profile, draft, churned)
        is_dated = not table.is_unique or _has_dates_of_outcomes(table)
        reason = f"'{name}' of '{table.source}' records it"
        reason += (
            ", at its date" if is_dated else ", without a date: the data are read to their end"
        )
        review = "" if is_dated else f"assumed to be recorded after all other rows, see '{name}'"
        question = f"'{name}' of '{table.source}': {_which(profile)}" if is_asked else ""
        columns = ((name, kind),)
        rule = ChurnRule(
            "recorded", table.name, reason, (where,), is_dated, columns, review, question
        )
        rules.append(replace(rule, days=_named_days(name)))
    return rules


def _has_dates_of_outcomes(table: RawTable) -> bool:
    """Return True if the dates of a table with one row per customer are those of its outcomes.

    They are named so, or in a file of labels by a word for a date alone; a customer's own dates, such
    as of a signup, are not.
    """
    if table.happened not in table.profiles:
        return False
    profile = table.profiles[table.happened]
    is_shared = profile.distinct <= _MAX_DATES_OF_OUTCOMES and not profile.missing
    is_file = bool(table.words & _LABEL_TABLE)
    return is_shared and _names_date_of_outcome(table.happened, file_of_labels=is_file)


def _names_date_of_outcome(name: str, *, file_of_labels: bool) -> bool:
    """Return True for the name of a date at which an outcome was still open.

    Examples
    --------
    >>> [_names_date_of_outcome(n, file_of_labels=True) for n in ("month", "label_date", "signup_date")]
    [True, True, False]
    >>> [_names_date_of_outcome(n, file_of_labels=False) for n in ("month", "snapshot_date")]
    [False, True]
    """
    words = set(name_rules.split_words(name))
    if words & _DATE_OF_CUSTOMER:
        return False
    if {"as", "of"} <= words or words & (_DATE_OF_LABEL if file_of_labels else _DATE_OF_OUTCOME):
        return True
    return file_of_labels and words <= _DATE


def _named_days(name: str) -> int | None:
    """Return the days of the outcome window that a label's name states.

    Examples
    --------
    >>> [_named_days(name) for name in ("churn_next_60d", "churned_90_days", "is_churn")]
    [60, 90, None]
    """
    found = _NAMED_DAYS.search(name.lower())
    return int(found[1]) if found else None


def _which(profile: ColumnProfile) -> str:
    return (
        f"its values are {list_names(sorted(profile.texts))}: change the condition of the label in "
        "the recipe to those that mean churned, and delete todo; or use churnkit init --positive "
        "VALUE, once for each"
    )


def label_condition(
    profile: ColumnProfile, draft: DraftColumn, churned: Sequence[str]
) -> tuple[str, Where]:
    """Return the type of the label's column in a timeline, and the condition of churned rows."""
    from churnkit.contracts.parsing.scalars import read_boolean

    name, positive = profile.name, draft.settings.get("positive")
    if profile.kind == "boolean":
        return "boolean", Where(name, "==", positive is None or bool(positive))
    values: list[Any] = positive if isinstance(positive, list) else [positive]
    if draft.type == "bool":
        flag = float(positive is None or bool(positive))
        values = [text for text in profile.texts if read_boolean(text, lenient=True) == flag]
    elif positive is None and draft.settings.get("nullable"):
        return "string", Where(name, "is known")
    elif positive is None:
        values = list(churned) or list(profile.texts[:1])
    numeric = profile.kind == "number"
    typed = [float(value) if numeric else str(value) for value in values]
    where = Where(name, "==", typed[0]) if len(typed) == 1 else Where(name, "in", typed)
    return ("number" if numeric else "string"), where
