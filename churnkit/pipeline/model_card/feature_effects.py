"""What moves a model's probabilities, in the schema's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.models.inspection import importance, partial_dependence
from churnkit.pipeline.model_card.slices import rounded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.contracts.contract import Contract
    from churnkit.contracts.schema.column import Column

__all__ = ["drivers_of"]

_MOST_ROWS = 2_000
_MOST_DRIVERS = 10
_MOST_CURVES = 5
_MOST_LEVELS = 10
_FEWEST_OF_A_LEVEL = 20
_SHARES = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)


def drivers_of(
    contract: Contract, model: Any, X: NDArray[np.float64], known: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Return the strongest columns, each with how the mean probability answers to it.

    Parameters
    ----------
    contract
        Whose words are used.
    model
        With a `scorer_` and a `calibration_`.
    X : (n, f) customers to average over; of many, 2,000 evenly spread ones
    known : (m, f) the training customers, whose values the curves run over

    Returns
    -------
    A dict for each column: ``column, title, log_odds, points, share`` (of all columns' mean
    absolute Shapley values), and for the strongest ``dependence``: a list of ``says`` and
    ``churn_probability``.
    """
    chosen = np.linspace(0, len(X) - 1, min(len(X), _MOST_ROWS)).round().astype(np.intp)
    rows = X[chosen]
    scorer, calibration = model.scorer_, model.calibration_
    found = importance(scorer, rows, calibration=calibration)
    total = float(found.log_odds.sum())
    drivers = []
    for rank, place in enumerate(found.order.tolist()[:_MOST_DRIVERS]):
        if found.log_odds[place] == 0.0:
            break
        column = contract.features[place]
        driver: dict[str, Any] = {
            "column": column.name,
            "title": column.title,
            "log_odds": float(found.log_odds[place]),
            "points": float(found.points[place]),
            "share": float(found.log_odds[place]) / total,
        }
        if rank < _MOST_CURVES:
            values = _values(column, known[:, place])
            mean = partial_dependence(scorer, rows, place, values, calibration=calibration)
            driver["dependence"] = [
                {"says": column.describe(column.decode(value)), "churn_probability": float(chance)}
                for value, chance in zip(values, mean, strict=True)
            ]
        drivers.append(driver)
    return drivers


def _values(column: Column, known: NDArray[np.float64]) -> list[float]:
    """Choose the values that a curve runs over; none is told that few customers have."""
    missing = np.isnan(known)
    sure = known[~missing]
    if column.is_category or column.type == "boolean":
        codes, count = np.unique(sure, return_counts=True)
        order = np.argsort(-count, kind="stable")[:_MOST_LEVELS]
        values = [float(codes[at]) for at in order if count[at] >= _FEWEST_OF_A_LEVEL]
    elif len(sure):
        inner = np.quantile(sure, _SHARES)
        near = inner.round() if column.type == "integer" else map(rounded, inner.tolist())
        values = sorted({float(value) for value in near})
    else:
        values = []
    return [*values, np.nan] if missing.sum() >= _FEWEST_OF_A_LEVEL else values
