"""Measured effects stand in the place of assumed ones, for the actions that were tried."""

from __future__ import annotations

import numpy as np
import pytest

from churnkit.contracts import Column
from churnkit.decisions import Action, Catalogue, Effect, MeasuredEffects, decide, expected_gain
from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.decisions.measured_effects import SharedError
from churnkit.errors import DataError

CALL = Action("call", "A call", 10.0, Effect(0.125, 0.25, 0.5))
MAIL = Action("mail", "A letter", 1.0, Effect(-0.5, -0.25, 0.0))
CATALOGUE = Catalogue((CALL, MAIL), periods=12, margin=0.5)


def treatment_effects(outcome, *effects):
    low, expected, high = (np.array(part, dtype=float)[:, None] for part in effects)
    return MeasuredEffects((1,), outcome, low, expected, high)


def test_an_effect_on_staying_is_weighed_with_what_the_customer_is_worth_whatever_the_risk():
    tried = treatment_effects("staying", [0.0, 0.25], [0.25, 0.5], [0.5, 0.75])
    gains = expected_gain([0.5, 0.01], [20.0, 8.0], CATALOGUE, treatment_effects=tried)
    # Worth 20 x 12 x .5 = 120 and 8 x 12 x .5 = 48.
    assert gains.expected[:, 1].tolist() == [29.0, 23.0]
    assert gains.low[:, 1].tolist() == [-1.0, 11.0]
    assert gains.high[:, 1].tolist() == [59.0, 35.0]
    assumed = expected_gain([0.5, 0.01], [20.0, 8.0], CATALOGUE)
    assert np.array_equal(gains.expected[:, 0], assumed.expected[:, 0])


def test_an_effect_on_revenue_needs_no_value():
    tried = treatment_effects("money", [1.0, 1.0], [4.0, 4.0], [6.0, 6.0])
    gains = expected_gain([0.5, 0.5], [np.nan, 8.0], CATALOGUE, treatment_effects=tried)
    assert gains.expected[:, 1].tolist() == [1.0, 1.0]
    assert gains.eligible.tolist() == [[False, True], [True, True]]


def test_an_unscored_customer_and_an_unknown_effect_get_nothing():
    tried = treatment_effects("money", [1.0, np.nan], [4.0, np.nan], [6.0, np.nan])
    gains = expected_gain([np.nan, 0.5], [8.0, 8.0], CATALOGUE, treatment_effects=tried)
    assert gains.eligible.tolist() == [[False, False], [True, False]]


def test_an_action_goes_out_only_where_the_lower_bound_is_above_zero():
    compiled = compile_catalogue(
        Catalogue((MAIL,), periods=12, margin=0.5), [Column("fee", "number", ("value",))]
    )
    low, expected = np.array([[0.0], [0.02]]), np.array([[0.1], [0.1]])
    tried = MeasuredEffects((0,), "staying", low, expected, expected * 2)
    plan = decide([0.5, 0.5], np.full((2, 1), 20.0), compiled, treatment_effects=tried)
    assert plan.action_name == [None, "mail"]
    eager = decide(
        [0.5, 0.5],
        np.full((2, 1), 20.0),
        compiled,
        decision_bound="expected",
        treatment_effects=tried,
    )
    assert eager.action_name == ["mail", "mail"]


def test_effects_that_do_not_fit_are_refused():
    one = np.zeros((1, 1))
    with pytest.raises(DataError, match="one shape"):
        MeasuredEffects((0,), "money", one, one, np.zeros((2, 1)))
    with pytest.raises(DataError, match="2 columns are needed"):
        MeasuredEffects((0, 1), "money", one, one, one)
    with pytest.raises(DataError, match="for 2 customers"):
        expected_gain(
            [0.5, 0.5],
            [1, 1],
            CATALOGUE,
            treatment_effects=MeasuredEffects((1,), "money", one, one, one),
        )
    with pytest.raises(DataError, match="catalogue lacks"):
        expected_gain(
            [0.5], [1], CATALOGUE, treatment_effects=MeasuredEffects((2,), "money", one, one, one)
        )


def test_the_bound_decides_and_the_interval_is_shown():
    compiled = compile_catalogue(
        Catalogue((MAIL,), periods=12, margin=0.5), [Column("fee", "number", ("value",))]
    )
    low, expected = np.array([[-0.1], [-0.1]]), np.array([[0.1], [0.1]])
    effects = MeasuredEffects(
        (0,), "staying", low, expected, expected * 2, bound=np.array([[0.0], [0.05]])
    )
    plan = decide([0.5, 0.5], np.full((2, 1), 20.0), compiled, treatment_effects=effects)
    assert plan.action_name == [None, "mail"]
    assert plan.low[1] == -13.0


def test_the_interval_of_the_total_adds_the_error_that_customers_share():
    compiled = compile_catalogue(
        Catalogue((MAIL,), periods=12, margin=0.5), [Column("fee", "number", ("value",))]
    )
    expected = np.full((4, 1), 0.1)
    shared = SharedError(np.ones((4, 1, 1)), ((0,),), np.array([[0.02**2]]))
    effects = MeasuredEffects((0,), "staying", expected, expected, expected, shared=shared)
    total = decide([0.5] * 4, np.full((4, 1), 20.0), compiled, treatment_effects=effects).total_gain
    # Four customers worth 120 each: 4 x (12 - 1), and 480 x .02 for one standard error.
    assert total.value == pytest.approx(44.0)
    assert total.high - total.value == pytest.approx(1.645 * 480 * 0.02, rel=1e-3)
    assert total.value - total.low == pytest.approx(1.645 * 480 * 0.02, rel=1e-3)


def test_bounds_of_assumed_effects_are_the_interval_of_the_total():
    compiled = compile_catalogue(
        Catalogue((CALL,), periods=12, margin=0.5), [Column("fee", "number", ("value",))]
    )
    total = decide([0.5, 0.9], np.full((2, 1), 50.0), compiled).total_gain
    # Worth 300 each: .25 of the risk expected, .125 to .5 bounded.
    assert (total.value, total.low, total.high) == pytest.approx((85.0, 32.5, 190.0))
