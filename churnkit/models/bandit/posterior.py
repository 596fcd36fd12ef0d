"""Posterior of a linear bandit, averaged over how much options differ.

The priors of a bandit state how much options may differ in reward, in units of the noise. With rare
rewards, options often differ far less than that, and an estimate with a wide prior follows chance.
So the posterior is averaged over models that scale the prior deviation of all coefficients that
make options differ: those of the intercepts by ``general``, those of customer features by
``personal``. Each model has its weight by its marginal likelihood (empirical Bayes on a grid).

References
----------
Hoeting, Madigan, Raftery, Volinsky (1999). Bayesian model averaging. Statistical Science 14.
Efron, Morris (1975). Data analysis using Stein's estimator. JASA 70.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.models.bandit.features import BanditFeatures
    from churnkit.models.bandit.sums import RewardSums

    Floats = NDArray[np.float64]

__all__ = [
    "FIXED_SCALE",
    "ModelPosterior",
    "OptionScale",
    "log_evidence",
    "option_scales",
    "solve_posteriors",
]

_STEPS = (1.0, 1 / 4, 1 / 16, 1 / 32, 1 / 64, 1 / 256)
# Relative deviation of customer effects where options differ equally for all customers.
_NO_INTERACTION = 1e-3
# Log prior odds of the bandit's own priors against each smaller scale.
_PRIOR_LOG_ODDS = 30.0
# Models below this weight are dropped.
_LEAST_WEIGHT = 1e-4
# Numbers in one array of the models that are solved together.
_MAX_NUMBERS = 4_000_000


@dataclass(frozen=True, slots=True)
class OptionScale:
    """Factors on the prior deviations of the coefficients that make options differ.

    Attributes
    ----------
    general
        Factor for differences that all customers share.
    personal
        Factor for differences by customer features.
    """

    general: float = 1.0
    personal: float = 1.0

    def precision(self, own: float, shared: float, shape: tuple[int, int]) -> tuple[Floats, Floats]:
        """Return the prior precisions of an option's own and of the shared coefficients.

        Parameters
        ----------
        own, shared
            Prior precisions of the bandit.
        shape
            Number of customer columns p and of option columns 1 + g, intercepts included.

        Returns
        -------
        (p,) and (p * (1 + g),)
        """
        factor = np.full(shape, 1.0 / self.personal**2)
        factor[0] = 1.0 / self.general**2
        of_option = own * factor[:, 0]
        # Customer effects that all options share do not change their order.
        factor[:, 0] = 1.0
        return of_option, (shared * factor).ravel()


FIXED_SCALE = (OptionScale(),)


def option_scales(personal: bool) -> tuple[OptionScale, ...]:  # noqa: FBT001
    """Return the grid of scales, the bandit's own priors first."""
    scales = []
    for step, general in enumerate(_STEPS):
        scales += [OptionScale(general, factor) for factor in _STEPS[step:]] if personal else []
        scales.append(OptionScale(general, general * _NO_INTERACTION))
    return tuple(scales)


@dataclass(frozen=True, slots=True, eq=False)
class ModelPosterior:
    """Posterior under one scale.

    Attributes
    ----------
    weight
        Posterior probability of the scale.
    precision : (p,) prior precision of an option's own coefficients
    shared_precision : (q,) prior precision of the shared coefficients
    mean : (q,) posterior mean of the shared coefficients
    root : (q, q) Cholesky factor of their precision
    variance
        Variance of the noise.
    """

    weight: float
    precision: Floats
    shared_precision: Floats
    mean: Floats
    root: Floats
    variance: float


def solve_posteriors(
    features: BanditFeatures,
    scales: Sequence[OptionScale],
    *,
    priors: tuple[float, float],
    rewards: RewardSums,
) -> list[ModelPosterior]:
    """Return the posteriors of the scales that the data support, with their weights.

    Parameters
    ----------
    features
        Encoding of customers and options.
    scales
        Grid of scales.
    priors
        Prior precisions of the option's own and of the shared coefficients.
    rewards
        Sums of the rewards.
    """
    shape = features.shape
    own, shared = (
        np.stack(rows)
        for rows in zip(*(scale.precision(*priors, shape) for scale in scales), strict=True)
    )
    sums = _StackedSums.of(rewards)
    size = max(1, _MAX_NUMBERS // sums.numbers)
    groups = [
        sums.solve(own[start : start + size], shared[start : start + size])
        for start in range(0, len(scales), size)
    ]
    mean, root, variance, evidence = (np.concatenate(parts) for parts in zip(*groups, strict=True))
    evidence[1:] -= _PRIOR_LOG_ODDS
    weights = np.exp(evidence - evidence.max())
    kept = np.flatnonzero(weights >= _LEAST_WEIGHT * weights.sum())
    weights /= weights[kept].sum()
    return [
        ModelPosterior(float(weights[k]), own[k], shared[k], mean[k], root[k], float(variance[k]))
        for k in kept.tolist()
    ]


def log_evidence(rewards: RewardSums, precisions: tuple[Floats, Floats], variance: float) -> float:
    """Return the log marginal likelihood of rewards with known noise, less terms of the noise alone.

    Parameters
    ----------
    rewards
        Sums of the rewards.
    precisions
        Prior precisions of an option's own (p,) and of the shared coefficients (q,).
    variance
        Variance of the noise.
    """
    own, shared = precisions
    _, _, explained, determinants = _StackedSums.of(rewards).factorize(own[None], shared[None])
    return float(determinants[0] + explained[0] / (2.0 * variance))


@dataclass(frozen=True, slots=True, eq=False)
class _StackedSums:
    """Sums of the shared rows and, stacked, of the options."""

    squares: Floats
    target: Floats
    reward_squares: float
    rows: float
    own_squares: Floats
    right: Floats

    @classmethod
    def of(cls, rewards: RewardSums) -> _StackedSums:
        """Stack the options' sums; the products with the shared rows and the targets together."""
        parts = rewards.options.values()
        width = len(rewards.target)
        own = np.array([part.squares for part in parts])
        right = [np.column_stack([part.crossed, part.target]) for part in parts]
        return cls(
            rewards.squares,
            rewards.target,
            rewards.reward_squares,
            rewards.weight,
            own,
            np.array(right) if right else np.empty((0, 1, width + 1)),
        )

    @property
    def numbers(self) -> int:
        """Number of values that one model needs."""
        return self.right.size + self.squares.size

    def solve(self, own: Floats, shared: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return shared means, roots of their precisions, noise variances and log evidence.

        Parameters
        ----------
        own : (m, p) prior precisions of the options' own coefficients
        shared : (m, q) prior precisions of the shared coefficients
        """
        half, root, explained, evidence = self.factorize(own, shared)
        # The noise variance has an inverse-gamma prior with mean 1/4, equivalent to two rewards.
        scale = 0.5 + np.maximum(self.reward_squares - explained, 0.0)
        evidence = evidence - (1.0 + self.rows / 2.0) * np.log(scale / 2.0)
        mean = np.linalg.solve(np.swapaxes(root, 1, 2), half)[:, :, 0].astype(np.float64)
        return mean, root, scale / (2.0 + self.rows), evidence

    def factorize(self, own: Floats, shared: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return half-solved shared means, roots, explained squares and log determinants.

        The log determinants are half of the prior precisions' less half of the posterior's.
        """
        models, width = shared.shape
        precision = self.squares + shared[:, :, None] * np.eye(width)
        residual = np.broadcast_to(self.target, (models, width))
        explained = np.zeros(models)
        evidence: Floats = 0.5 * np.log(shared).sum(axis=1)
        if len(self.own_squares):
            inner = self.own_squares + (own[:, :, None] * np.eye(own.shape[1]))[:, None]
            own_root = np.linalg.cholesky(regularize(inner))
            half = np.linalg.solve(
                own_root, np.broadcast_to(self.right, (models, *self.right.shape))
            )
            half = half.reshape(models, -1, width + 1)
            products = np.swapaxes(half, 1, 2) @ half
            precision = precision - products[:, :-1, :-1]
            residual = residual - products[:, :-1, -1]
            explained += products[:, -1, -1]
            evidence += 0.5 * len(self.own_squares) * np.log(own).sum(axis=1)
            evidence -= np.log(np.diagonal(own_root, axis1=2, axis2=3)).sum(axis=(1, 2))
        root: Floats = np.linalg.cholesky(regularize(precision)).astype(np.float64)
        half = np.asarray(np.linalg.solve(root, residual[:, :, None]), dtype=np.float64)
        explained += (half**2).sum(axis=(1, 2))
        evidence -= np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
        return half, root, explained, evidence


def regularize(matrices: Floats) -> Floats:
    """Return precision matrices made symmetric and positive definite despite rounding."""
    width = matrices.shape[-1]
    floor = 1e-12 * np.trace(matrices, axis1=-2, axis2=-1) / width
    symmetric: Floats = (matrices + np.swapaxes(matrices, -1, -2)) / 2
    return symmetric + np.asarray(floor)[..., None, None] * np.eye(width)
