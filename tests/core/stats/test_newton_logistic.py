"""Newton's method against scikit-learn's solver."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from churnkit.core.stats.newton_logistic import Block, newton_logistic
from churnkit.core.stats.special import softplus


def rows(size=400, width=5, seed=0):
    rng = np.random.default_rng(seed)
    design = rng.normal(size=(size, width))
    outcome = (rng.random(size) < 1 / (1 + np.exp(-design @ rng.normal(size=width)))).astype(float)
    return design, outcome, rng.uniform(0.2, 2.0, size)


@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
def test_the_coefficients_are_scikit_learns(strength):
    design, outcome, weight = rows()
    peer = LogisticRegression(C=strength, tol=1e-10, max_iter=1000).fit(design, outcome, weight)
    with_bias = np.column_stack([np.ones(len(design)), design])
    penalty = np.append(0.0, np.full(5, 1 / strength))
    fitted = newton_logistic(lambda: [Block(with_bias, outcome, weight)], penalty)
    assert fitted.converged
    np.testing.assert_allclose(fitted.coefficients[1:], peer.coef_[0], atol=1e-5)
    assert fitted.coefficients[0] == pytest.approx(peer.intercept_[0], abs=1e-5)


@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
def test_with_fewer_rows_than_coefficients_they_are_scikit_learns_too(strength):
    design, outcome, weight = rows(60, 200)
    peer = LogisticRegression(C=strength, tol=1e-12, max_iter=1000, solver="newton-cholesky")
    peer.fit(design, outcome, weight)
    with_bias = np.column_stack([np.ones(len(design)), design])
    penalty = np.append(0.0, np.full(200, 1 / strength))
    parts = [Block(with_bias[at], outcome[at], weight[at]) for at in np.array_split(range(60), 3)]
    fitted = newton_logistic(lambda: parts, penalty)
    assert fitted.converged
    np.testing.assert_allclose(fitted.coefficients[1:], peer.coef_[0], atol=1e-5)
    assert fitted.coefficients[0] == pytest.approx(peer.intercept_[0], abs=1e-5)


def test_blocks_of_rows_give_what_all_rows_give():
    design, outcome, weight = rows()
    whole = newton_logistic(lambda: [Block(design, outcome, weight)], np.ones(5))
    parts = [
        Block(design[at : at + 150], outcome[at : at + 150], weight[at : at + 150])
        for at in range(0, 400, 150)
    ]
    np.testing.assert_allclose(
        newton_logistic(lambda: parts, np.ones(5)).coefficients, whole.coefficients, atol=1e-9
    )


def test_an_offset_is_log_odds_that_are_not_fitted():
    design, outcome, weight = rows()
    free = newton_logistic(lambda: [Block(design, outcome, weight)], np.zeros(5)).coefficients
    offset = design @ free
    left = newton_logistic(lambda: [Block(design, outcome, weight, offset)], np.zeros(5))
    np.testing.assert_allclose(left.coefficients, 0.0, atol=1e-4)


def test_a_separable_table_ends_at_a_finite_point():
    design = np.array([[-1.0], [-2.0], [1.0], [2.0]])
    outcome = np.array([0.0, 0.0, 1.0, 1.0])
    fitted = newton_logistic(lambda: [Block(design, outcome, np.ones(4))], np.array([1e-6]))
    assert np.isfinite(fitted.coefficients).all()
    assert fitted.coefficients[0] > 0


def test_columns_that_say_the_same_do_not_break_the_solution():
    design, outcome, weight = rows()
    twice = np.column_stack([design, design])
    fitted = newton_logistic(lambda: [Block(twice, outcome, weight)], np.full(10, 1e-9))
    np.testing.assert_allclose(fitted.coefficients[:5], fitted.coefficients[5:], atol=1e-3)


def test_too_few_steps_are_reported():
    design, outcome, weight = rows()
    fitted = newton_logistic(lambda: [Block(design, outcome, weight)], np.ones(5), max_steps=1)
    assert not fitted.converged


def test_softplus_neither_overflows_nor_vanishes():
    np.testing.assert_allclose(softplus(np.array([-1e4, -50.0, 800.0])), [0.0, np.exp(-50), 800.0])
