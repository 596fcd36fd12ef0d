"""What an experiment's effects are freed of: forecasts of outcomes, and chances of arms.

Both are cross-fitted: each row is forecast by trees that did not see its customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.evaluation import doubly_robust_scores
from churnkit.models.uplift.effect_transforms import with_arm
from churnkit.models.uplift.validation import clipped

if TYPE_CHECKING:
    import lightgbm
    from numpy.typing import NDArray

    from churnkit.models.uplift.validation import ExperimentRows

__all__ = ["Nuisance", "Settings", "boosted", "fit_nuisance"]

_OUTCOME_ROUNDS = 150
_CHANCE_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Settings:
    """How trees are grown: the parts that all boosters of an uplift model share."""

    seed: int
    num_threads: int
    categorical: tuple[int, ...]
    rounds: int
    num_leaves: int
    smallest_leaf: int


def boosted(
    matrix: NDArray[np.float64],
    target: NDArray[np.float64],
    settings: Settings,
    *,
    rounds: int,
    weight: NDArray[np.float64] | None = None,
    **changed: Any,
) -> lightgbm.Booster:
    """Fit small regularised trees."""
    import lightgbm

    given = {
        "objective": "regression",
        "learning_rate": 0.05,
        "num_leaves": settings.num_leaves,
        "min_data_in_leaf": settings.smallest_leaf,
        "lambda_l2": 10.0,
        "feature_fraction": 0.5,
        "max_bin": 63,
        "seed": settings.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": settings.num_threads,
        "feature_pre_filter": False,
        "verbosity": -1,
    } | changed
    if weight is not None:
        weight = weight / weight.mean()
    rows = lightgbm.Dataset(
        matrix,
        target,
        weight=weight,
        categorical_feature=list(settings.categorical),
        params={"verbosity": -1, "max_bin": 63, "feature_pre_filter": False},
    )
    return lightgbm.train(given, rows, num_boost_round=rounds)


@dataclass(frozen=True, slots=True, eq=False)
class Nuisance:
    """Forecasts and chances of an experiment's rows.

    Attributes
    ----------
    outcome : (n, arms) forecasts
    chance : (n, arms) of each arm, clipped
    given : (n,) of the arm that was given, clipped
    clipped_share
        Of the customers whose chances were lifted to the floor.
    scores : (n, arms) doubly robust scores
    """

    outcome: NDArray[np.float64]
    chance: NDArray[np.float64]
    given: NDArray[np.float64]
    clipped_share: float
    scores: NDArray[np.float64]

    @property
    def effects(self) -> NDArray[np.float64]:
        """The scores of each action less control's, (n, arms - 1)."""
        return self.scores[:, 1:] - self.scores[:, :1]

    @property
    def overlap(self) -> NDArray[np.float64]:
        """How much a row tells of each action's effect, (n, arms - 1): 1 over its variance."""
        control, action = self.chance[:, :1], self.chance[:, 1:]
        return control * action / (control + action)


def fit_nuisance(rows: ExperimentRows, settings: Settings, *, folds: int, floor: float) -> Nuisance:
    """Forecast outcomes and chances of each row by models that did not see its customer."""
    rng = np.random.default_rng(settings.seed)
    groups = int(rows.group.max()) + 1
    fold = (rng.permutation(groups) % folds)[rows.group]
    parts = [(np.flatnonzero(fold != at), np.flatnonzero(fold == at)) for at in range(folds)]
    parts = [(seen, held) for seen, held in parts if len(held) and len(seen)]
    outcome = np.full((len(rows), rows.arms), rows.outcome.mean())
    for seen, held in parts:
        outcome[held] = _forecast(rows, settings, seen, held)
    known = rows.propensity
    if known is None or known.ndim == 1:
        chance = _constant(rows) if known is not None else None
        if chance is None:
            chance = _estimated(rows, settings, parts)
    else:
        chance = known
    chance, share = clipped(chance, floor, known=known is not None and known.ndim == 2)
    given = chance[np.arange(len(rows)), rows.arm]
    if known is not None and known.ndim == 1:
        given = np.maximum(known, floor)
        share = max(share, float((known < floor).mean()))
    scores = doubly_robust_scores(rows.outcome, rows.arm, given, outcome)
    return Nuisance(outcome, chance, given, share, scores)


def _forecast(
    rows: ExperimentRows, settings: Settings, seen: NDArray[np.intp], held: NDArray[np.intp]
) -> NDArray[np.float64]:
    actions = rows.arms - 1
    binary = rows.link == "logit"
    trees = boosted(
        with_arm(rows.matrix[seen], rows.arm[seen], actions),
        rows.outcome[seen],
        settings,
        rounds=_OUTCOME_ROUNDS,
        objective="binary" if binary else "regression",
        feature_fraction=0.8,
    )
    found = [trees.predict(with_arm(rows.matrix[held], a, actions)) for a in range(rows.arms)]
    return np.column_stack(found)


def _constant(rows: ExperimentRows) -> NDArray[np.float64] | None:
    """Give the chances of an experiment that drew every customer's arm alike."""
    assert rows.propensity is not None  # noqa: S101 - the caller asked
    found = np.empty(rows.arms)
    for arm in range(rows.arms):
        chances = rows.propensity[rows.arm == arm]
        if np.ptp(chances) > 1e-9:
            return None
        found[arm] = chances[0]
    return np.tile(found, (len(rows), 1)) if abs(found.sum() - 1.0) < 0.01 else None


def _estimated(
    rows: ExperimentRows, settings: Settings, parts: list[tuple[Any, Any]]
) -> NDArray[np.float64]:
    shares = np.bincount(rows.arm, minlength=rows.arms) / len(rows)
    chance = np.tile(shares, (len(rows), 1))
    for seen, held in parts:
        if len(np.unique(rows.arm[seen])) < rows.arms:
            continue
        trees = boosted(
            rows.matrix[seen],
            rows.arm[seen].astype(np.float64),
            settings,
            rounds=_CHANCE_ROUNDS,
            objective="multiclass",
            num_class=rows.arms,
            learning_rate=0.15,
        )
        chance[held] = trees.predict(rows.matrix[held])
    return chance
