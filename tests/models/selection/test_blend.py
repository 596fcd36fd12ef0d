"""Weights of a blend, found on held-out rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from churnkit.models.calibration.fit import calibrate
from churnkit.models.classifiers.logistic import LogisticModel
from churnkit.models.selection.blend import blend
from churnkit.models.selection.candidates import ScoredCandidate
from churnkit.models.training_rows import TrainingRows

NUMBER = np.arange(2_000) % 4


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(2_000, 2))
    outcome = rng.random(2_000) < 1 / (1 + np.exp(-signal.sum(axis=1)))
    return TrainingRows.from_arrays(signal, outcome.astype(float))


def candidates(rows, *scores):
    return [
        ScoredCandidate(f"m{n}", LogisticModel(), raw, calibrate(raw, rows.outcome, NUMBER), 0.0)
        for n, raw in enumerate(scores)
    ]


def log_loss(raw, outcome):
    return np.mean(np.logaddexp(0, raw) - outcome * raw)


def test_the_weights_have_the_lowest_log_loss(rows):
    scores = 1.5 * rows.matrix.T
    weights = blend(candidates(rows, *scores), rows, NUMBER).weights
    best = minimize(
        lambda share: log_loss(share[0] * scores[0] + (1 - share[0]) * scores[1], rows.outcome),
        [0.5],
        method="Nelder-Mead",
    )
    assert weights[0] == pytest.approx(best.x[0], abs=2e-3)
    assert weights.sum() == pytest.approx(1.0)


def test_the_weights_of_a_fold_do_not_depend_on_its_outcomes(rows):
    scores = 1.5 * rows.matrix.T
    third = NUMBER == 2
    changed = TrainingRows.from_arrays(rows.matrix, np.where(third, 1 - rows.outcome, rows.outcome))
    ours, other = (blend(candidates(each, *scores), each, NUMBER) for each in (rows, changed))
    np.testing.assert_array_equal(ours.by_fold[2], other.by_fold[2])
    np.testing.assert_array_equal(ours.raw[third], other.raw[third])
    assert np.abs(ours.by_fold[0] - other.by_fold[0]).max() > 0.01


def test_a_member_that_brings_little_is_left_out(rows):
    rng = np.random.default_rng(1)
    good, noise = rows.matrix.sum(axis=1), rng.normal(size=2_000)
    blended = blend(candidates(rows, good, noise, good + 0.01 * noise), rows, NUMBER)
    assert blended.weights[1] == 0.0
    assert blended.weights.sum() == pytest.approx(1.0)
    assert all(weight == 0.0 or weight >= 0.05 for weight in blended.weights)
