"""Columns that move with time, such as the months to a renewal."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from churnkit.errors import BundleError
from churnkit.models import HazardModel, HazardScorer, ModelDataError
from churnkit.models.survival.time_varying import TimeVaryingColumns

RENEWAL = ((0, -1.0, 6.0),)
AT_RENEWAL, BETWEEN = 0.3, 0.01


def business(rows, *, seed=0):
    """Customers who hardly leave but in the month of a renewal, which comes every six months."""
    rng = np.random.default_rng(seed)
    to_renewal = rng.integers(0, 6, rows)
    months = np.arange(18)
    hazard = np.where((to_renewal[:, None] - months) % 6 == 0, AT_RENEWAL, BETWEEN)
    gone = rng.random(hazard.shape) < hazard
    left = gone.any(axis=1)
    duration = np.where(left, gone.argmax(axis=1) + 1.0, 18.0)
    return to_renewal[:, None].astype(float), duration, left


@pytest.fixture(scope="module")
def fitted():
    return HazardModel(time_varying=RENEWAL, max_rounds=150, seed=0).fit(*business(3000))


def test_the_hazard_rises_in_the_month_of_the_renewal_and_only_then(fitted):
    found = fitted.predict_hazard([[0.0], [3.0]], np.arange(8))
    expected = np.where((np.array([[0.0], [3.0]]) - np.arange(8)) % 6 == 0, AT_RENEWAL, BETWEEN)
    np.testing.assert_allclose(found, expected, atol=0.03)


def test_a_model_that_is_not_told_finds_it_less_well(fitted):
    X, duration, left = business(3000)
    plain = HazardModel(max_rounds=150, seed=0).fit(X, duration, left)
    later = np.arange(1, 13)
    truth = np.array([1 - BETWEEN, 1 - AT_RENEWAL])
    to_renewal = np.arange(6.0)[:, None]
    hazards = (to_renewal - np.arange(12)) % 6 == 0
    expected = np.cumprod(truth[hazards.astype(int)], axis=1)
    error, plain_error = (
        np.abs(model.predict_survival(to_renewal, later) - expected).mean()
        for model in (fitted, plain)
    )
    assert error < 0.02
    assert error < plain_error


def test_age_counts_the_period_and_the_column_is_what_it_is_now(fitted):
    now = fitted.predict_survival([[2.0]], [1, 2, 3], age=4.0)
    hazard = 1 - now[0] / np.concatenate([[1.0], now[0, :-1]])
    np.testing.assert_allclose(hazard, [BETWEEN, BETWEEN, AT_RENEWAL], atol=0.04)


def test_later_than_anybody_was_watched_the_renewals_go_on(fitted):
    late = fitted.predict_survival([[0.0]], [23, 24, 25, 26])[0]
    hazard = 1 - late[1:] / late[:-1]
    assert hazard.argmax() == 1


def test_stretches_count_from_their_own_start():
    X, duration, left = business(3000)
    half = np.minimum(duration, 4.0)
    goes_on = duration > 4.0
    rows = np.concatenate([X, (X[goes_on] - 4.0) % 6.0])
    start = np.concatenate([np.zeros(len(X)), np.full(goes_on.sum(), 4.0)])
    stop = np.concatenate([half, duration[goes_on]])
    event = np.concatenate([left & ~goes_on, left[goes_on]])
    who = np.concatenate([np.arange(len(X)), np.flatnonzero(goes_on)])
    whole = HazardModel(time_varying=RENEWAL, rounds=40).fit(X, duration, left)
    parts = HazardModel(time_varying=RENEWAL, rounds=40).fit_intervals(
        rows, start, stop, event, customer=who
    )
    later = [1, 6, 12]
    some = np.arange(6.0)[:, None]
    np.testing.assert_allclose(
        whole.predict_survival(some, later), parts.predict_survival(some, later), atol=0.03
    )


def test_laws_of_the_curve_hold_and_contributions_sum(fitted):
    scorer = fitted.scorer_
    X = np.array([[0.0], [2.0], [np.nan]])
    parts = scorer.contributions(X)
    np.testing.assert_allclose(parts.sum(axis=1), scorer.raw_score(X), rtol=1e-12)
    assert [scorer.raw_score_row(row) for row in X.tolist()] == scorer.raw_score(X).tolist()
    area = np.trapezoid(scorer.survival(X, np.linspace(0, 12, 20_001)), dx=12 / 20_000, axis=1)
    np.testing.assert_allclose(scorer.lifetime(X, horizon=12.0), area, rtol=1e-5)


def test_what_was_saved_scores_the_same_and_tells_what_moves(fitted):
    settings, arrays = fitted.scorer_.to_arrays()
    assert settings["moving"] == [[0, -1.0, 6.0]]
    again = HazardScorer.from_arrays(settings, arrays)
    X = np.arange(6.0)[:, None]
    np.testing.assert_array_equal(
        again.survival(X, [1, 5, 30]), fitted.scorer_.survival(X, [1, 5, 30])
    )
    assert "moving" not in HazardModel(rounds=2).fit(*business(300)).scorer_.to_arrays()[0]


@pytest.mark.parametrize(
    "saved", ["x", [[0]], [[7, 1.0, None]], [[0, "a", None]], [[0, 1.0, -1.0]]]
)
def test_a_damaged_list_is_refused(fitted, saved):
    settings, arrays = fitted.scorer_.to_arrays()
    with pytest.raises(BundleError, match="time-varying columns"):
        HazardScorer.from_arrays({**settings, "moving": saved}, arrays)


@pytest.mark.parametrize(
    ("time_varying", "says"),
    [
        (((1, 1.0, None),), "from 0 to 0"),
        (((0, np.inf, None),), "finite"),
        (((0, 1.0, 0.0),), "cycle positive or None"),
        (((0, 1.0),), "must be tuples"),
        (((0, 1.0, None), (0, 1.0, None)), "twice"),
    ],
)
def test_invalid_time_varying_columns_are_refused(time_varying, says):
    with pytest.raises(ModelDataError, match=says):
        HazardModel(time_varying=time_varying, rounds=2).fit(*business(100))


def test_categories_do_not_move():
    with pytest.raises(ModelDataError, match="categorical"):
        TimeVaryingColumns.check(RENEWAL, columns=1, categories=(0,))


def test_a_clone_moves_alike(fitted):
    assert clone(fitted).time_varying == RENEWAL
