"""Features of each customer at an as-of time, from the simulated tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["flat_snapshot"]

_DAY = 86_400_000_000
_RECENT_USE_DAYS = 180
_ANSWER_DAYS = 365
_Ints = NDArray[np.int64]
_Columns = dict[str, Any]


def flat_snapshot(
    tables: Mapping[str, pa.Table], as_of: np.datetime64, horizon_days: int | None
) -> pa.Table:
    """Return a row for each customer at `as_of`, from rows available before."""
    moment = int(as_of.astype("datetime64[us]").astype(np.int64))
    reader = _Reader(tables, moment)
    active, columns, ended = _subscription(reader)
    columns |= _use(reader) | _tickets(reader) | _answers(reader) | _contacts(reader)
    count = reader.count
    customers = tables["customers"]
    constant = [name for name in customers.column_names if not name.endswith("_at")]
    rows: _Columns = {name: customers[name] for name in constant}
    rows["as_of"] = pa.array(np.full(count, moment)).view(pa.timestamp("us", tz="UTC"))
    rows |= columns
    if horizon_days is not None:
        rows["churned"] = pa.array(ended < moment + horizon_days * _DAY)
    table = pa.table(rows).select([*_ORDER, *(["churned"] if horizon_days is not None else [])])
    return table.filter(pa.array(active)).combine_chunks()


_ORDER = (
    "customer_id",
    "email",
    "as_of",
    "region",
    "channel",
    "plan",
    "contract",
    "payment",
    "onboarded",
    "tenure_months",
    "months_to_renewal",
    "seats",
    "mrr",
    "sessions_30d",
    "sessions_90d",
    "usage_trend",
    "active_days_30d",
    "minutes_30d",
    "automations_90d",
    "spend_90d",
    "days_since_use",
    "open_tickets",
    "open_ticket_days",
    "tickets_90d",
    "last_nps",
    "last_csat",
    "unanswered_surveys_180d",
    "actions_365d",
    "contact_consent",
)


class _Reader:
    """Rows of each table that were available strictly before a time."""

    def __init__(self, tables: Mapping[str, pa.Table], moment: int) -> None:
        self.tables, self.moment = tables, moment
        self.customers = tables["customers"]["customer_id"].combine_chunks()
        self.count = len(self.customers)

    def rows(self, name: str, time: str, days: int | None = None) -> pa.Table:
        """Return available rows of the last `days` days; all if None."""
        table = self.tables[name]
        available = pc.and_(self._before(table[time]), self._before(table["available_at"]))
        if days is not None:
            available = pc.and_(available, pc.greater_equal(table[time], self._at(-days * _DAY)))
        return table.filter(available)

    def customer(self, rows: pa.Table) -> _Ints:
        """Return the customer's index for each row."""
        index = pc.index_in(rows["customer_id"], self.customers)
        positions: _Ints = index.to_numpy().astype(np.int64)
        return positions

    def times(self, rows: pa.Table, name: str) -> _Ints:
        """Return a time column as microseconds; null becomes the maximum."""
        never = np.iinfo(np.int64).max
        values: _Ints = rows[name].cast(pa.int64()).fill_null(never).to_numpy()
        return values

    def per_customer(self, customer: _Ints, weight: NDArray[Any] | None = None) -> NDArray[Any]:
        """Count rows per customer, or sum a weight."""
        return np.bincount(customer, weight, minlength=self.count)

    def _at(self, offset: int) -> pa.Scalar:
        return pa.scalar(self.moment + offset).cast(pa.timestamp("us", tz="UTC"))

    def _before(self, times: pa.ChunkedArray) -> pa.ChunkedArray:
        return pc.less(times, self._at(0))


def _subscription(reader: _Reader) -> tuple[NDArray[np.bool_], _Columns, _Ints]:
    """Return active customers, their subscription, and when it ends (the maximum if never)."""
    table = reader.rows("subscriptions", "started_at")
    ended = reader.times(table, "ended_at")
    running = np.flatnonzero(ended >= reader.moment)
    position = np.full(reader.count, -1)
    position[reader.customer(table)[running]] = running
    active = position >= 0
    row = pa.array(position, mask=~active)
    now = table.take(row)
    columns: _Columns = {
        name: now[name] for name in ("plan", "contract", "payment", "seats", "mrr")
    }
    started = _spell_starts(reader, now)
    tenure = _month_number(reader.moment) - _month_number(started)
    annual = pc.equal(now["contract"], "Annual").fill_null(False).to_numpy()
    columns["tenure_months"] = pa.array(tenure)
    columns["months_to_renewal"] = pa.array(-tenure % 12, mask=~annual)
    return active, columns, _spell_ends(reader, now)


def _spell_starts(reader: _Reader, now: pa.Table) -> _Ints:
    """Return when the running subscription began, before any change of seats."""
    table = reader.rows("subscriptions", "started_at")
    first = table.filter(pc.equal(table["version"], 1))
    row = pc.index_in(now["subscription_id"], first["subscription_id"].combine_chunks())
    missing = pa.scalar(0, pa.int64())
    starts = first["started_at"].cast(pa.int64()).take(row.combine_chunks())
    values: _Ints = starts.fill_null(missing).to_numpy()
    return values


def _spell_ends(reader: _Reader, now: pa.Table) -> _Ints:
    """Return when the running subscription is cancelled, for the label."""
    table = reader.tables["subscriptions"]
    last = table.filter(pc.equal(table["end_reason"], "cancelled"))
    row = pc.index_in(now["subscription_id"], last["subscription_id"].combine_chunks())
    ends = last["ended_at"].cast(pa.int64()).take(row.combine_chunks())
    values: _Ints = ends.fill_null(np.iinfo(np.int64).max).to_numpy()
    return values


def _month_number(moment: Any) -> Any:
    return np.asarray(moment).astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def _use(reader: _Reader) -> _Columns:
    table = reader.rows("events", "occurred_at", _RECENT_USE_DAYS)
    customer, when = reader.customer(table), reader.times(table, "occurred_at")
    in_30 = when >= reader.moment - 30 * _DAY
    in_90 = when >= reader.moment - 90 * _DAY
    minutes, amount = table["minutes"].to_numpy(), table["amount"].to_numpy()
    automation = pc.equal(table["event_type"], "automation").to_numpy()
    last = np.full(reader.count, np.iinfo(np.int64).min)
    np.maximum.at(last, customer, when)
    used = last > np.iinfo(np.int64).min
    days = np.unique(customer[in_30] * 4096 + (reader.moment - when[in_30]) // _DAY) // 4096
    month = reader.per_customer(customer[in_30])
    quarter = reader.per_customer(customer[in_90])
    trend = 3.0 * month / np.maximum(quarter, 1)
    since = (reader.moment - np.where(used, last, reader.moment)) // _DAY
    return {
        "sessions_30d": pa.array(month),
        "sessions_90d": pa.array(quarter),
        "usage_trend": pa.array(trend, mask=quarter == 0),
        "active_days_30d": pa.array(reader.per_customer(days)),
        "minutes_30d": pa.array(
            reader.per_customer(customer[in_30], minutes[in_30]).astype(np.int64)
        ),
        "automations_90d": pa.array(reader.per_customer(customer[in_90 & automation])),
        "spend_90d": pa.array(reader.per_customer(customer[in_90], amount[in_90])),
        "days_since_use": pa.array(since, mask=~used),
    }


def _tickets(reader: _Reader) -> _Columns:
    table = reader.rows("tickets", "opened_at")
    customer, opened = reader.customer(table), reader.times(table, "opened_at")
    still_open = reader.times(table, "closed_at") >= reader.moment
    oldest = np.full(reader.count, reader.moment)
    np.minimum.at(oldest, customer[still_open], opened[still_open])
    recent = opened >= reader.moment - 90 * _DAY
    count = reader.per_customer(customer[still_open])
    return {
        "open_tickets": pa.array(count),
        "open_ticket_days": pa.array((reader.moment - oldest) // _DAY, mask=count == 0),
        "tickets_90d": pa.array(reader.per_customer(customer[recent])),
    }


def _answers(reader: _Reader) -> _Columns:
    table = reader.rows("surveys", "sent_at", _ANSWER_DAYS)
    customer, sent = reader.customer(table), reader.times(table, "sent_at")
    answered = reader.times(table, "answered_at")
    kind = table["kind"].to_numpy()
    score = table["score"].fill_null(-1).to_numpy()
    columns: _Columns = {}
    for name in ("nps", "csat"):
        rows = np.flatnonzero((kind == name.upper()) & (answered < reader.moment))
        # Sorted by time, so that the last answer overwrites earlier ones.
        rows = rows[np.argsort(answered[rows], kind="stable")]
        last = np.full(reader.count, -1)
        last[customer[rows]] = score[rows]
        columns[f"last_{name}"] = pa.array(last, mask=last < 0)
    recent = sent >= reader.moment - 180 * _DAY
    silent = recent & (answered >= reader.moment)
    columns["unanswered_surveys_180d"] = pa.array(reader.per_customer(customer[silent]))
    return columns


def _contacts(reader: _Reader) -> _Columns:
    table = reader.rows("treatments", "decided_at", 365)
    acted = table.filter(pc.not_equal(table["action"], "none"))
    return {"actions_365d": pa.array(reader.per_customer(reader.customer(acted)))}
