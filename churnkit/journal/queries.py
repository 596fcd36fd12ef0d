"""Questions to the journal, and their answers as Arrow tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, func, literal, null, select, union_all

from churnkit.journal.schema import decisions, outcomes

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pyarrow as pa
    from sqlalchemy import ColumnElement, CompoundSelect, Select
    from sqlalchemy.engine import Connection

    from churnkit.journal.database import Database

__all__ = [
    "contacts_of",
    "history_of",
    "read_decisions",
    "read_history",
    "read_outcomes",
    "used",
]

_DECISIONS = (
    "key",
    "customer",
    "as_of",
    "decided_at",
    "period",
    "policy",
    "model",
    "model_version",
    "model_digest",
    "action",
    "action_group",
    "channel",
    "propensity",
    "eligible",
    "expected_gain",
    "gain_low",
    "gain_high",
    "cost",
    "holdout",
    "explored",
    "capped",
    "reason",
    "by",
    "verdict",
    "about",
    "why",
    "detail",
)
_OUTCOMES = ("key", "decision", "customer", "kind", "value", "observed_at", "detail")
_HISTORY = ("customer", "at", "outcome", "action", "action_group", "channel")
_TIMES = ("as_of", "decided_at", "observed_at", "at")
_NUMBERS = ("propensity", "expected_gain", "gain_low", "gain_high", "cost", "value")
_FLAGS = ("explored", "capped")


def _is_contact() -> ColumnElement[bool]:
    """Tell whether a decision reaches its customer: it acts, and nobody turned it down."""
    verdict = decisions.alias("verdict")
    against = (verdict.c.about == decisions.c.key) & verdict.c.verdict.in_(("reject", "snooze"))
    return (
        decisions.c.action.is_not(None)
        & (decisions.c.verdict == "decide")
        & ~exists(select(literal(1)).select_from(verdict).where(against))
    )


def contacts_of(
    database: Database, customers: Collection[str], *, since: int
) -> Select[tuple[Any, ...]]:
    """Ask for customer, time, action, group and channel of contacts: one search of an index."""
    return select(
        decisions.c.customer,
        decisions.c.decided_at,
        decisions.c.action,
        decisions.c.action_group,
        decisions.c.channel,
    ).where(
        database.among(decisions.c.customer, customers),
        decisions.c.decided_at >= since,
        _is_contact(),
    )


def history_of(
    database: Database, customers: Collection[str], *, since: int
) -> CompoundSelect[tuple[Any, ...]]:
    """Ask for contacts and outcomes together, in one query."""
    contacts = select(
        decisions.c.customer.label("customer"),
        decisions.c.decided_at.label("at"),
        null().label("outcome"),
        decisions.c.action.label("action"),
        decisions.c.action_group.label("action_group"),
        decisions.c.channel.label("channel"),
    ).where(
        database.among(decisions.c.customer, customers),
        decisions.c.decided_at >= since,
        _is_contact(),
    )
    cause = decisions.alias("cause")
    answers = (
        select(
            outcomes.c.customer,
            outcomes.c.observed_at,
            outcomes.c.kind,
            cause.c.action,
            cause.c.action_group,
            cause.c.channel,
        )
        .select_from(outcomes.outerjoin(cause, cause.c.key == outcomes.c.decision))
        .where(
            database.among(outcomes.c.customer, customers),
            outcomes.c.observed_at >= since,
        )
    )
    return union_all(contacts, answers)


def read_history(
    database: Database, connection: Connection, customers: Collection[str], *, since: int
) -> pa.Table:
    """Give contacts and outcomes of some customers, by customer and time."""
    query = history_of(database, customers, since=since).order_by("customer", "at")
    return _table(_HISTORY, connection.execute(query).all())


def read_decisions(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> pa.Table:
    """Give decisions, by time and key."""
    columns = [decisions.c[name] for name in _DECISIONS]
    query = select(*columns).where(*conditions)
    rows = connection.execute(query.order_by(decisions.c.decided_at, decisions.c.key)).all()
    return _table(_DECISIONS, rows)


def read_outcomes(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> pa.Table:
    """Give outcomes, by time and key."""
    columns = [outcomes.c[name] for name in _OUTCOMES]
    query = select(*columns).where(*conditions)
    rows = connection.execute(query.order_by(outcomes.c.observed_at, outcomes.c.key)).all()
    return _table(_OUTCOMES, rows)


def used(connection: Connection, policy: str, period: str) -> dict[str, tuple[int, float]]:
    """Give customers and cost of each action that went out in a period."""
    query = (
        select(decisions.c.action, func.count(), func.sum(decisions.c.cost))
        .where(decisions.c.policy == policy, decisions.c.period == period, _is_contact())
        .group_by(decisions.c.action)
        .order_by(decisions.c.action)
    )
    return {action: (count, float(cost)) for action, count, cost in connection.execute(query)}


def _table(names: Sequence[str], rows: Sequence[Any]) -> pa.Table:
    import json

    import pyarrow as pa

    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    arrays: dict[str, Any] = {}
    for name, values in zip(names, columns, strict=True):
        if name == "eligible":
            lists = [json.loads(value) for value in values]
            arrays[name] = pa.array(lists, type=pa.list_(pa.string()))
        elif name in _TIMES:
            arrays[name] = pa.array(values, type=pa.timestamp("us", tz="UTC"))
        elif name in _NUMBERS:
            arrays[name] = pa.array(values, type=pa.float64())
        elif name in _FLAGS:
            arrays[name] = pa.array(values, type=pa.bool_())
        else:
            arrays[name] = pa.array(values, type=pa.string())
    return pa.table(arrays)
