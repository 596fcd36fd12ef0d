"""What bars an action: rules, consent, dates, the past, holdouts; a row as a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.contracts import Column
from churnkit.decisions import (
    Action,
    Capacity,
    Catalogue,
    ContactLimit,
    ContactPolicy,
    CoolDown,
    DecisionContext,
    Effect,
    Event,
    Exploration,
    Floor,
    History,
    ShadowPrices,
    Suppression,
    Where,
    decide,
    decide_one,
    what_if,
)
from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.decisions.eligibility.holdout import held_out, position
from churnkit.errors import RecipeError

COLUMNS = (
    Column("plan", "string", ("feature",), levels=("monthly", "yearly")),
    Column("fee", "number", ("value",)),
    Column("may_call", "boolean", ("context",)),
    Column("gift", "number", ("cost",)),
)
DAY = date(2026, 11, 1)
CALL = Action("call", "A call", 5.0, Effect(0.1, 0.2, 0.3), channel="phone", group="service")
ROW = np.array([[0.0, 50.0, 1.0, 9.0]])


def at(days):
    return datetime(2026, 11, 1, tzinfo=UTC) - timedelta(days=days)


def context(*events, customers=("c1",), **parts):
    return DecisionContext(list(customers), DAY, History({"c1": events}), **parts)


def reason(catalogue, row=ROW, told=None):
    compiled = compile_catalogue(catalogue, COLUMNS)
    told = context() if told is None else told
    table = decide([0.5], row, compiled, context=told)
    one = decide_one(0.5, row[0].tolist(), compiled, context=told)
    assert one.reason == table.reason[0]
    assert one.action == table.action_name[0]
    return table.reason[0] if table.action[0] < 0 else table.action_name[0]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({}, "call"),
        ({"eligible": (Where("plan", "==", "yearly"),)}, "not eligible for any action"),
        ({"applicable": (Where("fee", ">", 60),)}, "no action applies now"),
        ({"suitable": (Where("fee", "<", 40),)}, "no action is suitable"),
        ({"consent": "may_call"}, "call"),
        ({"valid_from": date(2026, 11, 2)}, "no action is valid on this day"),
        ({"valid_until": date(2026, 11, 1)}, "no action is valid on this day"),
        ({"valid_from": date(2026, 11, 1), "valid_until": date(2026, 11, 2)}, "call"),
        ({"holdout": 1.0}, "held out"),
    ],
)
def test_each_bar_gives_its_own_reason(parts, said):
    assert reason(Catalogue((replace(CALL, **parts),))) == said


@pytest.mark.parametrize("given_", [0.0, np.nan])
def test_consent_that_is_refused_or_unknown_is_none(given_):
    row = np.array([[0.0, 50.0, given_, 9.0]])
    assert reason(Catalogue((replace(CALL, consent="may_call"),)), row) == "no consent"


def test_the_bar_that_is_nearest_to_an_action_is_named():
    barred = replace(CALL, name="other", eligible=(Where("plan", "==", "yearly"),))
    silent = replace(CALL, consent="may_call")
    row = np.array([[0.0, 50.0, 0.0, 9.0]])
    assert reason(Catalogue((barred, silent)), row) == "no consent"


LIMITS = ContactPolicy(
    limits=(ContactLimit(2, 30), ContactLimit(1, 7, channel="phone")),
    cool_downs=(CoolDown("complained", 90),),
    suppression=Suppression(2, 365),
)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], "call"),
        ([Event(at(6), None, "call", "service", "phone")], "contact limit reached"),
        ([Event(at(8), None, "call", "service", "phone")], "call"),
        ([Event(at(6), None, "mail", None, "email")], "call"),
        ([Event(at(9), None, "mail"), Event(at(10), None, "mail")], "contact limit reached"),
        ([Event(at(9), None, "mail"), Event(at(31), None, "mail")], "call"),
        ([Event(at(80), "complained")], "left alone after an outcome"),
        ([Event(at(91), "complained")], "call"),
        ([Event(at(90), "refused", "call")] * 2, "refused too often"),
        ([Event(at(90), "refused", "call")], "call"),
        ([Event(at(90), "refused", "mail")] * 2, "call"),
    ],
)
def test_the_past_bars_what_the_policy_says(events, said):
    assert reason(Catalogue((CALL,), contact=LIMITS), told=context(*events)) == said


def test_customers_who_must_not_be_contacted_get_nothing():
    told = context(no_contact=frozenset({"c1"}))
    assert reason(Catalogue((CALL,)), told=told) == "no consent"


def test_a_history_is_built_from_the_rows_of_the_journal():
    rows = [{"customer": "c1", "at": at(1), "outcome": None, "action": "call", "channel": "phone"}]
    assert History.from_rows(rows).events == {"c1": [Event(at(1), None, "call", None, "phone")]}


def test_a_catalogue_that_needs_to_know_who_says_so():
    settings: tuple[dict[str, Any], ...] = (
        {"holdout": 0.1},
        {"exploration": Exploration(0.1)},
        {"contact": LIMITS},
        {"actions": (replace(CALL, valid_from=DAY),)},
    )
    for parts in settings:
        compiled = compile_catalogue(Catalogue(**{"actions": (CALL,), **parts}), COLUMNS)
        for ask in (
            lambda c=compiled: decide([0.5], ROW, c),
            lambda c=compiled: decide_one(0.5, ROW[0].tolist(), c),
            lambda c=compiled: what_if([0.5], ROW, c, [1.0]),
        ):
            with pytest.raises(RecipeError, match="context=DecisionContext"):
                ask()
    compiled = compile_catalogue(Catalogue((CALL,), contact=LIMITS), COLUMNS)
    with pytest.raises(RecipeError, match="--journal"):
        decide([0.5], ROW, compiled, context=DecisionContext(["c1"], DAY))
    with pytest.raises(RecipeError, match="2 customers for 1 rows"):
        decide([0.5], ROW, compiled, context=DecisionContext(["c1", "c2"], DAY))


def test_a_holdout_is_the_same_in_every_run_and_language_and_grows_by_itself():
    # Computed with coreutils: printf 'salt:*:c7' | sha256sum
    assert position("salt", "*", "c7") == pytest.approx(C7, abs=1e-12)
    customers = [f"c{i}" for i in range(20_000)]
    small, large = (held_out("salt", "*", share, customers) for share in (0.05, 0.1))
    assert not (small & ~large).any()
    assert small.mean() == pytest.approx(0.05, abs=0.006)
    other = held_out("other", "*", 0.5, customers)
    assert (other & large).mean() == pytest.approx(0.05, abs=0.006)


C7 = 0xB397B229A7A85D8D / 2**64


def test_who_is_held_out_gets_nothing_and_an_action_is_kept_from_its_own_holdout():
    customers = [f"c{i}" for i in range(3000)]
    mail = replace(CALL, name="mail", channel="email", cost=1.0, holdout=0.3)
    catalogue = Catalogue((CALL, mail), holdout=0.1)
    matrix = np.repeat(ROW, len(customers), axis=0)
    decisions = decide(
        np.full(len(customers), 0.5),
        matrix,
        compile_catalogue(catalogue, COLUMNS),
        context=DecisionContext(customers, DAY),
    )
    everything = held_out("churnkit", "*", 0.1, customers)
    own = held_out("churnkit", "mail", 0.3, customers)
    assert (decisions.action == np.where(everything, -1, np.where(own, 0, 1))).all()
    assert set(np.array(decisions.reason)[everything]) == {"held out"}
    assert (decisions.propensity == 1.0).all()


def test_what_an_action_costs_when_taken_counts_with_the_rate_at_which_it_is():
    gift = replace(CALL, cost=1.0, cost_taken="gift", take_rate=0.25)
    compiled = compile_catalogue(Catalogue((gift,)), COLUMNS)
    assert decide([0.5], ROW, compiled).cost[0] == 1.0 + 0.25 * 9.0
    assert decide([0.5], ROW, compiled, budget=3.2).action_name == [None]


def test_an_effect_that_lasts_shorter_is_worth_less():
    short = replace(CALL, name="short", benefit_periods=3)
    long = replace(CALL, name="long", benefit_periods=99)
    compiled = compile_catalogue(Catalogue((short, long), periods=12), COLUMNS)
    decisions = decide([0.5], ROW, compiled)
    assert decisions.action_name == ["long"]
    assert decisions.expected_gain[0] == pytest.approx(0.5 * 50 * 12 * 0.2 - 5)
    only = compile_catalogue(Catalogue((short,), periods=12), COLUMNS)
    assert decide([0.5], ROW, only).expected_gain[0] == pytest.approx(0.5 * 50 * 3 * 0.2 - 5)


def test_what_a_period_has_used_counts_towards_its_limits():
    call = replace(CALL, capacity=3)
    catalogue = Catalogue((call,), capacities=(Capacity(2, channel="phone"),))
    compiled = compile_catalogue(catalogue, COLUMNS)
    matrix = np.repeat(ROW, 5, axis=0)
    risk = np.full(5, 0.5)
    assert np.count_nonzero(decide(risk, matrix, compiled).action >= 0) == 2
    used = {"call": (1, 5.0), "gone": (7, 1.0)}
    decisions = decide(risk, matrix, compiled, used=used)
    assert np.count_nonzero(decisions.action >= 0) == 1
    assert set(decisions.reason[1:]) == {"capacity full"}
    assert np.count_nonzero(decide(risk, matrix, compiled, budget=11, used=used).action >= 0) == 1
    assert np.count_nonzero(decide(risk, matrix, compiled, budget=10, used=used).action >= 0) == 0


events = st.builds(
    Event,
    st.integers(0, 100).map(at),
    st.sampled_from([None, "refused", "complained"]),
    st.sampled_from(["call", "mail"]),
    st.sampled_from([None, "service"]),
    st.sampled_from(["phone", "email"]),
)


@settings(max_examples=150, deadline=None)
@given(
    st.floats(0, 1),
    st.tuples(
        st.sampled_from([0.0, 1.0, np.nan]),
        st.floats(0, 200),
        st.sampled_from([0.0, 1.0, np.nan]),
        st.floats(0, 20) | st.sampled_from([5e-324, 1e-308, 1e-150, 1e150]),
    ),
    st.lists(events, max_size=4),
    st.none() | st.floats(0, 30),
    st.sampled_from([None, Exploration(0.5), Exploration(1.0, "thompson")]),
    st.text(max_size=3),
    st.booleans(),
)
def test_one_customer_alone_is_decided_as_in_a_table(
    risk, cells, past, budget, explores, customer, floored
):
    mail = Action(
        "mail",
        "A letter",
        "gift",
        Effect(-0.1, 0.1, 0.3),
        (Where("plan", "==", "yearly"),),
        channel="email",
        consent="may_call",
        applicable=(Where("fee", ">", 30),),
        benefit_periods=6,
        holdout=0.2,
    )
    catalogue = Catalogue(
        (CALL, mail),
        contact=LIMITS,
        holdout=0.1,
        exploration=explores,
        capacities=(Capacity(7, group="service"),),
        floors=(Floor("monthly", (Where("plan", "==", "monthly"),), share=0.5),) if floored else (),
    )
    compiled = compile_catalogue(catalogue, COLUMNS)
    told = DecisionContext([customer], DAY, History({customer: past}))
    one = decide_one(risk, list(cells), compiled, budget=budget, context=told)
    table = decide([risk], np.array([cells]), compiled, budget=budget, context=told)
    assert one.to_dict() == {name: col[0] for name, col in table.to_columns().items()}
    assert (one.propensity, one.explored) == (table.propensity[0], table.explored[0])
    assert set(one.eligible) == {
        n for n, e in zip(table.names, table.eligible[0], strict=True) if e
    }
    assert 0.0 < one.propensity <= 1.0


@pytest.mark.parametrize("cost", [5e-324, 1e-308, 1e-12, 1e150])
@pytest.mark.parametrize(("by", "likely"), [("uniform", 0.5), ("thompson", 0.95)])
def test_a_cost_beyond_all_measure_is_decided_in_silence(cost, by, likely):
    catalogue = Catalogue((replace(CALL, cost="gift"),), exploration=Exploration(1.0, by))
    row = np.array([[0.0, 50.0, 1.0, cost]])
    table = decide([0.5], row, compile_catalogue(catalogue, COLUMNS), budget=4.0, context=context())
    one = decide_one(
        0.5, row[0].tolist(), compile_catalogue(catalogue, COLUMNS), budget=4.0, context=context()
    )
    assert (one.action, one.propensity) == (table.action_name[0], table.propensity[0])
    assert table.propensity[0] == pytest.approx(likely if cost < 4.0 else 1.0, abs=1e-3)
    assert table.cost[0] <= 4.0


def test_at_a_plans_prices_chance_chooses_as_often_as_it_says():
    catalogue = Catalogue(
        (CALL, replace(CALL, name="mail", cost=1.0)), exploration=Exploration(0.3)
    )
    compiled = compile_catalogue(catalogue, COLUMNS)
    prices = ShadowPrices(0.1, np.zeros(2))
    row = ROW[0].tolist()
    counts: dict[str | None, int] = {}
    likely: dict[str | None, float] = {}
    for i in range(6000):
        one = decide_one(0.5, row, compiled, prices=prices, context=DecisionContext([f"c{i}"], DAY))
        counts[one.action] = counts.get(one.action, 0) + 1
        likely[one.action] = one.propensity
    assert likely == pytest.approx({"mail": 0.8, "call": 0.1, None: 0.1})
    for action, count in counts.items():
        p = likely[action]
        assert abs(count / 6000 - p) < 4.5 * (p * (1 - p) / 6000) ** 0.5
    with pytest.raises(RecipeError, match="plan again"):
        decide_one(0.5, row, compiled, prices=ShadowPrices(0.1, np.zeros(3)), context=context())
