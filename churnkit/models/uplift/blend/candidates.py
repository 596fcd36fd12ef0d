"""Out-of-fold effect forecasts that a blend is made of: S-, T-, X-, DR- and R-learners.

Outcome models start from the customer's own risk, as an offset, and learn only the departure from
it; so with few treated customers their effects fall back to what the risk implies.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
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
    from churnkit.models.uplift.blend.weights import Design
    from churnkit.models.uplift.nuisance import Nuisance, Settings
    from churnkit.models.uplift.validation import ExperimentRows

    Floats = NDArray[np.float64]

__all__ = ["Candidates", "fit_candidates", "fit_offset", "raw_score_of"]

# Numbers of trees; the one whose held-out effects have the lowest R-loss is kept.
_ROUNDS = (30, 60, 120)
_LEAVES = 4
_FEATURE_FRACTION_OF_OUTCOMES, _L2_OF_OUTCOMES = 0.8, 3.0
_SMALLEST_VARIANCE = 0.02
# Prior precisions of the offset: a slope near 1, arms near control.
_SLOPE_PRECISION, _ARM_PRECISION, _INTERCEPT_PRECISION = 10.0, 1.0, 1e-3
_NEWTON_STEPS = 40
_LARGEST_WEIGHT = 10.0


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
    sampling = _stabilized_weights(rows)
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
        weight = weight * sampling
        residual = sampling * (rows.outcome - mean) / variance
        gradient = design.T @ residual - precision * (coefficients - prior)
        step = np.linalg.solve((design * weight[:, None]).T @ design + np.diag(precision), gradient)
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-9:
            break
    level = max(float(np.abs(rows.outcome).mean()), 1e-12)
    return Offset(
        float(coefficients[0]), float(coefficients[1]), np.append(0.0, coefficients[2:]), level
    )


def _stabilized_weights(rows: ExperimentRows) -> Floats:
    """Return the share of each row's arm over its known propensity, (n,); 1 where it is unknown."""
    known = rows.propensity
    if known is None:
        return np.ones(len(rows))
    given = known if known.ndim == 1 else known[np.arange(len(rows)), rows.arm]
    shares = np.bincount(rows.arm, minlength=rows.arms) / len(rows)
    weights: Floats = np.clip(shares[rows.arm] / given, 1.0 / _LARGEST_WEIGHT, _LARGEST_WEIGHT)
    return weights


def fit_candidates(
    rows: ExperimentRows,
    nuisance: Nuisance,
    settings: Settings,
    *,
    offset: Offset,
    baseline: Floats,
    design: Design,
) -> Candidates:
    """Fit every candidate on all folds but one, for each fold of the nuisance models.

    The number of trees is the one of `_ROUNDS` with the lowest residual loss on held-out rows.
    """
    settings = replace(settings, num_leaves=min(settings.num_leaves, _LEAVES))
    matrix = np.column_stack([rows.matrix, baseline])
    shape, actions = (len(rows), rows.arms - 1), rows.arms - 1
    held_out: dict[str, Floats] = {}
    boosters: dict[str, list[list[Any]]] = {}
    for name in CANDIDATES:
        stages = (None,) if name == "s" else _ROUNDS
        effects = {stage: np.zeros(shape) for stage in stages}
        boosters[name] = [[] for _ in range(trees_needed(name, actions))]
        for fold in np.unique(nuisance.fold):
            seen, unseen = nuisance.fold != fold, np.flatnonzero(nuisance.fold == fold)
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
                        design=design,
                        arm=arm,
                        seen=seen,
                    )
                    for arm in range(1, rows.arms)
                ]
            for stage in stages:
                effects[stage][unseen] = candidate_effects(
                    name,
                    [raw_score_of(booster, stage) for booster in fitted],
                    matrix[unseen],
                    baseline=baseline[unseen],
                    offset=offset,
                    link=rows.link,
                )
            for group, booster in zip(boosters[name], fitted, strict=True):
                group.append(booster)
        best = min(stages, key=lambda stage: design.loss(effects[stage]))
        held_out[name] = effects[best]
        if best is not None:
            for booster in itertools.chain(*boosters[name]):
                booster.best_iteration = best
    return Candidates(nuisance.fold, held_out, boosters)


def raw_score_of(booster: Any, rounds: int | None = None) -> RawScore:
    """Return the function of a booster's raw scores, by its best or its first `rounds` trees."""
    return lambda matrix: np.asarray(
        booster.predict(matrix, raw_score=True, num_iteration=rounds), dtype=np.float64
    )


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
                rounds=max(_ROUNDS),
                offset=untreated[at] + offset.arms[arm],
                objective="binary" if rows.link == "logit" else "regression",
                feature_fraction=_FEATURE_FRACTION_OF_OUTCOMES,
                lambda_l2=_L2_OF_OUTCOMES,
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
    design: Design,
    arm: int,
    seen: NDArray[np.bool_],
) -> Any:
    """Fit trees to an action's pseudo-effects; DR and R to effects relative to the risk."""
    from churnkit.models.uplift.meta_learners import TARGETS

    target, weight, used = TARGETS[name](rows, nuisance, arm)
    scale = design.scale
    if rows.link == "logit":
        weight = weight / np.sqrt(np.maximum(scale * (1.0 - scale), _SMALLEST_VARIANCE))
    if name != "x":
        target, weight = target / scale, weight * scale**2
    at = np.flatnonzero(seen & used)
    at = at if len(at) else np.flatnonzero(used)
    return boosted(matrix[at], target[at], settings, rounds=max(_ROUNDS), weight=weight[at])
