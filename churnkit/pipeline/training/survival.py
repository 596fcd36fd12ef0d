"""Fit and evaluate the hazard model of a recipe's lifetime."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.contracts.schema.column import Column
from churnkit.errors import RecipeError
from churnkit.pipeline.training.competing_risks import frequent_causes, texts_of_causes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.models import CompetingRisksModel, CompetingRisksScorer, HazardModel, HazardScorer
    from churnkit.pipeline.declarations import Lifetime
    from churnkit.pipeline.training.data.dataset import Part, TrainingData

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

    scorer: HazardScorer | CompetingRisksScorer
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
    names = _lifetime_causes(lifetime, data)
    model = HazardModel() if lifetime.model is None else lifetime.model
    if not isinstance(model, HazardModel):
        raise RecipeError(f"lifetime: model must be a HazardModel, got a {type(model).__name__}")
    model = clone(model).set_params(
        seed=seed, categorical_features=data.contract.categorical_features
    )
    tested = _fit(lifetime, model, data.train, names)
    duration, event = _durations_and_events(lifetime, data.test)
    horizons = [float(time) for time in lifetime.horizons or (tested.scorer_.horizon,)]
    survival = tested.predict_survival(data.test.X, horizons)
    calibration = survival_calibration(duration, event, survival, horizons)
    rows = zip(
        calibration.horizon, calibration.predicted_probability, calibration.churn_rate,
        calibration.low, calibration.high, strict=True,
    )  # fmt: skip
    final = _fit(lifetime, model, data.full, names)
    causes = {}
    if names is not None:
        causes["causes"] = _compare_causes(lifetime, data.test, names, tested.scorer_, horizons)
    return FittedLifetime(
        final.scorer_,
        {
            **causes,
            "customers": len(duration),
            "left": int(event.sum()),
            "observed_to": float(_durations_and_events(lifetime, data.train)[0].max()),
            "concordance": concordance(duration, event, 1 - survival[:, -1]),
            "integrated_brier": integrated_brier(duration, event, survival, horizons)
            if len(horizons) > 1
            else None,
            "calibration": [[float(value) for value in row] for row in rows],
        },
    )


def _fit(
    lifetime: Lifetime, model: HazardModel, part: Part, names: set[str] | None
) -> HazardModel | CompetingRisksModel:
    from sklearn.base import clone

    from churnkit.models import CompetingRisksModel

    duration, event = _durations_and_events(lifetime, part)
    if names is None:
        fitted: HazardModel = clone(model).fit(part.X, duration, event)
        return fitted
    return CompetingRisksModel(model).fit(part.X, duration, _causes(lifetime, part, names))


def _lifetime_causes(lifetime: Lifetime, data: TrainingData) -> set[str] | None:
    """Return the causes that have a hazard each; None for churn of any cause."""
    if lifetime.cause is None:
        return None
    counts, everything = (
        Counter(cause for cause in _causes(lifetime, part).tolist() if cause is not None)
        for part in (data.train, data.full)
    )
    return frequent_causes(counts, everything)


def _causes(lifetime: Lifetime, part: Part, names: set[str] | None = None) -> NDArray[np.object_]:
    """Return the cause of each churn at the end of the duration, (n,); None for the active."""
    column = Column(lifetime.cause or "", "string", ("ignore",), nullable=True)
    causes = texts_of_causes(part.table, column, names)
    causes[_numbers(part.table, lifetime.event) == 0] = None
    return causes


def _compare_causes(
    lifetime: Lifetime,
    test: Part,
    names: set[str],
    scorer: Any,
    horizons: list[float],
) -> list[list[Any]]:
    """Return cause, horizon, predicted and observed cumulative incidence with its interval."""
    from churnkit.evaluation import cumulative_incidence

    duration, _ = _durations_and_events(lifetime, test)
    curves = cumulative_incidence(duration, _causes(lifetime, test, names))
    predicted = scorer.incidence(test.X, horizons).mean(axis=0)
    rows: list[list[Any]] = []
    for position, cause in enumerate(scorer.causes):
        for column, horizon in enumerate(horizons):
            at = np.searchsorted(curves.time, horizon, side="right") - 1
            if cause not in curves.causes or at < 0 or horizon > curves.follow_up:
                continue
            row = curves.causes.index(cause)
            observed = (curves.incidence[row, at], curves.low[row, at], curves.high[row, at])
            figures = (horizon, predicted[column, position], *observed)
            rows.append([cause, *(float(figure) for figure in figures)])
    return rows


def _refuse_columns(lifetime: Lifetime, data: TrainingData) -> None:
    for name in filter(None, (lifetime.duration, lifetime.event, lifetime.cause)):
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
