"""Expected responses: thresholds, the action that the effect is of, and measured effects."""

from __future__ import annotations

import math

import numpy as np
import pytest

from churnkit.contracts import Column
from churnkit.decisions import (
    RESPONSES,
    Action,
    Catalogue,
    Effect,
    MeasuredEffects,
    Where,
    compile_catalogue,
    decide,
)
from churnkit.decisions.response import classify_responses

COLUMNS = (Column("fee", "number", ("value",)), Column("age", "number", ("feature",)))
CATALOGUE = Catalogue(
    (
        Action("call", "A call", 10.0, Effect(0.1, 0.2, 0.3), (Where("age", ">=", 18),)),
        Action("mail", "A mail", 1.0, Effect(0.0, 0.05, 0.1), (Where("age", ">=", 18),)),
    ),
    periods=12,
)
COMPILED = compile_catalogue(CATALOGUE, COLUMNS)


def respond(risk, effect, high, *, pays=False):
    code = int(classify_responses([risk], [effect], [high], [pays])[0])
    return list(RESPONSES)[code] if code >= 0 else None


@pytest.mark.parametrize(
    ("risk", "effect", "high", "expected"),
    [
        (0.3, -0.1, -0.001, "may react badly"),
        (0.3, -0.1, 0.0, "effect below cost"),
        (0.049, 0.01, 0.02, "stays anyway"),
        (0.05, 0.01, 0.02, "effect below cost"),
        (0.5, 0.025, 0.1, "would leave anyway"),
        (0.5, 0.026, 0.1, "effect below cost"),
        (0.499, 0.0, 0.1, "effect below cost"),
        (0.9, 0.0, -0.01, "may react badly"),
        (math.nan, 0.1, 0.2, None),
        (0.3, math.nan, math.nan, None),
    ],
)
def test_responses_change_at_their_thresholds(risk, effect, high, expected):
    assert respond(risk, effect, high) == expected
    paying = None if expected is None else "may be retained"
    assert respond(risk, effect, high, pays=True) == paying


def test_the_effect_is_of_the_action_or_of_the_eligible_one_that_saves_most():
    rows = np.array([[100.0, 30.0], [1.0, 30.0], [100.0, 10.0], [100.0, 30.0]])
    decisions = decide([0.5, 0.5, 0.5, math.nan], rows, COMPILED)
    assert decisions.action_name == ["call", None, None, None]
    found = decisions.responses
    # 20% of a churn probability of 0.5, for the call; nobody is eligible below 18.
    assert found.option.tolist() == [0, 0, -1, -1]
    assert found.effect[:2].tolist() == pytest.approx([0.1, 0.1])
    assert found.low[:2].tolist() == pytest.approx([0.05, 0.05])
    assert np.isnan(found.effect[2:]).all()
    assert found.name == ["may be retained", "effect below cost", None, None]


def test_measured_effects_replace_assumed_ones():
    risk = np.array([0.6, 0.02, 0.3, 0.3])
    effect = np.array([[0.0], [0.0], [-0.1], [0.25]])
    measured = MeasuredEffects((0,), "staying", effect - 0.05, effect, effect + 0.05)
    only = compile_catalogue(Catalogue(CATALOGUE.actions[:1], periods=12), COLUMNS)
    rows = np.tile([50.0, 30.0], (4, 1))
    decisions = decide(risk, rows, only, treatment_effects=measured)
    assert decisions.responses.name == [
        "would leave anyway", "stays anyway", "may react badly", "may be retained",
    ]  # fmt: skip
    assert decisions.responses.effect.tolist() == effect[:, 0].tolist()


def test_with_measured_revenue_the_effect_is_the_increase_in_revenue():
    effect = np.array([[30.0], [-5.0]])
    measured = MeasuredEffects((0,), "money", effect - 1.0, effect, effect + 1.0)
    only = compile_catalogue(Catalogue(CATALOGUE.actions[:1], periods=12), COLUMNS)
    found = decide([0.3, 0.3], np.tile([5.0, 30.0], (2, 1)), only, treatment_effects=measured)
    assert found.responses.effect.tolist() == [30.0, -5.0]
    assert found.responses.name == ["may be retained", "may react badly"]


def test_nobody_has_no_responses():
    assert decide([], np.zeros((0, 2)), COMPILED).responses.name == []
