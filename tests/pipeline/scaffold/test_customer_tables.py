"""Tables with one row per customer that together are one table, and the customers of a table."""

from __future__ import annotations

import datetime as dt
import sqlite3

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pytest

from churnkit.pipeline.scaffold.column_profile import profile_column
from churnkit.pipeline.scaffold.column_roles import draft_column
from churnkit.pipeline.scaffold.keys.entity_column import find_entity
from churnkit.pipeline.scaffold.leakage.total_columns import total_columns
from churnkit.pipeline.scaffold.project import create_project
from churnkit.pipeline.scaffold.raw.tables.raw_tables import read_raw_tables
from churnkit.pipeline.scaffold.raw.timeline_draft import draft_timeline
from churnkit.timeline import ActiveWithin, ChurnEvents, EventChurn

ROWS = 400
RANDOM = np.random.default_rng(7)
CHURNED = RANDOM.random(ROWS) < 0.3
CODES = [f"{RANDOM.integers(16**8, 16**9):x}" for _ in range(ROWS)]
START = dt.date(2024, 1, 1)


def profiles(**columns):
    return {
        name: profile_column(name, pa.chunked_array([values])) for name, values in columns.items()
    }


def clients(ids=CODES, key="id"):
    return pa.table(
        {
            key: ids,
            "usage": RANDOM.normal(np.where(CHURNED, 5.0, 6.0), 2.0).round(2),
            "joined": [str(START + dt.timedelta(days=n)) for n in range(ROWS)],
            "churn": CHURNED.astype(int),
        }
    )


def create(folder, tables):
    (folder / "in").mkdir()
    for name, table in tables.items():
        pcsv.write_csv(table, folder / "in" / f"{name}.csv")
    said: list[str] = []
    return create_project(folder / "project", [folder / "in"], progress=said.append), said


@pytest.mark.parametrize(
    ("values", "entity"),
    [
        (["Month-to-month", "One year", "Two year"] * 100, None),
        ([f"V{n % 60}" for n in range(300)], "contract"),
        ([str(n % 12) for n in range(24)], "contract"),
    ],
)
def test_kinds_of_contracts_are_no_customers(values, entity):
    columns = profiles(contract=values, fee=[20.5 + n for n in range(len(values))])
    assert find_entity(columns)[0] == entity


@pytest.mark.parametrize(
    ("name", "values", "role"),
    [
        ("Email_Open_Rate", [n / 7 for n in range(300)], "feature"),
        ("mobile_app_usage", [n / 3 for n in range(300)], "feature"),
        ("phone_calls", [7 * n % 90 for n in range(300)], "feature"),
        ("email", [f"a{n}@example.org" for n in range(300)], "pii"),
        ("phone_number", [5_550_100 + n for n in range(300)], "pii"),
        ("mobile", [f"+49 171 {n:06d}" for n in range(300)], "pii"),
        ("latitude", [n / 7 for n in range(300)], "pii"),
    ],
)
def test_measures_of_contacts_are_no_personal_data(name, values, role):
    assert draft_column(profile_column(name, pa.chunked_array([values]))).role == role


def test_a_copy_of_some_columns_is_left_out(tmp_path):
    table = clients()
    made, said = create(tmp_path, {"data": table, "output": table.select(["id", "churn"])})
    assert not made.questions
    assert any("'data' is read alone" in line and "'output'" in line for line in said)
    assert {c.name: c.role for c in made.columns}["churn"] == "label"
    assert ("rows", "one row per customer") in made.reading


def test_tables_of_other_customers_are_not_left_out(tmp_path):
    table, others = clients(), [f"x{code}" for code in CODES]
    outcomes = pa.table({"id": others, "churn": CHURNED.astype(int)})
    _, said = create(tmp_path, {"data": table, "output": outcomes})
    assert not any("is read alone" in line for line in said)


@pytest.mark.parametrize("labeled", [True, False])
def test_a_table_of_a_database_with_the_outcome_is_read_alone(tmp_path, labeled):
    """Without the outcome in the widest table, the draft asks."""
    frame = clients(key="customer_id").to_pandas().drop(columns="joined")
    raw = frame if labeled else frame.drop(columns="churn").assign(plan="a", seats=range(ROWS))
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        raw.to_sql("raw", connection, index=False)
        frame[["customer_id", "churn"]].to_sql("outcomes", connection, index=False)
    made = create_project(tmp_path / "project", [tmp_path / "shop.db"])
    assert bool(made.questions) is not labeled
    if labeled:
        assert {c.name: c.role for c in made.columns}["churn"] == "label"


def _write(folder, tables):
    for name, table in tables.items():
        pcsv.write_csv(table, folder / f"{name}.csv")
    return read_raw_tables({name: folder / f"{name}.csv" for name in tables}, entity=None)


@pytest.mark.parametrize("views", [1, 500])
def test_customers_are_known_where_activity_is_recorded_too_late(tmp_path, views):
    """Views of one day do not show who was a customer a year before; views of 500 days do."""
    joined = [START + dt.timedelta(days=n % 300) for n in range(ROWS)]
    left = [str(j + dt.timedelta(days=90 + n)) for n, j in enumerate(joined) if n % 2]
    ids = [f"u{n}" for n in range(ROWS)]
    viewed = [START + dt.timedelta(days=760 - (7 * n) % views) for n in range(5 * ROWS)]
    raw = _write(
        tmp_path,
        {
            "users": pa.table({"user_id": ids, "signup_date": list(map(str, joined))}),
            "churn": pa.table({"user_id": ids[1::2], "churn_date": left}),
            "visits": pa.table({"user_id": ids * 5, "visited_on": list(map(str, viewed))}),
        },
    )
    made = draft_timeline(raw)
    label, eligible = made.timeline.label, made.timeline.eligible
    assert isinstance(label, EventChurn)
    assert label.table == "churn"
    assert isinstance(eligible, ActiveWithin)
    assert eligible.table == ("users" if views == 1 else "visits")
    assert isinstance(eligible.unless, ChurnEvents)
    assert eligible.unless.table == "churn"
    if views == 1:
        # Everybody who has joined and not left is a customer, however long ago the signup is.
        assert eligible.days >= (made.timeline.snapshots.timestamps[-1].date() - START).days


def test_totals_up_to_the_export_are_no_features_at_earlier_dates(tmp_path):
    ids = [f"u{n}" for n in range(ROWS)]
    begin = [START + dt.timedelta(days=n % 300) for n in range(ROWS)]
    ends = ["" if n % 2 else str(day + dt.timedelta(days=150 + n)) for n, day in enumerate(begin)]
    raw = _write(
        tmp_path,
        {
            "subscriptions": pa.table(
                {"user_id": ids, "start_date": list(map(str, begin)), "end_date": ends}
            ),
            "user_ltv": pa.table(
                {
                    "user_id": ids,
                    "total_revenue": [10.5 * n for n in range(ROWS)],
                    "discount": [n % 7 / 2 for n in range(ROWS)],
                }
            ),
        },
    )
    made = draft_timeline(raw)
    assert "user_ltv_discount" in made.timeline.features
    assert not any("total_revenue" in name for name in made.timeline.features)
    assert any("'total_revenue' of 'user_ltv'" in note for note in made.notes)
    assert total_columns(["total_price", "totally_new", "seats"]) == ()
