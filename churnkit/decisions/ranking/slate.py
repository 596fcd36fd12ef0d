"""Rank options into slates, with exact propensities.

A value model returns one or more draws of each option's value. With probability `epsilon` the
slate is uniformly random; otherwise it is the ranking of one draw, each draw equally likely. So
the probability of an option at a position is exactly

``(1 - epsilon) * share of draws that rank it there + epsilon / options``.

With a `minimum`, a draw shows only the options above it, so that a slate may be shorter or empty.

With posterior draws this is Thompson sampling; with one draw, such as the predictions of boosted
trees, it is epsilon-greedy.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import perm
from typing import TYPE_CHECKING, Protocol

import numpy as np

from churnkit.core.result import Result
from churnkit.errors import DataError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "DrawChoice",
    "Option",
    "RankedSlate",
    "ValueModel",
    "choose_draw",
    "rank",
    "rank_values",
    "ranked_options",
    "slate_probabilities",
]

# Options per place above which selecting the places is faster than sorting; measured.
_SORT_FACTOR = 8


@dataclass(frozen=True, slots=True)
class Option:
    """Option of a slate: an offer, a content, a channel, a time of day.

    Parameters
    ----------
    name
        Unique name in a request; the bandit stores its state under this name.
    features
        Numeric features, the same number for each option.
    """

    name: str
    features: tuple[float, ...] = ()


class ValueModel(Protocol):
    """Model of option values: `churnkit.models.LinearBandit`, or a custom one."""

    def sample(
        self, customers: ArrayLike, options: Sequence[str], option_features: ArrayLike
    ) -> NDArray[np.float64]:
        """Return values, (draws, n, options); one draw for a deterministic model."""
        ...


@dataclass(frozen=True, slots=True)
class RankedSlate(Result):
    """Ranked options with propensities.

    Parameters
    ----------
    options
        Names, best first.
    propensities
        Probability of each option at its position, for the journal.
    slate_propensity
        Probability of the whole slate, also of an empty one.
    values
        Mean value of each option over the draws.
    explored
        Whether the slate is a uniformly random one.
    """

    options: tuple[str, ...]
    propensities: tuple[float, ...]
    slate_propensity: float
    values: tuple[float, ...]
    explored: bool


def rank(
    row: ArrayLike,
    options: Sequence[Option],
    model: ValueModel,
    *,
    key: str,
    size: int = 1,
    epsilon: float = 0.05,
    salt: str = "churnkit",
) -> RankedSlate:
    """Rank options for one customer.

    Parameters
    ----------
    row : (f,)
        Encoded customer.
    options
        Eligible options; they may differ between requests.
    model
        Model of the values; see `ValueModel`.
    key
        Decision key: the same key and model give the same slate.
    size
        Number of options in the slate, at most all.
    epsilon
        Probability of a uniformly random slate.
    salt
        Seed of the random draws.

    Returns
    -------
    RankedSlate
        Options in order, with propensities.

    Raises
    ------
    DataError
        If there is no option, a name is duplicated, or numbers of features differ.
    RecipeError
        If `size` or `epsilon` is out of range.

    Examples
    --------
    >>> from churnkit.models.bandit.linear import LinearBandit
    >>> bandit = LinearBandit.new(customer_features=1, option_features=1, seed=0)
    >>> offers = [Option("call", (1.0,)), Option("mail", (0.0,)), Option("gift", (0.5,))]
    >>> slate = rank([0.3], offers, bandit, key="c1:2026-11", size=2)
    >>> len(slate.options), 0 < min(slate.propensities)
    (2, True)
    """
    names = [option.name for option in options]
    if not names:
        raise DataError("options", ["there are no options: pass at least one"])
    if len(set(names)) < len(names):
        raise DataError("options", ["a name is duplicated: give each option its own name"])
    if len({len(option.features) for option in options}) > 1:
        raise DataError(
            "options", ["the numbers of features differ: give all options the same features"]
        )
    features = np.array([option.features for option in options], dtype=np.float64)
    features = features.reshape(len(options), -1)
    customer = np.asarray(row, dtype=np.float64)[None, :]
    values = model.sample(customer, names, features)[:, 0, :]
    return rank_values(values, names, key=key, size=size, epsilon=epsilon, salt=salt)


def rank_values(
    values: ArrayLike,
    names: Sequence[str],
    *,
    key: str,
    size: int = 1,
    epsilon: float = 0.05,
    salt: str = "churnkit",
    minimum: float | None = None,
) -> RankedSlate:
    """Rank options by given values.

    Parameters
    ----------
    values : (draws, options)
        Values of the options in each posterior draw.
    names
        Names of the options.
    key, size, epsilon, salt
        As `rank`.
    minimum
        A draw shows only options with a larger value; None for all. Random slates show all.

    Returns
    -------
    RankedSlate
        Options in order, with propensities.

    Examples
    --------
    >>> slate = rank_values([[0.1, 0.9, 0.5]], ["a", "b", "c"], key="k1", size=2, epsilon=0.3)
    >>> slate.options, [round(p, 2) for p in slate.propensities], round(slate.slate_propensity, 2)
    (('b', 'c'), [0.8, 0.8], 0.75)
    >>> rank_values([[0.1, 0.9, -0.5]], ["a", "b", "c"], key="k1", size=3, minimum=0.0).options
    ('b', 'a')
    """
    table = _check_values(values, epsilon)
    count = table.shape[1]
    order = ranked_options(table, size, minimum)
    places = order.shape[1]
    choice = choose_draw(key, len(table), epsilon=epsilon, salt=salt)
    chosen = order[choice.draw] if choice.draw is not None else choice.permute(count)[:places]
    slate_share = float((order == chosen).all(axis=1).mean())
    by_chance = epsilon / perm(count, places) if (chosen >= 0).all() else 0.0
    shown = chosen[chosen >= 0]
    shares = (order[:, : len(shown)] == shown).mean(axis=0)
    mean = table[:, shown].mean(axis=0)
    return RankedSlate(
        options=tuple(names[index] for index in shown.tolist()),
        # With a single option, rounding must not exceed 1.
        propensities=tuple(np.minimum((1 - epsilon) * shares + epsilon / count, 1.0).tolist()),
        slate_propensity=min((1 - epsilon) * slate_share + by_chance, 1.0),
        values=tuple(mean.tolist()),
        explored=choice.draw is None,
    )


@dataclass(frozen=True, slots=True)
class DrawChoice:
    """Posterior draw that ranks a customer's options; None for a random slate.

    Parameters
    ----------
    draw
        Index of the draw.
    seed
        Seed of the random slate.
    """

    draw: int | None
    seed: int

    def permute(self, options: int) -> NDArray[np.int64]:
        """Return the options of a random slate, in order."""
        return np.random.default_rng(self.seed).permutation(options)


def choose_draw(key: str, draws: int, *, epsilon: float, salt: str) -> DrawChoice:
    """Choose a draw, or a random slate with probability `epsilon`, by the decision key.

    Examples
    --------
    >>> choose_draw("k1", 64, epsilon=0.05, salt="churnkit").draw
    9
    """
    first, second, seed = _random_numbers(salt, key)
    return DrawChoice(None if first < epsilon else int(second * draws), seed)


def ranked_options(
    values: NDArray[np.float64], size: int, minimum: float | None = None
) -> NDArray[np.int64]:
    """Return the indices of the options with the largest values, (..., places), best first.

    Of equal values the earlier option wins. A place whose value is not above `minimum` is -1.

    Examples
    --------
    >>> ranked_options(np.array([[0.2, -0.1, 0.5]]), 3, minimum=0.0)
    array([[ 2,  0, -1]])
    """
    places = _slate_size(size, values.shape[-1])
    # A pass over the values per place costs less than sorting all of many options.
    select = _largest if places * _SORT_FACTOR < values.shape[-1] else _sorted
    order = select(values, places)
    if minimum is not None:
        order[np.take_along_axis(values, order, axis=-1) <= minimum] = -1
    return order


def _sorted(values: NDArray[np.float64], places: int) -> NDArray[np.int64]:
    order: NDArray[np.int64] = np.argsort(-values, axis=-1, kind="stable")[..., :places]
    return order


def _largest(values: NDArray[np.float64], places: int) -> NDArray[np.int64]:
    """Select the largest values one after the other; of equal ones `argmax` returns the first."""
    rest = values.copy()
    order = np.empty((*values.shape[:-1], places), dtype=np.int64)
    for place in range(places):
        order[..., place] = rest.argmax(axis=-1)
        np.put_along_axis(rest, order[..., place, None], -np.inf, axis=-1)
    return order


def slate_probabilities(
    values: ArrayLike, *, size: int = 1, epsilon: float = 0.05, minimum: float | None = None
) -> NDArray[np.float64]:
    """Return the probability of each option at each position, for many customers.

    The result is a policy for `churnkit.evaluation.evaluate_policy`. With a `minimum` the
    probabilities of a position may sum to less than 1.

    Parameters
    ----------
    values : (draws, n, options)
        Values of the options in each posterior draw.
    size, epsilon, minimum
        As `rank_values`.

    Returns
    -------
    (n, options, positions)
        Probability of each option at each position.

    Examples
    --------
    >>> slate_probabilities([[[0.1, 0.9]], [[0.4, 0.3]]], epsilon=0.0)[0, :, 0]
    array([0.5, 0.5])
    """
    cube = np.asarray(values, dtype=np.float64)
    if cube.ndim != 3:
        raise DataError("values", ["the shape must be (draws, customers, options)"])
    draws, rows, count = cube.shape
    _check_values(cube.reshape(draws * rows, count), epsilon)
    order = ranked_options(cube, size, minimum)
    places = order.shape[2]
    probabilities = np.zeros((rows, count, places))
    row, position = np.arange(rows)[:, None], np.arange(places)[None, :]
    for ranking in order:
        probabilities[row, ranking, position] += ranking >= 0
    probabilities *= (1 - epsilon) / draws
    probabilities += epsilon / count
    return probabilities


def _check_values(values: ArrayLike, epsilon: float) -> NDArray[np.float64]:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or not table.size:
        raise DataError("values", ["the shape must be (draws, options), with at least one of each"])
    if not np.isfinite(table).all():
        raise DataError("values", ["some values are missing or infinite"])
    if not 0 <= epsilon <= 1:
        raise RecipeError("rank: epsilon must be a probability from 0 to 1")
    return table


def _slate_size(size: int, options: int) -> int:
    if size < 1:
        raise RecipeError("rank: size must be at least 1")
    return min(size, options)


def _random_numbers(salt: str, key: str) -> tuple[float, float, int]:
    digest = hashlib.sha256(f"{salt}:rank:{key}".encode()).digest()
    parts = [int.from_bytes(digest[start : start + 8], "big") >> 11 for start in (0, 8)]
    return parts[0] / 2**53, parts[1] / 2**53, int.from_bytes(digest[16:], "big")
