"""A recipe's model and its rule, fitted on the training customers and tested on the others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError, RecipeError
from churnkit.evaluation import evaluate
from churnkit.pipeline.training.fit_params import keep_trials, monotone_signs, rows_settings

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
    """A model that was fitted and tested.

    Parameters
    ----------
    model
        The fitted estimator, with its `scorer_` and `calibration_`.
    probability, rule
        What the model and the rule say of the test customers, (n,).
    rule_says
        The rule in a sentence.
    evaluation
        The model's metrics on the test customers, beside the rule's.
    """

    model: Any
    probability: NDArray[np.float64]
    rule: NDArray[np.float64]
    rule_says: str
    evaluation: Evaluation

    @property
    def winner(self) -> str:
        """The name of the candidate that won; the estimator's own where there was no contest."""
        return str(getattr(self.model, "winner_", type(self.model).__name__))

    def refuse_disparity(self, rows: NDArray[np.float64]) -> None:
        """Hold the compiled trees against LightGBM on rows (g, f): the same bits, or no bundle.

        Raises
        ------
        BundleError
            If a raw score differs in any bit.
        """
        for name, member in self._boosters().items():
            # Where wide categories are read by their statistics, the booster never sees codes.
            read = member.scorer_.encoded(rows) if hasattr(member.scorer_, "encoded") else rows
            expected = member.booster_.predict(read, raw_score=True, num_threads=1)
            if not np.array_equal(member.scorer_.raw_score(rows), expected):
                raise BundleError(
                    f"the compiled trees of '{name}' do not score as LightGBM does on "
                    f"{len(rows)} golden rows, so nothing is saved: please report it, with the "
                    "versions that churnkit doctor prints"
                )

    def _boosters(self) -> dict[str, Any]:
        members = getattr(self.model, "members_", {"model": self.model})
        return {name: member for name, member in members.items() if hasattr(member, "booster_")}

    def texts(self) -> dict[str, str]:
        """Collect the boosters that the model consists of, in LightGBM's own text."""
        return {
            re.sub(r"[^a-z0-9]+", "_", name.lower()): _without_ranges(member.booster_)
            for name, member in self._boosters().items()
        }


def _without_ranges(booster: Any) -> str:
    """Write a booster as text, without the least and greatest value of each column.

    LightGBM notes them and never reads them; the greatest revenue is one customer's.
    """
    nothing = " ".join(["none"] * booster.num_feature())
    text: str = booster.model_to_string()
    return re.sub(r"(?m)^feature_infos=.*$", f"feature_infos={nothing}", text)


def fit(
    recipe: Recipe,
    data: TrainingData,
    *,
    store: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Fitted:
    """Fit a recipe's model and the rule that it must beat, and test both.

    Parameters
    ----------
    recipe, data
        What to fit, and on what.
    store
        The folder in which a search of settings keeps its trials, so that it can go on.
    progress
        Called with a few words before each step of a contest.

    Raises
    ------
    RecipeError
        If the recipe's model is not one that a bundle can hold, or a column that the recipe
        names is none.
    ModelDataError
        If the model refuses the rows.
    """
    model = _model(recipe, data)
    if store is not None:
        keep_trials(model, store)
    model = model.fit(data.train.X, data.train.y, **rows_settings(model, data, progress=progress))
    rule, rule_says = _fit_rule(recipe, data)
    probability = model.predict_proba(data.test.X)[:, 1]
    evaluation = evaluate(
        data.test.y, probability, baseline=rule, sample_weight=data.test.weight, seed=recipe.seed
    )
    return Fitted(model, probability, rule, rule_says, evaluation)


def _model(recipe: Recipe, data: TrainingData) -> Any:
    from sklearn.base import clone

    from churnkit.models import ChurnClassifier
    from churnkit.models.classifiers.base import BinaryModel

    if recipe.model is None:
        model = ChurnClassifier()
    elif isinstance(recipe.model, BinaryModel):
        model = clone(recipe.model)
    else:
        raise RecipeError(
            f"recipe '{recipe.name}': model is a {type(recipe.model).__name__}; it must be an "
            "unfitted estimator of churnkit.models, such as ChurnClassifier(profile='fast')"
        )
    given = {"seed": recipe.seed, "categorical_features": data.contract.categorical_features}
    known = model.get_params()
    if recipe.population_rate is not None:
        if "population_rate" not in known:
            raise RecipeError(
                f"recipe '{recipe.name}': a {type(model).__name__} knows no population_rate; use "
                "a ChurnClassifier, with this model as its only candidate if you like"
            )
        given["population_rate"] = recipe.population_rate
    if recipe.monotone:
        given["monotone_constraints"] = monotone_signs(recipe, data.contract, known)
    return model.set_params(**{name: value for name, value in given.items() if name in known})


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
    chance = rule.predict_proba(data.test.X)[:, 1]
    shift = prior_shift(recipe.population_rate, float(data.train.y.mean()))
    return Calibration.identity().shifted(shift).apply(log_odds(chance)) if shift else chance, says
