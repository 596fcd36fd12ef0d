"""Out-of-fold effect forecasts that a blend is made of: S-, T-, X-, DR- and R-learners.

Outcome models start from the customer's own risk, as an offset, and learn only the departure from
it; so with few treated customers their effects fall back to what the risk implies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.models.uplift.blend.effects import (
    CANDIDATES,
    Offset,
    candidate_effects,
    trees_needed,
)
from churnkit.models.uplift.effect_transforms import inverse_link
from churnkit.models.uplift.nuisance import boosted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.models.uplift.blend.effects import RawScore
    from churnkit.models.uplift.nuisance import Nuisance, Settings
    from churnkit.models.uplift.validation import ExperimentRows

    Floats = NDArray[np.float64]

__all__ = ["Candidates", "fit_candidates", "fit_offset", "raw_score_of"]

_ROUNDS = {"t": 40, "x": 60, "dr": 60, "r": 60}
_SMALLEST_VARIANCE = 0.02
# Prior precisions of the offset: a slope near 1, arms near control.
_SLOPE_PRECISION, _ARM_PRECISION, _INTERCEPT_PRECISION = 10.0, 1.0, 1e-3
_NEWTON_STEPS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Fitted candidates.

    Attributes
    ----------
    fold : (n,) fold of each row
    held_out : candidate name -> (n, arms - 1) effects by trees that did not see the customer
    boosters : candidate name -> one list for each set of trees, with one booster for each fold
    """

    fold: NDArray[np.int64]
    held_out: dict[str, Floats]
    boosters: dict[str, list[list[Any]]]


def fit_offset(baseline: Floats, rows: ExperimentRows) -> Offset:
    """Recalibrate the baseline (n,) on the experiment, with one shift for each action."""
    actions = rows.arms - 1
    design = np.column_stack(
        [np.ones(len(rows)), baseline, rows.arm[:, None] == np.arange(1, rows.arms)]
    ).astype(np.float64)
    prior = np.zeros(2 + actions)
    prior[1] = 1.0
    precision = np.concatenate(
        [[_INTERCEPT_PRECISION, _SLOPE_PRECISION], np.full(actions, _ARM_PRECISION)]
    )
    variance = 1.0 if rows.link == "logit" else max(float(rows.outcome.var()), 1e-12)
    coefficients = prior.copy()
    for _ in range(_NEWTON_STEPS):
        mean = inverse_link(design @ coefficients, rows.link)
        weight = mean * (1.0 - mean) if rows.link == "logit" else np.full(len(rows), 1 / variance)
        residual = (rows.outcome - mean) / variance
        gradient = design.T @ residual - precision * (coefficients - prior)
        step = np.linalg.solve((design * weight[:, None]).T @ design + np.diag(precision), gradient)
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-9:
            break
    level = max(float(np.abs(rows.outcome).mean()), 1e-12)
    return Offset(
        float(coefficients[0]), float(coefficients[1]), np.append(0.0, coefficients[2:]), level
    )


def fit_candidates(
    rows: ExperimentRows,
    nuisance: Nuisance,
    settings: Settings,
    *,
    offset: Offset,
    baseline: Floats,
) -> Candidates:
    """Fit every candidate on all folds but one, for each fold of the nuisance models."""
    matrix = np.column_stack([rows.matrix, baseline])
    held_out = {name: np.zeros((len(rows), rows.arms - 1)) for name in CANDIDATES}
    boosters: dict[str, list[list[Any]]] = {
        name: [[] for _ in range(trees_needed(name, rows.arms - 1))] for name in CANDIDATES
    }
    for fold in np.unique(nuisance.fold):
        seen, unseen = nuisance.fold != fold, np.flatnonzero(nuisance.fold == fold)
        for name in CANDIDATES:
            if name == "s":
                fitted = [nuisance.boosters[int(fold)]]
            elif name == "t":
                fitted = _arm_models(
                    rows, matrix, settings, offset=offset, baseline=baseline, seen=seen
                )
            else:
                fitted = [
                    _effect_model(
                        name,
                        rows,
                        nuisance,
                        settings,
                        matrix=matrix,
                        offset=offset,
                        baseline=baseline,
                        arm=arm,
                        seen=seen,
                    )
                    for arm in range(1, rows.arms)
                ]
            held_out[name][unseen] = candidate_effects(
                name,
                [raw_score_of(booster) for booster in fitted],
                matrix[unseen],
                baseline=baseline[unseen],
                offset=offset,
                link=rows.link,
            )
            for group, booster in zip(boosters[name], fitted, strict=True):
                group.append(booster)
    return Candidates(nuisance.fold, held_out, boosters)


def raw_score_of(booster: Any) -> RawScore:
    """Return the function of a booster's raw scores."""
    return lambda matrix: np.asarray(booster.predict(matrix, raw_score=True), dtype=np.float64)


def _arm_models(
    rows: ExperimentRows,
    matrix: Floats,
    settings: Settings,
    *,
    offset: Offset,
    baseline: Floats,
    seen: NDArray[np.bool_],
) -> list[Any]:
    untreated = offset.untreated(baseline)
    fitted = []
    for arm in range(rows.arms):
        at = np.flatnonzero(seen & (rows.arm == arm))
        at = at if len(at) else np.flatnonzero(rows.arm == arm)
        fitted.append(
            boosted(
                matrix[at],
                rows.outcome[at],
                settings,
                rounds=_ROUNDS["t"],
                offset=untreated[at] + offset.arms[arm],
                objective="binary" if rows.link == "logit" else "regression",
            )
        )
    return fitted


def _effect_model(
    name: str,
    rows: ExperimentRows,
    nuisance: Nuisance,
    settings: Settings,
    *,
    matrix: Floats,
    offset: Offset,
    baseline: Floats,
    arm: int,
    seen: NDArray[np.bool_],
) -> Any:
    """Fit trees to an action's pseudo-effects; DR and R to effects relative to the risk."""
    from churnkit.models.uplift.meta_learners import TARGETS

    target, weight, used = TARGETS[name](rows, nuisance, arm)
    scale = offset.scale(baseline, rows.link)
    if rows.link == "logit":
        weight = weight / np.sqrt(np.maximum(scale * (1.0 - scale), _SMALLEST_VARIANCE))
    if name != "x":
        target, weight = target / scale, weight * scale**2
    at = np.flatnonzero(seen & used)
    at = at if len(at) else np.flatnonzero(used)
    return boosted(matrix[at], target[at], settings, rounds=_ROUNDS[name], weight=weight[at])
