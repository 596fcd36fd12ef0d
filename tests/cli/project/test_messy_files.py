"""Files that are written in unusual ways: read right, or refused with the cause."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnkit.core.io.raw_tables import find_tables, raw_table
from churnkit.core.io.table_sources import read_table
from churnkit.errors import ChurnkitError
from churnkit.pipeline.recipe import load_recipe
from churnkit.pipeline.scaffold import create_project
from churnkit.pipeline.scaffold.raw.tables.table_reader import refuse_months, refuse_parts
from tests.cli.project.test_single_tables import training_rows

ROWS = 400
RANDOM = np.random.default_rng(8)
LEFT = RANDOM.random(ROWS) < 0.3
VISITS = RANDOM.poisson(6.0, ROWS) * np.where(LEFT, 1, 2)
FEE = np.round(RANDOM.gamma(6.0, 11.0, ROWS) + 1_000.0, 2)
IDS = [f"K{number:05d}" for number in range(ROWS)]
RANDOM_REASONS = np.array(["Price", "Competitor", "Service"])[np.arange(ROWS) % 3]


def read(folder, path, **options):
    drafted = create_project(folder / "project", [path], **options)
    assert drafted.questions == ()
    recipe = load_recipe(folder / "project" / "training" / f"{drafted.recipe}.py")
    left, numbers = training_rows(recipe, folder / "project")
    np.testing.assert_array_equal(left.astype(bool), LEFT)
    np.testing.assert_allclose(numbers[next(n for n in numbers if "isit" in n)], VISITS)
    return drafted, numbers


def write(folder, encoding="utf-8", **columns):
    table = {"customer_id": IDS, "visits": VISITS, "churn": np.where(LEFT, 1, 0), **columns}
    pd.DataFrame(table).to_csv(folder / "file.csv", index=False, encoding=encoding)
    return folder / "file.csv"


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [
        ("Rezygnacja", "Tak", "Nie"), ("Uppsagd", "Ja", "Nej"), ("Iptal", "Evet", "Hay\u0131r"),
        ("отток", "да", "нет"),
    ],
)  # fmt: skip
def test_labels_in_further_languages(tmp_path, name, yes, no):
    table = {"id klienta": IDS, "Visits": VISITS, name: np.where(LEFT, yes, no)}
    pd.DataFrame(table).to_csv(tmp_path / "file.csv", index=False, sep=";")
    read(tmp_path, tmp_path / "file.csv", entity="id klienta")


def test_the_yen_of_shift_jis_is_no_backslash(tmp_path):
    table = {
        "顧客番号": IDS,
        "月額": [f"\u00a5{x:,.0f}" for x in FEE],
        "visits": VISITS,
        "解約": np.where(LEFT, "はい", "いいえ"),
    }
    pd.DataFrame(table).to_csv(tmp_path / "file.csv", index=False, encoding="shift_jis")
    _, numbers = read(tmp_path, tmp_path / "file.csv")
    np.testing.assert_allclose(numbers["月額"], np.round(FEE))


def test_numbers_with_exponents_are_numbers(tmp_path):
    texts = [f"{x * 1e4:.6E}" for x in FEE]
    _, numbers = read(tmp_path, write(tmp_path, traffic=texts))
    np.testing.assert_allclose(numbers["traffic"], [float(text) for text in texts])


def test_units_of_one_quantity_are_converted(tmp_path):
    kilo = RANDOM.integers(200, 5_000, ROWS)
    traffic = [f"{x / 1000:.3f} GB" if x >= 1000 else f"{x} MB" for x in kilo]
    energy = [f"{x / 1000} kWh" if x % 2 else f"{x} Wh" for x in kilo]
    drafted, numbers = read(tmp_path, write(tmp_path, traffic=traffic, energy=energy))
    np.testing.assert_allclose(numbers["traffic"], kilo)
    np.testing.assert_allclose(numbers["energy"], kilo)
    checks = [text for topic, text in drafted.reading if topic == "check"]
    assert any("GB converted to MB" in text for text in checks)


@pytest.mark.parametrize("code", ["-999", "-1", "99999"])
def test_a_number_that_may_stand_for_missing_is_shown(tmp_path, code):
    age = [code if n % 11 == 0 else str(20 + n % 50) for n in range(ROWS)]
    drafted, _ = read(tmp_path, write(tmp_path, age=age))
    checks = [text for topic, text in drafted.reading if topic == "check"]
    assert any(f"{code} in 37 rows may stand for missing" in text for text in checks)


def test_a_column_that_is_filled_after_the_outcome_is_left_out(tmp_path):
    has = LEFT & (RANDOM.random(ROWS) < 0.5)
    score = np.where(has, RANDOM.integers(1, 6, ROWS), np.nan)
    drafted, numbers = read(tmp_path, write(tmp_path, exit_interview_score=score))
    assert "exit_interview_score" not in numbers
    left_out = [text for topic, text in drafted.reading if topic == "left out"]
    assert any("'exit_interview_score': CK104" in text for text in left_out)


def test_rows_that_repeat_the_header_are_refused_with_their_place(tmp_path):
    path = write(tmp_path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:201], lines[0], *lines[201:]]) + "\n")
    with pytest.raises(
        ChurnkitError, match="repeats its header in 1 rows, the first of them row 201"
    ):
        create_project(tmp_path / "project", [path])


def nested():
    return [
        {"customer": {"id": IDS[n]}, "usage": {"visits": int(VISITS[n])}, "churned": bool(LEFT[n])}
        for n in range(ROWS)
    ]


def test_the_rows_of_a_json_object_are_in_its_array(tmp_path):
    text = json.dumps({"meta": {"count": ROWS}, "data": nested()})
    (tmp_path / "file.json").write_text(text)
    read(tmp_path, tmp_path / "file.json")


def test_a_json_object_with_two_arrays_is_refused(tmp_path):
    (tmp_path / "file.json").write_text(json.dumps({"customers": nested(), "orders": nested()}))
    with pytest.raises(
        ChurnkitError, match="several arrays of objects \\('customers', 'orders'\\)"
    ):
        create_project(tmp_path / "project", [tmp_path / "file.json"])


@pytest.mark.parametrize(
    "names", [["ID", "Plan", "Visits", "Fee", "Churned"], ["ID", "Plan", "Visits", "Fee", "ID"]]
)
def test_names_below_merged_cells_are_the_header(tmp_path, names):
    openpyxl = pytest.importorskip("openpyxl", reason="the extra 'excel' is not installed")
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(["Members 2026"])
    sheet.append(["Customer", None, "Usage", None, "Churned"])
    sheet.append(names)
    for n in range(ROWS):
        sheet.append([IDS[n], "ab"[n % 2], int(VISITS[n]), float(FEE[n]), bool(LEFT[n])])
    workbook.save(tmp_path / "file.xlsx")
    repeated = names.count("ID") > 1
    options = {"entity": "Customer ID", "label": "Churned ID"} if repeated else {}
    _, numbers = read(tmp_path, tmp_path / "file.xlsx", **options)
    np.testing.assert_allclose(numbers["Fee"], FEE)


def test_names_below_groups_of_columns_in_a_csv_file_are_the_header(tmp_path):
    rows = [f"{IDS[n]},{'ab'[n % 2]},{VISITS[n]},{FEE[n]},{int(LEFT[n])}" for n in range(ROWS)]
    lines = ["Customer,,Usage,,Outcome", "ID,Plan,Visits,Fee,Churned", *rows]
    (tmp_path / "file.csv").write_text("\n".join(lines) + "\n")
    drafted, numbers = read(tmp_path, tmp_path / "file.csv")
    np.testing.assert_allclose(numbers["Fee"], FEE)
    assert "1 title line above the header skipped" in dict(drafted.reading)["file"]


def test_a_minus_sign_at_the_end_is_one(tmp_path):
    balance = np.round(RANDOM.normal(0.0, 900.0, ROWS), 2)
    texts = [f"{-x:,.2f}-" if x < 0 else f"{x:,.2f}" for x in balance]
    _, numbers = read(tmp_path, write(tmp_path, balance=texts))
    np.testing.assert_allclose(numbers["balance"], balance)


def test_numbers_with_texts_of_unknown_meaning_are_named(tmp_path):
    balance = [f"{x:.2f} {'CR' if n % 2 else 'DR'}" for n, x in enumerate(FEE)]
    drafted, _ = read(tmp_path, write(tmp_path, balance=balance))
    left_out = [text for topic, text in drafted.reading if topic == "left out"]
    assert "'balance': holds numbers with other texts (CR, DR): write plain numbers" in left_out


@pytest.mark.parametrize(
    "text",
    [
        '[{"id": "a", "mrr": 3, "orders": [{"id": "x", "mrr": 1}, {"id": "y", "mrr": 2}]}]',
        '{"id": "a", "mrr": 3, "orders": [{"id": "x", "mrr": 1}, {"id": "y", "mrr": 2}]}',
    ],
)
def test_a_customer_with_orders_is_one_customer(tmp_path, text):
    (tmp_path / "file.json").write_text(text)
    table = read_table(tmp_path / "file.json")
    assert table.column_names == ["id", "mrr", "orders"]
    assert table["id"].to_pylist() == ["a"]


def test_a_wrapped_array_of_one_row_is_unwrapped(tmp_path):
    (tmp_path / "file.json").write_text('{"count": 1, "data": [{"id": "a", "mrr": 3}]}')
    assert read_table(tmp_path / "file.json").to_pylist() == [{"id": "a", "mrr": 3}]


def test_an_unnamed_column_is_no_merged_header(tmp_path):
    rows = [f"C{n},{('gold', 'silver')[n % 2]},{n},{('yes', 'no')[n % 2]}" for n in range(2, 40)]
    text = "\n".join(["customer_id,,visits,churn", "C1,gold,none,yes", *rows])
    (tmp_path / "file.csv").write_text(text)
    table = read_table(tmp_path / "file.csv")
    assert {"customer_id", "visits", "churn"} <= set(table.column_names)
    assert table.num_rows == 39


def test_a_remark_beside_a_sheet_is_no_merged_header(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="the extra 'excel' is not installed")
    book = openpyxl.Workbook()
    book.active.append(["id", "plan", "visits"])
    book.active.append(["C1", "gold", "unknown", "call back"])
    for number in range(2, 12):
        book.active.append([f"C{number}", ("gold", "silver")[number % 2], number])
    book.save(tmp_path / "file.xlsx")
    # The first customer became the names of the columns.
    with pytest.raises(ChurnkitError, match="a row has 4 cells where the header has 3"):
        read_table(tmp_path / "file.xlsx")


@pytest.mark.parametrize("name", ["Churn Category", "churn_type"])
@pytest.mark.parametrize("stayed", ["Not churned", "Stayed", "No"])
def test_reasons_beside_a_word_for_stayed_are_asked_for(tmp_path, name, stayed):
    reasons = np.where(LEFT, RANDOM_REASONS, stayed).astype(object)
    reasons[::40] = ""
    table = {"customer_id": IDS, "visits": VISITS, name: reasons}
    pd.DataFrame(table).to_csv(tmp_path / "file.csv", index=False)
    drafted = create_project(tmp_path / "project", [tmp_path / "file.csv"])
    assert drafted.questions


def test_codes_of_ten_digits_are_no_times(tmp_path):
    numbers = [9_000_000_000 + 13_577 * n for n in range(ROWS - 3)] + [
        1_600_000_000 + n for n in range(3)
    ]
    path = write(tmp_path, msisdn_code=numbers)
    drafted, _ = read(tmp_path, path, entity="customer_id")
    column = next(c for c in drafted.columns if c.name == "msisdn_code")
    assert "dates" not in column.review


def test_a_workbook_with_units_below_its_header(tmp_path):
    rows: list[list[Any]] = [
        ["customer_id", "visits", "fee", "tickets", "churn"],
        ["", "per month", "EUR", "count", "yes or no"],
    ]
    rows += [
        [i, int(v), f, 2, "Yes" if c else "No"]
        for i, v, f, c in zip(IDS, VISITS, FEE, LEFT, strict=True)
    ]
    pd.DataFrame(rows).to_excel(tmp_path / "file.xlsx", index=False, header=False)
    drafted, numbers = read(tmp_path, tmp_path / "file.xlsx")
    assert "descriptions of the columns below the header skipped" in dict(drafted.reading)["file"]
    np.testing.assert_allclose(numbers["fee"], FEE)


def test_an_id_that_repeats_at_other_dates_is_a_panel(tmp_path):
    drivers = [f"{n % 25}" for n in range(ROWS)]
    months = [f"{1 + (n // 25) % 12:02d}-01-{2023 + n // 300}" for n in range(ROWS)]
    table = {
        "MMM-YY": months,
        "Driver_ID": drivers,
        "visits": VISITS,
        "churn": np.where(LEFT, 1, 0),
    }
    pd.DataFrame(table).to_csv(tmp_path / "file.csv")
    drafted, _ = read(tmp_path, tmp_path / "file.csv")
    roles = {column.name: column.role for column in drafted.columns}
    assert (roles["Driver_ID"], roles["MMM-YY"]) == ("entity", "as_of")
    as_of = next(column for column in drafted.columns if column.role == "as_of")
    assert as_of.settings == {"written": "MM/DD/YYYY"}
    assert "assumed to be MM/DD/YYYY: all would be days of January otherwise" in as_of.review


RULERS = {
    "markdown": (["| " + " | ".join("-" * 9 for _ in range(4)) + " |"], "| ", " |", []),
    "psql": (["-" * 9 + ("+" + "-" * 11) * 3], "", "", [f"({ROWS} rows)"]),
}


@pytest.mark.parametrize("kind", RULERS)
def test_a_printed_table_is_read_without_its_lines(tmp_path, kind):
    ruler, before, after, end = RULERS[kind]
    rows = [("customer_id", "visits", "fee", "churned"), *zip(IDS, VISITS, FEE, LEFT, strict=True)]
    lines = [before + " | ".join(f"{cell!s:9}" for cell in row) + after for row in rows]
    (tmp_path / "file.txt").write_text("\n".join([lines[0], *ruler, *lines[1:], *end]) + "\n")
    _, numbers = read(tmp_path, tmp_path / "file.txt")
    np.testing.assert_allclose(numbers["fee"], FEE)
    assert set(numbers) >= {"visits", "fee"}


def test_blanks_around_names_are_no_part_of_them(tmp_path):
    lines = write(tmp_path, fee=FEE).read_text().splitlines()
    lines[0] = " customer_id , visits, churn ,fee "
    (tmp_path / "file.csv").write_text("\n".join(lines) + "\n")
    assert raw_table(tmp_path / "file.csv").column_names[2:] == ["churn", "fee"]
    assert read_table(tmp_path / "file.csv").column_names == [
        "customer_id",
        "visits",
        "churn",
        "fee",
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["'id','visits','churn'", "'a','1','0'"], "has single quotes around its values"),
        (['"id,visits,churn"', '"a,1,0"'], "has double quotes around whole lines"),
        (
            ["id,visits,churn", "a,1,0", "", "plan,price", "basic,5"],
            "remove lines that are no rows",
        ),
        (["id~visits~churn", "a~1~0"], "churnkit --csv-delimiter '~' init"),
    ],
)
def test_other_quotes_and_further_tables_are_refused_with_the_remedy(tmp_path, lines, message):
    (tmp_path / "file.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(ChurnkitError, match=message):
        read_table(tmp_path / "file.csv")


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("Comments, remarks, notes", ["good, but slow", "fine", "a, b, c"]),
        ("Q1: rate us (1:10)", ["5", "3", "5"]),
        ("id~visits~churn", []),
    ],
)
def test_signs_in_the_name_of_a_single_column_are_part_of_it(tmp_path, name, rows):
    text = "\n".join(f'"{line}"' for line in (name, *rows))
    (tmp_path / "file.csv").write_text(f"{text}\n")
    table = read_table(tmp_path / "file.csv")
    assert table.to_pydict() == {name: rows}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xls", b"id\tchurn\n1\t0\n", "is text, no workbook: rename it to end in .csv"),
        (
            "a.xls",
            b"<table><tr><td>1",
            "is a web page or XML, no workbook: open it in a spreadsheet",
        ),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old .xls format: save it as .xlsx"),
        ("a.zip", b"PK\x03\x04", "unpack it"),
        ("a.ods", b"PK\x03\x04", "save it as .xlsx"),
        ("a.sql", b"CREATE TABLE a (b int);", "load it into a database"),
    ],
)
def test_a_file_of_another_format_is_refused_with_the_remedy(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ChurnkitError, match=message):
        create_project(tmp_path / "project", [tmp_path / name])


def test_remarks_below_the_totals_of_a_sheet_are_no_customers(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="the extra 'excel' is not installed")
    workbook = openpyxl.Workbook()
    rows = zip(IDS, map(int, VISITS), map(int, LEFT), strict=True)
    for row in [("id", "visits", "churn"), *rows, ("Total", 7, 3), (), ("* left in 2025",)]:
        workbook.active.append(row)
    workbook.save(tmp_path / "file.xlsx")
    assert read_table(tmp_path / "file.xlsx").num_rows == ROWS
    read(tmp_path, tmp_path / "file.xlsx")


def test_ids_that_a_workbook_rounds_are_an_open_question(tmp_path):
    pytest.importorskip("openpyxl", reason="the extra 'excel' is not installed")
    table = {"customer_id": 2**53 + np.arange(ROWS), "visits": VISITS, "churn": LEFT.astype(int)}
    pd.DataFrame(table).to_excel(tmp_path / "file.xlsx", index=False)
    drafted = create_project(tmp_path / "project", [tmp_path / "file.xlsx"])
    assert any("more than 15 digits, as spreadsheets round them" in q for q in drafted.questions)
    pd.DataFrame(table).to_csv(tmp_path / "file.csv", index=False)
    read(tmp_path / "exact", tmp_path / "file.csv")


def test_spellings_of_yes_and_no_are_one_answer_each(tmp_path):
    spelled = np.where(
        LEFT, np.resize(["Yes", "yes ", "YES", "y"], ROWS), np.resize(["No", "N", "no"], ROWS)
    )
    drafted, _ = read(tmp_path, write(tmp_path, churn=spelled))
    (label,) = (column for column in drafted.columns if column.role == "label")
    assert set(label.settings["positive"]) == {"Yes", "yes", "YES", "y"}


def test_no_in_place_of_a_date_of_churn_means_stayed(tmp_path):
    dates = np.where(LEFT, "31.12.2024", "No")
    drafted, _ = read(tmp_path, write(tmp_path, churn=dates))
    assert "a blank or 'No' means stayed" in " ".join(text for _, text in drafted.reading)


def test_folders_of_outcomes_are_one_table(tmp_path):
    table = pd.DataFrame({"customer_id": IDS, "visits": VISITS})
    for churned in (0, 1):
        (tmp_path / "in" / f"churn={churned}").mkdir(parents=True)
        # With the index that pandas writes.
        table[churned == LEFT].to_parquet(tmp_path / "in" / f"churn={churned}" / "part.parquet")
    drafted = create_project(tmp_path / "project", [tmp_path / "in"])
    assert {c.name for c in drafted.columns if c.role == "feature"} == {"visits"}
    recipe = load_recipe(tmp_path / "project" / "training" / f"{drafted.recipe}.py")
    left, numbers = training_rows(recipe, tmp_path / "project")
    assert (left.sum(), numbers["visits"].sum()) == (LEFT.sum(), VISITS.sum())


def test_a_test_table_without_the_outcome_is_no_raw_table(tmp_path):
    table = pd.read_csv(write(tmp_path))
    (tmp_path / "in").mkdir()
    table[:300].to_csv(tmp_path / "in" / "train.csv", index=False)
    table[300:].drop(columns="churn").to_csv(tmp_path / "in" / "test.csv", index=False)
    with pytest.raises(
        ChurnkitError, match=r"test.csv has the columns of train.csv without .* 'churn'"
    ):
        create_project(tmp_path / "project", [tmp_path / "in"])


def test_a_log_next_to_recorded_outcomes_is_a_raw_table(tmp_path):
    (tmp_path / "in").mkdir()
    days = pd.date_range("2024-01-01", periods=300)
    logins = {"customer_id": np.resize(IDS, 3_000), "date": np.resize(days, 3_000)}
    pd.DataFrame(logins).to_csv(tmp_path / "in" / "logins.csv", index=False)
    for date in ({"date": "2024-11-01"}, {}):
        churn = pd.DataFrame({"customer_id": IDS, **date, "churned": LEFT.astype(int)})
        churn.to_csv(tmp_path / "in" / "churn.csv", index=False)
        drafted = create_project(tmp_path / f"project{len(date)}", [tmp_path / "in"])
        assert "logins" in "".join(drafted.notes)


@pytest.mark.parametrize(
    "shared", [{"customer_id": IDS}, {"customer_id": np.roll(IDS, 1), "plan": 1}]
)
def test_a_table_of_the_same_customers_is_no_test_table(tmp_path, shared):
    table = pd.DataFrame(shared)
    table.to_csv(tmp_path / "plans.csv", index=False)
    table.assign(churned=LEFT.astype(int)).to_csv(tmp_path / "churn.csv", index=False)
    refuse_parts(find_tables(tmp_path))


def test_a_test_table_is_refused_with_the_remedy(tmp_path):
    table = pd.DataFrame({"customer_id": IDS, "plan": 1, "churned": LEFT.astype(int)})
    table[:300].to_csv(tmp_path / "train.csv", index=False)
    table[300:].drop(columns="churned").to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(ChurnkitError, match="if both are raw tables, add --label churned"):
        refuse_parts(find_tables(tmp_path))


def test_dates_in_several_formats_are_named_as_such(tmp_path):
    forms = np.resize(["%Y-%m-%d", "%d/%m/%Y"], ROWS)
    days = pd.date_range("2023-01-01", periods=ROWS)
    since = [day.strftime(form) for day, form in zip(days, forms, strict=True)]
    drafted, _ = read(tmp_path, write(tmp_path, since=since))
    assert "'since': holds dates in several formats" in " ".join(t for _, t in drafted.reading)


@pytest.mark.parametrize("kind", ["files", "sheets"])
def test_months_without_a_year_are_refused_with_the_remedy(tmp_path, kind):
    tables = {month: pd.DataFrame({"id": IDS, "visits": VISITS}) for month in ("jan", "feb", "mar")}
    (tmp_path / "in").mkdir()
    if kind == "files":
        for month, table in tables.items():
            table.to_csv(tmp_path / "in" / f"crm_{month}.csv", index=False)
    else:
        pytest.importorskip("openpyxl", reason="the extra 'excel' is not installed")
        with pd.ExcelWriter(tmp_path / "in.xlsx") as writer:
            for month, table in tables.items():
                table.to_excel(writer, sheet_name=month, index=False)
    source = tmp_path / ("in" if kind == "files" else "in.xlsx")
    with pytest.raises(
        ChurnkitError, match=r"months without a year: .* such as '(crm_)?[a-z]{3} 2024'"
    ):
        create_project(tmp_path / "project", [source])


@pytest.mark.parametrize(
    ("names", "is_refused"),
    [
        (("customers_jan31", "customers_feb28", "customers_mar31"), True),
        (("data_set", "data_out"), False), (("customers_jan24", "customers_feb24"), False),
    ],
)  # fmt: skip
def test_days_after_months_are_no_years(tmp_path, names, is_refused):
    for name in names:
        pd.DataFrame({"id": IDS, "visits": VISITS}).to_csv(tmp_path / f"{name}.csv", index=False)
    if not is_refused:
        refuse_months([tmp_path], find_tables(tmp_path))
        return
    with pytest.raises(ChurnkitError, match="months without a year"):
        refuse_months([tmp_path], find_tables(tmp_path))


@pytest.mark.parametrize("other", ["ordered_at", "plan"])
def test_files_of_months_with_dates_or_other_columns_are_not_refused(tmp_path, other):
    """Logs state their own time, and tables of different columns are no months of one table."""
    days = pd.date_range("2024-01-01", periods=ROWS, freq="h").astype(str)
    for month in ("jan", "feb"):
        more = {other: days} if other == "ordered_at" else {f"{other}_{month}": 1}
        orders = pd.DataFrame({"customer_id": IDS, "visits": VISITS, **more})
        orders.to_csv(tmp_path / f"orders_{month}.csv", index=False)
    notes: list[str] = []
    refuse_months([tmp_path], find_tables(tmp_path), notes.append)
    text = "2 files of months, such as orders_feb.csv, are read as a table each; add the year to"
    assert [text in note for note in notes] == [True] * (other == "ordered_at")
    for month in ("jan", "feb"):
        (tmp_path / f"orders_{month}.csv").rename(tmp_path / f"orders_{month} 2024.csv")
    if other == "ordered_at":
        assert len(find_tables(tmp_path)) == 1


def test_the_lock_of_an_open_workbook_is_no_table(tmp_path):
    (tmp_path / "in").mkdir()
    write(tmp_path / "in")
    (tmp_path / "in" / "~$crm.xlsx").write_bytes(b"\0lock")
    assert list(find_tables(tmp_path / "in")) == ["file"]
    assert read_table(tmp_path / "in").num_rows == ROWS
