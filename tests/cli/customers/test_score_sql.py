"""``churnkit score --to-sql`` prints a statement that a database runs."""

from __future__ import annotations

import duckdb
import pyarrow as pa

import churnkit
from churnkit.cli.main import run


def test_the_printed_statement_scores_a_table(trained_shop, rows_of_shop, capsys, monkeypatch):
    project = trained_shop[0]
    monkeypatch.chdir(project.root)
    assert run(["score", "main.shoppers", "--to-sql", "duckdb", "--intervals"]) == 0
    printed = capsys.readouterr()
    assert "characters of SQL for duckdb" in printed.err
    customers = pa.Table.from_pylist(rows_of_shop(50, seed=3))
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE shoppers AS FROM customers")
        scores = connection.sql(printed.out).to_arrow_table()
    expected = churnkit.load("models:/shop@champion", project=project).predict(customers)
    assert scores["churn_probability"].to_pylist() == expected["churn_probability"].to_pylist()
    assert "probability_high" in scores.column_names


def test_an_unknown_dialect_exits_with_a_message(trained_shop, capsys, monkeypatch):
    monkeypatch.chdir(trained_shop[0].root)
    assert run(["score", "customers", "--to-sql", "oracle"]) == 1
    assert "unknown dialect 'oracle'" in capsys.readouterr().err
