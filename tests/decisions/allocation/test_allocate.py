"""Allocation held against HiGHS, against its own certificate, and against odd inputs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import Bounds, LinearConstraint, milp

from churnkit.decisions import Allocator, allocate
from churnkit.decisions.allocation.dual import price_scales
from churnkit.decisions.allocation.problem import AllocationProblem
from churnkit.errors import DataError, RecipeError


def optimum(gain, cost, budget, capacity, shared=(), *, whole: bool) -> float:
    """Give HiGHS's optimum of the allocation, in whole actions or in shares of them.

    An action that alone costs more than the budget is left out, as no plan can hold it.
    """
    n, m = gain.shape
    cost = np.broadcast_to(cost, gain.shape)
    limit = math.inf if budget is None else budget
    rows, actions = np.nonzero((gain > 0) & (cost <= limit) & np.isfinite(cost))
    k = rows.shape[0]
    if k == 0:
        return 0.0
    ones, place = np.ones(k), np.arange(k)
    left = [sp.csr_array((ones, (rows, place)), shape=(n, k))]
    right = [np.ones(n)]
    if budget is not None:
        left.append(sp.csr_array(cost[rows, actions][None, :]))
        right.append(np.array([budget]))
    if capacity is not None:
        left.append(sp.csr_array((ones, (actions, place)), shape=(m, k)))
        right.append(np.asarray(capacity, dtype=float))
    for most, places in shared:
        left.append(sp.csr_array(np.isin(actions, places).astype(float)[None, :]))
        right.append(np.array([float(most)]))
    found = milp(
        -gain[rows, actions],
        constraints=LinearConstraint(sp.vstack(left), -np.inf, np.concatenate(right)),
        bounds=Bounds(0, 1),
        integrality=np.full(k, int(whole)),
        options={"mip_rel_gap": 0},
    )
    assert found.status == 0
    return -float(found.fun)


def check_feasible(plan, gain, cost, budget, capacity):
    rows = np.flatnonzero(plan.action >= 0)
    chosen = plan.action[rows]
    cost = np.broadcast_to(cost, gain.shape)[rows, chosen]
    assert (gain[rows, chosen] > 0).all()
    assert plan.value == pytest.approx(gain[rows, chosen].sum(), rel=1e-12)
    assert plan.cost == pytest.approx(cost.sum(), rel=1e-12)
    assert plan.value <= plan.bound
    assert (np.isfinite(cost)).all()
    if budget is not None:
        assert math.fsum(cost.tolist()) <= budget
    if capacity is not None:
        used = np.bincount(plan.action + 1, minlength=gain.shape[1] + 1)[1:]
        assert (used <= np.asarray(capacity)).all()


def random_problem(seed, n, m, kind):
    rng = np.random.default_rng(seed)
    if kind == "free":
        gain, cost = rng.normal(10, 10, (n, m)), rng.uniform(0, 10, (n, m))
    elif kind == "whole numbers":
        gain = rng.integers(-2, 6, (n, m)).astype(float)
        cost = rng.integers(0, 4, (n, m)).astype(float)
    elif kind == "one price":
        gain = rng.lognormal(2, 1, (n, 1)) * rng.uniform(0.5, 1, (n, m))
        cost = rng.integers(1, 9, m).astype(float)
    else:
        gain, cost = np.tile(rng.uniform(1, 10, m), (n, 1)), rng.uniform(1, 3, m)
    budget = float(rng.uniform(0, 1.5) * n)
    return gain, cost, budget, rng.integers(0, max(2, n // 2), m)


KINDS = ("free", "whole numbers", "one price", "all alike")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_a_handful_of_customers_gets_the_very_best_plan(kind, seed):
    gain, cost, budget, capacity = random_problem(seed, 9, 3, kind)
    plan = allocate(gain, cost, budget=budget, capacity=capacity)
    check_feasible(plan, gain, cost, budget, capacity)
    best = optimum(gain, cost, budget, capacity, whole=True)
    assert plan.value == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [40, 400])
def test_the_bound_is_the_relaxation_and_the_plan_is_near_it(kind, n):
    gain, cost, budget, capacity = random_problem(n, n, 4, kind)
    plan = allocate(gain, cost, budget=budget, capacity=capacity)
    check_feasible(plan, gain, cost, budget, capacity)
    relaxed = optimum(gain, cost, budget, capacity, whole=False)
    assert plan.bound == pytest.approx(relaxed, rel=1e-7)
    assert plan.bound >= relaxed * (1 - 1e-9)
    assert plan.value <= relaxed * (1 + 1e-9)
    # Whole actions lose at most about one action for each limit.
    assert plan.bound - plan.value <= 5 * np.max(gain)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_limits_that_actions_share_are_kept_and_cost_no_more_than_they_must(kind, seed):
    gain, cost, budget, capacity = random_problem(seed, 9, 3, kind)
    shared: list[tuple[float, tuple[int, ...]]] = [(2, (0, 1)), (3, (1, 2))]
    plan = allocate(gain, cost, budget=budget, capacity=capacity, shared=shared)
    check_feasible(plan, gain, cost, budget, capacity)
    for most, places in shared:
        assert np.isin(plan.action, places).sum() <= most
    best = optimum(gain, cost, budget, capacity, shared, whole=True)
    assert plan.value == pytest.approx(best, rel=1e-9)
    many = random_problem(seed, 2000, 4, kind)
    shared = [(150, (0, 1)), (200, (1, 2, 3))]
    plan = allocate(many[0], many[1], budget=many[2], capacity=many[3], shared=shared)
    relaxed = optimum(many[0], many[1], many[2], many[3], shared, whole=False)
    assert plan.bound == pytest.approx(relaxed, rel=1e-6)
    assert plan.bound - plan.value <= 6 * np.max(many[0])


@pytest.mark.parametrize("limits", ["budget", "capacity", "both", "neither"])
def test_each_limit_may_stand_alone(limits):
    gain, cost, budget, capacity = random_problem(3, 300, 3, "free")
    money = budget if limits in {"budget", "both"} else None
    room = capacity if limits in {"capacity", "both"} else None
    plan = allocate(gain, cost, budget=money, capacity=room)
    check_feasible(plan, gain, cost, money, room)
    relaxed = optimum(gain, cost, money, room, whole=False)
    assert plan.bound == pytest.approx(relaxed, rel=1e-7)
    assert plan.value >= 0.999 * relaxed
    if money is None:
        assert plan.shadow_prices.budget == 0.0
    if room is None:
        assert not plan.shadow_prices.capacity.any()


def test_many_customers_get_a_plan_within_a_ten_thousandth_of_the_best():
    # More rows than the first sample, heavy tails, and limits that bind.
    rng = np.random.default_rng(7)
    n, m = 60_000, 4
    worth = rng.beta(1, 4, n) * rng.lognormal(3.5, 1.0, n) * 12
    cost = rng.uniform(0.5, 1.5, (n, m)) * np.array([2.0, 8.0, 15.0, 5.0])
    gain = worth[:, None] * rng.uniform(0, 0.4, (n, m)) - cost
    capacity = [0.05 * n, 0.08 * n, None, 0.1 * n]
    plan = allocate(gain, cost, budget=1.5 * n, capacity=capacity)
    check_feasible(plan, gain, cost, 1.5 * n, [n if c is None else c for c in capacity])
    assert plan.gap < 1e-5


@pytest.mark.parametrize("kind", ["whole numbers", "all alike"])
def test_many_customers_who_are_alike_do_not_loosen_the_plan(kind):
    gain, cost, _, capacity = random_problem(5, 50_000, 3, kind)
    plan = allocate(gain, cost, budget=20_000.0, capacity=capacity)
    check_feasible(plan, gain, cost, 20_000.0, capacity)
    assert plan.gap < 1e-4


def test_shadow_prices_say_what_one_more_unit_brings():
    gain, cost, budget, capacity = random_problem(11, 200, 3, "free")
    plan = allocate(gain, cost, budget=budget, capacity=capacity)
    at = optimum(gain, cost, budget, capacity, whole=False)
    step = 1e-3
    more = optimum(gain, cost, budget + step, capacity, whole=False)
    less = optimum(gain, cost, budget - step, capacity, whole=False)
    slack = 1e-4
    assert (more - at) / step - slack <= plan.shadow_prices.budget <= (at - less) / step + slack


money = st.one_of(
    st.floats(-10, 100),
    st.sampled_from([0.0, 1.0, 2.0, 0.1, 1e-9, 1e9, math.nan, -math.inf]),
)
# HiGHS takes what is smaller than a millionth for zero, and errs where a trillion stands beside one.
price = st.one_of(
    st.floats(0, 50).map(lambda c: round(c, 6)),
    st.sampled_from([0.0, 1.0, 0.1, 1e5, math.nan, math.inf]),
)
budgets = (
    st.none() | st.floats(0, 200).map(lambda b: round(b, 6)) | st.sampled_from([0.0, 0.3, 1e5])
)


@st.composite
def problems(draw):
    n, m = draw(st.integers(0, 8)), draw(st.integers(0, 3))
    gain = draw(arrays(np.float64, (n, m), elements=money))
    cost = draw(arrays(np.float64, draw(st.sampled_from([(n, m), (m,)])), elements=price))
    room = draw(st.none() | st.lists(st.none() | st.integers(0, 4), min_size=m, max_size=m))
    places = st.lists(st.integers(0, m - 1), min_size=1, unique=True) if m else st.nothing()
    limit = st.tuples(st.integers(0, 5), places)
    return gain, cost, draw(budgets), room, draw(st.lists(limit, max_size=2)) if m else []


@settings(max_examples=150, deadline=None)
@given(problems())
def test_every_plan_keeps_its_limits_and_its_certificate(problem):
    gain, cost, budget, room, shared = problem
    plan = allocate(gain, cost, budget=budget, capacity=room, shared=shared)
    for most, places in shared:
        assert np.isin(plan.action, places).sum() <= most
    limits = None if room is None else [math.inf if c is None else c for c in room]
    check_feasible(plan, gain, cost, budget, limits)
    if math.isfinite(plan.bound) and plan.bound < 1e7:
        relaxed = optimum(gain, cost, budget, limits, shared, whole=False)
        assert plan.bound >= relaxed - 1e-6 * max(1.0, relaxed)
        assert plan.value <= relaxed + 1e-6 * max(1.0, relaxed)


@settings(max_examples=60, deadline=None)
@given(problems(), st.floats(1, 3))
def test_more_budget_never_lowers_the_value(problem, factor):
    gain, cost, budget, room, _ = problem
    budget = 10.0 if budget is None else budget
    less = allocate(gain, cost, budget=budget, capacity=room)
    more = allocate(gain, cost, budget=budget * factor, capacity=room)
    assert more.value >= less.value * (1 - 1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 60), st.sampled_from(KINDS))
def test_the_order_of_rows_changes_nothing_but_ties(seed, n, kind):
    gain, cost, budget, capacity = random_problem(seed, n, 3, kind)
    order = np.random.default_rng(seed).permutation(n)
    plan = allocate(gain, cost, budget=budget, capacity=capacity)
    moved_cost = cost if cost.ndim == 1 else cost[order]
    moved = allocate(gain[order], moved_cost, budget=budget, capacity=capacity)
    assert moved.value == pytest.approx(plan.value, rel=1e-12)
    assert moved.bound == plan.bound
    # Whole numbers and equal rows are ties; the others have none.
    if kind in {"free", "one price"}:
        assert moved.action.tolist() == plan.action[order].tolist()


def test_among_customers_who_are_alike_the_earlier_row_is_served_first():
    gain = np.array([[1.0, 3.0], [4.0, 5.0], [1.0, 3.0], [1.0, 3.0]])
    plan = allocate(gain, np.ones(2), budget=3.0, capacity=[None, 2])
    assert plan.action.tolist() == [1, 0, 1, -1]


def test_of_two_actions_that_are_equally_good_the_earlier_is_given():
    plan = allocate(np.array([[2.0, 2.0]]), np.ones(2))
    assert plan.action.tolist() == [0]


def test_the_same_problem_gives_the_same_plan():
    gain, cost, budget, capacity = random_problem(1, 3000, 4, "free")
    first = allocate(gain, cost, budget=budget, capacity=capacity)
    second = allocate(gain.copy(), cost, budget=budget, capacity=capacity)
    assert first.action.tolist() == second.action.tolist()
    assert first.to_dict() == second.to_dict()


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (0, 0)])
def test_no_customers_or_no_actions_give_an_empty_plan(shape):
    plan = allocate(np.zeros(shape), np.zeros(shape), budget=5.0)
    assert plan.action.tolist() == [-1] * shape[0]
    assert (plan.value, plan.cost, plan.bound, plan.gap) == (0.0, 0.0, 0.0, 0.0)


def test_a_budget_of_zero_leaves_what_costs_nothing():
    plan = allocate(np.array([[5.0, 1.0], [5.0, -1.0]]), np.array([1.0, 0.0]), budget=0.0)
    assert plan.action.tolist() == [1, -1]
    assert plan.gap == 0.0


@pytest.mark.parametrize("gain", [-1.0, 0.0, np.nan, -np.inf])
def test_what_does_not_pay_is_never_given(gain):
    plan = allocate(np.full((5, 2), gain), np.zeros(2), budget=100.0, capacity=[5, 5])
    assert plan.action.tolist() == [-1] * 5
    assert plan.bound == 0.0


def test_what_alone_costs_more_than_the_budget_neither_goes_out_nor_loosens_the_bound():
    gain, cost = np.array([[1e6], [3.0]]), np.array([[1e300], [2.0]])
    plan = allocate(gain, cost, budget=5.0)
    assert plan.action.tolist() == [-1, 0]
    assert plan.bound == 3.0


@pytest.mark.parametrize("size", [1e-200, 1e-9, 1e9, 1e200])
def test_the_currency_does_not_change_the_plan(size):
    gain, cost, budget, capacity = random_problem(2, 60, 3, "free")
    plan = allocate(gain, cost, budget=budget, capacity=capacity)
    other = allocate(gain * size, cost * size, budget=budget * size, capacity=capacity)
    assert other.action.tolist() == plan.action.tolist()
    assert other.value == pytest.approx(plan.value * size)


def test_costs_that_only_rounding_lifts_above_the_budget_are_kept_below_it():
    gain, cost = np.full((10, 1), 5.0), np.full((10, 1), 0.1)
    for budget in (0.3, 0.7, 0.8, 1.0):
        plan = allocate(gain, cost, budget=budget)
        check_feasible(plan, gain, cost, budget, None)
        assert plan.cost > budget - 0.11


def test_one_table_serves_any_number_of_budgets():
    gain, cost, _, capacity = random_problem(4, 500, 3, "free")
    allocator = Allocator(gain, cost, capacity=capacity)
    for budget in (10.0, 200.0, 50.0):
        plan = allocator.plan(budget)
        check_feasible(plan, gain, cost, budget, capacity)
        alone = allocate(gain, cost, budget=budget, capacity=capacity)
        assert plan.value == pytest.approx(alone.value, rel=1e-2)
        assert plan.bound == pytest.approx(alone.bound, rel=1e-9)


@pytest.mark.parametrize("budget", [5.0, 10.0, 20.0, 60.0])
def test_customers_who_are_too_costly_for_a_budget_leave_its_plan_exact(budget):
    rng = np.random.default_rng(0)
    gain, cost = rng.uniform(1.0, 50.0, (30, 2)), rng.uniform(1.0, 40.0, (30, 2))
    # The table is prepared for any budget, so some of its rows have no action under this one.
    assert bool((cost.min(axis=1) > budget).any()) == (budget < 30.0)
    plan = Allocator(gain, cost).plan(budget)
    check_feasible(plan, gain, cost, budget, None)
    relaxed = optimum(gain, cost, budget, None, whole=False)
    assert plan.bound == pytest.approx(relaxed, rel=1e-9)
    assert plan.value == pytest.approx(optimum(gain, cost, budget, None, whole=True), rel=1e-9)
    assert plan.shadow_prices.budget > 0.0


def test_a_sample_without_an_allowed_action_takes_its_scale_from_all_rows():
    gain = np.full((1, 20_000), -np.inf)
    gain[0, -1] = 0.5
    problem = AllocationProblem(gain, (0.25,), np.array([0.2]), np.zeros((0, 1)))
    assert price_scales(problem).tolist() == [2.0]


@pytest.mark.parametrize(
    ("gain", "cost", "said"),
    [
        (np.zeros((3, 1, 1)), np.zeros(3), "3 dimensions; the shape must be .customers, actions"),
        (np.zeros((3, 2)), np.zeros((2, 2)), "cost .*\n.*shape"),
        (np.full((3, 2), np.inf), np.zeros(2), "6 of 6 are infinite"),
        (np.zeros((3, 2)), np.array([1.0, -2.0]), "1 of 2 are negative"),
    ],
)
def test_arrays_that_make_no_sense_are_refused(gain, cost, said):
    with pytest.raises(DataError, match=said):
        allocate(gain, cost)


@pytest.mark.parametrize("budget", [-1.0, math.nan])
def test_a_budget_below_zero_is_refused(budget):
    with pytest.raises(RecipeError, match=r"budget:? must be zero or more"):
        allocate(np.ones((1, 1)), np.ones(1), budget=budget)


@pytest.mark.parametrize(
    ("capacity", "said"), [([1], "1 numbers for 2 actions"), ([1, -1], "zero or more")]
)
def test_capacities_that_do_not_fit_are_refused(capacity, said):
    with pytest.raises(RecipeError, match=said):
        allocate(np.ones((1, 2)), np.ones(2), capacity=capacity)


def test_numba_and_numpy_give_the_same_plan_to_the_last_bit(monkeypatch):
    pytest.importorskip("numba", reason="the extra 'fast' is not installed")
    from churnkit.decisions.allocation import problem

    given_ = random_problem(5, 40_000, 4, "free")
    shared = [(3000, (0, 1))]
    asked = {"budget": 20_000.0, "capacity": given_[3], "shared": shared}
    fast = allocate(given_[0], given_[1], **asked)
    monkeypatch.setattr(problem, "kernels", lambda: None)
    slow = allocate(given_[0], given_[1], **asked)
    assert (fast.action == slow.action).all()
    assert (fast.value, fast.bound) == (slow.value, slow.bound)
    assert fast.shadow_prices.to_dict() == slow.shadow_prices.to_dict()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tail", [8, 300])
def test_putting_only_the_least_firm_rows_in_order_changes_no_value(monkeypatch, kind, tail):
    from churnkit.decisions.allocation import primal

    gain, cost, budget, capacity = random_problem(11, 3000, 3, kind)
    whole = allocate(gain, cost, budget=budget / 4, capacity=capacity)
    monkeypatch.setattr(primal, "_SORTED_TAIL", tail)
    plan = allocate(gain, cost, budget=budget / 4, capacity=capacity)
    check_feasible(plan, gain, cost, budget / 4, capacity)
    assert plan.bound == whole.bound
    assert plan.value == pytest.approx(whole.value, rel=1e-3)


@pytest.mark.parametrize(
    "cost", [2.0, [2.0], [2.0, 2.0, 2.0]], ids=["number", "action", "customers"]
)
def test_one_action_takes_a_column_of_gains_and_a_number_as_cost(cost):
    gain = np.array([5.0, 3.0, -1.0])
    plan = allocate(gain, cost, budget=2.0)
    assert plan.action.tolist() == [0, -1, -1]
    assert plan.value == allocate(gain[:, None], np.array([2.0]), budget=2.0).value == 5.0


@pytest.mark.parametrize("cost", [2.0, [2.0], [2.0, 2.0, 2.0], [[2.0], [2.0], [2.0]]])
def test_one_action_takes_a_cost_in_any_shape(cost):
    plan = allocate([5.0, 1.0, -1.0], cost, budget=2.0)
    assert plan.action.tolist() == [0, -1, -1]


@pytest.mark.parametrize("cost", [2.0, [2.0], [[2.0], [2.0], [2.0]]])
def test_a_matrix_of_one_action_takes_a_number_as_cost(cost):
    plan = allocate([[5.0], [1.0], [-1.0]], cost, budget=2.0)
    assert (plan.action.tolist(), plan.cost) == ([0, -1, -1], 2.0)


def test_what_is_not_a_number_is_refused_without_its_value():
    with pytest.raises(DataError, match="gain") as caught:
        allocate(["secret"], 1.0)
    assert "secret" not in str(caught.value)
