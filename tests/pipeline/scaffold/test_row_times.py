"""Times of rows by the names of their columns, in several languages, and by their values."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pyarrow.csv as pcsv
import pytest

from churnkit.core.io.raw_tables import find_tables
from churnkit.pipeline.scaffold.column_profile import profile_column
from churnkit.pipeline.scaffold.raw.tables.raw_tables import read_raw_tables
from churnkit.pipeline.scaffold.raw.tables.row_times import time_columns

BEGIN = dt.date(2024, 1, 1)
COUNT = 40


def chosen(*names):
    """Choose among columns of which the first is complete, and the others lack a date."""
    filled = ["2024-01-01", "2024-02-01"]
    columns = {
        name: profile_column(name, pa.chunked_array([[filled[0], filled[1] if not at else None]]))
        for at, name in enumerate(names)
    }
    return time_columns(columns, list(names))


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("Eintritt", "Austritt"),
        ("Eintrittsdatum", "Austrittsdatum"),
        ("Beitritt", "Kündigungsdatum"),
        ("Vertragsbeginn", "Vertragsende"),
        ("angemeldet_am", "abgemeldet_am"),
        ("date_adhesion", "date_resiliation"),
        ("fecha_alta", "fecha_baja"),
        ("data_adesao", "data_cancelamento"),
        ("data_iscrizione", "data_disdetta"),
        ("startdatum", "einddatum"),
        ("joined_on", "left_on"),
    ],
)
def test_dates_of_leaving_are_ends_in_several_languages(begin, end):
    assert chosen(begin, end) == (begin, None, end)


@pytest.mark.parametrize(
    "name",
    ["Geburtsdatum", "date_naissance", "fecha_nacimiento", "data_nascimento", "geboortedatum"],
)
def test_a_birthday_is_no_time_of_a_row(name):
    assert chosen(name, "Eintritt")[0] == "Eintritt"


def read_members(folder, end, ends, form="%d.%m.%Y"):
    begins = [BEGIN + dt.timedelta(days=number) for number in range(COUNT)]
    members = {
        "member_id": [f"m{number}" for number in range(COUNT)],
        "Start": [day.strftime(form) for day in begins],
        end: [
            None if days is None else (day + dt.timedelta(days=days)).strftime(form)
            for day, days in zip(begins, ends, strict=True)
        ],
    }
    visits = {
        "member_id": [f"m{number % COUNT}" for number in range(200)],
        "at": [str(BEGIN + dt.timedelta(days=number)) for number in range(200)],
    }
    for name, columns in (("members", members), ("visits", visits)):
        pcsv.write_csv(pa.table(columns), folder / f"{name}.csv")
    files = {name: folder / f"{name}.csv" for name in ("members", "visits")}
    return read_raw_tables(files, entity=None)


@pytest.mark.parametrize("form", ["%d.%m.%Y", "%Y-%m-%d", "%Y%m%d", "%d-%b-%y"])
def test_a_date_of_some_customers_that_is_not_read_is_to_be_reviewed(tmp_path, form):
    ends = [30 if number < 15 else None for number in range(COUNT)]
    raw = read_members(tmp_path, "Weg", ends, form)
    note = (
        "review: column 'Weg' of 'members' is not read: 15 of 40 rows have this date, never "
        "before 'Start'; if customers left then, rename it to left_on, and run churnkit init again"
    )
    assert note in raw.notes


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("Weg", [30] * COUNT),
        ("Weg", [-1, *[30] * 14, *[None] * 25]),
        ("last_login", [30] * 15 + [None] * 25),
        ("left_on", [30] * 15 + [None] * 25),
    ],
)
def test_other_dates_of_customers_are_no_possible_ends(tmp_path, name, ends):
    assert not any("is not read" in note for note in read_members(tmp_path, name, ends).notes)


def test_rows_without_a_time_do_not_take_that_of_their_customer(tmp_path):
    ids = [f"m{number}" for number in range(COUNT)]
    joined = [str(BEGIN + dt.timedelta(days=number)) for number in range(COUNT)]
    visits = [str(BEGIN + dt.timedelta(days=number)) for number in range(5 * COUNT)]
    tables = {
        "members": {"member_id": ids, "joined_on": joined},
        "usage": {"member_id": 3 * ids, "module": [n // COUNT for n in range(3 * COUNT)]},
        "visits": {"member_id": 5 * ids, "at": visits},
    }
    for name, columns in tables.items():
        pcsv.write_csv(pa.table(columns), tmp_path / f"{name}.csv")
    raw = read_raw_tables({name: tmp_path / f"{name}.csv" for name in tables}, entity=None)
    assert {table.name for table in raw.tables} == {"members", "visits"}
    assert "table 'usage' is left out: it has several rows per customer and no times" in raw.notes


def times_of(columns, name="log"):
    """Read one table, and return the time of its rows."""
    (table,) = read_raw_tables({name: columns}, entity=None).tables
    return table.happened


def test_days_of_a_spreadsheet_are_no_times_where_there_are_dates(tmp_path):
    path = tmp_path / "orders.csv"
    table = {
        "customer_id": [f"K{n % COUNT}" for n in range(3 * COUNT)],
        "start_date": [45_292 + n for n in range(3 * COUNT)],
        "ordered_at": [BEGIN + dt.timedelta(n) if n else None for n in range(3 * COUNT)],
    }
    pcsv.write_csv(pa.table(table), path)
    assert times_of(path) == "ordered_at"
    pcsv.write_csv(pa.table(table).drop_columns("ordered_at"), path)
    assert times_of(path) == "start_date"


def test_milliseconds_are_no_times_of_sessions(tmp_path):
    path = tmp_path / "sessions.csv"
    table = {
        "customer_id": [f"K{n % COUNT}" for n in range(3 * COUNT)],
        "session_time_ms": [30_000 + 97 * n for n in range(3 * COUNT)],
        "at": [BEGIN + dt.timedelta(n) if n else None for n in range(3 * COUNT)],
    }
    pcsv.write_csv(pa.table(table), path)
    assert times_of(path) == "at"


def test_dates_of_the_rows_of_a_log_come_before_those_of_its_files(tmp_path):
    for year in (2023, 2024):
        days = [dt.date(year, 1, 1) + dt.timedelta(n) for n in range(3 * COUNT)]
        ids = [f"K{n % COUNT}" for n in range(3 * COUNT)]
        table = pa.table({"customer_id": ids, "opted_at": [None, *days[1:]]})
        pcsv.write_csv(table, tmp_path / f"events_{year}-01.csv")
    assert times_of(tmp_path / "events_[0-9]*.csv") == "opted_at"


def test_files_of_years_named_opt_out_are_no_files_of_october(tmp_path):
    for year in (2023, 2024):
        days = [dt.date(year, 1, 1) + dt.timedelta(n) for n in range(3 * COUNT)]
        ids = [f"K{n % COUNT}" for n in range(3 * COUNT)]
        table = pa.table({"customer_id": ids, "opted_at": [None, *days[1:]]})
        pcsv.write_csv(table, tmp_path / f"opt_out_{year}.csv")
    (pattern,) = find_tables(tmp_path).values()
    assert times_of(pattern) == "opted_at"
    (table,) = read_raw_tables({"log": pattern}, entity=None).tables
    assert "file_date" not in table.profiles
