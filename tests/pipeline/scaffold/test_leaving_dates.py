"""Rows by period of which a customer's last has a date of leaving."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pytest

from churnkit.pipeline.scaffold.raw.tables.raw_tables import read_raw_tables
from churnkit.pipeline.scaffold.raw.timeline_draft import draft_timeline
from churnkit.timeline import EventChurn, Where, build

START = dt.date(2023, 1, 1)
CUSTOMERS, MONTHS = 240, 24


def bills(period, *, ends):
    """Write a bill every 30 days; with `ends`, every row ends with its period."""
    random = np.random.default_rng(11)
    rows: dict[str, list[str]] = {
        "user_id": [],
        period: [],
        "price": [],
        "status": [],
        "churn_date": [],
    }
    for customer in range(CUSTOMERS):
        first = int(random.integers(0, 240))
        paid = int(random.integers(3, 40))
        for month in range(paid):
            day = first + 30 * month
            if day >= 30 * MONTHS:
                break
            left = day + 12 if ends or month == paid - 1 else None
            rows["user_id"].append(f"u{customer}")
            rows[period].append(str(START + dt.timedelta(days=day)))
            rows["price"].append(str(10 + customer % 3))
            rows["status"].append("active" if left is None else "churned")
            rows["churn_date"].append("" if left is None else str(START + dt.timedelta(days=left)))
    return pa.table(rows)


def read(folder, **tables):
    for name, table in tables.items():
        pcsv.write_csv(table, folder / f"{name}.csv")
    return read_raw_tables({name: folder / f"{name}.csv" for name in tables}, entity=None)


@pytest.mark.parametrize("period", ["billing_date", "month", "due_date"])
def test_the_last_bill_shows_who_left(tmp_path, period):
    table = bills(period, ends=False)
    made = draft_timeline(read(tmp_path, bills=table))
    timeline = made.timeline
    assert isinstance(timeline.label, EventChurn)
    assert timeline.label.table == "bills"
    assert timeline.label.conditions == (Where("churn_date", "is known"),)
    assert not any("status" in name or "churn_date" in name for name in timeline.features)
    frame = table.to_pandas()
    paid = frame.groupby("user_id")[period].max()
    gone = set(frame.user_id[frame.churn_date != ""])
    built = build(timeline, {"bills": table}).to_pandas()
    for as_of, rows in built.groupby(timeline.as_of):
        day, horizon = as_of.date(), dt.timedelta(days=timeline.label.horizon_days)
        for user, churned in zip(rows.user_id, rows.churned, strict=True):
            last = dt.date.fromisoformat(paid[user])
            assert churned == (user in gone and day <= last < day + horizon)


def test_periods_that_all_end_are_subscriptions(tmp_path):
    (table,) = read(tmp_path, plans=bills("start_date", ends=True)).tables
    assert (table.happened, table.ended, table.leaving) == ("start_date", "churn_date", None)


def test_a_date_of_leaving_of_each_customer_is_an_end(tmp_path):
    table = bills("start_date", ends=False).to_pandas().drop_duplicates("user_id", keep="last")
    users = pa.Table.from_pandas(table, preserve_index=False)
    (read_table,) = read(tmp_path, customers=users).tables
    assert (read_table.ended, read_table.leaving) == ("churn_date", None)


def test_a_time_of_change_is_no_time_of_a_period(tmp_path):
    (table,) = read(tmp_path, bills=bills("updated_at", ends=False)).tables
    assert table.leaving is None
