"""Edge cases of tables: empty, one row, integer ids, CSV files, unusual texts."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from churnkit.errors import DataError
from churnkit.insights import find_themes, retention_metrics
from churnkit.report import build_report

START = dt.datetime(2025, 1, 5, tzinfo=dt.UTC)
SUBSCRIPTIONS = {"customer": ["a"], "started": [START], "ended": [None], "mrr": [10.0]}


def arrow(columns, rows=None):
    import pyarrow as pa

    types = {"started": pa.timestamp("us", "UTC"), "ended": pa.timestamp("us", "UTC")}
    arrays = {
        name: pa.array(values[:rows], type=types.get(name)) for name, values in columns.items()
    }
    return pa.table(arrays)


def test_an_empty_table_gives_empty_results():
    made = build_report({"subscriptions": arrow(SUBSCRIPTIONS, 0)}, as_of="2025-06-01", threads=1)
    assert {section.name for section in made.sections if section.is_missing} >= {
        "cohorts",
        "survival",
    }


def test_one_customer_is_enough():
    found = retention_metrics(
        {"subscriptions": arrow(SUBSCRIPTIONS)}, as_of="2025-06-01", threads=1
    )
    assert found["customers"].value == 1
    assert found["logo_churn_month"].value == 0.0
    assert found["simple_ltv"].value is None
    assert build_report(
        {"subscriptions": arrow(SUBSCRIPTIONS)}, as_of="2025-06-01", threads=1
    ).summary


def test_customer_ids_may_be_integers():
    rows = [
        {"customer_id": number, "started": START, "ended": None, "mrr": 1.0} for number in range(9)
    ]
    found = retention_metrics({"subscriptions": rows}, as_of="2025-06-01", threads=1)
    assert found["customers"].value == 9


def test_csv_and_frames_give_the_same_numbers(tmp_path, company):
    frame = company.tables["subscriptions"].to_pandas()
    frame.to_csv(tmp_path / "subscriptions.csv", index=False)
    from_csv, from_frame = (
        retention_metrics({"subscriptions": given}, as_of="2025-12-01", threads=1)
        for given in (tmp_path / "subscriptions.csv", frame)
    )
    assert from_csv == from_frame


def test_an_invalid_number_is_refused_without_its_value():
    rows = [{"customer": "a", "started": START, "ended": None, "mrr": "secret"}]
    with pytest.raises(DataError, match="not numbers") as refused:
        retention_metrics({"subscriptions": rows})
    assert "secret" not in str(refused.value)


def test_an_unreadable_file_is_refused(tmp_path):
    file = tmp_path / "orders.parquet"
    file.write_bytes(b"not parquet")
    with pytest.raises(DataError, match="cannot be read"):
        retention_metrics({"orders": file})


def test_unusual_and_repeated_texts_are_accepted():
    texts = ["", " ", "\N{SNOWMAN}" * 5, "a\tb\nc", "1234", "x" * 10_000] * 5
    texts += [
        f"the sync of {word} fails" for word in ("notes", "tasks", "files") for _ in range(30)
    ]
    found = find_themes(texts, number=4)
    assert found.texts <= len(texts)


def test_texts_of_stop_words_are_refused():
    with pytest.raises(DataError, match="no word occurs in enough"):
        find_themes(["and so it is with them"] * 70)


def test_themes_can_use_vectors_of_a_custom_model():
    texts = [
        f"{what} number {'!' * (n % 4)}"
        for n in range(40)
        for what in ("sync fails with notes", "price is high for seats")
    ]

    def embed(given):
        return np.array([[1.0, 0.0] if "sync" in text else [0.0, 1.0] for text in given])

    found = find_themes(texts, embed=embed, number=2)
    assert found.method.startswith("k-means on text embeddings")
    assert {theme.texts for theme in found.themes} == {40}
    names = " / ".join(theme.name for theme in found.themes)
    assert "sync" in names
    assert "price" in names or "seats" in names or "high" in names
