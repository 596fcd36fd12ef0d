"""DuckDB gives, cell for cell, what a slow reference gives from the definitions."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from churnkit.timeline import (
    ActiveWithin,
    ContractualChurn,
    Count,
    InactivityChurn,
    Snapshots,
    Table,
    Timeline,
    build,
)

UNTIL = "2025-12-31"
DAY = dt.timedelta(days=1)
TICK = dt.timedelta(microseconds=1)
AS_OF = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)


def differences(found, expected):
    assert len(found) == len(expected)
    return [
        (name, row[name], other[name])
        for row, other in zip(found, expected, strict=True)
        for name in other
        if row[name] != other[name] or type(row[name]) is not type(other[name])
    ]


def test_every_feature_equals_the_reference_cell_for_cell(plan, raw, by_hand):
    found = build(plan, raw, known_until=UNTIL, threads=1).to_pylist()
    assert len(found) > 80
    assert not differences(found, by_hand(plan, raw))


def test_every_label_equals_the_reference(plan, raw, label, by_hand):
    labelled = replace(plan, label=label, features={"rows": Count("events")})
    found = build(labelled, raw, known_until=UNTIL, threads=1).to_pylist()
    assert not differences(found, by_hand(labelled, raw))
    assert {True, False} <= {row["churned"] for row in found}


def test_every_eligibility_equals_the_reference(plan, raw, eligible, by_hand):
    narrowed = replace(plan, eligible=eligible, features={"rows": Count("events")})
    found = build(narrowed, raw, threads=1).to_pylist()
    assert found
    assert not differences(found, by_hand(narrowed, raw))


def test_dates_with_a_time_of_day_count_days_from_it(plan, raw, by_hand):
    shifted = replace(
        plan, snapshots=Snapshots(dates=("2025-04-01T05:30:00", "2025-05-09T05:30:00"))
    )
    found = build(shifted, raw, threads=1).to_pylist()
    assert not differences(found, by_hand(shifted, raw))


def test_more_dates_than_are_worked_out_together_give_the_same_rows(plan, raw, by_hand):
    features = {name: plan.features[name] for name in ("rows_30", "recency", "plan", "last_amount")}
    daily = replace(
        plan,
        features=features,
        snapshots=Snapshots(every="3 days", start="2025-03-01", end="2025-06-10"),
    )
    assert len(daily.snapshots.dates) > 24
    found = build(daily, raw, threads=1).to_pylist()
    assert not differences(found, by_hand(daily, raw))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (AS_OF - 30 * DAY - TICK, 0),
        (AS_OF - 30 * DAY, 1),
        (AS_OF - TICK, 1),
        (AS_OF, 0),
    ],
)
def test_a_window_holds_its_beginning_and_not_its_end(at, expected):
    plan = Timeline(
        tables=[Table("events", "who", happened="at"), Table("seen", "who", happened="at")],
        features={"rows": Count("events", window_days=30)},
        snapshots=Snapshots(dates=(AS_OF,)),
        eligible=ActiveWithin("seen", days=365),
    )
    tables = {"events": [{"who": 1, "at": at}], "seen": [{"who": 1, "at": AS_OF - 9 * DAY}]}
    assert build(plan, tables).column("rows").to_pylist() == [expected]


@pytest.mark.parametrize(
    ("at", "in_window"),
    [
        (AS_OF, False),
        (AS_OF + 7 * DAY - TICK, False),
        (AS_OF + 7 * DAY, True),
        (AS_OF + 37 * DAY - TICK, True),
        (AS_OF + 37 * DAY, False),
    ],
)
def test_an_outcome_window_holds_its_beginning_and_not_its_end(at, in_window):
    plan = Timeline(
        tables=[
            Table("events", "who", happened="at"),
            Table("spells", "who", happened="began", ended="ended"),
        ],
        features={"rows": Count("events", window_days=30)},
        snapshots=Snapshots(dates=(AS_OF, AS_OF + 90 * DAY)),
        eligible=ActiveWithin("spells", days=365),
        label=InactivityChurn("events", gap_days=7, horizon_days=30),
    )
    tables = {
        "events": [{"who": 1, "at": at}],
        "spells": [{"who": 1, "began": AS_OF - 9 * DAY, "ended": at}],
    }
    inactive = build(plan, tables, known_until=UNTIL)
    assert inactive.column("churned").to_pylist()[0] is not in_window
    leaving = replace(plan, label=ContractualChurn("spells", gap_days=7, horizon_days=30))
    expected = None if AS_OF <= at < AS_OF + 7 * DAY else in_window
    found = build(leaving, tables, known_until=UNTIL)
    assert found.column("churned").to_pylist()[0] is expected


@pytest.mark.parametrize(("back_after", "left"), [(10 * DAY - TICK, False), (10 * DAY, True)])
def test_who_returns_within_the_grace_has_not_left(back_after, left):
    ended = AS_OF + 3 * DAY
    plan = Timeline(
        tables=[Table("spells", "who", happened="began", ended="ended")],
        features={"spells": Count("spells")},
        snapshots=Snapshots(dates=(AS_OF,)),
        eligible=ActiveWithin("spells", days=365),
        label=ContractualChurn("spells", horizon_days=30, grace_days=10),
    )
    tables = {
        "spells": [
            {"who": 1, "began": AS_OF - DAY, "ended": ended},
            {"who": 1, "began": ended + back_after, "ended": None},
        ]
    }
    assert build(plan, tables, known_until=UNTIL).column("churned").to_pylist() == [left]
