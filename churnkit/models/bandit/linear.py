"""Contextual bandit: a Bayesian linear model of an option's reward, updated in batches.

``reward = shared(customer, option) + specific(option; customer) + noise``

The shared part is linear in the customer's features, the option's features and their products.
Each option has a specific part, linear in the customer's features, with a prior mean of zero: a
new option starts at the value of options with similar features and departs from it with data.
Both parts have one joint posterior in closed form; the cost of an update is linear in the options.

How much options differ is estimated from the data (see `posterior`), and an option that the data
cannot compare yet keeps its share of the log (see `baseline`). So a bandit that learns from few
rewards of another policy's log stays near that policy.

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
from churnkit.models.bandit.baseline import (
    baseline_orders,
    log_shares,
    rank_by_orders,
    required_ratios,
    variance_ratios,
)
from churnkit.models.bandit.batch import BanditBatch
from churnkit.models.bandit.features import BanditFeatures
from churnkit.models.bandit.forgetting import supported_share
from churnkit.models.bandit.posterior import (
    FIXED_SCALE,
    ModelPosterior,
    option_scales,
    regularize,
    solve_posteriors,
)
from churnkit.models.bandit.sums import OptionPart, RewardSums
from churnkit.models.errors import ModelDataError
from churnkit.models.scorers.serialization import read_integer, read_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["BanditBatch", "LinearBandit", "OptionPart"]

_MAX_DRAWS = 1_000_000

# Lists of options whose baseline is kept; the oldest is dropped first.
_MOST_REMEMBERED_LISTS = 64


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
    sums
        Discounted sums of the rewards.
    adaptive
        Estimate how much options differ from the data, rank as the log did where the data cannot
        compare options (see `sample`), and with a `half_life` forget faster after a sudden change
        (see `update`). If False, the priors and the half-life hold as they are.
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
    sums: RewardSums
    adaptive: bool = True
    _cache: dict[Any, Any] = field(default_factory=dict, repr=False)

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
        adaptive: bool = True,
        seed: int = 0,
    ) -> LinearBandit:
        """Create a bandit without observations.

        Parameters
        ----------
        customer_features, option_features
            Number of columns.
        categories
            Number of codes of each customer column that holds category codes from 0.
        prior, option_prior, exploration_scale, half_life, draws, adaptive, seed
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
            RewardSums.empty(features.shared_width),
            adaptive,
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
        batch first (exponential forgetting). If the bandit is adaptive, they are discounted further
        where the batch contradicts them (see `forgetting`).

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
        rows = customers, shared, np.asarray(batch.options)
        reward = np.asarray(batch.reward, dtype=np.float64)
        sums = self.sums
        if self.half_life is not None and self.version:
            sums = sums.discounted(0.5 ** (len(reward) / self.half_life))
            if self.adaptive:
                sums = sums.discounted(self._supported_share(sums, rows, reward))
        return replace(
            self,
            version=self.version + 1,
            rows=self.rows + len(reward),
            sums=sums.plus(*rows, reward),
            _cache={},
        )

    def _supported_share(
        self,
        sums: RewardSums,
        rows: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.str_]],
        reward: NDArray[np.float64],
    ) -> float:
        customers, shared, names = rows
        unique, index = np.unique(names, return_inverse=True)
        parts = [self._option_coefficients(name, drawn=False)[0] for name in unique.tolist()]
        expected = shared @ self._shared_coefficients(drawn=False)[0]
        expected += (customers * np.stack(parts)[index]).sum(axis=1)
        model = max(self._models(), key=lambda model: model.weight)
        priors = self.option_prior, self.prior
        precisions = FIXED_SCALE[0].precision(*priors, self.features.shape)
        return supported_share(
            sums, rows, reward, expected, precisions=precisions, variance=model.variance
        )

    def expected(
        self, customers: ArrayLike, options: Sequence[str], option_features: ArrayLike
    ) -> NDArray[np.float64]:
        """Return the posterior mean reward of each option for each customer.

        If the bandit is adaptive, the mean is averaged over models of how much options differ, so
        that differences are shrunk as far as the data do not support them.

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
        (optimistic Thompson sampling). If the bandit is adaptive, some draws exchange the rewards
        between options, so that they rank as the log did: those whose first option in the log's
        shares has too few rewards to be compared. With few data most draws do.

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
        Laroche, Trichelair, Tachet des Combes (2019). Safe policy improvement with baseline
        bootstrapping. ICML. arXiv:1712.06924
        """
        arguments = (customers, options, option_features)
        values = np.maximum(
            self._values(*arguments, drawn=True), self._values(*arguments, drawn=False)
        )
        if not self.adaptive:
            return values
        return rank_by_orders(values, *self._baseline(options, option_features))

    def _values(
        self,
        customers: ArrayLike,
        options: Sequence[str],
        option_features: ArrayLike,
        *,
        drawn: bool,
    ) -> NDArray[np.float64]:
        customer_rows = self.features.customers(np.asarray(customers, dtype=np.float64))
        option_rows = self._option_rows(options, option_features)
        coefficients = self._shared_coefficients(drawn=drawn)
        values = self.features.shared_values(coefficients, customer_rows, option_rows)
        parts = [self._option_coefficients(name, drawn=drawn) for name in options]
        values += np.einsum("np,mpk->mnk", customer_rows, np.stack(parts, axis=2))
        return values

    def _option_rows(
        self, options: Sequence[str], option_features: ArrayLike
    ) -> NDArray[np.float64]:
        rows = self.features.options(np.asarray(option_features, dtype=np.float64))
        if len(options) != len(rows):
            raise ModelDataError(
                f"{len(options)} options but {len(rows)} rows of option features: pass one "
                "row per option"
            )
        return rows

    def _models(self) -> list[ModelPosterior]:
        """Return the posterior under each scale that the data support."""
        models: list[ModelPosterior] | None = self._cache.get("models")
        if models is None:
            personal = self.features.customer_width > 1
            models = self._cache["models"] = solve_posteriors(
                self.features,
                option_scales(personal) if self.adaptive else FIXED_SCALE,
                priors=(self.option_prior, self.prior),
                rewards=self.sums,
            )
        return models

    def _model_draws(self) -> list[slice]:
        """Return the draws of each model, in proportion to the weights."""
        ends = np.cumsum([model.weight for model in self._models()])
        ends = np.floor(ends * self.draws + 0.5).astype(int)
        ends[-1] = self.draws
        return [slice(*pair) for pair in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)]

    def _shared_coefficients(self, *, drawn: bool) -> NDArray[np.float64]:
        """Return the shared coefficients, (draws or 1, q)."""
        key = "drawn" if drawn else "mean"
        cached: NDArray[np.float64] | None = self._cache.get(key)
        if cached is not None:
            return cached
        models = self._models()
        if drawn:
            random = self._random("").standard_normal((self.draws, len(self.sums.target)))
            parts = [
                model.mean
                + self.exploration_scale
                * np.sqrt(model.variance)
                * np.linalg.solve(model.root.T, random[rows].T).T
                for model, rows in zip(models, self._model_draws(), strict=True)
            ]
            result = np.concatenate(parts)
        else:
            result = np.sum([model.weight * model.mean for model in models], axis=0)[None, :]
        self._cache[key] = result
        return result

    def _option_coefficients(self, name: str, *, drawn: bool) -> NDArray[np.float64]:
        """Return an option's specific coefficients given the shared ones, (draws or 1, p)."""
        key = f"{'drawn' if drawn else 'mean'}:{name}"
        cached: NDArray[np.float64] | None = self._cache.get(key)
        if cached is not None:
            return cached
        part = self.sums.options.get(name) or self._empty_part
        random = self._random(name).standard_normal((self.draws if drawn else 0, len(part.target)))
        parts = []
        for model, rows in zip(self._models(), self._model_draws(), strict=True):
            inner = part.squares + np.diag(model.precision)
            shared = self._shared_coefficients(drawn=True)[rows] if drawn else model.mean[None, :]
            solved = np.linalg.solve(inner, part.target[:, None] - part.crossed @ shared.T).T
            if drawn:
                root = np.linalg.cholesky(regularize(inner))
                scale = self.exploration_scale * np.sqrt(model.variance)
                solved = solved + scale * np.linalg.solve(root.T, random[rows].T).T
            else:
                solved = model.weight * solved
            parts.append(solved)
        result = np.concatenate(parts) if drawn else np.sum(parts, axis=0)
        self._cache[key] = result
        return result

    def _baseline(
        self, options: Sequence[str], option_features: ArrayLike
    ) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the baseline's order in each draw, and which options the data can judge."""
        rows = self._option_rows(options, option_features)
        key = ("baseline", *options, rows.tobytes())
        cached: tuple[NDArray[np.intp], NDArray[np.bool_]] | None = self._cache.get(key)
        if cached is not None:
            return cached
        parts = [self.sums.options.get(name) or self._empty_part for name in options]
        forgets = self.half_life is not None
        required = required_ratios(self.draws, self.version, parts, forgets=forgets)
        reliable = np.empty((self.draws, len(parts)), dtype=np.bool_)
        for model, draws in zip(self._models(), self._model_draws(), strict=True):
            reliable[draws] = variance_ratios(model, parts, rows) >= required[draws]
        noise = [self._random(f"order:{name}").gumbel(size=self.draws) for name in options]
        start = float(self._random("order").random())
        orders = baseline_orders(log_shares(parts), np.stack(noise, axis=1), start)
        remembered = [known for known in tuple(self._cache) if isinstance(known, tuple)]
        if len(remembered) >= _MOST_REMEMBERED_LISTS:
            self._cache.pop(remembered[0], None)
        self._cache[key] = orders, reliable
        return orders, reliable

    @property
    def _empty_part(self) -> OptionPart:
        return OptionPart.empty(self.features.customer_width, self.features.shared_width)

    def _random(self, name: str) -> np.random.Generator:
        digest = hashlib.sha256(f"{self.seed}:{self.version}:{name}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:16], "big"))

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the state."""
        settings = {
            **self.features.to_dict(),
            "prior": self.prior,
            "own_prior": self.option_prior,
            "exploration_scale": self.exploration_scale,
            "draws": self.draws,
            "seed": self.seed,
            "version": self.version,
            "rows": self.rows,
            "reward_squares": self.sums.reward_squares,
            "options": sorted(self.sums.options),
        }
        if not self.adaptive:
            settings["adaptive"] = False
        if self.half_life is not None:
            settings |= {"half_life": self.half_life, "weight": self.sums.weight}
        sums = self.sums.to_arrays(self.features.customer_width)
        return settings, {**sums, **self.features.to_arrays()}

    @classmethod
    def from_arrays(cls, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> LinearBandit:
        """Restore a state from the result of `to_arrays`.

        Raises
        ------
        BundleError
            A part is missing, or the parts are inconsistent.
        """
        features = BanditFeatures.from_saved(settings, arrays)
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
        adaptive = settings.get("adaptive", True)
        if not isinstance(adaptive, bool):
            raise BundleError("the saved bandit's setting 'adaptive' must be true or false")
        sums = RewardSums.from_saved(settings, arrays, features.shape, rows=rows, weight=weight)
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
            sums,
            adaptive,
        )
