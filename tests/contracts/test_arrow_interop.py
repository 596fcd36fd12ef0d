"""Any table that a caller may hold comes in, and goes back as it came."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from churnkit.contracts import Column, Contract
from churnkit.contracts.arrow_interop import as_arrow, convert_like, is_row_list
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.errors import DataError

GYM = Contract(
    "gym",
    (
        Column("id", "string", ("entity",)),
        Column("plan", "string", ("feature",), levels=("a", "b"), nullable=True),
        Column("visits", "integer", ("feature",), nullable=True),
    ),
)
ROWS = [
    {"id": "m1", "plan": "a", "visits": 3},
    {"id": "m2", "plan": None, "visits": None},
    {"id": "m3", "plan": "b", "visits": 0},
]
EXPECTED = np.array([[0, 3], [np.nan, np.nan], [1, 0]])


def pandas_frame(**dtypes):
    return pd.DataFrame(ROWS).astype(dtypes)


TABLES = {
    "a list of dicts": ROWS,
    "a tuple of dicts": tuple(ROWS),
    "arrow": pa.Table.from_pylist(ROWS),
    "an arrow batch": pa.RecordBatch.from_pylist(ROWS),
    "an arrow reader": lambda: pa.Table.from_pylist(ROWS).to_reader(),
    "arrow with dictionaries": pa.Table.from_pylist(ROWS).set_column(
        1, "plan", pa.array(["a", None, "b"]).dictionary_encode()
    ),
    "polars": pl.DataFrame(ROWS),
    "polars, lazy": pl.LazyFrame(ROWS),
    "polars with categories": pl.DataFrame(ROWS).with_columns(pl.col("plan").cast(pl.Categorical)),
    "polars with objects": pl.DataFrame(
        {
            "id": ["m1", "m2", "m3"],
            "plan": pl.Series(["a", None, "b"], dtype=pl.Object),
            "visits": [3, None, 0],
        }
    ),
    "pandas": pandas_frame(),
    "pandas objects": pandas_frame(id=object, plan=object, visits=object),
    "pandas categories": pandas_frame(plan="category", visits="Int64"),
    "pandas string": pandas_frame(id="string", plan="string", visits="Int16"),
    "pandas python string": pandas_frame(id="string[python]", plan="string[python]"),
    "pandas arrow string": pandas_frame(id="string[pyarrow]", plan="string[pyarrow]"),
    "pandas on arrow": pd.DataFrame(
        {
            "id": pd.Series(["m1", "m2", "m3"], dtype=pd.ArrowDtype(pa.string())),
            "plan": pd.Series(["a", None, "b"], dtype=pd.ArrowDtype(pa.large_string())),
            "visits": pd.Series([3, None, 0], dtype=pd.ArrowDtype(pa.int32())),
        }
    ),
    "pandas with an index of its own": pandas_frame().set_index(pd.Index([7, 7, 1], name="plan")),
    "pandas in pieces of a larger frame": pd.concat([pandas_frame()] * 3).iloc[3:6],
}


@pytest.mark.parametrize("kind", TABLES)
def test_each_kind_of_table_is_read_alike(kind):
    table = TABLES[kind]() if callable(TABLES[kind]) else TABLES[kind]
    encoded = TableEncoder(GYM).encode(as_arrow(table))
    assert encoded.violations == ()
    np.testing.assert_array_equal(encoded.matrix, EXPECTED)
    assert [str(customer) for customer in encoded.entity] == ["m1", "m2", "m3"]


@pytest.mark.skipif(pd.__version__ < "3", reason="the str dtype came with pandas 3")
def test_the_str_dtype_of_pandas_3_is_read_alike():
    frame = pandas_frame(id="str", plan="str")
    np.testing.assert_array_equal(TableEncoder(GYM).encode(as_arrow(frame)).matrix, EXPECTED)


def test_a_pandas_column_of_mixed_values_becomes_text():
    frame = pd.DataFrame({"x": [1, "a", 2.5, None, True, dt.date(2020, 1, 1), Decimal("1.50")]})
    assert as_arrow(frame)["x"].to_pylist() == ["1", "a", "2.5", None, "True", "2020-01-01", "1.5"]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1.5, True], ["1.5", "True"]),
        ([dt.date(2020, 1, 1), dt.datetime(2020, 1, 1, 5)], ["2020-01-01", "2020-01-01T05:00:00"]),  # noqa: DTZ001
        ([2**64, 0.5], ["18446744073709551616", "0.5"]),
        ([np.float16(1.5), 1], ["1.5", "1"]),
        ([np.datetime64("NaT", "us"), np.float32("nan"), "a"], [None, None, "a"]),
        ([np.datetime64("NaT", "us"), np.float32("nan")], [None, None]),
    ],
)
def test_mixed_values_that_arrow_would_bend_become_text(values, texts):
    assert as_arrow([{"x": value} for value in values])["x"].to_pylist() == texts


@pytest.mark.parametrize("value", [b"raw", [1], {"a": 1}, object(), "\ud800"])
def test_a_value_that_is_no_text_is_refused_in_its_row_alone(value):
    rows = [{"id": "m1", "plan": "a", "visits": 1}, {"id": value, "plan": "a", "visits": 1}]
    for table in (rows, pd.DataFrame(rows, dtype=object)):
        encoded = TableEncoder(GYM).encode(as_arrow(table))
        assert [(v.column, v.rule, v.positions) for v in encoded.violations] == [
            ("id", "type", (1,))
        ]


def test_pandas_columns_are_known_by_their_text():
    frame = pd.DataFrame([[1, "a"]], columns=pd.Index([0, None], dtype=object))
    assert as_arrow(frame).column_names == ["0", "None"]


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame([[1, 2]], columns=[1, "1"]),
        pa.table([[1], [2]], names=["a", "a"]),
        [{1: 1, "1": 2}],
    ],
)
def test_a_column_name_that_stands_twice_is_refused(table):
    with pytest.raises(DataError, match="appears more than once: give each column a unique name"):
        as_arrow(table)


@pytest.mark.parametrize(
    "table",
    [None, 3, "m1", {"id": ["m1"]}, [1, 2], [{"id": 1}, None], pd.Series([1]), pl.Series([1])],
)
def test_what_is_no_table_is_refused_with_what_would_be_one(table):
    with pytest.raises(DataError, match="pass a pandas, polars or Arrow table, or a list of dicts"):
        as_arrow(table, name="customers")


@pytest.mark.parametrize("table", [[{}, {}], pd.DataFrame(index=range(2))])
def test_rows_without_any_column_are_refused_and_not_lost(table):
    with pytest.raises(DataError, match="is not a table"):
        as_arrow(table)


def test_a_column_name_that_is_no_text_is_refused():
    with pytest.raises(
        DataError, match=r"column '\\ud800' breaks unknown_column: remove the column"
    ):
        as_arrow([{"\ud800": 1}])


def test_a_message_names_the_table():
    with pytest.raises(DataError, match=r"^customers does not fit its contract"):
        as_arrow(3, name="customers")


@pytest.mark.parametrize(
    ("original", "kind"),
    [
        (pd.DataFrame({"a": [1]}), pd.DataFrame),
        (pl.DataFrame({"a": [1]}), pl.DataFrame),
        (pa.table({"a": [1]}), pa.Table),
        (pa.RecordBatch.from_pylist([{"a": 1}]), pa.Table),
        ([{"a": 1}], list),
    ],
)
def test_a_result_comes_back_as_the_table_came(original, kind):
    assert isinstance(convert_like(original, pa.table({"b": [1]})), kind)


def test_a_text_is_not_taken_for_rows():
    assert not is_row_list("abc")
    assert not is_row_list(b"abc")
    assert is_row_list([])


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_moments_in_a_time_zone_stay_the_same_moments(zone):
    moments = pd.to_datetime(["2024-01-01T12:00", ""], utc=True).tz_convert(zone)
    column = as_arrow(pd.DataFrame({"seen": moments})).column("seen")
    assert column.type.tz == zone
    assert column.cast(pa.timestamp("us", "UTC")).to_pylist()[1] is None
    assert column[0].as_py() == moments[0]


IDS = {
    "text views": (pa.array(["a", "b"], pa.string_view()), ["a", "b"]),
    "run ends": (
        pa.RunEndEncodedArray.from_arrays(pa.array([1, 2]), pa.array(["a", "b"])),
        ["a", "b"],
    ),
    "decimals of 32 bits": (pa.array([Decimal(1), Decimal(2)], pa.decimal32(5, 0)), [1, 2]),
    "decimals of 64 bits": (pa.array([Decimal(1), Decimal(2)], pa.decimal64(12, 0)), [1, 2]),
    "half floats": (pa.array(np.array([1, 2], np.float16)), [1, 2]),
    "large integers": (pa.array([2**63 + 1, 2**64 - 1], pa.uint64()), [2**63 + 1, 2**64 - 1]),
    "uuids": (
        pa.array([bytes(16), bytes(range(16))], pa.uuid()),
        ["00000000-0000-0000-0000-000000000000", "00010203-0405-0607-0809-0a0b0c0d0e0f"],
    ),
}


@pytest.mark.parametrize("kind", sorted(IDS))
def test_rare_types_of_ids_can_be_encoded_and_written(kind, tmp_path):

    ids, expected = IDS[kind]
    contract = Contract(
        "gym", (Column("id", "string", ("entity",)), Column("x", "number", ("feature",)))
    )
    encoded = TableEncoder(contract).encode(pa.table({"id": ids, "x": [1.0, 2.0]}))
    assert not encoded.findings
    entity = pa.chunked_array(encoded.entity)
    assert entity.to_pylist() == expected
    pcsv.write_csv(pa.table({"id": entity}), tmp_path / "ids.csv")
    pq.write_table(pa.table({"id": entity}), tmp_path / "ids.parquet")
    assert as_arrow(pa.table({"id": ids}))["id"].to_pylist() == expected


@pytest.mark.parametrize(
    "dtype", [pl.Int128, pl.Decimal(20, 2), pl.Categorical, pl.Enum(["1", "2"])]
)
def test_types_of_polars_become_numbers(dtype):
    contract = Contract(
        "gym", (Column("id", "string", ("entity",)), Column("x", "number", ("feature",)))
    )
    values = ["1", "2"] if dtype == pl.Categorical or isinstance(dtype, pl.Enum) else [1, 2]
    frame = pl.DataFrame({"id": ["a", "b"], "x": pl.Series(values, dtype=dtype)})
    assert TableEncoder(contract).encode(as_arrow(frame)).matrix[:, 0].tolist() == [1.0, 2.0]
