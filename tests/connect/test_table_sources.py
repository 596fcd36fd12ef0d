"""Databases and files as sources."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnkit.connect import Env, Files, Sql, TableQuery, check_sources
from churnkit.errors import ChurnkitError, ConnectError

ORDERS = TableQuery(
    "SELECT id, buyer, total, status, updated_at FROM orders",
    key=("id",),
    customer="buyer",
    modified="updated_at",
    constant=("total",),
)


def write(file, *statements):
    with sqlite3.connect(file) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def rows(folder, name):
    return pq.read_table(folder / "data" / f"s_{name}.parquet").to_pylist()


def test_a_database_is_read_once_and_then_by_its_changes(tmp_path, run_pull, clock, monkeypatch):
    file = tmp_path / "shop.sqlite"
    write(
        file,
        "CREATE TABLE orders (id INTEGER, buyer INTEGER, total REAL, status TEXT, updated_at TEXT)",
        "INSERT INTO orders VALUES (9007199254740993, 7, 2.5, 'open', '2026-11-01 10:00:00')",
        "INSERT INTO orders VALUES (2, 8, 4.0, 'open', '2026-11-01 10:00:00')",
    )
    monkeypatch.setenv("SHOP", str(file))
    source = Sql(Env("SHOP"), orders=ORDERS)
    run_pull(source, None, clock)
    clock.at += timedelta(days=1)
    write(
        file, "UPDATE orders SET status = 'paid', updated_at = '2026-11-03 07:59:00' WHERE id = 2"
    )
    report = run_pull(source, None, clock)
    assert (report.streams[0]["mode"], report.streams[0]["read"]) == ("changes", 1)
    orders = rows(tmp_path, "orders")
    assert [(r["id"], r["customer_id"], r["total"]) for r in orders] == [
        ("9007199254740993", "7", 2.5),
        ("2", "8", 4.0),
    ]
    history = rows(tmp_path, "orders_history")
    assert [(r["id"], r["status"], r["valid_to"] is None) for r in history] == [
        ("9007199254740993", "open", True),
        ("2", "open", False),
        ("2", "paid", True),
    ]


def test_files_are_read_again_and_vanished_rows_are_deleted(tmp_path, run_pull, clock):
    file = tmp_path / "visits.parquet"
    pq.write_table(pa.table({"id": [1, 2, 3], "pages": [4, 5, 6]}), file)
    source = Files(visits=TableQuery(str(file), key=("id",)))
    run_pull(source, None, clock)
    pq.write_table(pa.table({"id": [1, 3], "pages": [4, 7]}), file)
    clock.at += timedelta(days=1)
    report = run_pull(source, None, clock)
    assert (report.streams[0]["new"], report.streams[0]["deleted"]) == (1, 1)
    assert [r["id"] for r in rows(tmp_path, "visits") if r["deleted_at"]] == ["2"]


def test_columns_of_loaders_are_no_versions_and_their_marks_delete(tmp_path, run_pull, clock):
    file = tmp_path / "contacts.parquet"
    source = Files(
        contacts=TableQuery(str(file), key=("id",)),
        raw=TableQuery(str(file), key=("_airbyte_raw_id",)),
    )
    for synced, deleted in (("1", [False, False, None]), ("2", [False, True, None])):
        contacts = {
            "id": [1, 2, 3],
            "plan": ["a", "b", "c"],
            "_fivetran_deleted": deleted,
            "_fivetran_synced": [synced] * 3,
            "_airbyte_raw_id": ["x", "y", "z"],
            "_sdc_deleted_at": [None, None, "2026-11-01"],
        }
        pq.write_table(pa.table(contacts), file)
        report = run_pull(source, None, clock)
        clock.at += timedelta(days=1)
    # Only the deletion is new in the second run.
    assert [(s["new"], s["deleted"]) for s in report.streams] == [(1, 1), (1, 1)]
    table = rows(tmp_path, "contacts")
    assert {r["id"]: r["deleted_at"] is not None for r in table} == {
        "1": False,
        "2": True,
        "3": True,
    }
    assert not [name for name in table[0] if name.startswith(("_fivetran", "_airbyte", "_sdc"))]
    assert {r["_airbyte_raw_id"] for r in rows(tmp_path, "raw")} == {"x", "y", "z"}


def test_a_missing_table_is_named_and_the_url_is_not(tmp_path, run_pull, clock, monkeypatch):
    file = tmp_path / "canary.sqlite"
    write(file, "CREATE TABLE other (id INTEGER)")
    monkeypatch.setenv("SHOP", str(file))
    source = Sql(Env("SHOP"), orders=ORDERS)
    with pytest.raises(ChurnkitError):
        run_pull(source, None, clock)
    (check,) = check_sources({"s": source}, (), transport=None, clock=clock, jitter=None)  # type: ignore[arg-type]
    assert check.problem is not None
    with pytest.raises(ConnectError, match="url is a secret"):
        Sql("sqlite:///x", orders=ORDERS)  # type: ignore[arg-type]
