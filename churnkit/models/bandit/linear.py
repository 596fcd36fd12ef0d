"""Contextual bandit: a Bayesian linear model of an option's reward, updated in batches.

``reward = shared(customer, option) + specific(option; customer) + noise``

The shared part is linear in the customer's features, the option's features and their products.
Each option has a specific part, linear in the customer's features, with a prior mean of zero: a
new option starts at the value of options with similar features and departs from it with data.
Both parts have one joint posterior in closed form; the cost of an update is linear in the options.

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

_MAX_DRAWS = 1_000_000


@dataclass(frozen=True, eq=False)
class BanditBatch:
    """Options shown to customers, and the rewards observed.

    Parameters
    ----------
    customers : (n, f)
        Features of the customers, missing as NaN.
    options
        (n) name of the option shown to each customer.
    option_features : (n, g)
        Features of that option.
    reward : (n,)
        Observed reward: 0 and 1, or money.
    """

    customers: NDArray[np.float64]
    options: Sequence[str]
    option_features: NDArray[np.float64]
    reward: NDArray[np.float64]

    def __post_init__(self) -> None:
        rows = len(self.reward)
        sizes = (len(self.customers), len(self.options), len(self.option_features))
        if set(sizes) != {rows}:
            raise ModelDataError(
                "all parts of a batch must have the same length: got "
                f"{rows} rewards, {sizes[0]} customers, {sizes[1]} options and {sizes[2]} rows of "
                "option features"
            )
        invalid = int(np.count_nonzero(~np.isfinite(self.reward)))
        if invalid:
            raise ModelDataError(f"{invalid} rewards are missing or not finite: drop those rows")


@dataclass(frozen=True, eq=False)
class OptionPart:
    """Sums for an option's specific part, with ``u = (1, customer)`` and ``s`` the shared row.

    Attributes
    ----------
    squares : (p, p) sum of ``u u'``
    crossed : (p, q) sum of ``u s'``
    target : (p,) sum of ``u reward``
    """

    squares: NDArray[np.float64]
    crossed: NDArray[np.float64]
    target: NDArray[np.float64]

    def discounted(self, factor: float) -> OptionPart:
        """Return the sums multiplied by a factor."""
        if factor == 1.0:
            return self
        return OptionPart(factor * self.squares, factor * self.crossed, factor * self.target)


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Mean (q,) and draws (m, q) of the shared coefficients, and the scale of the draws."""

    mean: NDArray[np.float64]
    drawn: NDArray[np.float64]
    scale: float


@dataclass(frozen=True, eq=False)
class LinearBandit:
    """State of the bandit: sums that determine the posterior. Created by `new`.

    Parameters
    ----------
    features
        Encoding of customers and options.
    prior, option_prior
        Prior precisions of the shared and the option-specific coefficients, in units of the noise.
    exploration_scale
        Factor on the posterior standard deviation of the draws.
    half_life
        Number of later rewards after which an observation counts half; None to forget nothing.
    draws
        Number of posterior draws after each update. Thompson sampling uses one of these draws,
        so its probabilities are exact shares of them.
    seed
        The same seed and batches give the same draws.
    version
        Number of batches learned from.
    rows
        Number of rewards.
    weight, reward_squares
        Discounted number of rewards, and the discounted sum of their squares.
    squares, target : (q, q), (q,)
        Sums over the shared rows.
    options
        The same sums for each option's specific part.
    """

    features: BanditFeatures
    prior: float
    option_prior: float
    exploration_scale: float
    half_life: float | None
    draws: int
    seed: int
    version: int
    rows: int
    weight: float
    reward_squares: float
    squares: NDArray[np.float64]
    target: NDArray[np.float64]
    options: Mapping[str, OptionPart]
    _cache: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def new(
        cls,
        *,
        customer_features: int,
        option_features: int = 0,
        categories: Mapping[int, int] | None = None,
        prior: float = 0.1,
        option_prior: float = 0.3,
        exploration_scale: float = 0.5,
        half_life: float | None = None,
        draws: int = 64,
        seed: int = 0,
    ) -> LinearBandit:
        """Create a bandit without observations.

        Parameters
        ----------
        customer_features, option_features
            Number of columns.
        categories
            Number of codes of each customer column that holds category codes from 0.
        prior, option_prior, exploration_scale, half_life, draws, seed
            As the attributes. Set `half_life` if rewards change over time, such as the taste of
            customers or the quality of offers; a few times the number of rewards in which they
            change little.

        Returns
        -------
        LinearBandit
            With version 0.

        Raises
        ------
        ModelDataError
            A setting is out of range.
        """
        if customer_features < 0 or option_features < 0 or draws < 1:
            raise ModelDataError("feature counts must be 0 or more, and draws at least 1")
        if not (prior > 0 and option_prior > 0 and exploration_scale > 0):
            raise ModelDataError("prior, option_prior and exploration_scale must be positive")
        if half_life is not None and not half_life >= 1:
            raise ModelDataError(f"half_life must be at least 1 reward or None, got {half_life}")
        features = BanditFeatures.new(customer_features, option_features, categories or {})
        width = features.shared_width
        return cls(
            features,
            prior,
            option_prior,
            exploration_scale,
            half_life,
            draws,
            seed,
            0,
            0,
            0.0,
            0.0,
            np.zeros((width, width)),
            np.zeros(width),
            {},
        )

    def fit_scale(self, customers: ArrayLike, option_features: ArrayLike) -> LinearBandit:
        """Set the features' mean and scale from tables of customers and options.

        Parameters
        ----------
        customers : (n, f) for example the training rows, missing as NaN
        option_features : (k, g) of the known options

        Returns
        -------
        LinearBandit
            The new state.

        Raises
        ------
        ModelDataError
            The bandit has observations already, on the old scale.
        """
        if self.version:
            raise ModelDataError(
                "the scale cannot change after the first update: call fit_scale on a new bandit"
            )
        tables = [np.asarray(table, dtype=np.float64) for table in (customers, option_features)]
        return replace(self, features=self.features.fit_scale(*tables), _cache={})

    def update(self, batch: BanditBatch) -> LinearBandit:
        """Return the state after a batch; this one does not change.

        With a `half_life`, earlier observations are discounted by the number of rewards in the
        batch first (exponential forgetting).

        Parameters
        ----------
        batch
            Rewards that were not learned from before.

        Returns
        -------
        LinearBandit
            The new state; this one if the batch is empty.

        References
        ----------
        Russac, Vernade, Cappe (2019). Weighted linear bandits for non-stationary environments.
        NeurIPS 32. arXiv:1909.09146
        """
        if not len(batch.reward):
            return self
        customers = self.features.customers(batch.customers)
        shared = self.features.shared(customers, self.features.options(batch.option_features))
        reward = np.asarray(batch.reward, dtype=np.float64)
        names = np.asarray(batch.options)
        count = len(reward)
        discount = 1.0 if self.half_life is None else 0.5 ** (count / self.half_life)
        options = {name: part.discounted(discount) for name, part in self.options.items()}
        for name in np.unique(names).tolist():
            rows = np.flatnonzero(names == name)
            design = customers[rows]
            part = options.get(name) or self._empty_part
            options[name] = OptionPart(
                part.squares + design.T @ design,
                part.crossed + design.T @ shared[rows],
                part.target + design.T @ reward[rows],
            )
        return replace(
            self,
            version=self.version + 1,
            rows=self.rows + count,
            weight=discount * self.weight + count,
            reward_squares=discount * self.reward_squares + float(reward @ reward),
            squares=discount * self.squares + shared.T @ shared,
            target=discount * self.target + shared.T @ reward,
            options=options,
            _cache={},
        )

    def expected(
        self, customers: ArrayLike, options: Sequence[str], option_features: ArrayLike
    ) -> NDArray[np.float64]:
        """Return the posterior mean reward of each option for each customer.

        Parameters
        ----------
        customers : (n, f)
        options
            Names; an option that was never shown starts from its features.
        option_features : (options, g)

        Returns
        -------
        (n, options)
        """
        values = self._values(customers, options, option_features, drawn=False)
        return values.reshape(values.shape[1:])

    def sample(
        self, customers: ArrayLike, options: Sequence[str], option_features: ArrayLike
    ) -> NDArray[np.float64]:
        """Return posterior draws of each option's reward, never below its mean.

        Draws below the mean would show an option less often without learning more about it
        (optimistic Thompson sampling).

        Parameters
        ----------
        customers, options, option_features
            As `expected`.

        Returns
        -------
        (draws, n, options)

        References
        ----------
        May, Korda, Lee, Leslie (2012), Optimistic Bayesian sampling in contextual-bandit
        problems, JMLR 13.
        """
        arguments = (customers, options, option_features)
        return np.maximum(
            self._values(*arguments, drawn=True), self._values(*arguments, drawn=False)
        )

    def _values(
        self,
        customers: ArrayLike,
        options: Sequence[str],
        option_features: ArrayLike,
        *,
        drawn: bool,
    ) -> NDArray[np.float64]:
        customer_rows = self.features.customers(np.asarray(customers, dtype=np.float64))
        option_rows = self.features.options(np.asarray(option_features, dtype=np.float64))
        if len(options) != len(option_rows):
            raise ModelDataError(
                f"{len(options)} options but {len(option_rows)} rows of option features: pass one "
                "row per option"
            )
        posterior = self._posterior()
        coefficients = posterior.drawn if drawn else posterior.mean[None, :]
        values = self.features.shared_values(coefficients, customer_rows, option_rows)
        parts = [self._option_coefficients(name, drawn=drawn) for name in options]
        values += np.einsum("np,mpk->mnk", customer_rows, np.stack(parts, axis=2))
        return values

    def _posterior(self) -> _Posterior:
        posterior: _Posterior | None = self._cache.get("")
        if posterior is None:
            posterior = self._cache[""] = self._solve_posterior()
        return posterior

    def _solve_posterior(self) -> _Posterior:
        width = len(self.target)
        precision = self.squares + self.prior * np.eye(width)
        residual = self.target.copy()
        explained = 0.0
        for part in self.options.values():
            inner = part.squares + self.option_prior * np.eye(len(part.target))
            solution = np.linalg.solve(inner, np.column_stack([part.crossed, part.target]))
            precision -= part.crossed.T @ solution[:, :-1]
            residual -= part.crossed.T @ solution[:, -1]
            explained += float(part.target @ solution[:, -1])
        mean: NDArray[np.float64] = np.linalg.solve(precision, residual).astype(np.float64)
        explained += float(residual @ mean)
        # The noise variance has an inverse-gamma prior with mean 1/4, equivalent to two rewards.
        variance = (0.5 + max(self.reward_squares - explained, 0.0)) / (2.0 + self.weight)
        root = np.linalg.cholesky(_regularize(precision))
        random = self._random("").standard_normal((self.draws, width))
        scale = self.exploration_scale * float(np.sqrt(variance))
        drawn = (mean + scale * np.linalg.solve(root.T, random.T).T).astype(np.float64)
        return _Posterior(mean, drawn, scale)

    def _option_coefficients(self, name: str, *, drawn: bool) -> NDArray[np.float64]:
        """Return an option's specific coefficients given the shared ones, (draws or 1, p)."""
        key = f"{'drawn' if drawn else 'mean'}:{name}"
        cached: NDArray[np.float64] | None = self._cache.get(key)
        if cached is not None:
            return cached
        posterior = self._posterior()
        part = self.options.get(name) or self._empty_part
        inner = part.squares + self.option_prior * np.eye(len(part.target))
        shared = posterior.drawn if drawn else posterior.mean[None, :]
        coefficients = np.linalg.solve(inner, part.target[:, None] - part.crossed @ shared.T).T
        if drawn:
            root = np.linalg.cholesky(_regularize(inner))
            random = self._random(name).standard_normal((self.draws, len(part.target)))
            coefficients = coefficients + posterior.scale * np.linalg.solve(root.T, random.T).T
        result = self._cache[key] = coefficients.astype(np.float64)
        return result

    @property
    def _empty_part(self) -> OptionPart:
        width, shared = self.features.customer_width, self.features.shared_width
        return OptionPart(np.zeros((width, width)), np.zeros((width, shared)), np.zeros(width))

    def _random(self, name: str) -> np.random.Generator:
        digest = hashlib.sha256(f"{self.seed}:{self.version}:{name}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:16], "big"))

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the state."""
        names = sorted(self.options)
        settings = {
            **self.features.to_dict(),
            "prior": self.prior,
            "own_prior": self.option_prior,
            "exploration_scale": self.exploration_scale,
            "draws": self.draws,
            "seed": self.seed,
            "version": self.version,
            "rows": self.rows,
            "reward_squares": self.reward_squares,
            "options": names,
        }
        if self.half_life is not None:
            settings |= {"half_life": self.half_life, "weight": self.weight}
        # The empty part gives the arrays their shape where no option was shown yet.
        parts = [*(self.options[name] for name in names), self._empty_part]
        arrays = {
            "squares": self.squares,
            "target": self.target,
            "own_squares": np.stack([part.squares for part in parts])[:-1],
            "own_crossed": np.stack([part.crossed for part in parts])[:-1],
            "own_target": np.stack([part.target for part in parts])[:-1],
        }
        return settings, {**arrays, **self.features.to_arrays()}

    @classmethod
    def from_arrays(cls, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> LinearBandit:
        """Restore a state from the result of `to_arrays`.

        Raises
        ------
        BundleError
            A part is missing, or the parts are inconsistent.
        """
        features = BanditFeatures.from_saved(settings, arrays)
        names = settings.get("options")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise BundleError("the saved bandit's options must be a list of names")
        width, shared, count = features.customer_width, features.shared_width, len(names)
        shapes = {
            "squares": (shared, shared),
            "target": (shared,),
            "own_squares": (count, width, width),
            "own_crossed": (count, width, shared),
            "own_target": (count, width),
        }
        for name, shape in shapes.items():
            array = arrays.get(name)
            if array is None or array.shape != shape or array.dtype != np.float64:
                raise BundleError(
                    f"the saved bandit's array {name!r} must be float64 of shape {shape}"
                )
            if not np.isfinite(array).all():
                raise BundleError(
                    f"the saved bandit's array {name!r} has values that are not finite"
                )
        prior, option_prior, exploration_scale = (
            read_number(settings, name) for name in ("prior", "own_prior", "exploration_scale")
        )
        if min(prior, option_prior, exploration_scale) <= 0:
            raise BundleError("the saved bandit's priors and exploration_scale must be positive")
        rows = read_integer(settings, "rows", low=0, high=2**63)
        half_life, weight = None, float(rows)
        if "half_life" in settings:
            half_life, weight = (read_number(settings, name) for name in ("half_life", "weight"))
            if half_life < 1 or weight < 0:
                raise BundleError("the saved bandit's half_life must be at least 1, its weight 0")
        parts = zip(arrays["own_squares"], arrays["own_crossed"], arrays["own_target"], strict=True)
        return cls(
            features,
            prior,
            option_prior,
            exploration_scale,
            half_life,
            read_integer(settings, "draws", low=1, high=_MAX_DRAWS),
            read_integer(settings, "seed", low=0, high=2**63),
            read_integer(settings, "version", low=0, high=2**63),
            rows,
            weight,
            read_number(settings, "reward_squares"),
            arrays["squares"],
            arrays["target"],
            {name: OptionPart(*part) for name, part in zip(names, parts, strict=True)},
        )


def _regularize(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a precision matrix made symmetric and positive definite despite rounding."""
    floor = 1e-12 * float(np.trace(matrix)) / len(matrix)
    regular: NDArray[np.float64] = (matrix + matrix.T) / 2 + floor * np.eye(len(matrix))
    return regular
