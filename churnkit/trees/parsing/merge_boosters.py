"""Merge several fitted boosters to one whose raw score is their mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.trees.compiled import CompiledTrees
from churnkit.trees.forest import Forest, join_arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["average_trees"]


def average_trees(members: Sequence[CompiledTrees]) -> CompiledTrees:
    """Return trees whose raw score is the mean of the members' raw scores.

    Parameters
    ----------
    members
        One or more models on the same columns, with one output each.

    Raises
    ------
    ValueError
        If there are none, or their columns or outputs differ.

    Examples
    --------
    >>> import lightgbm, numpy as np
    >>> from churnkit.trees import compile_booster
    >>> X = np.arange(40.0)[:, None]
    >>> quiet = {"min_data_in_leaf": 2, "verbosity": -1, "num_threads": 1}
    >>> up, down = (
    ...     compile_booster(lightgbm.train(quiet, lightgbm.Dataset(X, sign * X.ravel()), 3))
    ...     for sign in (1, -1)
    ... )
    >>> bool(np.allclose(average_trees([up, down]).raw_score(X), 0.0))
    True
    """
    forests = [member._forest for member in members]  # noqa: SLF001
    first = forests[0] if forests else None
    if first is None or any(
        forest.n_features != first.n_features
        or forest.n_outputs != 1
        or (forest.comparison, forest.precision) != (first.comparison, first.precision)
        for forest in forests
    ):
        raise ValueError(
            "average_trees needs models of one library with one output and the same columns"
        )
    arrays = join_arrays([vars(forest) for forest in forests])
    arrays["leaf_value"] /= len(forests)
    forest = Forest(
        feature_names=first.feature_names,
        objective="",
        n_outputs=1,
        average_output=False,
        comparison=first.comparison,
        precision=first.precision,
        **arrays,
    )
    forest.check()
    return CompiledTrees(forest)
