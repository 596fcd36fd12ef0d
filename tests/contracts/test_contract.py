"""A contract as data: what it refuses to be, and that it travels whole."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.contracts import Check, Column, Contract
from churnkit.errors import ContractError

ENTITY = Column("id", "string", ("entity",))
GYM = Contract(
    "gym",
    (
        ENTITY,
        Column("day", "datetime", ("as_of",)),
        Column("visits", "integer", ("feature",), "Visits", "a month", checks=(Check("ge", 0),)),
        Column(
            "plan",
            "string",
            ("feature", "context"),
            phrase="{value} plan",
            nullable=True,
            checks=(Check("isin", ["a", "b"]), Check("max_length", 9)),
            levels=("b", "a"),
            unknown="missing",
        ),
        Column("fee", "number", ("value",)),
        Column("region", "string", ("context",), levels=("n", "s")),
        Column("left", "string", ("label",), checks=(Check("isin", ["Y", "N"]),), positive="Y"),
        Column("name", "string", ("pii",)),
    ),
)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_json_keeps_everything_of_any_contract(contracts_and_rows, data):
    contract, _ = data.draw(contracts_and_rows())
    again = Contract.from_json(contract.to_json())
    assert again == contract
    assert again.to_json() == contract.to_json()
    assert again.digest == contract.digest


def test_the_digest_is_that_of_the_canonical_json():
    import hashlib

    canonical = json.dumps(json.loads(GYM.to_json()), sort_keys=True, separators=(",", ":"))
    assert GYM.digest == "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def changed(**changes):
    place = 3
    column = replace(GYM.columns[place], **changes)
    return replace(GYM, columns=(*GYM.columns[:place], column, *GYM.columns[place + 1 :]))


@pytest.mark.parametrize(
    "other",
    [
        replace(GYM, name="club"),
        replace(GYM, columns=GYM.columns[:-1]),
        replace(GYM, columns=(*GYM.columns[:1], *reversed(GYM.columns[1:]))),
        changed(name="tariff"),
        changed(roles=("feature",)),
        changed(title="Plan"),
        changed(unit="plans"),
        changed(phrase=None),
        changed(nullable=False),
        changed(checks=()),
        changed(checks=(Check("isin", ["b", "a"]), Check("max_length", 9))),
        changed(checks=(Check("isin", ["a", "b"]), Check("max_length", 8))),
        changed(levels=None),
        changed(levels=("a", "b")),
        changed(unknown="refuse"),
        changed(positive="a"),
    ],
)
def test_the_digest_changes_when_anything_changes(other):
    assert other.digest != GYM.digest


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "3", '"a"', "{}", '{"format": 1}', "[" * 100_000, '{"format": true}',
     '{"format": 1, "name": "a", "columns": 3}', '{"format": 1, "name": "a", "columns": [3]}',
     '{"format": 1, "name": "a", "columns": [{}]}', '{"format": 1, "name": 3, "columns": []}',
     "\ud800", "9" * 5000],
)  # fmt: skip
def test_text_that_is_no_contract_is_refused_as_such(text):
    with pytest.raises(ContractError):
        Contract.from_json(text)


def test_a_newer_format_asks_for_an_upgrade():
    newer = GYM.to_json().replace('"format": 1', '"format": 2')
    with pytest.raises(ContractError, match="upgrade churnkit"):
        Contract.from_json(newer)


def test_a_format_of_any_length_is_quoted_in_part():
    with pytest.raises(ContractError, match="upgrade churnkit") as refusal:
        Contract.from_dict({"format": "9" * 5_000})
    assert len(str(refusal.value)) < 200


JUNK: list[Any] = [
    None, True, 0, -1, 1.5, float("nan"), float("inf"), 10**400, "", "a", " a ", "\x00", "\ud800",
    [], [1], ["a", "a"], [None], [[]], {}, {"rule": "ge"}, {"rule": [], "value": 0}, "(", "(?i)a",
    {"rule": "ge", "value": "a"}, [{"rule": "ge", "value": 0, "more": 1}], "feature", ["feature"],
    ["label"], "datetime", "integer", "string", [{"rule": "isin", "value": 3}],
]  # fmt: skip


def paths(data, path=()):
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items if isinstance(data, (dict, list)) else ():
        yield from paths(value, (*path, key)) if isinstance(value, (dict, list)) else [(*path, key)]


PATHS = list(paths(json.loads(GYM.to_json())))


@settings(max_examples=1500, deadline=None)
@given(
    path=st.sampled_from(PATHS[1:]),
    junk=st.sampled_from(JUNK),
    how=st.sampled_from(["replace", "remove", "add", "rename"]),
)
def test_a_mutated_contract_is_refused_as_such_or_is_a_whole_one(path, junk, how):
    data = json.loads(GYM.to_json())
    *folders, last = path
    place = data
    for key in folders:
        place = place[key]
    if how == "remove":
        del place[last]
    elif how == "add" and isinstance(place, dict):
        place["more"] = junk
    elif how == "rename" and isinstance(place, dict):
        place[f"{last}x"] = place.pop(last)
    else:
        place[last] = junk
    try:
        contract = Contract.from_json(json.dumps(data))
    except ContractError:
        return
    assert Contract.from_json(contract.to_json()) == contract
    contract.to_json().encode()
    contract.to_json_schema()
    assert contract.digest


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_contract_file_is_refused_as_such_or_is_a_whole_one(data):
    text = GYM.to_json()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 20, len(text))))
    damaged = text[:start] + data.draw(st.text(max_size=3)) + text[end:]
    try:
        contract = Contract.from_json(damaged)
    except ContractError:
        return
    assert Contract.from_json(contract.to_json()) == contract


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ((), "exactly one column with role 'entity'"),
        ((ENTITY, Column("id2", "string", ("entity",))), "got 2"),
        ((ENTITY, ENTITY), "duplicate column names"),
        ((Column("id", "number", ("entity",)),), "text or an integer"),
        ((Column("id", "string", ("entity",), nullable=True),), "cannot be nullable"),
        ((ENTITY, Column("y", "boolean", ("label",), nullable=True)), "cannot be nullable"),
        ((ENTITY, Column("y", "datetime", ("label",))), "not when"),
        ((ENTITY, Column("d", "datetime", ("feature",))), r"declare that date with as_of\(\)"),
        (
            (ENTITY, Column("d", "string", ("feature",), default="2025-02-01")),
            "only the as-of date",
        ),
        ((ENTITY, Column("d", "datetime", ("context",))), "derive a duration"),
        ((ENTITY, Column("x", "number", ("feature", "label"))), "'label' cannot be combined"),
        ((ENTITY, Column("x", "number", ("feature", "pii"))), "'pii' cannot be combined"),
        (
            (ENTITY, *(Column(name, "boolean", ("label",)) for name in "ab")),
            r"2 columns with role 'label' \(a, b\): keep one",
        ),
    ],
)
def test_columns_that_do_not_go_together_are_refused(columns, words):
    with pytest.raises(ContractError, match=words):
        Contract("gym", columns)


def test_a_contract_lists_its_columns_by_use():
    assert GYM.entity is GYM["id"]
    assert GYM.as_of is GYM["day"]
    assert GYM.label is GYM["left"]
    assert GYM.value is GYM["fee"]
    assert GYM.feature_names == ("visits", "plan")
    assert GYM.categorical_features == (1,)
    names = {use: [c.name for c in GYM.encoded(use)] for use in ("predict", "recommend", "train")}
    assert names == {
        "predict": ["visits", "plan"],
        "recommend": ["visits", "plan", "fee", "region"],
        "train": ["visits", "plan"],
    }
    assert [column.name for column in GYM.required("predict")] == ["id", "visits", "plan"]
    assert "name" not in {c.name for c in (*GYM.required("train"), *GYM.optional("train"))}
    assert [column.name for column in GYM.optional("predict")] == ["day"]


def test_an_unknown_column_is_named_beside_the_known_ones():
    with pytest.raises(ContractError, match="no column 'visit'; it has: id, day, visits"):
        GYM["visit"]


def test_levels_are_learned_into_a_new_contract():
    learned = GYM.with_levels({"plan": ["a"]})
    assert learned["plan"].levels == ("a",)
    assert GYM["plan"].levels == ("b", "a")
    assert learned.digest != GYM.digest
