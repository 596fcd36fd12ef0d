"""Rows are left out by reason and counted."""

from __future__ import annotations

import pyarrow as pa
import pytest

from churnkit.contracts import Column, Contract
from churnkit.errors import RecipeError
from churnkit.pipeline.training.data.row_filters import REASONS, describe_left_out, leave_out_rows

GYM = Contract(
    "gym",
    (
        Column("member", "string", ("entity",)),
        Column("visits", "number", ("feature",), nullable=True),
        Column("note", "string", ("ignore",), nullable=True),
        Column("left", "boolean", ("label",)),
    ),
)
ROWS = pa.table(
    {
        "member": ["a", "b", "a ", None, "c", "b", " "],
        "visits": ["1", "", "1", "1", "2", "3", "4"],
        "note": ["x", "y", "z", "", "", "", ""],
        "left": ["yes", "no", "yes", "no", "", "no", ""],
    }
)


def test_each_reason_leaves_out_its_rows():
    kept, counts = leave_out_rows(GYM, ROWS, REASONS)
    assert kept["member"].to_pylist() == ["a", "b", "b"]
    assert kept["visits"].to_pylist() == ["1", "", "3"]
    assert counts == {"unnamed": 2, "unlabeled": 1, "repeated": 1}


@pytest.mark.parametrize(
    ("reason", "left"),
    [("unnamed", 5), ("unlabeled", 5), ("repeated", 6)],
)
def test_rows_are_left_out_for_the_listed_reasons_only(reason, left):
    kept, counts = leave_out_rows(GYM, ROWS, [reason])
    assert kept.num_rows == left
    assert counts == {reason: 7 - left}
    assert leave_out_rows(GYM, ROWS, ()) == (ROWS, {})


def test_a_row_is_repeated_in_what_training_reads():
    rows = pa.table({"member": ["a", "a"], "visits": [1, 1], "note": ["x", "y"], "left": [1, 1]})
    assert leave_out_rows(GYM, rows, ["repeated"])[0].num_rows == 1
    other = rows.set_column(1, "visits", pa.array([1.0, None]))
    assert leave_out_rows(GYM, other, ["repeated"])[0].num_rows == 2


def test_a_table_without_rows_or_columns_is_left_to_the_checks():
    assert leave_out_rows(GYM, ROWS.slice(0, 0), REASONS)[1] == {}
    assert leave_out_rows(GYM, ROWS.select(["visits"]), ["unnamed"])[1] == {}


def test_an_unknown_reason_is_refused():
    with pytest.raises(RecipeError, match="among unnamed, unlabeled, repeated, got 'twice'"):
        leave_out_rows(GYM, ROWS, ["twice"])


def test_rows_left_out_are_described():
    assert describe_left_out({"repeated": 1_200}) == (
        "left out: 1,200 rows that duplicate an earlier row",
    )
