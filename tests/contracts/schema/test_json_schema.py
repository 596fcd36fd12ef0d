"""What the published JSON Schema says of a row, the strict reader does."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from churnkit.contracts import Check, Column, Contract
from churnkit.contracts.encoding.row_encoder import RowEncoder
from churnkit.contracts.parsing.scalars import BLANKS


def contract_of(*columns: Column) -> Contract:
    return Contract("gym", (Column("id", "string", ("entity",)), *columns))


def sendable(row) -> bool:
    """Whether a row can be a request: JSON values, finite, whole characters."""
    try:
        text = json.dumps(row, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError):
        return False
    return all(
        type(value) in {str, int, float, bool, type(None)}
        and not (type(value) is int and abs(value) > 1.7e308)
        for value in row.values()
    )


def has_blank(row) -> bool:
    return any(isinstance(value, str) and not value.strip(BLANKS) for value in row.values())


@settings(max_examples=300, deadline=None)
@given(data=st.data(), purpose=st.sampled_from(["predict", "recommend"]))
def test_the_strict_reader_accepts_exactly_the_rows_that_fit_the_schema(
    contracts_and_rows, data, purpose
):
    contract, rows = data.draw(contracts_and_rows(most=3))
    schema = contract.to_json_schema(purpose)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    names = [name for name in schema["properties"] if name in rows[0]]
    encoder = RowEncoder(contract, purpose, closed=True)
    for row in rows:
        asked = {name: row[name] for name in data.draw(st.lists(st.sampled_from([*names, "id"])))}
        for sent in (row, {name: row[name] for name in names}, asked):
            if not sendable(sent):
                continue
            accepted = bool(encoder.encode([sent]).valid[0])
            fits = validator.is_valid(sent)
            # The other way round blank text may be accepted as a missing value.
            assert accepted == fits or (accepted and has_blank(sent))


@pytest.mark.parametrize(
    "day", ["2020-02-29", "2000-02-29", "2021-12-31", "0001-01-01", "9999-12-31T23:59:59.999999Z"]
)
def test_a_day_of_the_calendar_fits(day):
    validator = Draft202012Validator(
        contract_of(Column("day", "datetime", ("as_of",))).to_json_schema()
    )
    assert validator.is_valid({"id": "a", "day": day})


@pytest.mark.parametrize(
    "day",
    ["2021-02-29", "1900-02-29", "2021-04-31", "0000-01-01", "2021-13-01", "2021-01-01T24:00"],
)
def test_a_day_that_never_was_does_not_fit(day):
    contract = contract_of(Column("day", "datetime", ("as_of",)))
    row = {"id": "a", "day": day}
    assert not Draft202012Validator(contract.to_json_schema()).is_valid(row)
    assert not RowEncoder(contract).encode([row]).valid[0]


def test_limits_become_keywords():
    column = Column(
        "visits",
        "integer",
        ("feature",),
        "Visits",
        "a month",
        nullable=True,
        checks=(Check("ge", 0), Check("ge", 2), Check("lt", 9), Check("notin", [4, 5])),
    )
    assert contract_of(column).to_json_schema()["properties"]["visits"] == {
        "type": ["integer", "null"],
        "minimum": 2,
        "exclusiveMaximum": 9,
        "allOf": [{"not": {"enum": [4, 5]}}],
        "title": "Visits (a month)",
    }


def test_categories_become_an_enumeration_only_where_others_are_refused():
    refused = Column("a", "string", ("feature",), levels=("x", "y"), unknown="refuse")
    tolerated = Column("b", "string", ("feature",), levels=("x", "y"), unknown="missing")
    properties = contract_of(refused, tolerated).to_json_schema()["properties"]
    assert properties["a"] == {"type": "string", "enum": ["x", "y"]}
    assert "enum" not in properties["b"]


def test_a_row_has_no_further_columns_and_needs_no_label():
    contract = contract_of(
        Column("left", "boolean", ("label",)), Column("name", "string", ("pii",))
    )
    schema = contract.to_json_schema()
    assert schema["required"] == ["id"]
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {"id"}


def test_numbers_beyond_a_float_are_the_known_exception():
    contract = contract_of(Column("x", "number", ("feature",)))
    row = {"id": "a", "x": 10**400}
    assert Draft202012Validator(contract.to_json_schema()).is_valid(row)
    assert RowEncoder(contract).encode([row]).violations[0].rule == "finite"
    assert math.isinf(json.loads("1e400"))


def test_half_a_character_is_the_known_exception():
    contract = contract_of()
    row = {"id": "\ud800"}
    assert Draft202012Validator(contract.to_json_schema()).is_valid(row)
    assert RowEncoder(contract).encode([row]).violations[0].rule == "type"
