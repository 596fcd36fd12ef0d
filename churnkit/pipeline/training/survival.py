"""How long customers stay: a hazard that is fitted beside a recipe's model."""

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

_NEVER = ("feature", "label", "entity", "pii")


@dataclass(frozen=True)
class FittedLifetime:
    """A hazard that was fitted and tested.

    Parameters
    ----------
    scorer
        What the bundle keeps.
    card
        What the model card says of it.
    """

    scorer: HazardScorer
    card: dict[str, Any]


def fit_lifetime(lifetime: Lifetime, data: TrainingData, *, seed: int) -> FittedLifetime:
    """Fit a hazard on the training customers and test it on the others.

    Raises
    ------
    RecipeError
        If a column is missing, may not be used so or holds no numbers, or the model is no
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
        raise RecipeError(f"lifetime: model is a {type(model).__name__}; it must be a HazardModel")
    model = clone(model).set_params(
        seed=seed, categorical_features=data.contract.categorical_features
    )
    model.fit(data.train.X, *_watched(lifetime, data.train))
    duration, event = _watched(lifetime, data.test)
    horizons = [float(time) for time in lifetime.horizons or (model.scorer_.horizon,)]
    survival = model.predict_survival(data.test.X, horizons)
    found = survival_calibration(duration, event, survival, horizons)
    rows = zip(
        found.horizon, found.predicted_probability, found.churn_rate, found.low, found.high,
        strict=True,
    )  # fmt: skip
    return FittedLifetime(
        model.scorer_,
        {
            "customers": len(duration),
            "left": int(event.sum()),
            "observed_to": model.max_follow_up_,
            "concordance": concordance(duration, event, 1 - survival[:, -1]),
            "integrated_brier": integrated_brier(duration, event, survival, horizons)
            if len(horizons) > 1
            else None,
            "calibration": [[float(each) for each in row] for row in rows],
        },
    )


def _refuse_columns(lifetime: Lifetime, data: TrainingData) -> None:
    for name in (lifetime.duration, lifetime.event):
        if name not in data.train.table.column_names:
            raise RecipeError(f"lifetime: the table has no column '{name}'")
        if name in data.contract and data.contract[name].has_role(*_NEVER):
            role = data.contract[name].role
            raise RecipeError(
                f"lifetime: column '{name}' has the role {role}; a column that tells the future "
                "must not be one: give it the role ignore"
            )


def _watched(lifetime: Lifetime, part: Part) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return _numbers(part.table, lifetime.duration), _numbers(part.table, lifetime.event)


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    column = table[name]
    if pa.types.is_boolean(column.type):
        column = pc.cast(column, pa.int8())
    try:
        found = pc.cast(column, pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise RecipeError(f"lifetime: column '{name}' holds what is no number") from None
    if found.null_count:
        raise RecipeError(
            f"lifetime: column '{name}' is missing in {found.null_count:,} rows: say for each "
            "customer how long they were watched"
        )
    return np.asarray(found.to_numpy(), dtype=np.float64)
