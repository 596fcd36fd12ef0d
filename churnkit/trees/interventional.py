r"""Interventional Shapley values of trees: features are replaced by those of background rows.

For a row x and a background row z, a leaf with value :math:`v` is a game of the features on its
path: those that only x passes (a of them) must be known, those that only z passes (b of them)
must not. A leaf that neither passes at some feature is worth nothing. Its Shapley values are

.. math:: v\,\frac{(a-1)!\,b!}{(a+b)!} \quad\text{and}\quad -v\,\frac{a!\,(b-1)!}{(a+b)!}.

Many rows pass the same features of a path, so a leaf is evaluated once for each pair of patterns.

References
----------
Lundberg et al. (2020): From local explanations to global understanding with explainable AI for
trees, doi:10.1038/s42256-019-0138-9. Nadel and Wettenstein (2026): From decision trees to Boolean
logic: a fast and unified SHAP algorithm, doi:10.1609/aaai.v40i29.39630 (patterns).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from churnkit.trees.shapley import passed_links

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from churnkit.trees.layout.binning import Codes
    from churnkit.trees.layout.derived import ForestLayout

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]
    Bools = npt.NDArray[np.bool_]

__all__ = [
    "LeafPatterns",
    "Patterns",
    "add_interventional",
    "interventional_values",
    "leaf_patterns",
    "pair_weights",
]

# Links times rows per evaluation, and pairs of patterns times links; they limit the memory.
_LINK_ROWS = 1 << 22
_PAIR_LINKS = 1 << 20


class Patterns(NamedTuple):
    """The distinct sets of features that rows pass on a path.

    Parameters
    ----------
    passes
        Shape (patterns, links).
    of_row
        Shape (rows,): the pattern of each row.
    n_rows
        Shape (patterns,): its rows.
    """

    passes: Bools
    of_row: Ints
    n_rows: Ints


class LeafPatterns(NamedTuple):
    """One leaf, and what rows and background rows pass on its path.

    Parameters
    ----------
    value
        The value of the leaf.
    column
        Shape (links,): the columns of its features in the result.
    zero
        Shape (links,): the share of training rows that each feature passes on.
    rows, background
        The patterns of both.
    """

    value: float
    column: Ints
    zero: Floats
    rows: Patterns
    background: Patterns


def leaf_patterns(layout: ForestLayout, rows: Codes, background: Codes) -> Iterator[LeafPatterns]:
    """Yield all leaves with a path.

    Parameters
    ----------
    layout
        The forest and its derived arrays.
    rows, background
        Codes of shape (inputs, n) and (inputs, m).
    """
    attribution, n_rows = layout.attribution, rows.shape[1]
    codes = np.concatenate([rows, background], axis=1).astype(np.int64)
    offset = attribution.link_offset
    n_leaves = len(attribution.leaf_value)
    step = max(1, _LINK_ROWS // (8 * max(1, codes.shape[1])))
    for start in range(0, n_leaves, step):
        stop = min(n_leaves, start + step)
        if offset[start] == offset[stop]:
            continue
        first = offset[start]
        passes = passed_links(layout.paths, layout.traversal, codes, first, offset[stop])
        for leaf in range(start, stop):
            links = slice(offset[leaf], offset[leaf + 1])
            if links.start == links.stop:
                continue
            part = passes[links.start - first : links.stop - first]
            yield LeafPatterns(
                value=float(attribution.leaf_value[leaf]),
                column=attribution.leaf_column[leaf] + attribution.link_column[links],
                zero=attribution.link_zero[links],
                rows=_distinct(part[:, :n_rows]),
                background=_distinct(part[:, n_rows:]),
            )


def _distinct(passes: Bools) -> Patterns:
    """Find the distinct columns of an array of shape (links, rows)."""
    packed = np.packbits(passes, axis=0, bitorder="little")
    padded = np.zeros((-(-len(packed) // 8) * 8, passes.shape[1]), np.uint8)
    padded[: len(packed)] = packed
    keys = np.ascontiguousarray(padded.T).view(np.uint64)
    if keys.shape[1] == 1:
        _, first, of_row, count = np.unique(
            keys[:, 0], return_index=True, return_inverse=True, return_counts=True
        )
    else:
        _, first, of_row, count = np.unique(
            keys, axis=0, return_index=True, return_inverse=True, return_counts=True
        )
    return Patterns(passes[:, first].T, of_row.reshape(-1), count)


def pair_weights(
    leaf: LeafPatterns,
) -> Iterator[tuple[slice, Bools, Bools, Floats, Floats, Floats]]:
    """Yield, for ranges of the rows' patterns, which features tell them from the background.

    Parameters
    ----------
    leaf
        The leaf and its patterns.

    Yields
    ------
    tuple
        The range; the features that only the row, and only the background row passes, shape
        (patterns, background patterns, links); the numbers a and b of such features, shape
        (patterns, background patterns); and the weight of each pair: the share of background
        rows divided by the binomial coefficient of a + b and a, 0 where a leaf is out of reach.
    """
    other = leaf.background.passes[None, :, :]
    share = leaf.background.n_rows / leaf.background.n_rows.sum()
    step = max(1, _PAIR_LINKS // max(1, other.size))
    for start in range(0, len(leaf.rows.passes), step):
        part = slice(start, min(len(leaf.rows.passes), start + step))
        own = leaf.rows.passes[part, None, :]
        needed, barred = own & ~other, other & ~own
        reachable = (own | other).all(axis=2)
        a, b = needed.sum(axis=2).astype(np.float64), barred.sum(axis=2).astype(np.float64)
        weight = np.where(reachable, share / _binomial(a + b, a), 0.0)
        yield part, needed, barred, a, b, weight


def _binomial(total: Floats, chosen: Floats) -> Floats:
    """Return binomial coefficients, by a table."""
    size = int(total.max(initial=0)) + 1
    table = np.zeros((size, size))
    table[:, 0] = 1.0
    for row in range(1, size):
        table[row, 1:] = table[row - 1, 1:] + table[row - 1, :-1]
    coefficients: Floats = table[total.astype(np.int64), chosen.astype(np.int64)]
    return coefficients


def interventional_values(leaf: LeafPatterns) -> Floats:
    """Return the Shapley values of a leaf for each pattern of the rows, shape (patterns, links)."""
    values = np.zeros(leaf.rows.passes.shape)
    for part, needed, barred, a, b, weight in pair_weights(leaf):
        positive = np.divide(weight, a, out=np.zeros_like(a), where=a > 0)
        negative = np.divide(weight, b, out=np.zeros_like(b), where=b > 0)
        values[part] = np.einsum("uw,uwi->ui", positive, needed)
        values[part] -= np.einsum("uw,uwi->ui", negative, barred)
    return leaf.value * values


def add_interventional(layout: ForestLayout, rows: Codes, background: Codes, out: Floats) -> None:
    """Add interventional Shapley values, without the mean scores, to shape (n, columns).

    Parameters
    ----------
    layout
        The forest and its derived arrays.
    rows, background
        Codes of shape (inputs, n) and (inputs, m).
    out
        Shape (n, columns).
    """
    for leaf in leaf_patterns(layout, rows, background):
        out[:, leaf.column] += interventional_values(leaf)[leaf.rows.of_row]
