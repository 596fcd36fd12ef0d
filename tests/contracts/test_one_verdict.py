"""The three readers of a contract hold the same rows to the same rules."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.contracts import Check, Column, Contract
from churnkit.contracts.arrow_interop import as_arrow
from churnkit.contracts.encoding.row_encoder import RowEncoder
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.contracts.validation.pandera_check import check_table

PURPOSES = st.sampled_from(["predict", "recommend"])


def records(findings):
    return {(found.column, found.rule, tuple(found.positions.tolist())) for found in findings}


def bits(matrix):
    """The matrix to the last bit, but for the many ways to write NaN."""
    return np.where(np.isnan(matrix), np.nan, matrix).tobytes()


def assert_one_verdict(by_table, by_row):
    assert records(by_table.findings) == records(by_row.findings)
    assert records(by_table.warnings) == records(by_row.warnings)
    assert by_table.valid.tolist() == by_row.valid.tolist()
    assert bits(by_table.matrix) == bits(by_row.matrix)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), purpose=PURPOSES)
def test_pandera_and_the_compiled_readers_give_one_verdict(contracts_and_rows, data, purpose):
    contract, rows = data.draw(contracts_and_rows())
    table = as_arrow(rows)
    by_row = RowEncoder(contract, purpose, lenient=True).encode(rows)
    assert records(check_table(contract, table, purpose)) == records(by_row.findings)
    assert_one_verdict(TableEncoder(contract, purpose).encode(table), by_row)


@settings(max_examples=400, deadline=None)
@given(data=st.data(), purpose=PURPOSES)
def test_rows_and_tables_are_read_alike(contracts_and_rows, data, purpose):
    contract, rows = data.draw(contracts_and_rows())
    by_table = TableEncoder(contract, purpose).encode(as_arrow(rows))
    assert_one_verdict(by_table, RowEncoder(contract, purpose, lenient=True).encode(rows))


TYPED = {
    "int8": pa.array([1, -3, None, 3, 0], pa.int8()),
    "int64 beyond a float": pa.array([2**53 + 1, -(2**63), None, 3, 2], pa.int64()),
    "uint64": pa.array([2**64 - 1, 2**63, None, 0, 1], pa.uint64()),
    "half": pa.array(np.array([0.5, 1, np.nan, np.inf, 3], dtype=np.float16)),
    "float": pa.array([0.1, 2.5, None, float("inf"), 3.0], pa.float32()),
    "double": pa.array([0.1, float("nan"), None, float("-inf"), -0.0], pa.float64()),
    "decimal": pa.array([Decimal("1.50"), Decimal(3), None, Decimal("-0.50"), Decimal(2)]),
    "decimal of 32 bits": pa.array(
        [Decimal("1.5"), Decimal(3), None, Decimal("-0.5"), Decimal(2)], pa.decimal32(5, 1)
    ),
    "decimal of 64 bits": pa.array(
        [Decimal(1), Decimal(3), None, Decimal(-1), Decimal(2)], pa.decimal64(9, 0)
    ),
    "decimal of 256 bits": pa.array(
        [Decimal(1), Decimal(3), None, Decimal(-1), Decimal(2)], pa.decimal256(50, 2)
    ),
    "uuid": pa.array([bytes(16), bytes(range(16)), None, bytes(16), bytes(16)], pa.uuid()),
    "boolean": pa.array([True, False, None, True, True]),
    "text": pa.array(["3", " Yes", None, "", "2020-02-30"]),
    "large text": pa.array(["1e3", "No", None, " \t", "2020-01-01"], pa.large_string()),
    "text view": pa.array(["+1", "b", None, "", "9" * 400], pa.string_view()),
    "dictionary": pa.array(["1", " a ", None, "a", "1"]).dictionary_encode(),
    "dictionary of text views": pa.DictionaryArray.from_arrays(
        pa.array([0, 1, None, 0, 1]), pa.array(["3", " a"], pa.string_view())
    ),
    "dictionary of numbers": pa.array([1, 3, None, -3, 1]).dictionary_encode(),
    "dictionary that holds null": pa.DictionaryArray.from_arrays(
        pa.array([0, 1, 2, None, 0]), pa.array(["a", None, "3"])
    ),
    "day": pa.array([dt.date(2020, 1, 1), dt.date(1, 1, 1), None, None, dt.date(9999, 1, 1)]),
    "second": pa.array([0, 10**9, None, 1, 2], pa.timestamp("s")),
    "nanosecond": pa.array([0, 1, None, 10**18, 2], pa.timestamp("ns", tz="Europe/Berlin")),
    "nothing": pa.nulls(5),
    "bytes": pa.array([b"a", b"", None, b"\xff", b"1"]),
    "list": pa.array([[1], [], None, [2], [3]]),
    "struct": pa.array([{"a": 1}, {"a": None}, None, {"a": 2}, {"a": 3}]),
    "duration": pa.array([1, 2, None, 3, 4], pa.duration("s")),
    "time": pa.array([1, 2, None, 3, 4], pa.time32("s")),
    "run ends of decimals": pa.RunEndEncodedArray.from_arrays(
        pa.array([2, 5]), pa.array([Decimal(1), Decimal("2.5")], pa.decimal128(5, 1))
    ),
    "run ends": pa.RunEndEncodedArray.from_arrays(pa.array([2, 5]), pa.array(["a", "3"])),
}
CHECKS = {
    "integer": (Check("ge", 0), Check("le", 2**53)),
    "number": (Check("gt", -0.5), Check("ne", 2.5)),
    "boolean": (Check("isin", [True]),),
    "string": (Check("max_length", 5),),
    "datetime": (),
}


@pytest.mark.parametrize("kind", CHECKS)
@pytest.mark.parametrize("sort", TYPED)
def test_each_arrow_type_is_read_as_its_python_values_are(sort, kind):
    levels = ("a", "3", "Yes", "1") if kind == "string" else None
    for nullable in (True, False):
        column = Column(
            "x", kind, ("feature",), nullable=nullable, checks=CHECKS[kind], levels=levels
        )
        day = Column("day", "datetime", ("as_of",), default="2020-01-31")
        contract = Contract("typed", (Column("id", "string", ("entity",)), column, day))
        table = pa.table({"id": list("abcde"), "x": TYPED[sort]})
        rows = table.set_column(1, "x", microseconds(table["x"])).to_pylist()
        by_table = TableEncoder(contract).encode(table)
        assert_one_verdict(by_table, RowEncoder(contract, lenient=True).encode(rows))
        assert records(check_table(contract, table, "predict")) == records(by_table.findings)


def microseconds(column):
    """Python's own moments know no nanoseconds."""
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
    return column


@pytest.mark.parametrize("pieces", [0, 1, 2, 5])
def test_a_table_in_pieces_is_read_as_a_whole(pieces):
    contract = Contract(
        "gym",
        (
            Column("id", "string", ("entity",)),
            Column("plan", "string", ("feature",), levels=("a", "b")),
            Column("visits", "integer", ("feature",)),
        ),
    )
    table = pa.table(
        {
            "id": list("vwxyz"),
            "plan": pa.array(list("aabab")).dictionary_encode(),
            "visits": ["1", "2", "x", "4", ""],
        }
    )
    size = 5 // pieces if pieces else 5
    parts = [
        pa.table(
            {"id": part["id"], "plan": part["plan"].combine_chunks(), "visits": part["visits"]}
        )
        for part in (table.slice(start, size) for start in range(0, 5 if pieces else 0, size))
    ]
    whole = TableEncoder(contract).encode(table.slice(0, 5 if pieces else 0))
    again = pa.concat_tables(parts) if parts else table.schema.empty_table()
    assert_one_verdict(TableEncoder(contract).encode(again), whole)
