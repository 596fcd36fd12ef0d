"""Uplift measures against the published formulae, written slowly, and their limits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.evaluation import (
    EvaluationError,
    auuc_score,
    qini_curve,
    qini_score,
    uplift_at_k,
    uplift_curve,
)


def slow_curve(y, uplift, treatment, *, qini):
    """Walk down the distinct forecasts and count."""
    points = [(0, 0.0)]
    for cut in sorted(set(uplift), reverse=True):
        top = [i for i, u in enumerate(uplift) if u >= cut]
        treated = [y[i] for i in top if treatment[i] == 1]
        control = [y[i] for i in top if treatment[i] == 0]
        if qini:
            gain = sum(treated) - (sum(control) * len(treated) / len(control) if control else 0.0)
        else:
            means = [sum(part) / len(part) if part else 0.0 for part in (treated, control)]
            gain = (means[0] - means[1]) * len(top)
        points.append((len(top), gain))
    return points


def slow_area(points):
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))
    return area - points[-1][0] * points[-1][1] / 2


def slow_score(y, uplift, treatment, *, qini):
    if qini:
        perfect = [a if b else -a for a, b in zip(y, treatment, strict=True)]
    else:
        responding = sum(a == 1 and b == 0 for a, b in zip(y, treatment, strict=True))
        resisting = sum(a == 0 and b == 1 for a, b in zip(y, treatment, strict=True))
        perfect = [
            2 * (a == b) + (a if responding > resisting else b)
            for a, b in zip(y, treatment, strict=True)
        ]
    best = slow_area(slow_curve(y, perfect, treatment, qini=qini))
    if abs(best) < 1e-9:
        return None
    return slow_area(slow_curve(y, uplift, treatment, qini=qini)) / best


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10_000), st.integers(8, 40), st.booleans())
def test_scores_and_curves_are_those_of_the_slow_formula(seed, n, ties):
    rng = np.random.default_rng(seed)
    y, treatment = rng.integers(0, 2, n), rng.permutation(np.arange(n) % 2)
    uplift = rng.integers(-3, 3, n) / 4 if ties else rng.normal(size=n)
    args = y.tolist(), uplift.tolist(), treatment.tolist()
    for got, qini in ((uplift_curve, False), (qini_curve, True)):
        curve = got(*args)
        expected = slow_curve(*args, qini=qini)
        pairs = list(zip(curve.customers.tolist(), curve.gain.tolist(), strict=True))
        assert np.allclose(pairs, expected)
        expected_score = slow_score(*args, qini=qini)
        score = qini_score if qini else auuc_score
        if expected_score is None:
            with pytest.raises(EvaluationError, match="gains nothing over chance"):
                score(*args)
        else:
            assert score(*args) == pytest.approx(expected_score, rel=1e-6)


def test_the_top_share_is_taken_of_all_or_of_each_group():
    y = [1, 1, 0, 0, 1, 0]
    uplift = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    treatment = [1, 1, 0, 1, 0, 0]
    # The top three hold two treated, both bought, and one of control who did not.
    assert uplift_at_k(y, uplift, treatment, k=0.5) == 1.0
    # The top two of three: treated 1, 1; control 0, 1.
    assert uplift_at_k(y, uplift, treatment, k=0.7, strategy="by_group") == 0.5


def test_of_equal_forecasts_the_last_comes_first():
    assert uplift_at_k([0, 1, 0, 1], [0.5] * 4, [1, 0, 0, 1], k=0.5) == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"treatment": [1, 1, 1]}, "some of each"),
        ({"treatment": [0, 2, 1]}, "some of each"),
        ({"uplift": [1.0, 2.0]}, "all must be"),
        ({"uplift": [1.0, np.nan, 0.0]}, "1 values of uplift"),
        ({"y": [0, 0, 0]}, "do not differ"),
    ],
)
def test_invalid_input_is_refused(change, message):
    args = {"y": [1, 0, 1], "uplift": [0.1, 0.2, 0.3], "treatment": [1, 0, 1]} | change
    with pytest.raises(EvaluationError, match=message):
        qini_score(**args)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0.0}, "k must be above 0"),
        ({"strategy": "x"}, "by_group"),
        ({"k": 0.1}, "lacks treated or control"),
    ],
)
def test_a_share_that_cannot_be_taken_is_refused(change, message):
    with pytest.raises(EvaluationError, match=message):
        uplift_at_k([1, 0, 1], [0.1, 0.2, 0.3], [1, 0, 1], **change)
