"""A range of budgets, weighed in one run."""

from __future__ import annotations

import numpy as np
import pytest

from churnkit.contracts import Column
from churnkit.decisions import Action, Catalogue, Effect, decide, what_if
from churnkit.decisions.catalogue.compiled import compile_catalogue

CALL = Action("call", "A call", 10.0, Effect(0.05, 0.1, 0.15))
CONTRACT = Action("contract", "A year's contract", 40.0, Effect(0.1, 0.3, 0.5))
COMPILED = compile_catalogue(Catalogue((CALL, CONTRACT)), [Column("fee", "number", ("value",))])


def test_a_range_of_budgets_is_weighed_in_one_run():
    rng = np.random.default_rng(5)
    matrix = rng.lognormal(4, 0.6, (500, 1))
    risk = rng.beta(1, 3, 500)
    found = what_if(risk, matrix, COMPILED, [3000, 0, 100, 1000], decision_bound="expected")
    assert found.budget.tolist() == [0, 100, 1000, 3000]
    assert found.value[0] == 0.0
    assert (np.diff(found.value) >= 0).all()
    assert (np.diff(found.shadow_price[1:]) <= 1e-9).all()
    assert (found.cost <= found.budget).all()
    assert (found.value <= found.bound).all()
    for place, budget in enumerate(found.budget.tolist()):
        plan = decide(risk, matrix, COMPILED, budget=budget, decision_bound="expected").plan
        assert found.value[place] == pytest.approx(plan.value, rel=1e-3)
    assert list(found.to_columns()) == [
        "budget",
        "value",
        "low",
        "high",
        "cost",
        "bound",
        "customers",
        "shadow_price",
    ]


def test_no_budgets_give_no_rows():
    assert what_if([0.9], np.array([[50.0]]), COMPILED, []).value.shape == (0,)
