"""Queries of the list: addresses are the same in every language, fields are read in their own."""

from __future__ import annotations

import math
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.console.query.list_query import ListQuery
from churnkit.core.number_format import exact_digits
from churnkit.core.translation import use_locale
from churnkit.errors import ChurnkitError

pytest.importorskip("babel", reason="the extra 'report' is not installed")

LOCALES = ["en", "de", "de_CH", "en_SE"]


def bounds(query, name):
    return query.bound(name, 0), query.bound(name, 1)


@pytest.mark.parametrize(
    ("locale", "fields", "address", "shown"),
    [
        ("de", {"value_min": "1.234.567"}, "value_min=1234567", ("1234567", "")),
        ("en", {"value_min": "1,234,567"}, "value_min=1234567", ("1234567", "")),
        ("de", {"value_min": "0,5", "value_max": "12.500"}, "value_min=0.5&value_max=12500", ("0,5", "12500")),
        ("en", {"value_min": "0.5", "value_max": "12.500"}, "value_min=0.5&value_max=12.5", ("0.5", "12.5")),
        ("de_CH", {"value_max": "1'234'567.25"}, "value_max=1234567.25", ("", "1234567.25")),
        ("de", {"value_max": "0.125", "value_min": ""}, "value_max=0.125", ("", "0,125")),
    ],
)  # fmt: skip
def test_a_field_is_read_in_the_locale_and_shown_as_it_was_read(locale, fields, address, shown):
    with use_locale(locale):
        query = ListQuery.parse_form({"typed": "yes", **fields}, ())
        assert query.to_string() == address
        assert bounds(query, "value") == shown


def test_churn_risks_are_typed_and_addressed_in_percent():
    with use_locale("de"):
        query = ListQuery.parse_form({"risk_min": "7 %", "risk_max": "12,5"}, ())
        assert query.ranges["risk"] == (0.07, 0.125)
        assert query.to_string() == "risk_min=7&risk_max=12.5"
        assert bounds(query, "risk") == ("7", "12,5")


@pytest.mark.parametrize("locale", LOCALES)
def test_an_address_means_the_same_in_every_language(locale):
    text = "risk_min=0.3&value_min=1000&value_max=1234567.89&at_risk_max=0.001"
    with use_locale(locale):
        query = ListQuery.parse_string(text, ())
        assert query.ranges == {
            "risk": (0.003, math.inf), "value": (1000.0, 1234567.89), "at_risk": (-math.inf, 0.001)
        }  # fmt: skip
        assert query.to_string() == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(LOCALES))
def test_every_number_survives_its_address_and_its_field(number, locale):
    with use_locale(locale):
        query = ListQuery(ranges={"value": (number, math.inf)})
        assert ListQuery.parse_string(query.to_string(), ()).ranges["value"][0] == number
        shown = {"value_min": query.bound("value", 0)}
        assert ListQuery.parse_form(shown, ()).ranges["value"][0] == number
        assert float(exact_digits(number)) == number


@given(st.decimals(0, 100, places=6))
def test_a_percentage_is_the_same_after_any_number_of_round_trips(percent):
    text = ListQuery.parse({"risk_min": str(percent)}, ()).to_string()
    assert float(dict(parse_qsl(text))["risk_min"]) == float(percent)
    assert ListQuery.parse_string(text, ()).to_string() == text


@pytest.mark.parametrize("text", ["1,000", "1.234.567", "12;5", "nan", "inf", "1e999", "1'000"])
def test_an_address_with_a_number_of_a_language_is_refused(text):
    with use_locale("de"), pytest.raises(ChurnkitError, match="1000"):
        ListQuery.parse({"value_min": text}, ())


def test_the_choice_of_none_survives_an_address():
    query = ListQuery.parse({"owner": "", "action": ""}, ())
    assert ListQuery.parse_string(query.to_string(), ()).choices == {"owner": "", "action": ""}
