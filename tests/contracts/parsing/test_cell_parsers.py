"""One cell: the code for the matrix, or the first rule that it breaks."""

from __future__ import annotations

import math

import pytest

from churnkit.contracts import Check, Column
from churnkit.contracts.parsing.cell_parsers import UNKNOWN_CATEGORY, compile_cell_parser


def cell(kind, *checks, lenient=True, encode=True, **settings):
    column = Column("x", kind, ("feature",), checks=checks, **settings)
    return compile_cell_parser(column, lenient=lenient, encode=encode)


def test_a_category_is_its_place_among_the_levels():
    read = cell("string", levels=("b", "a"))
    assert [read("b"), read("a"), read(" a")] == [0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("unknown", "answer"), [("refuse", "known_level"), ("missing", UNKNOWN_CATEGORY)]
)
def test_an_unknown_category_is_refused_or_missing_as_the_column_says(unknown, answer):
    assert cell("string", levels=("a",), unknown=unknown)("z") is answer


def test_a_column_that_is_only_checked_has_no_codes():
    read = cell("string", levels=("b", "a"), unknown="missing", encode=False)
    assert [read("b"), read("a"), read("z"), read("")] == [0.0, 0.0, 0.0, "not_null"]


def test_the_first_broken_rule_answers():
    read = cell("integer", Check("ge", 0), Check("ne", -1))
    assert [read(-1), read(-0.5), read(math.inf), read("x"), read(None)] == [
        "ge(0)", "type", "finite", "type", "not_null",
    ]  # fmt: skip


def test_a_missing_value_is_nan_where_the_column_is_nullable():
    for kind in ("integer", "number", "boolean", "string"):
        levels = ("a",) if kind == "string" else None
        assert math.isnan(cell(kind, nullable=True, levels=levels)(None))


def test_a_level_that_breaks_a_check_has_no_code():
    assert cell("string", Check("ne", "a"), levels=("a", "b"))("a") == "ne('a')"


def test_checks_of_truth_values_are_held():
    read = cell("boolean", Check("isin", [True]))
    assert [read(True), read("yes"), read(False), read(0)] == [
        1.0, 1.0, "isin(True)", "isin(True)",
    ]  # fmt: skip


def test_strict_cells_take_values_as_they_are():
    assert cell("number", lenient=False)("1") == "type"
    assert cell("string", levels=("a", "1"), lenient=False)(1) == "type"
    assert cell("string", levels=("a",), lenient=False)(" a") == "known_level"
    assert cell("integer", lenient=False)(3.0) == 3.0
