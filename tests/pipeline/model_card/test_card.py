"""The model card of a training run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")

from churnkit.bundle import Registry
from churnkit.bundle.registry.quiet import quiet_mlflow
from churnkit.errors import RecipeError
from churnkit.models import LogisticModel
from churnkit.pipeline.model_card.card import build_card
from churnkit.pipeline.model_card.slices import slice_customers
from churnkit.pipeline.training.data.dataset import prepare, read_training_table
from churnkit.pipeline.training.fit import fit


@pytest.fixture(scope="module")
def trained(recipe_of, trained_shop):
    project, _ = trained_shop
    recipe = replace(recipe_of(project), model=LogisticModel(C=1.0))
    data = prepare(recipe, read_training_table(recipe, project.root))
    return recipe, data, fit(recipe, data)


def test_the_card_has_data_metrics_slices_drivers_and_limits(shop_model):
    card = shop_model.card
    assert card["data"]["rows"] == 500
    assert card["data"]["digest"] == shop_model.manifest.lineage["data"]
    assert card["data"]["period"] is None
    assert (
        card["evaluation"]["metrics"]["auc"]["low"] < card["evaluation"]["metrics"]["auc"]["high"]
    )
    assert card["drivers"][0]["title"] == "Customer for"
    assert sum(driver["share"] for driver in card["drivers"]) == pytest.approx(1.0)
    assert "no date" in " ".join(card["limits"])
    assert "comparisons" in card["slices"]["verdict"] or "No group" in card["slices"]["verdict"]


def test_a_longer_tenure_means_less_churn(shop_model):
    curve = shop_model.card["drivers"][0]["dependence"]
    assert curve[0]["says"].startswith("Customer for: ")
    assert curve[0]["says"].endswith(" months")
    assert curve[0]["churn_probability"] > curve[-1]["churn_probability"]


def test_the_page_has_every_part(shop_model):
    page = shop_model.card_markdown()
    assert page.startswith(f"# Model card: shop\n\n{shop_model.card['winner']}")
    for title in ("Use", "Limits", "Data", "Performance", "Calibration", "Drivers"):
        assert f"\n## {title}\n" in page
    assert "0." in page
    assert "None" not in page


def test_mlflow_holds_the_card_as_data_and_as_a_page(trained_shop, shop_model):
    project, result = trained_shop
    with quiet_mlflow():
        client = Registry(project).client
        outcome = {item.path for item in client.list_artifacts(result.run_id)}
        assert {"card.json", "card.md"} <= outcome
        path = client.download_artifacts(result.run_id, "card.md")
    assert Path(path).read_text("utf-8") == shop_model.card_markdown()


def test_the_recipes_own_words_come_first(trained):
    recipe, data, fitted = trained
    declared = replace(recipe, use="To call them.", limits=("Not for prices.",))
    card = build_card(declared, data, fitted)
    assert card["use"] == "To call them."
    assert card["limits"][0] == "Not for prices."
    json.dumps(card, allow_nan=False)


def test_slices_are_those_that_the_recipe_names(trained):
    _, data, _ = trained
    groups = slice_customers(data, ("plan", "may_call", "tenure_months"))
    assert set(groups) == {"Plan", "May be called", "Customer for"}
    assert set(groups["Plan"]) == {"basic", "plus", "pro"}
    assert len(set(groups["Customer for"])) == 4
    assert {len(levels) for levels in groups.values()} == {len(data.tested.y)}


@pytest.mark.parametrize("name", ["email", "customer_id", "hair"])
def test_personal_data_and_unknown_columns_are_not_sliced(trained, name):
    recipe, data, fitted = trained
    with pytest.raises(RecipeError, match=name):
        build_card(replace(recipe, slices=(name,)), data, fitted)


def test_a_learning_curve_is_in_the_card_if_the_recipe_asks_for_it(trained):
    from churnkit.bundle.card_markdown import render_card

    recipe, data, fitted = trained
    card = build_card(replace(recipe, learning_curve=True), data, fitted)
    assert card["learning"]["of"] == "customers"
    assert card["learning"]["verdict"].replace(">", "") in render_card(card)
