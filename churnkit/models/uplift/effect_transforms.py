"""How the outputs of trees become effects: one way for each kind of learner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["Link", "Way", "outputs_of", "raw_effects", "with_arm"]

Way = Literal["effect", "arms", "column", "response", "average"]
"""``effect``: trees for each action give its effect (DR, R, X). ``arms``: trees for each arm give
the outcome (T). ``column``: one set of trees reads the arm beside the customer (S). ``response``:
one set of trees gives the outcome of any arm, which only the calibration turns into effects.
``average``: the same effect for all."""
Link = Literal["identity", "logit"]


def with_arm(
    matrix: NDArray[np.float64], arm: int | NDArray[np.int64], actions: int
) -> NDArray[np.float64]:
    """Put a column for each action beside the customers, 1 where it is given.

    Examples
    --------
    >>> with_arm(np.array([[5.0]]), 2, 2)
    array([[5., 0., 1.]])
    """
    given = np.broadcast_to(np.asarray(arm), (len(matrix),))
    return np.column_stack([matrix, given[:, None] == np.arange(1, actions + 1)])


def outputs_of(
    way: Way,
    scores: Sequence[Callable[[NDArray[np.float64]], NDArray[np.float64]]],
    matrix: NDArray[np.float64],
    actions: int,
) -> NDArray[np.float64]:
    """Give the raw outputs, (n, k): k is what `way` needs.

    Parameters
    ----------
    way
        Of the learner.
    scores
        For each set of trees, what gives its raw scores.
    matrix : (n, f)
    actions
        How many there are.
    """
    if way == "column":
        arms = [scores[0](with_arm(matrix, arm, actions)) for arm in range(actions + 1)]
        return np.column_stack(arms)
    if way == "average":
        return np.zeros((len(matrix), 1))
    return np.column_stack([score(matrix) for score in scores])


def raw_effects(
    way: Way, link: Link, outputs: NDArray[np.float64], actions: int
) -> NDArray[np.float64]:
    """Turn raw outputs (n, k) into effects before calibration, (n, actions).

    Examples
    --------
    >>> raw_effects("arms", "identity", np.array([[1.0, 1.5, 3.0]]), 2)
    array([[0.5, 2. ]])
    """
    if way == "effect":
        return outputs
    found = 1.0 / (1.0 + np.exp(-np.clip(outputs, -500.0, 500.0))) if link == "logit" else outputs
    if way in {"response", "average"}:
        return np.repeat(found, actions, axis=1)
    return found[:, 1:] - found[:, :1]
