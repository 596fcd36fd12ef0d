"""Fitting the maps, and choosing among them."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from churnkit.evaluation import calibration_error, log_loss
from churnkit.models import ModelDataError, calibrate
from churnkit.models.calibration.fit import fit_calibration


def customers(size, distort, seed=0):
    """Scores, and outcomes whose log-odds are `distort` of the scores."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(-1.0, 1.5, size)
    return raw, (rng.random(size) < 1 / (1 + np.exp(-distort(raw)))).astype(float)


def bent(raw):
    """Log-odds that rise slowly below zero and fast above."""
    return 2.5 * np.logaddexp(0, raw) - 0.3 * np.logaddexp(0, -raw) - 1.5


def test_platts_map_is_the_logistic_regression_on_the_score():
    raw, churned = customers(20_000, lambda z: 0.5 * z + 0.7)
    peer = LogisticRegression(C=np.inf, tol=1e-10).fit(raw[:, None], churned)
    slope, same, intercept = fit_calibration(raw, churned, method="platt").slopes
    assert slope == same == pytest.approx(peer.coef_[0, 0], abs=1e-3)
    assert intercept == pytest.approx(peer.intercept_[0], abs=1e-3)


def test_the_beta_map_has_the_highest_likelihood_of_its_kind():
    raw, churned = customers(20_000, bent)
    stays, churns = -np.log1p(np.exp(-raw)), np.log1p(np.exp(raw))

    def loss(slopes):
        logit = slopes[0] * stays + slopes[1] * churns + slopes[2]
        return float(np.mean(np.logaddexp(0, logit) - churned * logit))

    best = minimize(loss, np.ones(3), bounds=[(0, None), (0, None), (None, None)])
    fitted = fit_calibration(raw, churned, method="beta")
    assert loss(fitted.slopes) == pytest.approx(best.fun, abs=1e-6)


@pytest.mark.parametrize("method", ["platt", "beta"])
def test_scores_that_point_the_wrong_way_become_the_churn_rate(method):
    raw, churned = customers(5_000, lambda z: -2 * z)
    probability = fit_calibration(raw, churned, method=method).apply(np.array([-3.0, 0.0, 3.0]))
    np.testing.assert_allclose(probability, churned.mean(), atol=0.01)


def test_the_isotonic_map_agrees_with_scikit_learn_where_blocks_are_large():
    raw, churned = customers(40_000, lambda z: z + np.sin(2 * z))
    peer = IsotonicRegression().fit(raw, churned)
    ours = fit_calibration(raw, churned, method="isotonic").apply(raw)
    assert np.mean(np.abs(ours - peer.predict(raw))) < 0.01


def test_the_isotonic_map_keeps_the_order_inside_its_blocks():
    raw, churned = customers(2_000, lambda z: z)
    curve = fit_calibration(raw, churned, method="isotonic")
    assert len(np.unique(curve.apply(raw))) > 0.9 * len(raw)


def test_a_perfect_split_is_bounded_by_its_counts():
    raw = np.linspace(-1, 1, 20)
    curve = fit_calibration(raw, (raw > 0).astype(float), method="isotonic")
    # Ten of ten churned, and two customers of the overall rate are added: 11 of 12.
    assert curve.apply_one(float(raw[10:].mean())) == pytest.approx(11 / 12)
    assert curve.apply_one(float(raw[:10].mean())) == pytest.approx(1 / 12)


@pytest.mark.parametrize("method", ["platt", "beta", "isotonic"])
@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_fold_of_one_class_gives_finite_probabilities(method, rate):
    probability = fit_calibration([0.1, 0.2, 0.3], [rate] * 3, method=method).apply([0.2, 5.0])
    assert ((probability > 0) & (probability < 1)).all()


@pytest.mark.parametrize(
    ("distort", "expected"),
    [
        (lambda z: z, "identity"),
        (lambda z: 0.5 * z, "platt"),
        (bent, "beta"),
        (lambda z: 3 * np.round(z), "isotonic"),
    ],
)
def test_the_plainest_map_that_will_do_is_chosen(distort, expected):
    raw, churned = customers(12_000, distort)
    found = calibrate(raw, churned, np.arange(12_000) % 5)
    assert found.calibration.method == expected


@pytest.mark.parametrize("distort", [lambda z: 0.4 * z - 1, bent])
def test_a_distorted_score_comes_out_calibrated_for_new_customers(distort):
    raw, churned = customers(12_000, distort)
    found = calibrate(raw, churned, np.arange(12_000) % 5)
    raw, churned = customers(50_000, distort, seed=1)
    assert calibration_error(churned, found.calibration.apply(raw)) < 0.015


def test_the_reported_losses_are_those_of_maps_that_did_not_see_the_row():
    raw, churned = customers(1_000, lambda z: z)
    fold = np.arange(1_000) % 4
    found = calibrate(raw, churned, fold, methods=("isotonic",))
    expected = np.empty(1_000)
    for number in range(4):
        rest = fold != number
        curve = fit_calibration(raw[rest], churned[rest], method="isotonic")
        expected[~rest] = curve.apply(raw[~rest])
    np.testing.assert_array_equal(found.probability, expected)
    assert found.log_losses["isotonic"] == pytest.approx(log_loss(churned, expected))


def test_a_weight_of_two_is_the_customer_twice():
    raw, churned = customers(300, lambda z: z)
    twice = np.repeat(np.arange(300), 2)
    for method in ("platt", "beta"):
        weighted = fit_calibration(raw, churned, method=method, sample_weight=np.full(300, 2.0))
        repeated = fit_calibration(raw[twice], churned[twice], method=method)
        np.testing.assert_allclose(weighted.slopes, repeated.slopes, atol=1e-6)


def test_a_million_scores_are_pooled_before_they_are_compared():
    raw, churned = customers(300_000, lambda z: z)
    assert len(fit_calibration(raw, churned, method="isotonic").knots) <= 2_001


def test_an_unknown_method_is_refused():
    with pytest.raises(ModelDataError, match="identity, platt, beta, isotonic"):
        fit_calibration([0.0], [1.0], method="spline")
