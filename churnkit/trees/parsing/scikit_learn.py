"""Compile scikit-learn's forests of classification trees to arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError
from churnkit.trees.compiled import CompiledTrees
from churnkit.trees.forest import DEFAULT_LEFT, MISSING_NAN, Forest, join_arrays
from churnkit.trees.parsing.catboost import widen_thresholds

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["compile_forest"]


def compile_forest(
    model: Any, *, slope: float = 1.0, intercept: float = 0.0, fast: bool | None = None
) -> CompiledTrees:
    """Compile a fitted forest of two classes, such as ``ExtraTreesClassifier``.

    The raw score is ``slope * (p - 0.5) + intercept``, where p is the forest's probability of its
    second class: a sum over trees, so that Shapley values are exact.

    Parameters
    ----------
    model
        The fitted forest.
    slope, intercept
        From the probability to the raw score.
    fast
        As for `compile_booster`.

    Raises
    ------
    BundleError
        If the forest has not two classes.

    Notes
    -----
    scikit-learn compares numbers rounded to single precision with a threshold. The threshold here
    is the greatest double that rounds to a single of at most that threshold.

    Examples
    --------
    >>> from sklearn.ensemble import ExtraTreesClassifier
    >>> X, y = np.array([[1.0], [2.0], [3.0], [4.0]]), [0, 0, 1, 1]
    >>> forest = ExtraTreesClassifier(9, random_state=0).fit(X, y)
    >>> compile_forest(forest).raw_score(X)
    array([-0.5, -0.5,  0.5,  0.5])
    """
    if len(model.classes_) != 2:
        raise BundleError(f"the forest has {len(model.classes_)} classes: train it with two")
    count = len(model.estimators_)
    trees = [_arrays(tree.tree_, slope, intercept, count) for tree in model.estimators_]
    forest = Forest(
        feature_names=tuple(f"Column_{at}" for at in range(model.n_features_in_)),
        objective="binary sigmoid:1",
        n_outputs=1,
        average_output=False,
        **join_arrays(trees),
    )
    forest.check()
    return CompiledTrees(forest, fast=fast)


def _arrays(tree: Any, slope: float, intercept: float, trees: int) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of one of several trees; parents precede their children in both forms."""
    is_leaf = tree.children_left < 0
    nodes = int((~is_leaf).sum())
    # Nodes and leaves are numbered separately; a leaf is stored as the complement of its number.
    position = np.where(is_leaf, ~(np.cumsum(is_leaf) - 1), np.cumsum(~is_leaf) - 1)
    left, right = (
        position[child[~is_leaf]].astype(np.int32)
        for child in (tree.children_left, tree.children_right)
    )
    weights = tree.value[is_leaf, 0, :]
    share = weights[:, 1] / weights.sum(axis=1)
    to_left = np.asarray(tree.missing_go_to_left)[~is_leaf].astype(bool)
    return {
        "node_offset": np.array([0, nodes]),
        "leaf_offset": np.array([0, nodes + 1]),
        "feature": tree.feature[~is_leaf],
        "threshold": widen_thresholds(tree.threshold[~is_leaf]),
        "decision": np.where(to_left, DEFAULT_LEFT, 0) | MISSING_NAN << 2,
        "left": left,
        "right": right,
        "node_count": tree.n_node_samples[~is_leaf],
        "category_set": np.full(nodes, -1),
        "category_offset": np.zeros(1, np.int64),
        "category_words": np.empty(0, np.uint32),
        "leaf_value": (slope * (share - 0.5) + intercept) / trees,
        "leaf_count": tree.n_node_samples[is_leaf],
    }
