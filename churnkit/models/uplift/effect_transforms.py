"""Effects from the outputs of trees, by the kind of learner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["Link", "Way", "inverse_link", "outputs_of", "raw_effects", "with_arm"]

Way = Literal["effect", "arms", "column", "response", "average"]
"""``effect``: trees for each action give its effect (DR, R, X). ``arms``: trees for each arm give
the outcome (T). ``column``: one set of trees reads the arm beside the customer (S). ``response``:
one set of trees gives the outcome of any arm, which only the calibration turns into effects.
``average``: the same effect for all."""
Link = Literal["identity", "logit"]


def inverse_link(raw: NDArray[np.float64], link: Link) -> NDArray[np.float64]:
    """Return the outcome for a linked forecast.

    Examples
    --------
    >>> inverse_link(np.array([0.0]), "logit")
    array([0.5])
    """
    return 1.0 / (1.0 + np.exp(-np.clip(raw, -500.0, 500.0))) if link == "logit" else raw


def with_arm(
    matrix: NDArray[np.float64], arm: int | NDArray[np.int64], actions: int
) -> NDArray[np.float64]:
    """Append an indicator column for each action.

    Examples
    --------
    >>> with_arm(np.array([[5.0]]), 2, 2)
    array([[5., 0., 1.]])
    """
    arms = np.broadcast_to(np.asarray(arm), (len(matrix),))
    return np.column_stack([matrix, arms[:, None] == np.arange(1, actions + 1)])


def outputs_of(
    way: Way,
    scores: Sequence[Callable[[NDArray[np.float64]], NDArray[np.float64]]],
    matrix: NDArray[np.float64],
    actions: int,
) -> NDArray[np.float64]:
    """Return the raw outputs, (n, k), where `way` determines k.

    Parameters
    ----------
    way
        Of the learner.
    scores
        For each set of trees, the function of its raw scores.
    matrix : (n, f)
    actions
        Number of actions.
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
    """Convert raw outputs (n, k) to effects before calibration, (n, actions).

    Examples
    --------
    >>> raw_effects("arms", "identity", np.array([[1.0, 1.5, 3.0]]), 2)
    array([[0.5, 2. ]])
    """
    if way == "effect":
        return outputs
    outcome = inverse_link(outputs, link)
    if way in {"response", "average"}:
        return np.repeat(outcome, actions, axis=1)
    return outcome[:, 1:] - outcome[:, :1]
