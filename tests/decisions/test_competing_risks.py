"""An action acts on the risk of the causes that it prevents, alike for one customer and a table."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.contracts import Column
from churnkit.decisions import (
    Action,
    Catalogue,
    Effect,
    Ranking,
    decide,
    decide_one,
    expected_gain,
    what_if,
)
from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.decisions.catalogue.migrations import migrate
from churnkit.decisions.competing_risks import preventable_shares
from churnkit.errors import DataError, RecipeError

CAUSES = ("involuntary", "unknown", "voluntary")
CALL = Action("call", "A call", 2.0, Effect(0.1, 0.2, 0.4), prevents=("voluntary",))
CARD = Action("card", "Ask for a new card", 1.0, Effect(0.3, 0.6, 0.9), prevents=("involuntary",))
OFFER = Action("offer", "20% off", 8.0, Effect(0.1, 0.2, 0.3))
CATALOGUE = Catalogue((CALL, CARD, OFFER), periods=12, margin=0.5)
COMPILED = compile_catalogue(CATALOGUE, [Column("fee", "number", ("value",))])


def shares_of(weights):
    weights = np.array(weights).reshape(-1, len(CAUSES)) + 1e-9
    return weights / weights.sum(axis=1, keepdims=True)


@settings(max_examples=40, deadline=None)
@given(
    risk=st.lists(st.floats(0, 1), min_size=4, max_size=4),
    weights=st.lists(st.floats(0, 1), min_size=12, max_size=12),
)
def test_the_gain_is_that_of_the_risk_of_the_action_s_causes(risk, weights):
    shares, fee = shares_of(weights), np.array([20.0, 50.0, 100.0, 5.0])
    table = preventable_shares(CATALOGUE, CAUSES, shares)
    together = decide(risk, fee[:, None], COMPILED, preventable_share=table)
    gains = expected_gain(risk, fee, CATALOGUE, preventable_share=table)
    for row in range(4):
        alone = decide_one(risk[row], [fee[row]], COMPILED, preventable_share=table[row].tolist())
        assert alone.action == together.action_name[row]
        packed = [struct.pack("d", gain) for gain in (alone.expected_gain, alone.gain_low)]
        assert packed[0] == struct.pack("d", together.expected_gain[row])
        assert packed[1] == struct.pack("d", together.low[row])
        incidence = risk[row] * shares[row]
        worth = fee[row] * 12 * 0.5
        for action, share in ((CALL, incidence[2]), (CARD, incidence[0]), (OFFER, risk[row])):
            column = CATALOGUE.names.index(action.name)
            bounds = (gains.low, gains.expected, gains.high)
            effects = (action.effect.low, action.effect.expected, action.effect.high)  # type: ignore[union-attr]
            for gain, effect in zip(bounds, effects, strict=True):
                saved = gain[row, column] + action.cost
                assert saved == pytest.approx(share * effect * worth, abs=1e-9)
                # Never more than what leaves for these causes.
                assert saved <= share * worth + 1e-9


def test_the_reported_effect_is_the_decrease_of_the_risk_of_these_causes():
    table = preventable_shares(CATALOGUE, CAUSES, np.array([[0.05, 0.05, 0.9]]))
    plan = decide([0.5], np.array([[50.0]]), COMPILED, preventable_share=table)
    assert plan.action_name == ["call"]
    assert plan.responses.effect == pytest.approx([0.5 * 0.9 * 0.2])
    assert plan.responses.high == pytest.approx([0.5 * 0.9 * 0.4])
    budgets = what_if([0.5], np.array([[50.0]]), COMPILED, [2.0], preventable_share=table)
    assert budgets.value == pytest.approx(plan.expected_gain)


def test_actions_without_causes_act_on_the_whole_risk():
    shares = shares_of([0.3, 0.3, 0.3])
    assert preventable_shares(CATALOGUE, CAUSES, shares)[:, 2].tolist() == [1.0]
    all_causes = Catalogue((Action("a", "All", effect=Effect(0, 0, 0), prevents=CAUSES),))
    assert preventable_shares(all_causes, CAUSES, np.array([[0.1, 0.2, 0.7 + 1e-12]])) <= 1.0
    plain = Catalogue((OFFER,), periods=12, margin=0.5)
    with_ones = expected_gain([0.3], [70.0], plain, preventable_share=np.ones((1, 1)))
    assert with_ones.expected == expected_gain([0.3], [70.0], plain).expected


def test_shares_are_required_and_checked():
    with pytest.raises(RecipeError, match="action 'call' prevents some causes of churn only"):
        decide([0.5], np.array([[100.0]]), COMPILED)
    with pytest.raises(RecipeError, match="action 'call' prevents some causes of churn only"):
        decide_one(0.5, [100.0], COMPILED)
    with pytest.raises(DataError, match=r"shape \(1, 2\): must be \(1, 3\)"):
        expected_gain([0.5], [100.0], CATALOGUE, preventable_share=np.ones((1, 2)))
    with pytest.raises(DataError, match="1 values outside 0 to 1"):
        expected_gain([0.5], [100.0], CATALOGUE, preventable_share=np.array([[0.1, 1.1, 1.0]]))
    as_list = expected_gain([0.5], [100.0], CATALOGUE, preventable_share=[[0.9, 0.05, 1.0]])  # type: ignore[arg-type]
    # 0.5 risk x 0.9 share x 0.2 effect x 100 x 12 periods x 0.5 margin, less the cost of 2.
    assert as_list.expected[0, 0] == pytest.approx(52.0)
    with pytest.raises(RecipeError, match=r"'call': prevents the cause 'voluntary'.*one of price"):
        preventable_shares(CATALOGUE, ["price"], np.ones((1, 1)))


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ([0.1, 2.0, 1.0], "1 values outside 0 to 1"),
        ([-1.0, 2.0, 1.0], "2 values outside 0 to 1"),
        ([math.inf, 0.5, 1.0], "1 values outside 0 to 1"),
        ([math.nan, 0.5, 1.0], "1 values missing for customers with a churn probability"),
        ([], r"must be"),
        ([0.5, 0.5, 0.5, 0.5], r"must be"),
        (["a", 0.5, 0.5], "not an array of numbers"),
    ],
)
def test_a_row_and_a_table_refuse_the_same_shares(shares, message):
    with pytest.raises(DataError, match=message):
        decide([0.5], np.array([[100.0]]), COMPILED, preventable_share=[shares])  # type: ignore[arg-type]
    with pytest.raises(DataError, match=message):
        decide_one(0.5, [100.0], COMPILED, preventable_share=shares)


def test_shares_may_be_missing_for_unscored_customers_only():
    unknown = np.full((1, 3), np.nan)
    plan = decide([math.nan], np.array([[100.0]]), COMPILED, preventable_share=unknown)
    alone = decide_one(math.nan, [100.0], COMPILED, preventable_share=unknown[0])
    assert plan.action_name == [None]
    assert alone.action is None
    assert alone.reason == plan.reason[0] == "not scored"
    with pytest.raises(DataError, match="1 values outside 0 to 1"):
        decide_one(math.nan, [100.0], COMPILED, preventable_share=[2.0, 0.5, 0.5])


def test_causes_are_stored_and_older_catalogues_have_none():
    stored = CATALOGUE.to_dict()
    assert stored["actions"][0]["prevents"] == ["voluntary"]
    assert Catalogue.from_dict(stored) == CATALOGUE
    older = Catalogue((OFFER,)).to_dict() | {"format": 4}
    del older["actions"][0]["prevents"]
    assert migrate(older)["actions"][0]["prevents"] == []
    assert Catalogue.from_dict(older) == Catalogue((OFFER,))


def test_invalid_causes_of_actions_are_refused():
    with pytest.raises(RecipeError, match="prevents must be a tuple of causes of churn"):
        Action("call", "A call", prevents="voluntary")  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="prevents: each must be text"):
        Action("call", "A call", prevents=("",))
    with pytest.raises(RecipeError, match="option 'call' has prevents"):
        Ranking((CALL,), outcome="accepted")
