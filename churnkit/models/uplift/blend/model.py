"""Fitting of an effect blend: offset, nuisance models, candidates, weights and policy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from churnkit.models.uplift.blend.candidates import Candidates, fit_candidates, fit_offset
from churnkit.models.uplift.blend.effects import log_odds_of_staying
from churnkit.models.uplift.blend.error import fold_effects
from churnkit.models.uplift.blend.scorer import BlendScorer
from churnkit.models.uplift.blend.weights import Design
from churnkit.models.uplift.calibration import fit_spread
from churnkit.models.uplift.effect_transforms import inverse_link
from churnkit.models.uplift.nuisance import Nuisance, Start, fit_baseline, fit_nuisance
from churnkit.models.uplift.policy_choice import choose_policy

if TYPE_CHECKING:
    import lightgbm
    from numpy.typing import NDArray

    from churnkit.evaluation import Interval
    from churnkit.models.uplift.nuisance import Settings
    from churnkit.models.uplift.validation import ExperimentRows
    from churnkit.trees import CompiledTrees

    Floats = NDArray[np.float64]

__all__ = ["Blend", "fit_blend"]


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """A fitted blend.

    Attributes
    ----------
    scorer
        Effects of the policy that was chosen.
    nuisance
        Cross-fitted outcomes, chances and scores.
    policy
        One of `churnkit.models.uplift.policy_choice.POLICIES`.
    values
        For each policy its value for each customer beyond no action.
    held_out : (n, arms - 1) effects on customers that neither trees nor weights saw
    """

    scorer: BlendScorer
    nuisance: Nuisance
    policy: str
    values: dict[str, Interval]
    held_out: Floats


def fit_blend(rows: ExperimentRows, settings: Settings, *, folds: int, floor: float) -> Blend:
    """Fit a blend to an experiment's rows.

    Parameters
    ----------
    rows
        With risks, or without: then they are learned from the experiment.
    settings
        Of all trees.
    folds, floor
        As in `UpliftModel`.
    """
    forecast: CompiledTrees | None = None
    if rows.risk is None:
        baseline, boosters = fit_baseline(rows, settings, folds=folds)
        forecast = _mean(boosters)
        if rows.link == "logit":
            rows = replace(rows, risk=1.0 - inverse_link(baseline, rows.link))
    else:
        baseline = log_odds_of_staying(rows.risk)
    offset = fit_offset(baseline, rows)
    start = Start(baseline, offset.untreated(baseline)[:, None] + offset.arms)
    nuisance = fit_nuisance(rows, settings, folds=folds, floor=floor, start=start)
    design = Design.of(rows, nuisance, offset, baseline)
    candidates = fit_candidates(
        rows, nuisance, settings, offset=offset, baseline=baseline, design=design
    )
    design = design.with_candidates(candidates.held_out)
    limits = (-1.0, 1.0) if rows.risk is not None else _limits(nuisance, candidates)
    low, high = (
        (rows.risk - 1.0, rows.risk)
        if rows.risk is not None
        else tuple(np.full(len(rows), limit) for limit in limits)
    )
    policy = choose_policy(design, rows, nuisance, bounds=(low, high))
    weights = policy.weights
    spread: tuple[CompiledTrees, ...] = ()
    if weights.active:
        folds_of = fold_effects(
            rows, candidates, weights, design=design, offset=offset, baseline=baseline
        )
        weights = folds_of.corrected(weights, design, rows.worth, rows.cost[:, 1:])
        sample = np.column_stack([rows.matrix, baseline])[folds_of.rows]
        spread = tuple(
            fit_spread(sample, folds_of.variance[:, at], settings, pairs=folds - 1)
            for at in range(rows.arms - 1)
        )
    trees = {
        name: tuple(_mean(group) for group in candidates.boosters[name]) for name in weights.active
    }
    scorer = BlendScorer(
        weights,
        offset,
        rows.link,
        rows.matrix.shape[1],
        trees=trees,
        baseline=forecast,
        spread=spread,
        bounds=limits,
    )
    return Blend(scorer, nuisance, policy.name, policy.values, policy.held_out)


def _mean(boosters: list[lightgbm.Booster]) -> CompiledTrees:
    from churnkit.trees import compile_booster
    from churnkit.trees.parsing.merge_boosters import average_trees

    return average_trees([compile_booster(booster) for booster in boosters])


def _limits(nuisance: Nuisance, candidates: Candidates) -> tuple[float, float]:
    """Return the smallest and largest effect on an amount that held-out forecasts support."""
    means = nuisance.effects.mean(axis=0)
    forecasts = list(candidates.held_out.values())
    low = min(float(np.quantile(each, 0.001)) for each in forecasts)
    high = max(float(np.quantile(each, 0.999)) for each in forecasts)
    return min(low, float(means.min())), max(high, float(means.max()))
