"""Intervals of metrics, and comparisons of equally good predictions."""

import numpy as np
import pytest

from churnkit.evaluation import METRICS, compare, evaluate
from churnkit.evaluation.classification.score_order import RankedOutcomes


def calibrated(rng, n, rate):
    probability = np.clip(rng.beta(rate * 10, (1 - rate) * 10, n), 1e-4, 1 - 1e-4)
    return (rng.random(n) < probability).astype(float), probability


def equally_good(rng, n, base, noise):
    """Outcomes, and two predictions of exchangeable errors."""
    log_odds = base + rng.normal(size=n)
    outcome = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(float)
    outcome[:2] = 0, 1
    new, old = (1 / (1 + np.exp(-(log_odds + noise * rng.normal(size=n)))) for _ in range(2))
    return outcome, new, old


@pytest.mark.parametrize(
    ("metric", "n", "base", "runs"),
    [
        ("log_loss", 300, -1.0, 1000),
        ("log_loss", 1000, -3.5, 1000),
        ("brier", 300, -1.0, 1000),
        ("brier", 1000, -3.5, 1000),
        ("auc", 500, -1.5, 150),
        ("average_precision", 500, -1.5, 150),
    ],
)
def test_equally_good_predictions_differ_at_the_nominal_rate(rate_within, metric, n, base, runs):
    def differs(rng):
        outcome, new, old = equally_good(rng, n, base, 0.5)
        comparison = compare(outcome, new, old, metric=metric, resamples=200)
        return comparison.verdict != "no difference"

    rate_within(differs, 0.05, runs=runs)


@pytest.mark.parametrize(("rate", "n"), [(0.27, 300), (0.05, 500), (0.02, 1500)])
def test_every_interval_covers_at_its_level(simulate, rate, n):
    population = calibrated(np.random.default_rng(99), 1_000_000, rate)
    groups = RankedOutcomes(*population).group()
    truth = {name: metric.compute(groups) for name, metric in METRICS.items()}
    truth["calibration_error"] = 0.0
    covered = dict.fromkeys(METRICS, 0)

    def count(rng):
        metrics = evaluate(*calibrated(rng, n, rate), resamples=100).metrics
        for name, value in metrics.items():
            covered[name] += value.low <= truth[name] <= value.high
        return True

    _, runs = simulate(count, runs=150)
    low = 0.95 - 3 * np.sqrt(0.95 * 0.05 / runs)
    assert {name: hits / runs for name, hits in covered.items() if hits / runs < low} == {}
