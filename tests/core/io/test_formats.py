"""The same rows from every container, and damaged or misnamed files refused in words."""

# ruff: noqa: DTZ001 - times of files have no zone
from __future__ import annotations

import bz2
import datetime as dt
import gzip
import io
import json
import lzma
import sqlite3
import subprocess
import sys
import threading
import zipfile
from decimal import Decimal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.feather as pf
import pyarrow.parquet as pq
import pytest

from churnkit.core.io import spool, table_file
from churnkit.core.io.formats import excel, json_records
from churnkit.core.io.formats.python_values import to_arrow
from churnkit.core.io.locations import parse_location
from churnkit.core.io.query import Query
from churnkit.core.io.raw_tables import find_several, find_tables, raw_table
from churnkit.core.io.table_sources import (
    local_parquet,
    open_rows,
    open_source,
    read_all,
    read_table,
)
from churnkit.errors import ChurnkitError, DataError

openpyxl = pytest.importorskip("openpyxl", reason="the extra 'excel' is not installed")

ROWS: list[dict[str, Any]] = [
    {"id": "007", "visits": 3, "amount": 2.5, "at": dt.datetime(2026, 1, 2, 3, 4), "paid": True},
    {"id": "é;", "visits": None, "amount": 4.0, "at": None, "paid": None},
    {"id": 'x,\n"y"', "visits": 12, "amount": -1.25, "at": dt.datetime(2026, 2, 1), "paid": False},
]  # fmt: skip
TEXTS = [
    {"id": "007", "visits": "3", "amount": "2.5", "at": "2026-01-02 03:04:00.000000", "paid": "true"},
    {"id": "é;", "visits": "", "amount": "4", "at": "", "paid": ""},
    {"id": 'x,\n"y"', "visits": "12", "amount": "-1.25", "at": "2026-02-01 00:00:00.000000",
     "paid": "false"},
]  # fmt: skip


def as_json(value):
    return value.isoformat() if isinstance(value, dt.datetime) else value


def write_stream(table, path):
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)


def write_json(table, path):
    lines = [json.dumps({k: as_json(v) for k, v in row.items()}) for row in table.to_pylist()]
    text = "\n".join(lines) if path.suffix == ".jsonl" else f"[\n{', '.join(lines)}]\n"
    path.write_text(text, encoding="utf-8")


def write_workbook(table, path):
    workbook = openpyxl.Workbook()
    workbook.active.title = "Customers"
    workbook.active.append(table.column_names)
    for row in table.to_pylist():
        workbook.active.append(list(row.values()))
    workbook.save(path)


def write_sqlite(table, path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE customers (id, visits, amount, at, paid)")
    values = [tuple(map(as_json, row.values())) for row in table.to_pylist()]
    connection.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?)", values)
    connection.commit()
    connection.close()


def write_duckdb(table, path):
    with duckdb.connect(str(path)) as connection:
        connection.register("given", table)
        connection.execute("CREATE TABLE customers AS SELECT * FROM given")


WRITERS = {
    ".csv": pcsv.write_csv,
    ".tsv": lambda table, path: pcsv.write_csv(table, path, pcsv.WriteOptions(delimiter="\t")),
    ".parquet": pq.write_table,
    ".feather": pf.write_feather,
    ".arrows": write_stream,
    ".json": write_json,
    ".jsonl": write_json,
    ".xlsx": write_workbook,
    ".sqlite": write_sqlite,
    ".duckdb": write_duckdb,
}


def write(path, rows=ROWS):
    WRITERS[path.suffix](pa.Table.from_pylist(rows), path)
    return path


class TestContainers:
    """Types and missing values."""

    @pytest.mark.parametrize("suffix", ["parquet", "feather", "arrows", "xlsx", "duckdb"])
    def test_typed_containers_keep_the_types(self, tmp_path, suffix):
        table = read_table(write(tmp_path / f"customers.{suffix}"))
        assert table.to_pylist() == ROWS
        assert table.schema.field("visits").type == pa.int64()
        assert pa.types.is_timestamp(table.schema.field("at").type)

    @pytest.mark.parametrize("suffix", ["json", "jsonl"])
    def test_json_has_numbers_and_booleans_and_writes_times_as_text(self, tmp_path, suffix):
        expected = [{k: as_json(v) for k, v in row.items()} for row in ROWS]
        table = read_table(write(tmp_path / f"customers.{suffix}"))
        assert table.to_pylist() == expected
        assert table.schema.field("visits").type == pa.int64()

    def test_sqlite_has_numbers_and_text(self, tmp_path):
        expected = [{k: as_json(v) for k, v in row.items()} for row in ROWS]
        assert read_table(write(tmp_path / "c.sqlite")).to_pylist() == expected
        (tmp_path / "c.sqlite").rename(tmp_path / "c.db")
        assert read_table(f"{tmp_path}/c.db#customers").to_pylist() == expected

    @pytest.mark.parametrize("suffix", ["csv", "tsv"])
    def test_delimited_text_stays_text(self, tmp_path, suffix):
        assert read_table(write(tmp_path / f"customers.{suffix}")).to_pylist() == TEXTS

    @pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "tsv"])
    @pytest.mark.parametrize("compression", ["gz", "bz2", "xz", "zst"])
    def test_compressed_files_have_the_same_rows(self, tmp_path, suffix, compression):
        plain = write(tmp_path / f"customers.{suffix}")
        packed = tmp_path / "packed" / f"{plain.name}.{compression}"
        packed.parent.mkdir()
        content = plain.read_bytes()
        if compression == "zst":
            with pa.CompressedOutputStream(str(packed), "zstd") as stream:
                stream.write(content)
        else:
            module = {"gz": gzip, "bz2": bz2, "xz": lzma}[compression]
            packed.write_bytes(module.compress(content))
        assert read_table(packed).equals(read_table(plain))
        assert open_rows(open_source(packed)).fingerprint[0][0] == str(packed)
        if (suffix, compression) != ("csv", "gz") and suffix != "tsv":
            packed.write_bytes(packed.read_bytes()[:40])
            with pytest.raises(ChurnkitError, match="truncated, damaged"):
                read_table(packed)

    def test_a_truncated_gzip_of_csv_is_refused(self, tmp_path):
        file = tmp_path / "c.csv.gz"
        file.write_bytes(gzip.compress(b"id,plan\n" + b"1,a\n" * 1000)[:-20])
        with pytest.raises(ChurnkitError, match="damaged, truncated"):
            read_table(file)

    def test_rows_beyond_a_batch_are_read(self, tmp_path, monkeypatch):
        rows = [{**row, "id": str(n)} for n in range(20) for row in ROWS]
        for module in (table_file, excel, json_records):
            monkeypatch.setattr(module, "BATCH_ROWS", 7)
        for suffix in ("feather", "jsonl", "xlsx"):
            source: Any = open_source(write(tmp_path / f"c.{suffix}", rows))
            sizes = [batch.num_rows for batch in source.batches(["id"])]
            assert max(sizes) == 7
            assert sum(sizes) == 60
            assert read_all(source, columns=["visits"])["visits"].null_count == 20

    def test_all_containers_give_the_timeline_a_local_parquet_file(self, tmp_path):
        for suffix in ("xlsx", "jsonl", "sqlite", "duckdb", "feather", "csv.gz"):
            plain = write(tmp_path / "in" / f"c.{suffix}") if suffix != "csv.gz" else None
            if plain is None:
                plain = tmp_path / "in" / "c.csv.gz"
                plain.write_bytes(gzip.compress(b"id,visits\n007,3\n"))
            path = local_parquet(open_source(plain))
            assert pq.read_table(path, columns=["id"])["id"][0].as_py() == "007"

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path):
        (tmp_path / "in").mkdir()


class TestValues:
    """Columns of several kinds of values."""

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([1, 2.5, None], [1.0, 2.5, None]),
            ([1, "x", 2.0, 2.5], ["1", "x", "2", "2.5"]),
            ([True, 1], ["true", "1"]),
            ([Decimal("1.50"), 2], [Decimal("1.50"), Decimal("2.00")]),
            ([dt.date(2026, 1, 2), None], [dt.date(2026, 1, 2), None]),
            (
                [dt.date(2026, 1, 2), dt.datetime(2026, 1, 2, 3)],
                [dt.datetime(2026, 1, 2), dt.datetime(2026, 1, 2, 3)],
            ),
            ([2**70, 1], [str(2**70), "1"]),
            ([None, None], [None, None]),
        ],
    )
    def test_values_keep_their_type_or_become_text(self, values, expected):
        assert to_arrow(values).to_pylist() == expected

    def test_types_that_change_between_batches_are_unified(self, tmp_path, monkeypatch):
        monkeypatch.setattr(json_records, "BATCH_ROWS", 1)
        file = tmp_path / "c.jsonl"
        file.write_text('{"a": 1, "b": 1}\n{"a": "x"}\n{"b": 2.5, "c": null}\n')
        table = read_table(file)
        assert table.to_pylist() == [
            {"a": "1", "b": 1.0, "c": None},
            {"a": "x", "b": None, "c": None},
            {"a": None, "b": 2.5, "c": None},
        ]
        assert table.schema.field("c").type == pa.string()


class TestJson:
    """Layouts of JSON."""

    @pytest.mark.parametrize(
        "text",
        [
            '[{"a": 1}, {"a": 2}]',
            '{"a": 1}\n{"a": 2}\n',
            '\ufeff[\n{"a":\n1}\n,{"a": 2}\n]\n',
            '{"a": 1} {"a": 2}',
            '{"a": 1},\n{"a": 2}',
        ],
    )
    @pytest.mark.parametrize("characters", [1, 3, 1 << 18])
    def test_objects_are_read_from_any_layout(self, tmp_path, text, characters, monkeypatch):
        monkeypatch.setattr(json_records, "_CHUNK_CHARACTERS", characters)
        (tmp_path / "c.json").write_text(text, encoding="utf-8")
        assert read_table(tmp_path / "c.json")["a"].to_pylist() == [1, 2]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('[{"a": 1}, {"a": ', "after 1 objects: it is damaged or incomplete"),
            ('[{"a": 1}', "the array does not end"),
            ('{"a": 1}]', "a bracket is stray"),
            ('[{"a": 1}] x', "text follows the end"),
            ("[{}, 5]", "it is not an object"),
            ('[{"a": 1, "a": 2}]', "two values of one key"),
            ('[{"a": {"b": 1}, "a.b": 2}]', "two values of one key"),
            ("[]", "empty"),
        ],
    )
    def test_other_text_is_refused_with_its_position(self, tmp_path, text, message):
        (tmp_path / "c.json").write_text(text)
        with pytest.raises(ChurnkitError, match=message):
            read_table(tmp_path / "c.json")

    def test_nested_objects_are_columns_of_their_own_and_arrays_are_text(self, tmp_path):
        text = '{"id": 1, "of": {"plan": "a", "fee": {"eur": 2.5}}, "tags": ["x"]}\n{"id": 2, "of": {}}'
        (tmp_path / "c.jsonl").write_text(text)
        assert read_table(tmp_path / "c.jsonl").to_pylist() == [
            {"id": 1, "of.plan": "a", "of.fee.eur": 2.5, "tags": '["x"]'},
            {"id": 2, "of.plan": None, "of.fee.eur": None, "tags": None},
        ]

    def test_deep_nesting_is_refused(self, tmp_path):
        (tmp_path / "c.json").write_text('[{"a": ' + "[" * 100_000)
        with pytest.raises(ChurnkitError, match=r"nested|incomplete"):
            read_table(tmp_path / "c.json")


class TestWorkbooks:
    """Excel."""

    @pytest.fixture
    def workbook(self, tmp_path):
        write(tmp_path / "c.xlsx")
        workbook = openpyxl.load_workbook(tmp_path / "c.xlsx")
        yield workbook
        workbook.close()

    def test_a_sheet_is_named_or_the_only_one(self, workbook, tmp_path):
        workbook.create_sheet("Empty")
        workbook.save(tmp_path / "c.xlsx")
        assert read_table(tmp_path / "c.xlsx").num_rows == 3
        workbook.create_sheet("Notes").append(["a", "b"])
        workbook.save(tmp_path / "c.xlsx")
        with pytest.raises(ChurnkitError, match=r"2 sheets \(Customers, Notes\): name one as .*#S"):
            read_table(tmp_path / "c.xlsx")
        assert read_table(f"{tmp_path}/c.xlsx#Customers").num_rows == 3
        with pytest.raises(ChurnkitError, match="no sheet 'Nothing'"):
            read_table(f"{tmp_path}/c.xlsx#Nothing")

    def test_sheets_of_the_same_columns_are_read_together(self, workbook, tmp_path):
        copy = workbook.copy_worksheet(workbook["Customers"])
        copy.title = "Customers 2"
        workbook.save(tmp_path / "c.xlsx")
        assert read_table(f"{tmp_path}/c.xlsx#Customers*").num_rows == 6
        copy.cell(1, 1).value = "another"
        workbook.save(tmp_path / "c.xlsx")
        with pytest.raises(ChurnkitError, match="'Customers' and 'Customers 2' have different col"):
            read_table(f"{tmp_path}/c.xlsx#*")

    def test_totals_and_remarks_at_the_end_are_not_read(self, workbook, tmp_path):
        sheet = workbook["Customers"]
        before = [row.value for row in sheet["A"]]
        sheet.append(["Summe", *range(1, sheet.max_column)])
        sheet.append(["Exported 2026-01-31"])
        workbook.save(tmp_path / "c.xlsx")
        assert read_table(tmp_path / "c.xlsx").num_rows == len(before) - 1
        sheet.append(["a later customer", *range(1, sheet.max_column)])
        workbook.save(tmp_path / "c.xlsx")
        assert read_table(tmp_path / "c.xlsx").num_rows == len(before) + 2

    def test_two_columns_of_one_name_are_refused(self, workbook, tmp_path):
        sheet = workbook["Customers"]
        sheet.cell(1, 2).value = sheet.cell(1, 1).value
        workbook.save(tmp_path / "c.xlsx")
        with pytest.raises(DataError, match="appears more than once"):
            read_table(tmp_path / "c.xlsx")

    def test_a_title_blank_rows_and_an_empty_column_are_skipped(self, tmp_path):
        workbook = openpyxl.Workbook()
        for row in (
            ["Customers of May"],
            [],
            ["id", "plan", None],
            ["a", 1],
            [None, None],
            ["b", 2],
        ):
            workbook.active.append(row)
        workbook.save(tmp_path / "c.xlsx")
        assert read_table(tmp_path / "c.xlsx").to_pylist() == [
            {"id": "a", "plan": 1},
            {"id": "b", "plan": 2},
        ]

    def test_a_row_beyond_the_header_is_refused(self, workbook, tmp_path):
        workbook.active.append(["d", 1, 2.0, None, True, "beyond"])
        workbook.save(tmp_path / "c.xlsx")
        with pytest.raises(ChurnkitError, match="a row has 6 cells where the header has 5"):
            read_table(tmp_path / "c.xlsx")

    def test_a_formula_without_a_value_is_refused(self, workbook, tmp_path):
        workbook.active.append(["d", "=1+1"])
        workbook.save(tmp_path / "c.xlsx")
        with pytest.raises(ChurnkitError, match="1 formulas have no stored value"):
            read_table(tmp_path / "c.xlsx")

    @pytest.mark.parametrize("bytes_kept", [30, 3000])
    def test_a_damaged_workbook_is_refused(self, workbook, tmp_path, bytes_kept):
        (tmp_path / "c.xlsx").write_bytes((tmp_path / "c.xlsx").read_bytes()[:bytes_kept])
        with pytest.raises(ChurnkitError, match=r"c\.xlsx .*damaged"):
            read_table(tmp_path / "c.xlsx")

    def test_a_workbook_with_a_broken_sheet_is_refused(self, workbook, tmp_path):
        with zipfile.ZipFile(tmp_path / "c.xlsx") as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        members["xl/worksheets/sheet1.xml"] = members["xl/worksheets/sheet1.xml"][:-40]
        with zipfile.ZipFile(tmp_path / "c.xlsx", "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        with pytest.raises(ChurnkitError, match="cannot be read as an Excel workbook"):
            read_table(tmp_path / "c.xlsx")

    def test_a_missing_package_is_named(self, tmp_path, monkeypatch):
        write(tmp_path / "c.xlsx")
        monkeypatch.setitem(sys.modules, "openpyxl", None)
        with pytest.raises(
            ChurnkitError, match=r"openpyxl is not installed .*pip install .*openpyxl"
        ):
            read_table(tmp_path / "c.xlsx")


class TestDatabases:
    """SQLite and DuckDB files, and URLs."""

    @pytest.mark.parametrize("suffix", ["sqlite", "duckdb"])
    def test_a_table_is_named_or_the_only_one(self, tmp_path, suffix):
        file = write(tmp_path / f"c.{suffix}")
        assert read_table(file, columns=["id"]).num_rows == 3
        connect = sqlite3.connect if suffix == "sqlite" else duckdb.connect
        connection = connect(str(file))
        connection.execute('CREATE TABLE "order items" (id INTEGER)')
        connection.commit()
        connection.close()
        with pytest.raises(ChurnkitError, match=r"2 tables \(customers, order items\): name one"):
            read_table(file)
        assert read_table(f"{file}#order items").num_rows == 0
        assert read_table(file, sql="SELECT count(*) AS n FROM customers")["n"].to_pylist() == [3]
        with pytest.raises(ChurnkitError, match="no table 'orders'"):
            read_table(f"{file}#orders")

    def test_a_url_names_a_table(self, tmp_path):
        write(tmp_path / "c.sqlite")
        url = f"sqlite:///{tmp_path}/c.sqlite"
        assert read_table(f"{url}#customers", columns=["visits"])["visits"].to_pylist()[0] == 3
        with pytest.raises(ChurnkitError, match="add --sql"):
            open_source(url)

    def test_a_missing_database_is_not_created(self, tmp_path):
        with pytest.raises(ChurnkitError, match="does not exist"):
            read_all(Query("customers", f"sqlite:///{tmp_path}/none.db"))
        with pytest.raises(ChurnkitError, match="does not exist"):
            open_source(tmp_path / "none.sqlite", sql="customers")
        assert not list(tmp_path.glob("none*"))

    @pytest.mark.parametrize(
        ("url", "package"),
        [
            ("snowflake://user:canary@account/db", "snowflake-sqlalchemy"),
            ("bigquery://project", "sqlalchemy-bigquery"),
            ("databricks://token:canary@host", "databricks-sqlalchemy"),
            ("mysql://host/db", r"PyMySQL|mysqlclient|MySQLdb"),
        ],
    )
    def test_a_warehouse_names_the_package_it_needs(self, url, package):
        with pytest.raises(ChurnkitError, match=package) as caught:
            read_all(open_source(url, sql="customers"))
        assert "canary" not in str(caught.value)

    def test_an_unknown_scheme_is_named(self):
        with pytest.raises(ChurnkitError, match="unknown scheme 'nosql'"):
            read_all(open_source("nosql://host/db", sql="customers"))

    def test_decimals_and_dates_of_a_database_keep_their_types(self, tmp_path):
        with duckdb.connect(str(tmp_path / "c.duckdb")) as connection:
            connection.execute(
                "CREATE TABLE t AS SELECT 1.25::DECIMAL(9, 2) AS fee, DATE '2026-01-02' AS day, "
                "9007199254740993::BIGINT AS big"
            )
        (row,) = read_table(tmp_path / "c.duckdb").to_pylist()
        assert row == {"fee": Decimal("1.25"), "day": dt.date(2026, 1, 2), "big": 2**53 + 1}


class TestContent:
    """Names that state another format than the content."""

    @pytest.mark.parametrize(
        ("content", "name", "message"),
        [
            ("parquet", "c.csv", "is Parquet, not CSV: rename it to end in .parquet"),
            ("xlsx", "c.csv", "is an Excel workbook, not CSV: rename it to end in .xlsx"),
            ("csv", "c.parquet", "is not Parquet"),
            ("csv", "c.xlsx", "is not an Excel workbook"),
            ("csv", "c.sqlite", "is not an SQLite database"),
            ("csv", "c.db", "neither an SQLite nor a DuckDB"),
            ("json", "c.csv", "is JSON, not CSV"),
            ("feather", "c.parquet", "is Arrow, not Parquet"),
            ("sqlite", "c.duckdb", "is an SQLite database, not a DuckDB database"),
        ],
    )
    def test_another_format_is_refused_with_the_name_to_use(self, tmp_path, content, name, message):
        path = write(tmp_path / f"original.{content}")
        path.rename(tmp_path / name)
        with pytest.raises(ChurnkitError, match=message):
            read_table(tmp_path / name)

    @pytest.mark.parametrize(
        ("content", "name", "message"),
        [
            (b"<!DOCTYPE html><html>", "c.csv", "is a web page or XML, not CSV"),
            (gzip.compress(b"id\n1\n", mtime=0), "c.csv", "is compressed: add .gz to its name"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "c.xlsx", "the old .xls format"),
            (
                b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
                "c.xlsx",
                "is protected with a password",
            ),
            (b"FEA1....", "c.feather", "Feather version 1"),
            (b"%PDF-1.7", "c.csv", "is a PDF document, not CSV"),
            (b"", "c.jsonl", "is empty"),
            (b"", "c.csv", "the table is empty"),
            (b"", "c.parquet", "is empty"),
            (b"PAR1" + bytes(40), "c.parquet", "damaged, truncated"),
            (b"ARROW1" + bytes(40), "c.feather", "damaged or truncated"),
            (b"SQLite format 3\x00" + bytes(40), "c.sqlite", "the query failed"),
        ],
    )
    def test_damaged_and_foreign_content_is_refused(self, tmp_path, content, name, message):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ChurnkitError, match=message):
            read_table(tmp_path / name)

    def test_a_zip_of_csv_is_refused(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "c.csv", "w") as archive:
            archive.writestr("c.csv", "id\n1\n")
        with pytest.raises(ChurnkitError, match="is a zip archive, not CSV: unpack it"):
            read_table(tmp_path / "c.csv")

    @pytest.mark.parametrize("suffix", ["parquet", "feather"])
    def test_nested_columns_are_left_to_the_schema(self, tmp_path, suffix):
        table = pa.table({"id": [1], "tags": [["a"]], "address": [{"city": "x"}]})
        file = tmp_path / f"c.{suffix}"
        pq.write_table(table, file) if suffix == "parquet" else pf.write_feather(table, file)
        assert read_table(file).to_pylist() == table.to_pylist()
        assert read_table(file, columns=["id"]).column_names == ["id"]

    @pytest.mark.parametrize("kind", ["delta", "iceberg"])
    def test_a_lakehouse_table_names_the_package_it_needs(self, tmp_path, kind, monkeypatch):
        monkeypatch.setitem(sys.modules, "deltalake", None)
        monkeypatch.setitem(sys.modules, "pyiceberg", None)
        pq.write_table(pa.table({"id": [1]}), tmp_path / "part.parquet")
        if kind == "delta":
            (tmp_path / "_delta_log").mkdir()
        else:
            (tmp_path / "metadata").mkdir()
            (tmp_path / "metadata" / "v1.metadata.json").touch()
        with pytest.raises(ChurnkitError, match=r"pip install '(deltalake|pyiceberg)"):
            open_source(tmp_path)


class TestStreams:
    """Downloads and standard input."""

    @pytest.fixture
    def server(self, tmp_path):
        folder = tmp_path / "www"
        folder.mkdir()

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        handler = partial(Handler, directory=str(folder))
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield folder, f"http://127.0.0.1:{server.server_address[1]}"
            server.shutdown()
            thread.join()

    def test_a_download_is_read_like_a_file(self, server):
        folder, url = server
        for name in ("c.csv", "c.parquet", "c.xlsx", "c.jsonl", "c.sqlite"):
            write(folder / name)
            assert read_table(f"{url}/{name}?token=canary").equals(read_table(folder / name))
        (folder / "export").write_bytes((folder / "c.parquet").read_bytes())
        assert read_table(f"{url}/export").num_rows == 3
        assert open_rows(open_source(f"{url}/c.csv")).name == f"{url}/c.csv"

    def test_a_missing_download_is_refused_without_its_query(self, server):
        _, url = server
        with pytest.raises(ChurnkitError, match=r"none\.csv cannot be .*answers 404") as caught:
            read_table(f"{url}/none.csv?token=canary")
        assert "canary" not in str(caught.value)

    def test_a_server_that_is_not_there_is_refused(self):
        with pytest.raises(ChurnkitError, match="check the address and the network"):
            read_table("http://127.0.0.1:9/c.csv")

    def test_a_download_that_does_not_fit_is_refused(self, server, monkeypatch):
        folder, url = server
        write(folder / "large.csv")
        monkeypatch.setattr(spool, "_RESERVE_BYTES", 1 << 62)
        with pytest.raises(ChurnkitError, match=r"large\.csv does not fit .*TMPDIR"):
            read_table(f"{url}/large.csv")

    @pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "feather", "xlsx", "csv.gz"])
    def test_standard_input_is_recognized_by_its_content(self, tmp_path, suffix):
        plain = write(tmp_path / f"c.{suffix.removesuffix('.gz')}")
        content = plain.read_bytes()
        script = (
            "from churnkit.core.io.table_sources import open_source, read_table\n"
            "rows = read_table('-').num_rows, read_table('-').num_rows\n"
            "print(rows, open_source('-').name)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            input=gzip.compress(content) if suffix.endswith("gz") else content,
            capture_output=True,
            check=True,
        )
        assert done.stdout == b"(3, 3) standard input\n"

    def test_empty_standard_input_is_refused(self, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
        with pytest.raises(ChurnkitError, match="standard input is empty"):
            read_table("-")

    def test_temporary_copies_are_removed_when_the_process_ends(self, tmp_path):
        write(tmp_path / "c.jsonl")
        script = f"from churnkit.core.io.table_sources import open_source\nprint(open_source({str(tmp_path / 'c.jsonl')!r}).file.path)"
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, check=True, text=True
        )
        assert "table.parquet" in done.stdout
        assert not (tmp_path / done.stdout.strip()).exists()


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("a#b.csv", "a#b.csv", None),
        ("c.xlsx#A#B", "c.xlsx", "A#B"),
        ("C:\\data\\a.csv", "C:\\data\\a.csv", None),
        ("s3://bucket/a#b.csv", "s3://bucket/a#b.csv", None),
        ("https://host/a.xlsx#Sheet", "https://host/a.xlsx", "Sheet"),
        ("postgresql://h/db#events", "postgresql://h/db", "events"),
        ("-", "-", None),
    ],
)
def test_names_are_taken_apart(name, text, part):
    location = parse_location(name)
    assert (location.text, location.part) == (text, part)


def test_tables_of_a_database_and_of_several_files_are_named(tmp_path):
    file = write(tmp_path / "crm.sqlite")
    assert find_several([file]) is None
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE events (id TEXT)")
    connection.commit()
    connection.close()
    assert find_several([file]) == {
        "customers": tmp_path / "crm.sqlite#customers",
        "events": tmp_path / "crm.sqlite#events",
    }
    assert find_tables(tmp_path) == find_several([file])
    table = raw_table(tmp_path / "crm.sqlite#customers")
    assert pq.read_table(table)["id"].to_pylist() == [row["id"] for row in ROWS]
    write(tmp_path / "a.xlsx")
    named = find_several([tmp_path / "a.xlsx#Customers", tmp_path / "b.csv.gz"])
    assert named == {"Customers": tmp_path / "a.xlsx#Customers", "b": tmp_path / "b.csv.gz"}
    with pytest.raises(ChurnkitError, match="save it to a file"):
        find_several([Path("-")])
