"""Compile XGBoost models, with their single precision."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError
from churnkit.trees.compiled import CompiledTrees
from churnkit.trees.forest import CATEGORICAL, DEFAULT_LEFT, MISSING_NAN, SINGLE
from churnkit.trees.parsing.catboost import widen_thresholds
from churnkit.trees.parsing.tree_layout import (
    MALFORMED,
    CategorySets,
    check_count,
    constant_tree,
    exact_forest,
    leaf_counts,
    tree_arrays,
)
from churnkit.trees.parsing.ubjson import is_ubjson, read_ubjson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    Arrays = dict[str, npt.NDArray[Any]]
    Ints = npt.NDArray[np.int64]
    Singles = npt.NDArray[np.float32]

__all__ = ["compile_xgboost"]

# XGBoost takes larger categories as unknown.
_MAX_CATEGORY = 2**24
_MAX_OUTPUTS = 1_000
# Sums of second derivatives are stored as integer counts, this many per unit.
_COUNTS_PER_WEIGHT = 1_000_000


def _logit(share: Singles) -> Singles:
    """Return log-odds, rounded to single precision where XGBoost rounds."""
    odds: Singles = np.float32(1) / share - np.float32(1)
    return (-np.log(odds.astype(np.float64))).astype(np.float32)


def _log(mean: Singles) -> Singles:
    return np.log(mean.astype(np.float64)).astype(np.float32)


def _same(score: Singles) -> Singles:
    return score


# XGBoost's objective -> LightGBM's with the same transformation, and from a prediction to a score.
_OBJECTIVES: dict[str, tuple[str, Callable[[Singles], Singles]]] = {
    "binary:logistic": ("binary sigmoid:1", _logit),
    "reg:logistic": ("binary sigmoid:1", _logit),
    "binary:logitraw": ("regression", _same),
    "multi:softprob": ("multiclass", _same),
    "count:poisson": ("poisson", _log),
    "reg:gamma": ("gamma", _log),
    "reg:tweedie": ("tweedie", _log),
    "reg:squarederror": ("regression", _same),
    "reg:absoluteerror": ("regression", _same),
    "reg:pseudohubererror": ("regression", _same),
    "rank:ndcg": ("regression", _same),
    "rank:map": ("regression", _same),
    "rank:pairwise": ("regression", _same),
}


def compile_xgboost(model: Any, *, fast: bool | None = None) -> CompiledTrees:
    """Compile an XGBoost model of trees.

    The raw scores are the same bits as XGBoost's ``predict(output_margin=True)``: values are
    rounded to single precision, and leaf values are added in it.

    Parameters
    ----------
    model
        A ``Booster``, a fitted ``XGBClassifier``, ``XGBRegressor`` or ``XGBRanker`` (up to its
        best iteration after early stopping), or the content of a file that ``save_model`` wrote:
        the bytes of ``.ubj`` or ``.json``, or the parsed JSON. The latter need no xgboost.
    fast
        As for `compile_booster`.

    Returns
    -------
    CompiledTrees
        A model with the same predictions. Missing values are NaN, and categories are the whole
        numbers that XGBoost was given.

    Raises
    ------
    BundleError
        If the booster is not ``gbtree``, has leaves of several targets or another objective, or
        the document is malformed.

    Examples
    --------
    >>> document = {
    ...     "learner": {
    ...         "learner_model_param": {"base_score": "5E-1", "num_feature": "1", "num_class": "0"},
    ...         "objective": {"name": "reg:squarederror"},
    ...         "gradient_booster": {
    ...             "name": "gbtree",
    ...             "model": {
    ...                 "tree_info": [0],
    ...                 "trees": [
    ...                     {
    ...                         "left_children": [1, -1, -1],
    ...                         "right_children": [2, -1, -1],
    ...                         "split_indices": [0, 0, 0],
    ...                         "split_conditions": [3.5, 1.0, -1.0],
    ...                         "split_type": [0, 0, 0],
    ...                         "default_left": [0, 0, 0],
    ...                         "sum_hessian": [3.0, 2.0, 1.0],
    ...                         "tree_param": {"size_leaf_vector": "1"},
    ...                     }
    ...                 ],
    ...             },
    ...         },
    ...     }
    ... }
    >>> compile_xgboost(document).predict([[2.0], [3.5]])
    array([ 1.5, -0.5])
    """
    document = _document(model)
    try:
        learner = document["learner"]
        name = learner["gradient_booster"]["name"]
        if name != "gbtree":
            raise BundleError(f"the booster {str(name)[:40]!r} is not supported: train a gbtree")
        return CompiledTrees(_parse(learner), fast=fast)
    except MALFORMED as error:
        raise BundleError(
            "not a valid XGBoost model: write it again with save_model('model.json')"
        ) from error


def _document(model: Any) -> Mapping[str, Any]:
    """Return the document of a model."""
    if hasattr(model, "get_booster"):
        missing = getattr(model, "missing", None)
        if missing is not None and missing == missing:  # noqa: PLR0124 - only NaN differs
            raise BundleError(
                "the XGBoost model reads a number as missing: train it with missing=nan"
            )
        booster = model.get_booster()
        best = booster.attr("best_iteration")
        model = booster if best is None else booster[: int(best) + 1]
    if hasattr(model, "save_raw"):
        model = bytes(model.save_raw("json"))
    if isinstance(model, bytes) and is_ubjson(model):
        model = read_ubjson(model)
    if isinstance(model, str | bytes):
        try:
            model = json.loads(model)
        except (ValueError, RecursionError) as error:
            raise BundleError(
                "not an XGBoost model in JSON: write it with save_model('model.json')"
            ) from error
    if not isinstance(model, dict):
        raise BundleError("compile_xgboost needs a Booster, or the content of a model's file")
    return model


def _parse(learner: Mapping[str, Any]) -> Any:
    settings, model = learner["learner_model_param"], learner["gradient_booster"]["model"]
    objective, to_score = _objective(learner["objective"]["name"])
    n_outputs = check_count("num_class", max(1, int(settings["num_class"])), _MAX_OUTPUTS)
    if objective == "multiclass":
        objective = f"multiclass num_class:{n_outputs}"
    scores = np.atleast_1d(np.array(json.loads(str(settings["base_score"])), np.float32))
    start = np.broadcast_to(to_score(scores), (n_outputs,))
    packed = CategorySets()
    groups: list[list[Arrays]] = [[constant_tree(float(score))] for score in start]
    for output, tree in zip(model["tree_info"], model["trees"], strict=True):
        groups[output].append(_arrays(tree, packed))
    if len({len(group) for group in groups}) > 1:
        raise BundleError("the XGBoost model has classes with different numbers of trees")
    return exact_forest(
        [tree for together in zip(*groups, strict=True) for tree in together],
        n_features=check_count("num_feature", int(settings["num_feature"])),
        objective=objective,
        n_outputs=n_outputs,
        precision=SINGLE,
    )


def _objective(name: str) -> tuple[str, Callable[[Singles], Singles]]:
    if name not in _OBJECTIVES:
        raise BundleError(
            f"the objective {str(name)[:40]!r} is not supported: train with one of "
            f"{', '.join(sorted(_OBJECTIVES))}"
        )
    return _OBJECTIVES[name]


def _arrays(tree: Mapping[str, Any], packed: CategorySets) -> Arrays:
    """Return the arrays of one tree.

    XGBoost sends numbers below the threshold left, and categories of the set right. Sets go left
    here, so the children of categorical nodes are exchanged.
    """
    if int(tree["tree_param"]["size_leaf_vector"]) > 1:
        raise BundleError("the XGBoost model has leaves of several targets: train one for each")
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    order = _reachable(left, right)
    number = np.full(len(left), 0)
    number[order] = np.arange(len(order))
    is_leaf = left[order] < 0
    categorical = (np.array(tree["split_type"])[order] > 0) & ~is_leaf
    to_left = np.array(tree["default_left"])[order].astype(bool)
    first, second = number[left[order]], number[right[order]]
    condition = np.array(tree["split_conditions"], np.float64)[order].astype(np.float32)
    below = np.nextafter(condition, np.float32(-np.inf))
    numeric = np.where(to_left, DEFAULT_LEFT, 0) | MISSING_NAN << 2
    as_set = np.where(to_left, 0, DEFAULT_LEFT) | CATEGORICAL
    sets = _category_sets(tree)
    return tree_arrays(
        is_leaf=is_leaf,
        left=np.where(categorical, second, first),
        right=np.where(categorical, first, second),
        feature=np.array(tree["split_indices"])[order],
        threshold=widen_thresholds(below),
        decision=np.where(categorical, as_set, numeric),
        value=condition.astype(np.float64),
        count=_counts(np.array(tree["sum_hessian"], np.float64)[order], is_leaf, first, second),
        sets=[packed.pack(sets[node]) for node in order[categorical].tolist()],
    )


def _reachable(left: Ints, right: Ints) -> Ints:
    """Return the nodes that are reachable from the root, parents first; pruned ones are not."""
    levels, level = [], np.zeros(1, np.int64)
    seen = np.zeros(len(left), bool)
    while len(level):
        if seen[level].any() or (level < 0).any():
            raise BundleError("the XGBoost model is malformed: a node has two parents")
        seen[level] = True
        levels.append(level)
        inner = level[left[level] >= 0]
        level = np.concatenate([left[inner], right[inner]])
        if len(np.unique(level)) < len(level):
            raise BundleError("the XGBoost model is malformed: a node has two parents")
    return np.concatenate(levels)


def _category_sets(tree: Mapping[str, Any]) -> dict[int, Ints]:
    """Return the categories of each categorical node."""
    categories = np.array(tree.get("categories", []), np.int64)
    if ((categories < 0) | (categories >= _MAX_CATEGORY)).any():
        raise BundleError("the XGBoost model has categories that are out of range")
    nodes = tree.get("categories_nodes", [])
    starts, sizes = tree.get("categories_segments", []), tree.get("categories_sizes", [])
    return {
        node: categories[start : start + size]
        for node, start, size in zip(nodes, starts, sizes, strict=True)
    }


def _counts(
    weight: npt.NDArray[np.float64], is_leaf: npt.NDArray[np.bool_], left: Ints, right: Ints
) -> Ints:
    """Return whole numbers for the weights of leaves, and their sums for nodes."""
    count = np.ones(len(weight), np.int64)
    count[is_leaf] = leaf_counts(weight[is_leaf], _COUNTS_PER_WEIGHT)
    for node in np.flatnonzero(~is_leaf)[::-1]:
        count[node] = count[left[node]] + count[right[node]]
    return count
