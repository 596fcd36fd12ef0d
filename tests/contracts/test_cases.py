"""What a table can be wrong in, case by case: refused, or handled by a stated rule."""

from __future__ import annotations

import json
import math
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from churnkit.contracts import (
    Contract,
    Schema,
    as_of,
    context,
    entity,
    feature,
    label,
    pii,
    value,
)
from churnkit.contracts.arrow_interop import as_arrow
from churnkit.contracts.encoding.category_levels import learn_levels
from churnkit.contracts.encoding.row_encoder import RowEncoder
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.errors import DataError


class Gym(Schema):
    member_id: str = entity()
    month: pd.Timestamp = as_of()
    visits: int = feature("Visits", ge=0)
    fee: float = feature(unit="EUR", also=("value",), nullable=True)
    plan: str = feature(isin=["basic", "gold"])
    city: str = feature()
    newsletter: bool = context()
    name: str = pii()
    left: bool = label()


ROWS: list[dict[str, Any]] = [
    {
        "member_id": f"m{i}",
        "month": "2026-01-01",
        "visits": i,
        "fee": 9.5,
        "plan": "gold",
        "city": ["Oslo", "Bern"][i % 2],
        "newsletter": True,
        "name": "N. N.",
        "left": i == 0,
    }
    for i in range(4)
]
GYM = learn_levels(Contract.from_schema(Gym), as_arrow(ROWS))


def rows_with(**changes):
    return [ROWS[0], {**ROWS[1], **changes}, *ROWS[2:]]


def refusal(rows, purpose="train"):
    with pytest.raises(DataError) as refused:
        GYM.validate(rows, purpose=purpose, name="members.csv")
    return refused.value


def rules(rows, purpose="train"):
    return [(v.column, v.rule, v.count, v.positions) for v in refusal(rows, purpose).violations]


def test_a_table_that_fits_is_accepted():
    GYM.validate(ROWS)


def test_all_missing_columns_are_named_at_once():
    rows = [{"member_id": row["member_id"], "plan": "gold"} for row in ROWS]
    assert [v.column for v in refusal(rows).violations] == [
        "month", "visits", "fee", "city", "newsletter", "left",
    ]  # fmt: skip
    assert "column 'visits' is missing: add the column" in str(refusal(rows))


def test_scoring_needs_neither_the_label_nor_the_date_nor_what_only_decisions_read():
    rows = [
        {name: row[name] for name in ("member_id", "visits", "fee", "plan", "city")} for row in ROWS
    ]
    GYM.validate(rows, purpose="predict")
    assert [v.column for v in refusal(rows, "recommend").violations] == ["newsletter"]


@pytest.mark.parametrize(
    ("column", "wrong", "rule"),
    [
        ("visits", "three", "type"),
        ("visits", 2.5, "type"),
        ("visits", True, "type"),
        ("visits", "2026-01-01", "type"),
        ("visits", None, "not_null"),
        ("visits", " ", "not_null"),
        ("visits", math.nan, "not_null"),
        ("visits", math.inf, "finite"),
        ("visits", "-inf", "finite"),
        ("visits", 10**400, "finite"),
        ("visits", -1, "ge(0)"),
        ("fee", "1,5", "type"),
        ("fee", -math.inf, "finite"),
        ("plan", "platinum", "isin('basic', 'gold')"),
        ("plan", "Gold", "isin('basic', 'gold')"),
        ("plan", None, "not_null"),
        ("city", "", "not_null"),
        ("newsletter", "maybe", "type"),
        ("newsletter", 2, "type"),
        ("month", "01/02/2026", "type"),
        ("month", "2026-02-29", "type"),
        ("member_id", None, "not_null"),
        ("member_id", "\t", "not_null"),
        ("left", None, "not_null"),
        ("left", "perhaps", "type"),
    ],
)
def test_a_wrong_value_is_named_by_column_rule_and_row(column, wrong, rule):
    assert rules(rows_with(**{column: wrong})) == [(column, rule, 1, (1,))]


@pytest.mark.parametrize(
    ("column", "fine"),
    [
        ("visits", " 12 "), ("visits", "1e2"), ("visits", 3.0), ("visits", np.int16(3)),
        ("fee", None), ("fee", " "), ("fee", math.nan), ("fee", "0.50"), ("fee", pd.NA),
        ("plan", " gold"), ("city", "Rome"), ("newsletter", "no"), ("newsletter", 0),
        ("month", "2026-02-28T10:00:00+01:00"), ("month", pd.Timestamp("2026-01-01")),
        ("member_id", 17), ("name", None),
    ],
)  # fmt: skip
def test_a_value_that_loses_nothing_is_read(column, fine):
    GYM.validate(rows_with(**{column: fine}))


def test_a_category_that_training_never_saw_is_missing_with_a_warning():
    encoded = TableEncoder(GYM).encode(as_arrow(rows_with(city="Rome")))
    assert encoded.violations == ()
    assert [(w.column, w.rule, w.positions.tolist()) for w in encoded.warnings] == [
        ("city", "unknown_category", [1])
    ]
    assert np.isnan(encoded.matrix[1, 3])


def test_a_customer_who_stands_there_twice_is_named_at_the_second_row():
    assert rules(rows_with(member_id="m0")) == [("member_id", "unique", 1, (1,))]
    assert "keep one row per customer and date" in str(refusal(rows_with(member_id=" m0")))


def test_a_customer_may_stand_there_at_two_dates():
    GYM.validate(rows_with(member_id="m0", month="2026-02-01"))
    same = rows_with(member_id="m0", month="2026-01-01T01:00:00+01:00")
    assert rules(same) == [("member_id", "unique", 1, (1,))]


def test_scoring_takes_the_same_customer_twice():
    GYM.validate(rows_with(member_id="m0"), purpose="predict")


@pytest.mark.parametrize("table", [[], pd.DataFrame(ROWS).iloc[:0], as_arrow(ROWS).slice(0, 0)])
def test_an_empty_table_is_refused_by_name(table):
    with pytest.raises(DataError, match=r"members.csv does not fit.*\n.*the table is empty: pass"):
        GYM.validate(table, name="members.csv")


@pytest.mark.parametrize("table", [[], pd.DataFrame(ROWS).iloc[:0], as_arrow(ROWS).slice(0, 0)])
@pytest.mark.parametrize("purpose", ["predict", "recommend"])
def test_a_table_of_no_rows_is_scored_to_no_rows(table, purpose):
    encoded = TableEncoder(GYM, purpose).encode(as_arrow(table))
    assert encoded.matrix.shape == (0, len(GYM.encoded(purpose)))
    assert len(encoded.entity) == 0
    assert encoded.valid.shape == (0,)
    assert RowEncoder(GYM, purpose).encode([]).matrix.shape == encoded.matrix.shape


def test_a_label_of_one_kind_is_refused():
    rows = [{**row, "left": False} for row in ROWS]
    assert "column 'left' has only one value: the label needs both" in str(refusal(rows))


def test_all_that_is_wrong_is_said_at_once():
    rows = rows_with(visits=-1, plan="none", member_id=None)
    rows[3] = {**rows[3], "visits": -5}
    assert rules(rows) == [
        ("member_id", "not_null", 1, (1,)),
        ("visits", "ge(0)", 2, (1, 3)),
        ("plan", "isin('basic', 'gold')", 1, (1,)),
    ]


def test_one_value_answers_for_one_rule():
    assert rules(rows_with(visits=-0.5)) == [("visits", "type", 1, (1,))]


def test_a_row_of_a_request_that_lacks_a_column_is_refused_alone():
    short = {name: cell for name, cell in ROWS[1].items() if name != "fee"}
    encoded = RowEncoder(GYM).encode([ROWS[0], short])
    assert [(v.column, v.rule, v.positions) for v in encoded.violations] == [
        ("fee", "missing_column", (1,))
    ]
    assert encoded.valid.tolist() == [True, False]


def test_a_closed_reader_names_columns_that_the_contract_does_not_know():
    row = {name: ROWS[0][name] for name in ("member_id", "visits", "fee", "plan", "city")}
    assert RowEncoder(GYM, closed=True).encode([row]).violations == ()
    odd = {**row, "vists": 1, "a\nb\ud800": 2, "x" * 500: 3}
    found = RowEncoder(GYM, closed=True).encode([odd]).violations
    assert [v.column for v in found] == ["a\\nb\\ud800", "vists", "x" * 80]
    assert {v.rule for v in found} == {"unknown_column"}
    many = {**row, **{f"c{i}": 1 for i in range(1000)}}
    assert len(RowEncoder(GYM, closed=True).encode([many]).violations) == 20


@pytest.mark.parametrize("row", [None, 3, "m1", ["m1"], [("member_id", "m1")]])
def test_a_row_that_is_no_object_is_refused_alone(row):
    encoded = RowEncoder(GYM, lenient=True).encode([ROWS[0], row, ROWS[2]])
    assert encoded.valid.tolist() == [True, False, True]
    assert encoded.violations[0].rule == "not_a_row"
    assert encoded.entity == ["m0", None, "m2"]


def test_strict_reading_takes_no_text_for_a_number():
    row = {**ROWS[0], "visits": "3"}
    assert RowEncoder(GYM).encode([row]).violations[0].rule == "type"
    assert RowEncoder(GYM, lenient=True).encode([row]).violations == ()


@pytest.mark.parametrize("purpose", ["train", "predict", "recommend"])
def test_no_message_ever_shows_a_value_of_the_table(purpose):
    canary = "canary-7319"
    rows: list[dict[str, Any]] = [{name: f"{canary} {name}" for name in ROWS[0]} for _ in range(3)]
    rows += [{**row, "member_id": f"{canary} {i}"} for i, row in enumerate(ROWS)]
    rows += [{**ROWS[1], "visits": -7319.5, "fee": math.inf, "name": canary} for _ in range(2)]
    rows += [{**ROWS[1], "plan": [canary], "city": canary.encode(), "month": {canary: 1}}]
    shown = str(refusal(rows, purpose))
    table = TableEncoder(GYM, purpose).encode(as_arrow(rows))
    by_row = RowEncoder(GYM, purpose, lenient=True, closed=True).encode(rows)
    for encoded in (table, by_row):
        shown += repr(encoded) + str(encoded.reasons())
        shown += "".join(str(v) + repr(v) + json.dumps(v.to_dict()) for v in encoded.violations)
        shown += repr(encoded.warnings)
    assert "canary" not in shown
    assert "7319" not in shown


def test_money_is_read_for_decisions_only():
    class Shop(Schema):
        shop_id: int = entity()
        spend: float = feature()
        margin: float = value()

    contract = Contract.from_schema(Shop)
    rows = [{"shop_id": 1, "spend": 2.0, "margin": 0.5}]
    assert RowEncoder(contract).encode(rows).matrix.tolist() == [[2.0]]
    decided = RowEncoder(contract, "recommend").encode(rows)
    assert decided.matrix.tolist() == [[2.0, 0.5]]
    assert decided.features.tolist() == [[2.0]]


def test_an_arrow_table_may_hold_more_columns_than_asked():
    table = as_arrow(ROWS).append_column("further", pa.array([b"x"] * 4))
    assert TableEncoder(GYM).encode(table).valid.all()


def test_one_body_serves_both_a_prediction_and_a_recommendation():
    class Line(Schema):
        line_id: str = entity()
        calls: int = feature(ge=0)
        agreed: bool = context()

    contract = Contract.from_schema(Line)
    row = {"line_id": "l1", "calls": 3, "agreed": "whatever a prediction does not read"}
    encoder = RowEncoder(contract, "predict", closed=True)
    assert encoder.encode_row(row) == [3.0]
    validate = jsonschema.Draft202012Validator(contract.to_json_schema("predict")).is_valid
    assert validate(row)
    assert RowEncoder(contract, "recommend", closed=True).encode_row(row) is None
