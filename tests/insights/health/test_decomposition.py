"""Health score decomposition: exact for any calibration, and computed by hand where possible."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churnkit.insights.health.decomposition import HealthPart, HealthParts, explain_health
from churnkit.models.calibration.maps import Calibration

APPLY = Calibration.identity().apply
BENT = Calibration.isotonic([-2.0, 0.0, 0.001, 2.0], [-3.0, -1.0, 1.0, 1.0], below=1.0, above=0.0)
LOG_ODDS = st.floats(-4.0, 4.0).map(lambda value: round(value, 3))


# On a machine that is busy with other tests, drawing may take long.
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def rows_of(count):
    return st.lists(LOG_ODDS, min_size=count, max_size=count)


@CALM
@given(
    own=rows_of(4),
    others=st.lists(rows_of(4), min_size=1, max_size=8),
    apply=st.sampled_from([APPLY, Calibration.parametric("beta", 0.3, 1.7, 0.4).apply, BENT.apply]),
)
def test_start_and_parts_add_up_to_the_score(own, others, apply):
    found = explain_health(own, others, apply, names=["a", "b", "a", ""][:3])
    assert found.score == 100.0 * (1.0 - float(apply(np.array([np.array(own).sum()]))[0]))
    raw = np.array(others).sum(axis=1)
    assert found.start == pytest.approx(100.0 * (1.0 - apply(raw)).mean(), abs=1e-12)
    points = [part.points for part in found.parts]
    assert math.fsum([found.start, *points]) == pytest.approx(found.score, abs=1e-11)
    assert [part.name for part in found.parts] in (["a", "b"], ["b", "a"])


@CALM
@given(own=rows_of(6), others=st.lists(rows_of(6), min_size=1, max_size=4), most=st.integers(1, 6))
def test_rounded_parts_add_up(own, others, most):
    exact = explain_health(own, others, APPLY, names=list("abcde")).top(most)
    found = exact.rounded()
    tenths = [round(10 * part.points) for part in found.parts]
    assert round(10 * found.start) + sum(tenths) == round(10 * found.score)
    for one, other in zip(exact.parts, found.parts, strict=True):
        assert abs(one.points - other.points) <= 0.1 + 1e-9
    assert len(found.parts) <= most + 1


def test_one_feature_and_one_reference_customer_give_the_full_difference():
    found = explain_health([1.0, 0.0], [[-1.0, 0.0]], APPLY, names=["tickets"])
    low, high = 100 / (1 + math.e), 100 / (1 + 1 / math.e)
    assert (found.score, found.start) == pytest.approx((low, high))
    assert found.parts[0].points == pytest.approx(low - high)


def test_an_average_customer_of_a_base_of_one_is_explained_by_the_slope():
    same = explain_health([0.5, -0.5, 0.0], [[-0.5, 0.5, 0.0]], APPLY, names=["a", "b"])
    assert [part.points for part in same.parts] == pytest.approx([-25.0, 25.0], abs=1e-5)


def test_a_customer_like_the_reference_has_no_parts_and_the_bias_has_none():
    found = explain_health([0.3, 1.0, -2.0], [[0.3, 0.0, -2.0]], APPLY, names=["same", "other"])
    assert {part.name: part.points for part in found.parts}["same"] == 0.0
    assert found.parts[0].name == "other"


def test_remaining_parts_are_summed_last():
    parts = HealthParts(50.0, 60.0, tuple(HealthPart(str(n), -2.0) for n in range(5)))
    assert parts.top(9) is parts
    assert parts.top(3).parts[-1] == HealthPart("Other features", -4.0)
    assert parts.to_dict()["parts"][0] == {"name": "0", "points": -2.0}
    assert parts.to_frame()["points"].sum() == -10.0


@pytest.mark.parametrize(
    ("own", "others", "names"),
    [
        ([0.0, 0.0], [[0.0]], ["a"]),
        ([0.0, 0.0], np.empty((0, 2)), ["a"]),
        ([[0.0, 0.0]], [[0.0, 0.0]], ["a"]),
        ([0.0, 0.0], [[0.0, 0.0]], ["a", "b"]),
    ],
)
def test_shapes_that_do_not_fit_are_refused(own, others, names):
    with pytest.raises(ValueError, match=r"reference|names"):
        explain_health(own, others, APPLY, names=names)
