"""Model card: data, metrics, slices, drivers and limits of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from churnkit.evaluation import calibration_curve, learning_curve, slice_metrics
from churnkit.pipeline.model_card.feature_effects import feature_effects
from churnkit.pipeline.model_card.profit_curves import ranking_curves
from churnkit.pipeline.model_card.slices import slice_customers

if TYPE_CHECKING:
    from churnkit.bundle.parts.uplift import ActionEffects
    from churnkit.evaluation import CalibrationCurve, Slices
    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.competing_risks import FittedCauses
    from churnkit.pipeline.training.data.dataset import TrainingData
    from churnkit.pipeline.training.fit import Fitted
    from churnkit.pipeline.training.survival import FittedLifetime

__all__ = ["build_card"]

CARD_FORMAT = 1
_ADVISED_CHURNERS = 100
_DEFAULT_USE = (
    "To find customers who are likely to churn, in a population like the training table's, and "
    "actions for them that pay."
)
_NOT_CAUSAL = (
    "Probabilities estimate churn, not the effect of an action. Drivers describe the model, "
    "not the effect of changing a feature."
)


def build_card(
    recipe: Recipe,
    data: TrainingData,
    fitted: Fitted,
    lifetime: FittedLifetime | None = None,
    effects: ActionEffects | None = None,
    *,
    causes: FittedCauses | None = None,
) -> dict[str, Any]:
    """Build a model card as JSON-compatible data.

    It holds aggregates only: slices have at least 50 test customers, and numbers are rounded.
    The same recipe, data and seed give the same card.

    Raises
    ------
    RecipeError
        If the recipe slices by a column that cannot be used.
    """
    tested = data.tested
    curve = calibration_curve(
        tested.y, fitted.probability, sample_weight=tested.weight, customers=tested.customers
    )
    groups = {} if recipe.population_rate is not None else slice_customers(data, recipe.slices)
    slices = slice_metrics(tested.y, fitted.probability, groups, customers=tested.customers)
    period = _period(data)
    card: dict[str, Any] = {
        "format": CARD_FORMAT,
        "evaluation": fitted.evaluation.to_dict(),
        **data.row_counts,
        "test_folds": 1 if data.folds is None else len(fitted.fold_models),
        "churn_rate": recipe.population_rate or float(data.full.y.mean()),
        "winner": fitted.winner,
        "rule": fitted.rule_says,
        "use": recipe.use or _DEFAULT_USE,
        "limits": [
            *recipe.limits,
            *_sampling_limits(recipe, data),
            *_limits(data, period, curve, slices),
        ],
        "data": {
            "rows": len(data.full.y),
            "churners": int(data.full.y.sum()),
            "test_customers": tested.customer_count,
            "period": period,
            "digest": data.digest,
            "schema": data.contract.name,
            "contract": data.contract.digest,
            "features": len(data.contract.features),
        },
        "calibration": curve.to_dict(),
        **ranking_curves(recipe, data, fitted, lifetime, effects, causes=causes),
        "slices": slices.to_dict(),
        "drivers": feature_effects(data.contract, fitted.model, data.test.X, data.full.X),
    }
    if lifetime is not None:
        card["lifetime"] = lifetime.card
    if causes is not None:
        card["causes"] = causes.card
    if recipe.learning_curve:
        card["learning"] = learning_curve(
            fitted.tested,
            data.train.X,
            data.train.y,
            groups=data.train.customers,
            seed=recipe.seed,
        ).to_dict()
    return card


def _period(data: TrainingData) -> dict[str, str] | None:
    """Return the first and last dates of the rows and of the test; None without dates."""
    if data.contract.as_of is None:
        return None
    train, test = (
        _date_range(part.table[data.contract.as_of.name]) for part in (data.train, data.tested)
    )
    return {
        "first": min(train[0], test[0]),
        "last": max(train[1], test[1]),
        "test_first": test[0],
        "train_last": train[1],
    }


def _date_range(dates: pa.ChunkedArray) -> tuple[str, str]:
    if not pa.types.is_temporal(dates.type):
        dates = pc.cast(dates, pa.string())
    limits = pc.min_max(dates).as_py()
    return str(limits["min"])[:10], str(limits["max"])[:10]


def _sampling_limits(recipe: Recipe, data: TrainingData) -> list[str]:
    sentences = []
    if data.on_workers is not None:
        sentences.append(
            f"The trees are fitted on all rows on a cluster; everything else, such as test, drivers "
            f"and segments, is computed from a sample of {len(data.full.y):,} rows."
        )
    if recipe.population_rate is None:
        return sentences
    sentence = (
        f"The churn rate is {data.tested.y.mean():.1%} in the table and "
        f"{recipe.population_rate:.1%} among all customers: metrics are weighted to all "
        "customers; slices and profit, which count customers, are not reported."
    )
    return [*sentences, sentence]


def _limits(
    data: TrainingData,
    period: dict[str, str] | None,
    curve: CalibrationCurve,
    slices: Slices,
) -> list[str]:
    churners = int(data.tested.y.sum())
    limits = [_NOT_CAUSAL]
    if churners < _ADVISED_CHURNERS:
        limits.append(
            f"Only {churners} of the test customers churned, so intervals are wide; at least "
            f"{_ADVISED_CHURNERS} are advised."
        )
    if period is None:
        limits.append("The table has no dates, so performance in a later period is not measured.")
    elif period["test_first"] > period["train_last"]:
        limits.append(
            f"Tested on other customers at later dates ({period['test_first']} to "
            f"{period['last']}, trained up to {period['train_last']}); performance after that is "
            "not measured."
        )
    elif period["first"] == period["last"]:
        limits.append(
            f"Tested on other customers at the same date ({period['first']}); performance at a "
            "later date is not measured."
        )
    else:
        limits.append(
            f"Tested on other customers of the same period ({period['first']} to "
            f"{period['last']}); performance in a later period is not measured."
        )
    limits += data.left_out
    outside = int(
        (
            (curve.predicted_probability < curve.low) | (curve.predicted_probability > curve.high)
        ).sum()
    )
    if outside > 1:
        limits.append(
            f"In {outside} of {len(curve.customers)} groups of equal size the predicted churn rate "
            "is outside the 95% interval of the observed one."
        )
    return [*limits, *slices.differences]
