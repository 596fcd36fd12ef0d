"""Numbers with commas, and words for no value, are read alike by every road."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from churnkit.contracts import Column, Contract, Schema, entity, feature
from churnkit.contracts.encoding.row_encoder import RowEncoder
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.contracts.parsing.cell_parsers import compile_cell_parser
from churnkit.contracts.validation.pandera_check import check_table
from churnkit.errors import ContractError


class Bill(Schema):
    customer: str = entity()
    amount: float = feature(written="1.234,5", missing=["n/a", "?"], nullable=True)
    plan: str = feature(isin=["a", "b"], missing=["none"], nullable=True)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.234,5", 1234.5), ("12,5", 12.5), ("-0,25", -0.25), ("1.234.567", 1234567.0),
        (" 7 ", 7.0), ("12 345,5", 12345.5), ("12'345,5", 12345.5), ("1\u00a0234,5", 1234.5),
        ("3,50 €", 3.5), ("12,5 %", 12.5), ("1.5", 1.5), ("3,", 3.0), ("1e3", 1000.0),
    ],
)  # fmt: skip
def test_numbers_with_a_comma_before_the_fraction(text, number):
    assert compile_cell_parser(Bill_column("amount"), lenient=True)(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [("1,234.5", 1234.5), ("$1,234", 1234.0), ("12.5", 12.5), ("-1,000,000.25", -1000000.25)],
)
def test_numbers_with_a_comma_between_thousands(text, number):
    column = Column("x", "number", ("feature",), written="1,234.5")
    assert compile_cell_parser(column, lenient=True)(text) == number


@pytest.mark.parametrize("text", ["1,2,3", "12,34,5", "1..5", "€", "a,5", "-1,5-"])
def test_what_is_no_number_stays_none(text):
    assert compile_cell_parser(Bill_column("amount"), lenient=True)(text) == "type"


def test_a_service_is_sent_numbers_and_respells_nothing():
    read = compile_cell_parser(Bill_column("amount"), lenient=False)
    assert read("1,5") == "type"
    assert read(1.5) == 1.5


def test_tables_rows_and_pandera_agree():
    rows = [
        {"customer": "1", "amount": "1,5", "plan": "a"},
        {"customer": "2", "amount": "N/A", "plan": "None"},
        {"customer": "3", "amount": "1,2,3", "plan": "b"},
        {"customer": "4", "amount": "?", "plan": " a "},
    ]
    contract = Contract.from_schema(Bill)
    table = pa.Table.from_pylist(rows)
    by_table = TableEncoder(contract).encode(table)
    by_row = RowEncoder(contract, lenient=True).encode(rows)
    expected = [[1.5, 0.0], [math.nan, math.nan], [math.nan, 1.0], [math.nan, 0.0]]
    assert np.array_equal(by_table.matrix, expected, equal_nan=True)
    assert np.array_equal(by_row.matrix, expected, equal_nan=True)
    assert [(f.column, f.rule, f.positions.tolist()) for f in by_table.findings] == [
        ("amount", "type", [2])
    ]
    found = check_table(contract, table, "predict")
    assert [(f.column, f.rule, f.positions.tolist()) for f in found] == [("amount", "type", [2])]


def test_a_category_that_stands_for_no_value_is_not_learned():
    from churnkit.contracts.encoding.category_levels import learn_levels

    contract = Contract(
        "bill",
        (
            Column("customer", "string", ("entity",)),
            Column("city", "string", ("feature",), nullable=True, missing=("none",)),
        ),
    )
    table = pa.table({"customer": ["1", "2"], "city": ["Bern", "None"]})
    assert learn_levels(contract, table)["city"].levels == ("Bern",)


def test_a_contract_keeps_its_spelling():
    contract = Contract.from_schema(Bill)
    assert Contract.from_json(contract.to_json()) == contract
    assert contract["amount"].written == "1.234,5"
    assert contract["plan"].missing == ("none",)


def test_a_plain_contract_says_nothing_of_spelling():
    stored = Column("x", "number", ("feature",)).to_dict()
    assert not {"written", "missing"} & set(stored)
    assert Column("x", "number", ("feature",)).spelling is None


@pytest.mark.parametrize(
    "settings",
    [
        {"written": "1_000"},
        {"type": "string", "written": "1,234.5"},
        {"missing": ("",)},
        {"missing": (" a",)},
        {"missing": ("0",)},
        {"missing": ("no",)},
        {"missing": "a"},
    ],
)
def test_a_spelling_that_means_nothing_is_refused(settings):
    with pytest.raises(ContractError, match="column 'x'"):
        Column(**{"name": "x", "type": "number", "roles": ("feature",), **settings})


def Bill_column(name):  # noqa: N802  (it is the column of Bill)
    return Contract.from_schema(Bill)[name]


@pytest.mark.parametrize(
    ("text", "unit", "style", "number"),
    [
        ("$12.00", "USD", "1,234.5", 12.0),
        ("-$3.00", "USD", "1,234.5", -3.0),
        ("$-3.00", "USD", "1,234.5", -3.0),
        ("($1,005.00)", "USD", "1,234.5", -1005.0),
        ("(5.00)", None, "1,234.5", -5.0),
        ("USD 5", "USD", "1,234.5", 5.0),
        ("5 usd", "USD per month", "1,234.5", 5.0),
        ("12,00", "EUR", "1.234,5", 12.0),
        ("R$ 1.234,50", "BRL", "1.234,5", 1234.5),
        ("-R$ 7", "BRL", "1.234,5", -7.0),
        ("CHF 1'200.50", "CHF", "1,234.5", 1200.5),
        ("CHF 1\u2019200.50", "CHF", "1,234.5", 1200.5),
        ("£1.5M", "GBP", "1,234.5", 1_500_000.0),
        ("1.2k", None, "1,234.5", 1200.0),
        ("1,2k €", "EUR", "1.234,5", 1200.0),
        ("₹1,23,456.5", "INR", "1,234.5", 123456.5),
        ("12 GB", "GB", "1,234.5", 12.0),
        ("45 kg", "kg", "1,234.5", 45.0),
        ("12.5%", "%", "1,234.5", 12.5),
        ("\u22125", None, "1,234.5", -5.0),
    ],
)
def test_money_and_units_are_read_with_the_columns_own_unit(text, unit, style, number):
    column = Column("x", "number", ("feature",), unit=unit, written=style)
    assert compile_cell_parser(column, lenient=True)(text) == number


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("€5", "USD"), ("5 h", "GB"), ("$5 €", "USD"), ("(5", "USD"), ("(-5)", "USD"), ("--5", None),
        ("12%", "share"), ("1,23,4", None), ("1'234,567", None), ("5x", None), ("C12", None),
        ("1.2M", "km"), ("3B", "MB"), ("2M", "m"), ("5 ms", "m"),
    ],
)  # fmt: skip
def test_another_unit_or_grouping_is_refused(text, unit):
    column = Column("x", "number", ("feature",), unit=unit, written="1,234.5")
    assert compile_cell_parser(column, lenient=True)(text) == "type"
