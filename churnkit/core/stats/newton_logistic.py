"""Ridge-penalized logistic regression by Newton's method, over blocks of rows.

One design matrix per block is in memory, independent of the number of rows.
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
    """A block of rows: design (b, p), outcomes (b,), weights (b,) and log-odds offsets (b,)."""

    design: NDArray[np.float64]
    outcome: NDArray[np.float64]
    weight: NDArray[np.float64]
    offset: NDArray[np.float64] | float = 0.0


class NewtonFit(NamedTuple):
    """Coefficients (p,), number of steps, and convergence."""

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
    """Minimize the weighted log loss plus ``penalty * coefficient ** 2 / 2``.

    Parameters
    ----------
    blocks
        Callable that returns an iterator over the blocks; called once per evaluation.
    penalty : (p,) ridge penalties; zero for an unpenalized coefficient
    start : (p,) initial coefficients; zeros by default
    tolerance
        Stop when the expected decrease of the mean loss is at most this.
    max_steps
        Maximum number of Newton steps.

    Returns
    -------
    NewtonFit

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
        accepted = _line_search(blocks, penalty, coefficients, direction, state)
        if accepted is None:  # no decrease is representable in floats
            return NewtonFit(coefficients, step, converged=True)
        coefficients, state = accepted
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
        candidate = coefficients - length * direction
        candidate_state = _state(blocks, penalty, candidate)
        if candidate_state.loss < state.loss:
            return candidate, candidate_state
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
        complement = np.exp(-softplus(raw))
        loss += float(block.weight @ (softplus(raw) - block.outcome * raw))
        gradient += block.design.T @ (block.weight * (1 - complement - block.outcome))
        spread = block.weight * complement * (1 - complement)
        curvature += block.design.T @ (block.design * spread[:, None])
    # Collinear columns, or probabilities near 0 and 1, have no curvature.
    floor = 1e-12 * (1.0 + float(np.trace(curvature)) / len(penalty))
    curvature[np.diag_indices(len(penalty))] += floor
    return _State(loss, gradient, curvature)
