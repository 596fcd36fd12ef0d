"""What an option is worth to a customer: a Bayesian linear model that learns in batches.

``reward = shared(customer, option) + own(option; customer) + noise``

The shared part is linear in the customer's features, the option's features and their products;
each option has an own part on top, linear in the customer's features, with a prior at zero. So a
new option starts from what options like it are worth, and departs from it as it is tried. Both
parts have one joint posterior in closed form; the cost of an update is linear in the options.

Examples
--------
>>> import numpy as np
>>> from churnkit.models.bandit.linear import BanditBatch, LinearBandit
>>> bandit = LinearBandit.new(customer_features=1, option_features=0, seed=0)
>>> X = np.array([[0.0], [0.0], [1.0], [1.0]] * 50)
>>> reward = np.array([0.0, 1.0, 1.0, 0.0] * 50)
>>> batch = BanditBatch(X, ("a", "b", "a", "b") * 50, np.empty((200, 0)), reward)
>>> bandit = bandit.update(batch)
>>> bandit.version, bandit.expected([[0.0], [1.0]], ("a", "b"), np.empty((2, 0))).argmax(axis=1)
(1, array([1, 0]))
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError
from churnkit.models.bandit.features import BanditFeatures
from churnkit.models.errors import ModelDataError
from churnkit.models.scorers.serialization import read_integer, read_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["BanditBatch", "LinearBandit", "OptionPart"]

_MOST = 1_000_000


@dataclass(frozen=True, eq=False)
class BanditBatch:
    """What was shown to whom, and what came of it.

    Parameters
    ----------
    customers : (n, f) features of the customers, missing as NaN
    options
        (n) the name of the option that each was shown.
    option_features : (n, g) the option's features
    reward : (n,) what came of it: 0 and 1, or money
    """

    customers: NDArray[np.float64]
    options: Sequence[str]
    option_features: NDArray[np.float64]
    reward: NDArray[np.float64]

    def __post_init__(self) -> None:
        rows = len(self.reward)
        sizes = {len(self.customers), len(self.options), len(self.option_features)}
        if sizes != {rows}:
            raise ModelDataError(
                f"the batch has {rows} rewards but {len(self.customers)} customers, "
                f"{len(self.options)} options and {len(self.option_features)} rows of their "
                "features: give one for each"
            )
        wrong = int(np.count_nonzero(~np.isfinite(self.reward)))
        if wrong:
            raise ModelDataError(f"{wrong} rewards are missing or not finite: leave them out")


@dataclass(frozen=True, eq=False)
class OptionPart:
    """What an option's own part has seen, with ``u = (1, customer)`` and ``s`` the shared row.

    Attributes
    ----------
    squares : (p, p) sum of ``u u'``
    crossed : (p, q) sum of ``u s'``
    target : (p,) sum of ``u reward``
    """

    squares: NDArray[np.float64]
    crossed: NDArray[np.float64]
    target: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Draws (m, q) of the shared coefficients, their mean (q,), and how far draws spread."""

    mean: NDArray[np.float64]
    drawn: NDArray[np.float64]
    spread: float


@dataclass(frozen=True, eq=False)
class LinearBandit:
    """The state of a bandit: sums, from which the posterior follows. Made by `new`.

    Attributes
    ----------
    features
        How customers and options become rows.
    prior, own_prior
        Prior precisions of shared and own coefficients, in units of the noise.
    exploration_scale
        How far draws depart from the mean, in units of what the data leave open.
    draws
        How many times the posterior is drawn after each update. Thompson sampling takes one
        of these draws, so its probabilities are exact shares of them.
    seed
        The same seed and batches give the same draws.
    version
        How many batches were learned from.
    rows, reward_squares
        How many rewards, and the sum of their squares.
    squares, target : (q, q), (q,) sums over shared rows
    own
        For each option the same of its own part.
    """

    features: BanditFeatures
    prior: float
    own_prior: float
    exploration_scale: float
    draws: int
    seed: int
    version: int
    rows: int
    reward_squares: float
    squares: NDArray[np.float64]
    target: NDArray[np.float64]
    own: Mapping[str, OptionPart]
    _kept: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def new(
        cls,
        *,
        customer_features: int,
        option_features: int = 0,
        categories: Mapping[int, int] | None = None,
        prior: float = 0.1,
        own_prior: float = 0.3,
        exploration_scale: float = 0.5,
        draws: int = 64,
        seed: int = 0,
    ) -> LinearBandit:
        """Make a bandit that knows nothing.

        Parameters
        ----------
        customer_features, option_features
            How many columns there are.
        categories
            For each customer column that holds category codes from 0: how many there are.
        prior, own_prior, exploration_scale, draws, seed
            As the attributes.

        Raises
        ------
        ModelDataError
            A setting is out of range.
        """
        if customer_features < 0 or option_features < 0 or draws < 1:
            raise ModelDataError("a bandit needs counts of zero or more, and at least one draw")
        if not (prior > 0 and own_prior > 0 and exploration_scale > 0):
            raise ModelDataError("prior, own_prior and exploration_scale must be above zero")
        features = BanditFeatures.new(customer_features, option_features, categories or {})
        width = features.shared_width
        return cls(
            features,
            prior,
            own_prior,
            exploration_scale,
            draws,
            seed,
            0,
            0,
            0.0,
            np.zeros((width, width)),
            np.zeros(width),
            {},
        )

    def fit_scale(self, customers: ArrayLike, option_features: ArrayLike) -> LinearBandit:
        """Bring features to one scale, by tables of customers and options, before learning.

        Parameters
        ----------
        customers : (n, f) such as the rows of a training, missing as NaN
        option_features : (k, g) of options that are known

        Raises
        ------
        ModelDataError
            The bandit has learned already: what it knows is on the old scale.
        """
        if self.version:
            raise ModelDataError("the bandit has learned already: set the scale of a new one")
        tables = [np.asarray(table, dtype=np.float64) for table in (customers, option_features)]
        return replace(self, features=self.features.fit_scale(*tables), _kept={})

    def update(self, batch: BanditBatch) -> LinearBandit:
        """Learn from a batch: returns the new state; this one stays as it is.

        Parameters
        ----------
        batch
            Rewards that were not learned from before.
        """
        if not len(batch.reward):
            return self
        features = self.features
        of_customer = features.customers(batch.customers)
        of_option = features.options(batch.option_features)
        shared = features.shared(of_customer, of_option)
        reward = np.asarray(batch.reward, dtype=np.float64)
        names = np.asarray(batch.options)
        own = dict(self.own)
        for name in np.unique(names).tolist():
            rows = np.flatnonzero(names == name)
            mine, crossed = of_customer[rows], shared[rows]
            before = own.get(name) or self._unseen
            own[name] = OptionPart(
                before.squares + mine.T @ mine,
                before.crossed + mine.T @ crossed,
                before.target + mine.T @ reward[rows],
            )
        return replace(
            self,
            version=self.version + 1,
            rows=self.rows + len(reward),
            reward_squares=self.reward_squares + float(reward @ reward),
            squares=self.squares + shared.T @ shared,
            target=self.target + shared.T @ reward,
            own=own,
            _kept={},
        )

    def expected(
        self, customers: ArrayLike, options: Sequence[str], option_features: ArrayLike
    ) -> NDArray[np.float64]:
        """Return the expected reward of each option, (n, options).

        Parameters
        ----------
        customers : (n, f)
        options
            Names; those that were never shown start from their features.
        option_features : (options, g)
        """
        found: NDArray[np.float64] = self._values(customers, options, option_features, drawn=False)
        return found.reshape(found.shape[1:])

    def sample(
        self, customers: ArrayLike, options: Sequence[str], option_features: ArrayLike
    ) -> NDArray[np.float64]:
        """Return the value of each option in each draw, never below its mean, (draws, n, options).

        Optimism costs nothing: an option that a draw likes less than its mean would be shown
        less often for no gain in knowledge.

        Parameters
        ----------
        customers, options, option_features
            As `expected`.

        References
        ----------
        May, Korda, Lee, Leslie (2012), Optimistic Bayesian sampling in contextual-bandit
        problems, JMLR 13.
        """
        asked = (customers, options, option_features)
        return np.maximum(self._values(*asked, drawn=True), self._values(*asked, drawn=False))

    def _values(
        self,
        customers: ArrayLike,
        options: Sequence[str],
        option_features: ArrayLike,
        *,
        drawn: bool,
    ) -> NDArray[np.float64]:
        of_customer = self.features.customers(np.asarray(customers, dtype=np.float64))
        of_option = self.features.options(np.asarray(option_features, dtype=np.float64))
        if len(options) != len(of_option):
            raise ModelDataError(f"{len(options)} options but {len(of_option)} rows of features")
        known = self._posterior()
        shared = known.drawn if drawn else known.mean[None, :]
        own = np.stack([self._own_draws(name, drawn=drawn) for name in options], axis=2)
        common = self.features.common(shared, of_customer, of_option)
        common += np.einsum("np,mpk->mnk", of_customer, own)
        return common

    def _posterior(self) -> _Posterior:
        found: _Posterior | None = self._kept.get("")
        if found is None:
            found = self._kept[""] = self._solved()
        return found

    def _solved(self) -> _Posterior:
        width = len(self.target)
        precision = self.squares + self.prior * np.eye(width)
        left = self.target.copy()
        explained = 0.0
        for part in self.own.values():
            inner = part.squares + self.own_prior * np.eye(len(part.target))
            solved = np.linalg.solve(inner, np.column_stack([part.crossed, part.target]))
            precision -= part.crossed.T @ solved[:, :-1]
            left -= part.crossed.T @ solved[:, -1]
            explained += float(part.target @ solved[:, -1])
        mean: NDArray[np.float64] = np.linalg.solve(precision, left).astype(np.float64)
        explained += float(left @ mean)
        # The noise has an inverse-gamma prior of mean one quarter, worth two rewards.
        variance = (0.5 + max(self.reward_squares - explained, 0.0)) / (2.0 + self.rows)
        root = np.linalg.cholesky(_regular(precision))
        random = self._random("").standard_normal((self.draws, width))
        spread = self.exploration_scale * float(np.sqrt(variance))
        drawn = (mean + spread * np.linalg.solve(root.T, random.T).T).astype(np.float64)
        return _Posterior(mean, drawn, spread)

    def _own_draws(self, name: str, *, drawn: bool) -> NDArray[np.float64]:
        """Return an option's own coefficients given the shared ones, (draws or 1, p)."""
        place = f"{'drawn' if drawn else 'mean'}:{name}"
        found: NDArray[np.float64] | None = self._kept.get(place)
        if found is not None:
            return found
        known = self._posterior()
        part = self.own.get(name) or self._unseen
        inner = part.squares + self.own_prior * np.eye(len(part.target))
        shared = known.drawn if drawn else known.mean[None, :]
        middle = np.linalg.solve(inner, part.target[:, None] - part.crossed @ shared.T).T
        if drawn:
            root = np.linalg.cholesky(_regular(inner))
            random = self._random(name).standard_normal((self.draws, len(part.target)))
            middle = middle + known.spread * np.linalg.solve(root.T, random.T).T
        found = self._kept[place] = middle.astype(np.float64)
        return found

    @property
    def _unseen(self) -> OptionPart:
        own, shared = self.features.own_width, self.features.shared_width
        return OptionPart(np.zeros((own, own)), np.zeros((own, shared)), np.zeros(own))

    def _random(self, name: str) -> np.random.Generator:
        digest = hashlib.sha256(f"{self.seed}:{self.version}:{name}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:16], "big"))

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
        """Return JSON-able settings and the arrays that together restore the state."""
        names = sorted(self.own)
        settings = {
            **self.features.to_dict(),
            "prior": self.prior,
            "own_prior": self.own_prior,
            "exploration_scale": self.exploration_scale,
            "draws": self.draws,
            "seed": self.seed,
            "version": self.version,
            "rows": self.rows,
            "reward_squares": self.reward_squares,
            "options": names,
        }
        empty = self._unseen
        parts = [self.own[name] for name in names]
        arrays = {
            "squares": self.squares,
            "target": self.target,
            "own_squares": np.stack([part.squares for part in [*parts, empty]])[: len(parts)],
            "own_crossed": np.stack([part.crossed for part in [*parts, empty]])[: len(parts)],
            "own_target": np.stack([part.target for part in [*parts, empty]])[: len(parts)],
        }
        return settings, {**arrays, **self.features.to_arrays()}

    @classmethod
    def from_arrays(cls, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> LinearBandit:
        """Restore a state from what `to_arrays` gave.

        Raises
        ------
        BundleError
            Something is missing, or does not fit together.
        """
        features = BanditFeatures.from_saved(settings, arrays)
        names = settings.get("options")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise BundleError("the saved bandit has no list of options")
        own, shared, count = features.own_width, features.shared_width, len(names)
        shapes = {
            "squares": (shared, shared),
            "target": (shared,),
            "own_squares": (count, own, own),
            "own_crossed": (count, own, shared),
            "own_target": (count, own),
        }
        for name, shape in shapes.items():
            found = arrays.get(name)
            if found is None or found.shape != shape or found.dtype != np.float64:
                raise BundleError(f"the saved bandit's array {name!r} does not fit its settings")
            if not np.isfinite(found).all():
                raise BundleError(f"the saved bandit's array {name!r} is not finite")
        prior, own_prior, exploration_scale = (
            read_number(settings, name) for name in ("prior", "own_prior", "exploration_scale")
        )
        if min(prior, own_prior, exploration_scale) <= 0:
            raise BundleError("the saved bandit's priors must be above zero")
        parts = zip(arrays["own_squares"], arrays["own_crossed"], arrays["own_target"], strict=True)
        return cls(
            features,
            prior,
            own_prior,
            exploration_scale,
            read_integer(settings, "draws", low=1, high=_MOST),
            read_integer(settings, "seed", low=0, high=2**63),
            read_integer(settings, "version", low=0, high=2**63),
            read_integer(settings, "rows", low=0, high=2**63),
            read_number(settings, "reward_squares"),
            arrays["squares"],
            arrays["target"],
            {name: OptionPart(*part) for name, part in zip(names, parts, strict=True)},
        )


def _regular(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a precision matrix symmetric and, whatever rounding did to it, positive."""
    floor = 1e-12 * float(np.trace(matrix)) / len(matrix)
    regular: NDArray[np.float64] = (matrix + matrix.T) / 2 + floor * np.eye(len(matrix))
    return regular
