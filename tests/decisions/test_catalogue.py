"""The catalogue: what a recipe may declare, and its way to JSON and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.decisions import Action, Catalogue, Effect, Where
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
actions = st.builds(
    Action,
    names,
    names,
    st.floats(0, 1e6) | names,
    shares.map(lambda s: Effect(*s)),
    st.lists(wheres, max_size=3).map(tuple),
    st.none() | names,
    st.none() | st.integers(0, 10**9),
)
catalogues = st.builds(
    Catalogue,
    st.lists(actions, min_size=1, max_size=4, unique_by=lambda a: a.name).map(tuple),
    st.floats(0.1, 100),
    st.floats(0.01, 1.0),
    st.none() | names,
)


@given(catalogues)
def test_a_catalogue_comes_back_from_json_as_it_was(catalogue):
    assert Catalogue.from_dict(json.loads(json.dumps(catalogue.to_dict()))) == catalogue


EFFECT = CALL.effect


@pytest.mark.parametrize(
    ("kind", "parts", "said"),
    [
        (Where, ("age", "=", 3), "'=' is no comparison"),
        (Where, ("age", "in", "abc"), "needs a list"),
        (Where, ("age", "in", 3), "needs a list"),
        (Where, ("age", "is missing", 3), "takes no value"),
        (Where, ("age", ">", None), "not with NoneType"),
        (Where, ("age", ">", float("nan")), "finite number"),
        (Where, ("age", "in", [[1]]), "not with list"),
        (Effect, (0.2, 0.1, 0.3), "ascending"),
        (Effect, (0.2, 0.3, 1.3), "high is a share"),
        (Effect, (float("nan"), 0.3, 0.4), "low must be a finite number"),
        (Effect, (0.1, "0.3", 0.4), "expected must be a finite number"),
        (Action, ("", "A call", 1.0, EFFECT), "no name"),
        (Action, ("call", " ", 1.0, EFFECT), "'call': give it a title"),
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
        (Catalogue, ((CALL,), 12, 1.5), "margin is a share"),
        (Catalogue, ((CALL,), 12, 1.0, 3), "column's name"),
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
        ({"format": 2}, "newer than 1"),
        ({"format": None}, "no 'format'"),
        ({"format": True}, "no 'format'"),
        ({"colour": "red"}, "colour is not known"),
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
