"""Fit a recipe's model and the baseline rule, and evaluate both on the test customers.

The evaluated model is fitted without the test customers. The registered one has the same settings
and is fitted on all rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError, RecipeError
from churnkit.evaluation import evaluate
from churnkit.pipeline.training.fit_params import fit_arguments, monotone_signs, store_trials

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from churnkit.evaluation import Evaluation
    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.dataset import TrainingData

__all__ = ["Fitted", "fit"]


@dataclass(frozen=True)
class Fitted:
    """A fitted model with its evaluation.

    Parameters
    ----------
    model
        Estimator fitted on all rows, with `scorer_` and `calibration_`.
    tested
        Estimator of the same settings, fitted without the test customers.
    probability, rule
        Predictions of the tested model and of the baseline rule for the test customers, shape (n,).
    rule_says
        Description of the rule.
    evaluation
        Metrics of the tested model and of the rule on the test customers.
    """

    model: Any
    tested: Any
    probability: NDArray[np.float64]
    rule: NDArray[np.float64]
    rule_says: str
    evaluation: Evaluation

    @property
    def winner(self) -> str:
        """Name of the selected candidate; the estimator's class if there was one only."""
        return str(getattr(self.model, "winner_", type(self.model).__name__))

    def refuse_disparity(self, rows: NDArray[np.float64]) -> None:
        """Verify that compiled trees score rows (g, f) exactly as LightGBM does.

        Raises
        ------
        BundleError
            If a raw score differs in any bit.
        """
        for name, member in self._boosters().items():
            # Target-encoded categories reach the booster as statistics, not as codes.
            inputs = member.scorer_.encoded(rows) if hasattr(member.scorer_, "encoded") else rows
            expected = member.booster_.predict(inputs, raw_score=True, num_threads=1)
            if not np.array_equal(member.scorer_.raw_score(rows), expected):
                raise BundleError(
                    f"compiled trees of '{name}' differ from LightGBM on {len(rows)} golden rows; "
                    "nothing was saved. Please report this with the output of churnkit doctor"
                )

    def _boosters(self) -> dict[str, Any]:
        members = getattr(self.model, "members_", {"model": self.model})
        return {name: member for name, member in members.items() if hasattr(member, "booster_")}

    def texts(self) -> dict[str, str]:
        """Return the model's boosters in LightGBM's text format, by name."""
        return {
            re.sub(r"[^a-z0-9]+", "_", name.lower()): _booster_text(member.booster_)
            for name, member in self._boosters().items()
        }


def _booster_text(booster: Any) -> str:
    """Return a booster as text without the ranges of its columns.

    LightGBM writes them and never reads them, and a maximum is one customer's value.
    """
    ranges = " ".join(["none"] * booster.num_feature())
    text: str = booster.model_to_string()
    return re.sub(r"(?m)^feature_infos=.*$", f"feature_infos={ranges}", text)


def fit(
    recipe: Recipe,
    data: TrainingData,
    *,
    store: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Fitted:
    """Fit a recipe's model and the baseline rule, and evaluate both.

    Raises
    ------
    RecipeError
        If a bundle cannot hold the recipe's model, or the recipe names an unknown column.
    ModelDataError
        If the model refuses the rows.
    """
    tested = _configure_model(recipe, data)
    if store is not None:
        store_trials(tested, store)
    tested.fit(data.train.X, data.train.y, **fit_arguments(tested, data, progress=progress))
    rule, rule_says = _fit_rule(recipe, data)
    probability = tested.predict_proba(data.test.X)[:, 1]
    evaluation = evaluate(
        data.test.y, probability, baseline=rule, sample_weight=data.test.weight, seed=recipe.seed
    )
    progress(f"fitting the registered model on all {data.full.customer_count:,} customers")
    model = tested.refit(data.full.X, data.full.y, data.full.weight)
    return Fitted(model, tested, probability, rule, rule_says, evaluation)


def _configure_model(recipe: Recipe, data: TrainingData) -> Any:
    from sklearn.base import clone

    from churnkit.models import ChurnClassifier
    from churnkit.models.classifiers.base import BinaryModel

    if recipe.model is None:
        model = ChurnClassifier()
    elif isinstance(recipe.model, BinaryModel):
        model = clone(recipe.model)
    else:
        raise RecipeError(
            f"recipe '{recipe.name}': model must be an unfitted estimator of churnkit.models, such "
            f"as ChurnClassifier(profile='fast'), got a {type(recipe.model).__name__}"
        )
    settings = {"seed": recipe.seed, "categorical_features": data.contract.categorical_features}
    accepted = model.get_params()
    if recipe.population_rate is not None:
        if "population_rate" not in accepted:
            raise RecipeError(
                f"recipe '{recipe.name}': population_rate is not supported by "
                f"{type(model).__name__}: use ChurnClassifier, with this model as its candidate"
            )
        settings["population_rate"] = recipe.population_rate
    if recipe.monotone:
        settings["monotone_constraints"] = monotone_signs(recipe, data.contract, accepted)
    return model.set_params(**{name: value for name, value in settings.items() if name in accepted})


def _fit_rule(recipe: Recipe, data: TrainingData) -> tuple[NDArray[np.float64], str]:
    from churnkit.models import Calibration, SingleFeatureRule
    from churnkit.models.calibration.prior_correction import log_odds, prior_shift

    rule = SingleFeatureRule(
        categorical_features=data.contract.categorical_features, seed=recipe.seed
    ).fit(data.train.X, data.train.y)
    columns = data.contract.features
    says = rule.describe(
        [column.title for column in columns],
        levels={i: column.levels for i, column in enumerate(columns) if column.levels},
    )
    probability = rule.predict_proba(data.test.X)[:, 1]
    shift = prior_shift(recipe.population_rate, float(data.train.y.mean()))
    if shift:
        probability = Calibration.identity().shifted(shift).apply(log_odds(probability))
    return probability, says
