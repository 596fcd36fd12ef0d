"""Compile CatBoost models: oblivious trees unrolled to binary trees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError
from churnkit.trees.compiled import CompiledTrees
from churnkit.trees.forest import DEFAULT_LEFT, MISSING_NAN
from churnkit.trees.parsing.tree_layout import (
    MALFORMED,
    check_count,
    constant_tree,
    exact_forest,
    leaf_counts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from churnkit.trees.forest import Forest

__all__ = ["compile_catboost", "widen_thresholds"]

_MAX_DEPTH = 12
# Leaf weights are stored as integer counts, this many per unit of weight.
_COUNTS_PER_ROW = 1_000


# CatBoost's loss -> LightGBM's objective with the same transformation.
_OBJECTIVES = {
    **dict.fromkeys(("Logloss", "CrossEntropy"), "binary sigmoid:1"),
    **dict.fromkeys(("RMSE", "MAE", "Quantile", "Huber", "YetiRank", "QueryRMSE"), "regression"),
    **dict.fromkeys(("Poisson", "Tweedie"), "poisson"),
}


def compile_catboost(
    model: Any, *, n_features: int | None = None, fast: bool | None = None
) -> CompiledTrees:
    """Compile a CatBoost model of numeric columns.

    The raw scores are the same bits as CatBoost's ``prediction_type="RawFormulaVal"``.

    Parameters
    ----------
    model
        A fitted ``CatBoostClassifier``, ``CatBoostRegressor`` or ``CatBoost``, or the parsed
        content of a file of ``save_model(path, format="json")``, which needs no catboost.
    n_features
        Number of columns of a row; by default those that CatBoost was trained on.
    fast
        As for `compile_booster`.

    Returns
    -------
    CompiledTrees
        A model with the same predictions.

    Raises
    ------
    BundleError
        If the model uses categories, has several outputs or another loss, or its trees are not
        oblivious.

    Notes
    -----
    CatBoost compares numbers rounded to single precision with a border. The threshold here is the
    greatest double that rounds to the border or less. Missing values are below all borders.

    Examples
    --------
    >>> model = {
    ...     "oblivious_trees": [
    ...         {
    ...             "splits": [
    ...                 {"split_type": "FloatFeature", "float_feature_index": 0, "border": 3.5}
    ...             ],
    ...             "leaf_values": [1.5, -0.5],
    ...             "leaf_weights": [30, 70],
    ...         }
    ...     ],
    ...     "scale_and_bias": [1, [0.25]],
    ...     "features_info": {"float_features": [{"nan_value_treatment": "AsIs"}]},
    ... }
    >>> compile_catboost(model, n_features=1).raw_score([[2.0], [5.0]])
    array([ 1.75, -0.25])
    """
    document = _document(model)
    try:
        return CompiledTrees(_parse(document, n_features), fast=fast)
    except MALFORMED as error:
        raise BundleError(
            "not a valid CatBoost model: write it again with save_model(path, format='json')"
        ) from error


def _parse(document: Mapping[str, Any], n_features: int | None) -> Forest:
    scale, bias = document["scale_and_bias"]
    if "oblivious_trees" not in document or len(np.atleast_1d(bias)) != 1:
        raise BundleError(
            "the CatBoost model has trees that are not oblivious, or several outputs: train it "
            "with grow_policy='SymmetricTree' and loss_function='Logloss'"
        )
    for kind in ("categorical_features", "text_features", "embedding_features"):
        if document["features_info"].get(kind):
            raise BundleError(
                f"the CatBoost model reads {kind.replace('_', ' ')}: train it with numbers only"
            )
    for column in document["features_info"]["float_features"]:
        if column["nan_value_treatment"] == "AsTrue":
            raise BundleError(
                "the CatBoost model ranks missing values highest: train with nan_mode=Min"
            )
    if n_features is None:
        columns = document["features_info"]["float_features"]
        n_features = 1 + max((column["flat_feature_index"] for column in columns), default=-1)
    # CatBoost adds the bias last.
    trees = [_Tree(tree, float(scale)).arrays() for tree in document["oblivious_trees"]]
    return exact_forest(
        [*trees, constant_tree(float(np.atleast_1d(bias)[0]))],
        n_features=check_count("flat_feature_index", n_features),
        objective=_objective(document),
    )


def _document(model: Any) -> Mapping[str, Any]:
    """Return the JSON document of a model."""
    if not hasattr(model, "save_model"):
        document: Mapping[str, Any] = model
        return document
    if model.get_cat_feature_indices():
        raise BundleError("the CatBoost model uses categories: train it with numbers only")
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        document = json.loads(path.read_text(encoding="utf-8"))
    return document


def _objective(document: Mapping[str, Any]) -> str:
    """Return the objective of a document, which is that of a classifier if it has no loss."""
    params = document.get("model_info", {}).get("params", {})
    params = json.loads(params) if isinstance(params, str) else params
    loss = str(params.get("loss_function", {}).get("type", "Logloss"))
    if loss not in _OBJECTIVES:
        raise BundleError(
            f"the loss {loss[:40]!r} is not supported: train with one of {', '.join(_OBJECTIVES)}"
        )
    return _OBJECTIVES[loss]


class _Tree:
    """One tree of depth d, unrolled: 2^d - 1 nodes level by level, and 2^d leaves."""

    def __init__(self, tree: Mapping[str, Any], scale: float) -> None:
        splits = tree["splits"] or []
        if len(splits) > _MAX_DEPTH:
            raise BundleError(
                f"CatBoost trees must have at most {_MAX_DEPTH} levels, got {len(splits)}"
            )
        if any(split["split_type"] != "FloatFeature" for split in splits):
            raise BundleError("the CatBoost model uses categories: train it with numbers only")
        depth, leaves = len(splits), 2 ** len(splits)
        level = np.repeat(np.arange(depth), 2 ** np.arange(depth))
        column = np.array([split["float_feature_index"] for split in splits], dtype=np.int32)
        # The decimal text of a border need not be its single precision.
        border = widen_thresholds(np.array([np.float32(split["border"]) for split in splits]))
        self.feature, self.threshold = column[level], border[level]
        node = np.arange(leaves - 1)
        # The children of the last level are leaves, stored as the complement of their number.
        child = np.stack([2 * node + 1, 2 * node + 2])
        child = np.where(child < leaves - 1, child, ~(child - (leaves - 1)))
        self.left, self.right = child.astype(np.int32)
        # From left to right the first split is the highest bit of a leaf's number; CatBoost
        # numbers leaves with the first split as the lowest bit.
        position = np.arange(leaves)
        number = np.zeros(leaves, dtype=np.intp)
        for at in range(depth):
            number += ((position >> (depth - 1 - at)) & 1) << at
        self.value = scale * np.asarray(tree["leaf_values"], dtype=np.float64)[number]
        weight = np.asarray(tree["leaf_weights"], dtype=np.float64)[number]
        # New rows may reach a leaf without training rows, so its weight must not be 0.
        self.count = leaf_counts(weight, _COUNTS_PER_ROW)
        self.node_count = _sums(self.count)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        nodes = len(self.feature)
        return {
            "node_offset": np.array([0, nodes]),
            "leaf_offset": np.array([0, nodes + 1]),
            "feature": self.feature,
            "threshold": self.threshold,
            "decision": np.full(nodes, DEFAULT_LEFT | MISSING_NAN << 2),
            "left": self.left,
            "right": self.right,
            "node_count": self.node_count,
            "category_set": np.full(nodes, -1),
            "category_offset": np.zeros(1, np.int64),
            "category_words": np.empty(0, np.uint32),
            "leaf_value": self.value,
            "leaf_count": self.count,
        }


def widen_thresholds(thresholds: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the greatest doubles that round to singles of at most the thresholds.

    A double is at most the result exactly if its single is at most the threshold.

    Examples
    --------
    >>> threshold = np.array([0.1])
    >>> limit = widen_thresholds(threshold)
    >>> limit.astype(np.float32) <= threshold
    array([ True])
    >>> np.nextafter(limit, 1.0).astype(np.float32) <= threshold
    array([False])
    """
    single = thresholds.astype(np.float32)
    with np.errstate(over="ignore"):  # beside the largest single is infinity
        below = np.nextafter(single, np.float32(-np.inf))
        single = np.where(single > thresholds, below, single)
        above = np.nextafter(single, np.float32(np.inf))
        middle = (single.astype(np.float64) + above.astype(np.float64)) / 2
        # The midpoint of two singles rounds to the even one.
        fits = middle.astype(np.float32) <= single
    widened: npt.NDArray[np.float64] = np.where(fits, middle, np.nextafter(middle, -np.inf))
    return widened


def _sums(count: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the rows of each node, level by level from the root."""
    levels: list[npt.NDArray[np.int64]] = []
    while len(count) > 1:
        count = count[::2] + count[1::2]
        levels.append(count)
    return np.concatenate([np.empty(0, np.int64), *reversed(levels)])
