"""Customers from folders, patterns and databases are those of one file."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from churnkit.batch import Query, open_source, score
from churnkit.batch.jobs import score as score_job
from churnkit.core.io import table_file
from churnkit.core.io.table_sources import read_all
from churnkit.errors import ChurnkitError, DataError


@pytest.fixture
def table(rows_of_shop):
    rows = rows_of_shop(40, seed=5)
    rows[3]["plan"] = "unheard of"
    return pa.Table.from_pylist(rows)


@pytest.fixture
def expected(table, shop_model, tmp_path):
    pq.write_table(table, tmp_path / "one.parquet")
    score(tmp_path / "one.parquet", tmp_path / "expected.csv", shop_model)
    return (tmp_path / "expected.csv").read_bytes()


@pytest.fixture
def folder(table, tmp_path):
    made = tmp_path / "exports"
    (made / "month=2").mkdir(parents=True)
    (made / "_SUCCESS").touch()
    (made / ".part.parquet").write_bytes(b"unfinished")
    (made / "notes.md").touch()
    pq.write_table(table.slice(0, 15), made / "a.parquet")
    pcsv.write_csv(table.slice(15, 10).select(table.column_names[::-1]), made / "b.csv")
    pq.write_table(table.slice(25), made / "month=2" / "a.parquet")
    return made


@pytest.fixture
def database(table, tmp_path):
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as connection:
        connection.register("given", table)
        connection.execute("CREATE TABLE customers AS SELECT * FROM given")
    return str(tmp_path / "crm.duckdb")


@pytest.fixture
def sqlite(table, tmp_path):
    url = f"sqlite:///{tmp_path / 'crm.db'}"
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        names = ", ".join(table.column_names)
        connection.execute(sa.text(f"CREATE TABLE customers ({names})"))
        holders = ", ".join(f":{name}" for name in table.column_names)
        insert = f"INSERT INTO customers VALUES ({holders})"  # noqa: S608
        connection.execute(sa.text(insert), table.to_pylist())
    return url


def scored(source, model, tmp_path, **settings):
    score(source, tmp_path / "scores.csv", model, **settings)
    return (tmp_path / "scores.csv").read_bytes()


def test_a_folder_is_read_in_the_order_of_its_names(folder, shop_model, tmp_path, expected):
    assert scored(folder, shop_model, tmp_path) == expected


def test_a_pattern_names_several_files(folder, shop_model, tmp_path, expected):
    whole = scored(f"{folder}/[ab]*", shop_model, tmp_path)
    assert expected.startswith(whole)
    assert whole.count(b"\n") == 26


def test_files_that_differ_in_columns_are_refused_by_the_columns_name(folder, table):
    pq.write_table(table.drop_columns("mrr"), folder / "c.parquet")
    with pytest.raises(DataError, match=r"(?s)c\.parquet.*'mrr' of a\.parquet is missing"):
        open_source(folder)


def test_a_duckdb_file_answers_a_query_and_a_tables_name(database, shop_model, tmp_path, expected):
    for sql in ("customers", "main.customers", "SELECT * FROM customers"):
        assert scored(open_source(database, sql=sql), shop_model, tmp_path) == expected


def test_any_database_that_sqlalchemy_knows_answers(sqlite, shop_model, tmp_path, expected):
    assert scored(open_source(sqlite, sql="customers"), shop_model, tmp_path) == expected


def test_a_query_is_asked_once_and_resumed_from_what_it_said(
    database, shop_model, tmp_path, expected, monkeypatch
):
    monkeypatch.setattr(table_file, "BATCH_ROWS", 5)
    monkeypatch.setattr("churnkit.core.io.query.BATCH_ROWS", 5)
    monkeypatch.setattr(score_job, "CHUNK_BATCHES", 2)

    def stop(rows):
        if rows >= 25:
            raise KeyboardInterrupt

    query = open_source(database, sql="customers")
    with pytest.raises(KeyboardInterrupt):
        score(query, tmp_path / "scores.csv", shop_model, progress=stop)
    with duckdb.connect(database) as connection:
        connection.execute("DELETE FROM customers")
    assert scored(query, shop_model, tmp_path, resume=True) == expected


def test_a_query_without_rows_gives_scores_without_rows(database, shop_model, tmp_path):
    query = open_source(database, sql="SELECT * FROM customers WHERE false")
    assert score(query, tmp_path / "scores.csv", shop_model).rows == 0


def test_a_query_that_lacks_a_column_is_refused_by_its_name(sqlite, shop_model, tmp_path):
    query = open_source(sqlite, sql="SELECT customer_id FROM customers")
    with pytest.raises(DataError, match="tenure_months"):
        score(query, tmp_path / "scores.csv", shop_model)


@pytest.mark.parametrize(
    ("source", "sql", "says"),
    [
        ("none.duckdb", "customers", "does not exist"),
        ("one.parquet", "customers", "not a database"),
        ("none.csv", None, "does not exist"),
        ("notes.md", None, "a table is a .csv"),
        ("empty", None, "there is no .csv"),
        ("none-*.csv", None, "there is no .csv"),
        ("postgresql://ann:secretcanary@127.0.0.1:1/crm", None, r"\*\*\*@127"),
    ],
)
def test_what_cannot_be_read_is_said(database, expected, tmp_path, monkeypatch, source, sql, says):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.md").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ChurnkitError, match=says) as refusal:
        open_source(source, sql=sql)
    assert "secretcanary" not in str(refusal.value)


@pytest.mark.parametrize("sql", ["nowhere", "SELECT FROM"])
def test_a_query_that_is_refused_is_said_without_a_traceback(database, sqlite, sql):
    for url in (database, sqlite):
        with pytest.raises(ChurnkitError, match="the query failed"):
            read_all(Query(sql, url))


def test_a_plan_reads_the_same_sources(table, folder, database, shop_model):
    whole = read_all(open_source(folder), columns=["customer_id", "nothing"])
    assert whole["customer_id"].to_pylist() == table["customer_id"].to_pylist()
    asked = read_all(open_source(database, sql="customers"), columns=["mrr"])
    assert asked.column_names == ["mrr"]


@pytest.mark.parametrize("name", ["a[1].csv", "b*.csv", "c?.csv", "d'e.csv", "f{g}.csv"])
def test_a_file_whose_name_looks_like_a_pattern_is_read_as_it_is_named(tmp_path, name):
    (tmp_path / name).write_text("id,amount\n'1',5\n")
    (tmp_path / "a1.csv").write_text("id,amount\n2,6\n")
    source = open_source(tmp_path / name)
    assert read_all(source).to_pylist() == [{"id": "'1'", "amount": "5"}]


def test_folders_before_a_pattern_are_taken_literally(tmp_path):
    folder = tmp_path / "exports [2026]"
    folder.mkdir()
    (folder / "a.csv").write_text("id\n1\n")
    (folder / "b.csv").write_text("id\n2\n")
    assert read_all(open_source(folder / "*.csv"))["id"].to_pylist() == ["1", "2"]


def test_folders_are_partition_columns_of_one_type(tmp_path):
    for month, code, amount in (("2026-01", "1", 5), ("2026-02", "02", 6)):
        folder = tmp_path / f"month={month}" / f"code={code}" / "year=2026"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"amount": [amount]}), folder / "part.parquet")
    rows = read_all(open_source(tmp_path)).to_pylist()
    assert rows == [
        {"amount": 5, "month": "2026-01", "code": "1", "year": 2026},
        {"amount": 6, "month": "2026-02", "code": "02", "year": 2026},
    ]
    assert read_all(open_source(tmp_path), columns=["year"])["year"].to_pylist() == [2026, 2026]
    assert read_all(open_source(f"{tmp_path}/month=*/*/*/*.parquet")).to_pylist() == rows


def test_columns_of_other_types_in_other_files_become_text(tmp_path):
    pq.write_table(pa.table({"id": [1], "amount": [5]}), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("id,amount\nx,7.5\n")
    rows = read_all(open_source(tmp_path)).to_pylist()
    assert rows == [{"id": "1", "amount": "5"}, {"id": "x", "amount": "7.5"}]


def test_one_table_in_two_formats_is_not_read_twice(tmp_path):
    pq.write_table(pa.table({"id": [1]}), tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("id\n1\n")
    with pytest.raises(ChurnkitError, match=r"a\.csv and a\.parquet, which look like one table"):
        open_source(tmp_path)


def test_a_folder_named_like_a_partition_overrides_no_column(tmp_path):
    folder = tmp_path / "amount=77"
    folder.mkdir()
    pq.write_table(pa.table({"id": ["1"], "amount": [5]}), folder / "part.parquet")
    assert read_all(open_source(tmp_path)).to_pylist() == [{"id": "1", "amount": 5}]


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_a_query_with_two_columns_of_one_name_is_refused(database, sqlite, engine):
    query = open_source(database if engine == "duckdb" else sqlite, sql="SELECT 1 AS a, 2 AS a")
    with pytest.raises(DataError, match="column 'a' appears more than once"):
        read_all(query)


def test_files_without_a_header_are_named_by_position(tmp_path):
    (tmp_path / "a.csv").write_text("canary,17\n")
    (tmp_path / "b.csv").write_text("id,17\n")
    with pytest.raises(DataError, match=r"column 1 of a\.csv is missing") as caught:
        open_source(tmp_path)
    assert "canary" not in str(caught.value)
