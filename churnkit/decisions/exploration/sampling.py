"""Exploration on top of a plan, with the exact probability of what each customer gets.

The plan is made first, without what is reserved for exploration, and knows nothing of chance.
Then each customer draws one candidate among what is open to them (an action, or none), with
weights that are even or Thompson's. Of the ``N`` customers who drew an option, ``epsilon * N`` of
them (rounded by chance, and never more than the reserve holds) are taken, all equally likely,
and get their candidate instead of their plan. So an option that a customer draws is taken with

    q(N) = E[min(floor(epsilon * N + U), reserve)] / N,   U uniform on [0, 1),

and, given what all others drew, a customer's probability of an action ``a`` is

    p(a) = w(a) q(N'(a) + 1) + [plan is a] (1 - sum_b w(b) q(N'(b) + 1)),

where ``N'`` counts the others' candidates. No limit is ever broken, and no probability is ever
an estimate.
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

# Of a normal interval of 95%: its width in standard deviations.
_WIDTH = 2.0 * 1.959963984540054
_NODES = 16
_CHUNK = 16384
_FLOAT_STEPS = 9007199254740992.0


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """What each customer gets after exploration, and how likely that was."""

    action: Ints
    """(n,) place of the action, -1 for none."""
    explored: NDArray[np.bool_]
    """(n,) whether chance chose, also where it chose what was planned."""
    propensity: Floats
    """(n,) the probability of the action that was taken, or of none."""
    probabilities: Floats
    """(n, 1 + m) the probability of none and of each action."""


def uniform_weights(open_: NDArray[np.bool_]) -> Floats:
    """Give even weights over none and the open actions, (n, 1 + m).

    Examples
    --------
    >>> uniform_weights(np.array([[True, False, True]])).round(2).tolist()
    [[0.33, 0.33, 0.0, 0.33]]
    """
    choices = np.column_stack([np.ones(open_.shape[0], dtype=np.bool_), open_])
    weights: Floats = choices / choices.sum(axis=1, keepdims=True)
    return weights


def thompson_weights(
    expected: Floats, low: Floats, high: Floats, open_: NDArray[np.bool_], *, floor: float
) -> Floats:
    """Give the probability that each option is the best of one draw of all gains, (n, 1 + m).

    Each gain is drawn from the normal distribution that its 95% interval describes; doing
    nothing gains 0. Options are drawn with these very weights, so the error of their numerical
    integration shifts a choice by a thousandth, never a propensity.

    Parameters
    ----------
    expected, low, high
        (n, m) gains and their bounds, in money.
    open_
        (n, m) which actions are open.
    floor
        The share of even weights that is mixed in.

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
        weights[rows] = _best_of(expected[rows], deviation, open_[rows])
    return (1.0 - floor) * weights + floor * uniform_weights(open_)


def _best_of(mean: Floats, deviation: Floats, open_: NDArray[np.bool_]) -> Floats:
    mean = np.where(open_, mean, 0.0)
    deviation = np.where(open_, deviation, 1.0)
    weights = np.zeros((mean.shape[0], mean.shape[1] + 1))
    below = np.where(open_, _normal(-mean / deviation), 1.0)
    weights[:, 0] = below.prod(axis=1)
    # Midpoints of equal shares of a normal distribution.
    nodes = _quantiles()
    for j in range(mean.shape[1]):
        drawn = mean[:, j, None] + deviation[:, j, None] * nodes
        wins = np.where(drawn > 0.0, 1.0, 0.0)
        for k in range(mean.shape[1]):
            if k != j:
                beats = _normal((drawn - mean[:, k, None]) / deviation[:, k, None])
                wins *= np.where(open_[:, k, None], beats, 1.0)
        weights[:, j + 1] = np.where(open_[:, j], wins.mean(axis=1), 0.0)
    total = weights.sum(axis=1, keepdims=True)
    even = uniform_weights(open_)
    return np.where(total > 0.0, weights / np.where(total > 0.0, total, 1.0), even)


def _normal(x: Floats) -> Floats:
    """Give the normal distribution's share below x, to three digits."""
    # Past ten deviations the share is exactly 0 or 1, and a gain that is all but certain is
    # so many of them away that their cube would be no number.
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
    """Let chance choose for some customers.

    Parameters
    ----------
    planned
        (n,) the plan's action, -1 for none; made without what is reserved.
    weights
        (n, 1 + m) how likely each customer draws none and each action; rows sum to 1. A
        customer whose plan must stand has all weight on it.
    reserve
        (m,) how many customers exploration may give each action, ``inf`` for any number.
    exploration
        How much.
    seed
        The catalogue's salt and the day: the same seed and customer draw the same.
    customers
        (n,) the entities, as text.

    Returns
    -------
    Draw
        Actions and exact probabilities.
    """
    n, options = weights.shape
    candidate, rank, rounding = _candidates(weights, seed, customers)
    drawn = np.bincount(candidate, minlength=options)
    room = np.concatenate([[math.inf], reserve])
    action = planned.copy()
    explored = np.zeros(n, dtype=np.bool_)
    likely = np.zeros((n, options))
    for option in range(options):
        count = int(drawn[option])
        mine = np.flatnonzero(candidate == option)
        wanted = exploration.epsilon * count + _uniform(f"{seed}:{rounding}:{option}")
        taken = int(min(math.floor(wanted), room[option], count))
        chosen = mine[np.argsort(rank[mine], kind="stable")[:taken]]
        action[chosen] = option - 1
        explored[chosen] = True
        # Had another customer drawn this option, they would have been one more.
        likely[:, option] = _taken_share(exploration.epsilon, count + 1, room[option])
        likely[mine, option] = _taken_share(exploration.epsilon, count, room[option])
    likely *= weights
    rows = np.arange(n)
    likely[rows, planned + 1] += 1.0 - likely.sum(axis=1)
    return Draw(action, explored, likely[rows, action + 1], likely)


def _taken_share(epsilon: float, count: int, room: float) -> float:
    """Give the share of `count` candidates that is taken, over the rounding by chance."""
    if count == 0:
        return 0.0
    whole = math.floor(epsilon * count)
    part = epsilon * count - whole
    few, more = min(whole, room, count), min(whole + 1, room, count)
    return ((1.0 - part) * few + part * more) / count


def _candidates(
    weights: Floats, seed: str, customers: Sequence[str]
) -> tuple[Ints, NDArray[np.uint64], int]:
    """Give each customer's candidate, a random order of them all, and a number for rounding.

    The three come from different bytes and are independent. The last one is all customers'
    together: each request of a service rounds for itself.
    """
    digests = b"".join(
        hashlib.sha256(f"{seed}:{customer}".encode()).digest()[:24] for customer in customers
    )
    numbers = np.frombuffer(digests, dtype=">u8").reshape(-1, 3).astype(np.uint64)
    place = (numbers[:, 0] >> np.uint64(11)).astype(np.float64) / _FLOAT_STEPS
    steps = np.cumsum(weights, axis=1)
    # The last option with any weight takes what rounding leaves of 1.
    last = weights.shape[1] - 1 - np.argmax(weights[:, ::-1] > 0.0, axis=1)
    candidate = np.minimum((steps <= place[:, None]).sum(axis=1), last)
    return candidate, numbers[:, 1], int(np.bitwise_xor.reduce(numbers[:, 2]))


def _uniform(said: str) -> float:
    digest = hashlib.sha256(said.encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / _FLOAT_STEPS
