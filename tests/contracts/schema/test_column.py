"""Columns and checks: descriptions and invalid settings."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.contracts import Check, Column
from churnkit.contracts.parsing.numeric_bounds import NumericBounds
from churnkit.errors import ContractError


@pytest.mark.parametrize(
    ("check", "passes", "fails"),
    [
        (Check("isin", [1, 2]), 2, 3),
        (Check("notin", [1, 2]), 3, 2),
        (Check("eq", 1), 1.0, 2),
        (Check("ne", 1), 2, 1.0),
        (Check("gt", 1), 1.5, 1),
        (Check("ge", 1), 1, 0.5),
        (Check("lt", 1), 0.5, 1),
        (Check("le", 1), 1, 1.5),
        (Check("matches", "a|b"), "bc", "cb"),
        (Check("min_length", 2), "ab", "a"),
        (Check("max_length", 2), "ab", "abc"),
    ],
)
def test_a_check_holds_as_its_rule_says(check, passes, fails):
    assert check.holds(passes)
    assert not check.holds(fails)
    assert Check(**check.to_dict()) == check


@pytest.mark.parametrize("roles", [("account", "pii"), ("pii", "parent")])
def test_personal_data_cannot_be_an_account_which_all_users_see(roles):
    with pytest.raises(ContractError, match="column 'household': accounts and parents are shown"):
        Column("household", "string", roles)


def test_a_long_list_is_shown_by_its_beginning():
    assert str(Check("isin", range(10))) == "isin(0, 1, 2, 3, 4, 5, 6, 7, and 2 more)"


def test_numbers_of_numpy_become_plain_ones():
    assert [type(item) for item in Check("isin", np.array([1, 2])).value] == [int, int]
    assert type(Check("ge", np.float32(0.5)).value) is float


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("between", 1),
        (None, 1),
        ("isin", "abc"),
        ("isin", 3),
        ("ge", None),
        ("ge", [1]),
        ("eq", b"a"),
    ],
)
def test_what_is_no_check_is_refused(rule, value):
    with pytest.raises(ContractError):
        Check(rule, value)


@pytest.mark.parametrize(
    ("kind", "rule", "value", "words"),
    [
        ("number", "ge", "1", "finite numbers that a float holds exactly"),
        ("number", "ge", math.nan, "finite numbers"),
        ("number", "isin", [math.inf], "finite numbers"),
        ("integer", "eq", 2**53 + 1, "finite numbers"),
        ("integer", "eq", 10**400, "finite numbers"),
        ("integer", "ge", True, "finite numbers"),
        ("number", "matches", "a", "does not apply to type 'number'"),
        ("string", "ge", "a", "does not apply to type 'string'"),
        ("string", "isin", ["a", " b"], "non-blank texts without surrounding"),
        ("string", "isin", ["a", ""], "non-blank texts without surrounding"),
        ("string", "eq", 1, "non-blank"),
        ("string", "matches", "(", "a regular expression"),
        ("string", "matches", "(?i)a", "without global flags"),
        ("string", "min_length", -1, "a non-negative integer"),
        ("string", "max_length", 1.5, "a non-negative integer"),
        ("boolean", "ge", 0, "does not apply to type 'boolean'"),
        ("boolean", "eq", 2, "true or false"),
        ("datetime", "eq", "2020-01-01", "use one of: none"),
    ],
)
def test_a_check_that_does_not_fit_its_column_is_refused(kind, rule, value, words):
    with pytest.raises(ContractError, match=words):
        Column("x", kind, ("ignore",), checks=(Check(rule, value),))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"name": 3}, {"name": "a\x00"}, {"type": "float"}, {"type": []}, {"roles": ()},
        {"roles": ("fature",)}, {"roles": ["feature"]}, {"roles": "feature"}, {"title": 3},
        {"title": None}, {"unit": 3}, {"phrase": []}, {"nullable": 1}, {"nullable": None},
        {"checks": [Check("ge", 0)]}, {"checks": ("ge",)}, {"levels": ["a"]}, {"levels": ("a", "a")},
        {"levels": ("a ",)}, {"levels": (1,)}, {"unknown": "ignore"}, {"unknown": None},
        {"positive": 3}, {"positive": " a"}, {"type": "integer", "levels": ("a",)},
        {"type": "integer", "positive": "1"}, {"type": "number", "positive": math.nan},
        {"type": "boolean", "positive": 2}, {"positive": "c", "checks": (Check("isin", ["a"]),)},
    ],
)  # fmt: skip
def test_a_column_that_is_none_is_refused(wrong):
    with pytest.raises(ContractError):
        Column(**{"name": "x", "type": "string", "roles": ("feature",), **wrong})


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        (Column("x", "integer", ("feature",), "Visits"), 3.0, "Visits: 3"),
        (Column("x", "number", ("feature",), "Fee", "EUR"), 1234567.5, "Fee: €1,234,568"),
        (Column("x", "number", ("feature",), "Fee"), 0.1 + 0.2, "Fee: 0.3"),
        (Column("x", "number", ("feature",), "Late", "share"), 6 / 7, "Late: 86%"),
        (
            Column("x", "number", ("feature",), phrase="{value} late", unit="share"),
            0.125,
            "12% late",
        ),
        (Column("x", "number", ("feature",), "Use", words=(("0.125", "Little"),)), 0.125, "Little"),
        (Column("x", "number", ("feature",), phrase="{value} times"), 6 / 7, "0.86 times"),
        (Column("x", "boolean", ("feature",), "Has a dog"), 1.0, "Has a dog: yes"),
        (Column("x", "string", ("feature",)), "a", "x: a"),
        (Column("x", "string", ("feature",), phrase="{value} plan"), "Gold", "Gold plan"),
        (Column("x", "number", ("feature",), "Fee"), math.nan, "Fee: not known"),
        (Column("x", "number", ("feature",), "Fee"), None, "Fee: not known"),
    ],
)
def test_a_value_is_described_with_the_schema_s_texts(column, value, words):
    assert column.describe(value) == words


@pytest.mark.parametrize(
    ("kind", "low", "high", "words"),
    [
        ("integer", None, 3.0, "Visits: less than 3"),
        ("integer", 3.0, 6.0, "Visits: 3 to 5"),
        ("integer", 3.0, 4.0, "Visits: 3"),
        ("integer", 6.0, None, "Visits: at least 6"),
        ("number", 3.0, 6.0, "Visits: 3 to less than 6"),
        ("number", None, None, "Visits: any"),
    ],
)
def test_a_range_is_described_with_the_ends_that_belong_to_it(kind, low, high, words):
    assert Column("x", kind, ("feature",), "Visits").describe_range(low, high) == words


NUMBERS = st.sampled_from([-1.5, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0, 1e300])
RULES = st.sampled_from(["ge", "gt", "le", "lt", "eq", "ne"])
SETS = st.builds(Check, st.sampled_from(["isin", "notin"]), st.lists(NUMBERS))


@given(st.lists(st.builds(Check, RULES, NUMBERS) | SETS, max_size=3), NUMBERS)
def test_bounds_combine_all_checks(checks, number):
    bounds = NumericBounds.from_checks(checks)
    inside = bounds.low <= number <= bounds.high
    inside &= bounds.allowed is None or number in bounds.allowed
    assert (inside and number not in bounds.forbidden) == all(c.holds(number) for c in checks)
