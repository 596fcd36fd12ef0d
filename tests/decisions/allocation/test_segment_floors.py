"""Floors: nobody is passed over, no other limit is broken, and the bound holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from churnkit.contracts import Column
from churnkit.decisions import (
    Action,
    Catalogue,
    DecisionContext,
    Effect,
    Exploration,
    Floor,
    Where,
    allocate,
    decide,
    decide_one,
)
from churnkit.decisions.catalogue.compiled import compile_catalogue


def optimum(gain, cost, budget, capacity, members, least):
    """Give HiGHS's best plan in whole actions, or None where there is none."""
    n, m = gain.shape
    rows, actions = np.nonzero(gain > 0)
    k = rows.shape[0]
    ones, place = np.ones(k), np.arange(k)
    left = [sp.csr_array((ones, (rows, place)), shape=(n, k))]
    left += [sp.csr_array(cost[rows, actions][None, :])]
    left += [sp.csr_array((ones, (actions, place)), shape=(m, k))]
    left += [sp.csr_array(-members[rows].T.astype(float))]
    right = np.concatenate([np.ones(n), [budget], capacity, -least.astype(float)])
    found = milp(
        -gain[rows, actions],
        constraints=LinearConstraint(sp.vstack(left), -np.inf, right),
        bounds=Bounds(0, 1),
        integrality=np.ones(k),
        options={"mip_rel_gap": 0},
    )
    return None if found.x is None else -float(found.fun)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 40))
def test_floors_are_reached_within_all_limits_and_the_bound_is_one(seed, n):
    rng = np.random.default_rng(seed)
    gain = rng.normal(5, 6, (n, 2))
    cost = rng.uniform(0.5, 4, (n, 2))
    members = rng.random((n, 2)) < [0.3, 0.5]
    # The poorer ones, whom the plan would pass over.
    gain[members[:, 0]] *= 0.2
    least = np.floor(members.sum(axis=0) * rng.uniform(0, 0.8, 2)).astype(np.int64)
    budget, capacity = float(rng.uniform(0.3, 2) * n), np.array([n // 2, n // 3 + 1])
    plan = allocate(gain, cost, budget=budget, capacity=capacity, floors=(members, least))
    taken = np.flatnonzero(plan.action >= 0)
    chosen = plan.action[taken]
    assert (gain[taken, chosen] > 0).all()
    assert cost[taken, chosen].sum() <= budget * (1 + 1e-12)
    assert (np.bincount(chosen, minlength=2) <= capacity).all()
    assert plan.value == pytest.approx(gain[taken, chosen].sum())
    served = members[taken].sum(axis=0)
    short = np.maximum(least - served, 0)
    if least.any():
        assert plan.shortfall == tuple(short.tolist())
    best = optimum(gain, cost, budget, capacity, members, least)
    if best is None:
        assert short.any()
        return
    assert plan.bound >= best - 1e-9 * max(1.0, best)
    if not short.any():
        assert plan.value <= best * (1 + 1e-9)


def test_a_floor_of_many_customers_costs_next_to_nothing_more_than_it_must():
    rng = np.random.default_rng(1)
    n = 20_000
    members = rng.random((n, 1)) < 0.2
    gain = rng.lognormal(2, 1, (n, 3)) * np.where(members, 0.2, 1.0)
    cost = rng.uniform(1, 5, (n, 3))
    least = np.array([1500])
    plain = allocate(gain, cost, budget=9000.0)
    assert members[plain.action >= 0].sum() < 1000
    plan = allocate(gain, cost, budget=9000.0, floors=(members, least))
    assert plan.shortfall == (0,)
    assert 1500 <= members[plan.action >= 0].sum() <= 1510
    assert plan.gap < 1e-3
    assert plan.value < plain.value
    assert plan.shadow_prices.floors[0] > 0.0


def test_a_floor_that_nothing_can_reach_is_missed_by_a_number_that_is_said():
    gain, cost = np.array([[1.0], [2.0], [-1.0]]), np.ones((3, 1))
    members = np.array([[True], [False], [True]])
    plan = allocate(gain, cost, budget=5.0, floors=(members, np.array([2])))
    assert plan.action.tolist() == [0, 0, -1]
    assert plan.shortfall == (1,)
    assert plan.to_dict()["shortfall"] == [1]


COLUMNS = (
    Column("region", "string", ("context",), levels=("rural", "town")),
    Column("fee", "number", ("value",)),
)
CALL = Action("call", "A call", 5.0, Effect(0.1, 0.2, 0.3))
RURAL = Floor("rural", (Where("region", "==", "rural"),), share=0.5)


def test_a_catalogues_floor_is_kept_also_when_chance_has_its_part():
    rng = np.random.default_rng(2)
    n = 600
    region = rng.integers(0, 2, n).astype(float)
    matrix = np.column_stack([region, np.where(region == 0.0, 20.0, 80.0) * rng.uniform(1, 2, n)])
    catalogue = Catalogue((CALL,), floors=(RURAL,))
    customers = [f"c{i}" for i in range(n)]
    for chosen in (catalogue, replace(catalogue, exploration=Exploration(0.3))):
        compiled = compile_catalogue(chosen, COLUMNS)
        context = DecisionContext(customers, date(2026, 11, 1))
        decisions = decide(np.full(n, 0.4), matrix, compiled, budget=1400.0, context=context)
        rural = region == 0.0
        assert (decisions.action[rural] >= 0).sum() >= np.ceil(0.5 * rural.sum())
        assert decisions.cost.sum() <= 1400.0
        assert (decisions.propensity > 0).all()
    compiled = compile_catalogue(catalogue, COLUMNS)
    plan = decide(np.full(n, 0.4), matrix, compiled, budget=1400.0).plan
    alone = [
        decide_one(0.4, row, compiled, prices=plan.shadow_prices).action is not None
        for row in matrix.tolist()
    ]
    assert np.sum(np.array(alone) != (plan.action >= 0)) <= 3
