"""Exploration on top of a plan, with exact propensities.

The plan is made first, without the reserve for exploration and independently of random draws.
Then each customer draws one candidate among the eligible options (an action, or none), with
uniform or Thompson weights. Of the ``N`` customers who drew an option, ``epsilon * N`` (rounded at
random, and at most the reserve) are selected with equal probability and get their candidate
instead of the planned action. So a drawn option is assigned with probability

    q(N) = E[min(floor(epsilon * N + U), reserve)] / N,   U uniform on [0, 1),

and, given the draws of all others, a customer's probability of action ``a`` is

    p(a) = w(a) q(N'(a) + 1) + [plan is a] (1 - sum_b w(b) q(N'(b) + 1)),

where ``N'`` counts the candidates of the others. No limit is broken, and all probabilities are
exact.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.decisions.catalogue.exploration import Exploration

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["Draw", "draw", "thompson_weights", "uniform_weights"]

# Width of a 95% normal interval in standard deviations.
_WIDTH = 2.0 * 1.959963984540054
_NODES = 16
_CHUNK = 16384
_FLOAT_STEPS = 9007199254740992.0


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """Actions after exploration, with their propensities."""

    action: Ints
    """(n,) index of the action, -1 for none."""
    explored: NDArray[np.bool_]
    """(n,) whether the action was drawn, also if it equals the planned one."""
    propensity: Floats
    """(n,) probability of the assigned action, or of none."""
    probabilities: Floats
    """(n, 1 + m) probabilities of none and of each action."""


def uniform_weights(eligible: NDArray[np.bool_]) -> Floats:
    """Return uniform weights over none and the eligible actions, (n, 1 + m).

    Examples
    --------
    >>> uniform_weights(np.array([[True, False, True]])).round(2).tolist()
    [[0.33, 0.33, 0.0, 0.33]]
    """
    choices = np.column_stack([np.ones(eligible.shape[0], dtype=np.bool_), eligible])
    weights: Floats = choices / choices.sum(axis=1, keepdims=True)
    return weights


def thompson_weights(
    expected: Floats, low: Floats, high: Floats, eligible: NDArray[np.bool_], *, floor: float
) -> Floats:
    """Return the probability that each option has the highest gain of one draw, (n, 1 + m).

    Each gain is drawn from the normal distribution of its 95% interval; no action gains 0. Options
    are drawn with these weights, so errors of the numerical integration (about 0.001) change the
    policy slightly but never make a propensity wrong.

    Parameters
    ----------
    expected, low, high
        (n, m) gains and their bounds, in money.
    eligible
        (n, m) which actions are eligible.
    floor
        Share of the uniform weights in the mixture.

    Examples
    --------
    >>> gain = np.array([[10.0, 10.0]])
    >>> thompson_weights(gain, gain - 5, gain + 5, gain > 0, floor=0.0).round(2).tolist()
    [[0.0, 0.5, 0.5]]
    """
    weights = np.empty((expected.shape[0], expected.shape[1] + 1))
    for start in range(0, expected.shape[0], _CHUNK):
        rows = slice(start, start + _CHUNK)
        deviation = np.maximum((high[rows] - low[rows]) / _WIDTH, 1e-12)
        weights[rows] = _best_of(expected[rows], deviation, eligible[rows])
    return (1.0 - floor) * weights + floor * uniform_weights(eligible)


def _best_of(mean: Floats, deviation: Floats, eligible: NDArray[np.bool_]) -> Floats:
    mean = np.where(eligible, mean, 0.0)
    deviation = np.where(eligible, deviation, 1.0)
    weights = np.zeros((mean.shape[0], mean.shape[1] + 1))
    below = np.where(eligible, _normal(-mean / deviation), 1.0)
    weights[:, 0] = below.prod(axis=1)
    # Midpoints of equally likely slices of a normal distribution.
    nodes = _quantiles()
    for j in range(mean.shape[1]):
        drawn = mean[:, j, None] + deviation[:, j, None] * nodes
        wins = np.where(drawn > 0.0, 1.0, 0.0)
        for k in range(mean.shape[1]):
            if k != j:
                beats = _normal((drawn - mean[:, k, None]) / deviation[:, k, None])
                wins *= np.where(eligible[:, k, None], beats, 1.0)
        weights[:, j + 1] = np.where(eligible[:, j], wins.mean(axis=1), 0.0)
    total = weights.sum(axis=1, keepdims=True)
    even = uniform_weights(eligible)
    return np.where(total > 0.0, weights / np.where(total > 0.0, total, 1.0), even)


def _normal(x: Floats) -> Floats:
    """Approximate the normal distribution function to three digits."""
    # Beyond ten deviations the result is exactly 0 or 1; the cube of larger values overflows.
    x = np.clip(x, -10.0, 10.0)
    return 0.5 * (1.0 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))


@cache
def _quantiles() -> Floats:
    from statistics import NormalDist

    normal = NormalDist()
    return np.array([normal.inv_cdf((k + 0.5) / _NODES) for k in range(_NODES)])


def draw(
    planned: Ints,
    weights: Floats,
    reserve: Floats,
    exploration: Exploration,
    *,
    seed: str,
    customers: Sequence[str],
) -> Draw:
    """Draw actions for some customers.

    Parameters
    ----------
    planned
        (n,) planned actions, -1 for none; made without the reserve.
    weights
        (n, 1 + m) probabilities of drawing none and each action; rows sum to 1. A customer who
        must keep the planned action has all weight on it.
    reserve
        (m,) maximum number of customers that exploration may give each action; ``inf`` for no
        limit.
    exploration
        Exploration settings.
    seed
        Salt of the catalogue and day: the same seed and customer give the same draw.
    customers
        (n,) entity ids as text.

    Returns
    -------
    Draw
        Actions and exact propensities.
    """
    n, options = weights.shape
    candidate, rank, rounding = _candidates(weights, seed, customers)
    drawn = np.bincount(candidate, minlength=options)
    capacity = np.concatenate([[math.inf], reserve])
    action = planned.copy()
    explored = np.zeros(n, dtype=np.bool_)
    probabilities = np.zeros((n, options))
    for option in range(options):
        count = int(drawn[option])
        rows = np.flatnonzero(candidate == option)
        target = exploration.epsilon * count + _uniform(f"{seed}:{rounding}:{option}")
        taken = int(min(math.floor(target), capacity[option], count))
        chosen = rows[np.argsort(rank[rows], kind="stable")[:taken]]
        action[chosen] = option - 1
        explored[chosen] = True
        # A customer who drew another option would have been one candidate more here.
        probabilities[:, option] = _taken_share(exploration.epsilon, count + 1, capacity[option])
        probabilities[rows, option] = _taken_share(exploration.epsilon, count, capacity[option])
    probabilities *= weights
    every = np.arange(n)
    probabilities[every, planned + 1] += 1.0 - probabilities.sum(axis=1)
    return Draw(action, explored, probabilities[every, action + 1], probabilities)


def _taken_share(epsilon: float, count: int, capacity: float) -> float:
    """Return the expected share of `count` candidates that is selected, over random rounding."""
    if count == 0:
        return 0.0
    floor = math.floor(epsilon * count)
    fraction = epsilon * count - floor
    fewer, more = min(floor, capacity, count), min(floor + 1, capacity, count)
    return ((1.0 - fraction) * fewer + fraction * more) / count


def _candidates(
    weights: Floats, seed: str, customers: Sequence[str]
) -> tuple[Ints, NDArray[np.uint64], int]:
    """Return each customer's candidate, a random order of customers, and a seed for rounding.

    The three use different bytes of the hash and are independent. The last depends on all
    customers together: each request of a service rounds separately.
    """
    digests = b"".join(
        hashlib.sha256(f"{seed}:{customer}".encode()).digest()[:24] for customer in customers
    )
    numbers = np.frombuffer(digests, dtype=">u8").reshape(-1, 3).astype(np.uint64)
    position = (numbers[:, 0] >> np.uint64(11)).astype(np.float64) / _FLOAT_STEPS
    steps = np.cumsum(weights, axis=1)
    # The last option with a positive weight gets the rounding remainder of 1.
    last = weights.shape[1] - 1 - np.argmax(weights[:, ::-1] > 0.0, axis=1)
    candidate = np.minimum((steps <= position[:, None]).sum(axis=1), last)
    return candidate, numbers[:, 1], int(np.bitwise_xor.reduce(numbers[:, 2]))


def _uniform(seed: str) -> float:
    digest = hashlib.sha256(seed.encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / _FLOAT_STEPS
