"""What must hold for every table: nothing from the future, no matter the order or the calendar."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churnkit.timeline import (
    ActiveSubscription,
    ActiveWithin,
    Count,
    Current,
    CurrentSum,
    DaysSince,
    DistinctDays,
    Last,
    OpenCount,
    Recency,
    Related,
    Snapshots,
    Sum,
    Table,
    Timeline,
    build,
)

DAY = dt.timedelta(days=1)
AS_OF = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)
BACK = [0, 1, 2, 5, 7, 29, 30, 31, 90]
TICKS = [-1, 0, 1]

PLAN = Timeline(
    tables=[
        Table(
            "events",
            "who",
            happened="at",
            available="known_at",
            columns={"kind": "string", "amount": "number"},
        ),
        Table(
            "spells",
            "who",
            happened="began",
            ended="ended",
            columns={"plan": "string", "fee": "number", "began": "datetime"},
        ),
    ],
    features={
        "rows": Count("events"),
        "rows_7_lag": Count("events", window_days=7, lag_days=1),
        "spend": Sum("events", "amount", window_days=30),
        "days": DistinctDays("events", window_days=30),
        "recency": Recency("events"),
        "kind": Last("events", "kind"),
        "amount": Last("events", "amount", window_days=30),
        "plan": Current("spells", "plan"),
        "fee": CurrentSum("spells", "fee"),
        "since": DaysSince("spells", "began"),
        "open": OpenCount("spells"),
        "kinds": Related("events", "kind", Sum("events", "amount"), window_days=30),
        "last_plan": Related("spells", "plan", Count("spells"), combine="last"),
    },
    snapshots=Snapshots(dates=(AS_OF,)),
    eligible=ActiveSubscription("spells"),
)

# A fixed row each, so that there is always somebody before the date.
FIRST = {
    "events": {
        "who": 0,
        "at": AS_OF - 99 * DAY,
        "known_at": AS_OF - 99 * DAY,
        "kind": "a",
        "amount": 1.0,
    },
    "spells": {"who": 0, "began": AS_OF - 99 * DAY, "ended": None, "plan": "a", "fee": 2.25},
}

moments = st.builds(
    lambda back, sign, ticks: AS_OF + sign * back * DAY + dt.timedelta(microseconds=ticks),
    st.sampled_from(BACK),
    st.sampled_from([-1, -1, 1]),
    st.sampled_from(TICKS),
)
amounts = st.none() | st.integers(0, 40).map(lambda quarters: quarters / 4)
names = st.none() | st.sampled_from(["a", "b", "c"])
events = st.builds(
    lambda who, at, late, kind, amount: {
        "who": who, "at": at, "known_at": max(at, late or at), "kind": kind, "amount": amount,
    },
    st.integers(0, 2), moments, st.none() | moments, names, amounts,
)  # fmt: skip
spells = st.builds(
    lambda who, began, ended, plan, fee: {
        "who": who, "began": began, "ended": ended, "plan": plan, "fee": fee,
    },
    st.integers(0, 2), moments, st.none() | moments, names, amounts,
)  # fmt: skip
tables = st.builds(
    lambda more_events, more_spells: {
        "events": [FIRST["events"], *more_events],
        "spells": [FIRST["spells"], *more_spells],
    },
    st.lists(events, max_size=12),
    st.lists(spells, max_size=6),
)
quick = settings(
    max_examples=10, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip


@pytest.fixture(params=["active", "within"])
def plan(request):
    within = replace(PLAN, eligible=ActiveWithin("events", days=365))
    return PLAN if request.param == "active" else within


def known(event):
    return max(event["at"], event["known_at"])


def built(plan, rows):
    return build(plan, rows, threads=1)


@quick
@given(
    rows=tables, more_events=st.lists(events, max_size=5), more_spells=st.lists(spells, max_size=3)
)
def test_nothing_at_or_after_the_date_changes_a_feature(plan, rows, more_events, more_spells):
    """Delete, change or add rows that were known at the date or later, or ended then."""
    past = [row for row in rows["events"] if known(row) < AS_OF]
    begun = [row for row in rows["spells"] if row["began"] < AS_OF]
    open_again = [
        {**row, "ended": None} if row["ended"] and row["ended"] >= AS_OF else row for row in begun
    ]
    later = [row for row in more_events if known(row) >= AS_OF]
    upcoming = [row for row in more_spells if row["began"] >= AS_OF]
    changed = {"events": past + later, "spells": open_again + upcoming}
    assert built(plan, changed).equals(built(plan, rows))


@quick
@given(rows=tables, late=st.lists(events, min_size=1, max_size=5))
def test_late_rows_are_not_seen(plan, rows, late):
    unseen = [{**row, "at": min(row["at"], AS_OF - DAY), "known_at": AS_OF} for row in late]
    more = {**rows, "events": [*rows["events"], *unseen]}
    assert built(plan, more).equals(built(plan, rows))


@quick
@given(rows=tables, seconds=st.sampled_from([86_400, 40 * 86_400, 18_000, -86_400 * 59 - 61]))
def test_shifting_all_times_changes_nothing_but_the_date(plan, rows, seconds):
    by = dt.timedelta(seconds=seconds)
    moved = {
        name: [
            {
                key: value + by if isinstance(value, dt.datetime) else value
                for key, value in row.items()
            }
            for row in listed
        ]
        for name, listed in rows.items()
    }
    later = built(replace(plan, snapshots=Snapshots(dates=(AS_OF + by,))), moved)
    here = built(plan, rows)
    assert later.drop_columns("as_of").equals(here.drop_columns("as_of"))
    assert set(later["as_of"].to_pylist()) == {AS_OF + by}


@quick
@given(rows=tables, data=st.data())
def test_the_order_of_rows_changes_nothing(plan, rows, data):
    mixed = {name: data.draw(st.permutations(listed)) for name, listed in rows.items()}
    assert built(plan, mixed).equals(built(plan, rows))
