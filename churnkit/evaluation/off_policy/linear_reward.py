"""Ridge and logistic reward models with shared and arm-specific coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.stats.newton_logistic import Block, newton_logistic

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ArmRegression", "fit_linear"]

_FREQUENCIES = 256
_INTERCEPT_PENALTY = 0.03  # penalty of an arm's intercept relative to its slopes
_SAMPLE = 500  # rows from which the kernel's scale is estimated


@dataclass(frozen=True, eq=False)
class ArmRegression:
    """A fitted regression: shared coefficients, and each arm's deviation from them.

    Attributes
    ----------
    basis
        Transforms features to columns.
    shared : (k + positions,) coefficients of columns and positions, common to all arms
    arm : (arms, 1 + k) intercept and deviations of each arm
    binary
        True for a logistic link.
    """

    basis: Basis
    shared: NDArray[np.float64]
    arm: NDArray[np.float64]
    binary: bool

    def predict(
        self, features: NDArray[np.float64], position: NDArray[np.intp] | None = None
    ) -> NDArray[np.float64]:
        """Return the expected reward of each arm, (n, arms)."""
        columns = self.basis.columns(features)
        positions = len(self.shared) - columns.shape[1]
        common = np.concatenate([columns, _one_hot(position, len(columns), positions)], axis=1)
        raw: NDArray[np.float64] = (common @ self.shared)[:, None] + self.arm[:, 0]
        raw = raw + columns @ self.arm[:, 1:].T
        if self.binary:
            raw = 1 / (1 + np.exp(-np.clip(raw, -40, 40)))
        return raw


@dataclass(frozen=True, eq=False)
class Basis:
    """Standardized features (missing as the mean), or random Fourier features of them.

    Attributes
    ----------
    mean, scale : (f,) of the standardization
    frequencies : (f, m), or None for the features themselves
    phase : (m,)
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    frequencies: NDArray[np.float64] | None = None
    phase: NDArray[np.float64] | None = None

    @classmethod
    def fit(cls, features: NDArray[np.float64], *, curved: float | None, seed: int) -> Basis:
        """Fit the basis; `curved` is the inverse kernel width, None for linear columns."""
        present = ~np.isnan(features)
        count = np.maximum(present.sum(axis=0), 1)
        mean = np.where(present, features, 0.0).sum(axis=0) / count
        spread = np.sqrt((np.where(present, features - mean, 0.0) ** 2).sum(axis=0) / count)
        linear = cls(mean, np.where(spread > 0, spread, 1.0))
        if curved is None:
            return linear
        sample = linear.columns(features[:_SAMPLE])
        squares = (sample**2).sum(axis=1)
        distance = float(2 * squares.mean() - 2 * (sample.mean(axis=0) ** 2).sum()) or 1.0
        rng = np.random.default_rng(seed)
        scale = np.sqrt(2 * curved / distance)
        frequencies = rng.normal(size=(features.shape[1], _FREQUENCIES)) * scale
        phase = rng.uniform(0, 2 * np.pi, _FREQUENCIES)
        return cls(linear.mean, linear.scale, frequencies, phase)

    def columns(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the columns of a matrix, (n, k)."""
        standardized = np.nan_to_num((features - self.mean) / self.scale, nan=0.0)
        if self.frequencies is None or self.phase is None:
            return standardized
        waves: NDArray[np.float64] = np.cos(standardized @ self.frequencies + self.phase)
        waves *= np.sqrt(2 / len(self.phase))
        return waves


def fit_linear(
    features: NDArray[np.float64],
    action: NDArray[np.intp],
    reward: NDArray[np.float64],
    *,
    arms: int,
    position: NDArray[np.intp] | None = None,
    C: float = 1.0,
    binary: bool = False,
    curved: float | None = None,
    pooled: bool = True,
    seed: int = 0,
) -> ArmRegression:
    """Fit shared coefficients, then each arm's deviations, both with a ridge penalty.

    Parameters
    ----------
    features : (n, f) missing as NaN
    action : (n,) arm
    reward : (n,)
    arms
        Number of arms.
    position : (n,) position in a list
    C
        Inverse strength of the penalty.
    binary
        Logistic instead of linear.
    curved
        Replace the features by random Fourier features of a Gaussian kernel, whose inverse
        squared width is this multiple of the customers' mean squared distance.
    pooled
        Share coefficients between arms, from which each arm deviates; otherwise only the
        intercepts are shrunk to each other.
    seed
        Seed of the Fourier features.

    Returns
    -------
    ArmRegression

    References
    ----------
    Rahimi, Recht (2007), Random features for large-scale kernel machines, NIPS.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [0.0], [1.0]])
    >>> fitted = fit_linear(x, np.array([0, 0, 1, 1]), np.array([0.0, 0.0, 0.0, 4.0]), arms=2, C=1e6)
    >>> (fitted.predict(x).round(3) + 0.0).tolist()
    [[0.0, 0.0], [0.0, 4.0], [0.0, 0.0], [0.0, 4.0]]
    """
    basis = Basis.fit(features, curved=curved, seed=seed)
    columns = basis.columns(features)
    width = columns.shape[1]
    positions = 0 if position is None else int(position.max()) + 1
    common = columns if pooled else columns[:, :0]
    design = np.concatenate(
        [common, _one_hot(position, len(columns), positions), np.eye(arms)[action]], axis=1
    )
    solve = _logistic if binary else _ridge
    spread = 1.0 if binary else float(reward.std()) or 1.0
    level = float(reward.mean()) if not binary else 0.0
    target = (reward - level) / spread
    penalty = np.full(design.shape[1], 1 / C)
    penalty[-arms:] *= _INTERCEPT_PENALTY
    solution = solve(design, target, penalty, np.zeros(len(design)))
    shared, intercepts = solution[:-arms], solution[-arms:]
    if not pooled:
        shared = np.concatenate([np.zeros(width), shared])
    deviation = np.zeros((arms, 1 + width))
    deviation[:, 0] = intercepts
    offset = design @ solution
    penalty = np.full(1 + width, 1 / C)
    penalty[0] *= _INTERCEPT_PENALTY
    for arm in range(arms):
        rows = np.flatnonzero(action == arm)
        if len(rows):
            inside = np.concatenate([np.ones((len(rows), 1)), columns[rows]], axis=1)
            deviation[arm] += solve(inside, target[rows], penalty, offset[rows])
    deviation[:, 0] += level / spread
    return ArmRegression(basis, shared * spread, deviation * spread, binary)


def _ridge(
    design: NDArray[np.float64],
    target: NDArray[np.float64],
    penalty: NDArray[np.float64],
    offset: NDArray[np.float64],
) -> NDArray[np.float64]:
    residual = target - offset
    rows, width = design.shape
    if rows < width:
        spread = design.T / penalty[:, None]
        inner = design @ spread + np.eye(rows)
        return (spread @ np.linalg.solve(inner, residual)).astype(np.float64)
    inner = design.T @ design + np.diag(penalty)
    return np.linalg.solve(inner, design.T @ residual).astype(np.float64)


def _logistic(
    design: NDArray[np.float64],
    target: NDArray[np.float64],
    penalty: NDArray[np.float64],
    offset: NDArray[np.float64],
) -> NDArray[np.float64]:
    block = Block(design, target, np.ones(len(design)), offset)
    return newton_logistic(lambda: [block], penalty, tolerance=1e-7, max_steps=25).coefficients


def _one_hot(position: NDArray[np.intp] | None, rows: int, positions: int) -> NDArray[np.float64]:
    """Return one column per position, (n, positions); zeros for positions unseen in training."""
    columns = np.zeros((rows, positions))
    if position is not None and positions:
        seen = np.flatnonzero(position < positions)
        columns[seen, position[seen]] = 1.0
    return columns
