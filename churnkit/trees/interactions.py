r"""Shapley interaction values of trees: what two features add together.

The interaction of two features is the mean, over all sets of the others, of what the second adds
with the first less what it adds without. With the notation of `churnkit.trees.shapley`, that of a
leaf is

.. math::
    v\,(o_i - z_i)(o_j - z_j) \int_0^1 \prod_{k \ne i, j} \bigl(y\,o_k + (1 - y)\,z_k\bigr)\,dy,

and with that of `churnkit.trees.interventional`, for a row and a background row,
:math:`v\,(a-2)!\,b!/(a+b-1)!` for two features that must be known,
:math:`v\,a!\,(b-2)!/(a+b-1)!` for two that must not, and
:math:`-v\,(a-1)!\,(b-1)!/(a+b-1)!` for one of each.

References
----------
Fujimoto, Kojadinovic and Marichal (2006): Axiomatic characterizations of probabilistic and
cardinal-probabilistic interaction indices, doi:10.1016/j.geb.2005.03.002.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.trees.interventional import interventional_values, leaf_patterns, pair_weights
from churnkit.trees.shapley import leaf_attributions, quadrature

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.interventional import LeafPatterns
    from churnkit.trees.layout.binning import Codes
    from churnkit.trees.layout.derived import ForestLayout

    Floats = npt.NDArray[np.float64]
    Bools = npt.NDArray[np.bool_]

__all__ = ["add_interactions", "interventional_pairs", "path_dependent_pairs"]


def add_interactions(
    layout: ForestLayout, rows: Codes, background: Codes | None, out: Floats
) -> None:
    """Add interaction values, without the mean scores.

    Half of an interaction stands on either side of the diagonal; the diagonal has what remains of
    a feature's Shapley value.

    Parameters
    ----------
    layout
        The forest and its derived arrays.
    rows, background
        Codes of shape (inputs, n) and (inputs, m); without background rows, features are
        replaced by the training rows of each node.
    out
        Shape (n, outputs, features + 1, features + 1).
    """
    width = out.shape[2]
    others = rows[:, :0] if background is None else background
    for leaf in leaf_patterns(layout, rows, others):
        if background is None:
            zero, passes = leaf.zero[:, None], leaf.rows.passes.T
            values = leaf_attributions(
                np.full((1, 1), leaf.value), zero[..., None], passes[:, None]
            )
            values, pairs = values[:, 0].T, path_dependent_pairs(leaf)
        else:
            values, pairs = interventional_values(leaf), interventional_pairs(leaf)
        halves = pairs / 2
        diagonal = np.arange(len(leaf.column))
        halves[:, diagonal, diagonal] = 0.0
        halves[:, diagonal, diagonal] = values - halves.sum(axis=2)
        output, column = leaf.column[0] // width, leaf.column % width
        out[:, output, column[:, None], column] += halves[leaf.rows.of_row]


def path_dependent_pairs(leaf: LeafPatterns) -> Floats:
    """Return the interactions of a leaf's features, shape (patterns, links, links)."""
    passes, zero = leaf.rows.passes, leaf.zero
    pairs = np.zeros((*passes.shape, passes.shape[1]))
    for point, weight in zip(*quadrature(len(zero)), strict=True):
        passed = point + (1.0 - point) * zero
        product = np.where(passes, passed, (1.0 - point) * zero).prod(axis=1)
        ratio = np.where(passes, (1.0 - zero) / passed, -1.0 / (1.0 - point))
        pairs += (weight * product)[:, None, None] * ratio[:, :, None] * ratio[:, None, :]
    return leaf.value * pairs


def interventional_pairs(leaf: LeafPatterns) -> Floats:
    """Return the interactions of a leaf's features, shape (patterns, links, links)."""
    passes = leaf.rows.passes
    pairs = np.zeros((*passes.shape, passes.shape[1]))
    for part, needed, barred, a, b, weight in pair_weights(leaf):
        shared = weight * (a + b)
        both_needed = _divide(shared, a * (a - 1.0))
        both_barred = _divide(shared, b * (b - 1.0))
        one_of_each = _divide(shared, a * b)
        mixed = np.einsum("uw,uwi,uwj->uij", one_of_each, needed, barred)
        pairs[part] = np.einsum("uw,uwi,uwj->uij", both_needed, needed, needed)
        pairs[part] += np.einsum("uw,uwi,uwj->uij", both_barred, barred, barred)
        pairs[part] -= mixed + mixed.transpose(0, 2, 1)
    return leaf.value * pairs


def _divide(numerator: Floats, denominator: Floats) -> Floats:
    """Divide where there are such pairs of features, otherwise return 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
