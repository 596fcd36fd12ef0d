"""Cause-specific hazards against the Aalen-Johansen estimator and true incidences."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from churnkit.evaluation import cumulative_incidence
from churnkit.models import CompetingRisksModel, HazardModel
from churnkit.models.errors import ModelDataError

TIMES = [1.0, 3.5, 6.0, 12.0]
CANCEL, FAIL = (0.03, 0.12), (0.08, 0.02)


@pytest.fixture(scope="module")
def customers():
    """Two groups: one cancels, the payments of the other fail."""
    rng = np.random.default_rng(5)
    group = rng.integers(0, 2, 6000)
    cancels = rng.exponential(1.0 / np.array(CANCEL)[group])
    fails = rng.exponential(1.0 / np.array(FAIL)[group])
    end = rng.uniform(6.0, 12.0, 6000)
    duration = np.minimum(np.minimum(cancels, fails), end)
    cause = np.where(cancels < fails, "cancelled", "payment").astype(object)
    cause[duration == end] = None
    return np.column_stack([group, rng.normal(size=6000)]), duration, cause


@pytest.fixture(scope="module")
def model(customers):
    return CompetingRisksModel(HazardModel(rounds=60)).fit(*customers)


def true_incidence(times):
    """Return the incidence of each group, (2, t, 2)."""
    rates = np.array([CANCEL, FAIL]).T
    total = rates.sum(axis=1)[:, None]
    return (rates / total)[:, None, :] * -np.expm1(-total * np.array(times))[:, :, None]


def test_probabilities_of_causes_and_of_staying_sum_to_one(model, customers):
    X = customers[0][:50]
    for age in (None, 2.5, np.linspace(0.0, 9.0, 50)):
        incidence = model.predict_incidence(X, TIMES, age=age)
        survival = model.predict_survival(X, TIMES, age=age)
        assert incidence.sum(axis=2) + survival == pytest.approx(1.0, abs=1e-12)
        assert (np.diff(incidence, axis=1) >= 0).all()


def test_incidences_are_near_the_truth_and_the_estimator_without_features(model, customers):
    X, duration, cause = customers
    for group in (0, 1):
        own = X[:, 0] == group
        predicted = model.predict_incidence(X[own], TIMES).mean(axis=0)
        assert predicted == pytest.approx(true_incidence(TIMES)[group], abs=0.015)
        curves = cumulative_incidence(duration[own], cause[own])
        assert pytest.approx(curves.at(TIMES[:3]), abs=0.015) == predicted[:3].T


def test_the_most_probable_cause_is_predicted(model):
    assert model.predict([[0.0, 0.0], [1.0, 0.0]]).tolist() == ["payment", "cancelled"]


def test_whole_months_give_the_shares_of_the_estimator():
    # Without an informative column the model's incidence is that of all customers.
    rng = np.random.default_rng(6)
    month = rng.integers(1, 7, 4000).astype(float)
    cause = rng.choice(np.array(["a", "b", None], dtype=object), 4000, p=[0.3, 0.2, 0.5])
    model = CompetingRisksModel(HazardModel(rounds=1)).fit(np.zeros((4000, 1)), month, cause)
    predicted = model.predict_incidence([[0.0]], np.arange(1.0, 6.0))[0]
    expected = cumulative_incidence(month, cause).at(np.arange(1.0, 6.0))
    assert pytest.approx(expected, abs=0.005) == predicted.T


def test_one_cause_is_the_hazard_model(customers):
    X, duration, cause = customers
    churned = np.array([name is not None for name in cause])
    names = ["any" if left else None for left in churned]
    one = CompetingRisksModel(HazardModel(rounds=10)).fit(X, duration, names)
    alone = HazardModel(rounds=10).fit(X, duration, churned)
    assert one.predict_survival(X[:20], TIMES) == pytest.approx(
        alone.predict_survival(X[:20], TIMES)
    )


def test_it_is_cloned_and_refuses_what_it_cannot_fit():
    model = CompetingRisksModel(HazardModel(rounds=3))
    assert clone(model).hazard.rounds == 3
    X = np.zeros((4, 1))
    with pytest.raises(ModelDataError, match="no customer churned in 4 rows"):
        model.fit(X, [1, 2, 3, 4], [None] * 4)
    with pytest.raises(ModelDataError, match="3 values of cause for 4 rows"):
        model.fit(X, [1, 2, 3, 4], ["a", "b", None])
    with pytest.raises(ModelDataError, match=r"^1 durations are negative"):
        model.fit(X, [1, -2, 3, 4], ["a", "a", None, "a"])


@pytest.mark.parametrize(
    ("durations", "message"),
    [
        (["1", "2", "secret", "4"], "duration has values that are not numbers"),
        (
            [1, 2, float("nan"), 4],
            "duration contains NaN or inf in 1 rows: fill or drop those rows",
        ),
        ([1, 2, 3], "3 values of duration for 4 rows: pass one per row"),
        ([0, 0, 0, 0], "all durations are 0: pass the time from the start, or set a horizon"),
    ],
)
def test_invalid_durations_are_refused_as_by_the_hazard_model(durations, message):
    X, cause = np.zeros((4, 1)), ["a", "b", None, "a"]
    with pytest.raises(ModelDataError) as caught:
        CompetingRisksModel().fit(X, durations, cause)
    assert str(caught.value) == message
    with pytest.raises(ModelDataError) as caught:
        HazardModel().fit(X, durations, [1, 1, 0, 1])
    assert str(caught.value) == message


def test_settings_that_are_no_hazard_model_are_refused():
    with pytest.raises(ModelDataError, match="hazard must be a HazardModel or None, got str"):
        CompetingRisksModel("x").fit(np.zeros((2, 1)), [1, 2], ["a", None])  # type: ignore[arg-type]
