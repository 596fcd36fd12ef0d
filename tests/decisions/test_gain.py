"""Expected gain: the arithmetic, its interval, and what is not known."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.decisions import Action, Catalogue, Effect, expected_gain
from churnkit.errors import DataError, RecipeError

CALL = Action("call", "A call", 10.0, Effect(0.125, 0.25, 0.5))
HARM = Action("mail", "A letter", 0.0, Effect(-0.5, -0.25, 0.0))


def test_a_gain_is_the_value_kept_less_the_cost():
    gains = expected_gain([0.5, 0.25], [20.0, 8.0], Catalogue((CALL, HARM), periods=12, margin=0.5))
    # .5 x 20 x 12 x .5 = 60 and .25 x 8 x 12 x .5 = 12 are at stake.
    assert gains.expected.tolist() == [[5.0, -15.0], [-7.0, -3.0]]
    assert gains.low.tolist() == [[-2.5, -30.0], [-8.5, -6.0]]
    assert gains.high.tolist() == [[20.0, 0.0], [-4.0, 0.0]]
    assert gains.eligible.all()
    assert gains.pays("low").tolist() == [[False, False], [False, False]]
    assert gains.pays("expected").tolist() == [[True, False], [False, False]]
    assert gains.offered("expected")[0].tolist() == [5.0, -np.inf]


@given(
    st.floats(0, 1),
    st.floats(-1e6, 1e6),
    st.lists(st.floats(-1, 1), min_size=3, max_size=3).map(sorted),
    st.floats(0, 1e4),
)
def test_gains_agree_with_exact_arithmetic_and_keep_their_order(p, value, effect, cost):
    action = Action("call", "A call", cost, Effect(*effect))
    gains = expected_gain([p], [value], Catalogue((action,), periods=12, margin=0.5))
    worth = Fraction(max(value, 0.0)) * 6
    for got, share in zip((gains.low, gains.expected, gains.high), effect, strict=True):
        exact = float(Fraction(p) * worth * Fraction(share) - Fraction(cost))
        assert got[0, 0] == pytest.approx(exact, rel=1e-12, abs=1e-6)
    assert gains.low[0, 0] <= gains.expected[0, 0] <= gains.high[0, 0]


@pytest.mark.parametrize("value", [-50.0, -np.inf])
def test_a_customer_of_negative_value_is_worth_nothing_even_to_drive_away(value):
    gains = expected_gain([0.9], [value], Catalogue((CALL, HARM)))
    assert gains.expected.tolist() == [[-10.0, 0.0]]
    assert not gains.pays("expected").any()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e308])
def test_where_the_value_is_not_known_no_action_is_eligible(value):
    gains = expected_gain([0.9, 0.9], [value, 100.0], Catalogue((CALL,), periods=1e6))
    assert gains.eligible[:, 0].tolist() == [False, True]


def test_an_action_of_unknown_or_negative_cost_is_not_eligible():
    cost = np.array([[5.0], [np.nan], [np.inf], [-1.0]])
    gains = expected_gain([0.5] * 4, [20.0] * 4, Catalogue((CALL,)), cost=cost)
    assert gains.eligible[:, 0].tolist() == [True, False, False, False]


def test_rules_and_unknowns_both_bar_an_action():
    allowed = np.array([[False], [True]])
    gains = expected_gain([0.5] * 2, [20.0] * 2, Catalogue((CALL,)), eligible=allowed)
    assert gains.eligible.tolist() == allowed.tolist()


@pytest.mark.parametrize("bad", [-0.1, 1.1, np.inf])
def test_a_probability_that_is_none_is_refused_with_its_place(bad):
    with pytest.raises(DataError, match=r"1 of 3 are outside 0 to 1 .first: 1"):
        expected_gain([0.5, bad, 0.5], [1.0] * 3, Catalogue((CALL,)))


def test_a_customer_who_was_not_scored_is_eligible_for_nothing():
    gains = expected_gain([np.nan, 0.5], [20.0, 20.0], Catalogue((CALL, HARM)))
    assert gains.eligible.tolist() == [[False, False], [True, True]]


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="both must be"):
        expected_gain([0.5], [1.0, 2.0], Catalogue((CALL,)))
    with pytest.raises(DataError, match="cost"):
        expected_gain([0.5], [1.0], Catalogue((CALL,)), cost=np.ones(3))
    with pytest.raises(DataError, match="eligible"):
        expected_gain([0.5], [1.0], Catalogue((CALL,)), eligible=np.ones((2, 1), dtype=bool))


def test_a_cost_that_is_a_column_must_come_as_an_array():
    gift = Action("gift", "A gift", "price", Effect(0, 0.1, 0.2))
    with pytest.raises(RecipeError, match="'gift': its cost is a column"):
        expected_gain([0.5], [1.0], Catalogue((gift,)))


def test_another_word_than_low_or_expected_is_refused():
    word: Any = "high"
    gains = expected_gain([0.5], [1.0], Catalogue((CALL,)))
    with pytest.raises(RecipeError, match="decision_bound"):
        gains.pays(word)


def test_no_customers_give_no_gains():
    assert expected_gain([], [], Catalogue((CALL, HARM))).expected.shape == (0, 2)
