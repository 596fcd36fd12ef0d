"""Regression of rewards on features: what all arms share, then what each arm adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.stats.newton_logistic import Block, newton_logistic

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ArmRegression", "fit_linear"]

_WAVES = 256
_LEVEL = 0.03  # how much less an arm's own level is penalised than its slopes
_FEW = 500  # customers whose distances tell how far apart customers are


@dataclass(frozen=True, eq=False)
class ArmRegression:
    """A fitted regression: shared coefficients, and each arm's departure from them.

    Attributes
    ----------
    basis
        Turns features into columns.
    shared : (k + places,) coefficients of columns and places that hold for all arms
    own : (arms, 1 + k) intercept and coefficients that each arm adds
    binary
        Whether a logistic curve bends the result.
    """

    basis: Basis
    shared: NDArray[np.float64]
    own: NDArray[np.float64]
    binary: bool

    def predict(
        self, features: NDArray[np.float64], place: NDArray[np.intp] | None = None
    ) -> NDArray[np.float64]:
        """Return the expected reward of each arm, (n, arms)."""
        columns = self.basis.columns(features)
        places = len(self.shared) - columns.shape[1]
        level = np.concatenate([columns, _placed(place, len(columns), places)], axis=1)
        raw: NDArray[np.float64] = (level @ self.shared)[:, None] + self.own[:, 0]
        raw = raw + columns @ self.own[:, 1:].T
        if self.binary:
            raw = 1 / (1 + np.exp(-np.clip(raw, -40, 40)))
        return raw


@dataclass(frozen=True, eq=False)
class Basis:
    """Standardised features (missing counts as the mean), or random waves of them.

    Attributes
    ----------
    mean, scale : (f,) that standardise
    waves : (f, m) directions, or None for the features themselves
    phase : (m,)
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    waves: NDArray[np.float64] | None = None
    phase: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, features: NDArray[np.float64], *, curved: float | None, seed: int) -> Basis:
        """Learn the basis; `curved` is how finely waves bend, None for straight lines."""
        known = ~np.isnan(features)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, features, 0.0).sum(axis=0) / count
        spread = np.sqrt((np.where(known, features - mean, 0.0) ** 2).sum(axis=0) / count)
        straight = cls(mean, np.where(spread > 0, spread, 1.0))
        if curved is None:
            return straight
        some = straight.columns(features[:_FEW])
        squares = (some**2).sum(axis=1)
        apart = float(2 * squares.mean() - 2 * (some.mean(axis=0) ** 2).sum()) or 1.0
        rng = np.random.default_rng(seed)
        waves = rng.normal(size=(features.shape[1], _WAVES)) * np.sqrt(2 * curved / apart)
        return cls(straight.mean, straight.scale, waves, rng.uniform(0, 2 * np.pi, _WAVES))

    def columns(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the columns of a matrix, (n, k)."""
        known = np.nan_to_num((features - self.mean) / self.scale, nan=0.0)
        if self.waves is None or self.phase is None:
            return known
        bent: NDArray[np.float64] = np.cos(known @ self.waves + self.phase)
        bent *= np.sqrt(2 / len(self.phase))
        return bent


def fit_linear(
    features: NDArray[np.float64],
    action: NDArray[np.intp],
    reward: NDArray[np.float64],
    *,
    arms: int,
    place: NDArray[np.intp] | None = None,
    C: float = 1.0,
    binary: bool = False,
    curved: float | None = None,
    pooled: bool = True,
    seed: int = 0,
) -> ArmRegression:
    """Fit what arms share, then what each adds, both with a ridge penalty.

    Parameters
    ----------
    features : (n, f) missing as NaN
    action : (n,) which arm
    reward : (n,)
    arms
        How many.
    place : (n,) position in a list
    C
        Inverse strength of the penalty.
    binary
        Logistic instead of linear.
    curved
        Replace the features by random Fourier features of a Gaussian kernel, this many times
        as narrow as customers are apart.
    pooled
        Whether features have coefficients for all arms, from which each arm's own depart;
        otherwise each arm stands alone, but for its intercept.
    seed
        For the Fourier features.

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
    basis = Basis.of(features, curved=curved, seed=seed)
    columns = basis.columns(features)
    width = columns.shape[1]
    places = 0 if place is None else int(place.max()) + 1
    common = columns if pooled else columns[:, :0]
    design = np.concatenate(
        [common, _placed(place, len(columns), places), np.eye(arms)[action]], axis=1
    )
    solve = _logistic if binary else _ridge
    spread = 1.0 if binary else float(reward.std()) or 1.0
    level = float(reward.mean()) if not binary else 0.0
    target = (reward - level) / spread
    penalty = np.full(design.shape[1], 1 / C)
    penalty[-arms:] *= _LEVEL
    found = solve(design, target, penalty, np.zeros(len(design)))
    shared, of_arm = found[: len(found) - arms], found[len(found) - arms :]
    if not pooled:
        shared = np.concatenate([np.zeros(width), shared])
    own = np.zeros((arms, 1 + width))
    own[:, 0] = of_arm
    offset = design @ found
    penalty = np.full(1 + width, 1 / C)
    penalty[0] *= _LEVEL
    for arm in range(arms):
        rows = np.flatnonzero(action == arm)
        if len(rows):
            inside = np.concatenate([np.ones((len(rows), 1)), columns[rows]], axis=1)
            own[arm] += solve(inside, target[rows], penalty, offset[rows])
    own[:, 0] += level / spread
    return ArmRegression(basis, shared * spread, own * spread, binary)


def _ridge(
    design: NDArray[np.float64],
    target: NDArray[np.float64],
    penalty: NDArray[np.float64],
    offset: NDArray[np.float64],
) -> NDArray[np.float64]:
    left = target - offset
    rows, width = design.shape
    if rows < width:
        spread = design.T / penalty[:, None]
        inner = design @ spread + np.eye(rows)
        return (spread @ np.linalg.solve(inner, left)).astype(np.float64)
    inner = design.T @ design + np.diag(penalty)
    return np.linalg.solve(inner, design.T @ left).astype(np.float64)


def _logistic(
    design: NDArray[np.float64],
    target: NDArray[np.float64],
    penalty: NDArray[np.float64],
    offset: NDArray[np.float64],
) -> NDArray[np.float64]:
    block = Block(design, target, np.ones(len(design)), offset)
    return newton_logistic(lambda: [block], penalty, tolerance=1e-7, max_steps=25).coefficients


def _placed(place: NDArray[np.intp] | None, rows: int, places: int) -> NDArray[np.float64]:
    """Return one column a place, (n, places); a place that training did not see has none."""
    columns = np.zeros((rows, places))
    if place is not None and places:
        seen = np.flatnonzero(place < places)
        columns[seen, place[seen]] = 1.0
    return columns
