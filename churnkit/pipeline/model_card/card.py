"""A model card: what a model was made from, how good it is, for whom, and what it cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from churnkit.evaluation import calibration_curve, learning_curve, slice_metrics
from churnkit.pipeline.model_card.feature_effects import drivers_of
from churnkit.pipeline.model_card.profit_curves import worth_of
from churnkit.pipeline.model_card.slices import groups_of

if TYPE_CHECKING:
    from churnkit.evaluation import CalibrationCurve, Slices
    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.dataset import TrainingData
    from churnkit.pipeline.training.fit import Fitted
    from churnkit.pipeline.training.survival import FittedLifetime

__all__ = ["build_card"]

CARD_FORMAT = 1
_ENOUGH_CHURNERS = 100
_USE = (
    "To find customers of the training table's kind who are likely to leave, and those whom an "
    "action pays for."
)
_NO_EFFECT = (
    "A probability says who is likely to leave, not whom an action would keep; a driver says what "
    "the model has learnt, not what would happen if it were changed."
)


def build_card(
    recipe: Recipe, data: TrainingData, fitted: Fitted, lifetime: FittedLifetime | None = None
) -> dict[str, Any]:
    """Gather all that a reader should know of a model, as JSON-able data.

    Aggregates only: no group of fewer than 50 test customers is told, and values of numbers are
    rounded. The same recipe, data and seed give the same card.

    Parameters
    ----------
    recipe
        With its words on use and limits.
    data
        The training and the test customers.
    fitted
        The model, tested.
    lifetime
        The hazard beside it, tested.

    Raises
    ------
    RecipeError
        If the recipe names a column to slice by that cannot be used.
    """
    curve = calibration_curve(data.test.y, fitted.probability, sample_weight=data.test.weight)
    groups = {} if recipe.population_rate is not None else groups_of(data, recipe.slices)
    slices = slice_metrics(data.test.y, fitted.probability, groups)
    period = _period(data)
    card: dict[str, Any] = {
        "format": CARD_FORMAT,
        "evaluation": fitted.evaluation.to_dict(),
        "train_rows": len(data.train.y),
        "test_rows": len(data.test.y),
        "churn_rate": recipe.population_rate or float(data.train.y.mean()),
        "winner": fitted.winner,
        "rule": fitted.rule_says,
        "use": recipe.use or _USE,
        "limits": [*recipe.limits, *_drawn(recipe, data), *_limits(data, period, curve, slices)],
        "data": {
            "rows": len(data.train.y) + len(data.test.y),
            "churners": int(data.train.y.sum()) + int(data.test.y.sum()),
            "period": period,
            "digest": data.digest,
            "schema": data.contract.name,
            "contract": data.contract.digest,
            "features": len(data.contract.features),
        },
        "calibration": curve.to_dict(),
        **worth_of(recipe, data, fitted, lifetime),
        "slices": slices.to_dict(),
        "drivers": drivers_of(data.contract, fitted.model, data.test.X, data.train.X),
    }
    if lifetime is not None:
        card["lifetime"] = lifetime.card
    if recipe.learning_curve:
        card["learning"] = learning_curve(
            fitted.model,
            data.train.X,
            data.train.y,
            groups=data.train.customers,
            seed=recipe.seed,
        ).to_dict()
    return card


def _period(data: TrainingData) -> dict[str, str] | None:
    """Return the first and the last date of the rows, and those of the test; None without dates."""
    if data.contract.as_of is None:
        return None
    train, test = (_ends(part.table[data.contract.as_of.name]) for part in (data.train, data.test))
    return {
        "first": min(train[0], test[0]),
        "last": max(train[1], test[1]),
        "test_first": test[0],
        "train_last": train[1],
    }


def _ends(dates: pa.ChunkedArray) -> tuple[str, str]:
    if not pa.types.is_temporal(dates.type):
        dates = pc.cast(dates, pa.string())
    ends = pc.min_max(dates).as_py()
    return str(ends["min"])[:10], str(ends["max"])[:10]


def _drawn(recipe: Recipe, data: TrainingData) -> list[str]:
    if recipe.population_rate is None:
        return []
    told = (
        f"Of the table's customers {data.test.y.mean():.1%} left, of all customers "
        f"{recipe.population_rate:.1%}: the figures are weighted to all customers, and groups and "
        "profit, which count customers, are not told."
    )
    return [told]


def _limits(
    data: TrainingData,
    period: dict[str, str] | None,
    curve: CalibrationCurve,
    slices: Slices,
) -> list[str]:
    churners = int(data.test.y.sum())
    limits = [_NO_EFFECT]
    if churners < _ENOUGH_CHURNERS:
        limits.append(
            f"Only {churners} of the test customers left, so every interval is wide; "
            f"{_ENOUGH_CHURNERS} or more are advised."
        )
    if period is None:
        limits.append(
            "The table bears no date, so nothing here says how the model does in a later period."
        )
    elif period["test_first"] > period["train_last"]:
        limits.append(
            f"Tested on other customers at later dates ({period['test_first']} to "
            f"{period['last']}, trained up to {period['train_last']}): what comes after that is "
            "not measured."
        )
    else:
        limits.append(
            f"Tested on other customers of the same period ({period['first']} to "
            f"{period['last']}): how the model does later is not measured."
        )
    limits += data.left_out
    outside = int(
        (
            (curve.predicted_probability < curve.low) | (curve.predicted_probability > curve.high)
        ).sum()
    )
    if outside > 1:
        limits.append(
            f"In {outside} of {len(curve.customers)} groups of equal size the predicted "
            "churn lies outside the 95% interval of what came."
        )
    return [*limits, *slices.differences]
