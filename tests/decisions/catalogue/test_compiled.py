"""Rules on the encoded matrix: checked against a contract, the same for rows and tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from churnkit.contracts import Column
from churnkit.decisions import Action, Catalogue, Effect, Where
from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.decisions.eligibility.exclusions import eligible_actions
from churnkit.errors import DataError, RecipeError

PLANS = ("basic", "plus", "pro")
COLUMNS = (
    Column("plan", "string", ("feature",), levels=PLANS),
    Column("tenure", "integer", ("feature",)),
    Column("senior", "boolean", ("feature",)),
    Column("fee", "number", ("feature", "value")),
    Column("gift", "number", ("cost",)),
    Column("since", "datetime", ("context",)),
    Column("city", "string", ("context",)),
)
# One row a plan, the last with nothing known.
MATRIX = np.array(
    [
        [0.0, 3.0, 0.0, 20.0, 1.0, 0.0, 0.0],
        [1.0, 12.0, 1.0, 30.0, 2.0, 0.0, 0.0],
        [2.0, 24.0, 0.0, 40.0, 3.0, 0.0, 0.0],
        [math.nan] * 7,
    ]
)


def catalogue_of(*rules: Where, cost: float | str = 1.0, value: str | None = None) -> Catalogue:
    action = Action("call", "A call", cost, Effect(0, 0.1, 0.2), rules)
    return Catalogue((action,), value=value)


@pytest.mark.parametrize(
    ("rule", "eligible"),
    [
        (Where("plan", "==", "plus"), [0, 1, 0, 0]),
        (Where("plan", "!=", "plus"), [1, 0, 1, 0]),
        (Where("plan", "in", ["plus", "pro"]), [0, 1, 1, 0]),
        (Where("plan", "not in", ["plus", "pro"]), [1, 0, 0, 0]),
        (Where("plan", "in", []), [0, 0, 0, 0]),
        (Where("plan", "not in", []), [1, 1, 1, 0]),
        (Where("tenure", "<", 12), [1, 0, 0, 0]),
        (Where("tenure", "<=", 12), [1, 1, 0, 0]),
        (Where("tenure", ">", 12), [0, 0, 1, 0]),
        (Where("tenure", ">=", 11.5), [0, 1, 1, 0]),
        (Where("senior", "==", value=True), [0, 1, 0, 0]),
        (Where("senior", "!=", value=True), [1, 0, 1, 0]),
        (Where("fee", "==", 30), [0, 1, 0, 0]),
        (Where("since", "is known"), [1, 1, 1, 0]),
        (Where("city", "is missing"), [0, 0, 0, 1]),
    ],
)
def test_each_comparison_says_who_is_eligible(rule, eligible):
    compiled = compile_catalogue(catalogue_of(rule), COLUMNS)
    assert eligible_actions(compiled, MATRIX)[:, 0].tolist() == [bool(e) for e in eligible]


def test_a_customer_must_meet_all_conditions():
    compiled = catalogue_of(Where("tenure", ">", 5), Where("senior", "==", value=False))
    assert eligible_actions(compile_catalogue(compiled, COLUMNS), MATRIX)[:, 0].tolist() == [
        False,
        False,
        True,
        False,
    ]


cells = st.sampled_from([0.0, 1.0, 2.0, 12.0, -0.0, 0.5, math.nan])
some = st.lists(st.sampled_from([0, 1.0, 0.5]), max_size=3)
conditions = st.one_of(
    st.builds(
        Where, st.just("tenure"), st.sampled_from(["<", "<=", ">", ">="]), st.integers(0, 12)
    ),
    st.builds(Where, st.just("plan"), st.sampled_from(["==", "!="]), st.sampled_from(PLANS)),
    st.builds(Where, st.just("fee"), st.sampled_from(["in", "not in"]), some),
    st.builds(Where, st.just("since"), st.sampled_from(["is missing", "is known"])),
)


@given(arrays(np.float64, (6, 7), elements=cells), st.lists(conditions, max_size=3))
def test_a_row_and_a_table_give_the_same_verdict(matrix, rules):
    compiled = compile_catalogue(catalogue_of(*rules), COLUMNS)
    one_by_one = [all(rule.holds(row) for rule in compiled.rules[0]) for row in matrix.tolist()]
    assert eligible_actions(compiled, matrix)[:, 0].tolist() == one_by_one


@pytest.mark.parametrize(
    ("catalogue", "said"),
    [
        (catalogue_of(Where("age", ">", 3)), "action 'call': column 'age' .* use one of: plan"),
        (
            catalogue_of(Where("plan", "==", "gold")),
            "'plan' has no category 'gold'; its categories are",
        ),
        (catalogue_of(Where("plan", "==", 1)), "'plan' has type string .* int; use text"),
        (catalogue_of(Where("plan", "<", "pro")), "'plan' has type string, which has no order"),
        (catalogue_of(Where("senior", ">=", value=True)), "boolean, which has no order"),
        (catalogue_of(Where("senior", "==", 1)), "'senior' has type boolean .* use True"),
        (catalogue_of(Where("tenure", ">", "3")), "'tenure' has type integer .* use a number"),
        (catalogue_of(Where("fee", ">", value=True)), "'fee' has type number .* bool"),
        (catalogue_of(Where("tenure", "==", 1.5)), "'tenure' has whole numbers"),
        (catalogue_of(Where("since", ">", 3)), "'since' is a date"),
        (catalogue_of(Where("city", "==", "Rome")), "'city' has no categories before training"),
        (catalogue_of(cost="plan"), "action 'call': cost: column 'plan' has type string"),
        (catalogue_of(cost="price"), "action 'call': cost: column 'price' is not available"),
        (catalogue_of(value="plan"), "value: column 'plan' has type string"),
        (catalogue_of(value="worth"), "value: column 'worth' is not available"),
    ],
)
def test_a_rule_that_does_not_fit_the_contract_names_action_column_and_mend(catalogue, said):
    with pytest.raises(RecipeError, match=said):
        compile_catalogue(catalogue, COLUMNS)


def test_without_a_value_column_there_is_nothing_to_decide():
    with pytest.raises(RecipeError, match="no column has the customer's value"):
        compile_catalogue(catalogue_of(), COLUMNS[:3])


def test_many_categories_are_not_all_listed():
    levels = tuple(f"city{i}" for i in range(40))
    columns = (Column("city", "string", ("feature",), levels=levels), *COLUMNS[3:4])
    with pytest.raises(RecipeError, match="and 28 more"):
        compile_catalogue(catalogue_of(Where("city", "==", "Rome")), columns)


def test_value_and_cost_are_read_from_their_columns():
    compiled = compile_catalogue(catalogue_of(cost="gift"), COLUMNS)
    assert compiled.value(MATRIX)[:3].tolist() == [20.0, 30.0, 40.0]
    assert compiled.cost(MATRIX)[:3, 0].tolist() == [1.0, 2.0, 3.0]
    assert compile_catalogue(catalogue_of(value="gift"), COLUMNS).value(MATRIX)[1] == 2.0


def test_a_matrix_of_another_width_is_refused():
    with pytest.raises(DataError, match="needs 7 columns"):
        eligible_actions(compile_catalogue(catalogue_of(), COLUMNS), MATRIX[:, :5])
