"""The data of the calibration and the lift plot."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve as reference_curve

from churnkit.evaluation import (
    EvaluationError,
    calibration_curve,
    calibration_error,
    lift_curve,
    top_decile_lift,
)


def customers(size, seed):
    rng = np.random.default_rng(seed)
    probability = rng.permutation(np.linspace(0.01, 0.9, size))
    return (rng.random(size) < probability).astype(int), probability


def test_the_calibration_curve_equals_scikit_learns_quantile_bins():
    outcome, probability = customers(1000, 0)
    curve = calibration_curve(outcome, probability)
    rate, predicted = reference_curve(outcome, probability, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(curve.churn_rate, rate)
    np.testing.assert_allclose(curve.predicted_probability, predicted)


def test_the_calibration_curve_averages_to_the_calibration_error():
    outcome, probability = customers(777, 1)
    curve = calibration_curve(outcome, probability)
    distance = np.abs(curve.churn_rate - curve.predicted_probability)
    assert np.average(distance, weights=curve.customers) == pytest.approx(
        calibration_error(outcome, probability)
    )


def test_the_interval_of_a_bin_is_wilsons():
    # 3 of 10: published Wilson interval 0.1078 to 0.6032.
    outcome = [1] * 3 + [0] * 7
    curve = calibration_curve(outcome, [0.3] * 10, bins=1)
    assert curve.low[0] == pytest.approx(0.1078, abs=1e-4)
    assert curve.high[0] == pytest.approx(0.6032, abs=1e-4)


def test_bins_without_customers_are_left_out():
    curve = calibration_curve([0, 1], [0.5, 0.5])
    assert len(curve.customers) == 1


def test_the_lift_curve_passes_through_the_top_decile_and_ends_at_all_customers():
    outcome, probability = customers(500, 2)
    curve = lift_curve(outcome, np.round(probability, 1), points=10)
    assert curve.lift[0] == pytest.approx(top_decile_lift(outcome, np.round(probability, 1)))
    assert curve.share_of_churners[-1] == pytest.approx(1.0)
    assert (np.diff(curve.share_of_churners) >= 0).all()


@pytest.mark.parametrize(("draw", "setting"), [(calibration_curve, "bins"), (lift_curve, "points")])
def test_a_curve_without_bins_or_points_is_refused(draw, setting):
    with pytest.raises(EvaluationError, match="got 0"):
        draw([0, 1], [0.1, 0.9], **{setting: 0})


def test_curves_print_as_a_dict_and_a_frame_and_html():
    curve = lift_curve([0, 1], [0.1, 0.9], points=2)
    assert curve.to_dict()["share_of_customers"] == [0.5, 1.0]
    assert list(curve.to_frame().columns) == ["share_of_customers", "share_of_churners", "lift"]
    assert "lift" in curve._repr_html_()


def test_the_interval_of_a_bin_counts_customers_rather_than_their_rows():
    outcome, probability = customers(500, 2)
    several = np.repeat(np.arange(500), 4)
    once = calibration_curve(outcome, probability, bins=4)
    columns = outcome[several], probability[several]
    rows = calibration_curve(*columns, bins=4, customers=several)
    np.testing.assert_allclose(rows.churn_rate, once.churn_rate)
    np.testing.assert_allclose(rows.high - rows.low, once.high - once.low, rtol=0.01)
    # Other rows of a customer than copies: weights of which each customer has one in all.
    weight = np.tile([0.1, 0.2, 0.3, 0.4], 500)
    weighted = calibration_curve(*columns, bins=4, customers=several, sample_weight=weight)
    np.testing.assert_allclose(weighted.high - weighted.low, once.high - once.low, rtol=0.01)
