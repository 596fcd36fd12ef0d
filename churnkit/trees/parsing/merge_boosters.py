"""Merge several fitted boosters to one whose raw score is their mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.trees.compiled import CompiledTrees
from churnkit.trees.forest import Forest

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["average_trees"]

_STACKED = ("feature", "threshold", "decision", "left", "right", "node_count", "leaf_count")


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
        forest.n_features != first.n_features or forest.n_outputs != 1 for forest in forests
    ):
        raise ValueError("average_trees needs models with one output and the same columns")
    sets = np.cumsum([0, *(len(f.category_offset) - 1 for f in forests)])
    words = np.cumsum([0, *(len(f.category_words) for f in forests)])
    stacked = {name: np.concatenate([getattr(f, name) for f in forests]) for name in _STACKED}
    forest = Forest(
        feature_names=first.feature_names,
        objective="",
        n_outputs=1,
        average_output=False,
        node_offset=_offsets([f.node_offset for f in forests]),
        leaf_offset=_offsets([f.leaf_offset for f in forests]),
        category_set=np.concatenate(
            [
                np.where(f.category_set >= 0, f.category_set + start, -1)
                for f, start in zip(forests, sets, strict=False)
            ]
        ).astype(np.int32),
        category_offset=np.concatenate(
            [[0], *(f.category_offset[1:] + at for f, at in zip(forests, words, strict=False))]
        ).astype(np.int64),
        category_words=np.concatenate([f.category_words for f in forests]),
        leaf_value=np.concatenate([f.leaf_value for f in forests]) / len(forests),
        **stacked,
    )
    forest.check()
    return CompiledTrees(forest)


def _offsets(parts: Sequence[np.typing.NDArray[np.int64]]) -> np.typing.NDArray[np.int64]:
    starts = np.cumsum([0, *(part[-1] for part in parts)])
    shifted = [part[1:] + start for part, start in zip(parts, starts, strict=False)]
    return np.concatenate([[0], *shifted]).astype(np.int64)
