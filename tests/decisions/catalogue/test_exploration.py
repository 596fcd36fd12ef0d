"""Exploration: probabilities that frequencies bear out, within every limit, tie or rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.contracts import Column
from churnkit.decisions import (
    Action,
    Capacity,
    Catalogue,
    DecisionContext,
    Effect,
    Exploration,
    Where,
    decide,
)
from churnkit.decisions.allocation.remaining_capacity import RemainingCapacity
from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.decisions.decide_table import taken
from churnkit.decisions.eligibility.exclusions import table_exclusions
from churnkit.decisions.exploration.explorer import Explorer
from churnkit.decisions.exploration.sampling import thompson_weights
from churnkit.decisions.gain import catalogue_gain

COLUMNS = (
    Column("plan", "string", ("feature",), levels=("monthly", "yearly")),
    Column("fee", "number", ("value",)),
    Column("gift", "number", ("cost",)),
)
DAY = date(2026, 11, 1)
CALL = Action("call", "A call", 5.0, Effect(-0.1, 0.2, 0.4), channel="phone", capacity=12)
CONTRACT = Action(
    "contract", "A contract", 9.0, Effect(0.05, 0.2, 0.5), (Where("plan", "==", "monthly"),)
)
GIFT = Action("gift", "A gift", "gift", Effect(-0.2, 0.1, 0.4), channel="email")


def situation(kind, n=40):
    """Customers of few kinds, so that there are ties, and limits that bind."""
    rng = np.random.default_rng(7)
    fee = rng.choice([20.0, 40.0], n) if kind == "ties" else rng.lognormal(3, 1, n)
    matrix = np.column_stack([rng.integers(0, 2, n), fee, rng.choice([2.0, 3.0, 30.0], n)])
    risk = np.where(rng.random(n) < 0.3, 0.05, 0.5)
    shared = (Capacity(15, channel="phone"),)
    return risk, matrix.astype(float), shared


@pytest.mark.parametrize("kind", ["ties", "spread"])
@pytest.mark.parametrize(
    "exploration",
    [
        Exploration(0.3),
        Exploration(1.0, "thompson", floor=0.2),
        Exploration(0.5, "thompson", reserve=0.2),
    ],
)
def test_propensities_are_the_frequencies_under_rules_capacity_and_budget(kind, exploration):
    risk, matrix, shared = situation(kind)
    catalogue = Catalogue((CALL, CONTRACT, GIFT), capacities=shared, exploration=exploration)
    compiled = compile_catalogue(catalogue, COLUMNS)
    customers = [f"c{i}" for i in range(len(risk))]
    told = DecisionContext(customers, DAY)
    budget = 130.0
    planned = decide(risk, matrix, compiled, budget=budget, context=told).plan.action
    gains = catalogue_gain(risk, matrix, compiled, barred=table_exclusions(compiled, matrix, told))
    room = RemainingCapacity.from_catalogue(catalogue, budget)
    chance = Explorer.for_table(gains, room, catalogue, "")
    assert chance.reserve.sum() >= 1
    runs, options = 4000, 4
    counts, likely = np.zeros((2, len(risk), options))
    spread = np.zeros_like(counts)
    worth = np.random.default_rng(1).normal(5, 2, counts.shape)
    weighted = np.empty(runs)
    rows = np.arange(len(risk))
    for run in range(runs):
        drawn = replace(chance, seed=f"run {run}").draw(planned, customers)
        counts[rows, drawn.action + 1] += 1
        likely += drawn.probabilities
        spread += drawn.probabilities * (1 - drawn.probabilities)
        weighted[run] = (worth[rows, drawn.action + 1] / drawn.propensity).sum()
        assert np.allclose(drawn.probabilities.sum(axis=1), 1.0)
        assert taken(gains, drawn.action)["cost"].sum() <= budget
        used = np.bincount(drawn.action + 1, minlength=options)[1:]
        assert used[0] <= 12
        assert gains.eligible[rows, drawn.action][drawn.action >= 0].all()
    # Each count is a sum of draws of the probabilities that were logged.
    certain = spread < 1e-9
    assert np.allclose(counts[certain], likely[certain])
    z = (counts - likely)[~certain] / np.sqrt(spread[~certain])
    assert np.abs(z).max() < 5.0
    assert np.mean(z**2) == pytest.approx(1.0, abs=0.35)
    # Weighing by what was logged is right on average where every option has a chance.
    open_ = ((chance.weights > 0) & (np.append(np.inf, chance.reserve) > 0)).astype(float)
    open_[rows, planned + 1] = 1.0
    truth = (worth * open_).sum()
    assert abs(weighted.mean() - truth) < 4.5 * weighted.std() / runs**0.5


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(0, 40),
    st.none() | st.floats(0, 200),
    st.lists(st.none() | st.integers(0, 6), min_size=3, max_size=3),
    st.integers(0, 9),
    st.floats(0, 1),
    st.sampled_from(["uniform", "thompson"]),
    st.floats(0, 0.5),
)
def test_no_budget_or_capacity_is_ever_broken_whatever_chance_does(
    seed, n, budget, rooms, phones, epsilon, by, holdout
):
    rng = np.random.default_rng(seed)
    matrix = np.column_stack(
        [rng.integers(0, 2, n), rng.lognormal(3, 1, n), rng.choice([0.0, 2.0, 30.0, np.nan], n)]
    ).astype(float)
    actions = [replace(a, capacity=r) for a, r in zip((CALL, CONTRACT, GIFT), rooms, strict=True)]
    actions[1] = replace(actions[1], channel="phone", holdout=holdout)
    catalogue = Catalogue(
        tuple(actions),
        capacities=(Capacity(phones, channel="phone"),),
        exploration=Exploration(epsilon, by),
        holdout=holdout,
    )
    context = DecisionContext([f"{seed}-{i}" for i in range(n)], DAY)
    decisions = decide(
        rng.random(n), matrix, compile_catalogue(catalogue, COLUMNS), budget=budget, context=context
    )
    used = np.bincount(decisions.action + 1, minlength=4)[1:]
    for count, most in zip(used.tolist(), rooms, strict=True):
        assert most is None or count <= most
    assert used[0] + used[1] <= phones
    assert budget is None or decisions.cost.sum() <= budget * (1 + 1e-12)
    taken = np.flatnonzero(decisions.action >= 0)
    assert decisions.eligible[taken, decisions.action[taken]].all()
    assert (decisions.propensity > 0).all()
    assert (decisions.propensity <= 1 + 1e-12).all()


def test_the_same_run_twice_gives_the_same_plan_and_another_day_another_draw():
    risk, matrix, shared = situation("spread", 400)
    catalogue = Catalogue((CALL, CONTRACT), capacities=shared, exploration=Exploration(0.3))
    compiled = compile_catalogue(catalogue, COLUMNS)
    customers = [f"c{i}" for i in range(len(risk))]

    def run(day):
        return decide(risk, matrix, compiled, context=DecisionContext(customers, day))

    first, again, later = run(DAY), run(DAY), run(date(2026, 12, 1))
    assert (first.action == again.action).all()
    assert (first.propensity == again.propensity).all()
    assert (first.explored != later.explored).any()
    assert set(np.array(first.reason)[first.explored]) == {"chosen by chance"}


def test_thompson_chooses_an_option_as_often_as_its_draw_is_the_best():
    rng = np.random.default_rng(0)
    expected = np.array([[5.0, 3.0, 9.0]])
    deviation = np.array([[2.0, 6.0, 1.0]])
    open_ = np.array([[True, True, False]])
    low, high = expected - 1.96 * deviation, expected + 1.96 * deviation
    draws = rng.normal(expected[:, :2], deviation[:, :2], (200_000, 2))
    best = np.where(draws.max(axis=1) > 0, draws.argmax(axis=1) + 1, 0)
    truth = np.bincount(best, minlength=4) / 200_000
    found = thompson_weights(expected, low, high, open_, floor=0.0)[0]
    assert found == pytest.approx(truth, abs=0.01)
    assert found[3] == 0.0
    assert thompson_weights(expected, low, high, open_, floor=1.0)[0] == pytest.approx(
        [1 / 3, 1 / 3, 1 / 3, 0]
    )
