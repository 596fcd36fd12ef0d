"""Weights of the candidates' blend, found on held-out rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.stats.special import softplus
from churnkit.models.selection.candidates import EvaluatedCandidate, calibrate_held_out

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from churnkit.models.calibration.maps import Calibration
    from churnkit.models.classifiers.base import BinaryModel
    from churnkit.models.selection.candidates import ScoredCandidate
    from churnkit.models.training_rows import TrainingRows

__all__ = ["Blend", "FoldChoice", "blend", "choices_by_fold", "evaluate_candidates"]

_BLEND = "blend"
# A member with less weight costs time to score and brings nothing that shows on held-out rows.
_MIN_WEIGHT = 0.05


@dataclass(frozen=True)
class Blend:
    """Weights of the candidates' log-odds.

    Attributes
    ----------
    weights : (m,) from all held-out rows; they sum to one
    by_fold
        The weights by fold, each found without the fold's rows.
    raw : (n,) log-odds, each row's with the weights of its fold; NaN where no fold held it out
    """

    weights: NDArray[np.float64]
    by_fold: Mapping[int, NDArray[np.float64]]
    raw: NDArray[np.float64]


def blend(
    candidates: Sequence[ScoredCandidate], rows: TrainingRows, number: NDArray[np.intp]
) -> Blend:
    """Find the weights of the candidates' log-odds whose sum has the lowest log loss.

    The weights are nonnegative and sum to one, and the loss is convex in them, so the optimum
    is unique. Members with a weight below 0.05 are dropped, and the weights of the others are
    found again.

    Parameters
    ----------
    candidates
        All candidates with their held-out scores.
    rows
        Checked training rows.
    number : (n,) number of the fold that holds each row out, -1 for none

    Returns
    -------
    Blend
    """
    scores = np.stack([candidate.raw for candidate in candidates])
    held_out = number >= 0
    raw, by_fold = np.full(len(number), np.nan), {}
    for fold in np.unique(number[held_out]).tolist():
        test, train = number == fold, held_out & (number != fold)
        by_fold[fold] = _convex_weights(scores[:, train], rows, train)
        raw[test] = by_fold[fold] @ scores[:, test]
    return Blend(_convex_weights(scores[:, held_out], rows, held_out), by_fold, raw)


def _convex_weights(
    scores: NDArray[np.float64], rows: TrainingRows, chosen: NDArray[np.bool_]
) -> NDArray[np.float64]:
    outcome, weight = rows.outcome[chosen], rows.weight[chosen]
    weights, kept = np.zeros(len(scores)), np.arange(len(scores))
    while True:
        found = _lowest_loss(scores[kept], outcome, weight / weight.sum())
        is_used = found >= min(_MIN_WEIGHT, found.max())
        if is_used.all():
            break
        kept = kept[is_used]
    # Rounded, so that the model does not depend on the last bits of the solver.
    weights[kept] = np.round(found, 4)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _lowest_loss(
    scores: NDArray[np.float64], outcome: NDArray[np.float64], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return nonnegative weights that sum to one, (m,)."""
    from scipy.optimize import minimize

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        raw = weights @ scores
        log_partition = softplus(raw)
        residual = share * (np.exp(raw - log_partition) - outcome)
        return float(share @ (log_partition - outcome * raw)), scores @ residual

    members = len(scores)
    result = minimize(
        loss,
        np.full(members, 1 / members),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * members,
        constraints={
            "type": "eq",
            "fun": lambda weights: weights.sum() - 1,
            "jac": lambda _: np.ones(members),
        },
        options={"ftol": 1e-10},
    )
    weights: NDArray[np.float64] = np.maximum(result.x, 0.0)
    total: NDArray[np.float64] = weights / weights.sum()
    return total


def evaluate_candidates(
    scored: Sequence[ScoredCandidate],
    rows: TrainingRows,
    number: NDArray[np.intp],
    *,
    ensemble: bool,
) -> list[EvaluatedCandidate]:
    """Measure each candidate, and their blend if `ensemble` and there are several.

    Parameters
    ----------
    scored
        All candidates with their held-out scores.
    rows
        Checked training rows.
    number : (n,) number of the fold that holds each row out, -1 for none
    ensemble
        Include the blend.

    Returns
    -------
    One entry per candidate in their order, then the blend.
    """
    entries = [
        EvaluatedCandidate.evaluate(
            candidate.name,
            weights,
            dict.fromkeys(candidate.calibrated.by_fold, weights),
            candidate.calibrated,
            candidate.cpu_seconds,
            rows,
            number,
        )
        for candidate, weights in zip(scored, np.eye(len(scored)), strict=True)
    ]
    if ensemble and len(scored) > 1:
        blended = blend(scored, rows, number)
        entries.append(
            EvaluatedCandidate.evaluate(
                _BLEND,
                blended.weights,
                blended.by_fold,
                calibrate_held_out(blended.raw, rows, number),
                sum(candidate.cpu_seconds for candidate in scored),
                rows,
                number,
            )
        )
    return entries


@dataclass(frozen=True)
class FoldChoice:
    """The winner as it was found without the rows of one fold.

    Attributes
    ----------
    estimators
        Its members by name, unfitted, with their chosen settings.
    weights : (m,) of the members
    calibration
        From the blend's log-odds to probabilities.
    """

    estimators: Mapping[str, BinaryModel]
    weights: NDArray[np.float64]
    calibration: Calibration


def choices_by_fold(
    winner: EvaluatedCandidate, scored: Sequence[ScoredCandidate]
) -> dict[int, FoldChoice]:
    """Return the winner's members, weights and calibration by fold, found without its rows."""
    choices = {}
    for fold, weights in winner.weights_by_fold.items():
        chosen = np.flatnonzero(weights)
        choices[fold] = FoldChoice(
            {scored[member].name: scored[member].estimator for member in chosen.tolist()},
            weights[chosen],
            winner.calibrated.by_fold[fold],
        )
    return choices
