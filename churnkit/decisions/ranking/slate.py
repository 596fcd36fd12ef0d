"""Rank options into slates, with exact propensities.

A value model returns one or more draws of each option's value. With probability `epsilon` the
slate is uniformly random; otherwise it is the ranking of one draw, each draw equally likely. So
the probability of an option at a position is exactly

``(1 - epsilon) * share of draws that rank it there + epsilon / options``.

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

__all__ = ["Option", "RankedSlate", "ValueModel", "rank", "rank_values", "slate_probabilities"]


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
        Probability of the whole slate.
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

    Returns
    -------
    RankedSlate
        Options in order, with propensities.

    Examples
    --------
    >>> slate = rank_values([[0.1, 0.9, 0.5]], ["a", "b", "c"], key="k1", size=2, epsilon=0.3)
    >>> slate.options, [round(p, 2) for p in slate.propensities], round(slate.slate_propensity, 2)
    (('b', 'c'), [0.8, 0.8], 0.75)
    """
    table = _check_values(values, epsilon)
    count = table.shape[1]
    places = _slate_size(size, count)
    # Of equal values the earlier option wins, in every draw and every language.
    order = np.argsort(-table, axis=1, kind="stable")[:, :places]
    first, second, seed = _random_numbers(salt, key)
    explored = first < epsilon
    if explored:
        chosen = np.random.default_rng(seed).permutation(count)[:places]
    else:
        chosen = order[int(second * len(order))]
    shares = (order == chosen).mean(axis=0)
    slate_share = float((order == chosen).all(axis=1).mean())
    mean = table.mean(axis=0)
    return RankedSlate(
        options=tuple(names[index] for index in chosen.tolist()),
        # With a single option, rounding must not exceed 1.
        propensities=tuple(np.minimum((1 - epsilon) * shares + epsilon / count, 1.0).tolist()),
        slate_propensity=min((1 - epsilon) * slate_share + epsilon / perm(count, places), 1.0),
        values=tuple(mean[chosen].tolist()),
        explored=bool(explored),
    )


def slate_probabilities(
    values: ArrayLike, *, size: int = 1, epsilon: float = 0.05
) -> NDArray[np.float64]:
    """Return the probability of each option at each position, for many customers.

    The result is a policy for `churnkit.evaluation.evaluate_policy`.

    Parameters
    ----------
    values : (draws, n, options)
        Values of the options in each posterior draw.
    size, epsilon
        As `rank`.

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
    places = _slate_size(size, count)
    order = np.argsort(-cube, axis=2, kind="stable")[:, :, :places]
    probabilities = np.zeros((rows, count, places))
    row, position = np.arange(rows)[:, None], np.arange(places)[None, :]
    for ranking in order:
        probabilities[row, ranking, position] += 1.0
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
