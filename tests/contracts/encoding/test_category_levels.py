"""Categories that the schema does not list are learned from the training table."""

from __future__ import annotations

import pyarrow as pa
import pytest

from churnkit.contracts import Check, Column, Contract
from churnkit.contracts.encoding.category_levels import MAX_LEVELS, learn_levels
from churnkit.contracts.encoding.row_encoder import RowEncoder
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.errors import ContractError, DataError

GYM = Contract(
    "gym",
    (
        Column("id", "string", ("entity",)),
        Column("city", "string", ("feature",), nullable=True, unknown="missing"),
        Column("name", "string", ("pii",)),
    ),
)


def learned(cities, contract=GYM):
    return learn_levels(contract, pa.table({"id": ["1"] * len(cities), "city": cities}))[
        "city"
    ].levels


def test_levels_stand_in_text_order_whatever_order_they_come_in():
    assert learned(["b", "a", "b", "c"]) == learned(["c", "b", "a", "a"]) == ("a", "b", "c")


def test_blank_and_missing_texts_are_no_levels():
    assert learned([" b ", "", None, "\t", "b"]) == ("b",)


def test_numbers_become_their_texts():
    assert learned(pa.array([2, 1, None])) == ("1", "2")
    assert learned(pa.array([2.0, 0.5, float("nan")])) == ("0.5", "2")


def test_a_dictionary_s_unused_entries_are_no_levels():
    cities = pa.DictionaryArray.from_arrays(pa.array([0, 0, None]), pa.array(["a", "b"]))
    assert learned(cities) == ("a",)


def test_only_the_most_frequent_of_very_many_are_kept():
    cities = [f"c{place:05}" for place in range(MAX_LEVELS + 5)] + ["z", "z"]
    levels = learned(cities)
    assert len(levels) == MAX_LEVELS
    assert "z" in levels
    assert "c00000" in levels
    assert f"c{MAX_LEVELS:05}" not in levels


def test_texts_that_break_a_check_are_no_levels():
    column = Column("city", "string", ("feature",), checks=(Check("max_length", 2),))
    assert learned(["ab", "abc"], Contract("gym", (GYM.entity, column))) == ("ab",)


def test_listed_levels_and_columns_that_no_model_reads_are_left_alone():
    column = Column("city", "string", ("feature",), levels=("x",))
    contract = Contract("gym", (GYM.entity, column, GYM["name"]))
    assert learn_levels(contract, pa.table({"id": ["1"]})) == contract


def test_a_missing_column_is_named():
    with pytest.raises(DataError, match=r"the training table does not fit.*\n.*'city' is missing"):
        learn_levels(GYM, pa.table({"id": ["1"]}))


@pytest.mark.parametrize("reader", [TableEncoder, RowEncoder])
def test_a_reader_says_that_the_levels_are_not_learned_yet(reader):
    with pytest.raises(ContractError, match=r"'city' has no categories yet.*learn_levels"):
        reader(GYM)
