"""Raw tables as exports have them: other dates and numbers, keys in other tables, no times."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pyarrow.csv as pcsv
import pytest

from churnkit.errors import DataError, RecipeError
from churnkit.timeline import (
    ActiveWithin,
    Count,
    Last,
    Lookup,
    ObservedChurn,
    Recency,
    Snapshots,
    Sum,
    Table,
    Timeline,
    Where,
    build,
    to_sql,
)

MOMENTS = [  # without an offset, as exports write them
    dt.datetime.fromisoformat(text)
    for text in ("2024-03-05T17:04:09", "2024-11-30T00:30:00", "2024-02-29T00:00:00")
]


def read(table, rows, *, column="amount"):
    """Read a table through a timeline, and return the sum of a column and the days since a row."""
    timeline = Timeline(
        [table],
        {"total": Sum(table.name, column), "rows": Count(table.name), "ago": Recency(table.name)},
        Snapshots(dates=("2025-01-01",)),
        ActiveWithin(table.name, days=400),
    )
    return build(timeline, rows).to_pylist()


def log(texts, written, **settings):
    table = Table(
        "log", "who", happened="at", columns={"amount": "number"}, written=written, **settings
    )
    rows = pa.table(
        {"who": [str(i) for i in range(len(texts))], "at": texts, "amount": ["1"] * len(texts)}
    )
    return read(table, {"log": rows})


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("DD/MM/YYYY", "%d/%m/%Y %H:%M:%S"),
        ("DD/MM/YYYY", "%d.%m.%Y %H:%M:%S"),
        ("DD/MM/YYYY", "%d-%m-%y %H:%M:%S"),
        ("MM/DD/YYYY", "%m/%d/%Y %H:%M:%S"),
        ("MM/DD/YYYY", "%m/%d/%Y %I:%M:%S %p"),
        ("MM/DD/YYYY", "%m-%d-%YT%H:%M:%SZ"),
        ("YYYYMMDD", "%Y%m%d"),
        ("YYMMDD", "%y%m%d"),
        ("DD Mon YYYY", "%d-%b-%y"),
        ("DD Mon YYYY", "%d %B %Y %I:%M %p"),
        ("DD Mon YYYY", "%b. %d, %Y"),
    ],
)
def test_dates_are_read_in_the_declared_order_of_day_and_month(written, form):
    rows = log([moment.strftime(form) for moment in MOMENTS], {"at": written})
    expected = [(dt.date(2024, 12, 31) - moment.date()).days for moment in MOMENTS]
    assert [row["ago"] for row in rows] == expected


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("202402", "YYYYMM"), ("2024-02", "YYYYMM"), ("202402.0", "YYYYMM"), ("02/2024", "MM/YYYY"),
        ("2-2024", "MM/YYYY"), ("Feb-24", "MM/YYYY"), ("février 2024", "MM/YYYY"), ("2024Feb", "MM/YYYY"),
        ("Feb. '24", "MM/YYYY"),
    ],
)  # fmt: skip
def test_a_month_stands_for_its_last_day(text, written):
    (row,) = log([text], {"at": written})
    assert row["ago"] == (dt.date(2024, 12, 31) - dt.date(2024, 2, 29)).days


@pytest.mark.parametrize("kind", [pa.string(), pa.float64()])
def test_days_of_a_spreadsheet_are_read(kind):
    excel = pytest.importorskip(
        "openpyxl.utils.datetime", reason="the extra 'excel' is not installed"
    )
    days = pa.array(list(map(excel.to_excel, MOMENTS)), pa.float64())
    rows = log(days.cast(kind), {"at": "Excel serial"})
    assert [row["ago"] for row in rows] == [row["ago"] for row in log(pa.array(MOMENTS), {})]


@pytest.mark.parametrize(
    ("text", "written", "year"),
    [
        ("31-Dec-68", "DD Mon YYYY", 2068),
        ("690101", "YYMMDD", 1969),
        ("01/01/97", "DD/MM/YYYY", 1997),
        ("1. märz 1993", "DD Mon YYYY", 1993),
    ],
)
def test_two_digits_of_a_year_stand_for_1969_to_2068(text, written, year):
    table = Table("log", "who", happened="at", written={"at": written})
    dates = Snapshots(dates=(f"{year + 1}-01-01",))
    timeline = Timeline([table], {"ago": Recency("log")}, dates, ActiveWithin("log", days=400))
    (row,) = build(timeline, {"log": pa.table({"who": ["a"], "at": [text]})}).to_pylist()
    assert 0 <= row["ago"] <= 366


@pytest.mark.parametrize(
    ("unit", "factor"), [("seconds", 1), ("milliseconds", 1_000), ("microseconds", 1_000_000)]
)
@pytest.mark.parametrize("kind", [pa.string(), pa.int64(), pa.float64()])
def test_times_since_1970_are_read_in_their_unit(unit, factor, kind):
    seconds = [int(moment.replace(tzinfo=dt.UTC).timestamp()) * factor for moment in MOMENTS]
    rows = log(pa.array(seconds, pa.int64()).cast(kind), {"at": f"epoch {unit}"})
    plain = log(pa.array(MOMENTS), {})
    assert [row["ago"] for row in rows] == [row["ago"] for row in plain]


def test_compact_dates_are_read_from_integers():
    rows = log(pa.array([20240305, 20241130]), {"at": "YYYYMMDD"})
    assert [row["ago"] for row in rows] == [301, 31]


@pytest.mark.parametrize(
    ("written", "text", "value"),
    [
        ("1,234.5", "$12.00", 12.0),
        ("1,234.5", "-$3.00", -3.0),
        ("1,234.5", "$-3.00", -3.0),
        ("1,234.5", "(5.00)", -5.0),
        ("1,234.5", "USD 5", 5.0),
        ("1,234.5", "US$ 1,005", 1005.0),
        ("1,234.5", "CHF 1'200.50", 1200.5),
        ("1,234.5", "CHF 1\u2019200.50", 1200.5),
        ("1,234.5", "1.2k", 1200.0),
        ("1,234.5", "$3M", 3_000_000.0),
        ("1,234.5", "1.5e3", 1500.0),
        ("1,234.5", "Rs.500", 500.0),
        ("1,234.5", ".5", 0.5),
        ("1.234,5", "R$ 1.234,50", 1234.5),
        ("1.234,5", "12,00", 12.0),
        ("1.234,5", "2.472", 2472.0),
        ("1.234,5", "1\u00a0234,5 \u20ac", 1234.5),
        ("1.234,5", "-12,5\u20ac", -12.5),
        ("1.234,5", "12,5-", -12.5),
        ("1.234,5", "7 kr", 7.0),
    ],
)
def test_amounts_are_read_with_their_separators_and_currency(written, text, value):
    table = Table(
        "log", "who", happened="at", columns={"amount": "number"}, written={"amount": written}
    )
    rows = pa.table({"who": ["a"], "at": [MOMENTS[0]], "amount": [text]})
    assert read(table, {"log": rows})[0]["total"] == value


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("1,234.5", "12,34,5"),
        ("1,234.5", "1,2"),
        ("1.234,5", "1.2"),
        ("1,234.5", "12 apples"),
        ("1.234,5", "1,2,3"),
    ],
)
def test_texts_that_do_not_have_the_declared_format_are_refused(written, text):
    table = Table(
        "log", "who", happened="at", columns={"amount": "number"}, written={"amount": written}
    )
    rows = pa.table({"who": ["a"], "at": [MOMENTS[0]], "amount": [text]})
    with pytest.raises(DataError, match="not numbers as"):
        read(table, {"log": rows})


@pytest.mark.parametrize("text", ["31/12/2024", "2024-13-01", "noon"])
def test_a_date_in_another_format_is_refused_without_its_value(text):
    with pytest.raises(DataError, match="not times as MM/DD/YYYY") as error:
        log(["01/31/2024", text], {"at": "MM/DD/YYYY"})
    assert text not in str(error.value)


def test_texts_that_mean_missing_are_read_as_missing():
    rows = log(["2024-05-01", "NULL", "n/a"], {}, missing=["null", "N/A"])
    assert len(rows) == 1


def orders():
    """Lines of orders of customers, with keys as an export with missing values writes them."""
    return {
        "lines": pa.table(
            {"order": ["1.0", "1.0", "2.0", "3.0", None], "amount": ["1", "2", "4", "8", "16"]}
        ),
        "orders": pa.table(
            {
                "id": [1, 2, 3],
                "account": ["x", "y", "z"],
                "at": [dt.date(2024, 5, day) for day in (1, 2, 3)],
            }
        ),
        "accounts": pa.table({"account": ["x", "y"], "customer": ["ann", "ann"]}),
    }


LINES = Table(
    "lines",
    "customer",
    happened="at",
    columns={"amount": "number"},
    lookups=[Lookup("orders", "order", "id"), Lookup("accounts", "account")],
)


@pytest.mark.parametrize("as_files", [False, True])
def test_customers_and_times_are_looked_up_through_two_tables(as_files, tmp_path):
    tables = orders()
    if as_files:
        for name, table in tables.items():
            pcsv.write_csv(table, tmp_path / f"{name}.csv")
        tables = {name: tmp_path / f"{name}.csv" for name in tables}
    # The order of z has no customer, and the last line no order.
    assert read(LINES, tables) == [
        {
            "customer": "ann",
            "as_of": dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
            "total": 7.0,
            "rows": 3,
            "ago": 243,
        }
    ]


def test_an_ambiguous_lookup_is_refused():
    tables = orders()
    tables["accounts"] = pa.table({"account": ["x", "x"], "customer": ["ann", "bob"]})
    with pytest.raises(DataError, match=r"column 'account': 1 keys have several rows"):
        read(LINES, tables)
    # Rows that are equal in the columns that are read are one.
    tables["accounts"] = pa.table({"account": ["x", "x"], "customer": ["ann", "ann"], "n": [1, 2]})
    assert read(LINES, tables)[0]["total"] == 3.0


@pytest.mark.parametrize(
    ("drop", "message"),
    [("orders", "the table is missing"), ("accounts", "the table is missing")],
)
def test_a_missing_lookup_is_refused(drop, message):
    tables = orders()
    del tables[drop]
    with pytest.raises(DataError, match=message):
        read(LINES, tables)


def test_a_missing_key_is_refused():
    tables = orders()
    tables["orders"] = tables["orders"].rename_columns(["number", "account", "at"])
    with pytest.raises(DataError, match=r"column 'id', the key of Lookup\('orders'"):
        read(LINES, tables)


def test_attributes_without_a_time_are_known_at_every_date():
    timeline = Timeline(
        [
            Table("visits", "who", happened="at"),
            Table("people", "who", happened=None, columns={"city": "string", "left": "string"}),
        ],
        {"visits": Count("visits"), "city": Last("people", "city")},
        Snapshots(dates=("2024-06-01", "2024-07-01")),
        ActiveWithin("visits", days=90),
        ObservedChurn("people", horizon_days=30, where=Where("left", "==", "yes")),
    )
    tables = {
        "visits": pa.table({"who": ["a", "b", "c"], "at": [dt.date(2024, 5, 20)] * 3}),
        "people": pa.table({"who": ["a", "b"], "city": ["Bern", "Biel"], "left": ["yes", "no"]}),
    }
    rows = build(timeline, tables).to_pylist()
    assert [(row["who"], row["city"], row["churned"]) for row in rows] == 2 * [
        ("a", "Bern", True),
        ("b", "Biel", False),
        ("c", None, None),
    ]


@pytest.mark.parametrize("part", ["features", "eligible"])
def test_features_over_time_need_a_time(part):
    people = Table("people", "who", happened=None)
    table = {"features": "visits", "eligible": "visits", part: "people"}
    with pytest.raises(RecipeError, match="table 'people' has no time"):
        Timeline(
            [people, Table("visits", "who", happened="at")],
            {"n": Count(table["features"])},
            Snapshots(dates=("2024-06-01",)),
            ActiveWithin(table["eligible"], days=90),
        )


def test_a_timeline_with_lookups_and_formats_survives_json():
    timeline = Timeline(
        [
            LINES,
            Table(
                "log",
                "customer",
                happened="at",
                written={"at": "epoch milliseconds"},
                missing=["-"],
            ),
        ],
        {"n": Count("lines")},
        Snapshots(dates=("2024-06-01",)),
        ActiveWithin("log", days=90),
    )
    assert Timeline.from_json(timeline.to_json()) == timeline
    with pytest.raises(RecipeError, match="create a view"):
        to_sql(timeline, "snowflake")


def test_an_unknown_format_is_refused():
    with pytest.raises(RecipeError, match="unknown format 'D/M/Y'; use one of: DD/MM/YYYY"):
        Table("log", "who", happened="at", written={"at": "D/M/Y"})


def test_ids_that_are_text_in_one_table_and_numbers_in_another_are_compared_as_text():
    tables = [
        Table(name, "who", happened="at", written={"who": "text"}) for name in ("calls", "visits")
    ]
    timeline = Timeline(
        tables,
        {"calls": Count("calls"), "visits": Count("visits")},
        Snapshots(dates=("2024-06-01",)),
        ActiveWithin("visits", days=90),
    )
    at = [dt.date(2024, 5, 20)] * 2
    rows = {
        "calls": pa.table({"who": ["17.0", "18"], "at": at}),
        "visits": pa.table({"who": [17, 19], "at": at}),
    }
    assert [(row["who"], row["calls"]) for row in build(timeline, rows).to_pylist()] == [
        ("17", 1),
        ("19", 0),
    ]
