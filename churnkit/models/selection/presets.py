"""Which candidates a profile sends into the contest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.models.classifiers.catboost import CatBoostTrees, catboost_available
from churnkit.models.classifiers.lightgbm import LightGBMTrees
from churnkit.models.classifiers.logistic import LogisticModel
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from churnkit.models.classifiers.base import BinaryModel

__all__ = ["PROFILES", "SELECTION_ROWS", "profile_candidates"]

PROFILES = ("fast", "balanced", "accurate")
# With more rows than this the contest is held on a sample: who wins does not change any more.
SELECTION_ROWS = {"fast": 50_000, "balanced": 100_000, "accurate": 200_000}

# Up to so many rows trees learn slowly; with more, noise is a smaller enemy than time.
_FEW_ROWS = 10_000
# A category of more levels is read by its statistics. The regression has a penalty that suits
# single levels, shallow trees hardly find a set of them.
_REGRESSION_LEVELS, _TREE_LEVELS, _SHALLOW_LEVELS = 64, 24, 8


def profile_candidates(profile: str, *, rows: int, seed: int) -> list[tuple[str, BinaryModel]]:
    """Return the named candidates of a profile, unfitted.

    Parameters
    ----------
    profile
        ``"fast"``, ``"balanced"`` or ``"accurate"``.
    rows
        How many training rows there are.
    seed
        Trees of one profile get seeds of their own from it, so that they err apart.

    Raises
    ------
    ModelDataError
        There is no such profile.

    Examples
    --------
    >>> [name for name, _ in profile_candidates("fast", rows=5000, seed=0)]
    ['logistic', 'trees']
    """
    if profile not in PROFILES:
        raise ModelDataError(f"there is no profile {profile!r}: use one of {', '.join(PROFILES)}")
    if profile == "fast":
        leaves = 8 if rows < 2 * _FEW_ROWS else 31
        trees = LightGBMTrees(
            learning_rate=0.1, num_leaves=leaves, target_encoding_threshold=_TREE_LEVELS, seed=seed
        )
        regression = LogisticModel(bends=5, target_encoding_threshold=_REGRESSION_LEVELS, seed=seed)
        return [("logistic", regression), ("trees", trees)]
    # The number of rounds that pay grows with the rows; the rate grows along, to a tenth.
    rate = min(0.1, 0.05 * max(1.0, rows / _FEW_ROWS) ** 0.5)
    if profile == "accurate":
        rate *= 0.6
    candidates = [
        ("logistic", LogisticModel(target_encoding_threshold=_REGRESSION_LEVELS, seed=seed)),
        *_trees(rate, rows, seed),
    ]
    if profile == "accurate":
        candidates += _further_trees(rate, rows, seed)
    return candidates


def _trees(rate: float, rows: int, seed: int) -> list[tuple[str, BinaryModel]]:
    """Three that err apart: hardly any interaction, many, and thresholds drawn at random."""
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
    return [
        ("trees, shallow", shallow),
        ("trees, deep", deep),
        ("trees, random thresholds", random),
    ]


def _further_trees(rate: float, rows: int, seed: int) -> list[tuple[str, BinaryModel]]:
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
    found: list[tuple[str, BinaryModel]] = [
        ("trees, medium", medium),
        ("trees, small and random", random),
    ]
    if catboost_available():
        found.append(("trees, oblivious", CatBoostTrees(learning_rate=rate, seed=seed + 5)))
    return found
