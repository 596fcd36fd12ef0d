"""Raw tables of folders, workbooks and databases."""

from __future__ import annotations

import sqlite3

import openpyxl
import pyarrow as pa
import pyarrow.csv as pcsv
import pytest

from churnkit.core.io.raw_tables import find_several, find_tables
from churnkit.core.io.table_sources import open_source, read_table
from churnkit.errors import ChurnkitError

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


def test_a_workbook_in_the_old_format_is_not_left_out_silently(tmp_path):
    write_customers(tmp_path)
    (tmp_path / "orders.XLS").write_bytes(b"\xd0\xcf\x11\xe0")
    with pytest.raises(ChurnkitError, match=r"orders.XLS is a workbook in the old .xls format"):
        find_tables(tmp_path)
    with pytest.raises(ChurnkitError, match=r"old .xls format: save it as .xlsx"):
        open_source(tmp_path / "orders.XLS")


def write_database(path, *, tables):
    connection = sqlite3.connect(path)
    for name in tables:
        connection.execute(f"CREATE TABLE {name} (customer_id TEXT, n INTEGER)")
    connection.execute("CREATE VIEW totals AS SELECT customer_id, sum(n) FROM orders GROUP BY 1")
    connection.execute("CREATE VIEW broken AS SELECT n FROM gone")
    connection.commit()
    connection.close()


def test_views_of_a_database_of_tables_are_no_tables(tmp_path):
    path = tmp_path / "shop.db"
    write_database(path, tables=["customers", "orders"])
    assert list(find_several([path]) or ()) == ["customers", "orders"]
    assert read_table(f"{path}#totals").num_rows == 0


def test_views_of_a_database_with_one_table_are_read(tmp_path):
    path = tmp_path / "shop.db"
    write_database(path, tables=["orders"])
    assert list(find_several([path]) or ()) == ["broken", "orders", "totals"]


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
