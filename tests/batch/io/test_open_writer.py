"""Outputs of every kind: the rows that were written, complete or not at all."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from churnkit.batch import score
from churnkit.batch.io import folder_writer
from churnkit.batch.io.delete_rows import erase_rows
from churnkit.batch.io.open_writer import open_writer
from churnkit.batch.io.outputs import invalid_path, parse_output
from churnkit.core.io.table_sources import read_table
from churnkit.errors import ChurnkitError

ROWS = pa.table(
    {
        "id": ["=a", None, 'c,"d"'],
        "p": [0.25, None, 1.0],
        "n": pa.array([1, None, 3], pa.int64()),
    }
)  # fmt: skip
OUTPUTS = [
    "s.parquet", "s.feather", "s.jsonl", "s.csv", "s.csv.gz", "s.csv.zst", "s.jsonl.xz", "s/",
    "s.sqlite#scores", "s.duckdb#scores",
]  # fmt: skip


def write(output, *tables, finish=True):
    with open_writer(output, tables[0].schema) as writer:
        for table in tables:
            writer.write(table)
        writer.seal()
        if finish:
            writer.finish()
        assert writer.rows == sum(table.num_rows for table in tables)


def interrupt(output):
    with open_writer(output, ROWS.schema) as writer:
        writer.write(ROWS)
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_is_written_is_read_again(tmp_path, name):
    output = f"{tmp_path}/new/{name}"
    write(output, ROWS, ROWS.slice(0, 0), ROWS)
    rows = read_table(output).to_pylist()
    expected = pa.concat_tables([ROWS, ROWS]).to_pylist()
    if ".csv" in name:
        expected = [{k: "" if v is None else f"{v:g}" if k != "id" else v for k, v in row.items()}
                    for row in expected]  # fmt: skip
    assert rows == expected


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_is_replaced_when_it_is_finished_and_left_as_it_was_before(tmp_path, name):
    output = f"{tmp_path}/{name}"
    write(output, ROWS)
    before = read_table(output)
    write(output, ROWS.slice(0, 1), finish=False)
    assert read_table(output).equals(before)
    with pytest.raises(KeyboardInterrupt):
        interrupt(output)
    assert read_table(output).equals(before)
    write(output, ROWS.slice(0, 1))
    assert read_table(output).num_rows == 1
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", ["s.csv.gz", "s.csv.zst", "s.jsonl.xz", "s.parquet", "s.feather"])
def test_equal_rows_give_equal_bytes(tmp_path, name):
    write(f"{tmp_path}/{name}", ROWS)
    first = (tmp_path / name).read_bytes()
    write(f"{tmp_path}/{name}", ROWS)
    assert (tmp_path / name).read_bytes() == first


def test_a_folder_has_files_of_a_million_rows_and_a_mark(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_writer, "PART_ROWS", 4)
    write(f"{tmp_path}/s/", ROWS, ROWS, ROWS)
    names = sorted(path.name for path in (tmp_path / "s").iterdir())
    assert names == ["_SUCCESS", "part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    sizes = [pq.read_metadata(tmp_path / "s" / name).num_rows for name in names[1:]]
    assert sizes == [4, 4, 1]
    write(f"{tmp_path}/s/", ROWS)
    assert read_table(f"{tmp_path}/s").equals(ROWS)


def test_a_folder_with_other_files_is_not_replaced(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ChurnkitError, match="1 other files, which would be deleted"):
        write(f"{tmp_path}/", ROWS)


@pytest.mark.parametrize("suffix", ["sqlite", "duckdb"])
def test_a_table_with_other_columns_is_not_replaced(tmp_path, suffix):
    file = tmp_path / f"crm.{suffix}"
    connection = (sqlite3 if suffix == "sqlite" else duckdb).connect(str(file))
    connection.execute("CREATE TABLE customers (id TEXT, name TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(ChurnkitError, match="has other columns than the results"):
        write(f"{file}#customers", ROWS)
    assert read_table(f"{file}#customers").column_names == ["id", "name"]


@pytest.mark.parametrize("suffix", ["sqlite", "duckdb"])
def test_a_table_of_the_same_columns_that_churnkit_did_not_write_is_not_replaced(tmp_path, suffix):
    file = tmp_path / f"crm.{suffix}"
    connection = (sqlite3 if suffix == "sqlite" else duckdb).connect(str(file))
    connection.execute("CREATE TABLE scores (id TEXT, p DOUBLE, n BIGINT)")
    connection.execute("INSERT INTO scores VALUES ('x', 0.5, 1)")
    connection.commit()
    connection.close()
    with pytest.raises(ChurnkitError, match="churnkit did not write it"):
        write(f"{file}#scores", ROWS)
    assert read_table(f"{file}#scores").num_rows == 1


def test_a_url_of_a_database_takes_a_table(tmp_path):
    write(f"sqlite:///{tmp_path}/crm.db#scores", ROWS)
    assert read_table(f"{tmp_path}/crm.db").to_pylist() == ROWS.to_pylist()


def test_standard_output_gets_csv_when_it_is_complete(monkeypatch):
    monkeypatch.setattr(sys, "stdout", stdout := io.StringIO())
    write("-", ROWS, finish=False)
    assert stdout.getvalue() == ""
    write("-", ROWS)
    written = pcsv.read_csv(io.BytesIO(stdout.getvalue().encode()))
    assert written["n"].to_pylist() == [1, None, 3]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("https://host/scores.csv", "a web address"),
        ("postgresql://ann:canary@host/db", "name a table"),
        ("crm.duckdb", "name a table"),
        ("scores.xlsx", "results go to a"),
        ("scores.parquet.gz", "results go to a"),
    ],
)
def test_other_outputs_are_refused_before_any_work(name, message):
    with pytest.raises(ChurnkitError, match=message) as caught:
        parse_output(name)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.b/scores", "a.b/scores.invalid"),
        ("s3://b/x/scores.parquet", "s3://b/x/scores.invalid.parquet"),
        ("s3://b/x.y/scores/", "s3://b/x.y/scores.invalid/"),
        ("crm.duckdb#scores", "crm.duckdb#scores_invalid"),
    ],
)
def test_invalid_rows_go_next_to_the_output(name, expected):
    assert invalid_path(name) == expected


class TestScoring:
    """The job with other inputs and outputs."""

    @pytest.fixture
    def customers(self, tmp_path, rows_of_shop):
        rows = rows_of_shop(30, seed=5)
        rows[3]["plan"] = "unheard of"
        folder = tmp_path / "in" / "day=2026-01-01"
        folder.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), folder / "a.parquet")
        return tmp_path / "in"

    def test_scores_go_to_any_output_with_their_invalid_rows(self, customers, shop_model, tmp_path):
        score(customers, tmp_path / "expected.parquet", shop_model)
        expected = pq.read_table(tmp_path / "expected.parquet").to_pylist()
        for name in ("s.jsonl", "s/", "s.duckdb#scores", "s.csv.gz"):
            report = score(customers, f"{tmp_path}/out/{name}", shop_model)
            rows = read_table(report.output).to_pylist()
            assert len(rows) == len(expected) == 30
            if ".csv" not in name:
                assert rows == expected
            assert read_table(str(report.invalid_output)).num_rows == report.invalid == 1

    @pytest.mark.parametrize("name", ["day=2026-01-01/s.parquet", "s.csv", "s/"])
    def test_an_output_in_the_input_folder_is_refused(self, customers, shop_model, name):
        with pytest.raises(ChurnkitError, match="would be read with it next time"):
            score(customers, f"{customers}/{name}", shop_model)

    def test_an_output_that_matches_the_input_pattern_is_refused(self, customers, shop_model):
        folder = customers / "day=2026-01-01"
        with pytest.raises(ChurnkitError, match="would be read with it next time"):
            score(f"{folder}/*.parquet", f"{folder}/scores.parquet", shop_model)
        assert score(f"{folder}/*.parquet", f"{folder}/scores.csv", shop_model).rows == 30

    def test_customers_are_erased_from_every_file(self, tmp_path):
        for name in ("s.jsonl", "s.csv.gz", "s.feather", "s/"):
            write(f"{tmp_path}/{name}", ROWS.slice(0, 1), ROWS.slice(2))
            file = tmp_path / name
            assert erase_rows(file, {"=a"}, column="id") == 1
            assert read_table(file)["id"].to_pylist() == ['c,"d"']
        assert json.loads((tmp_path / "s.jsonl").read_text())["n"] == 3
        assert gzip.decompress((tmp_path / "s.csv.gz").read_bytes()).count(b"\n") == 2


def test_json_lines_hold_no_number_that_json_lacks(tmp_path):
    def refuse(constant):
        raise AssertionError(constant)

    rows = pa.table({"id": ["a", "b", "c"], "p": [float("nan"), float("-inf"), 0.5]})
    write(f"{tmp_path}/s.jsonl", rows)
    lines = (tmp_path / "s.jsonl").read_text(encoding="utf-8").splitlines()
    read = [json.loads(line, parse_constant=refuse)["p"] for line in lines]
    assert read == [None, None, 0.5]


def test_a_folder_that_cannot_be_put_in_place_leaves_the_earlier_one(tmp_path, monkeypatch):
    output = f"{tmp_path}/s/"
    write(output, ROWS)
    rename = Path.rename

    def fail(path, target):
        if path.name.startswith(".s-") and not path.name.endswith("-earlier"):
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(ChurnkitError, match="No space left on device; nothing was changed"):
        write(output, ROWS, ROWS)
    assert read_table(output).equals(ROWS)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_writer_that_cannot_begin_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise ChurnkitError("the column type is not supported")

    monkeypatch.setattr(folder_writer, "TableWriter", fail)
    with pytest.raises(ChurnkitError, match="not supported"):
        open_writer(f"{tmp_path}/s/", ROWS.schema)
    assert list(tmp_path.iterdir()) == []
