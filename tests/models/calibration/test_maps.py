"""The maps: monotone, bounded, the same for one as for many, and safe to load."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.errors import BundleError
from churnkit.models import Calibration
from churnkit.models.calibration.fit import fit_calibration
from churnkit.models.calibration.maps import METHODS


def fitted(method, seed=0):
    rng = np.random.default_rng(seed)
    raw = rng.normal(-1, 2, 500).round(1)
    churned = (rng.random(500) < 1 / (1 + np.exp(-1.7 * raw))).astype(float)
    return fit_calibration(raw, churned, method=method)


SCORES = st.floats(-1e6, 1e6)


@pytest.mark.parametrize("method", METHODS)
@given(scores=st.lists(SCORES, min_size=2, max_size=30), seed=st.integers(0, 5))
def test_a_map_never_turns_two_customers_round(method, scores, seed):
    probability = fitted(method, seed).apply(np.sort(scores))
    assert (np.diff(probability) >= 0).all()
    assert (probability > 0).all()
    assert (probability < 1).all()


@pytest.mark.parametrize("method", METHODS)
@given(scores=st.lists(SCORES, min_size=1, max_size=40), seed=st.integers(0, 5))
def test_one_customer_gets_the_same_bits_as_many(method, scores, seed):
    curve = fitted(method, seed)
    assert [curve.apply_one(score) for score in scores] == curve.apply(np.array(scores)).tolist()


@pytest.mark.parametrize("method", METHODS)
def test_a_strided_column_gets_the_same_bits_as_a_compact_one(method):
    table = np.random.default_rng(0).normal(size=(501, 7))
    curve = fitted(method)
    np.testing.assert_array_equal(curve.apply(table[:, 3]), curve.apply(table[:, 3].copy()))


@pytest.mark.parametrize("method", METHODS)
def test_a_saved_map_comes_back_the_same(method):
    curve = fitted(method)
    loaded = Calibration.from_arrays(*curve.to_arrays())
    scores = np.linspace(-9, 9, 400)
    np.testing.assert_array_equal(loaded.apply(scores), curve.apply(scores))


def test_the_identity_is_the_logistic_function():
    curve = Calibration.identity()
    for score in (-30.0, -1.0, 0.0, 2.5, 20.0):
        assert curve.apply_one(score) == pytest.approx(1 / (1 + math.exp(-score)), rel=1e-14)


def test_the_beta_map_is_the_published_formula():
    curve = Calibration.parametric("beta", 0.7, 1.9, 0.3)
    for p in (0.01, 0.3, 0.9):
        logit = 0.7 * math.log(p) - 1.9 * math.log(1 - p) + 0.3
        assert curve.apply_one(math.log(p / (1 - p))) == pytest.approx(1 / (1 + math.exp(-logit)))


@pytest.mark.parametrize(
    ("method", "change", "message"),
    [
        ("platt", lambda s, a: s.update(method="pickle"), "method"),
        ("platt", lambda s, a: s.update(method=["platt"]), "method"),
        ("platt", lambda s, a: a.update(slopes=a["slopes"][:2]), "slopes"),
        ("platt", lambda s, a: a.update(slopes=-a["slopes"]), "monotone"),
        ("beta", lambda s, a: a.update(slopes=np.array([1.0, -1.0, 0.0])), "monotone"),
        ("isotonic", lambda s, a: a.update(slopes=np.array([1.0, 0.0, -1.0])), "monotone"),
        ("isotonic", lambda s, a: a.update(knots=a["knots"][::-1].copy()), "monotone"),
        ("isotonic", lambda s, a: a.update(logits=a["logits"][::-1].copy()), "monotone"),
        ("isotonic", lambda s, a: a.update(logits=a["logits"][1:]), "logits"),
        ("isotonic", lambda s, a: a.update(knots=a["knots"] * np.nan), "knots"),
        ("isotonic", lambda s, a: a.update(knots=np.empty(0), logits=np.empty(0)), "0 knots"),
        ("platt", lambda s, a: a.update(knots=np.zeros(1), logits=np.zeros(1)), "1 knots"),
        ("platt", lambda s, a: a.pop("knots"), "knots"),
    ],
)
def test_a_tampered_map_is_refused_by_name(method, change, message):
    settings, arrays = fitted(method).to_arrays()
    change(settings, arrays)
    with pytest.raises(BundleError, match=message):
        Calibration.from_arrays(settings, arrays)
