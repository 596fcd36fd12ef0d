r"""Exact Shapley values of trees, by integration.

Let a leaf with value :math:`v` have :math:`d` features on its path. For feature :math:`j`, let
:math:`z_j` be the share of training rows that its nodes pass on, and :math:`o_j` 1 if they pass
this row on, else 0. The leaf's contribution to feature :math:`j` is

.. math:: v\,(o_j - z_j) \int_0^1 \prod_{k \ne j} \bigl(y\,o_k + (1 - y)\,z_k\bigr)\,dy,

because the Shapley weight of a set of size k is :math:`\int_0^1 y^k (1 - y)^{d-1-k} dy`. The
integrand is a polynomial of degree :math:`d - 1`, so Gauss-Legendre quadrature with
:math:`\lceil d / 2 \rceil` points is exact. All its terms are positive, so none cancel.

References
----------
Lundberg, Erion, Lee (2018): Consistent individualized feature attribution for tree ensembles,
arXiv:1802.03888 (the path-dependent values).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from churnkit.errors import BundleError
from churnkit.trees.layout.traversal import decide_nodes

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.forest import Forest
    from churnkit.trees.layout.binning import Binning, Codes
    from churnkit.trees.layout.leaf_paths import LeafPaths
    from churnkit.trees.layout.traversal import Traversal

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

__all__ = [
    "Attribution",
    "build_attribution",
    "contributions",
    "leaf_attributions",
    "passed_links",
    "quadrature",
]

# Links times rows per evaluation; limits the memory.
_PAIRS = 1 << 18


@dataclass(frozen=True, eq=False)
class Attribution:
    """Values and links of all leaves for Shapley values.

    Parameters
    ----------
    leaf_value, leaf_column
        Shape (leaves,), from left to right through all trees: the value, and the first column
        of its output in the result.
    link_offset
        Shape (leaves + 1,): the start of each leaf's links. A link is one input on its path.
    link_input, link_column, link_zero
        Shape (links,): the input; its feature; the share of training rows that it passes on.
    expected
        Shape (outputs,): the expected score over the training rows.
    """

    leaf_value: Floats
    leaf_column: Ints
    link_offset: Ints
    link_input: Ints
    link_column: Ints
    link_zero: Floats
    expected: Floats


def build_attribution(
    forest: Forest, binning: Binning, paths: LeafPaths, leaf_values: Floats
) -> Attribution:
    """Collect the values and links of all leaves.

    Raises
    ------
    BundleError
        If a column is used both as a number and as a category, or there are no counts of
        training rows.
    """
    split = np.diff(forest.node_offset) > 0
    if (forest.node_count[forest.node_offset[:-1][split]] == 0).any():
        raise BundleError(
            "contributions need the number of training rows in each node, which the model does "
            "not have: save it again with Booster.save_model"
        )
    features = np.array([source.feature for source in binning.inputs], np.int64)
    if len(np.unique(features)) < len(features):
        raise BundleError(
            "contributions do not support a column that some trees use as a number and others as "
            "a category: train all rounds with the same categorical features"
        )
    n_leaves = np.diff(forest.leaf_offset)
    output = np.arange(forest.n_trees) % forest.n_outputs
    zero = np.empty(0)
    if len(paths.link_start):
        zero = np.multiply.reduceat(paths.share, paths.link_start)
    return Attribution(
        leaf_value=leaf_values,
        leaf_column=np.repeat(output * (forest.n_features + 1), n_leaves),
        link_offset=np.searchsorted(paths.link_leaf, np.arange(len(leaf_values) + 1)),
        link_input=paths.link_input,
        link_column=features[paths.link_input],
        link_zero=zero,
        expected=_expected(forest),
    )


def _expected(forest: Forest) -> Floats:
    """Return the mean score of each output over the training rows."""
    expected = np.zeros(forest.n_outputs)
    for tree in range(forest.n_trees):
        leaves = slice(*forest.leaf_offset[tree : tree + 2])
        nodes = slice(*forest.node_offset[tree : tree + 2])
        share: Floats = np.ones(1)
        if nodes.start < nodes.stop:
            share = forest.leaf_count[leaves] / forest.node_count[nodes.start]
        expected[tree % forest.n_outputs] += float(np.sum(share * forest.leaf_value[leaves]))
    return expected


def contributions(
    attribution: Attribution, paths: LeafPaths, traversal: Traversal, codes: Codes, out: Floats
) -> None:
    """Add the contributions of a block of rows, without the expected scores.

    Parameters
    ----------
    attribution, paths, traversal
        The links of the forest, their steps, and its nodes.
    codes
        Shape (inputs, n).
    out
        Shape (n, columns), contiguous; the contributions are added to it.
    """
    n_rows, n_leaves = codes.shape[1], len(attribution.leaf_value)
    wide, row = codes.astype(np.int64), np.arange(n_rows)
    step = max(64, _PAIRS // (8 * max(1, n_rows)))
    for start in range(0, n_leaves, step):
        stop = min(n_leaves, start + step)
        first, last = attribution.link_offset[start], attribution.link_offset[stop]
        if first == last:
            continue
        lengths = np.diff(attribution.link_offset[start : stop + 1])
        one = passed_links(paths, traversal, wide, first, last)
        parts = np.empty((last - first, n_rows))
        for length in np.unique(lengths[lengths > 0]):
            leaves = start + np.flatnonzero(lengths == length)
            links = attribution.link_offset[leaves] + np.arange(length)[:, None]
            parts[links - first] = leaf_attributions(
                attribution.leaf_value[leaves][:, None],
                attribution.link_zero[links][:, :, None],
                one[links - first],
            )
        leaf_of_link = np.repeat(np.arange(start, stop), lengths)
        column = attribution.leaf_column[leaf_of_link] + attribution.link_column[first:last]
        # Leaf by leaf from left to right, the order in which the kernels add.
        target = column[:, None] + row * out.shape[1]
        np.add.at(out.reshape(-1), target.reshape(-1), parts.reshape(-1))


def passed_links(
    paths: LeafPaths, traversal: Traversal, codes: Ints, first: int, last: int
) -> npt.NDArray[np.bool_]:
    """Test which links of a range pass each row on.

    Parameters
    ----------
    paths, traversal
        The links' steps, and the nodes.
    codes
        Shape (inputs, n).
    first, last
        The range of links, not empty.

    Returns
    -------
    ndarray
        Shape (links, n).
    """
    begin = paths.link_start[first]
    end = paths.link_start[last] if last < len(paths.link_start) else len(paths.node)
    node = paths.node[begin:end]
    lowest = int(node.min())
    goes_right = decide_nodes(traversal, np.arange(lowest, int(node.max()) + 1), codes)
    agrees = goes_right[node - lowest] == paths.is_right[begin:end, None]
    passes: npt.NDArray[np.bool_] = np.logical_and.reduceat(
        agrees, paths.link_start[first:last] - begin, axis=0
    )
    return passes


@lru_cache(maxsize=512)
def quadrature(n_features: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return Gauss-Legendre points and weights on [0, 1], exact for a path of `n_features`.

    Examples
    --------
    >>> quadrature(2)
    ((0.5,), (1.0,))
    """
    points, weights = np.polynomial.legendre.leggauss(max(1, (n_features + 1) // 2))
    return tuple(((points + 1.0) / 2.0).tolist()), tuple((weights / 2.0).tolist())


def leaf_attributions(value: Floats, zero: Floats, one: npt.NDArray[np.bool_]) -> Floats:
    """Attribute leaves to the features on their paths.

    Parameters
    ----------
    value
        Shape (n, ...): the leaves' values.
    zero
        Shape (d, n, ...): the share of training rows that each feature passes on.
    one
        Shape (d, n, ...): true if the feature passes the row on.

    Returns
    -------
    ndarray
        Shape as `one`.

    Examples
    --------
    A stump with value 0 on the left and 1 on the right: one row in four goes right, as this one.

    >>> leaf_attributions(np.array([0.0, 1.0]), np.array([[0.75, 0.25]]), np.array([[False, True]]))
    array([[0.  , 0.75]])
    """
    attributed = np.zeros(one.shape)
    for point, weight in zip(*quadrature(len(zero)), strict=True):
        passed = point + (1.0 - point) * zero
        factor = np.where(one, passed, (1.0 - point) * zero)
        share = np.where(one, weight * (1.0 - zero) / passed, -weight / (1.0 - point))
        product = value * factor[0]
        for row in factor[1:]:
            product *= row
        share *= product
        attributed += share
    return attributed
