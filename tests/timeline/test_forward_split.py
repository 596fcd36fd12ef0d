"""Splits forward in time: later dates, other customers, no label before it is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.errors import ChurnkitError
from churnkit.timeline import ContractualChurn, ForwardSplit, repeat_weights

DAYS = np.arange("2025-01-01", "2025-12-31", 30, dtype="M8[D]")


def snapshots(customers=60, dates=10):
    return pd.DataFrame(
        {
            "customer_id": np.tile([f"c{n}" for n in range(customers)], dates),
            "as_of": np.repeat(DAYS[:dates], customers).astype("M8[us]"),
            "use": np.arange(customers * dates, dtype=float),
        }
    )


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    n_splits=st.integers(1, 4),
    gap=st.integers(0, 20),
    horizon=st.integers(1, 90),
    seed=st.integers(0, 9),
)
def test_every_split_is_forward_grouped_and_purged(n_splits, gap, horizon, seed):
    table = snapshots()
    splitter = ForwardSplit(
        n_splits, gap_days=gap, horizon_days=horizon, entity="customer_id", seed=seed
    )
    tested = []
    for train, test in splitter.split(table):
        before, after = table.iloc[train], table.iloc[test]
        assert before["as_of"].max() + pd.Timedelta(days=gap + horizon) <= after["as_of"].min()
        assert not set(before["customer_id"]) & set(after["customer_id"])
        tested += after["customer_id"].unique().tolist()
    assert len(tested) == len(set(tested))
    assert n_splits == 1 or len(tested) == 60
    assert splitter.get_n_splits() == n_splits


def test_a_window_that_ends_on_the_tested_date_is_over():
    table = snapshots(dates=3)
    [(train, _)] = ForwardSplit(1, horizon_days=30, grouped=False).split(table)
    assert set(table["as_of"].iloc[train]) == set(table["as_of"].unique()[:2])
    [(train, _)] = ForwardSplit(1, horizon_days=31, grouped=False).split(table)
    assert set(table["as_of"].iloc[train]) == {table["as_of"].iloc[0]}


def test_one_split_over_all_customers_needs_no_groups():
    table = snapshots()
    [(_, test)] = ForwardSplit(1, horizon_days=30, grouped=False).split(table)
    assert len(test) == 60


@pytest.mark.parametrize(
    "form",
    [
        lambda t: t,
        lambda t: t.assign(as_of=t["as_of"].dt.tz_localize("UTC")),
        pl.from_pandas,
        lambda t: pa.Table.from_pandas(t, preserve_index=False),
    ],
    ids=["pandas", "pandas in UTC", "polars", "arrow"],
)
def test_any_frame_splits_alike(form):
    table = snapshots()
    splitter = ForwardSplit(2, horizon_days=60, entity="customer_id")
    expected = [(a.tolist(), b.tolist()) for a, b in splitter.split(table)]
    assert [(a.tolist(), b.tolist()) for a, b in splitter.split(form(table))] == expected


def test_scikit_learn_takes_it():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    table = snapshots()
    y = (np.arange(len(table)) * 7 % 10 < 3).astype(int)
    splitter = ForwardSplit(3, horizon_days=60, as_of=table["as_of"])
    scores = cross_val_score(
        LogisticRegression(), table[["use"]].to_numpy(), y, groups=table["customer_id"], cv=splitter
    )
    assert scores.shape == (3,)


def test_the_label_says_how_much_is_purged():
    label = ContractualChurn("s", horizon_days=90, gap_days=7, grace_days=30)
    splitter = ForwardSplit.for_label(label, 2, grouped=False)
    assert splitter.gap_days + splitter.horizon_days == label.mature_days == 127


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda t: ForwardSplit(3, horizon_days=400, grouped=False).split(t), "no row to train on"),
        (lambda t: ForwardSplit(99, horizon_days=1, grouped=False).split(t), "too few for 99"),
        (lambda t: ForwardSplit(2, horizon_days=1).split(t), "pass groups="),
        (lambda t: ForwardSplit(2, horizon_days=1, as_of="day").split(t), "no column 'day'"),
        (lambda t: ForwardSplit(2, horizon_days=1).split(t, groups=["a"]), "1 values for 600 rows"),
        (lambda t: ForwardSplit(2, horizon_days=1, as_of=DAYS).split(t), "13 dates for 600"),
        (lambda t: ForwardSplit(2, horizon_days=0).split(t), "horizon_days"),
    ],
)
def test_what_cannot_be_split_is_refused(make, words):
    with pytest.raises(ChurnkitError, match=words):
        list(make(snapshots()))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_weights_let_each_customer_count_once(customers):
    weights = repeat_weights(customers)
    totals = [weights[np.array(customers) == one].sum() for one in set(customers)]
    assert np.allclose(totals, totals[0])
    assert weights.mean() == pytest.approx(1.0)
