"""Penalised logistic regression by Newton's method, over blocks of rows.

Only one block's design matrix exists at a time, so memory does not grow with the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from churnkit.core.stats.special import softplus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

__all__ = ["Block", "NewtonFit", "newton_logistic"]

_HALVINGS = 30


class Block(NamedTuple):
    """Some rows: design (b, p), outcomes (b,), weights (b,) and fixed log-odds (b,)."""

    design: NDArray[np.float64]
    outcome: NDArray[np.float64]
    weight: NDArray[np.float64]
    offset: NDArray[np.float64] | float = 0.0


class NewtonFit(NamedTuple):
    """Coefficients (p,), how many steps they took, and whether they settled."""

    coefficients: NDArray[np.float64]
    steps: int
    converged: bool


class _State(NamedTuple):
    loss: float
    gradient: NDArray[np.float64]
    curvature: NDArray[np.float64]


def newton_logistic(
    blocks: Callable[[], Iterable[Block]],
    penalty: NDArray[np.float64],
    *,
    start: NDArray[np.float64] | None = None,
    tolerance: float = 1e-12,
    max_steps: int = 100,
) -> NewtonFit:
    """Minimise the weighted log loss plus ``penalty * coefficient ** 2 / 2``.

    Parameters
    ----------
    blocks
        Gives the rows, block by block, as often as it is called.
    penalty : (p,) zero for a coefficient that is left free
    start : (p,) where to begin; zeros if not given
    tolerance
        Stop when a step can better the mean loss by no more than this.
    max_steps
        Stop after so many steps in any case.

    Examples
    --------
    >>> rows = Block(np.ones((4, 1)), np.array([1.0, 0.0, 0.0, 0.0]), np.ones(4))
    >>> fit = newton_logistic(lambda: [rows], np.zeros(1))
    >>> round(float(1 / (1 + np.exp(-fit.coefficients[0]))), 6)
    0.25
    """
    coefficients = np.zeros(len(penalty)) if start is None else start
    total = sum(float(block.weight.sum()) for block in blocks())
    state = _state(blocks, penalty, coefficients)
    for step in range(max_steps):
        direction = np.asarray(np.linalg.solve(state.curvature, state.gradient), np.float64)
        if float(state.gradient @ direction) / 2 <= tolerance * total:
            return NewtonFit(coefficients, step, converged=True)
        moved = _line_search(blocks, penalty, coefficients, direction, state)
        if moved is None:  # no step is downhill any more: the end of what floats can tell
            return NewtonFit(coefficients, step, converged=True)
        coefficients, state = moved
    return NewtonFit(coefficients, max_steps, converged=False)


def _line_search(
    blocks: Callable[[], Iterable[Block]],
    penalty: NDArray[np.float64],
    coefficients: NDArray[np.float64],
    direction: NDArray[np.float64],
    state: _State,
) -> tuple[NDArray[np.float64], _State] | None:
    length = 1.0
    for _ in range(_HALVINGS):
        tried = coefficients - length * direction
        reached = _state(blocks, penalty, tried)
        if reached.loss < state.loss:
            return tried, reached
        length /= 2
    return None


def _state(
    blocks: Callable[[], Iterable[Block]],
    penalty: NDArray[np.float64],
    coefficients: NDArray[np.float64],
) -> _State:
    loss = float(penalty @ coefficients**2) / 2
    gradient = penalty * coefficients
    curvature = np.diag(penalty)
    for block in blocks():
        raw = block.design @ coefficients + block.offset
        stays = np.exp(-softplus(raw))
        loss += float(block.weight @ (softplus(raw) - block.outcome * raw))
        gradient += block.design.T @ (block.weight * (1 - stays - block.outcome))
        spread = block.weight * stays * (1 - stays)
        curvature += block.design.T @ (block.design * spread[:, None])
    # Columns that say the same, or outcomes that are all but certain, leave no curvature.
    floor = 1e-12 * (1.0 + float(np.trace(curvature)) / len(penalty))
    curvature[np.diag_indices(len(penalty))] += floor
    return _State(loss, gradient, curvature)
