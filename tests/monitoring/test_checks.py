"""Findings on new customers, and the exit codes of the command."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnkit.batch import open_source
from churnkit.bundle.contents import from_files, to_files
from churnkit.bundle.model import RetentionModel
from churnkit.cli.main import run
from churnkit.core.io import table_file
from churnkit.errors import BundleError, DataError, RecipeError
from churnkit.evaluation.drift.performance_estimation import (
    estimate_binned,
    estimate_performance,
)
from churnkit.evaluation.drift.profile import Profile
from churnkit.journal import DecisionRecord, Journal
from churnkit.monitoring import batch_totals, monitor


@pytest.fixture
def customers(rows_of_shop):
    return rows_of_shop(400, seed=41)


def test_customers_like_the_training_rows_give_no_finding(shop_model, customers):
    report = monitor(shop_model, customers, labeled=customers)
    assert not report.alarm
    assert report.rows == 400
    assert report.realized is not None
    assert report.realized.rows == 400
    json.dumps(report.to_dict())


def test_treated_customers_are_excluded_and_the_untreated_represent_them(shop_model, customers):
    day = date(2026, 1, 1)
    ids = [row["customer_id"] for row in customers]
    decisions = [
        DecisionRecord(
            f"k{place}", name, day, day, "shop",
            action="call" if place < 100 else None, propensity=0.5,
        )
        for place, name in enumerate(ids[:200])
    ]  # fmt: skip
    with Journal.open("sqlite://") as journal:
        journal.record(decisions)
        report = monitor(shop_model, customers, labeled=customers, journal=journal)
    assert report.left_out == 100
    assert report.realized is not None
    assert report.realized.rows == 300
    alone = [row["churned"] for row in customers[100:]]
    assert report.realized.churned == 2 * sum(alone[:100]) + sum(alone[100:])


def test_missing_labels_are_refused(shop_model, customers):
    unlabeled = [{k: v for k, v in row.items() if k != "churned"} for row in customers]
    with pytest.raises(DataError, match="'churned' is missing"):
        monitor(shop_model, customers, labeled=unlabeled)


def test_a_model_without_a_profile_must_be_retrained(shop_model, customers):
    from dataclasses import replace

    model = RetentionModel(replace(shop_model.contents, profile=None))
    with pytest.raises(RecipeError, match="retrain it"):
        monitor(model, customers)


def test_a_profile_comes_back_from_its_data_and_from_a_bundle(shop_model):
    data = shop_model.contents.profile
    assert Profile.from_dict(json.loads(json.dumps(data))).to_dict() == data
    assert from_files(to_files(shop_model.contents)).profile == data


@pytest.mark.parametrize("damage", [{}, {"columns": [{"name": "a", "edges": [1], "counts": [1]}]}])
def test_a_damaged_profile_is_refused(damage):
    with pytest.raises(BundleError):
        Profile.from_dict(damage)


def test_a_profile_contains_no_customers_value(shop_model, trained_shop):
    said = json.dumps(dict(shop_model.contents.profile))
    assert "canary" not in said


class TestCommand:
    """``churnkit monitor``."""

    def test_quiet_customers_end_with_0_and_an_alarm_with_3(
        self, shop_copy, rows_of_shop, to_csv, tmp_path, monkeypatch, capsys
    ):
        monkeypatch.chdir(shop_copy.root)
        good = to_csv(tmp_path / "good.csv", rows_of_shop(400, seed=5))
        bad = to_csv(
            tmp_path / "bad.csv", [{**row, "mrr": row["mrr"] * 100} for row in rows_of_shop(400)]
        )
        assert run(["monitor", str(good), "--labeled", str(good), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["alarm"] is False
        assert run(["monitor", str(bad)]) == 3
        said = capsys.readouterr()
        assert "CK201" in said.out
        assert "churnkit train shop" in said.err

    def test_retraining_promotes_only_what_wins(
        self, shop_copy, rows_of_shop, to_csv, tmp_path, monkeypatch, capsys
    ):
        monkeypatch.chdir(shop_copy.root)
        bad = to_csv(
            tmp_path / "bad.csv", [{**row, "mrr": row["mrr"] * 100} for row in rows_of_shop(400)]
        )
        assert run(["monitor", str(bad), "--retrain", "--json"]) == 3
        retrained = json.loads(capsys.readouterr().out)["retrained"]
        # The recipe's table has not changed, and so neither has the model.
        assert retrained["unchanged"] is True


def test_stale_rows_are_reported_only_with_a_date(shop_model, customers):
    report = monitor(shop_model, customers, as_of=datetime(2030, 1, 1, tzinfo=UTC))
    assert not report.alarm


class TestBatches:
    """A source is read in batches, with the findings of the whole table."""

    @pytest.fixture
    def source(self, rows_of_shop, tmp_path, monkeypatch):
        rows = rows_of_shop(400, seed=41)
        for row in rows[::7]:
            row["plan"] = "gold"
        rows[3]["tenure_months"] = -1
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "c.parquet")
        monkeypatch.setattr(table_file, "BATCH_ROWS", 64)
        return open_source(tmp_path / "c.parquet"), rows

    def test_batches_give_the_report_of_the_whole_table(self, shop_model, source):
        opened, rows = source
        whole = monitor(shop_model, rows, as_of=datetime(2030, 1, 1, tzinfo=UTC))
        assert whole.invalid
        assert monitor(shop_model, opened, as_of=datetime(2030, 1, 1, tzinfo=UTC)) == whole

    def test_a_source_without_a_column_is_refused(self, shop_model, source, tmp_path):
        table = pq.read_table(tmp_path / "c.parquet").drop_columns("mrr")
        pq.write_table(table, tmp_path / "c.parquet")
        with pytest.raises(DataError, match="'mrr' is missing"):
            monitor(shop_model, open_source(tmp_path / "c.parquet"))

    def test_a_source_without_rows_is_an_alarm(self, shop_model, source, tmp_path):
        pq.write_table(pq.read_table(tmp_path / "c.parquet").slice(0, 0), tmp_path / "c.parquet")
        report = monitor(shop_model, open_source(tmp_path / "c.parquet"))
        assert report.rows == 0
        assert report.alarm

    def test_many_probabilities_are_estimated_from_counts(self, shop_model, source, monkeypatch):
        opened, _ = source
        exact = monitor(shop_model, opened).estimate
        monkeypatch.setattr(batch_totals, "EXACT_ROWS", 100)
        binned = monitor(shop_model, opened).estimate
        assert exact is not None
        assert binned is not None
        assert binned.rows == exact.rows
        for name in ("churn_rate", "auc", "log_loss"):
            one, other = getattr(exact, name), getattr(binned, name)
            assert other.value == pytest.approx(one.value, abs=1e-4)
            assert other.high - other.low == pytest.approx(one.high - one.low, rel=0.35)


def test_counts_of_distinct_probabilities_give_the_estimate_of_each():
    probability = np.sort(np.random.default_rng(1).beta(1, 4, size=3000))
    exact = estimate_performance(probability)
    binned = estimate_binned(probability, np.ones(3000))
    tied = estimate_binned(
        np.unique(probability.round(2)), np.unique(probability.round(2), return_counts=True)[1]
    )
    rounded = estimate_performance(probability.round(2))
    for name in ("churn_rate", "auc", "log_loss"):
        assert getattr(binned, name).value == pytest.approx(getattr(exact, name).value, rel=1e-9)
        assert getattr(tied, name).value == pytest.approx(getattr(rounded, name).value, rel=1e-9)
