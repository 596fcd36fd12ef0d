"""Cumulative incidence against closed forms, hand counts, and its nominal coverage."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from churnkit.evaluation import EvaluationError, cumulative_incidence, kaplan_meier


def two_causes(seed, rows, *, rates=(0.2, 0.05)):
    """Return durations and causes of exponential competing risks, censored at 1 to 12."""
    rng = np.random.default_rng(seed)
    first, second = (rng.exponential(1.0 / rate, rows) for rate in rates)
    end = rng.uniform(1.0, 12.0, rows)
    duration = np.minimum(np.minimum(first, second), end)
    cause = np.where(first < second, "cancelled", "payment").astype(object)
    cause[duration == end] = None
    return duration, cause


def test_shares_of_causes_and_of_active_customers_sum_to_one():
    duration, cause = two_causes(0, 400)
    curves = cumulative_incidence(np.ceil(duration), cause)
    assert curves.incidence.sum(axis=0) + curves.survival == pytest.approx(1.0, abs=1e-14)
    assert curves.events.sum() == sum(name is not None for name in cause)


def test_the_shares_are_those_counted_by_hand():
    # Of 5 customers one leaves for the price at 1; of the 3 left at 2, after one is censored,
    # one leaves for each cause: 4/5 x 1/3 each.
    duration = [1.0, 1.5, 2.0, 2.0, 3.0]
    curves = cumulative_incidence(duration, ["price", None, "price", "card", None])
    assert curves.causes == ("card", "price")
    assert curves.at([0.5, 1.0, 2.0, 4.0]) == pytest.approx(
        np.array([[0, 0, 4 / 15, np.nan], [0, 0.2, 0.2 + 4 / 15, np.nan]]), nan_ok=True
    )


def test_one_cause_is_one_minus_the_kaplan_meier_curve_with_its_variance():
    duration, cause = two_causes(3, 200)
    churned = np.array([name is not None for name in cause])
    curves = cumulative_incidence(duration, np.where(churned, "any", ""), entry=duration / 3)
    curve = kaplan_meier(duration, churned, entry=duration / 3)
    assert curves.incidence[0] == pytest.approx(1.0 - curve.survival)
    # The variances differ by terms of the order of 1 / n^2 (delta method against Greenwood).
    early = curve.at_risk > 20
    assert curves.variance[0][early] == pytest.approx(curve.variance[early], rel=0.05)


def test_weights_count_as_that_many_customers():
    duration, cause = two_causes(4, 150)
    weight = np.random.default_rng(4).integers(1, 4, 150)
    weighted = cumulative_incidence(duration, cause, sample_weight=weight)
    repeated = cumulative_incidence(np.repeat(duration, weight), np.repeat(cause, weight))
    for name in ("time", "incidence", "variance", "low", "high", "at_risk"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name))


@pytest.mark.parametrize("rows", [100, 500])
def test_intervals_hold_the_true_share_at_the_nominal_rate(rows):
    rates, times, runs = np.array([0.2, 0.05]), np.array([1.0, 4.0, 8.0]), 300
    truth = rates[:, None] / rates.sum() * -np.expm1(-rates.sum() * times)
    covered = np.zeros((2, 3))
    for seed in range(runs):
        curves = cumulative_incidence(*two_causes(seed, rows))
        at = np.searchsorted(curves.time, times, side="right") - 1
        covered += (curves.low[:, at] <= truth) & (truth <= curves.high[:, at])
    assert (covered / runs > 0.92).all()
    assert (covered / runs < 0.995).all()


def test_every_kind_of_missing_cause_is_an_active_customer():
    cause = ["price", None, "", pd.NA, "price"]
    curves = cumulative_incidence([1, 2, 3, 4, 5], cause)
    assert curves.causes == ("price",)
    assert curves.events.sum() == 2
    json.dumps(curves.to_dict())
    assert list(curves.to_frame()["cause"]) == ["price", "price"]
    assert "price" in curves._repr_html_()


def test_invalid_columns_are_refused():
    with pytest.raises(EvaluationError, match="no customer left"):
        cumulative_incidence([1.0, 2.0], [None, float("nan")])
    with pytest.raises(EvaluationError, match="single column"):
        cumulative_incidence([1.0], [["a"]])
    with pytest.raises(EvaluationError, match="event"):
        cumulative_incidence([1.0, 2.0], ["a"])
