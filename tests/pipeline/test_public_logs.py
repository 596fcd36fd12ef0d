"""Recipes on two public logs, trained from the command line."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churnkit.cli.main import run
from churnkit.pipeline import load_recipe
from churnkit.pipeline.training.data.dataset import prepare, read_training_table

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.fixture(scope="module", params=["online_retail", "cdnow"])
def built(request, data_dir):
    """A recipe, its raw transactions, its snapshots, and what training makes of them."""
    recipe = load_recipe(ROOT / "training" / f"{request.param}.py")
    assert callable(recipe.data)
    table = read_training_table(recipe, ROOT)
    return recipe, recipe.data()["transactions"], table, prepare(recipe, table)


def test_a_buyers_row_is_what_pandas_counts(built):
    recipe, lines, table, _ = built
    zone = recipe.timeline.table("transactions").time_zone
    at = lines["occurred_at"].dt.tz_localize(zone).dt.tz_convert("UTC")
    frame = table.to_pandas()
    rows = frame.iloc[np.random.default_rng(0).choice(len(frame), 25, replace=False)]
    for row in rows.itertuples():
        own = lines["customer_id"] == row.customer_id
        bought = own & (lines["quantity"] > 0)
        near = bought & (at < row.as_of) & (at >= row.as_of - pd.Timedelta(days=90))
        assert row.pieces_90d == lines.loc[near, "quantity"].sum()
        assert row.spend_90d == pytest.approx(lines.loc[near, "amount"].sum(), rel=1e-9)
        ahead = bought & (at >= row.as_of) & (at < row.as_of + pd.Timedelta(days=90))
        assert row.churned is (not ahead.any())
        given_back = own & (lines["quantity"] < 0) & (at < row.as_of)
        recent = given_back & (at >= row.as_of - pd.Timedelta(days=180))
        assert row.returns_180d == recent.sum()


def test_rows_without_a_customer_are_left_out(built):
    recipe, lines, table, _ = built
    nobody = int(lines["customer_id"].isna().sum())
    assert (nobody > 100_000) is (recipe.name == "online_retail")
    assert table["customer_id"].null_count == 0
    assert "" not in set(table["customer_id"].to_pylist())


def test_the_schema_fits_and_training_goes_forward(built):
    _, _, table, data = built
    assert data.waived == ()
    assert table.num_rows > 10_000
    assert set(data.test.table["as_of"].to_pylist()) == {max(table["as_of"].to_pylist())}
    assert max(data.train.table["as_of"].to_pylist()) < datetime(2011, 6, 4, tzinfo=UTC)
    assert 0.1 < data.train.y.mean() < 0.9


def test_online_retail_trains_from_the_command_line(
    data_dir, tmp_path, migrated_store, monkeypatch, capsys
):
    for folder in ("schemas", "training"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / ".churnkit").mkdir()
    shutil.copyfile(migrated_store, tmp_path / ".churnkit" / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    assert run(["train", "online_retail", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["evaluation"]["metrics"]
    assert figures["auc"]["value"] > 0.72
