"""The label as 1 and 0, however a table writes it, and customers that stand there twice."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from churnkit.contracts import Check, Column, Contract
from churnkit.contracts.arrow_interop import as_arrow
from churnkit.contracts.validation.labels import duplicate_keys, encode_label
from churnkit.errors import ContractError, DataError

ENTITY = Column("id", "string", ("entity",))


def contract_of(kind, **settings):
    return Contract("gym", (ENTITY, Column("left", kind, ("label",), **settings)))


def table_of(values):
    return as_arrow([{"id": str(row), "left": value} for row, value in enumerate(values)])


@pytest.mark.parametrize(
    "values",
    [
        [True, False, True],
        [1, 0, 1],
        [1.0, 0.0, 1.0],
        ["1", "0", "1"],
        ["Yes", "No", "Yes"],
        ["true", "FALSE", " yes"],
        [True, "no", 1],
        [np.bool_(True), np.bool_(False), np.int8(1)],
    ],
)
def test_a_truth_label_is_read_however_it_is_written(values):
    labels, findings = encode_label(contract_of("boolean"), table_of(values))
    assert labels.tolist() == [1, 0, 1]
    assert labels.dtype == np.int8
    assert findings == []


@pytest.mark.parametrize("values", [[1, 0, 1], ["1", " 0", "1.0"], [1.0, 0.0, 1.0]])
def test_a_whole_number_label_is_read_however_it_is_written(values):
    assert encode_label(contract_of("integer"), table_of(values))[0].tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["Yes", "No", " Yes "]),
        pa.array(["Yes", "No", "Yes"]).dictionary_encode(),
        pa.chunked_array([["Yes"], ["No", "Yes"]]),
        pa.array(["Yes", "No", "Yes"], pa.string_view()),
    ],
)
def test_a_text_label_is_read_by_its_positive_value(column):
    table = pa.table({"id": ["1", "2", "3"], "left": column})
    labels, findings = encode_label(contract_of("string", positive="Yes"), table)
    assert labels.tolist() == [1, 0, 1]
    assert findings == []


@pytest.mark.parametrize(
    ("kind", "positive", "values"),
    [
        ("boolean", False, [False, True, "no"]),
        ("integer", 2, [2, 1, "2"]),
        ("number", -1, [-1, 0.5, "-1.0"]),
        ("string", "1", [1, 0, "1"]),
        ("string", "True", [True, False, "True"]),
    ],
)
def test_the_positive_value_may_be_any_that_the_column_holds(kind, positive, values):
    contract = contract_of(kind, positive=positive)
    assert encode_label(contract, table_of(values))[0].tolist() == [1, 0, 1]


def test_a_missing_label_is_found_in_its_row():
    labels, findings = encode_label(contract_of("boolean"), table_of([True, None, False, ""]))
    assert [(f.rule, f.positions.tolist()) for f in findings] == [("not_null", [1, 3])]
    assert labels.tolist() == [1, 0, 0, 0]


def test_a_label_that_cannot_be_read_is_found_in_its_row():
    contract = contract_of("string", positive="Y", checks=(Check("isin", ["Y", "N"]),))
    _, findings = encode_label(contract, table_of(["Y", "y", "N"]))
    assert [(f.rule, f.positions.tolist()) for f in findings] == [("isin('Y', 'N')", [1])]


@pytest.mark.parametrize("kind", ["integer", "number"])
def test_a_number_that_is_neither_one_nor_zero_is_no_label(kind):
    contract, table = contract_of(kind), table_of([1, 2, 0])
    _, findings = encode_label(contract, table)
    assert [(f.rule, f.positions.tolist()) for f in findings] == [("zero_or_one", [1])]
    with pytest.raises(DataError, match="use 1 for churned customers and 0 for others"):
        contract.validate(table)


@pytest.mark.parametrize("values", [[True, True], [0, 0], ["no"]])
def test_customers_of_one_kind_teach_nothing(values):
    with pytest.raises(DataError, match="has only one value"):
        encode_label(contract_of("boolean"), table_of(values))


def test_no_rows_have_no_labels():
    table = pa.table({"id": pa.array([], pa.string()), "left": pa.array([], pa.bool_())})
    assert encode_label(contract_of("boolean"), table)[0].shape == (0,)


def test_a_text_label_must_say_which_value_is_positive():
    with pytest.raises(ContractError, match=r"label\(positive='Yes'\)"):
        encode_label(contract_of("string"), table_of(["Yes", "No"]))


def test_a_contract_without_a_label_has_none_to_read():
    with pytest.raises(ContractError, match=r"declare one column with label\(\)"):
        encode_label(Contract("gym", (ENTITY,)), table_of([1, 0]))


def test_a_table_without_the_label_is_refused_by_name():
    with pytest.raises(DataError, match="column 'left' is missing"):
        encode_label(contract_of("boolean"), pa.table({"id": ["1"]}))


@pytest.mark.parametrize(
    ("customers", "repeated"),
    [
        (["a", "b", "a", "a"], [2, 3]),
        ([1, "1", " 1", "01"], [1, 2]),
        ([None, None, "", "a"], []),
        (pd.Series(["a", "b", "a"], dtype="category"), [2]),
        ([2**53, 2**53 + 1], []),
        ([], []),
    ],
)
def test_a_repeated_customer_is_found_at_the_later_rows(customers, repeated):
    table = as_arrow(pd.DataFrame({"id": pd.Series(customers, dtype=object)}))
    found = duplicate_keys(Contract("gym", (ENTITY,)), table)
    assert [row for finding in found for row in finding.positions.tolist()] == repeated


def test_dates_tell_rows_of_one_customer_apart_by_the_moment():
    contract = Contract("gym", (ENTITY, Column("day", "datetime", ("as_of",))))
    rows = [
        ("a", "2026-01-01"),
        ("a", "2026-01-02"),
        ("a", dt.date(2026, 1, 1)),
        ("b", "2026-01-01"),
        ("a", "2026-01-02T01:00:00+01:00"),
        ("a", None),
    ]
    table = as_arrow([{"id": customer, "day": day} for customer, day in rows])
    assert duplicate_keys(contract, table)[0].positions.tolist() == [2, 4]
