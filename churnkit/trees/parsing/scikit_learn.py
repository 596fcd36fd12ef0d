"""Compile fitted trees, forests and boosters of scikit-learn to arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError
from churnkit.trees.compiled import CompiledTrees
from churnkit.trees.forest import DEFAULT_LEFT, MISSING_NAN
from churnkit.trees.parsing.catboost import widen_thresholds
from churnkit.trees.parsing.scikit_learn_boosting import parse_hist_gradient_boosting
from churnkit.trees.parsing.tree_layout import constant_tree, exact_forest, tree_arrays

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.forest import Forest

    Arrays = dict[str, npt.NDArray[Any]]
    Floats = npt.NDArray[np.float64]

__all__ = ["compile_forest", "compile_sklearn"]


def compile_sklearn(model: Any, *, fast: bool | None = None) -> CompiledTrees:
    """Compile a fitted tree, forest or gradient booster of scikit-learn.

    The raw scores are the same bits as scikit-learn's (with ``n_jobs=1``): those of
    ``decision_function`` of gradient boosting, and ``predict_proba`` or ``predict`` of trees and
    forests before they are averaged. `CompiledTrees.predict` returns the probability of the
    second of two classes, the probabilities of several classes, shape (n, classes), or the
    prediction of a regressor.

    Parameters
    ----------
    model
        A fitted ``RandomForest``, ``ExtraTrees``, ``DecisionTree``, ``ExtraTree``,
        ``GradientBoosting`` or ``HistGradientBoosting`` classifier or regressor.
    fast
        As for `compile_booster`.

    Returns
    -------
    CompiledTrees
        A model with the same predictions. Its rows have the columns of the model; categories
        are whole numbers.

    Raises
    ------
    BundleError
        If the model is of another class, has several targets, starts from another model, or has
        categories that are not whole numbers from 0.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> X, y = np.array([[1.0], [2.0], [3.0], [4.0]]), [0, 0, 1, 1]
    >>> forest = RandomForestClassifier(9, random_state=0).fit(X, y)
    >>> trees = compile_sklearn(forest)
    >>> bool((trees.predict(X) == forest.predict_proba(X)[:, 1]).all())
    True
    """
    name = type(model).__name__
    if name.startswith("HistGradientBoosting"):
        return CompiledTrees(parse_hist_gradient_boosting(model), fast=fast)
    if name.startswith("GradientBoosting"):
        return CompiledTrees(_parse_gradient_boosting(model), fast=fast)
    if name.startswith(("RandomForest", "ExtraTree", "DecisionTree")):
        return CompiledTrees(_parse_trees(model), fast=fast)
    raise BundleError(
        f"{name[:60]} is not supported: compile a tree, a random forest, extra trees or gradient "
        "boosting of scikit-learn"
    )


def compile_forest(
    model: Any, *, slope: float = 1.0, intercept: float = 0.0, fast: bool | None = None
) -> CompiledTrees:
    """Compile a fitted forest of two classes to log-odds, such as ``ExtraTreesClassifier``.

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

    Returns
    -------
    CompiledTrees
        A model that predicts the sigmoid of its raw score.

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
    trees = []
    for tree in (each.tree_ for each in model.estimators_):
        weights = tree.value[:, 0, :]
        share = weights[:, 1] / weights.sum(axis=1)
        trees.append(_arrays(tree, (slope * (share - 0.5) + intercept) / count))
    forest = exact_forest(trees, n_features=model.n_features_in_, objective="binary sigmoid:1")
    return CompiledTrees(forest, fast=fast)


def _parse_trees(model: Any) -> Forest:
    """Parse a tree or a forest, with one output per class, or one for the second of two."""
    classes = getattr(model, "classes_", None)
    if model.n_outputs_ != 1:
        raise BundleError(f"the trees have {model.n_outputs_} targets: train a model for each")
    members = getattr(model, "estimators_", [model])
    outputs = [0] if classes is None else [*range(len(classes))]
    if len(outputs) == 2:
        outputs = [1]
    trees = []
    for tree in (member.tree_ for member in members):
        trees += [_arrays(tree, tree.value[:, 0, output]) for output in outputs]
    return exact_forest(
        trees,
        n_features=model.n_features_in_,
        objective="",
        n_outputs=len(outputs),
        average_output=True,
    )


def _parse_gradient_boosting(model: Any) -> Forest:
    """Parse gradient boosting: the first score, and the scaled trees of all rounds."""
    n_outputs = model.estimators_.shape[1]
    if model.init_ != "zero" and type(model.init_).__name__ not in {
        "DummyClassifier",
        "DummyRegressor",
    }:
        raise BundleError("the booster starts from another model: train it with init=None")
    if getattr(model.init_, "strategy", "") in {"stratified", "uniform"}:
        raise BundleError("the booster starts from random scores: train it with init=None")
    start = np.zeros(n_outputs)
    if model.init_ != "zero":
        # The first score is the same for all rows.
        start = model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32))[0]  # noqa: SLF001
    trees = [constant_tree(float(score)) for score in start]
    trees += [
        _arrays(tree, model.learning_rate * tree.value[:, 0, 0])
        for tree in (member.tree_ for member in model.estimators_.reshape(-1))
    ]
    objective = "regression"
    if hasattr(model, "classes_"):
        objective = "binary sigmoid:1" if n_outputs == 1 else f"multiclass num_class:{n_outputs}"
        if model.loss == "exponential":
            objective = "binary sigmoid:2"
    return exact_forest(
        trees, n_features=model.n_features_in_, objective=objective, n_outputs=n_outputs
    )


def _arrays(tree: Any, value: Floats) -> Arrays:
    """Return the arrays of one tree with these outputs of all its nodes."""
    to_left = np.asarray(tree.missing_go_to_left).astype(bool)
    return tree_arrays(
        is_leaf=tree.children_left < 0,
        left=tree.children_left,
        right=tree.children_right,
        feature=tree.feature,
        threshold=widen_thresholds(tree.threshold),
        decision=np.where(to_left, DEFAULT_LEFT, 0) | MISSING_NAN << 2,
        value=value,
        count=tree.n_node_samples,
    )
