"""The record of a broken rule, as it is shown, stored and sent."""

from __future__ import annotations

import json

import numpy as np
import pytest

from churnkit.contracts.encoding.encoded import Encoded
from churnkit.contracts.validation.violations import Finding, Violation, reasons_by_row
from churnkit.errors import DataError


def test_a_finding_is_shortened_to_its_first_rows():
    violation = Finding("visits", "ge(0)", np.arange(10, 1210), "integer").to_violation()
    assert violation.count == 1200
    assert violation.positions == (10, 11, 12, 13, 14)
    assert str(violation) == (
        "column 'visits' breaks ge(0) in 1,200 rows (rows 10, 11, 12, 13, 14, ...): "
        "correct the values or leave these rows out"
    )


@pytest.mark.parametrize(
    ("kind", "words"),
    [("integer", "send whole numbers"), ("boolean", "send true or false"), ("string", "send text")],
)
def test_the_remedy_of_a_wrong_type_names_the_type(kind, words):
    assert Violation("x", "type", 1, (0,), kind).remedy == words


@pytest.mark.parametrize(
    ("violation", "words"),
    [
        (Violation("x", "missing_column", 1), "column 'x' is missing: add the column"),
        (Violation("", "empty", 1), "the table is empty: pass a table with at least one row"),
        (Violation("x", "duplicate_column", 1), "column 'x' appears more than once: give"),
        (Violation("", "not_a_table", 1), "the table is not a table: pass a pandas"),
        (
            Violation("x", "unknown_column", 1, (3,)),
            "breaks unknown_column in 1 row (row 3): remove",
        ),
    ],
)
def test_each_rule_says_what_to_do(violation, words):
    assert words in str(violation)


def test_a_record_is_json():
    record = Finding("x", "type", np.array([3]), "number").to_violation().to_dict()
    assert json.loads(json.dumps(record)) == {
        "column": "x", "rule": "type", "count": 1, "positions": [3], "remedy": "send numbers",
    }  # fmt: skip


def test_an_error_lists_twenty_rules_and_counts_the_rest():
    error = DataError("gym", [Violation(f"c{place}", "type", 1) for place in range(25)])
    assert len(error.violations) == 25
    assert str(error).count("\n") == 21
    assert str(error).endswith("and 5 more rules")


FINDINGS = (Finding("a", "type", np.array([2, 0])), Finding("b", "not_null", np.array([2])))


def test_reasons_are_told_by_row():
    assert reasons_by_row(FINDINGS) == {0: "a: type", 2: "a: type; b: not_null"}


def test_a_row_with_a_finding_is_not_valid():
    encoded = Encoded(["x", "y", "z"], np.zeros((3, 1)), 1, FINDINGS)
    assert encoded.valid.tolist() == [False, True, False]
    assert list(encoded.reasons()) == [0, 2]
    assert [violation.rule for violation in encoded.violations] == ["type", "not_null"]
