"""Allocation batch by batch, held against HiGHS, against `allocate`, and against itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from churnkit.decisions import allocate, allocate_batches
from churnkit.decisions.allocation import streaming_solver
from churnkit.errors import DataError, RecipeError


@pytest.fixture
def any_sample(monkeypatch):
    """Let samples be smaller than the least that fits in memory."""
    monkeypatch.setattr(streaming_solver, "_MIN_SAMPLE", 1)


def split(gain, cost, cuts):
    """Give the batches of a table, cut before some of its rows."""

    def batches():
        for rows in np.split(np.arange(len(gain)), cuts):
            yield gain[rows], cost if cost.ndim == 1 else cost[rows]

    return batches


def chosen(plan):
    return np.concatenate([np.zeros(0, dtype=np.int64), *plan.actions()])


def check(plan, gain, cost, *, budget=None, capacity=None, shared=()):
    """Hold a plan against its own sums and every limit, and give its actions."""
    action = chosen(plan)
    rows = np.flatnonzero(action >= 0)
    counts = np.bincount(action[rows], minlength=gain.shape[1])
    spent = math.fsum(np.broadcast_to(cost, gain.shape)[rows, action[rows]].tolist())
    assert (gain[rows, action[rows]] > 0).all()
    assert plan.rows == len(gain)
    assert plan.customers.tolist() == counts.tolist()
    assert plan.cost == spent
    assert plan.value == math.fsum(gain[rows, action[rows]].tolist())
    assert plan.value <= plan.bound
    if budget is not None:
        assert spent <= budget
    if capacity is not None:
        assert all(most is None or k <= most for k, most in zip(counts, capacity, strict=True))
    for most, places in shared:
        assert counts[list(places)].sum() <= most
    return action


def optimum(gain, cost, budget, capacity, shared) -> float:
    n = len(gain)
    cost = np.broadcast_to(cost, gain.shape)
    ok = (gain > 0) & np.isfinite(cost) & (cost <= (math.inf if budget is None else budget))
    rows, actions = np.nonzero(ok)
    if rows.size == 0:
        return 0.0
    left, right = [(rows == i).astype(float) for i in range(n)], [1.0] * n
    if budget is not None:
        left.append(cost[rows, actions])
        right.append(budget)
    limits = [(k, [j]) for j, k in enumerate(capacity or []) if k is not None]
    for most, places in [*limits, *shared]:
        left.append(np.isin(actions, places).astype(float))
        right.append(most)
    found = milp(
        -gain[rows, actions],
        constraints=LinearConstraint(np.array(left), -np.inf, np.array(right)),
        bounds=Bounds(0, 1),
        integrality=np.ones(rows.size),
    )
    return -float(found.fun)


@st.composite
def problems(draw):
    n, m = draw(st.integers(0, 14)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    few = draw(st.booleans())  # few numbers: many customers are alike
    gain = rng.integers(-1, 4, (n, m)) * 1.0 if few else rng.normal(5, 8, (n, m))
    gain[rng.random((n, m)) < 0.2] = -np.inf
    cost = rng.integers(0, 4, (n, m)) * 1.0 if few else rng.lognormal(1, 1, (n, m))
    if draw(st.booleans()):
        cost = cost[0] if n else np.ones(m)
    limits = {
        "budget": draw(st.none() | st.floats(0, 40)),
        "capacity": draw(
            st.none() | st.lists(st.none() | st.integers(0, 6), min_size=m, max_size=m)
        ),
        "shared": draw(st.sampled_from([(), ((2, (0,)),), ((3, tuple(range(m))),)])),
    }
    return gain, cost, limits


@settings(max_examples=300, deadline=None)
@given(problems(), st.integers(1, 8), st.data())
def test_any_split_gives_the_same_plan_within_all_limits_and_below_its_bound(problem, sample, data):
    gain, cost, limits = problem
    whole = allocate_batches(split(gain, cost, []), sample=sample, **limits)
    action = check(whole, gain, cost, **limits)
    best = optimum(gain, cost, **limits)
    assert whole.bound >= best - 1e-6 * max(1.0, best)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(gain)), max_size=4)))
    parts = allocate_batches(split(gain, cost, cuts), sample=sample, **limits)
    assert chosen(parts).tolist() == action.tolist()
    assert (parts.value, parts.cost, parts.bound) == (whole.value, whole.cost, whole.bound)
    assert parts.shadow_prices.to_dict() == whole.shadow_prices.to_dict()


def drawn(n, seed=0) -> tuple[Any, Any, dict[str, Any]]:
    rng = np.random.default_rng(seed)
    gain = rng.lognormal(2.0, 1.0, (n, 4)) - 3.0
    cost = rng.lognormal(1.0, 0.5, (n, 4))
    limits = {
        "budget": 0.4 * n,
        "capacity": [0.1 * n, None, 0.05 * n, 0.2 * n],
        "shared": ((0.08 * n, (0, 2)),),
    }
    return gain, cost, limits


@pytest.mark.usefixtures("any_sample")
@pytest.mark.parametrize("sample", [5_000, 20_000])
def test_it_is_as_good_as_a_plan_in_memory(sample):
    gain, cost, limits = drawn(100_000)
    plan = allocate_batches(split(gain, cost, [7, 40_000]), sample=sample, **limits)
    check(plan, gain, cost, **limits)
    whole = allocate(gain, cost, **limits)
    assert plan.gap < 2e-5
    assert plan.value == pytest.approx(whole.value, rel=2e-5)
    assert plan.bound == pytest.approx(whole.bound, rel=2e-5)
    assert plan.shadow_prices.budget == pytest.approx(whole.shadow_prices.budget, rel=1e-3)
    np.testing.assert_allclose(plan.shadow_prices.shared, whole.shadow_prices.shared, rtol=2e-3)


def test_a_table_within_the_sample_gets_the_plan_of_allocate():
    gain, cost, limits = drawn(3_000)
    plan = allocate_batches(split(gain, cost, [100]), **limits)
    whole = allocate(gain, cost, **limits)
    assert chosen(plan).tolist() == whole.action.tolist()
    assert plan.shadow_prices.to_dict() == whole.shadow_prices.to_dict()
    assert plan.passes == 1


@pytest.mark.usefixtures("any_sample")
@pytest.mark.parametrize("kinds", [1, 7])
def test_customers_who_are_alike_are_told_apart(kinds):
    rng = np.random.default_rng(3)
    which = rng.integers(0, kinds, 60_000)
    gain, cost = rng.uniform(5, 20, (kinds, 3))[which], rng.uniform(1, 4, (kinds, 3))[which]
    limits: dict[str, Any] = {"budget": 50_000.0, "capacity": [None, 9_000, None]}
    plan = allocate_batches(split(gain, cost, [1000]), sample=4_000, **limits)
    check(plan, gain, cost, **limits)
    assert plan.gap < 1e-4


@pytest.mark.usefixtures("any_sample")
@pytest.mark.parametrize(("sample", "gap"), [(20, 0.2), (100, 1e-5)])
def test_memory_that_is_very_small_still_keeps_all_limits(sample, gap):
    gain, cost, limits = drawn(20_000)
    plan = allocate_batches(split(gain, cost, [9]), sample=sample, **limits)
    check(plan, gain, cost, **limits)
    assert plan.gap < gap


@pytest.mark.usefixtures("any_sample")
def test_without_limits_everyone_gets_the_best():
    gain, cost, _ = drawn(5_000)
    plan = allocate_batches(split(gain, cost, [10]), sample=100)
    assert check(plan, gain, cost).tolist() == allocate(gain, cost).action.tolist()
    assert plan.gap == 0.0
    assert plan.passes == 1


@pytest.mark.usefixtures("any_sample")
def test_a_budget_of_zero_leaves_what_costs_nothing():
    gain, cost = np.ones((500, 2)), np.array([0.0, 1.0])
    plan = allocate_batches(split(gain, cost, [3]), budget=0.0, sample=10)
    assert set(chosen(plan).tolist()) == {0}
    assert plan.cost == 0.0


@pytest.mark.usefixtures("any_sample")
def test_a_limit_that_nobody_competes_for_has_no_price():
    gain, cost, limits = drawn(20_000)
    limits["capacity"][3] = 20_000
    plan = allocate_batches(split(gain, cost, []), sample=1_000, **limits)
    check(plan, gain, cost, **limits)
    assert plan.shadow_prices.capacity[3] == 0.0
    assert plan.shadow_prices.budget > 0.0


@pytest.mark.usefixtures("any_sample")
def test_where_nothing_can_be_given_nothing_is():
    gain = np.full((50, 2), -np.inf)
    plan = allocate_batches(split(gain, np.ones(2), [5]), budget=3.0, sample=4)
    assert set(check(plan, gain, np.ones(2), budget=3.0).tolist()) == {-1}
    assert (plan.value, plan.bound, plan.gap) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("batches", [[], [(np.zeros((0, 2)), np.ones(2))]])
def test_a_table_without_rows_gets_an_empty_plan(batches):
    plan = allocate_batches(lambda: batches, budget=3.0, capacity=[1, 1])
    assert plan.rows == 0
    assert chosen(plan).tolist() == []
    assert plan.shadow_prices.capacity.tolist() == [0.0, 0.0]


@pytest.mark.usefixtures("any_sample")
def test_batches_that_change_between_two_readings_are_refused():
    sizes = iter([5, 5, 6])
    with pytest.raises(DataError, match="6 rows, but 5 before"):
        allocate_batches(lambda: [(np.ones((next(sizes), 1)), np.ones(1))], budget=1.0, sample=2)


def test_batches_of_different_actions_are_refused():
    batches = [(np.ones((1, 2)), np.ones(2)), (np.ones((1, 3)), np.ones(3))]
    with pytest.raises(DataError, match="3 actions, but the first batch has 2"):
        allocate_batches(lambda: batches)


@pytest.mark.parametrize(
    ("settings_", "said"), [({"budget": -1.0}, "budget"), ({"sample": 0}, "sample")]
)
def test_settings_that_make_no_sense_are_refused(settings_, said):
    with pytest.raises(RecipeError, match=said):
        allocate_batches(lambda: [(np.ones((1, 1)), np.ones(1))], **settings_)


@pytest.mark.usefixtures("any_sample")
def test_numpy_and_numba_give_the_same_plan(monkeypatch):
    pytest.importorskip("numba", reason="the extra 'fast' is not installed")
    from churnkit.decisions.allocation import problem

    gain, cost, limits = drawn(20_000)
    fast = allocate_batches(split(gain, cost, []), sample=2_000, **limits)
    monkeypatch.setattr(problem, "kernels", lambda: None)
    slow = allocate_batches(split(gain, cost, []), sample=2_000, **limits)
    assert chosen(slow).tolist() == chosen(fast).tolist()


def optimum_of_types(gain, cost, budget, capacity) -> float:
    """Solve customers with the same gains as one type with HiGHS."""
    types, counts = np.unique(gain, axis=0, return_counts=True)
    kinds, actions = types.shape
    rows = [np.repeat(np.eye(kinds)[k], actions) for k in range(kinds)]
    rows += [np.tile(np.eye(actions)[j], kinds) for j in range(actions)]
    limits = [*counts.tolist(), *(math.inf if c is None else c for c in capacity)]
    constraint = LinearConstraint(
        np.array([*rows, np.tile(cost, kinds)]), -np.inf, [*limits, budget]
    )
    result = milp(
        -types.ravel(),
        constraints=constraint,
        integrality=np.ones(types.size),
        bounds=Bounds(0, np.inf),
    )
    return float(-result.fun)


@pytest.mark.parametrize("customers", [30_000, 300_000])
@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_customers_with_few_levels_of_gain_get_the_best_plan(customers, alike, seed):
    rng = np.random.default_rng(seed)
    actions = 1 + seed
    gain = rng.choice([1.0, 2.0, 3.0], size=(1 if alike else customers, actions))
    gain = np.ascontiguousarray(np.broadcast_to(gain, (customers, actions)))
    cost = rng.choice([1.0, 2.0, 5.0], size=actions)
    capacity = [int(customers * share) for share in rng.uniform(0.05, 0.4, actions)]
    budget = float(round(customers * rng.uniform(0.2, 0.8)))
    plan = allocate_batches(
        split(gain, cost, [customers // 3]), budget=budget, capacity=capacity, sample=20_000
    )
    check(plan, gain, cost, budget=budget, capacity=capacity)
    best = optimum_of_types(gain, cost, budget, capacity)
    assert plan.value >= best * (1.0 - 1e-4)
    assert plan.bound >= best * (1.0 - 1e-12)
    assert plan.passes <= 20


def test_a_sample_smaller_than_the_table_gets_the_plan_of_allocate():
    rng = np.random.default_rng(7)
    gain = rng.choice([1.0, 2.0, 3.0], size=(231, 2))
    cost = np.array([1.0, 2.0])
    plan = allocate_batches(split(gain, cost, [100]), budget=150.0, capacity=[60, None], sample=100)
    assert plan.value == optimum_of_types(gain, cost, 150.0, [60, None])


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_customers_of_two_kinds_with_shared_costs_get_the_best_plan(share):
    kind = np.random.default_rng(92).random(20_000) < 0.5
    gain = np.where(kind[:, None], [10.0, 20.0, 30.0], [30.0, 20.0, 10.0])
    cost = np.array([7.0, 3.0, 4.0])
    limits: dict[str, Any] = {"budget": 20_000 * 7.0 * share, "capacity": [None, 1650, 8000]}
    plan = allocate_batches(split(gain, cost, [997]), sample=16_384, **limits)
    check(plan, gain, cost, **limits)
    assert plan.value >= optimum_of_types(gain, cost, *limits.values()) * (1.0 - 1e-4)


@pytest.mark.parametrize("sigma", [1.0, 6.0])
@pytest.mark.parametrize("affordable", [1.5, 7.3])
def test_a_budget_for_a_few_actions_gets_the_plan_of_allocate(sigma, affordable):
    rng = np.random.default_rng(47)
    gain = rng.lognormal(0, sigma, (20_000, 3))
    cost = rng.uniform(50.0, 100.0, (20_000, 3))
    budget = affordable * 75.0
    plan = allocate_batches(split(gain, cost, [5000]), budget=budget, sample=16_384)
    check(plan, gain, cost, budget=budget)
    assert plan.value >= allocate(gain, cost, budget=budget).value * (1.0 - 1e-4)


@pytest.mark.filterwarnings("error")
def test_gains_of_all_magnitudes_with_costs_in_proportion_keep_the_budget():
    rng = np.random.default_rng(148)
    gain = np.exp(rng.uniform(-700.0, 680.0, (16_385, 3)))
    cost = np.minimum(gain / 3.0, 1e290)
    limits: dict[str, Any] = {"budget": float(cost.max(axis=1).sum()) * 0.03}
    limits["capacity"] = [1, 819, 17]
    plan = allocate_batches(split(gain, cost, [997]), sample=16_384, **limits)
    check(plan, gain, cost, **limits)
    assert plan.value >= allocate(gain, cost, **limits).value * (1.0 - 1e-4)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(2))
def test_gains_of_all_magnitudes_get_the_best_plan(seed):
    gain = 10.0 ** np.random.default_rng(seed).uniform(-310, 300, size=(40_000, 1))
    plan = allocate_batches(split(gain, np.ones(1), [9]), budget=9_000.0, sample=16_384)
    check(plan, gain, np.ones(1), budget=9_000.0)
    assert plan.value >= math.fsum(np.sort(gain[:, 0])[-9_000:].tolist()) * (1.0 - 1e-4)


@pytest.mark.filterwarnings("error")
def test_a_search_that_ends_early_still_fills_its_limits(monkeypatch):
    monkeypatch.setattr(streaming_solver, "_MAX_ROUNDS", 0)
    rng = np.random.default_rng(5)
    gain, cost = rng.lognormal(size=(60_000, 2)), np.array([1.0, 2.0])
    limits: dict[str, Any] = {"budget": 20_000.0, "capacity": [9_000, None]}
    plan = allocate_batches(split(gain, cost, []), sample=16_384, **limits)
    check(plan, gain, cost, **limits)
    assert plan.value >= allocate(gain, cost, **limits).value * 0.99


@pytest.mark.slow
@pytest.mark.usefixtures("any_sample")
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(30, 300),
    st.sampled_from(["few levels", "log-normal 1", "log-normal 8", "all magnitudes", "one giant"]),
    st.integers(1, 40),
)
def test_the_value_is_always_within_a_ten_thousandth_of_that_of_allocate(seed, n, form, sample):
    rng = np.random.default_rng(seed)
    gain = {
        "few levels": lambda: rng.choice([-1.0, 1.0, 2.0, 3.0], (n, 3)),
        "log-normal 1": lambda: rng.lognormal(0, 1, (n, 3)) - 1.0,
        "log-normal 8": lambda: rng.lognormal(0, 8, (n, 3)),
        "all magnitudes": lambda: 10.0 ** rng.uniform(-300, 290, (n, 3)),
        "one giant": lambda: rng.random((n, 3)) + 1e6 * (np.arange(n) == n // 2)[:, None],
    }[form]()
    cost = rng.choice([1.0, 2.0, 5.0], (n, 3)) * rng.choice([1.0, rng.random() + 0.5])
    limits: dict[str, Any] = {
        "budget": float(rng.uniform(0.5, 1.5 * n)),
        "capacity": [None, int(rng.integers(0, n)), int(rng.integers(0, 5))],
    }
    plan = allocate_batches(split(gain, cost, [n // 3]), sample=sample, **limits)
    check(plan, gain, cost, **limits)
    assert plan.value >= allocate(gain, cost, **limits).value * (1.0 - 1e-4)


@pytest.mark.usefixtures("any_sample")
def test_a_plan_that_is_not_certified_is_compared_with_that_of_all_customers_in_memory(monkeypatch):
    rng = np.random.default_rng(12)
    gain, cost = rng.lognormal(0, 8, (2_000, 2)), rng.uniform(50.0, 100.0, (2_000, 2))
    plan = allocate_batches(split(gain, cost, [9]), budget=250.0, sample=50)
    check(plan, gain, cost, budget=250.0)
    assert plan.value == pytest.approx(allocate(gain, cost, budget=250.0).value, rel=1e-12)
    # With more numbers than fit, the gap says what is certified.
    monkeypatch.setattr(streaming_solver, "_MOST_IN_MEMORY", 3_999)
    beyond = allocate_batches(split(gain, cost, [9]), budget=250.0, sample=50)
    check(beyond, gain, cost, budget=250.0)
    assert beyond.gap > 1e-4
    assert beyond.value >= (1.0 - beyond.gap) * allocate(gain, cost, budget=250.0).value
