"""Ridge-penalized logistic regression by Newton's method, over blocks of rows.

One design matrix per block is in memory, independent of the number of rows. With fewer rows than
coefficients the equations of a step are solved for the rows, which gives the same coefficients
(Woodbury's identity).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from churnkit.core.stats.special import softplus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    _Blocks = Callable[[], Iterable["Block"]]
    _Solve = Callable[[NDArray[np.float64]], NDArray[np.float64]]
    _Factorize = Callable[["_Point"], _Solve]

__all__ = ["Block", "NewtonFit", "newton_logistic"]

_HALVINGS = 30
# Share of the mean curvature that is added to all.
_FLOOR = 1e-12


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


class _Point(NamedTuple):
    """Loss and gradient at some coefficients, and the spread p (1 - p) of each block's rows."""

    loss: float
    gradient: NDArray[np.float64]
    spreads: list[NDArray[np.float64]]


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
    weights = [float(block.weight.sum()) for block in blocks()]
    rows = sum(len(block.weight) for block in blocks())
    limit = tolerance * sum(weights)
    solver = _row_solver if rows < len(penalty) else _coefficient_solver
    factorize = solver(blocks, penalty)
    point = _evaluate(blocks, penalty, coefficients)
    for step in range(max_steps):
        solve = factorize(point)
        direction = solve(point.gradient)
        if float(point.gradient @ direction) / 2 <= limit:
            return NewtonFit(coefficients, step, converged=True)
        accepted = _line_search(blocks, penalty, coefficients, direction, point.loss)
        if accepted is None:  # no decrease is representable in floats
            return NewtonFit(coefficients, step, converged=True)
        coefficients, point = accepted
        # Near the end the curvature hardly changes: another factorization would only confirm it.
        if float(point.gradient @ solve(point.gradient)) / 2 <= limit:
            return NewtonFit(coefficients, step + 1, converged=True)
    return NewtonFit(coefficients, max_steps, converged=False)


def _line_search(
    blocks: _Blocks,
    penalty: NDArray[np.float64],
    coefficients: NDArray[np.float64],
    direction: NDArray[np.float64],
    loss: float,
) -> tuple[NDArray[np.float64], _Point] | None:
    length = 1.0
    for _ in range(_HALVINGS):
        candidate = coefficients - length * direction
        point = _evaluate(blocks, penalty, candidate)
        if point.loss < loss:
            return candidate, point
        length /= 2
    return None


def _evaluate(
    blocks: _Blocks, penalty: NDArray[np.float64], coefficients: NDArray[np.float64]
) -> _Point:
    loss = float(penalty @ coefficients**2) / 2
    gradient = penalty * coefficients
    spreads = []
    for block in blocks():
        raw = block.design @ coefficients + block.offset
        complement = np.exp(-softplus(raw))
        loss += float(block.weight @ (softplus(raw) - block.outcome * raw))
        gradient += block.design.T @ (block.weight * (1 - complement - block.outcome))
        spreads.append(block.weight * complement * (1 - complement))
    return _Point(loss, gradient, spreads)


def _coefficient_solver(blocks: _Blocks, penalty: NDArray[np.float64]) -> _Factorize:
    """Factorize the curvature, (p, p)."""
    # Scoring imports this module and needs numpy alone.
    from scipy.linalg import lu_factor, lu_solve

    def factorize(point: _Point) -> _Solve:
        curvature = np.diag(penalty)
        for block, spread in zip(blocks(), point.spreads, strict=True):
            curvature += block.design.T @ (block.design * spread[:, None])
        # Collinear columns, or probabilities near 0 and 1, have no curvature.
        floor = _FLOOR * (1.0 + float(np.trace(curvature)) / len(penalty))
        curvature[np.diag_indices(len(penalty))] += floor
        factors = lu_factor(curvature, overwrite_a=True, check_finite=False)
        return lambda gradient: np.asarray(lu_solve(factors, gradient, check_finite=False))

    return factorize


def _row_solver(blocks: _Blocks, penalty: NDArray[np.float64]) -> _Factorize:
    """Factorize an equivalent matrix of the rows, (n, n); n below p."""
    from scipy.linalg import cho_factor, cho_solve

    design = np.concatenate([block.design for block in blocks()])
    is_free = penalty == 0
    free, scaled = design[:, is_free], design[:, ~is_free] / np.sqrt(penalty[~is_free])
    kernel = scaled @ scaled.T

    def factorize(point: _Point) -> _Solve:
        spread = np.concatenate(point.spreads)
        root = np.sqrt(spread)
        inner = kernel * root[:, None] * root
        inner[np.diag_indices(len(inner))] += 1.0
        factors = cho_factor(inner, overwrite_a=True, check_finite=False)

        def penalized(right: NDArray[np.float64]) -> NDArray[np.float64]:
            """Solve for the coefficients with a penalty, each scaled by the root of its own."""
            rows = root[:, None] * (scaled @ right)
            solved = root[:, None] * cho_solve(factors, rows, check_finite=False)
            return np.asarray(right - scaled.T @ solved)

        # The free coefficients are eliminated last (Schur complement).
        border = scaled.T @ (spread[:, None] * free)
        eliminated = penalized(border)
        corner = free.T @ (spread[:, None] * free) - border.T @ eliminated
        corner[np.diag_indices(len(corner))] += _FLOOR * (1.0 + float(np.trace(corner)))

        def solve(gradient: NDArray[np.float64]) -> NDArray[np.float64]:
            direction = np.empty_like(gradient)
            right = (gradient[~is_free] / np.sqrt(penalty[~is_free]))[:, None]
            inside = penalized(right)
            direction[is_free] = np.linalg.solve(
                corner, gradient[is_free] - border.T @ inside[:, 0]
            )
            inside = inside[:, 0] - eliminated @ direction[is_free]
            direction[~is_free] = inside / np.sqrt(penalty[~is_free])
            return direction

        return solve

    return factorize
