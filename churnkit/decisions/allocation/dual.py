"""Minimize the Lagrangian dual of the allocation problem.

With a price ``l`` on the budget ``B`` and a price ``u[k]`` on each capacity ``K[k]``, where ``t[j]``
is the sum of the prices of the capacities that action ``j`` counts towards, the dual

    D(l, u) = l * B + sum_k u[k] * K[k] + sum_i max(0, max_j gain[i, j] - l * cost[i, j] - t[j])

is convex, bounds the value of every plan from above at any prices, and takes one pass over the
customers. Its minimum equals the optimum of the linear relaxation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from churnkit.decisions.allocation.problem import AllocationProblem, Floats

__all__ = ["minimize_nonsmooth", "price_scales", "search_prices", "snap_to_zero", "solve_dual"]

# Rows of the first, approximate solution. More rows start the exact search closer; fewer are faster.
_SAMPLE = 16384
_FIRST_SAMPLE = 1024
# Radius of the exact search: four standard errors of such a sample.
_RADIUS = 4.0 / math.sqrt(_SAMPLE)
# The minimum in a box is located to this share of its radius; then a box this many times narrower
# is laid around it.
_ROUGH_TOLERANCE = 0.03
_NARROWING = 6.0


def minimize_nonsmooth(
    evaluate: Callable[[Floats], tuple[float, Floats]],
    start: Floats,
    step: float,
    *,
    tolerance: float,
    rounds: int,
) -> tuple[Floats, float]:
    """Minimize a convex nonsmooth function of a few variables by Shor's r-algorithm.

    Each round descends along the subgradient in a space that is dilated along the difference of
    two successive subgradients.

    Parameters
    ----------
    evaluate
        Returns the function and a subgradient, (d,), at a point.
    start
        (d,) starting point.
    step
        Length of the first step.
    tolerance
        Length of a step at which the search ends.
    rounds
        Maximum number of rounds.

    Returns
    -------
    tuple
        The best point, (d,), and the function there.

    References
    ----------
    N. Z. Shor, *Minimization Methods for Non-Differentiable Functions*, Springer 1985,
    https://doi.org/10.1007/978-3-642-82118-9

    Examples
    --------
    >>> import numpy as np
    >>> kinked = lambda x: (abs(x[0] - 1) + 9 * abs(x[1]), np.sign(x - [1, 0]) * [1, 9])
    >>> point, least = minimize_nonsmooth(kinked, np.ones(2) * 3, 1.0, tolerance=1e-9, rounds=500)
    >>> bool(least < 1e-6)
    True

    """
    point = start.copy()
    least, slope = evaluate(point)
    best = point.copy()
    space = np.eye(point.shape[0])
    for _ in range(rounds):
        dilated = space.T @ slope
        length = _norm(dilated)
        if length <= 0.0 or not np.isfinite(length):
            break
        direction = space @ (dilated / length)
        steps, after = 0, slope
        while steps < 50:
            point = point - step * direction
            value, after = evaluate(point)
            steps += 1
            if value < least:
                least, best = value, point.copy()
            if steps % 2 == 0:
                step *= 1.2
            if float(direction @ after) <= 0.0:
                break
        moved = steps * step * _norm(direction)
        if steps == 1:
            step *= 0.9
        difference = space.T @ (after - slope)
        size = _norm(difference)
        if size > 0.0:
            difference /= size
            space = space + np.outer((space @ difference) * (1.0 / 3.0 - 1.0), difference)
        slope = after
        if moved < tolerance:
            break
    return best, least


def _norm(vector: Floats) -> float:
    """Return the Euclidean norm, also where squares overflow or underflow."""
    norm = float(np.linalg.norm(vector))
    largest = float(np.abs(vector).max())
    if 0.0 < norm < math.inf or largest == 0.0:
        return norm
    return largest * float(np.linalg.norm(vector / largest))


def solve_dual(
    problem: AllocationProblem, start: Floats | None = None, radius_scale: float = _RADIUS
) -> Floats:
    """Return prices, (1 + k,), that minimize the dual.

    A sample of the customers gives approximate prices; near them the best actions of most
    customers are constant, and the others determine the exact prices. The rows of `problem` must
    be in random order.

    Parameters
    ----------
    problem
        Problem with at least one row and one finite limit.
    start
        (1 + k,) prices near the minimum; None if there are none.
    radius_scale
        Radius of the search around approximate prices, in units of a typical gain.
    """
    live = np.isfinite(problem.limits)
    scale = price_scales(problem)
    prices = np.where(live, 0.5 * scale, 0.0) if start is None else start
    if problem.rows <= 2 * _SAMPLE:
        return snap_to_zero(problem, _solve_small(problem, prices, scale, live), scale)
    if start is None:
        prices = _solve_sample(problem, prices, scale, live)
    # The typical error of prices from a sample. If it was too small, the next box is wider and
    # centered at the better prices.
    radius = np.where(live, radius_scale * scale, 0.0)
    for _ in range(6):
        better = _solve_in_box(problem.without_settled(prices, radius), prices, radius, live)
        inside = bool(np.all(np.abs(better - prices) <= radius))
        prices = better
        if inside:
            return snap_to_zero(problem, prices, scale)
        radius = radius * 1.5
    prices = search_prices(problem, prices, scale, live, step=0.1, tolerance=1e-6)
    return snap_to_zero(problem, prices, scale)


def _solve_in_box(near: AllocationProblem, center: Floats, radius: Floats, live: Any) -> Floats:
    """Return the prices of a problem that is exact in a box: approximately, then in a smaller box.

    Few rows remain in the smaller box, so its many steps are cheap.
    """
    fence = (center, 3.0 * radius)
    rough = search_prices(near, center, radius, live, fence, step=0.3, tolerance=_ROUGH_TOLERANCE)
    if not np.all(np.abs(rough - center) <= radius):
        return rough
    small = radius / _NARROWING
    nearer = near.without_settled(rough, small)
    exact = search_prices(
        nearer, rough, small, live, (rough, 3.0 * small), step=0.3, tolerance=1e-3
    )
    if np.all(np.abs(exact - rough) <= small):
        return exact
    return search_prices(near, exact, radius, live, fence, step=0.1, tolerance=1e-4)


def _solve_sample(problem: AllocationProblem, prices: Floats, scale: Floats, live: Any) -> Floats:
    """Return the prices of a sample, starting from those of a smaller sample."""
    few = problem.subset(slice(0, _FIRST_SAMPLE), problem.limits * (_FIRST_SAMPLE / problem.rows))
    prices = search_prices(few, prices, scale, live, step=0.5, tolerance=1e-3)
    radius = np.where(live, 4.0 / math.sqrt(_FIRST_SAMPLE) * scale, 0.0)
    sample = problem.subset(slice(0, _SAMPLE), problem.limits * (_SAMPLE / problem.rows))
    near = sample.without_settled(prices, radius)
    fence = (prices, 3.0 * radius)
    return search_prices(near, prices, radius, live, fence, step=0.3, tolerance=1e-3)


def _solve_small(problem: AllocationProblem, prices: Floats, scale: Floats, live: Any) -> Floats:
    # The search can stall at a kink; a restart from there continues it.
    bound = math.inf
    for step in (0.5, 0.1, 0.02, 0.1):
        prices = search_prices(problem, prices, scale, live, step=step, tolerance=1e-10)
        before, bound = bound, problem.evaluate_dual(prices)[0]
        if before - bound <= 1e-9 * bound:
            break
    return prices


def snap_to_zero(problem: AllocationProblem, prices: Floats, scale: Floats) -> Floats:
    """Set prices that are nearly zero to zero if the bound does not get worse."""
    snapped = np.where(prices < 1e-7 * scale, 0.0, prices)
    if np.array_equal(snapped, prices):
        return prices
    bound = problem.evaluate_dual(prices)[0]
    return snapped if problem.evaluate_dual(snapped)[0] <= bound * (1.0 + 1e-12) else prices


def price_scales(problem: AllocationProblem) -> Floats:
    """Return the order of magnitude of each price: gain per unit of budget, gain per customer.

    Rows without an allowed action, such as customers whose every action costs more than the budget,
    have no gain and are left out.
    """
    rows = slice(0, min(problem.rows, _SAMPLE))
    top = problem.gain[:, rows].max(axis=0)
    if not np.isfinite(top).any():
        rows = slice(0, problem.rows)
        top = problem.gain.max(axis=0)
    top = top[np.isfinite(top)]
    mean = float(top.mean()) if top.size else 1.0
    costs = [float(np.mean(c if isinstance(c, float) else c[rows])) for c in problem.cost]
    scale = np.full(problem.limits.shape[0], mean)
    scale[0] = mean / max(costs) if max(costs) > 0.0 else 1.0
    return scale


def search_prices(
    problem: AllocationProblem,
    start: Floats,
    scale: Floats,
    live: Any,
    fence: tuple[Floats, Floats] | None = None,
    *,
    step: float,
    tolerance: float,
) -> Floats:
    """Return prices, (1 + k,), that minimize the dual, by steps in units of `scale`.

    Parameters
    ----------
    live
        (1 + k,) limits that may have a price.
    fence
        Center and radius of a box that the search should not leave.
    """
    unit = scale[live]
    slope_bound = problem.slope_bound()

    def evaluate(point: Floats) -> tuple[float, Floats]:
        # Prices are non-negative: mirroring the dual at zero keeps its minimum.
        prices = np.zeros(live.shape[0])
        prices[live] = np.abs(point) * unit
        value, slope = problem.evaluate_dual(prices)
        if fence is not None:
            # Outside the box the settled actions are wrong: a penalty steeper than the dual
            # returns the search to the box.
            offset = prices - fence[0]
            excess = np.maximum(np.abs(offset) - fence[1], 0.0)
            value += float(slope_bound @ excess)
            slope = slope + np.where(excess > 0.0, np.sign(offset) * slope_bound, 0.0)
        return value, np.where(point < 0.0, -1.0, 1.0) * slope[live] * unit

    size = int(live.sum())
    point, _ = minimize_nonsmooth(
        evaluate, start[live] / unit, step, tolerance=tolerance, rounds=40 + 40 * size
    )
    prices = np.zeros(live.shape[0])
    prices[live] = np.abs(point) * unit
    return prices
