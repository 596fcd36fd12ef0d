"""Notes on files that are not like the training table: rules, totals, ids, units, blank columns."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnkit.batch import plan, score
from churnkit.batch.jobs import score as score_job
from churnkit.core.io import table_file
from churnkit.core.io.table_file import read_table

OUTSIDE = "column '{}' has {} of {} numbers outside the training range"


@pytest.fixture
def notes(tmp_path, shop_model, customers_of_shop, to_csv):
    """Score 60 customers of a seed that training did not see, after a change of each row."""

    def notes(change, *, job=score):
        rows = [
            change(dict(row), number) for number, row in enumerate(customers_of_shop(60, seed=4))
        ]
        file = to_csv(tmp_path / "export.csv", rows)
        if job is plan:
            return plan(file, shop_model)[1].notes
        return score(file, tmp_path / "scores.csv", shop_model).notes

    return notes


@pytest.mark.parametrize("job", [score, plan])
def test_an_honest_file_has_no_notes(notes, job):
    assert notes(lambda row, _: row, job=job) == ()


@pytest.mark.parametrize("job", [score, plan])
def test_violated_rules_are_counted_by_column(notes, job):
    def change(row, number):
        return row | {"plan": row["plan"].upper(), "mrr": f"{row['mrr']}".replace(".", ",")}

    by_column = sorted(notes(change, job=job))
    assert [note.partition(":")[0] for note in by_column] == [
        "column 'mrr' breaks type in 60 rows",
        "column 'plan' breaks isin('basic', 'plus', 'pro') in 60 rows",
    ]


@pytest.mark.parametrize("factor", [100, 0.001])
@pytest.mark.parametrize("job", [score, plan])
def test_another_unit_is_named(notes, factor, job):
    (note,) = notes(lambda row, _: row | {"mrr": row["mrr"] * factor}, job=job)
    assert note.startswith(OUTSIDE.format("mrr", 60, 60))
    assert "unit" in note


def test_another_decimal_sign_in_some_rows_is_named(notes):
    """1.234 is 1234 in the file of another country; smaller numbers have no separator."""
    (note,) = notes(
        lambda row, number: row | {"mrr": row["mrr"] / 1000 if number % 8 == 0 else row["mrr"]}
    )
    outside = [OUTSIDE.format("mrr", count, 60) for count in range(8, 12)]  # and usual extremes
    assert note.startswith(tuple(outside))


def test_some_larger_customers_are_usual(notes):
    assert (
        notes(lambda row, number: row | {"mrr": row["mrr"] * (3 if number % 4 == 0 else 1)}) == ()
    )


@pytest.mark.parametrize("column", ["city", "plan", "tenure_months"])
def test_a_blank_column_is_named(notes, column):
    (note,) = notes(lambda row, _: row | {column: ""})
    assert f"column '{column}'" in note


@pytest.mark.parametrize("word", ["Subtotal", "Total:", "Summe", "grand total"])
def test_totals_between_customers_are_named(notes, word):
    (note,) = notes(lambda row, number: row | ({"customer_id": word} if number == 30 else {}))
    assert note.startswith("column 'customer_id' has a word for a total in 1 rows")


@pytest.mark.parametrize("name", ["Totally Ltd", "Summers", "K1.0", "v2.00b"])
def test_ids_that_resemble_totals_and_floats_are_ids(notes, name):
    assert notes(lambda row, number: row | ({"customer_id": name} if number == 30 else {})) == ()


def test_texts_of_floats_as_ids_are_named(notes):
    (note,) = notes(lambda row, number: row | {"customer_id": f"{4711 + number}.0"})
    assert "such as 1234.0 in 60 rows" in note


@pytest.mark.parametrize(
    "ids",
    [
        np.array([4711.0, 4712.0, 4713.0]),
        [Decimal("4711.00"), Decimal("4712.00"), Decimal("4713.00")],
    ],
)
@pytest.mark.parametrize("job", [score, plan])
def test_floats_as_ids_are_whole_numbers(tmp_path, shop_model, customers_of_shop, ids, job):
    table = pa.Table.from_pylist(customers_of_shop(3)).drop_columns(["customer_id"])
    table = table.append_column("customer_id", pa.array(ids))
    pq.write_table(table, tmp_path / "customers.parquet")
    target = tmp_path / "result.csv"
    if job is plan:
        plan(tmp_path / "customers.parquet", shop_model, output=target)
    else:
        score(tmp_path / "customers.parquet", target, shop_model)
    assert read_table(target)["customer_id"].to_pylist() == ["4711", "4712", "4713"]


def test_counts_of_all_chunks_are_added(notes, monkeypatch):
    monkeypatch.setattr(table_file, "BATCH_ROWS", 7)
    monkeypatch.setattr(score_job, "CHUNK_BATCHES", 2)
    assert [
        note.partition(",")[0] for note in notes(lambda row, _: row | {"mrr": row["mrr"] * 100})
    ] == [OUTSIDE.format("mrr", 60, 60)]
