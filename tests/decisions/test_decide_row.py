"""The decision for one customer is that of a table, to the last bit."""

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
    MeasuredEffects,
    ShadowPrices,
    Where,
    decide,
    decide_one,
)
from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.errors import DataError, RecipeError

COLUMNS = (
    Column("plan", "string", ("feature",), levels=("monthly", "yearly")),
    Column("tenure", "integer", ("feature",)),
    Column("fee", "number", ("feature", "value")),
    Column("gift", "number", ("cost",)),
)
CALL = Action("call", "A call", 10.0, Effect(0.05, 0.1, 0.15))
CONTRACT = Action(
    "contract",
    "A year's contract",
    40.0,
    Effect(0.1, 0.3, 0.5),
    (Where("plan", "==", "monthly"), Where("tenure", ">=", 6)),
)
GIFT = Action("gift", "A gift", "gift", Effect(0.0, 0.2, 0.4), (Where("plan", "==", "yearly"),))
CATALOGUE = Catalogue((CALL, CONTRACT, GIFT), periods=12, margin=0.5)
COMPILED = compile_catalogue(CATALOGUE, COLUMNS)
# Two months' and two years' customers, one of unknown value.
MATRIX = np.array(
    [
        [0.0, 12.0, 100.0, 5.0],
        [0.0, 3.0, 100.0, 5.0],
        [1.0, 24.0, 80.0, 5.0],
        [1.0, 24.0, 1.0, 5.0],
        [1.0, 24.0, math.nan, 5.0],
    ]
)
RISK = [0.9, 0.9, 0.5, 0.5, 0.9]


def bits(number: float) -> bytes:
    return struct.pack("<d", number)


cells = st.tuples(
    st.sampled_from([0.0, 1.0, math.nan]),
    st.sampled_from([0.0, 5.0, 6.0, 40.0, math.nan]),
    st.floats(-1e3, 1e4) | st.sampled_from([0.0, -0.0, 1e308, math.nan, math.inf, -math.inf]),
    st.floats(0, 200) | st.sampled_from([0.0, -1.0, math.nan, math.inf]),
)


@settings(max_examples=300, deadline=None)
@given(
    st.floats(0, 1) | st.sampled_from([0.0, 1.0, 1e-300, math.nan]),
    cells,
    st.none() | st.floats(0, 300) | st.sampled_from([0.0, 10.0, 40.0]),
    st.sampled_from(["low", "expected"]),
    st.sampled_from([None, 0, 1, 7]),
    st.none()
    | st.tuples(
        st.sampled_from(["staying", "money"]),
        st.lists(st.floats(-1, 1) | st.just(math.nan), min_size=6, max_size=6),
    ),
)
def test_one_customer_alone_gets_the_same_bits_as_in_a_table(
    risk, cell, budget, decision_bound, room, tried
):
    treatment_effects = None
    if tried is not None:
        bounds = np.sort(np.array(tried[1]).reshape(3, 1, 2), axis=0)
        treatment_effects = MeasuredEffects((2, 0), tried[0], *bounds)
    call = Action("call", "A call", 10.0, CALL.effect, capacity=room)
    compiled = compile_catalogue(Catalogue((call, CONTRACT, GIFT), periods=12, margin=0.7), COLUMNS)
    settings = {
        "budget": budget,
        "decision_bound": decision_bound,
        "treatment_effects": treatment_effects,
    }
    one = decide_one(risk, list(cell), compiled, **settings)
    table = decide([risk], np.array([cell]), compiled, **settings)
    columns = {name: column[0] for name, column in table.to_columns().items()}
    for name, got in one.to_dict().items():
        if isinstance(got, float):
            assert bits(got) == bits(float(columns[name])), name
        else:
            assert got == columns[name], name


def test_one_customer_at_a_plans_prices_gets_what_the_plan_gave():
    rng = np.random.default_rng(3)
    n = 4000
    matrix = np.column_stack(
        [
            rng.integers(0, 2, n),
            rng.integers(0, 60, n),
            rng.lognormal(4, 0.6, n),
            rng.uniform(2, 30, n),
        ]
    ).astype(float)
    risk = rng.beta(1, 3, n)
    call = Action("call", "A call", 10.0, CALL.effect, capacity=50)
    compiled = compile_catalogue(Catalogue((call, CONTRACT, GIFT)), COLUMNS)
    table = decide(risk, matrix, compiled, budget=9000.0, decision_bound="expected")
    prices = table.plan.shadow_prices
    assert prices.budget > 0.0
    assert prices.capacity[0] > 0.0
    alone = [
        decide_one(p, row, compiled, decision_bound="expected", prices=prices).action
        for p, row in zip(risk.tolist(), matrix.tolist(), strict=True)
    ]
    differ = sum(a != b for a, b in zip(alone, table.action_name, strict=True))
    # Only customers on the fence: about one for each limit.
    assert differ <= 4


def test_prices_say_why_one_customer_gets_nothing():
    row = MATRIX[1].tolist()
    dear = ShadowPrices(100.0, np.zeros(3))
    full = ShadowPrices(0.0, np.full(3, 1e6))
    assert decide_one(0.9, row, COMPILED, prices=dear).reason == "budget spent elsewhere"
    assert decide_one(0.9, row, COMPILED, prices=full).reason == "capacity full"


@pytest.mark.parametrize("risk", [-0.1, 1.5, math.inf])
def test_one_customer_without_a_probability_is_refused(risk):
    with pytest.raises(DataError, match="outside 0 to 1"):
        decide_one(risk, MATRIX[0].tolist(), COMPILED)


def test_one_row_of_another_length_is_refused():
    with pytest.raises(DataError, match="needs 4"):
        decide_one(0.5, [1.0], COMPILED)


SURVIVING = Catalogue((CALL, CONTRACT, GIFT), periods=12, margin=0.5, survival=True)


@settings(max_examples=60, deadline=None)
@given(
    risk=st.lists(st.floats(0, 1), min_size=5, max_size=5),
    survival_weights=st.lists(st.floats(0.1, 12.0), min_size=15, max_size=15),
)
def test_value_by_survival_is_the_same_alone_and_in_a_table(risk, survival_weights):
    compiled = compile_catalogue(SURVIVING, COLUMNS)
    table = np.array(survival_weights).reshape(5, 3)
    together = decide(risk, MATRIX, compiled, survival_weights=table)
    for row in range(5):
        alone = decide_one(
            risk[row], MATRIX[row].tolist(), compiled, survival_weights=table[row].tolist()
        )
        assert alone.action == together.action_name[row]
        assert bits(alone.expected_gain) == bits(float(together.expected_gain[row]))


def test_survival_weights_of_another_number_of_actions_are_refused():
    compiled = compile_catalogue(SURVIVING, COLUMNS)
    for weights in ([], [1.0, 1.0]):
        with pytest.raises(DataError, match=rf"{len(weights)} values: must be 3, one per action"):
            decide_one(0.5, MATRIX[0].tolist(), compiled, survival_weights=weights)
    weights = np.ones(3)  # type: ignore[assignment]
    alone = decide_one(0.5, MATRIX[0].tolist(), compiled, survival_weights=weights)
    together = decide([0.5], MATRIX[:1], compiled, survival_weights=weights[None])  # type: ignore[call-overload]
    assert alone.action == together.action_name[0]


def test_value_lasts_as_long_as_the_customer():
    compiled = compile_catalogue(SURVIVING, COLUMNS)
    row = [1.0, 24.0, 80.0, 500.0]
    found = decide_one(0.5, row, compiled, survival_weights=[11.0, 6.0, 6.0])
    assert found.expected_gain == pytest.approx(0.5 * 0.1 * 80.0 * 11.0 * 0.5 - 10.0)
    with pytest.raises(RecipeError, match="counts value by survival"):
        decide_one(0.5, row, compiled)
    with pytest.raises(RecipeError, match="counts value by survival"):
        decide([0.5], np.array([row]), compiled)
    with pytest.raises(DataError, match="survival_weights"):
        decide([0.5], np.array([row]), compiled, survival_weights=np.ones((1, 2)))


def test_money_that_comes_later_is_worth_less():
    discounted = Catalogue((CALL, CONTRACT, GIFT), periods=12, margin=0.5, discount=0.02)
    compiled = compile_catalogue(discounted, COLUMNS)
    row = [1.0, 24.0, 80.0, 500.0]
    found = decide_one(0.5, row, compiled)
    # A fine sum of what is paid over the year.
    middle = (np.arange(12_000) + 0.5) / 1_000
    year = (1.02**-middle).sum() / 1_000
    assert found.expected_gain == pytest.approx(0.5 * 0.1 * 80.0 * year * 0.5 - 10.0, rel=1e-6)
    assert bits(found.expected_gain) == bits(
        float(decide([0.5], np.array([row]), compiled).expected_gain[0])
    )
    for wrong in ({"discount": -0.1}, {"discount": "x"}, {"survival": 1}):
        with pytest.raises(RecipeError, match=r"catalogue: (discount|survival)"):
            Catalogue((CALL,), **wrong)
