"""Candidates of each profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.models.classifiers.catboost import CatBoostTrees, catboost_available
from churnkit.models.classifiers.extra_trees import ExtraTrees
from churnkit.models.classifiers.lightgbm import LightGBMTrees
from churnkit.models.classifiers.logistic import LogisticModel
from churnkit.models.classifiers.random_forest import RandomForest
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from churnkit.models.classifiers.base import BinaryModel

__all__ = ["PROFILES", "SELECTION_ROWS", "profile_candidates"]

PROFILES = ("fast", "balanced", "accurate")
# With more rows than this the candidates are compared on a sample: the winner stays the same.
SELECTION_ROWS = {"fast": 50_000, "balanced": 100_000, "accurate": 200_000}

# Up to this many rows the learning rate is lowest; with more, time matters more than noise.
_FEW_ROWS = 10_000
# Trees down to single rows grow with the table.
_MAX_SINGLE_ROWS = 50_000
# Categories with more levels are target-encoded. The regression's penalty suits single levels;
# shallow trees rarely find a set of levels.
_REGRESSION_LEVELS, _TREE_LEVELS, _SHALLOW_LEVELS = 64, 24, 8


def profile_candidates(profile: str, *, rows: int, seed: int) -> list[tuple[str, BinaryModel]]:
    """Return the named candidates of a profile, unfitted.

    Parameters
    ----------
    profile
        ``"fast"``, ``"balanced"`` or ``"accurate"``.
    rows
        Number of training rows.
    seed
        Each set of trees gets a different seed derived from it, so that their errors differ.

    Returns
    -------
    Pairs of a name and an unfitted estimator.

    Raises
    ------
    ModelDataError
        The profile is unknown.

    Examples
    --------
    >>> [name for name, _ in profile_candidates("fast", rows=5000, seed=0)]
    ['logistic', 'trees']
    """
    if profile not in PROFILES:
        raise ModelDataError(f"unknown profile {profile!r}: use one of {', '.join(PROFILES)}")
    if profile == "fast":
        leaves = 8 if rows < 2 * _FEW_ROWS else 31
        trees = LightGBMTrees(
            learning_rate=0.1, num_leaves=leaves, target_encoding_threshold=_TREE_LEVELS, seed=seed
        )
        regression = LogisticModel(
            n_knots=5, target_encoding_threshold=_REGRESSION_LEVELS, seed=seed
        )
        return [("logistic", regression), ("trees", trees)]
    # The best number of rounds grows with the rows, and the learning rate with it, up to 0.1.
    rate = min(0.1, 0.05 * max(1.0, rows / _FEW_ROWS) ** 0.5)
    if profile == "accurate":
        rate *= 0.6
    candidates = [
        ("logistic", LogisticModel(target_encoding_threshold=_REGRESSION_LEVELS, seed=seed)),
        *_trees(rate, rows, seed),
    ]
    if profile == "accurate":
        candidates += _more_trees(rate, rows, seed)
    if catboost_available():
        candidates += _oblivious_trees(profile, rate, seed)
    if rows <= _MAX_SINGLE_ROWS:
        candidates += [
            ("extra trees", ExtraTrees(seed=seed + 6)),
            ("random forest", RandomForest(seed=seed + 9)),
        ]
    return candidates


def _trees(rate: float, rows: int, seed: int) -> list[tuple[str, BinaryModel]]:
    """Return trees with different errors: few interactions, many, and random thresholds."""
    root = rows**0.5
    shallow = LightGBMTrees(
        learning_rate=rate,
        num_leaves=4 if rows < 2 * _FEW_ROWS else 16,
        feature_fraction=0.3,
        target_encoding_threshold=_SHALLOW_LEVELS,
        seed=seed,
    )
    deep = LightGBMTrees(
        learning_rate=rate,
        num_leaves=max(32, min(127, int(root / 4))),
        feature_fraction=0.8,
        target_encoding_threshold=_TREE_LEVELS,
        seed=seed + 1,
    )
    random = LightGBMTrees(
        learning_rate=rate,
        num_leaves=max(64, min(255, int(root / 2))),
        min_child_samples=5,
        l2=1.0,
        feature_fraction=1.0,
        extra_trees=True,
        target_encoding_threshold=_TREE_LEVELS,
        seed=seed + 2,
    )
    # Weak penalties win where churn follows few columns closely; their trees must be small.
    close = LightGBMTrees(
        learning_rate=rate,
        num_leaves=8 if rows < 2 * _FEW_ROWS else 31,
        min_child_samples=5,
        l2=1.0,
        feature_fraction=0.5,
        target_encoding_threshold=_TREE_LEVELS,
        seed=seed + 7,
    )
    return [
        ("trees, shallow", shallow),
        ("trees, close", close),
        ("trees, deep", deep),
        ("trees, random thresholds", random),
    ]


def _more_trees(rate: float, rows: int, seed: int) -> list[tuple[str, BinaryModel]]:
    medium = LightGBMTrees(
        learning_rate=rate,
        num_leaves=8 if rows < 2 * _FEW_ROWS else 31,
        target_encoding_threshold=_REGRESSION_LEVELS,
        seed=seed + 3,
    )
    random = LightGBMTrees(
        learning_rate=rate,
        num_leaves=16,
        feature_fraction=0.8,
        extra_trees=True,
        target_encoding_threshold=_SHALLOW_LEVELS,
        seed=seed + 4,
    )
    return [("trees, medium", medium), ("trees, small and random", random)]


def _oblivious_trees(profile: str, rate: float, seed: int) -> list[tuple[str, BinaryModel]]:
    """Return CatBoost's trees: few interactions at a high rate, and many at a low one."""
    slow = rate if profile == "accurate" else 0.6 * rate
    return [
        (
            "trees, oblivious",
            CatBoostTrees(learning_rate=min(0.1, 2 * rate), depth=4, seed=seed + 8),
        ),
        ("trees, large and oblivious", CatBoostTrees(learning_rate=slow, depth=6, seed=seed + 5)),
    ]
