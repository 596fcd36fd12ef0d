"""The trees of a fitted booster as plain arrays, the stored form of a model.

A forest has only the content of the booster's text. Everything else that scoring needs (codes,
masks, programs) is derived when a forest is compiled, so a saved forest is small and simple to
check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

__all__ = [
    "CATEGORICAL",
    "DEFAULT_LEFT",
    "EXACT",
    "LIGHTGBM",
    "MISSING_NAN",
    "MISSING_NONE",
    "MISSING_ZERO",
    "SINGLE",
    "Forest",
    "check_words",
    "join_arrays",
]

CATEGORICAL = 1
DEFAULT_LEFT = 2
MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2

FORMAT = 2

# How values are read: LightGBM's tiny numbers are zero and categories are truncated; otherwise
# numbers are compared as they are, and a category is a whole number.
LIGHTGBM, EXACT = "lightgbm", "exact"
DOUBLE, SINGLE = "double", "single"

# Limits the size of the lookup tables of categories.
MAX_CATEGORIES = 2**25
# Limits the memory of all sets of categories, 32 categories a word.
_MAX_WORDS = 2**24

# The exact dtype of each stored array.
_DTYPES: dict[str, type[np.generic]] = {
    "node_offset": np.int64,
    "leaf_offset": np.int64,
    "feature": np.int32,
    "threshold": np.float64,
    "decision": np.uint8,
    "left": np.int32,
    "right": np.int32,
    "node_count": np.int64,
    "category_set": np.int32,
    "category_offset": np.int64,
    "category_words": np.uint32,
    "leaf_value": np.float64,
    "leaf_count": np.int64,
}


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees in LightGBM's order, with the nodes of all trees concatenated.

    Parameters
    ----------
    feature_names
        Names of the columns of a row.
    objective
        The booster's objective in its text, such as ``"binary sigmoid:1"``; empty for a custom
        objective.
    n_outputs
        Trees per boosting round: the number of classes of a multiclass model, otherwise 1.
    average_output
        Predictions are means over rounds (random forest mode).
    node_offset, leaf_offset
        Shape (trees + 1,): the start of each tree's nodes and leaves.
    feature, threshold, decision, left, right, node_count, category_set
        Shape (nodes,): the column; the threshold of a numeric node; the decision type (bit 0
        categorical, bit 1 missing goes left, bits 2-3 kind of missing value); children as a
        node's index within its tree or ``~leaf``; training rows; the set of a categorical node,
        otherwise -1.
    category_offset, category_words
        Concatenated bit sets of the categories that go left.
    leaf_value, leaf_count
        Shape (leaves,): output and training rows.
    comparison
        How values are read: ``"lightgbm"`` takes numbers up to 1e-35 as zero and truncates
        categories toward zero; ``"exact"`` compares numbers as they are, and takes categories
        that are not whole numbers as unknown. With the latter, missing values at a categorical
        node go to the side of its set if decision bit 1 is set, as at numeric nodes.
    precision
        ``"double"`` or ``"single"``: how leaf values are added.
    """

    feature_names: tuple[str, ...]
    objective: str
    n_outputs: int
    average_output: bool
    node_offset: Ints
    leaf_offset: Ints
    feature: npt.NDArray[np.int32]
    threshold: Floats
    decision: npt.NDArray[np.uint8]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    node_count: Ints
    category_set: npt.NDArray[np.int32]
    category_offset: Ints
    category_words: npt.NDArray[np.uint32]
    leaf_value: Floats
    leaf_count: Ints
    comparison: str = LIGHTGBM
    precision: str = DOUBLE

    @property
    def n_trees(self) -> int:
        """Number of trees, over all outputs."""
        return len(self.node_offset) - 1

    @property
    def n_features(self) -> int:
        """Number of columns of a row."""
        return len(self.feature_names)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Return settings (JSON values) and arrays; `from_arrays` is its inverse."""
        settings: dict[str, Any] = {
            "format": 1 if self.comparison == LIGHTGBM else FORMAT,
            "feature_names": list(self.feature_names),
            "objective": self.objective,
            "n_outputs": self.n_outputs,
            "average_output": self.average_output,
        }
        if self.comparison != LIGHTGBM:
            settings["comparison"] = self.comparison
            settings["precision"] = self.precision
        return settings, {name: getattr(self, name) for name in _DTYPES}

    @classmethod
    def from_arrays(cls, settings: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Forest:
        """Create a forest from the result of `to_arrays`, which is fully checked.

        Raises
        ------
        BundleError
            If a setting or array is missing, has another type or shape, or is out of range.
        """
        _check_settings(settings)
        _check_array_types(arrays)
        forest = cls(
            feature_names=tuple(settings["feature_names"]),
            objective=settings["objective"],
            n_outputs=settings["n_outputs"],
            average_output=settings["average_output"],
            comparison=settings.get("comparison", LIGHTGBM),
            precision=settings.get("precision", DOUBLE),
            **{name: np.ascontiguousarray(arrays[name]) for name in _DTYPES},
        )
        forest.check()
        return forest

    def check(self) -> None:
        """Check that the arrays form trees and that all indices are in range.

        Raises
        ------
        BundleError
            Names the invalid array.
        """
        _check_offsets(self)
        _check_lengths(self)
        _check_nodes(self)
        _check_categories(self)
        _check_children(self)


def join_arrays(parts: Sequence[Mapping[str, npt.NDArray[Any]]]) -> dict[str, npt.NDArray[Any]]:
    """Concatenate the arrays of forests, or of single trees, to those of one forest.

    Parameters
    ----------
    parts
        For each forest its arrays by name, see `Forest`.

    Returns
    -------
    dict
        The arrays of a forest with the trees of all parts.
    """
    joined = {
        name: np.concatenate([np.empty(0, dtype), *(part[name] for part in parts)]).astype(dtype)
        for name, dtype in _DTYPES.items()
    }
    for name in ("node_offset", "leaf_offset", "category_offset"):
        starts = np.cumsum([0, *(part[name][-1] for part in parts)])
        shifted = [part[name][1:] + start for part, start in zip(parts, starts, strict=False)]
        joined[name] = np.concatenate([[0], *shifted]).astype(np.int64)
    first_sets = np.cumsum([0, *(len(part["category_offset"]) - 1 for part in parts)])
    sizes = np.array([len(part["category_set"]) for part in parts], np.int64)
    shift = np.repeat(first_sets[:-1], sizes)
    sets = joined["category_set"]
    joined["category_set"] = np.where(sets >= 0, sets + shift, -1).astype(np.int32)
    return joined


def _require(condition: object, problem: str) -> None:
    if not condition:
        raise BundleError(f"The trees are damaged: {problem}. Save the model again.")


def _check_settings(settings: dict[str, Any]) -> None:
    version = settings.get("format")
    if isinstance(version, int) and not isinstance(version, bool) and version > FORMAT:
        raise BundleError(
            f"the trees have format {version}, this version of churnkit reads up to {FORMAT}: upgrade churnkit"
        )
    _require(version in {1, FORMAT}, "format is missing or unknown")
    comparison = settings.get("comparison", LIGHTGBM)
    _require(comparison in {LIGHTGBM, EXACT}, "comparison is unknown")
    _require(version == FORMAT or comparison == LIGHTGBM, "comparison needs format 2")
    precision = settings.get("precision", DOUBLE)
    _require(precision in {DOUBLE, SINGLE}, "precision is unknown")
    _require(comparison == EXACT or precision == DOUBLE, "precision does not fit the comparison")
    names = settings.get("feature_names")
    _require(
        isinstance(names, list) and all(isinstance(name, str) for name in names),
        "feature_names is not a list of names",
    )
    _require(isinstance(settings.get("objective"), str), "objective is not text")
    _require(isinstance(settings.get("average_output"), bool), "average_output is not a boolean")
    outputs = settings.get("n_outputs")
    _require(type(outputs) is int and outputs >= 1, "n_outputs is not a positive integer")


def _check_array_types(arrays: dict[str, npt.NDArray[Any]]) -> None:
    for name, dtype in _DTYPES.items():
        _require(name in arrays, f"array {name} is missing")
        array = arrays[name]
        _require(isinstance(array, np.ndarray), f"{name} is not an array")
        _require(array.dtype == np.dtype(dtype), f"{name} does not have type {dtype.__name__}")
        _require(array.ndim == 1, f"{name} is not one-dimensional")


def _check_offsets(forest: Forest) -> None:
    for name in ("node_offset", "leaf_offset", "category_offset"):
        offset = getattr(forest, name)
        _require(len(offset) >= 1 and offset[0] == 0, f"{name} does not start at 0")
        _require((np.diff(offset) >= 0).all(), f"{name} is not ascending")
        _require(offset[-1] < 2**31, f"{name} is too large")
    _require(
        len(forest.node_offset) == len(forest.leaf_offset),
        "node_offset and leaf_offset differ in length",
    )
    leaves, nodes = np.diff(forest.leaf_offset), np.diff(forest.node_offset)
    _require(
        (leaves == nodes + 1).all(),
        "the number of leaves of a tree is not the number of its nodes plus one",
    )
    _require(
        forest.n_trees % forest.n_outputs == 0, "the number of trees is not a multiple of n_outputs"
    )


def _check_lengths(forest: Forest) -> None:
    n_nodes, n_leaves = int(forest.node_offset[-1]), int(forest.leaf_offset[-1])
    for name in (
        "feature",
        "threshold",
        "decision",
        "left",
        "right",
        "node_count",
        "category_set",
    ):
        _require(len(getattr(forest, name)) == n_nodes, f"{name} has a wrong length")
    for name in ("leaf_value", "leaf_count"):
        _require(len(getattr(forest, name)) == n_leaves, f"{name} has a wrong length")
    n_words = int(forest.category_offset[-1])
    _require(len(forest.category_words) == n_words, "category_words has a wrong length")


def _check_nodes(forest: Forest) -> None:
    feature = forest.feature
    _require(((feature >= 0) & (feature < forest.n_features)).all(), "feature is out of range")
    _require(not np.isnan(forest.threshold).any(), "threshold has a NaN")
    _require(np.isfinite(forest.leaf_value).all(), "leaf_value has a NaN or an infinity")
    _require((forest.decision < 12).all(), "decision has an unknown kind")
    for name in ("node_count", "leaf_count"):
        _require((getattr(forest, name) >= 0).all(), f"{name} is negative")


def check_words(count: int) -> None:
    """Check the number of words of all sets of categories of a model.

    Raises
    ------
    BundleError
        If there are more than the limit.

    Examples
    --------
    >>> check_words(2**24)
    """
    if count > _MAX_WORDS:
        raise BundleError(
            f"the trees' sets of categories take more than {_MAX_WORDS:,} words of 32 categories: "
            "number the categories from 0 without gaps, or train with fewer trees or categories"
        )


def _check_categories(forest: Forest) -> None:
    check_words(len(forest.category_words))
    sets = forest.category_set
    categorical = (forest.decision & CATEGORICAL) > 0
    _require((np.diff(forest.category_offset) > 0).all(), "a set of categories has no words")
    if (np.diff(forest.category_offset) > MAX_CATEGORIES // 32).any():
        raise BundleError(
            f"the trees use a category above {MAX_CATEGORIES - 1:,}, which is not supported: "
            "number the categories from 0 and train again"
        )
    _require((sets[~categorical] == -1).all(), "a numeric node has a set of categories")
    n_sets = len(forest.category_offset) - 1
    inside = (sets[categorical] >= 0) & (sets[categorical] < n_sets)
    _require(inside.all(), "category_set is out of range")


def _check_children(forest: Forest) -> None:
    """Check that children come after their parent and that each node has exactly one."""
    nodes, leaves = np.diff(forest.node_offset), np.diff(forest.leaf_offset)
    node_base = np.repeat(forest.node_offset[:-1], nodes)
    leaf_base = np.repeat(forest.leaf_offset[:-1], nodes)
    local = np.arange(len(forest.left)) - node_base
    n_nodes, n_leaves = np.repeat(nodes, nodes), np.repeat(leaves, nodes)
    node_parents = np.zeros(len(forest.left), np.int64)
    leaf_parents = np.zeros(len(forest.leaf_value), np.int64)
    for name in ("left", "right"):
        child = getattr(forest, name).astype(np.int64)
        is_node = child >= 0
        _require((child[is_node] < n_nodes[is_node]).all(), f"{name} is out of range")
        _require((~child[~is_node] < n_leaves[~is_node]).all(), f"{name} is out of range")
        _require((child[is_node] > local[is_node]).all(), f"{name} points back to an earlier node")
        np.add.at(node_parents, (child + node_base)[is_node], 1)
        np.add.at(leaf_parents, (~child + leaf_base)[~is_node], 1)
    roots = forest.node_offset[:-1][nodes > 0]
    _require((node_parents[roots] == 0).all(), "a root has a parent")
    node_parents[roots] = 1
    _require((node_parents == 1).all(), "a node does not have exactly one parent")
    _require(
        (leaf_parents[np.repeat(nodes > 0, leaves)] == 1).all(),
        "a leaf does not have exactly one parent",
    )
