r"""Exact Shapley values of trees, by integration.

Let a leaf with value :math:`v` ask :math:`d` features on its path. For feature :math:`j`, let
:math:`z_j` be the share of training rows that its nodes let through, and :math:`o_j` 1 if they
let this row through, else 0. The leaf's contribution to feature :math:`j` is

.. math:: v\,(o_j - z_j) \int_0^1 \prod_{k \ne j} \bigl(y\,o_k + (1 - y)\,z_k\bigr)\,dy,

because the Shapley weight of a set of size k is :math:`\int_0^1 y^k (1 - y)^{d-1-k} dy`. The
integrand is a polynomial of degree :math:`d - 1`, so Gauss-Legendre quadrature with
:math:`\lceil d / 2 \rceil` points is exact. All its terms are positive: nothing cancels.

References
----------
Lundberg, Erion, Lee: Consistent individualized feature attribution for tree ensembles,
arXiv:1802.03888, whose path-dependent values these are.
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
    from churnkit.trees.layout.binning import Codes, Coding
    from churnkit.trees.layout.leaf_paths import Paths
    from churnkit.trees.layout.traversal import Walk

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

__all__ = ["Attribution", "build_attribution", "contributions", "leaf_attributions", "quadrature"]

# Links times rows that are evaluated at once, which bounds the memory.
_PAIRS = 1 << 18


@dataclass(frozen=True, eq=False)
class Attribution:
    """What Shapley values need beside the masks.

    Parameters
    ----------
    leaf_value, leaf_column
        Shape (leaves,), from left to right through all trees: value, and the first column of
        its output in the result.
    link_offset
        Shape (leaves + 1,): where each leaf's links start. A link is one input on its path.
    link_input, link_column, link_zero
        Shape (links,): the input; its feature; the share of training rows that it lets through.
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
    forest: Forest, coding: Coding, paths: Paths, value_at: Floats
) -> Attribution:
    """Collect what Shapley values need.

    Raises
    ------
    BundleError
        If one column is read both as a number and as a category, or there are no counts of
        training rows to weigh by.
    """
    split = np.diff(forest.node_offset) > 0
    if (forest.node_count[forest.node_offset[:-1][split]] == 0).any():
        raise BundleError(
            "Contributions weigh by the training rows in each node, and the model holds no such "
            "counts. Write it again with Booster.save_model."
        )
    features = np.array([source.feature for source in coding.inputs], np.int64)
    if len(np.unique(features)) < len(features):
        raise BundleError(
            "Contributions need each column to be read in one way, and some trees read "
            "a column as a number where others read it as a category. Train all rounds with the "
            "same categorical features."
        )
    n_leaves = np.diff(forest.leaf_offset)
    output = np.arange(forest.n_trees) % forest.n_outputs
    zero = np.empty(0)
    if len(paths.link_start):
        zero = np.multiply.reduceat(paths.share, paths.link_start)
    return Attribution(
        leaf_value=value_at,
        leaf_column=np.repeat(output * (forest.n_features + 1), n_leaves),
        link_offset=np.searchsorted(paths.link_leaf, np.arange(len(value_at) + 1)),
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
    attribution: Attribution, paths: Paths, walk: Walk, codes: Codes, found: Floats
) -> None:
    """Add the contributions of a block of rows, without the expected scores.

    Parameters
    ----------
    attribution, paths, walk
        The forest's links, their steps, and its nodes.
    codes
        Shape (inputs, n).
    found
        Shape (n, columns), contiguous, to be added to.
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
        one = _answers(paths, walk, wide, first, last)
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
        # One leaf after the other, from left to right: the kernels add in the same order.
        target = column[:, None] + row * found.shape[1]
        np.add.at(found.reshape(-1), target.reshape(-1), parts.reshape(-1))


def _answers(paths: Paths, walk: Walk, codes: Ints, first: int, last: int) -> npt.NDArray[np.bool_]:
    """Whether each of a range of links lets each row through, shape (links, n)."""
    begin = paths.link_start[first]
    end = paths.link_start[last] if last < len(paths.link_start) else len(paths.node)
    node = paths.node[begin:end]
    lowest = int(node.min())
    goes_right = decide_nodes(walk, np.arange(lowest, int(node.max()) + 1), codes)
    agrees = goes_right[node - lowest] == paths.is_right[begin:end, None]
    answers: npt.NDArray[np.bool_] = np.logical_and.reduceat(
        agrees, paths.link_start[first:last] - begin, axis=0
    )
    return answers


@lru_cache(maxsize=512)
def quadrature(n_features: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return points and weights on [0, 1] that are exact for a path of so many features.

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
        Shape (d, n, ...): the share of training rows that each feature lets through.
    one
        Shape (d, n, ...): whether the row is let through.

    Returns
    -------
    ndarray
        Shape as `one`.

    Examples
    --------
    A stump: 0 on the left and 1 on the right, one row in four goes right, and this one does.

    >>> leaf_attributions(np.array([0.0, 1.0]), np.array([[0.75, 0.25]]), np.array([[False, True]]))
    array([[0.  , 0.75]])
    """
    attributed = np.zeros(one.shape)
    for point, weight in zip(*quadrature(len(zero)), strict=True):
        let_through = point + (1.0 - point) * zero
        factor = np.where(one, let_through, (1.0 - point) * zero)
        share = np.where(one, weight * (1.0 - zero) / let_through, -weight / (1.0 - point))
        product = value * factor[0]
        for row in factor[1:]:
            product *= row
        share *= product
        attributed += share
    return attributed
