"""Documented properties of the simulated tables."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from churnkit.datasets import simulate
from churnkit.errors import ChurnkitError

TABLES = ("customers", "subscriptions", "events", "tickets", "surveys", "treatments")


def to_bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue()


@pytest.mark.parametrize("name", TABLES)
def test_the_same_seed_gives_the_same_bytes(name):
    first, again = (simulate(150, 8, seed=5).tables[name] for _ in range(2))
    assert to_bytes(first) == to_bytes(again)


def test_the_same_seed_gives_the_same_bytes_in_another_process():
    code = (
        "import hashlib; from churnkit.datasets import simulate; "
        "f = simulate(150, 8, seed=5).snapshot(); "
        "print(hashlib.sha256(repr(f.to_pydict()).encode()).hexdigest())"
    )
    runs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert len(runs) == 1


def test_another_seed_gives_other_tables():
    first, other = (simulate(150, 8, seed=seed).tables["events"] for seed in (1, 2))
    assert to_bytes(first) != to_bytes(other)


@pytest.mark.parametrize(
    ("table", "column"), [("events", "amount"), ("subscriptions", "mrr"), ("treatments", "cost")]
)
def test_amounts_are_multiples_of_a_quarter(business, table, column):
    quarters = business.tables[table][column].to_numpy() * 4
    assert (quarters == np.rint(quarters)).all()
    assert quarters.max() > 0


@pytest.mark.parametrize("name", TABLES)
def test_times_are_utc_and_nothing_is_known_after_the_end(business, name):
    table = business.tables[name]
    available = table["available_at"].to_numpy()
    assert available.max() < business.end
    times = [field for field in table.schema if pa.types.is_timestamp(field.type)]
    assert times
    assert {field.type.tz for field in times} == {"UTC"}


@pytest.mark.parametrize("name", TABLES)
def test_every_row_belongs_to_a_customer(business, name):
    customers = set(business.tables["customers"]["customer_id"].to_pylist())
    assert len(customers) == 20_000
    assert set(business.tables[name]["customer_id"].to_pylist()) <= customers


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("customers", "customer_id"),
        ("tickets", "ticket_id"),
        ("surveys", "survey_id"),
        ("treatments", "decision_id"),
    ],
)
def test_keys_are_unique(business, name, key):
    column = business.tables[name][key]
    assert len(column.unique()) == len(column)


def test_versions_of_a_subscription_follow_one_another_without_gap(business):
    rows = business.tables["subscriptions"].to_pandas()
    rows = rows.sort_values(["subscription_id", "version"])
    same = rows.subscription_id.eq(rows.subscription_id.shift())
    assert (rows.version[same] == rows.version.shift()[same] + 1).all()
    assert (rows.version[~same] == 1).all()
    assert (rows.started_at[same] == rows.ended_at.shift()[same]).all()
    assert (rows.seats[same] - rows.seats.shift()[same]).abs().eq(1).all()
    last = ~same.shift(-1, fill_value=False)
    assert rows.end_reason[last].dropna().eq("cancelled").all()
    assert rows.end_reason[~last].eq("changed").all()
    assert (rows.end_reason.isna() == rows.ended_at.isna()).all()


def test_some_customers_come_back_after_at_least_a_month(business):
    rows = business.tables["subscriptions"].to_pandas()
    starts = rows[rows.version == 1].sort_values(["customer_id", "started_at"])
    again = starts.duplicated("customer_id")
    assert 0.01 < again.mean() < 0.1
    ends = rows[rows.end_reason == "cancelled"].groupby("customer_id").ended_at.min()
    gap = starts[again].set_index("customer_id").started_at - ends
    assert gap.dropna().min() > pd.Timedelta(days=28)


def test_events_need_a_subscription(business):
    rows = business.tables["subscriptions"].to_pandas()
    spells = rows.groupby(["customer_id", "subscription_id"], as_index=False).agg(
        start=("started_at", "min"), end=("ended_at", lambda s: s.iloc[-1])
    )
    spells["end"] = spells["end"].fillna(pd.Timestamp(business.end, tz="UTC"))
    events = business.tables["events"].slice(0, 20_000).to_pandas()
    joined = events.reset_index().merge(spells, on="customer_id")
    inside = (joined.occurred_at >= joined.start) & (joined.occurred_at < joined.end)
    assert inside.groupby(joined["index"]).sum().eq(1).all()


def test_a_fifth_to_a_third_leave_in_a_year(business):
    rows = business.tables["subscriptions"].to_pandas()
    start = pd.Timestamp("2024-06-01", tz="UTC")
    there = rows[(rows.started_at < start) & ~(rows.ended_at < start)]
    spells = rows[rows.subscription_id.isin(there.subscription_id)]
    left = spells[spells.end_reason == "cancelled"].ended_at < start + pd.Timedelta(days=365)
    assert 0.20 < left.sum() / len(there) < 0.35


def test_a_few_rows_are_known_late(business):
    events = business.tables["events"]
    late = events["available_at"].to_numpy() - events["occurred_at"].to_numpy()
    assert (late >= np.timedelta64(0, "us")).all()
    assert 0.02 < (late > np.timedelta64(0, "us")).mean() < 0.04
    assert late.max() <= np.timedelta64(5, "D")


def test_use_goes_down_before_a_customer_leaves(business):
    rows = business.tables["subscriptions"].to_pandas()
    left = rows[(rows.end_reason == "cancelled") & (rows.ended_at > "2025-01-01")]
    left = left[left.started_at < "2024-06-01"].set_index("customer_id").ended_at
    left = left[~left.index.duplicated()]
    events = business.tables["events"].to_pandas()
    days = (events.customer_id.map(left) - events.occurred_at).dt.days
    assert days.between(0, 29).sum() < 0.75 * days.between(150, 179).sum()


def test_surveys_hold_answers_on_their_scale_and_silence(business):
    surveys = business.tables["surveys"].to_pandas()
    for kind, low, high in (("NPS", 0, 10), ("CSAT", 1, 5), ("CES", 1, 7)):
        score = surveys.score[surveys.kind == kind]
        assert score.min() == low
        assert score.max() == high
        assert 0.4 < score.isna().mean() < 0.8
    assert (surveys.score.isna() == surveys.answered_at.isna()).all()
    assert surveys.text[surveys.score.isna()].isna().all()
    assert (surveys.answered_at > surveys.sent_at)[surveys.score.notna()].all()


def test_the_planted_driver_is_a_ticket_that_stays_open(business):
    snapshot = business.snapshot().to_pandas()
    waiting = snapshot.open_ticket_days >= 20
    odds = snapshot.churned.groupby(waiting).mean().pipe(lambda p: p / (1 - p))
    assert odds[True] > 2.5 * odds[False]


def test_the_planted_topic_is_written_by_churners(business):
    surveys = business.tables["surveys"].to_pandas().dropna(subset=["text"])
    rows = business.tables["subscriptions"].to_pandas()
    gone = rows[rows.end_reason == "cancelled"].groupby("customer_id").ended_at.max()
    soon = surveys.customer_id.map(gone) - surveys.sent_at < pd.Timedelta(days=90)
    about_sync = surveys.text.str.contains("sync|arrives on the desktop", case=False)
    assert 0.05 < about_sync[~soon].mean() < 0.25
    assert about_sync[soon].mean() > 1.5 * about_sync[~soon].mean()


def test_the_planted_segment_leaves_more(business):
    snapshot = business.snapshot().to_pandas()
    monthly = snapshot[snapshot.contract == "Month-to-month"]
    segment = (monthly.plan == "Starter") & (monthly.channel == "marketplace")
    assert monthly.churned[segment].mean() > 1.5 * monthly.churned[~segment].mean()


def test_texts_and_addresses_hold_no_real_person(business):
    emails = business.tables["customers"]["email"].to_pylist()
    assert all(email.endswith("@example.invalid") for email in emails)
    texts = {text for text in business.tables["surveys"]["text"].to_pylist() if text}
    assert not any("@" in text or any(c.isdigit() for c in text) for text in texts)
    assert len(texts) > 300


def test_only_customers_who_agreed_are_contacted(business):
    customers = business.tables["customers"].to_pandas().set_index("customer_id")
    treated = business.tables["treatments"]["customer_id"].to_pandas()
    assert customers.contact_consent[treated].all()


def test_past_actions_carry_the_probability_with_which_they_were_chosen(business):
    treatments = business.tables["treatments"].to_pandas()
    chances = business.truth.propensities
    assert chances.shape == (len(treatments), 4)
    assert np.allclose(chances.sum(axis=1), 1.0)
    assert chances.min() >= 0.05
    taken = treatments.action.map({a: i for i, a in enumerate(business.truth.actions)})
    assert (chances[np.arange(len(taken)), taken] == treatments.propensity).all()
    for position in range(4):
        # Within each quarter of the stated chance, the frequency is that chance.
        order = np.argsort(chances[:, position], kind="stable")
        for part in np.array_split(order, 4):
            stated = chances[part, position]
            spread = np.sqrt((stated * (1 - stated)).sum())
            assert abs((taken[part] == position).sum() - stated.sum()) < 4 * spread


def test_outcomes_of_past_actions_agree_with_the_subscriptions(business):
    treatments = business.tables["treatments"].to_pandas()
    rows = business.tables["subscriptions"].to_pandas()
    ends = rows[rows.end_reason == "cancelled"][["customer_id", "ended_at"]]
    pairs = treatments.merge(ends, on="customer_id")
    within = (pairs.ended_at >= pairs.decided_at) & (pairs.ended_at < pairs.outcome_at)
    churned = treatments.decision_id.isin(pairs.decision_id[within])
    assert (treatments.churned.astype(bool) == churned).all()
    assert 0.04 < churned.mean() < 0.12


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"customers": 0}, "customers"),
        ({"customers": 10_000_000}, "customers"),
        ({"months": 5}, "months"),
        ({"start": "2024-01-15"}, "start"),
        ({"start": "soon"}, "date"),
    ],
)
def test_an_argument_out_of_range_is_refused_by_name(arguments, word):
    with pytest.raises(ChurnkitError, match=word):
        simulate(**{"customers": 10, "months": 6, **arguments})


@pytest.mark.parametrize("customers", [1, 2, 7])
def test_a_handful_of_customers_is_enough(customers):
    business = simulate(customers, 6)
    assert business.tables["customers"].num_rows == customers
    assert business.snapshot().num_rows == business.snapshot_truth().num_rows


@pytest.mark.parametrize("name", TABLES)
def test_a_business_without_a_campaign_has_the_same_columns(business, name):
    quiet = simulate(3, 6)
    assert quiet.tables["treatments"].num_rows == 0
    assert quiet.tables[name].schema.equals(business.tables[name].schema)


def test_importing_the_package_is_light_and_keeps_the_function():
    code = (
        "import sys, churnkit.datasets as d; "
        "heavy = {'pandas', 'pyarrow', 'pooch', 'sklearn'} & set(sys.modules); "
        "assert not heavy, heavy; "
        "import churnkit.datasets.simulation.simulate; "
        "assert callable(d.simulate) and callable(d.load) and d.Truth"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    import churnkit.datasets as package

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing  # type: ignore[attr-defined]


def test_without_campaigns_no_customer_is_treated():
    business = simulate(customers=400, months=12, seed=4, campaigns=False)
    assert business.tables["treatments"].num_rows == 0
    assert business.truth.campaign_months == ()
