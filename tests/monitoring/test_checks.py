"""Findings on new customers, and the exit codes of the command."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from churnkit.bundle.contents import from_files, to_files
from churnkit.bundle.model import RetentionModel
from churnkit.cli.main import run
from churnkit.errors import BundleError, DataError, RecipeError
from churnkit.evaluation.drift.profile import Profile
from churnkit.journal import DecisionRecord, Journal
from churnkit.monitoring import monitor


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

    def test_quiet_customers_end_with_0_and_faulty_ones_with_1(
        self, shop_copy, rows_of_shop, to_csv, tmp_path, monkeypatch, capsys
    ):
        monkeypatch.chdir(shop_copy.root)
        good = to_csv(tmp_path / "good.csv", rows_of_shop(400, seed=5))
        bad = to_csv(
            tmp_path / "bad.csv", [{**row, "mrr": row["mrr"] * 100} for row in rows_of_shop(400)]
        )
        assert run(["monitor", str(good), "--labeled", str(good), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["alarm"] is False
        assert run(["monitor", str(bad)]) == 1
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
        assert run(["monitor", str(bad), "--retrain", "--json"]) == 1
        retrained = json.loads(capsys.readouterr().out)["retrained"]
        # The recipe's table has not changed, and so neither has the model.
        assert retrained["unchanged"] is True


def test_stale_rows_are_reported_only_with_a_date(shop_model, customers):
    report = monitor(shop_model, customers, as_of=datetime(2030, 1, 1, tzinfo=UTC))
    assert not report.alarm
