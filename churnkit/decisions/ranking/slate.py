"""Which options to show a customer, in which order, with exact probabilities.

A value model gives each option's value in one or more draws of what it believes. With
probability `epsilon` the list is any list, all alike; otherwise it is the ranking of one of the
draws, all draws alike. So the probability of an option at a place is exactly

``(1 - epsilon) * share of draws that rank it there + epsilon / options``.

With draws of a posterior that is Thompson sampling; with one draw, such as the predictions of
boosted trees, it is an epsilon floor under the best ranking.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from math import perm
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from churnkit.errors import DataError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Option", "RankedSlate", "ValueModel", "rank", "rank_values", "slate_probabilities"]


@dataclass(frozen=True, slots=True)
class Option:
    """Something that can be shown: an offer, a content, a channel, an hour to send at.

    Parameters
    ----------
    name
        Unique in a request; what is learned of it is kept under this name.
    features
        What is known of it before anybody saw it, as many numbers for each option.
    """

    name: str
    features: tuple[float, ...] = ()


class ValueModel(Protocol):
    """What `rank` asks for values: `churnkit.models.bandit.linear.LinearBandit`, or your own."""

    def sample(
        self, customers: ArrayLike, options: Sequence[str], option_features: ArrayLike
    ) -> NDArray[np.float64]:
        """Return values, (draws, n, options); one draw for a model that has no doubt."""
        ...


@dataclass(frozen=True, slots=True)
class RankedSlate:
    """What to show, first place first.

    Attributes
    ----------
    options
        Names, best first.
    propensities
        For each place: the probability that this option stands there. What a journal logs.
    slate_propensity
        The probability of the whole list.
    values
        The mean value of each option over the draws.
    explored
        Whether chance alone made the list.
    """

    options: tuple[str, ...]
    propensities: tuple[float, ...]
    slate_propensity: float
    values: tuple[float, ...]
    explored: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


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
    row : (f,) the customer, encoded
    options
        Those that are open to the customer now; they may come and go between requests.
    model
        Gives values; see `ValueModel`.
    key
        Names the decision: the same key and state give the same list.
    size
        How many places the list has; all options if there are fewer.
    epsilon
        The probability that chance alone makes the list.
    salt
        Another salt, other chances.

    Raises
    ------
    DataError
        There is no option, two have one name, or their features differ in number.
    RecipeError
        `size` or `epsilon` is out of range.

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
        raise DataError("options", ["none is open to this customer: nothing can be ranked"])
    if len(set(names)) < len(names):
        raise DataError("options", ["two have one name: give each its own"])
    if len({len(option.features) for option in options}) > 1:
        raise DataError("options", ["they differ in how many features they have"])
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
    """Rank options whose values are known already.

    Parameters
    ----------
    values : (draws, options)
    names, key, size, epsilon, salt
        As `rank`.

    Examples
    --------
    >>> slate = rank_values([[0.1, 0.9, 0.5]], ["a", "b", "c"], key="k1", size=2, epsilon=0.3)
    >>> slate.options, [round(p, 2) for p in slate.propensities], round(slate.slate_propensity, 2)
    (('b', 'c'), [0.8, 0.8], 0.75)
    """
    table = _checked(values, epsilon)
    count = table.shape[1]
    places = _places(size, count)
    order = _rankings(table, places)
    first, second, seed = _chances(salt, key)
    explored = first < epsilon
    if explored:
        chosen = np.random.default_rng(seed).permutation(count)[:places]
    else:
        chosen = order[int(second * len(order))]
    shares = (order == chosen).mean(axis=0)
    whole = float((order == chosen).all(axis=1).mean())
    mean = table.mean(axis=0)
    return RankedSlate(
        options=tuple(names[at] for at in chosen.tolist()),
        # Where there is but one option, rounding must not make it more than certain.
        propensities=tuple(np.minimum((1 - epsilon) * shares + epsilon / count, 1.0).tolist()),
        slate_propensity=min((1 - epsilon) * whole + epsilon / perm(count, places), 1.0),
        values=tuple(mean[chosen].tolist()),
        explored=bool(explored),
    )


def slate_probabilities(
    values: ArrayLike, *, size: int = 1, epsilon: float = 0.05
) -> NDArray[np.float64]:
    """Return the probability of each option at each place, for many customers.

    It is what `churnkit.evaluation.evaluate_policy` takes as a policy.

    Parameters
    ----------
    values : (draws, n, options)
    size, epsilon
        As `rank`.

    Returns
    -------
    (n, options, places)

    Examples
    --------
    >>> slate_probabilities([[[0.1, 0.9]], [[0.4, 0.3]]], epsilon=0.0)[0, :, 0]
    array([0.5, 0.5])
    """
    cube = np.asarray(values, dtype=np.float64)
    if cube.ndim != 3:
        raise DataError("values", ["give (draws, customers, options)"])
    draws, rows, count = cube.shape
    _checked(cube.reshape(draws * rows, count), epsilon)
    places = _places(size, count)
    order = np.argsort(-cube, axis=2, kind="stable")[:, :, :places]
    found = np.zeros((rows, count, places))
    at, place = np.arange(rows)[:, None], np.arange(places)[None, :]
    for one in order:
        found[at, one, place] += 1.0
    found *= (1 - epsilon) / draws
    found += epsilon / count
    return found


def _checked(values: ArrayLike, epsilon: float) -> NDArray[np.float64]:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or not table.size:
        raise DataError("values", ["give (draws, options), at least one of each"])
    if not np.isfinite(table).all():
        raise DataError("values", ["some are missing or not finite"])
    if not 0 <= epsilon <= 1:
        raise RecipeError("rank: epsilon is a probability, from 0 to 1")
    return table


def _places(size: int, options: int) -> int:
    if size < 1:
        raise RecipeError("rank: a list has at least one place")
    return min(size, options)


def _rankings(table: NDArray[np.float64], places: int) -> NDArray[np.intp]:
    # Of equals the earlier option wins, in every draw and every language.
    return np.argsort(-table, axis=1, kind="stable")[:, :places]


def _chances(salt: str, key: str) -> tuple[float, float, int]:
    digest = hashlib.sha256(f"{salt}:rank:{key}".encode()).digest()
    parts = [int.from_bytes(digest[at : at + 8], "big") >> 11 for at in (0, 8)]
    return parts[0] / 2**53, parts[1] / 2**53, int.from_bytes(digest[16:], "big")
