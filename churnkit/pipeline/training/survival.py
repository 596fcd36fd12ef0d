"""Fit and evaluate the hazard model of a recipe's lifetime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.models import HazardScorer
    from churnkit.pipeline.declarations import Lifetime
    from churnkit.pipeline.training.dataset import Part, TrainingData

__all__ = ["FittedLifetime", "fit_lifetime"]

_FORBIDDEN_ROLES = ("feature", "label", "entity", "pii")


@dataclass(frozen=True)
class FittedLifetime:
    """A fitted hazard model with its evaluation.

    Parameters
    ----------
    scorer
        Scorer for the bundle.
    card
        Metrics for the model card.
    """

    scorer: HazardScorer
    card: dict[str, Any]


def fit_lifetime(lifetime: Lifetime, data: TrainingData, *, seed: int) -> FittedLifetime:
    """Fit a hazard model on the training customers, evaluate it on the others, refit it on all.

    Raises
    ------
    RecipeError
        If a column is missing, has a forbidden role or is not numeric, or the model is not a
        `HazardModel`.
    ModelDataError
        If the model refuses the rows.
    """
    from sklearn.base import clone

    from churnkit.evaluation import concordance, integrated_brier, survival_calibration
    from churnkit.models import HazardModel

    _refuse_columns(lifetime, data)
    model = HazardModel() if lifetime.model is None else lifetime.model
    if not isinstance(model, HazardModel):
        raise RecipeError(f"lifetime: model must be a HazardModel, got a {type(model).__name__}")
    model = clone(model).set_params(
        seed=seed, categorical_features=data.contract.categorical_features
    )
    model.fit(data.train.X, *_durations_and_events(lifetime, data.train))
    duration, event = _durations_and_events(lifetime, data.test)
    horizons = [float(time) for time in lifetime.horizons or (model.scorer_.horizon,)]
    survival = model.predict_survival(data.test.X, horizons)
    calibration = survival_calibration(duration, event, survival, horizons)
    rows = zip(
        calibration.horizon, calibration.predicted_probability, calibration.churn_rate,
        calibration.low, calibration.high, strict=True,
    )  # fmt: skip
    final = clone(model).fit(data.full.X, *_durations_and_events(lifetime, data.full))
    return FittedLifetime(
        final.scorer_,
        {
            "customers": len(duration),
            "left": int(event.sum()),
            "observed_to": model.max_follow_up_,
            "concordance": concordance(duration, event, 1 - survival[:, -1]),
            "integrated_brier": integrated_brier(duration, event, survival, horizons)
            if len(horizons) > 1
            else None,
            "calibration": [[float(value) for value in row] for row in rows],
        },
    )


def _refuse_columns(lifetime: Lifetime, data: TrainingData) -> None:
    for name in (lifetime.duration, lifetime.event):
        if name not in data.train.table.column_names:
            raise RecipeError(f"lifetime: the table has no column '{name}'")
        if name in data.contract and data.contract[name].has_role(*_FORBIDDEN_ROLES):
            role = data.contract[name].role
            raise RecipeError(
                f"lifetime: column '{name}' has the role {role}, but its values depend on the "
                "future: give it the role ignore"
            )


def _durations_and_events(
    lifetime: Lifetime, part: Part
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return _numbers(part.table, lifetime.duration), _numbers(part.table, lifetime.event)


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    column = table[name]
    if pa.types.is_boolean(column.type):
        column = pc.cast(column, pa.int8())
    try:
        numbers = pc.cast(column, pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise RecipeError(f"lifetime: column '{name}' must be numeric") from None
    if numbers.null_count:
        raise RecipeError(
            f"lifetime: column '{name}' is missing in {numbers.null_count:,} rows: give the time "
            "until churn or until the last observation"
        )
    return np.asarray(numbers.to_numpy(), dtype=np.float64)
