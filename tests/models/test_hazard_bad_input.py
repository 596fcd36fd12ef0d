"""Degenerate tables: an error with its cause, or a valid survival curve."""

from __future__ import annotations

import numpy as np
import pytest

from churnkit.evaluation import kaplan_meier
from churnkit.models import HazardModel, ModelDataError

MODEL = HazardModel(max_rounds=40)


def table(rows=500, columns=3):
    rng = np.random.default_rng(0)
    leaves, watched = rng.exponential(8, rows), rng.uniform(3, 14, rows)
    return rng.normal(size=(rows, columns)), np.minimum(leaves, watched), leaves < watched


def share_there(model, X, time):
    return float(model.predict_survival(X, [time])[:, 0].mean())


def of_all(duration, left):
    return float(kaplan_meier(duration, left).at([6.0])[0])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda X: X.__setitem__((slice(None), 1), np.nan), id="all missing"),
        pytest.param(lambda X: X.__setitem__((slice(None), 1), 7.0), id="one constant column"),
        pytest.param(lambda X: X.__setitem__((slice(None), slice(None)), 1.0), id="all constant"),
    ],
)
def test_columns_that_tell_nothing_leave_the_curve_of_all_customers(change):
    X, duration, left = table()
    change(X)
    model = HazardModel(max_rounds=40).fit(X, duration, left)
    assert share_there(model, X, 6.0) == pytest.approx(of_all(duration, left), abs=0.03)


def test_infinite_values_are_refused_without_telling_them():
    X, duration, left = table()
    X[3, 1] = np.inf
    with pytest.raises(ModelDataError, match="infinity"):
        MODEL.fit(X, duration, left)


def test_nobody_who_left_is_refused_with_what_is_needed():
    X, duration, left = table()
    with pytest.raises(ModelDataError, match="lengthen the follow-up"):
        MODEL.fit(X, duration, np.zeros(len(left)))


def test_customers_who_all_left_are_a_sound_curve():
    X, duration, _ = table()
    model = HazardModel(max_rounds=40).fit(X, duration, np.ones(len(duration)))
    assert share_there(model, X, 6.0) == pytest.approx(float((duration > 6).mean()), abs=0.05)


def test_three_customers_are_too_few_for_folds():
    X, duration, _ = table(3)
    with pytest.raises(ModelDataError, match="too few"):
        MODEL.fit(X, duration, [True, False, False])


def test_as_many_categories_as_customers_tell_nothing():
    X, duration, left = table(20_000, 2)
    X[:, 0] = np.arange(len(X))
    model = HazardModel(max_rounds=10, categorical_features=(0,)).fit(X, duration, left)
    assert share_there(model, X, 6.0) == pytest.approx(of_all(duration, left), abs=0.03)
