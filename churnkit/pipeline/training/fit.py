"""Fit a recipe's model and the baseline rule, and evaluate both on customers they have not seen.

The registered model is fitted on all rows. It is evaluated by models fitted without the customers
of a test fold, one per fold: of the same settings, or, where candidates are compared forward in
time, of settings selected without these customers too. With a timeline they are tested at later
dates than they were fitted to; other tables with dates are tested at all dates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.bundle.parts.evaluation import EvaluationModel
from churnkit.errors import BundleError, RecipeError
from churnkit.evaluation import evaluate
from churnkit.evaluation.classification.fit_interval import evaluate_refit
from churnkit.pipeline.training.fit_params import fit_arguments, monotone_signs, store_trials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from churnkit.evaluation import Evaluation
    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.data.dataset import TrainingData

__all__ = ["Fitted", "fit"]


@dataclass(frozen=True)
class Fitted:
    """A fitted model with its evaluation.

    Parameters
    ----------
    model
        Estimator fitted on all rows, with `scorer_` and `calibration_`.
    tested
        Estimator of the same settings, fitted without the customers of the first test fold.
    probability, rule
        Predictions of model and baseline rule for the rows of the verdict, shape (n,), each by an
        estimator that was fitted without the customer.
    rule_says
        Description of the rule.
    evaluation
        Metrics of `probability` and `rule`.
    fold_models
        Estimators fitted without each test fold, in order; `tested` alone if one is held out.
    """

    model: Any
    tested: Any
    probability: NDArray[np.float64]
    rule: NDArray[np.float64]
    rule_says: str
    evaluation: Evaluation
    fold_models: tuple[Any, ...] = ()

    @property
    def winner(self) -> str:
        """Name of the selected candidate; the estimator's class if there was one only."""
        return str(getattr(self.model, "winner_", type(self.model).__name__))

    def by_fold(self, data: TrainingData) -> dict[int, EvaluationModel]:
        """Return scorer and calibration of `fold_models`, by the number of the fold left out."""
        numbers = [0] if data.folds is None else np.unique(data.folds).tolist()
        return {
            number: EvaluationModel(model.scorer_, model.calibration_)
            for number, model in zip(numbers, self.fold_models, strict=True)
        }

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
    model = _configure_model(recipe, data)
    if store is not None:
        store_trials(model, store)
    model, fold_models = _fit_models(model, data, progress)
    probability, rule, rule_says = _score_unseen(recipe, data, fold_models)
    evaluation = evaluate(
        data.tested.y,
        probability,
        baseline=rule,
        sample_weight=data.tested.weight,
        customers=data.tested.customers,
        seed=recipe.seed,
    )
    if data.folds is not None:
        evaluation = evaluate_refit(evaluation, rarer=data.tested.rarer_count)
    return Fitted(model, fold_models[0], probability, rule, rule_says, evaluation, fold_models)


def _fit_models(
    model: Any, data: TrainingData, progress: Callable[[str], None]
) -> tuple[Any, tuple[Any, ...]]:
    """Return the model fitted on all rows, and one without the customers of each test fold."""
    full = data.full
    if data.on_workers is not None:
        training, every = data.on_workers
        arguments = fit_arguments(model, data.contract, data.train, progress=progress)
        model.set_params(engine="local").fit(data.train.X, data.train.y, **arguments)
        progress(f"testing: fitting on {training.rows:,} rows on the cluster")
        tested = model.refit_on_workers(training)
        progress(f"fitting the registered model on all {every.rows:,} rows on the cluster")
        return model.refit_on_workers(every), (tested,)
    if data.folds is None or data.later_trains:
        model.fit(
            data.train.X,
            data.train.y,
            **fit_arguments(
                model,
                data.contract,
                data.train,
                later_fits=1.0,
                later_comparisons=len(data.later_trains),
                progress=progress,
            ),
        )
        others = _fit_later_folds(model, data, progress)
        progress(f"fitting the registered model on all {full.customer_count:,} customers")
        return model.refit(full.X, full.y, full.weight), (model, *others)
    # One model per fold, each of the rows of the others.
    later_fits = float(len(np.unique(data.folds)) - 1)
    arguments = fit_arguments(model, data.contract, full, later_fits=later_fits, progress=progress)
    own_folds = {
        name: value for name, value in model.get_params(deep=False).items() if name == "cv"
    }
    pairs = [
        (np.flatnonzero(data.folds != number), np.flatnonzero(data.folds == number))
        for number in np.unique(data.folds)
    ]
    # Settings are compared on the folds of the test, so that weights and calibration can leave
    # out the fold that is tested.
    model.set_params(**dict.fromkeys(own_folds, pairs))
    model.fit(full.X, full.y, **arguments)
    model.set_params(**own_folds)
    fold_models = []
    for number, (train, _) in enumerate(pairs):
        progress(f"testing on fold {number + 1} of {len(pairs)}: fitting on the other customers")
        weight = None if full.weight is None else full.weight[train]
        fold_models.append(model.refit(full.X[train], full.y[train], weight, fold=number))
    return model, tuple(fold_models)


def _fit_later_folds(
    model: Any, data: TrainingData, progress: Callable[[str], None]
) -> Iterator[Any]:
    """Yield a model of each later fold, with settings that its own training rows select."""
    from sklearn.base import clone

    for number, part in enumerate(data.later_trains, 2):
        progress(
            f"testing on fold {number} of {len(data.later_trains) + 1}: selecting and fitting on "
            "the other customers"
        )
        arguments = fit_arguments(model, data.contract, part, progress=None)
        yield clone(model).fit(part.X, part.y, **arguments)


def _score_unseen(
    recipe: Recipe, data: TrainingData, fold_models: tuple[Any, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """Return the probabilities of model and rule, by fits without the customer, and the rule."""
    if data.folds is None:
        rule, says = _fit_rule(recipe, data, data.train.X, data.train.y)
        return fold_models[0].predict_proba(data.test.X)[:, 1], rule(data.test.X), says
    X, y = data.tested.X, data.tested.y
    probability, by_rule = np.empty(len(y)), np.empty(len(y))
    trains = (data.train, *data.later_trains)
    for at, (number, model) in enumerate(zip(np.unique(data.folds), fold_models, strict=True)):
        unseen = data.folds == number
        probability[unseen] = model.predict_proba(X[unseen])[:, 1]
        rows, outcome = X[~unseen], y[~unseen]
        if data.later_trains:
            rows, outcome = trains[at].X, trains[at].y
        by_rule[unseen] = _fit_rule(recipe, data, rows, outcome)[0](X[unseen])
    return probability, by_rule, _fit_rule(recipe, data, data.full.X, data.full.y)[1]


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


def _fit_rule(
    recipe: Recipe, data: TrainingData, X: NDArray[np.float64], y: NDArray[np.int8]
) -> tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], str]:
    """Return the baseline rule's probabilities as a function of rows, and its description."""
    from churnkit.models import Calibration, SingleFeatureRule
    from churnkit.models.calibration.prior_correction import log_odds, prior_shift

    rule = SingleFeatureRule(
        categorical_features=data.contract.categorical_features, seed=recipe.seed
    ).fit(X, y)
    columns = data.contract.features
    says = rule.describe(
        [column.title for column in columns],
        levels={
            i: ("no", "yes") if column.type == "boolean" else column.levels or ()
            for i, column in enumerate(columns)
            if column.levels or column.type == "boolean"
        },
        dates=data.contract.date_features,
    )
    shift = prior_shift(recipe.population_rate, float(y.mean()))

    def predict(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        probability: NDArray[np.float64] = rule.predict_proba(rows)[:, 1]
        if shift:
            probability = Calibration.identity().shifted(shift).apply(log_odds(probability))
        return probability

    return predict, says
