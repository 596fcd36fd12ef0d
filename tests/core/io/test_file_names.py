"""Dates in the names of files and sheets; the right dates are those of strptime."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from churnkit.core.io.formats.file_names import (
    file_dates,
    find_numbered,
    months_without_year,
    name_pattern,
)

MONTHS = pd.period_range("2023-11", periods=5, freq="M")
ENDS = [month.end_time.date() for month in MONTHS]


@pytest.mark.parametrize("suffix", ["", ".csv", ".parquet.gz"])
@pytest.mark.parametrize(
    "form",
    [
        "customers_%b_%Y", "customers_%Y_%b", "%b-%y", "%B %Y", "%Y%b", "crm-%b%y-eu", "%B%Y", "%b'%y",
        "crm_%b_%d_%Y", "crm_%d%b%Y", "crm %d. %B %Y", "%Y-%b-%d", "customers_%Y_%m", "crm_%Y%m%d",
    ],
)  # fmt: skip
@pytest.mark.parametrize("change", [str, str.upper, str.lower])
def test_names_of_months_are_a_series_in_their_order(form, suffix, change):
    names = [change(end.strftime(form)) + suffix for end in ENDS]
    assert find_numbered([*names[::-1], f"market_2024{suffix}"]) == [names]
    assert file_dates(names) == ENDS
    pattern, others = name_pattern(names, [*names, f"orders{suffix}"])
    assert others == []
    # The file of the next month belongs to it, and is one of a series alone.
    later = change(dt.date(2024, 4, 30).strftime(form)) + suffix
    assert name_pattern(names, [*names, later]) == (pattern, [later])
    assert file_dates([later], pattern) == [dt.date(2024, 4, 30)]


@pytest.mark.parametrize(
    ("names", "dates"),
    [
        (["März 2024", "juil. 2024", "Dezember 2024"], ["2024-03-31", "2024-07-31", "2024-12-31"]),
        (["enero_2024", "fev_2024", "ago_2024"], ["2024-01-31", "2024-02-29", "2024-08-31"]),
        (["Jan-98", "Feb-98"], ["1998-01-31", "1998-02-28"]),
        (["crm_out_23", "crm_set_23"], ["2023-10-31", "2023-09-30"]),
        (["jan24", "apr24", "oct23"], ["2024-01-31", "2024-04-30", "2023-10-31"]),
        (["31.Jan.24", "31.Dec.24"], ["2024-01-31", "2024-12-31"]),
        (["crm_2024Q1", "crm_2024-Q2", "Q3 2024"], ["2024-03-31", "2024-06-30", "2024-09-30"]),
    ],
)
def test_months_of_other_languages_and_quarters_have_dates(names, dates):
    assert [str(date) for date in file_dates(names) or ()] == dates


@pytest.mark.parametrize(
    "names",
    [
        ["market_2024", "april_2024"], ["jan", "feb"], ["may_10", "may_11"], ["set1_2024", "set2_2024"],
        ["customers_jan_2024", "orders_jan_2024"], ["usage_30d", "usage_7d"], ["decimal_24", "mayor_24"],
        ["customers_jan31", "customers_feb28", "customers_mar31", "customers_apr30"], ["may_10", "june_10"],
        ["jan15", "feb12", "mar30"], ["sep_30", "dec_31"], ["opt_out_2023", "opt_out_2024"],
        ["data_set_2023", "data_set_2024"], ["jan24", "jul24"], ["jui_2023", "jui_2024"],
        ["sales_2015", "sales_2016"], ["Jan 24", "Jan 25 to Mar 25"],
    ],
)  # fmt: skip
def test_other_names_are_no_series_of_dates(names):
    assert file_dates(names) is None or not find_numbered(names)


def test_a_pattern_of_months_matches_no_other_file_of_the_folder():
    names = ["Jan2024.csv", "Feb2024.csv"]
    pattern, others = name_pattern(names, [*names, "orders2024.csv", "plans2023.csv"])
    assert others == []
    assert file_dates(["Okt2024.csv"], pattern) == [dt.date(2024, 10, 31)]


@pytest.mark.parametrize(
    ("names", "is_refused"),
    [
        (["customers_jan31", "customers_feb28", "customers_mar31", "customers_apr30"], True),
        (["may_10", "june_10"], True), (["crm_set", "crm_oct"], True), (["Jan-24", "Feb-24"], False),
        (["data_set.csv", "data_out.csv"], False), (["may_10", "may_11"], False),
        (["jan_2024", "feb_2024"], False),
    ],
)  # fmt: skip
def test_days_after_months_are_no_years(names, is_refused):
    assert months_without_year(names) == (names if is_refused else [])
    assert file_dates(names) is None or not is_refused


def test_numbers_after_one_month_are_a_series_of_numbers():
    names = ["may_1.csv", "may_10.csv", "june_1.csv", "june_10.csv"]
    assert find_numbered(names) == [names[2:], names[:2]]
    assert name_pattern(names[:2], names) == ("may_[0-9]*.csv", [])
    assert find_numbered(["may_1", "may_24"]) == [["may_1", "may_24"]]
    assert name_pattern(["may_1", "may_24"], []) == ("may_[0-9]*", [])
    words = ["opt_out_2023.csv", "opt_out_2024.csv"]
    assert find_numbered(words) == [words]
    assert name_pattern(words, words) == ("opt_out_[0-9]*.csv", [])
    assert file_dates(words[:1], "opt_out_[0-9]*.csv") is None
