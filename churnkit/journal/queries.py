"""SQL queries of the journal, with results as Arrow tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Boolean, Float, exists, func, literal, null, select, union_all

from churnkit.journal.schema import decisions, outcomes

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pyarrow as pa
    from sqlalchemy import ColumnElement, CompoundSelect, Select, Table
    from sqlalchemy.engine import Connection

    from churnkit.journal.database import Database

__all__ = [
    "read_entries",
    "read_history",
    "read_kinds",
    "select_contacts",
    "select_history",
    "used_capacity",
]

_BATCH_ROWS = 50_000


_AGAINST = ("reject", "snooze")


def _has_action() -> ColumnElement[bool]:
    return decisions.c.action.is_not(None) & (decisions.c.verdict == "decide")


def _is_contact() -> ColumnElement[bool]:
    """Return the condition that a decision has an action that was not rejected or snoozed."""
    verdict = decisions.alias("verdict")
    against = (verdict.c.about == decisions.c.key) & verdict.c.verdict.in_(_AGAINST)
    return _has_action() & ~exists(select(literal(1)).select_from(verdict).where(against))


def select_contacts(
    database: Database, customers: Collection[str], *, since: int
) -> Select[tuple[Any, ...]]:
    """Select customer, time, action, group and channel of contacts; uses one index."""
    return select(
        decisions.c.customer,
        decisions.c.decided_at,
        decisions.c.action,
        decisions.c.action_group,
        decisions.c.channel,
    ).where(
        database.is_in(decisions.c.customer, customers),
        decisions.c.decided_at >= since,
        _is_contact(),
    )


def select_history(
    database: Database, customers: Collection[str], *, since: int
) -> CompoundSelect[tuple[Any, ...]]:
    """Select contacts and outcomes in one query."""
    contacts = select(
        decisions.c.customer.label("customer"),
        decisions.c.decided_at.label("at"),
        null().label("outcome"),
        decisions.c.action.label("action"),
        decisions.c.action_group.label("action_group"),
        decisions.c.channel.label("channel"),
    ).where(
        database.is_in(decisions.c.customer, customers),
        decisions.c.decided_at >= since,
        _is_contact(),
    )
    cause = decisions.alias("cause")
    following = (
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
            database.is_in(outcomes.c.customer, customers),
            outcomes.c.observed_at >= since,
        )
    )
    return union_all(contacts, following)


def read_history(
    database: Database, connection: Connection, customers: Collection[str], *, since: int
) -> pa.Table:
    """Return contacts and outcomes of some customers, by customer and time."""
    query = select_history(database, customers, since=since).order_by("customer", "at")
    result = connection.execute(query)
    return _to_arrow(list(result.keys()), result.all(), times={"at"})


def read_entries(
    connection: Connection,
    table: Table,
    conditions: Sequence[ColumnElement[bool]],
    *,
    names: Collection[str] | None = None,
) -> pa.Table:
    """Return decisions or outcomes, by time and key, in batches; `names` selects columns."""
    import pyarrow as pa

    columns = [
        column
        for column in table.columns
        if column.name != "digest" and (names is None or column.name in names)
    ]
    time = table.c["decided_at" if table is decisions else "observed_at"]
    query = select(*columns).where(*conditions).order_by(time, table.c.key)
    # A cursor of the server, where there is one: the rows are not all in memory at once.
    result = connection.execute(query.execution_options(stream_results=True))

    def to_arrow(rows: Sequence[Any]) -> pa.Table:
        return _to_arrow(
            [column.name for column in columns],
            rows,
            times={column.name for column in columns if isinstance(column.type, BigInteger)},
            numbers={column.name for column in columns if isinstance(column.type, Float)},
            flags={column.name for column in columns if isinstance(column.type, Boolean)},
        )

    return pa.concat_tables([to_arrow([]), *map(to_arrow, result.partitions(_BATCH_ROWS))])


def read_kinds(connection: Connection) -> dict[str, int]:
    """Return the time of the latest outcome of each kind, in microseconds."""
    query = select(outcomes.c.kind, func.max(outcomes.c.observed_at)).group_by(outcomes.c.kind)
    return {kind: int(latest) for kind, latest in connection.execute(query)}


def used_capacity(connection: Connection, policy: str, period: str) -> dict[str, tuple[int, float]]:
    """Return the number of customers and the cost of each action in a period."""
    verdict = decisions.alias("verdict")
    # Read once, where a condition on each decision would be looked up for each.
    against = select(verdict.c.about).where(
        verdict.c.about.is_not(None), verdict.c.verdict.in_(_AGAINST)
    )
    query = (
        select(decisions.c.action, func.count(), func.sum(decisions.c.cost))
        .where(
            decisions.c.policy == policy,
            decisions.c.period == period,
            _has_action(),
            decisions.c.key.not_in(against),
        )
        .group_by(decisions.c.action)
        .order_by(decisions.c.action)
    )
    return {action: (count, float(cost)) for action, count, cost in connection.execute(query)}


def _to_arrow(
    names: Sequence[str],
    rows: Sequence[Any],
    *,
    times: Collection[str] = (),
    numbers: Collection[str] = (),
    flags: Collection[str] = (),
) -> pa.Table:
    import pyarrow as pa

    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    arrays: dict[str, Any] = {}
    for name, values in zip(names, columns, strict=True):
        if name == "eligible":
            lists = [json.loads(value) for value in values]
            arrays[name] = pa.array(lists, type=pa.list_(pa.string()))
        elif name in times:
            arrays[name] = pa.array(values, type=pa.timestamp("us", tz="UTC"))
        elif name in numbers:
            arrays[name] = pa.array(values, type=pa.float64())
        elif name in flags:
            arrays[name] = pa.array(values, type=pa.bool_())
        else:
            arrays[name] = pa.array(values, type=pa.string())
    return pa.table(arrays)
