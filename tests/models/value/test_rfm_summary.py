"""From logs to summaries, and forecasts held against the days that followed."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.models.errors import ModelDataError
from churnkit.models.value import BGNBD, ParetoNBD, holdout_figures, rolling_holdout, summarize
from churnkit.models.value.rfm_summary import read_purchase_days

LOG = {
    "customer_id": ["b", "a", "a", "a", "b", "c", "a"],
    "date": [
        "2026-01-08", "2026-01-15", "2026-01-01", "2026-01-15", "2026-02-01", "2026-02-02",
        "2026-01-29",
    ],
    "spent": [7.0, 20.0, 10.0, 5.0, 9.0, 4.0, 15.0],
}  # fmt: skip


@pytest.mark.parametrize(
    "make",
    [pd.DataFrame, pl.DataFrame, pa.table, lambda log: pl.DataFrame(log).to_dicts()],
    ids=["pandas", "polars", "arrow", "dicts"],
)
def test_every_table_gives_the_same_summary(make):
    found = summarize(make(LOG), as_of="2026-01-30", value="spent")
    assert found.customer.tolist() == ["b", "a"]
    assert found.frequency.tolist() == [0.0, 2.0]
    assert found.recency.tolist() == [0.0, 4.0]
    assert found.T.tolist() == [3.0, 4.0]
    assert np.asarray(found.monetary).tolist() == [0.0, 20.0]
    assert found.to_dict()["repeat_purchases"] == 2


@pytest.mark.parametrize(
    "dates",
    [
        np.array(LOG["date"], "datetime64[s]"),
        np.array(LOG["date"], "datetime64[D]").tolist(),
    ],
    ids=["moments", "dates"],
)
def test_dates_come_in_any_type(dates):
    frame = pd.DataFrame(LOG | {"date": dates})
    found = summarize(frame, as_of=datetime(2026, 1, 30, tzinfo=UTC).date(), unit_days=1)
    assert found.recency.tolist() == [0.0, 28.0]
    assert found.monetary is None
    assert found.to_frame().columns.tolist() == ["customer", "frequency", "recency", "T"]


def test_moments_with_an_offset_count_on_their_day_in_utc():
    moments = [datetime(2026, 1, 2, 4, 30, tzinfo=UTC), datetime(2026, 1, 2, 5, 30, tzinfo=UTC)]
    local = pa.array(moments, pa.timestamp("us", "America/New_York"))
    days = read_purchase_days(pa.table({"customer_id": [1, 1], "date": local}))
    assert days.day.tolist() == [int(np.datetime64("2026-01-02").astype(int))]


def slowly(rows, as_of):
    """Summarize by hand, one customer at a time."""
    known: dict[int, dict[int, list[float]]] = {}
    for customer, day, value in rows:
        if day < as_of:
            known.setdefault(customer, {}).setdefault(day, []).append(value)
    result = {}
    for customer, days in known.items():
        first, later = min(days), sorted(days)[1:]
        spent = [sum(days[day]) for day in later]
        result[customer] = (
            len(later),
            (later[-1] - first) / 7 if later else 0.0,
            (as_of - 1 - first) / 7,
            sum(spent) / len(spent) if spent else 0.0,
        )
    return result


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 60), st.integers(1, 40).map(lambda n: n / 4)),
        min_size=1,
        max_size=60,
    )
)
def test_a_summary_is_what_counting_by_hand_gives(rows):
    as_of = 40
    wanted = slowly(rows, as_of)
    log = pd.DataFrame(rows, columns=["customer_id", "date", "spent"])
    log["date"] = np.datetime64("2026-01-01", "D") + log["date"].to_numpy()
    moment = str(np.datetime64("2026-01-01", "D") + np.timedelta64(as_of, "D"))
    if not wanted:
        with pytest.raises(ModelDataError, match="no purchase before as_of"):
            summarize(log, as_of=moment)
        return
    found = summarize(log, as_of=moment, value="spent").to_frame().set_index("customer")
    assert {
        key: tuple(row) for key, row in zip(found.index, found.to_numpy(), strict=True)
    } == wanted


@pytest.mark.parametrize(
    ("change", "settings_", "message"),
    [
        ({}, {"customer": "client"}, "no column 'client'"),
        ({"date": ["2026-01-01"] * 6 + [None]}, {}, "column 'date' is missing in 1 rows"),
        ({"date": ["soon"] * 7}, {}, "column 'date' has values in 7 rows that are not dates"),
        ({"date": [3] * 7}, {}, "column 'date' has values in 7 rows that are not dates"),
        ({"spent": ["x"] * 7}, {"value": "spent"}, "column 'spent' must be numeric"),
        ({"spent": [np.inf] * 7}, {"value": "spent"}, "column 'spent' is missing or infinite"),
        ({}, {"as_of": "2025-01-01"}, "no purchase before as_of"),
        ({}, {"as_of": "whenever"}, "as_of is not a date"),
        ({}, {"as_of": "NaT"}, "as_of is not a date"),
        ({}, {"unit_days": 0}, "unit_days must be above 0"),
    ],
)
def test_an_invalid_log_is_refused(change, settings_, message):
    with pytest.raises(ModelDataError, match=message):
        summarize(pa.table(LOG | change), **{"as_of": "2026-03-01"} | settings_)


def test_an_empty_log_is_refused():
    empty = pa.table({"customer_id": pa.array([], pa.string()), "date": pa.array([], pa.date32())})
    with pytest.raises(ModelDataError, match="empty"):
        summarize(empty, as_of="2026-03-01")


def test_outcomes_are_half_open_and_in_the_order_of_the_summary():
    days = read_purchase_days(pa.table(LOG))
    assert days.summary("2026-01-29").customer.tolist() == ["b", "a"]
    assert days.purchases_after("2026-01-29", 3).tolist() == [0.0, 1.0]
    assert days.purchases_after("2026-01-29", 4).tolist() == [1.0, 1.0]


def test_figures_are_those_of_their_formulas():
    actual, predicted = np.array([0.0, 1, 0, 5, 2]), np.array([0.2, 0.9, 0.1, 3.0, 1.5])
    found = holdout_figures(actual, predicted)
    assert found.rmse == pytest.approx(np.sqrt(((actual - predicted) ** 2).mean()))
    assert found.mae == pytest.approx(np.abs(actual - predicted).mean())
    assert found.bias == pytest.approx(predicted.sum() / actual.sum() - 1)
    assert found.correlation == pytest.approx(np.corrcoef(actual, predicted)[0, 1])
    assert sum(each.customers for each in found.deciles) == 5


def gini_by_lorenz(actual, order):
    shares = np.r_[0, np.cumsum(actual[order]) / actual.sum()]
    return 1 - (shares[1:] + shares[:-1]).sum() / len(actual)


def test_the_gini_is_twice_the_area_under_the_lorenz_curve():
    rng = np.random.default_rng(0)
    actual = rng.poisson(0.5, 300).astype(float)
    predicted = actual + rng.random(300) * 2
    wanted = gini_by_lorenz(actual, np.argsort(predicted)) / gini_by_lorenz(
        actual, np.argsort(actual)
    )
    assert holdout_figures(actual, predicted).normalized_gini == pytest.approx(wanted)


def test_the_gini_tells_a_perfect_rank_from_a_constant_and_a_reversed_one():
    actual = np.array([0.0, 0, 1, 2, 5])
    assert holdout_figures(actual, actual).normalized_gini == pytest.approx(1.0)
    assert holdout_figures(actual, np.ones(5)).normalized_gini == pytest.approx(0.0)
    assert holdout_figures(actual, 5 - actual).normalized_gini < -0.99
    assert np.isnan(holdout_figures(actual, np.ones(5)).correlation)


def test_predicting_zero_has_a_good_mae_and_is_seen_through_all_the_same():
    actual = np.array([0.0] * 9 + [1.0])
    zero, fair = holdout_figures(actual, np.zeros(10)), holdout_figures(actual, np.full(10, 0.1))
    assert zero.mae < fair.mae
    assert zero.bias == -1.0
    assert abs(fair.bias) < 1e-12


def test_no_outcome_at_all_is_refused():
    with pytest.raises(ModelDataError, match="longer horizon"):
        holdout_figures([0, 0], [1, 1])


def drawn_log(size=800):
    rng = np.random.default_rng(1)
    rows = []
    for customer, often in enumerate(rng.gamma(0.6, 0.08, size)):
        moments = np.cumsum(rng.exponential(1 / often, rng.geometric(rng.beta(0.9, 2.5))))
        rows += [(customer, 0)] + [(customer, int(at)) for at in moments if at < 400]
    log = pd.DataFrame(rows, columns=["customer_id", "date"])
    log["date"] = np.datetime64("2025-01-01", "D") + log["date"].to_numpy()
    return log


def test_rolling_forecasts_use_nothing_of_the_days_they_forecast():
    log = drawn_log()
    settings_: Any = {"as_of": ["2025-07-01"], "horizon_days": 60, "until": "2026-01-01"}
    models = {"BG/NBD": BGNBD(), "Pareto/NBD": ParetoNBD()}
    found = rolling_holdout(log, models, **settings_)
    blind = pd.concat([log[log["date"] < "2025-07-01"], log[log["date"] >= "2025-07-01"].iloc[:1]])
    seen = rolling_holdout(blind, models, **settings_)
    for name in models:
        one, two = found.figures[name]["2025-07-01"], seen.figures[name]["2025-07-01"]
        assert one.predicted == two.predicted
    assert found.to_frame().shape[0] == 2
    assert found.to_dict()["horizon_days"] == 60
    assert not hasattr(models["BG/NBD"], "params_")


def test_a_horizon_beyond_the_observation_is_refused():
    with pytest.raises(ModelDataError, match="exceed the observation"):
        rolling_holdout(drawn_log(50), {}, as_of=["2026-01-01"], horizon_days=90)


@pytest.mark.parametrize(
    "dates",
    [
        lambda days: [f"{day}T10:00:00Z" for day in days],
        lambda days: [f"{day} 10:00:00+02:00" for day in days],
        lambda days: [f"{day}T10:00:00.123456789Z" for day in days],
        pd.Categorical,
        lambda days: pd.DatetimeIndex(days).as_unit("ns") + pd.Timedelta(7, "ns"),
        lambda days: pd.DatetimeIndex(days).tz_localize("Europe/Berlin") + pd.Timedelta("5h"),
    ],
)
def test_dates_are_read_in_every_form(dates):
    days = ["2026-01-01", "2026-01-15", "2026-01-15", "2026-01-08"]
    customers = pd.Categorical(["a", "a", "b", "b"])
    expected = summarize(
        pd.DataFrame({"customer_id": list(customers), "date": days}), as_of="2026-01-30"
    )
    table = pd.DataFrame({"customer_id": customers, "date": dates(days)})
    found = summarize(table, as_of="2026-01-30")
    pd.testing.assert_frame_equal(found.to_frame(), expected.to_frame())
