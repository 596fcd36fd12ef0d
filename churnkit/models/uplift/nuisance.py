"""Nuisance models of an experiment: forecasts of outcomes, and chances of arms.

Both are cross-fitted: each row is forecast by trees that did not see its customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.evaluation import doubly_robust_scores
from churnkit.models.uplift.effect_transforms import inverse_link, with_arm
from churnkit.models.uplift.validation import clipped

if TYPE_CHECKING:
    import lightgbm
    from numpy.typing import NDArray

    from churnkit.models.uplift.validation import ExperimentRows

__all__ = ["Nuisance", "Settings", "Start", "boosted", "fit_baseline", "fit_nuisance"]

_OUTCOME_ROUNDS = 150
# From an offset: the trees learn only the departure.
_DEPARTURE_ROUNDS = 100
_CHANCE_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Settings:
    """Parameters that all boosters of an uplift model share."""

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
    offset: NDArray[np.float64] | None = None,
    **changed: Any,
) -> lightgbm.Booster:
    """Fit small regularized trees; to the departure from an offset (n,) where there is one."""
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
        init_score=offset,
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
    chance : (n, arms) chance of each arm, clipped
    given : (n,) chance of the arm that was given, clipped
    clipped_share
        Share of the customers whose chances were raised to the floor.
    scores : (n, arms) doubly robust scores
    fold : (n,) fold whose models did not see the row
    boosters
        The outcome model of each fold.
    """

    outcome: NDArray[np.float64]
    chance: NDArray[np.float64]
    given: NDArray[np.float64]
    clipped_share: float
    scores: NDArray[np.float64]
    fold: NDArray[np.int64]
    boosters: tuple[lightgbm.Booster, ...]

    @property
    def effects(self) -> NDArray[np.float64]:
        """The scores of each action less control's, (n, arms - 1)."""
        return self.scores[:, 1:] - self.scores[:, :1]

    @property
    def overlap(self) -> NDArray[np.float64]:
        """Precision of each action's score, (n, arms - 1): 1 over its variance."""
        control, action = self.chance[:, :1], self.chance[:, 1:]
        return control * action / (control + action)


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Forecasts that outcome models start from.

    Attributes
    ----------
    baseline : (n,) linked outcome without treatment, a further column for the trees
    offset : (n, arms) linked outcomes
    """

    baseline: NDArray[np.float64]
    offset: NDArray[np.float64]


def fold_of(rows: ExperimentRows, settings: Settings, folds: int) -> NDArray[np.int64]:
    """Assign customers to folds, (n,)."""
    rng = np.random.default_rng(settings.seed)
    groups = int(rows.group.max()) + 1
    fold: NDArray[np.int64] = (rng.permutation(groups) % min(folds, groups))[rows.group]
    return fold


def fit_baseline(
    rows: ExperimentRows, settings: Settings, *, folds: int
) -> tuple[NDArray[np.float64], list[lightgbm.Booster]]:
    """Forecast each row's linked outcome without treatment, (n,), out of fold."""
    fold = fold_of(rows, settings, folds)
    baseline = np.zeros(len(rows))
    boosters = []
    for at in np.unique(fold):
        unseen = np.flatnonzero(fold == at)
        boosters.append(_outcome_model(rows, settings, np.flatnonzero(fold != at), None))
        untreated = with_arm(rows.matrix[unseen], 0, rows.arms - 1)
        baseline[unseen] = boosters[-1].predict(untreated, raw_score=True)
    return baseline, boosters


def fit_nuisance(
    rows: ExperimentRows,
    settings: Settings,
    *,
    folds: int,
    floor: float,
    start: Start | None = None,
) -> Nuisance:
    """Forecast outcomes and chances of each row by models that did not see its customer."""
    fold = fold_of(rows, settings, folds)
    parts = [(np.flatnonzero(fold != at), np.flatnonzero(fold == at)) for at in np.unique(fold)]
    matrix = rows.matrix if start is None else np.column_stack([rows.matrix, start.baseline])
    outcome = np.full((len(rows), rows.arms), rows.outcome.mean())
    boosters = []
    for seen, unseen in parts:
        boosters.append(_outcome_model(rows, settings, seen, start))
        for arm in range(rows.arms):
            raw = boosters[-1].predict(with_arm(matrix[unseen], arm, rows.arms - 1), raw_score=True)
            if start is not None:
                raw = raw + start.offset[unseen, arm]
            outcome[unseen, arm] = inverse_link(np.asarray(raw), rows.link)
    known = rows.propensity
    if known is None or known.ndim == 1:
        chance = _constant(rows) if known is not None else None
        if chance is None:
            chance = _estimated(rows, settings, parts, matrix)
    else:
        chance = known
    # The chance that was recorded for the arm of each customer stands in the place of an estimate.
    given = chance[np.arange(len(rows)), rows.arm] if known is None or known.ndim == 2 else known
    chance, share = clipped(chance, given, floor, known=known is not None)
    given = np.maximum(given, floor)
    scores = doubly_robust_scores(rows.outcome, rows.arm, given, outcome)
    return Nuisance(outcome, chance, given, share, scores, fold, tuple(boosters))


def _outcome_model(
    rows: ExperimentRows, settings: Settings, seen: NDArray[np.intp], start: Start | None
) -> lightgbm.Booster:
    """Fit trees that read the arm as columns."""
    matrix = rows.matrix if start is None else np.column_stack([rows.matrix, start.baseline])
    return boosted(
        with_arm(matrix[seen], rows.arm[seen], rows.arms - 1),
        rows.outcome[seen],
        settings,
        rounds=_OUTCOME_ROUNDS if start is None else _DEPARTURE_ROUNDS,
        offset=None if start is None else start.offset[seen, rows.arm[seen]],
        objective="binary" if rows.link == "logit" else "regression",
        feature_fraction=0.8,
    )


def _constant(rows: ExperimentRows) -> NDArray[np.float64] | None:
    """Return the chances of an experiment that drew every customer's arm alike."""
    assert rows.propensity is not None  # noqa: S101 - the caller asked
    found = np.empty(rows.arms)
    for arm in range(rows.arms):
        chances = rows.propensity[rows.arm == arm]
        if np.ptp(chances) > 1e-9:
            return None
        found[arm] = chances[0]
    return np.tile(found, (len(rows), 1)) if abs(found.sum() - 1.0) < 0.01 else None


def _estimated(
    rows: ExperimentRows,
    settings: Settings,
    parts: list[tuple[Any, Any]],
    matrix: NDArray[np.float64],
) -> NDArray[np.float64]:
    shares = np.bincount(rows.arm, minlength=rows.arms) / len(rows)
    chance = np.tile(shares, (len(rows), 1))
    for seen, unseen in parts:
        if len(np.unique(rows.arm[seen])) < rows.arms:
            continue
        trees = boosted(
            matrix[seen],
            rows.arm[seen].astype(np.float64),
            settings,
            rounds=_CHANCE_ROUNDS,
            objective="multiclass",
            num_class=rows.arms,
            learning_rate=0.15,
        )
        chance[unseen] = trees.predict(matrix[unseen])
    return chance
