"""Parse scikit-learn's histogram-based gradient boosting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError
from churnkit.trees.forest import CATEGORICAL, DEFAULT_LEFT, MAX_CATEGORIES, MISSING_NAN
from churnkit.trees.parsing.tree_layout import (
    CategorySets,
    constant_tree,
    exact_forest,
    tree_arrays,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.forest import Forest

    Arrays = dict[str, npt.NDArray[Any]]
    Ints = npt.NDArray[np.int64]

__all__ = ["parse_hist_gradient_boosting"]

# Loss of a regressor -> LightGBM's objective with the same transformation.
_REGRESSIONS = {
    "squared_error": "regression",
    "absolute_error": "regression_l1",
    "quantile": "quantile",
    "gamma": "gamma",
    "poisson": "poisson",
}


def parse_hist_gradient_boosting(model: Any) -> Forest:
    """Parse a fitted ``HistGradientBoostingClassifier`` or ``HistGradientBoostingRegressor``.

    Parameters
    ----------
    model
        The fitted model; its first score becomes a tree of one leaf.

    Returns
    -------
    Forest
        The checked trees.

    Raises
    ------
    BundleError
        If categories are not whole numbers from 0, or the loss is unknown.

    Notes
    -----
    At a categorical node scikit-learn sends missing and unknown categories to a side of their own
    choice, where LightGBM's go right. Where they go left, the children are exchanged, and the
    categories of the set are exchanged for the other known ones.
    """
    columns = _Columns(model)
    n_outputs = model.n_trees_per_iteration_
    first = np.asarray(model._baseline_prediction, np.float64).reshape(-1)  # noqa: SLF001
    trees = [constant_tree(float(score)) for score in first]
    packed = CategorySets()
    for rounds in model._predictors:  # noqa: SLF001
        trees += [_arrays(tree, columns, packed) for tree in rounds]
    return exact_forest(
        trees,
        n_features=model.n_features_in_,
        objective=_objective(model, n_outputs),
        n_outputs=n_outputs,
    )


def _objective(model: Any, n_outputs: int) -> str:
    if hasattr(model, "classes_"):
        return "binary sigmoid:1" if n_outputs == 1 else f"multiclass num_class:{n_outputs}"
    if model.loss not in _REGRESSIONS:
        raise BundleError(f"the loss {str(model.loss)[:40]!r} is not supported")
    return _REGRESSIONS[model.loss]


class _Columns:
    """The columns of a model in the order of its trees, and their categories.

    Parameters
    ----------
    model
        The fitted model. Its trees see categorical columns first, with categories numbered in
        ascending order.
    """

    def __init__(self, model: Any) -> None:
        is_categorical = model.is_categorical_
        if is_categorical is None:
            is_categorical = np.zeros(model.n_features_in_, bool)
        order = [np.flatnonzero(is_categorical), np.flatnonzero(~is_categorical)]
        self.feature: Ints = np.concatenate(order).astype(np.int64)
        """The column of each of the trees' columns."""
        self.categories: list[Ints] = []
        """For each categorical column its categories, in the order of their numbers."""
        if is_categorical.any():
            encoder = model._preprocessor.named_transformers_["encoder"]  # noqa: SLF001
            self.categories = [_whole_numbers(known) for known in encoder.categories_]


def _whole_numbers(categories: npt.NDArray[Any]) -> Ints:
    """Return categories, without missing ones, as whole numbers."""
    try:
        numbers = np.asarray(categories, np.float64)
    except (TypeError, ValueError):
        numbers = np.array([-1.0])
    numbers = numbers[~np.isnan(numbers)]
    if not ((numbers >= 0) & (numbers < MAX_CATEGORIES) & (numbers == np.floor(numbers))).all():
        raise BundleError(
            "the model has categories that are not whole numbers from 0: encode them before it "
            "is trained, for example by OrdinalEncoder"
        )
    return numbers.astype(np.int64)


def _arrays(tree: Any, columns: _Columns, packed: CategorySets) -> Arrays:
    """Return the arrays of one tree."""
    nodes = tree.nodes
    is_leaf, categorical = nodes["is_leaf"].astype(bool), nodes["is_categorical"].astype(bool)
    to_left = nodes["missing_go_to_left"].astype(bool)
    swapped = categorical & to_left
    decision = np.where(to_left, DEFAULT_LEFT, 0) | MISSING_NAN << 2
    return tree_arrays(
        is_leaf=is_leaf,
        left=np.where(swapped, nodes["right"], nodes["left"]),
        right=np.where(swapped, nodes["left"], nodes["right"]),
        feature=columns.feature[nodes["feature_idx"]],
        threshold=nodes["num_threshold"],
        decision=np.where(categorical, CATEGORICAL, decision),
        value=nodes["value"],
        count=nodes["count"],
        sets=[
            packed.pack(_left_categories(tree, nodes[at], columns))
            for at in np.flatnonzero(categorical & ~is_leaf)
        ],
    )


def _left_categories(tree: Any, node: Any, columns: _Columns) -> Ints:
    """Return the categories that go to the side of known ones only."""
    categories = columns.categories[int(node["feature_idx"])]
    words = np.ascontiguousarray(tree.raw_left_cat_bitsets[int(node["bitset_idx"])]).astype("<u4")
    goes_left = np.unpackbits(words.view(np.uint8), bitorder="little")[: len(categories)] > 0
    return categories[~goes_left if node["missing_go_to_left"] else goes_left]
