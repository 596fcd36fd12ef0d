"""Raw tables of folders, workbooks and databases."""

from __future__ import annotations

import datetime as dt
import gzip
import sqlite3
from pathlib import Path

import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from churnkit.core.io.formats.excel_tables import split_workbook
from churnkit.core.io.raw_tables import describe_files, find_several, find_tables, raw_table
from churnkit.core.io.table_sources import open_source, read_table
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold.project import create_project
from churnkit.timeline.engines.duckdb_sources import column_types

ROWS = 60


def write_sheets(path, sheets):
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        sheet.append(["customer_id", name.lower()])
        for number in range(rows):
            sheet.append([f"c{number}", number])
    workbook.save(path)


def write_customers(folder):
    table = pa.table({"customer_id": [f"c{n}" for n in range(ROWS)], "age": list(range(ROWS))})
    pcsv.write_csv(table, folder / "customers.csv")


def test_sheets_of_a_workbook_in_a_folder_are_tables(tmp_path):
    write_customers(tmp_path)
    write_sheets(tmp_path / "history.xlsx", {"Plays": ROWS, "Logins": ROWS, "Legend": 5})
    tables = find_tables(tmp_path)
    assert list(tables) == ["customers", "Plays", "Logins"]
    assert read_table(tables["Logins"]).column_names == ["customer_id", "logins"]


def test_a_workbook_of_one_table_has_the_name_of_its_file(tmp_path):
    write_customers(tmp_path)
    write_sheets(tmp_path / "plays.xlsx", {"Sheet1": ROWS})
    write_sheets(tmp_path / "visits.xlsx", {"Sheet1": ROWS, "Legend": 5})
    assert list(find_tables(tmp_path)) == ["customers", "plays", "visits"]


def test_a_workbook_in_the_old_format_is_refused_where_it_is_read(tmp_path):
    old = tmp_path / "orders.XLS"
    old.write_bytes(b"\xd0\xcf\x11\xe0")
    with pytest.raises(ChurnkitError, match=r"orders.XLS is a workbook in the old .xls format"):
        find_tables(tmp_path)
    write_customers(tmp_path)
    assert find_tables(tmp_path) == {"orders": old, "customers": tmp_path / "customers.csv"}
    for read in (open_source, raw_table):
        with pytest.raises(ChurnkitError, match=r"old .xls format: save it as .xlsx"):
            read(old)
    write_sheets(tmp_path / "orders.xlsx", {"Sheet1": ROWS})
    assert find_tables(tmp_path)["orders"].suffix == ".xlsx"


def test_a_project_is_drafted_without_a_workbook_in_the_old_format(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    write_customers(folder)
    (folder / "legend.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    days = [str(dt.date(2024, 1, 1) + dt.timedelta(days=n)) for n in range(300)]
    visits = pa.table({"customer_id": [f"c{n % ROWS}" for n in range(300)], "visited_on": days})
    pcsv.write_csv(visits, folder / "visits.csv")
    lines = []  # type: ignore[var-annotated]
    create_project(tmp_path / "shop", [folder], progress=lines.append)
    assert lines[0].startswith("legend.xls is left out; it is a workbook in the old .xls format")
    recipe = (tmp_path / "shop" / "training" / "shop.py").read_text(encoding="utf-8")
    assert "visits.csv" in recipe
    assert "legend" not in recipe


def write_database(path, *, tables):
    connection = sqlite3.connect(path)
    for name in tables:
        connection.execute(f"CREATE TABLE {name} (customer_id TEXT, n INTEGER)")
    connection.execute("CREATE VIEW totals AS SELECT customer_id, sum(n) FROM orders GROUP BY 1")
    connection.execute("CREATE VIEW broken AS SELECT n FROM gone")
    connection.commit()
    connection.close()


def test_views_of_a_database_of_tables_are_found_and_not_drafted(tmp_path):
    path = tmp_path / "shop.db"
    write_database(path, tables=["customers", "orders"])
    for tables in (find_several([path], with_views=False), find_tables(tmp_path, with_views=False)):
        assert sorted(tables or ()) == ["customers", "orders"]
    for tables in (find_several([path]), find_tables(tmp_path)):
        assert sorted(tables or ()) == ["broken", "customers", "orders", "totals"]
    assert read_table(f"{path}#totals").num_rows == 0


def test_views_of_a_database_with_one_table_are_read(tmp_path):
    path = tmp_path / "shop.db"
    write_database(path, tables=["orders"])
    for with_views in (False, True):
        tables = find_several([path], with_views=with_views)
        assert sorted(tables or ()) == ["broken", "orders", "totals"]


def test_tables_precede_views_and_named_tables_both(tmp_path):
    for name in ("a.db", "b.db"):
        write_database(tmp_path / name, tables=["orders", "customers"])
    with pytest.raises(ChurnkitError, match=r"'customers' twice, .* --table customers=FILE"):
        find_tables(tmp_path)
    named = ["customers=c.csv", "orders=o.csv"]
    # Two views of a name are ambiguous, and no reason to fail where none is read.
    assert set(find_tables(tmp_path, named)) == {"customers", "orders"}
    (tmp_path / "b.db").unlink()
    pcsv.write_csv(pa.table({"customer_id": ["c1"]}), tmp_path / "totals.csv")
    assert find_tables(tmp_path)["totals"] == tmp_path / "totals.csv"


def test_text_of_a_database_may_be_windows_1252(tmp_path):
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE customers (name TEXT)")
    connection.execute("INSERT INTO customers VALUES (CAST(x'4df66e63686e' AS TEXT)), ('Zürich')")
    connection.commit()
    connection.close()
    assert read_table(path).to_pylist() == [{"name": "Mönchn"}, {"name": "Zürich"}]


def test_a_folder_of_different_tables_needs_a_date(tmp_path):
    write_customers(tmp_path)
    orders = pa.table({"order_id": [1, 2], "customer_id": ["c1", "c2"], "total": [3.0, 4.0]})
    pcsv.write_csv(orders, tmp_path / "a_orders.csv")
    with pytest.raises(ChurnkitError, match=r"different tables, .*--as-of YYYY-MM-DD"):
        open_source(tmp_path)


def write_rows(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_files_that_differ_in_a_year_are_one_table(tmp_path):
    write_rows(tmp_path / "Sales_2015.csv", "id,total\na,1\n")
    write_rows(tmp_path / "Sales_2016.csv", "total;id\n 2;b\n3;c\n")
    write_rows(tmp_path / "Sales_2017.csv", "id,total\nd,4\n")
    write_rows(tmp_path / "Sales_2017_returns.csv", "id,reason\nd,late\n")
    tables = find_tables(tmp_path)
    assert list(tables) == ["Sales", "Sales_2017_returns"]
    assert describe_files("Sales", tables["Sales"]) == (
        "Sales: 3 files Sales_2015.csv to Sales_2017.csv"
    )
    assert describe_files("Sales_2017_returns", tables["Sales_2017_returns"]) == ""
    rows = read_table(raw_table(tables["Sales"])).to_pylist()
    assert [(row["id"], row["total"]) for row in rows] == [
        ("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "table"),
    [
        (["2018-11-01-events.jsonl", "2018-11-02-events.jsonl"], "events"),
        (["part-9.jsonl", "part-10.jsonl", "part-0011.jsonl"], "part"),
        (["2020Q1.jsonl", "2020Q2.jsonl"], "rows"),
        (["log 2020-01.jsonl", "log 2020-02.jsonl.gz"], "log"),
    ],
)
def test_numbered_files_are_named_by_their_common_stem(tmp_path, names, table):
    for number, name in enumerate(names):
        content = f'{{"user": "u{number}", "ts": {number}}}\n'.encode()
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert list(find_tables(tmp_path)) == [table]
    assert read_table(raw_table(find_tables(tmp_path)[table])).num_rows == len(names)
    several = find_several([tmp_path / name for name in names])
    assert several == find_tables(tmp_path)


def test_numbered_parquet_files_are_one_table_of_a_timeline(tmp_path):
    for year in (2015, 2016):
        pq.write_table(pa.table({"id": [year]}), tmp_path / f"sales_{year}.parquet")
    path = find_tables(tmp_path)["sales"]
    assert read_table(raw_table(path))["id"].to_pylist() == [2015, 2016]
    assert column_types(duckdb.connect(), "sales", path) == {"id": "BIGINT"}


def test_a_numbered_file_with_other_columns_is_named(tmp_path):
    for year in (2015, 2016):
        write_rows(tmp_path / f"sales_{year}.csv", "id,at,total\na,2015-01-01,1\n")
    write_rows(tmp_path / "sales_2017.csv", "id,at,amount\na,2017-01-01,1\n")
    message = (
        r"sales_2017.csv has other columns than sales_2015.csv \(without column 'total', with "
        r"column 'amount'\); .* rename sales_2017.csv if it is another table"
    )
    with pytest.raises(ChurnkitError, match=message):
        find_tables(tmp_path)


def test_a_file_that_the_pattern_of_others_matches_is_named(tmp_path):
    for name in ("sales_1.csv", "sales_10.csv"):
        write_rows(tmp_path / name, "id,total\na,1\n")
    write_rows(tmp_path / "sales_10_old.csv", "id,total\na,1\n")
    with pytest.raises(ChurnkitError, match=r"matches sales_10_old.csv too: rename that file"):
        find_tables(tmp_path)


def test_numbered_files_of_different_tables_copies_and_windows_stay_apart(tmp_path):
    write_rows(tmp_path / "data1.csv", "id,age\na,1\n")
    write_rows(tmp_path / "data2.csv", "order,buyer,total\n1,a,2\n")
    for name in ("usage_7d", "usage_30d", "orders (1)", "orders (2)"):
        write_rows(tmp_path / f"{name}.csv", "id,n\na,1\n")
    assert sorted(find_tables(tmp_path)) == [
        "data1", "data2", "orders (1)", "orders (2)", "usage_30d", "usage_7d",
    ]  # fmt: skip


def test_no_table_is_lost_where_sheets_or_files_share_a_name(tmp_path):
    file = tmp_path / "w.xlsx"
    write_sheets(file, {"Orders": ROWS, "Orders 2023": ROWS, "Orders 2024": ROWS})
    workbook = openpyxl.load_workbook(file)
    for name in ("Orders 2023", "Orders 2024"):
        workbook[name]["B1"] = "amount"
    workbook.save(file)
    tables = {"Orders": Path(f"{file}#Orders"), "w": Path(f"{file}#Orders [0-9]*")}
    assert find_several(split_workbook(file)) == find_tables(tmp_path) == tables
    paths = [tmp_path / folder / "orders.csv" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        write_rows(path, "id,at\na,2015-01-01\n")
    with pytest.raises(ChurnkitError, match=r"'orders' is there twice, as .*a.orders.csv and "):
        find_several(paths)
