"""Importance and partial dependence of features, for the model card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.models.inspection import importance, partial_dependence
from churnkit.pipeline.model_card.slices import round_edge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.contracts.contract import Contract
    from churnkit.contracts.schema.column import Column

__all__ = ["feature_effects"]

_MAX_ROWS = 2_000
_MAX_FEATURES = 10
_MAX_CURVES = 5
_MAX_LEVELS = 10
_MIN_CUSTOMERS_PER_LEVEL = 20
_QUANTILES = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)


def feature_effects(
    contract: Contract, model: Any, X: NDArray[np.float64], training: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Rank features by mean absolute Shapley value, with partial dependence of the first.

    Parameters
    ----------
    contract
        Contract with the features' titles and phrases.
    model
        Model with `scorer_` and `calibration_`.
    X
        Customers to average over, shape (n, f); at most 2,000 of them are used.
    training
        Training customers, whose values the curves range over, shape (m, f).
    """
    selected = np.linspace(0, len(X) - 1, min(len(X), _MAX_ROWS)).round().astype(np.intp)
    rows = X[selected]
    scorer, calibration = model.scorer_, model.calibration_
    ranking = importance(scorer, rows, calibration=calibration)
    total = float(ranking.log_odds.sum())
    drivers = []
    for rank, index in enumerate(ranking.order.tolist()[:_MAX_FEATURES]):
        if ranking.log_odds[index] == 0.0:
            break
        column = contract.features[index]
        driver: dict[str, Any] = {
            "column": column.name,
            "title": column.title,
            "log_odds": float(ranking.log_odds[index]),
            "points": float(ranking.points[index]),
            "share": float(ranking.log_odds[index]) / total,
        }
        if rank < _MAX_CURVES:
            values = _curve_values(column, training[:, index])
            mean = partial_dependence(scorer, rows, index, values, calibration=calibration)
            driver["dependence"] = [
                {
                    "says": column.describe(column.decode(value)),
                    "churn_probability": float(probability),
                }
                for value, probability in zip(values, mean, strict=True)
            ]
        drivers.append(driver)
    return drivers


def _curve_values(column: Column, training: NDArray[np.float64]) -> list[float]:
    """Choose the values of a curve; a value that few customers have is not disclosed."""
    missing = np.isnan(training)
    present = training[~missing]
    if column.is_category or column.type == "boolean":
        codes, count = np.unique(present, return_counts=True)
        order = np.argsort(-count, kind="stable")[:_MAX_LEVELS]
        values = [float(codes[i]) for i in order if count[i] >= _MIN_CUSTOMERS_PER_LEVEL]
    elif len(present):
        quantiles = np.quantile(present, _QUANTILES)
        limits = (
            quantiles.round()
            if column.type == "integer"
            else [round_edge(value) for value in quantiles.tolist()]
        )
        values = sorted({float(value) for value in limits})
    else:
        values = []
    return [*values, np.nan] if missing.sum() >= _MIN_CUSTOMERS_PER_LEVEL else values
