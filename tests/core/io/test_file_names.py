"""Dates in the names of files and sheets; the right dates are those of strptime."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from churnkit.core.io.formats.file_names import file_dates, find_numbered, name_pattern

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
