"""The catalogue: what a recipe may declare, and its way to JSON and back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.contracts import Column
from churnkit.decisions import (
    Action,
    Capacity,
    Catalogue,
    ContactLimit,
    ContactPolicy,
    CoolDown,
    Effect,
    Exploration,
    Floor,
    Step,
    Suppression,
    Where,
)
from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.errors import RecipeError

CALL = Action("call", "A call", 12.0, Effect(0.0, 0.1, 0.2))
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(str.strip)
numbers = st.floats(-1e6, 1e6)
shares = st.lists(st.floats(-1, 1), min_size=3, max_size=3).map(sorted)
wheres = st.one_of(
    st.builds(Where, names, st.sampled_from(["<", "<=", ">", ">="]), numbers),
    st.builds(Where, names, st.sampled_from(["==", "!="]), numbers | st.booleans() | names),
    st.builds(Where, names, st.sampled_from(["in", "not in"]), st.lists(names | numbers)),
    st.builds(Where, names, st.sampled_from(["is missing", "is known"])),
)
rules = st.lists(wheres, max_size=3).map(tuple)
days = st.none() | st.dates()
options = st.fixed_dictionaries(
    {},
    optional={
        "group": st.none() | names,
        "cost_taken": st.floats(0, 1e6) | names,
        "take_rate": st.floats(0, 1),
        "benefit_periods": st.none() | st.floats(0.1, 100),
        "applicable": rules,
        "suitable": rules,
        "consent": st.none() | names,
        "valid_from": days,
        "levers": st.lists(names, max_size=2).map(tuple),
        "holdout": st.floats(0, 1),
    },
)
plain_actions = st.builds(
    Action,
    names,
    names,
    st.floats(0, 1e6) | names,
    shares.map(lambda s: Effect(*s)),
    st.lists(wheres, max_size=3).map(tuple),
    st.none() | names,
    st.none() | st.integers(0, 10**9),
)
actions = st.builds(lambda action, more: replace(action, **more), plain_actions, options)
lengths = st.floats(0.1, 400)
contact = st.builds(
    ContactPolicy,
    st.lists(st.builds(ContactLimit, st.integers(1, 9), lengths), max_size=2).map(tuple),
    st.lists(st.builds(CoolDown, names, lengths), max_size=2).map(tuple),
    st.none() | st.builds(Suppression, st.integers(1, 9), lengths, names),
)
explorations = st.none() | st.builds(
    Exploration,
    st.floats(0, 1),
    st.sampled_from(["uniform", "thompson"]),
    st.floats(0, 1),
    st.none() | st.floats(0, 1),
)
floors = st.builds(
    Floor, names, st.lists(wheres, min_size=1, max_size=2), st.floats(0, 1), st.integers(1, 9)
)


@st.composite
def catalogues(draw):
    listed = draw(st.lists(actions, min_size=1, max_size=4, unique_by=lambda a: a.name))
    channels = [action.channel for action in listed if action.channel]
    shared = st.builds(Capacity, st.integers(0, 99), st.sampled_from(channels or ["none"]))
    return Catalogue(
        tuple(listed),
        draw(st.floats(0.1, 100)),
        draw(st.floats(0.01, 1.0)),
        draw(st.none() | names),
        tuple(draw(st.lists(shared, max_size=2))) if channels else (),
        tuple(draw(st.lists(floors, max_size=2))),
        draw(contact),
        draw(st.floats(0, 1)),
        draw(explorations),
        draw(names),
    )


@given(catalogues())
def test_a_catalogue_comes_back_from_json_as_it_was(catalogue):
    assert Catalogue.from_dict(json.loads(json.dumps(catalogue.to_dict()))) == catalogue


EFFECT = CALL.effect


@pytest.mark.parametrize(
    ("kind", "parts", "said"),
    [
        (Where, ("age", "=", 3), "'=' is not an operator"),
        (Where, ("age", "in", "abc"), "needs a list"),
        (Where, ("age", "in", 3), "needs a list"),
        (Where, ("age", "is missing", 3), "takes no value"),
        (Where, ("age", ">", None), "not with NoneType"),
        (Where, ("age", ">", float("nan")), "finite number"),
        (Where, ("age", "in", [[1]]), "not with list"),
        (Effect, (0.2, 0.1, 0.3), "ascending"),
        (Effect, (0.2, 0.3, 1.3), "high must be a share"),
        (Effect, (float("nan"), 0.3, 0.4), "low must be a finite number"),
        (Effect, (0.1, "0.3", 0.4), "expected must be a finite number"),
        (Action, ("", "A call", 1.0, EFFECT), "no name"),
        (Action, ("call", " ", 1.0, EFFECT), "'call': title must not be empty"),
        (Action, ("call", "A call", -1.0, EFFECT), "'call': cost must be zero"),
        (Action, ("call", "A call", float("inf"), EFFECT), "cost must be a finite"),
        (Action, ("call", "A call", 1.0, 0.2), "must be an Effect"),
        (Action, ("call", "A call", 1.0, EFFECT, ("age > 3",)), "tuple of Where"),
        (Action, ("call", "A call", 1.0, EFFECT, (), None, -1), "capacity must"),
        (Action, ("call", "A call", 1.0, EFFECT, (), None, 1.5), "capacity must"),
        (Action, ("call", "A call", 1.0, EFFECT, (), 3), "channel must"),
        (Catalogue, ((),), "at least one Action"),
        (Catalogue, ((CALL, CALL),), "two actions are named 'call'"),
        (Catalogue, ((CALL,), 0), "periods must be above zero"),
        (Catalogue, ((CALL,), 12, 1.5), "margin must be above 0"),
        (Catalogue, ((CALL,), 12, 1.0, 3), "must be a column name"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(kind, parts, said):
    with pytest.raises(RecipeError, match=said):
        kind(*parts)


def test_an_action_may_do_harm():
    assert Effect(-0.3, -0.1, 0.0).low == -0.3


def test_a_set_of_values_has_one_order():
    assert Where("plan", "in", {"b", "a"}) == Where("plan", "in", ["a", "b"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 6}, "newer than 5"),
        ({"format": None}, "'format' is missing"),
        ({"format": True}, "'format' is missing"),
        ({"colour": "red"}, "unknown field colour"),
        ({"actions": "call"}, "actions must be a list"),
        ({"actions": [3]}, "expected an object, not int"),
        ({"actions": [{"name": "call"}]}, "title, cost, effect, .* is missing"),
        ({"periods": "12"}, "periods must be a finite number"),
    ],
)
def test_foreign_json_is_refused(change, said):
    with pytest.raises(RecipeError, match=said):
        Catalogue.from_dict({**Catalogue((CALL,)).to_dict(), **change})


@pytest.mark.parametrize("foreign", [None, [], "catalogue", {}, 3])
def test_what_is_no_object_is_refused(foreign):
    with pytest.raises(RecipeError, match="format"):
        Catalogue.from_dict(foreign)


def test_a_missing_key_is_named():
    stored = Catalogue((CALL,)).to_dict()
    del stored["margin"]
    with pytest.raises(RecipeError, match="margin is missing"):
        Catalogue.from_dict(stored)


def test_a_catalogue_of_the_first_format_is_read_as_it_was_meant():
    first = {
        "format": 1,
        "actions": [
            {
                "name": "call",
                "title": "A call",
                "cost": 12.0,
                "effect": {"low": 0.0, "expected": 0.1, "high": 0.2},
                "eligible": [{"column": "age", "op": ">=", "value": 18}],
                "channel": "phone",
                "capacity": 5,
            }
        ],
        "periods": 12.0,
        "margin": 1.0,
        "value": None,
    }
    call = replace(CALL, eligible=(Where("age", ">=", 18),), channel="phone", capacity=5)
    assert Catalogue.from_dict(first) == Catalogue((call,))
    with pytest.raises(RecipeError, match="format 1 has no field holdout"):
        Catalogue.from_dict({**first, "holdout": 0.1})


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((-1, "Call"), "day must be a whole number"),
        ((366, "Call"), "from 0 to 365"),
        ((None, "Call"), "from 0 to 365"),
        ((0, " "), "title must be text"),
        ((0, "x" * 201), "at most 200 characters"),
        ((0, "Call", "maybe"), "condition must be one of always, no_answer"),
    ],
)
def test_parts_of_a_step_that_make_no_sense_are_refused(parts, said):
    with pytest.raises(RecipeError, match=said):
        Step(*parts)


def test_a_playbook_is_stored_with_its_action_and_older_catalogues_have_none():
    steps = (Step(0, "Write"), Step(5, "Call", "no_answer"))
    catalogue = Catalogue((replace(CALL, steps=steps),))
    stored = json.loads(json.dumps(catalogue.to_dict()))
    assert Catalogue.from_dict(stored) == catalogue
    del stored["actions"][0]["steps"]
    assert Catalogue.from_dict({**stored, "format": 3}) == Catalogue((CALL,))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"cost_taken": -1.0}, "cost_taken must be zero or more"),
        ({"take_rate": 1.5}, "take_rate must be a share"),
        ({"benefit_periods": 0}, "benefit_periods must be above zero"),
        ({"applicable": ("age > 3",)}, "applicable must be a tuple of Where"),
        ({"consent": ""}, "consent must be text"),
        ({"group": 3}, "group must be text"),
        ({"valid_from": datetime(2026, 1, 1)}, "valid_from must be a date"),  # noqa: DTZ001
        ({"valid_from": date(2026, 2, 1), "valid_until": date(2026, 2, 1)}, "before valid_until"),
        ({"levers": "fee"}, "levers must be a tuple"),
        ({"steps": ("Write",)}, "steps must be a tuple of Step"),
        ({"steps": (Step(5, "Call"), Step(0, "Write"))}, "in the order of their days"),
        ({"steps": (Step(0, "Call", "no_answer"),)}, "first step cannot depend on an answer"),
        ({"steps": (Step(0, "Call"),) * 21}, "steps must be at most 20, got 21"),
        ({"holdout": -0.1}, "holdout must be a share"),
    ],
)
def test_parts_of_an_action_that_make_no_sense_are_refused(parts, said):
    with pytest.raises(RecipeError, match=f"'call': .*{said}"):
        replace(CALL, **parts)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"capacities": (Capacity(3, channel="fax"),)}, "capacity counts channel 'fax'"),
        ({"capacities": ("phone",)}, "tuple of Capacity"),
        (
            {"contact": ContactPolicy((ContactLimit(1, 7, action="mail"),))},
            "contact limit counts action 'mail'",
        ),
        (
            {"contact": ContactPolicy(cool_downs=(CoolDown("complained", 9, channel="fax"),))},
            "cool-down counts channel 'fax'",
        ),
        ({"contact": None}, "must be a ContactPolicy"),
        ({"holdout": 2}, "holdout must be a share"),
        ({"exploration": 0.1}, "must be an Exploration"),
        ({"salt": None}, "salt must be text"),
    ],
)
def test_limits_that_count_what_is_not_there_are_refused(parts, said):
    with pytest.raises(RecipeError, match=said):
        Catalogue((CALL,), **parts)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Capacity(3), "exactly one of channel and group"),
        (lambda: Capacity(3, "phone", "offers"), "exactly one of channel and group"),
        (lambda: Capacity(-1, "phone"), "whole number"),
        (lambda: Floor("f", (), 0.1), "tuple of Where"),
        (lambda: Floor("f", (Where("age", ">", 60),)), "share or a number"),
        (lambda: ContactLimit(0, 7), "at least 1"),
        (lambda: ContactLimit(1, 0), "above zero"),
        (lambda: ContactLimit(1, float("nan")), "finite"),
        (lambda: ContactLimit(1, 7, channel=""), "must be text or None"),
        (lambda: CoolDown(" ", 7), "must be a kind of outcome"),
        (lambda: Suppression(0, 7), "at least 1"),
        (lambda: Exploration(1.5), "epsilon must be a share"),
    ],
)
def test_limits_that_make_no_sense_are_refused(make, said):
    with pytest.raises(RecipeError, match=said):
        make()


COLUMNS = (
    Column("fee", "number", ("value",)),
    Column("may_mail", "boolean", ("context",)),
    Column("city", "string", ("context",)),
)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"consent": "may_call"}, "consent: column 'may_call' is not available"),
        ({"consent": "fee"}, "consent: column 'fee' has type number"),
        ({"cost_taken": "gift"}, "cost_taken: column 'gift' is not available"),
        ({"suitable": (Where("age", ">", 3),)}, "column 'age' is not available"),
        ({"applicable": (Where("age", ">", 3),)}, "column 'age' is not available"),
        ({"levers": ("price",)}, "levers: column 'price' is not available"),
    ],
)
def test_a_column_that_is_not_there_is_named(parts, said):
    with pytest.raises(RecipeError, match=f"action 'call'.*{said}"):
        compile_catalogue(Catalogue((replace(CALL, **parts),)), COLUMNS)
    floor = Floor("old", (Where("age", ">", 60),), 0.1)
    with pytest.raises(RecipeError, match="floor 'old': column 'age'"):
        compile_catalogue(Catalogue((CALL,), floors=(floor,)), COLUMNS)
