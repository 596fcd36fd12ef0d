"""Dates in the order of spreadsheets and databases, and times since 1970."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from churnkit.contracts import Column, Contract, Schema, as_of, entity, feature
from churnkit.contracts.parsing.arrow_columns import ParsedTable, normalize_dates
from churnkit.contracts.parsing.cell_parsers import compile_cell_parser
from churnkit.contracts.parsing.date_spelling import detect_date_styles, normalize_date
from churnkit.contracts.parsing.scalars import read_date
from churnkit.contracts.validation.pandera_check import check_table
from churnkit.errors import ContractError

MOMENT = dt.datetime(2024, 3, 31, 14, 5, 9, tzinfo=dt.UTC)
DAY = dt.datetime(2024, 3, 31, tzinfo=dt.UTC)


def microseconds(moment):
    return int(moment.timestamp() * 1_000_000)


@pytest.mark.parametrize(
    ("text", "style", "moment"),
    [
        ("31.03.2024", "DD/MM/YYYY", DAY),
        ("31-3-24", "DD/MM/YYYY", DAY),
        ("31 mars 2024", "DD/MM/YYYY", DAY),
        ("31-Mar-2024", "DD/MM/YYYY", DAY),
        ("31. März 2024", "DD/MM/YYYY", DAY),
        ("31/03/2024 14:05:09", "DD/MM/YYYY", MOMENT),
        ("03/31/2024", "MM/DD/YYYY", DAY),
        ("3/31/2024 2:05:09 PM", "MM/DD/YYYY", MOMENT),
        ("March 31, 2024", "MM/DD/YYYY", DAY),
        ("20240331", "YYYY-MM-DD", DAY),
        ("2024/3/31", "YYYY-MM-DD", DAY),
        ("2024-03-31 14:05:09 UTC", "YYYY-MM-DD", MOMENT),
        ("2024-03-31 16:05:09+02", "YYYY-MM-DD", MOMENT),
        ("2024-03-31T14:05:09 GMT", "YYYY-MM-DD", MOMENT),
        ("1711893909", "epoch seconds", MOMENT),
        ("1711893909000", "epoch milliseconds", MOMENT),
        ("1711893909000000", "epoch microseconds", MOMENT),
        ("Mar-24", "MM/YYYY", dt.datetime(2024, 3, 1, tzinfo=dt.UTC)),
        ("März 2024", "MM/YYYY", dt.datetime(2024, 3, 1, tzinfo=dt.UTC)),
        ("2024Mar", "MM/YYYY", dt.datetime(2024, 3, 1, tzinfo=dt.UTC)),
        ("03/2024", "MM/YYYY", dt.datetime(2024, 3, 1, tzinfo=dt.UTC)),
        # datetime(2024, 3, 31, 14, 5, 9) of openpyxl.utils.datetime.to_excel
        ("45382.58690972222", "Excel serial", MOMENT),
        ("45382,58690972222", "Excel serial", MOMENT),
        ("45382", "Excel serial", DAY),
    ],
)
def test_a_date_is_read_in_its_style(text, style, moment):
    assert read_date(normalize_date(text, style)) == microseconds(moment)


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ("31/02/2024", "DD/MM/YYYY"), ("13/13/2024", "DD/MM/YYYY"), ("31/03/2024", "MM/DD/YYYY"),
        ("2024-03-31 25:00", "YYYY-MM-DD"), ("2024-03-31 CET", "YYYY-MM-DD"), ("x", "epoch seconds"),
        ("31 foo 2024", "DD/MM/YYYY"), ("13:05 PM", "MM/DD/YYYY"), ("202413", "YYYY-MM-DD"),
        ("Maxi 24", "MM/YYYY"), ("13/2024", "MM/YYYY"), ("5-24", "MM/YYYY"), ("x", "Excel serial"),
        ("9999999", "Excel serial"),
    ],
)  # fmt: skip
def test_other_texts_are_no_dates(text, style):
    assert normalize_date(text, style) is None


@pytest.mark.parametrize(
    ("texts", "styles"),
    [
        (["01.02.2024", "15.02.2024"], ("DD/MM/YYYY",)),
        (["02/01/2024", "02/15/2024"], ("MM/DD/YYYY",)),
        (["01/02/2024", "03/04/2024"], ("DD/MM/YYYY", "MM/DD/YYYY")),
        (["01/01/2024", "02/02/2024"], ("DD/MM/YYYY",)),  # both styles read the same dates
        (["13/01/2024", "01/13/2024"], ()),
        (["2024-01", "2024-02"], ("YYYY-MM-DD",)),
        (["5", "17"], ()),
        (["Jan-24", "Dec 2023"], ("MM/YYYY",)),
        ([], ()),
    ],
)
def test_the_styles_are_those_that_fit_every_text(texts, styles):
    assert detect_date_styles(texts) == styles


class Monthly(Schema):
    member: str = entity()
    day: dt.datetime = as_of(written="DD/MM/YYYY", coerce=True)
    visits: int = feature()


def test_every_path_reads_the_style_of_the_contract():
    contract = Contract.from_schema(Monthly)
    assert Contract.from_json(contract.to_json())["day"].written == "DD/MM/YYYY"
    table = pa.table({"member": ["a", "b"], "day": ["31.03.2024", "2024-13-01"], "visits": [1, 2]})
    findings = check_table(contract, table, "predict")
    assert [(f.column, f.rule, f.positions.tolist()) for f in findings] == [("day", "type", [1])]
    parse = compile_cell_parser(contract["day"], lenient=True)
    days = (dt.date(2024, 3, 31) - dt.date(1970, 1, 1)).days
    assert (parse("31.03.2024"), parse("2024-13-01")) == (days, "type")
    dates = normalize_dates(table.slice(0, 1), contract["day"])
    assert dates["day"].to_pylist() == ["2024-03-31"]


def test_integers_since_1970_are_read_as_times():
    column = Column("at", "datetime", ("as_of",), written="epoch seconds")
    table = pa.table({"at": pa.array([1711893909, None], pa.int64())})
    values, _ = ParsedTable(table).column(column).distinct
    assert read_date(values[0]) == microseconds(MOMENT)
    assert compile_cell_parser(column, lenient=True, encode=False)(1711893909) == 0.0


@pytest.mark.parametrize("unit", ["seconds", "milliseconds", "microseconds"])
def test_fractions_since_1970_are_rounded_to_the_unit(unit):
    column = Column("at", "datetime", ("as_of",), written=f"epoch {unit}")
    whole = round(MOMENT.timestamp() * {"seconds": 1, "milliseconds": 1e3}.get(unit, 1e6))
    dates = normalize_dates(pa.table({"at": [whole + 0.25, whole - 0.25]}), column)["at"]
    assert [read_date(text) for text in dates.to_pylist()] == [microseconds(MOMENT)] * 2
    assert compile_cell_parser(column, lenient=True, encode=False)(whole + 0.25) == 0.0


def test_every_day_of_a_spreadsheet_is_that_of_openpyxl():
    excel = pytest.importorskip(
        "openpyxl.utils.datetime", reason="the extra 'excel' is not installed"
    )
    column = Column("day", "datetime", ("as_of",), written="Excel serial")
    days = [36_526 + 0.25 * number for number in range(0, 90_000, 997)]
    table = pa.table({"day": pa.array(days)})
    dates = normalize_dates(table, column)["day"].to_pylist()
    assert [dt.datetime.fromisoformat(date) for date in dates] == list(map(excel.from_excel, days))


@pytest.mark.parametrize(
    ("kind", "written"),
    [("string", "DD/MM/YYYY"), ("number", "DD/MM/YYYY"), ("datetime", "1,234.5")],
)
def test_a_style_of_another_type_is_refused(kind, written):
    with pytest.raises(ContractError, match="column 'x': written"):
        Column("x", kind, ("as_of" if kind == "datetime" else "feature",), written=written)
