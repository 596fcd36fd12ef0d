"""A table with oversampled churners, from the recipe to the card."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from churnkit.errors import RecipeError
from churnkit.models import ChurnClassifier, LogisticModel
from churnkit.pipeline.model_card.card import build_card
from churnkit.pipeline.training.data.dataset import prepare, read_training_table
from churnkit.pipeline.training.fit import fit

RATE = 0.03


@pytest.fixture(scope="module")
def drawn(recipe_of, trained_shop):
    pytest.importorskip("mlflow", reason="the extra 'train' is not installed")
    project, _ = trained_shop
    recipe = recipe_of(project)
    model = ChurnClassifier(candidates=[("logistic", LogisticModel(C=1.0))])
    recipe = replace(recipe, model=model, population_rate=RATE)
    return recipe, prepare(recipe, read_training_table(recipe, project.root))


def test_figures_are_those_of_all_customers(drawn):
    recipe, data = drawn
    assert np.average(data.tested.y, weights=data.tested.weight) == pytest.approx(RATE)
    fitted = fit(recipe, data)
    plain = fit(replace(recipe, population_rate=None), data)
    assert np.average(fitted.probability, weights=data.tested.weight) == pytest.approx(
        RATE, abs=0.01
    )
    assert fitted.rule.mean() < plain.rule.mean()
    # A guess at the table's own rate would lose far more than this.
    assert fitted.evaluation.metrics["log_loss"].value < 0.14
    # The shift keeps each fold's order; the folds differ a little in their share of churners.
    for fold in range(5):
        own, other = (each.probability[data.folds == fold] for each in (fitted, plain))
        np.testing.assert_array_equal(np.argsort(own), np.argsort(other))
    assert fitted.evaluation.metrics["auc"].value == pytest.approx(
        plain.evaluation.metrics["auc"].value, abs=0.005
    )
    card = build_card(recipe, data, fitted, None)
    assert card["churn_rate"] == RATE
    assert any("weighted to all customers" in limit for limit in card["limits"])
    assert "profit" not in card


def test_a_model_that_cannot_is_named(drawn):
    recipe, data = drawn
    with pytest.raises(RecipeError, match="population_rate is not supported by LogisticModel"):
        fit(replace(recipe, model=LogisticModel()), data)
