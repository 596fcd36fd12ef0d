"""Meta-learners on halves of the customers, so that every effect is forecast unseen.

Each learner is fitted on pairs of halves. A row is forecast by the halves that it is not in; the
model is the mean of all; and how much the two halves of a pair differ says how far chance reaches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.models.uplift.effect_transforms import Way, outputs_of, raw_effects, with_arm
from churnkit.models.uplift.estimator_learner import distill_effects
from churnkit.models.uplift.nuisance import boosted

if TYPE_CHECKING:
    import lightgbm
    from numpy.typing import NDArray

    from churnkit.models.uplift.nuisance import Nuisance, Settings
    from churnkit.models.uplift.validation import ExperimentRows
    from churnkit.trees import CompiledTrees

__all__ = ["LEARNERS", "TARGETS", "WAYS", "Halves", "fit_halves", "rough_variance"]

WAYS: dict[str, Way] = {
    "dr": "effect",
    "r": "effect",
    "x": "effect",
    "t": "arms",
    "s": "column",
    "response": "response",
    "average": "average",
}
LEARNERS = tuple(WAYS)
# Trees of one outcome: an arm's effect is small beside what else moves it, so the trees that
# must find it as one column among many need more rounds.
_ROUNDS = {"s": 5.0, "t": 1.0, "response": 1.5}


@dataclass(frozen=True, slots=True, eq=False)
class Halves:
    """A learner fitted on pairs of halves.

    Attributes
    ----------
    way
        How its outputs become effects.
    trees
        The mean of all halves' trees.
    held_out : (n, arms - 1) raw effects by trees that did not see the customer
    """

    way: Way
    trees: tuple[CompiledTrees, ...]
    held_out: NDArray[np.float64]


def fit_halves(
    learner: Any, rows: ExperimentRows, nuisance: Nuisance, settings: Settings, *, pairs: int
) -> Halves:
    """Fit a learner on `pairs` pairs of halves of the customers."""
    from churnkit.trees import compile_booster
    from churnkit.trees.parsing.merge_boosters import average_trees

    way, actions = WAYS[learner] if isinstance(learner, str) else "effect", rows.arms - 1
    if way == "average":
        return Halves(way, (), np.zeros((len(rows), actions)))
    outputs: NDArray[np.float64] | None = None
    members: list[list[CompiledTrees]] = []
    for half in _halves(rows, pairs, settings.seed):
        boosters = _fit(learner, rows, nuisance, settings, half)
        unseen = np.flatnonzero(~half)
        scores = [_raw_score(booster) for booster in boosters]
        found = outputs_of(way, scores, rows.matrix[unseen], actions)
        if outputs is None:
            outputs = np.zeros((len(rows), found.shape[1]))
        outputs[unseen] += found / pairs
        members.append([compile_booster(booster) for booster in boosters])
    assert outputs is not None  # noqa: S101 - there is one pair at least
    trees = tuple(average_trees(group) for group in zip(*members, strict=True))
    return Halves(way, trees, raw_effects(way, rows.link, outputs, actions))


def rough_variance(
    rows: ExperimentRows, nuisance: Nuisance, settings: Settings, *, pairs: int
) -> NDArray[np.float64]:
    """Return the variance of an undersmoothed doubly robust estimate, (n, arms - 1).

    Smooth estimates have a bias that resampling does not show. Undersmoothed trees have mainly
    variance, which bounds the error of a smooth estimate. Their size grows with the rows.
    """
    found = np.zeros((len(rows), rows.arms - 1))
    before: NDArray[np.float64] | None = None
    for half in _halves(rows, pairs, settings.seed + 1):
        boosters = _fit("dr", rows, nuisance, settings, half)
        now = np.column_stack([_raw_score(booster)(rows.matrix) for booster in boosters])
        if before is None:
            before = now
        else:
            found += (now - before) ** 2 / (4.0 * pairs)
            before = None
    return found


def _raw_score(booster: lightgbm.Booster) -> Any:
    return lambda matrix: booster.predict(matrix, raw_score=True)


def _halves(rows: ExperimentRows, pairs: int, seed: int) -> list[NDArray[np.bool_]]:
    """Draw halves of the customers, each followed by the other half."""
    rng = np.random.default_rng(seed)
    groups = int(rows.group.max()) + 1
    found = []
    for _ in range(pairs):
        half = (rng.permutation(groups) < groups // 2)[rows.group]
        found += [half, ~half]
    return found


def _fit(
    learner: Any,
    rows: ExperimentRows,
    nuisance: Nuisance,
    settings: Settings,
    half: NDArray[np.bool_],
) -> list[lightgbm.Booster]:
    if not isinstance(learner, str):
        return distill_effects(learner, rows, settings, half)
    if WAYS[learner] == "effect":
        return [
            _effect(learner, rows, nuisance, settings, half=half, arm=arm)
            for arm in range(1, rows.arms)
        ]
    objective = "binary" if rows.link == "logit" else "regression"
    rounds = round(settings.rounds * _ROUNDS[learner])
    if learner == "t":
        members = [np.flatnonzero(half & (rows.arm == arm)) for arm in range(rows.arms)]
        return [
            boosted(
                rows.matrix[at] if len(at) else rows.matrix,
                rows.outcome[at] if len(at) else rows.outcome,
                settings,
                rounds=rounds,
                objective=objective,
            )
            for at in members
        ]
    matrix = rows.matrix[half]
    if learner == "s":
        matrix = with_arm(matrix, rows.arm[half], rows.arms - 1)
    return [
        boosted(
            matrix,
            rows.outcome[half],
            settings,
            rounds=rounds,
            objective=objective,
            feature_fraction=0.8,
        )
    ]


def _effect(
    learner: str,
    rows: ExperimentRows,
    nuisance: Nuisance,
    settings: Settings,
    *,
    half: NDArray[np.bool_],
    arm: int,
) -> lightgbm.Booster:
    """Fit trees to an action's pseudo-effects, weighted by how much a row tells."""
    target, weight, used = TARGETS[learner](rows, nuisance, arm)
    at = np.flatnonzero(half & used)
    if not len(at):
        at = np.flatnonzero(used)
    return boosted(rows.matrix[at], target[at], settings, rounds=settings.rounds, weight=weight[at])


def _dr(rows: ExperimentRows, nuisance: Nuisance, arm: int) -> tuple[Any, Any, Any]:
    """Kennedy 2023 (doi:10.1214/23-EJS2157): regress the doubly robust scores."""
    everyone = np.ones(len(rows), dtype=bool)
    return nuisance.effects[:, arm - 1], nuisance.overlap[:, arm - 1], everyone


def _r(rows: ExperimentRows, nuisance: Nuisance, arm: int) -> tuple[Any, Any, Any]:
    """Nie and Wager 2021 (doi:10.1093/biomet/asaa076), the arm against control."""
    given, share = _between(rows, nuisance, arm)
    mean = share * nuisance.outcome[:, arm] + (1.0 - share) * nuisance.outcome[:, 0]
    surprise = (rows.arm == arm) - share
    return (rows.outcome - mean) / surprise, surprise**2, given


def _x(rows: ExperimentRows, nuisance: Nuisance, arm: int) -> tuple[Any, Any, Any]:
    """Kuenzel et al. 2019 (doi:10.1073/pnas.1804597116), both groups' effects in one fit."""
    given, share = _between(rows, nuisance, arm)
    treated = rows.arm == arm
    imputed = np.where(
        treated, rows.outcome - nuisance.outcome[:, 0], nuisance.outcome[:, arm] - rows.outcome
    )
    return imputed, np.where(treated, 1.0 - share, share), given


def _between(rows: ExperimentRows, nuisance: Nuisance, arm: int) -> tuple[Any, Any]:
    chance = nuisance.chance
    return np.isin(rows.arm, (0, arm)), chance[:, arm] / (chance[:, arm] + chance[:, 0])


TARGETS = {"dr": _dr, "r": _r, "x": _x}
