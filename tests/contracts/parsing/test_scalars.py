"""One value, read as a number, a truth value, a text or a date."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from fractions import Fraction
from time import process_time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.contracts.parsing.scalars import (
    NOT_READABLE,
    is_missing,
    is_text,
    read_boolean,
    read_date,
    read_number,
    read_text,
    to_text,
)


@given(st.floats(allow_nan=False) | st.integers(-(2**70), 2**70))
def test_a_number_and_its_text_are_the_same_number(number):
    text = to_text(number)
    assert read_number(text, lenient=True) == float(number) == read_number(number, lenient=False)
    assert math.copysign(1, read_number(text, lenient=True)) == math.copysign(1, number)


@given(st.text())
def test_text_is_a_number_only_where_python_reads_the_same_one(text):
    number = read_number(text, lenient=True)
    if number is not NOT_READABLE and not math.isnan(number):
        assert number == float(text)


@pytest.mark.parametrize(
    "text",
    ["1_000", "1,5", "0x1f", "nan", "NA", "1e", "--1", "+", ".", "1 2", "\u0663", "\xa01", "1d"],
)
def test_what_only_looks_like_a_number_is_none(text):
    assert read_number(text, lenient=True) is NOT_READABLE


@pytest.mark.parametrize("text", ["", " ", "\t\r\n\f\v"])
@pytest.mark.parametrize("lenient", [True, False])
def test_blank_text_is_a_missing_value_in_every_column(text, lenient):
    number = read_number(text, lenient=lenient)
    truth = read_boolean(text, lenient=lenient)
    date = read_date(text)
    assert math.isnan(number)
    assert math.isnan(truth)
    assert math.isnan(date)
    assert all(read is not NOT_READABLE for read in (number, truth, date))
    assert read_text(text, lenient=lenient) == ""


@pytest.mark.parametrize(
    "value",
    [None, math.nan, np.float32("nan"), pd.NA, pd.NaT, Decimal("NaN"), np.datetime64("NaT", "us")],
)
def test_every_library_s_missing_value_is_missing(value):
    assert is_missing(value)
    assert math.isnan(read_number(value, lenient=False))
    assert math.isnan(read_boolean(value, lenient=False))
    assert read_text(value, lenient=False) == ""
    assert math.isnan(read_date(value))


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (np.int8(3), 3.0), (np.uint64(2**63), 2.0**63), (np.float32(0.1), float(np.float32(0.1))),
        (Decimal("1.50"), 1.5), (Fraction(1, 4), 0.25), (10**400, math.inf), (2**53 + 1, 2.0**53),
    ],
)  # fmt: skip
def test_numbers_of_other_libraries_are_numbers(value, number):
    assert read_number(value, lenient=False) == number


@pytest.mark.parametrize(
    "value",
    [True, np.bool_(True), 1j, np.timedelta64(3, "D"), np.array(1.0), [1], b"1", dt.date.max],
)
def test_what_is_no_number_is_not_made_one(value):
    assert read_number(value, lenient=True) is NOT_READABLE


@pytest.mark.parametrize("value", [True, np.bool_(True), "Yes", " TRUE", "1", 1, 1.0, Decimal(1)])
def test_truth_comes_in_many_words(value):
    assert read_boolean(value, lenient=True) == 1.0


@pytest.mark.parametrize("value", ["yes", 1, 1.0])
def test_strict_truth_is_true_or_false(value):
    assert read_boolean(value, lenient=False) is NOT_READABLE


@pytest.mark.parametrize("value", [2, 0.5, "y", "on", math.inf, b"1"])
def test_what_is_neither_true_nor_false_is_not_readable(value):
    assert read_boolean(value, lenient=True) is NOT_READABLE


@given(st.datetimes(timezones=st.timezones() | st.none()))
def test_a_moment_is_read_as_python_counts_it_from_1970(moment):
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    assert read_date(moment) == (aware - epoch) // dt.timedelta(microseconds=1)
    offset = aware.utcoffset()
    if offset % dt.timedelta(minutes=1) == dt.timedelta():
        assert read_date(moment.isoformat()) == read_date(moment)


@given(st.dates())
def test_every_day_of_the_calendar_is_read(day):
    assert read_date(day) == read_date(day.isoformat())
    assert read_date(day) == (day - dt.date(1970, 1, 1)).days * 86_400_000_000


@given(st.integers(0, 99), st.integers(0, 20), st.integers(0, 40))
def test_a_day_is_read_where_the_calendar_has_it(century_year, month, day):
    for year in (century_year, 1900 + century_year, 2000 + century_year):
        try:
            dt.date(year, month, day)
        except ValueError:
            exists = False
        else:
            exists = True
        read = read_date(f"{year:04}-{month:02}-{day:02}")
        assert (read is not NOT_READABLE) == exists


@pytest.mark.parametrize(
    "value",
    ["20200101", "2020-1-1", "01/02/2020", "2020-01-01T24:00", "2020-01-01T10", 0, True, b""],
)
def test_what_is_no_date_is_not_made_one(value):
    assert read_date(value) is NOT_READABLE


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"), (-0.0, "-0"), (1e16, "1e+16"), (10**17, "100000000000000000"), (0.1, "0.1"),
        (math.inf, "inf"), (True, "True"), (np.bool_(False), "False"), (np.str_("a"), "a"),
        (Decimal("1.500"), "1.5"), (Decimal("3E+2"), "300"),
        (Decimal(12345678901234567890), "12345678901234567890"), (Decimal("1E+99"), "1e+99"),
        (dt.date(2020, 1, 1), "2020-01-01"), (dt.datetime(2020, 1, 1), "2020-01-01"),  # noqa: DTZ001
        (pd.Timestamp("2020-01-01T05:00+01:00"), "2020-01-01T04:00:00+00:00"),
        (np.datetime64("2020"), "2020-01-01"),
    ],
)  # fmt: skip
def test_each_value_has_one_text(value, text):
    assert to_text(value) == text


@pytest.mark.parametrize(
    "value", [b"a", [1], {}, object(), 1j, dt.time(1), dt.timedelta(1), "a\x00", "\ud800"]
)
def test_what_has_no_text_is_not_made_one(value):
    assert to_text(value) is None


def test_a_number_of_more_digits_than_python_writes_has_no_text():
    assert to_text(10**5000) is None


def test_strict_text_keeps_its_blanks_and_lenient_text_does_not():
    assert read_text(" a ", lenient=False) == " a "
    assert read_text(" a ", lenient=True) == "a"
    assert read_text("\xa0a", lenient=True) == "\xa0a"


def test_long_digits_are_read_in_linear_time():
    long = "1" * 200_000 + "x"
    start = process_time()
    assert read_number(long, lenient=True) is NOT_READABLE
    assert process_time() - start < 1.0


@given(st.text())
def test_text_is_what_can_be_stored_as_unicode_without_nul(text):
    assert is_text(text) == (
        "\x00" not in text and not any("\ud800" <= c <= "\udfff" for c in text)
    )
