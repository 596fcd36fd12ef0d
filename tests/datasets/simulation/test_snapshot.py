"""The snapshot, compared with a slow implementation customer by customer, and its edges."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.datasets import simulate
from churnkit.datasets.simulation.snapshot import flat_snapshot
from churnkit.errors import ChurnkitError

AS_OF = pd.Timestamp("2024-10-09 06:30", tz="UTC")
DAY = pd.Timedelta(days=1)


@pytest.fixture(scope="module")
def small():
    return simulate(120, 14, seed=21)


def months_between(first, last):
    return (last.year - first.year) * 12 + last.month - first.month


def one_customer(tables, name, horizon_days):
    """All features of one customer, in plain words; None if not a customer."""
    rows = {key: table[table.customer_id == name] for key, table in tables.items()}
    available = {key: table[table.available_at < AS_OF] for key, table in rows.items()}
    subs = available["subscriptions"]
    now = subs[(subs.started_at < AS_OF) & ~(subs.ended_at < AS_OF)]
    if now.empty:
        return None
    now = now.iloc[0]
    spell = rows["subscriptions"][rows["subscriptions"].subscription_id == now.subscription_id]
    tenure = months_between(spell.started_at.min(), AS_OF)
    events = available["events"][available["events"].occurred_at < AS_OF]
    month = events[events.occurred_at >= AS_OF - 30 * DAY]
    quarter = events[events.occurred_at >= AS_OF - 90 * DAY]
    recent = events[events.occurred_at >= AS_OF - 180 * DAY]
    tickets = available["tickets"][available["tickets"].opened_at < AS_OF]
    waiting = tickets[~(tickets.closed_at < AS_OF)]
    surveys = available["surveys"]
    surveys = surveys[(surveys.sent_at < AS_OF) & (surveys.sent_at >= AS_OF - 365 * DAY)]
    answered = surveys[surveys.answered_at < AS_OF].sort_values("answered_at")
    silent = surveys[~(surveys.answered_at < AS_OF)]
    actions = available["treatments"]
    actions = actions[(actions.decided_at < AS_OF) & (actions.decided_at >= AS_OF - 365 * DAY)]
    left = spell.ended_at[spell.end_reason == "cancelled"]
    nps, csat = (answered.score[answered.kind == kind] for kind in ("NPS", "CSAT"))
    return {
        "plan": now.plan,
        "contract": now.contract,
        "payment": now.payment,
        "tenure_months": tenure,
        "months_to_renewal": (12 - tenure % 12) % 12 if now.contract == "Annual" else None,
        "seats": now.seats,
        "mrr": now.mrr,
        "sessions_30d": len(month),
        "sessions_90d": len(quarter),
        "usage_trend": 3 * len(month) / len(quarter) if len(quarter) else None,
        "active_days_30d": len({(AS_OF - moment) // DAY for moment in month.occurred_at}),
        "minutes_30d": month.minutes.sum(),
        "automations_90d": (quarter.event_type == "automation").sum(),
        "spend_90d": quarter.amount.sum(),
        "days_since_use": (AS_OF - recent.occurred_at.max()) // DAY if len(recent) else None,
        "open_tickets": len(waiting),
        "open_ticket_days": (AS_OF - waiting.opened_at.min()) // DAY if len(waiting) else None,
        "tickets_90d": (tickets.opened_at >= AS_OF - 90 * DAY).sum(),
        "last_nps": nps.iloc[-1] if len(nps) else None,
        "last_csat": csat.iloc[-1] if len(csat) else None,
        "unanswered_surveys_180d": (silent.sent_at >= AS_OF - 180 * DAY).sum(),
        "actions_365d": (actions.action != "none").sum(),
        "churned": bool((left < AS_OF + horizon_days * DAY).any()),
    }


def test_every_feature_equals_the_slow_reference(small):
    snapshot = small.snapshot(AS_OF.to_pydatetime(), horizon_days=45).to_pylist()
    tables = {name: table.to_pandas() for name, table in small.tables.items()}
    names = tables["customers"].customer_id
    expected = {name: one_customer(tables, name, 45) for name in names}
    expected = {name: row for name, row in expected.items() if row is not None}
    assert [row["customer_id"] for row in snapshot] == list(expected)
    assert sum(row["churned"] for row in snapshot) > 0
    for row in snapshot:
        for column, value in expected[row["customer_id"]].items():
            assert row[column] == value, column


def test_traits_and_consent_come_from_the_customers_table(small):
    snapshot = small.snapshot().to_pandas().set_index("customer_id")
    customers = small.tables["customers"].to_pandas().set_index("customer_id")
    columns = ["email", "region", "channel", "onboarded", "contact_consent"]
    pd.testing.assert_frame_equal(snapshot[columns], customers.loc[snapshot.index, columns])
    assert (snapshot.as_of == pd.Timestamp("2024-12-01", tz="UTC")).all()


def cut_off(tables, moment):
    """Forget everything from `moment` on."""
    stamp = pa.scalar(moment.astype(np.int64).item()).cast(pa.timestamp("us", tz="UTC"))
    kept = {}
    for name, table in tables.items():
        happened = {"events": "occurred_at", "tickets": "opened_at", "surveys": "sent_at"}
        time = happened.get(name, "available_at")
        rows = table.filter(
            pc.and_(pc.less(table[time], stamp), pc.less(table["available_at"], stamp))
        )
        for column in ("closed_at", "answered_at", "ended_at"):
            if column in rows.column_names:
                past = pc.less(rows[column], stamp).fill_null(False)
                null = pa.scalar(None, rows[column].type)
                index = rows.column_names.index(column)
                rows = rows.set_column(index, column, pc.if_else(past, rows[column], null))
        if name == "subscriptions":
            gone = pa.scalar(None, pa.string())
            reasons = pc.if_else(pc.is_valid(rows["ended_at"]), rows["end_reason"], gone)
            rows = rows.set_column(rows.column_names.index("end_reason"), "end_reason", reasons)
        kept[name] = rows if name != "customers" else table
    return kept


@given(hours=st.integers(24, 24 * 420))
@settings(max_examples=25, deadline=None)
def test_later_events_change_no_feature(small, hours):
    as_of = np.datetime64("2024-01-01", "us") + np.timedelta64(hours, "h")
    full = flat_snapshot(small.tables, as_of, None)
    past = flat_snapshot(cut_off(small.tables, as_of), as_of, None)
    assert full.equals(past)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_the_order_of_rows_changes_nothing(small, seed):
    rng = np.random.default_rng(seed)
    shuffled = {
        name: table if name == "customers" else table.take(rng.permutation(table.num_rows))
        for name, table in small.tables.items()
    }
    as_of = np.datetime64("2024-09-15T12:00")
    assert flat_snapshot(small.tables, as_of, 30).equals(flat_snapshot(shuffled, as_of, 30))


def with_rows(tables, name, **columns):
    """Replace a table by rows of our own; columns that are not given are null or zero."""
    schema = tables[name].schema
    count = len(next(iter(columns.values())))
    filled = [pa.array(columns.get(field.name, [None] * count), field.type) for field in schema]
    return {**tables, name: pa.table(filled, schema=schema)}


@pytest.mark.parametrize(
    ("occurred", "available", "month", "quarter"),
    [
        ("2024-10-09 06:30:00", "2024-10-09 06:30:00", 0, 0),
        ("2024-10-09 06:29:59", "2024-10-09 06:29:59", 1, 1),
        ("2024-10-09 06:29:59", "2024-10-09 06:30:00", 0, 0),
        ("2024-09-09 06:30:00", "2024-09-09 06:30:00", 1, 1),
        ("2024-09-09 06:29:59", "2024-09-09 06:29:59", 0, 1),
        ("2024-07-11 06:30:00", "2024-10-09 06:29:59", 0, 1),
        ("2024-07-11 06:29:59", "2024-07-11 06:29:59", 0, 0),
    ],
)
def test_windows_are_half_open_and_late_rows_are_not_seen(
    small, occurred, available, month, quarter
):
    row = small.snapshot(AS_OF.to_pydatetime(), horizon_days=None)["customer_id"][0].as_py()
    tables = with_rows(
        small.tables,
        "events",
        customer_id=[row],
        event_type=["purchase"],
        occurred_at=[pd.Timestamp(occurred, tz="UTC")],
        available_at=[pd.Timestamp(available, tz="UTC")],
        minutes=[7],
        amount=[5.25],
    )
    snapshot = flat_snapshot(tables, np.datetime64(AS_OF.tz_localize(None)), None)
    result = snapshot.slice(0, 1).to_pylist()[0]
    assert (result["sessions_30d"], result["sessions_90d"]) == (month, quarter)
    assert result["spend_90d"] == 5.25 * quarter


@pytest.mark.parametrize(
    ("ended", "there", "churned"),
    [
        ("2024-10-09 06:29:59", False, None),
        ("2024-10-09 06:30:00", True, True),
        ("2024-11-08 06:29:59", True, True),
        ("2024-11-08 06:30:00", True, False),
        (None, True, False),
    ],
)
def test_the_outcome_window_is_half_open(small, ended, there, churned):
    name = small.tables["customers"]["customer_id"][0].as_py()
    tables = with_rows(
        small.tables,
        "subscriptions",
        subscription_id=["S1"],
        version=[1],
        customer_id=[name],
        plan=["Team"],
        contract=["Annual"],
        payment=["card"],
        seats=[3],
        mrr=[43.5],
        started_at=[pd.Timestamp("2023-10-09 07:00", tz="UTC")],
        ended_at=[None if ended is None else pd.Timestamp(ended, tz="UTC")],
        end_reason=[None if ended is None else "cancelled"],
        available_at=[pd.Timestamp("2023-10-09 07:00", tz="UTC")],
    )
    snapshot = flat_snapshot(tables, np.datetime64(AS_OF.tz_localize(None)), 30).to_pylist()
    assert [row["churned"] for row in snapshot] == ([churned] if there else [])
    if there:
        assert snapshot[0]["tenure_months"] == 12
        assert snapshot[0]["months_to_renewal"] == 0


def test_a_snapshot_without_horizon_has_no_label_and_may_stand_at_the_end(small):
    latest = small.snapshot(small.end, horizon_days=None)
    assert "churned" not in latest.column_names
    assert latest.num_rows > 40
    assert small.snapshot(horizon_days=None).equals(latest)


def test_ground_truth_has_the_order_of_the_snapshot(small):
    for moment in (None, "2024-06-17", small.end):
        table = small.snapshot(moment, horizon_days=30 if moment is None else None)
        truth = small.snapshot_truth(moment, horizon_days=30)
        assert truth["customer_id"].equals(table["customer_id"])
        for column in truth.column_names[1:]:
            assert truth[column].null_count == 0
        chance = truth["churn_probability"].to_numpy()
        assert ((chance >= 0) & (chance < 1)).all()


@pytest.mark.parametrize("as_of", ["2023-12-01", "2024-01-01", "2025-03-02"])
def test_a_moment_outside_the_simulated_time_is_refused(small, as_of):
    with pytest.raises(ChurnkitError, match="outside the simulated period"):
        small.snapshot(as_of)


def test_an_outcome_window_beyond_the_end_is_refused_and_not_labelled_as_staying(small):
    with pytest.raises(ChurnkitError, match="ends after the simulated period"):
        small.snapshot("2025-02-01", horizon_days=90)


def test_a_plain_model_ranks_well_but_not_perfectly(business):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    snapshot = business.snapshot().to_pandas()
    features = snapshot.drop(columns=["customer_id", "email", "as_of", "churned"])
    encoded = pd.get_dummies(features.fillna(-1.0)).astype(float)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    chance = cross_val_predict(model, encoded, snapshot.churned, cv=3, method="predict_proba")
    truth = business.snapshot_truth()["churn_probability"].to_numpy()
    assert 0.72 < roc_auc_score(snapshot.churned, chance[:, 1]) < 0.85
    assert 0.80 < roc_auc_score(snapshot.churned, truth) < 0.88
