"""The formats of dates mean the same in tables of customers and in the SQL of timelines."""

from __future__ import annotations

import datetime as dt

import duckdb
import pyarrow as pa

from churnkit.contracts.parsing.date_spelling import MONTHS, normalize_date
from churnkit.core.time import MONTH_OF
from churnkit.timeline.engines.duckdb_casts import cast_column

MONTH_TEXTS = [
    "Marketing 24", "01/24", "1-24", "Maerz-24", "Mrz 24", "März 2024", "MÄRZ24", "juin 24", "jui 24", "Jan-24",
    "Jan. '24", "2024Mar", "2024-Mar", "01/2024", "13/2024", "00/2024", "1-2024", "01-1000", "12-1001", "01/2100",
    "Dec 1899", "set 24", "Jan--24", "Jan---24", "x Jan 24", "Jan 24 x", "Jan 245", "2024", "01:24", "Jan2024",
    "sept. 69", "Sep 68", "aoû/1900", "déc(2099", "Jan&24",
]  # fmt: skip
SERIALS = [
    "45292", "45292.75", "45292,75", "-5", "9999999", "2958465", "2958466", "45,292", "1,5", "0", "1", "60",
    "4.5e4", "x", "45292.", ".5", "+45292",
]  # fmt: skip


def in_duckdb(texts, written):
    cast = cast_column('"at"', "VARCHAR", "datetime", "UTC", written=written)
    assert cast is not None
    rows = duckdb.from_arrow(pa.table({"at": texts})).project(cast.value).fetchall()
    return [moment and moment.isoformat() for (moment,) in rows]


def in_python(texts, written):
    dates = [normalize_date(text, written) for text in texts]
    return [date and dt.datetime.fromisoformat(date).isoformat() for date in dates]


def test_months_are_the_same_in_sql_and_in_python():
    texts = MONTH_TEXTS + [f"{name}-24" for name in MONTH_OF]
    first_days = [date and f"{date[:8]}01{date[10:]}" for date in in_duckdb(texts, "MM/YYYY")]
    assert dict(zip(texts, first_days, strict=True)) == dict(
        zip(texts, in_python(texts, "MM/YYYY"), strict=True)
    )
    months = dict(zip(texts, first_days, strict=True))
    refused = ("Marketing 24", "01/24", "1-24", "01-1000", "12-1001", "jui 24", "13/2024", "01:24")
    assert [months[text] for text in refused] == [None] * len(refused)
    assert [int(months[f"{name}-24"][5:7]) for name in MONTH_OF] == list(MONTH_OF.values())


def test_days_of_a_spreadsheet_are_the_same_in_sql_and_in_python():
    days = dict(zip(SERIALS, in_duckdb(SERIALS, "Excel serial"), strict=True))
    assert days == dict(zip(SERIALS, in_python(SERIALS, "Excel serial"), strict=True))
    assert days["45292,75"] == "2024-01-01T18:00:00"
    assert days["2958465"] == "9999-12-31T00:00:00"
    assert [text for text, day in days.items() if day is None] == [
        "-5", "9999999", "2958466", "45,292", "1,5", "4.5e4", "x", "45292.", ".5", "+45292",
    ]  # fmt: skip


def test_the_beginnings_of_names_agree():
    numbers = {name: MONTHS.get(name[:4]) or MONTHS.get(name[:3]) for name in MONTH_OF}
    assert numbers == MONTH_OF
