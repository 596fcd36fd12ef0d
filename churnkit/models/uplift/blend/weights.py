"""Weights of an effect blend, stacked out of fold and shrunk where the data say little.

The effect of action a for customer x is

    effect_a(x) = r_a s(x) + c_a + sum_k b_k h_ka(x),    b_k >= 0

with the risk s, held-out candidate effects h_k, and all terms but the first orthogonal to s. The
coefficients minimize the residual (R-) loss with cross-fitted outcome and chances (Nie and Wager
2021, doi:10.1093/biomet/asaa076), so that stacking is causal (Han and Wu 2022, arXiv:2205.01061).
Departures from proportionality to the risk are kept by the share of their fit that chance cannot
explain (a positive-part James-Stein rule). Relative effects are posterior means: actions of one
business are expected to be alike (Lindley and Smith 1972, doi:10.1111/j.2517-6161.1972.tb00885.x),
and there is a chance that none works.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from churnkit.models.uplift.effect_transforms import inverse_link

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from churnkit.models.uplift.blend.effects import Offset
    from churnkit.models.uplift.nuisance import Nuisance
    from churnkit.models.uplift.validation import ExperimentRows

    Floats = NDArray[np.float64]

__all__ = ["BlendWeights", "Design", "fit_weights"]

# Prior of relative effects: with 1 chance in 21 none, else around a common share of the risk.
_RELATIVE_MEAN, _RELATIVE_SD, _BETWEEN_ACTIONS_SD = 0.2, 0.15, 0.1
_ODDS_OF_AN_EFFECT = 20.0
# Prior standard deviations: of the constant, in mean risks, and of a candidate's weight.
_CONSTANT_SD, _WEIGHT_SD = 0.3, 1.0
# Improvements in fit, on the chi-squared scale, that chance alone reaches.
_CHANCE_PER_CONSTANT, _CHANCE_OF_CANDIDATES = 2.0, 6.0
_SMALLEST = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class BlendWeights:
    """Coefficients of a blend.

    Attributes
    ----------
    names
        The candidates.
    relative : (actions,) share of the risk that each action prevents
    constant : (actions,) effect apart from the risk
    weights : (candidates,) zero or more
    centering : (actions, 1 + candidates)
        Multiples of the risk that make the constant and each candidate orthogonal to it.
    covariance : (2 actions + candidates,) squared
        Of relative effects, constants and weights, by the sandwich over customers.
    """

    names: tuple[str, ...]
    relative: Floats
    constant: Floats
    weights: Floats
    centering: Floats
    covariance: Floats

    @property
    def active(self) -> tuple[str, ...]:
        """Candidates of a weight above zero."""
        return tuple(
            name for name, weight in zip(self.names, self.weights, strict=True) if weight > 0.0
        )

    def basis(self, scale: Floats, candidates: Mapping[str, Floats]) -> Floats:
        """Return the columns that coefficients multiply, (n, actions, 2 + candidates).

        The columns of candidates without weight are zero.
        """
        actions = len(self.relative)
        columns = np.zeros((len(scale), actions, 2 + len(self.names)))
        columns[:, :, 0] = scale[:, None]
        columns[:, :, 1] = 1.0 - self.centering[:, 0] * scale[:, None]
        for at, name in enumerate(self.names):
            if name in candidates:
                centered = candidates[name] - self.centering[:, 1 + at] * scale[:, None]
                columns[:, :, 2 + at] = centered
        return columns

    def effects(self, basis: Floats) -> Floats:
        """Return the effects, (n, actions), before they are bounded by the risk."""
        found: Floats = basis[:, :, 0] * self.relative + basis[:, :, 1] * self.constant
        for at, weight in enumerate(self.weights.tolist()):
            if weight > 0.0:
                found = found + weight * basis[:, :, 2 + at]
        return found

    def variance(self, basis: Floats) -> Floats:
        """Return the variance of the effects by that of the coefficients, (n, actions)."""
        found = np.zeros(basis.shape[:2])
        for action in range(basis.shape[1]):
            at = self.positions(action)
            part = self.covariance[np.ix_(at, at)]
            # Summed in one order, so that a row alone has the bits that it has in a table.
            for i, j in zip(*np.nonzero(part), strict=True):
                found[:, action] += part[i, j] * basis[:, action, i] * basis[:, action, j]
        return np.maximum(found, 0.0)

    def positions(self, action: int) -> list[int]:
        """Return which coefficients the columns of an action's basis belong to."""
        actions = len(self.relative)
        return [action, actions + action, *range(2 * actions, 2 * actions + len(self.names))]


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """The residual regression of an experiment's rows.

    Attributes
    ----------
    residual : (n,) outcome less its cross-fitted mean
    surprise : (n, actions) arm indicator less its chance
    chance : (n, actions)
    scale : (n,) what relative effects are relative to
    weight : (n,) precision
    candidates : (k, n, actions) held-out effects
    names
        Of the candidates.
    group : (n,) customer of each row
    """

    residual: Floats
    surprise: Floats
    chance: Floats
    scale: Floats
    weight: Floats
    candidates: Floats
    names: tuple[str, ...]
    group: NDArray[np.int64]

    @classmethod
    def of(
        cls, rows: ExperimentRows, nuisance: Nuisance, offset: Offset, baseline: Floats
    ) -> Design:
        """Set up the regression from cross-fitted outcomes and chances, without candidates.

        Where the chance of the given arm is known to depend on more than the columns, rows are
        weighted so that the arms are distributed as the columns imply.
        """
        mean = (nuisance.chance * nuisance.outcome).sum(axis=1)
        if rows.link == "logit":
            # By the offset alone: the trees' forecasts are noisier, and as weights add their noise.
            expected = inverse_link(offset.untreated(baseline)[:, None] + offset.arms, rows.link)
            share = (nuisance.chance * expected).sum(axis=1)
            variance = share * (1.0 - share)
            variance = np.maximum(variance, variance.mean() / 4.0)
        else:
            variance = np.full(len(rows), max(float(np.var(rows.outcome - mean)), _SMALLEST))
        likelihood_ratio = nuisance.chance[np.arange(len(rows)), rows.arm] / nuisance.given
        return cls(
            residual=rows.outcome - mean,
            surprise=(rows.arm[:, None] == np.arange(1, rows.arms)) - nuisance.chance[:, 1:],
            chance=nuisance.chance[:, 1:],
            scale=offset.scale(baseline, rows.link),
            weight=likelihood_ratio / variance,
            candidates=np.zeros((0, len(rows), rows.arms - 1)),
            names=(),
            group=rows.group,
        )

    def with_candidates(self, held_out: Mapping[str, Floats]) -> Design:
        """Add the held-out effects of candidates."""
        names = tuple(held_out)
        return replace(self, candidates=np.array([held_out[name] for name in names]), names=names)

    def loss(self, effects: Floats) -> float:
        """Return the residual (R-) loss of held-out effects (n, actions)."""
        error = self.residual - (self.surprise * effects).sum(axis=1)
        return float(self.weight @ error**2)

    def without(self, fold: NDArray[np.bool_]) -> Design:
        """Give a fold's rows no weight."""
        return replace(self, weight=np.where(fold, 0.0, self.weight))


def fit_weights(
    design: Design, *, personalized: bool = True, constants: bool = True
) -> BlendWeights:
    """Fit the coefficients of a blend.

    Parameters
    ----------
    design
        With held-out candidates.
    personalized, constants
        Whether candidates, and effects apart from the risk, may have a part.
    """
    weight, surprise = design.weight, design.surprise
    actions = surprise.shape[1]
    ones = np.ones_like(surprise)[None]
    terms = np.concatenate([ones, design.candidates]) if len(design.names) else ones
    terms, centering = _centered(terms, design)
    relative = surprise * design.scale[:, None]
    gram = _inner(relative, relative, weight) + _SMALLEST * np.eye(actions)

    def orthogonal(columns: Floats) -> Floats:
        return columns - relative @ np.linalg.solve(gram, _inner(relative, columns, weight))

    own_constant = surprise * terms[0]
    own_candidates = (terms[1:] * surprise).sum(axis=2).T
    target = orthogonal(design.residual[:, None])[:, 0]
    constant, kept = np.zeros(actions), 0.0
    if constants:
        constant, kept = _shrunken_constants(orthogonal(own_constant), target, design)
        target = target - orthogonal(own_constant) @ constant
    weights, share = np.zeros(len(design.names)), 0.0
    if personalized and len(design.names):
        weights, share = _shrunken_weights(orthogonal(own_candidates), target, weight)
    rest = design.residual - own_constant @ constant - own_candidates @ weights
    raw = np.linalg.solve(gram, _inner(relative, rest[:, None], weight)[:, 0])
    covariance = _sandwich(
        np.column_stack([relative, own_constant, own_candidates]),
        rest - relative @ raw,
        design,
        used=np.concatenate([np.ones(actions), np.full(actions, kept), share * (weights > 0.0)]),
    )
    shrunk, multiple = _shrunken_relative(
        np.asarray(raw, np.float64), covariance[:actions, :actions]
    )
    # Posterior covariance: a share of the noise's, and of what others have in common with it.
    covariance[:actions] = multiple @ covariance[:actions]
    covariance[actions:, :actions] = covariance[:actions, actions:].T
    return BlendWeights(design.names, shrunk, constant, weights, centering, covariance)


def _inner(left: Floats, right: Floats, weight: Floats) -> Floats:
    return (left * weight[:, None]).T @ right


def _centered(terms: Floats, design: Design) -> tuple[Floats, Floats]:
    """Make each term (k, n, actions) orthogonal to the risk, action by action."""
    importance = design.weight[:, None] * design.chance * (1.0 - design.chance)
    scale = design.scale[:, None]
    length = (importance * scale**2).sum(axis=0) + _SMALLEST
    multiples = (importance * scale * terms).sum(axis=1) / length
    return terms - multiples[:, None, :] * scale, multiples.T


def _shrunken_constants(columns: Floats, target: Floats, design: Design) -> tuple[Floats, float]:
    """Fit effects apart from the risk; with the share of them that is kept."""
    actions = columns.shape[1]
    precision = 1.0 / (_CONSTANT_SD * float(design.scale.mean())) ** 2
    gradient = _inner(columns, target[:, None], design.weight)[:, 0]
    gram = _inner(columns, columns, design.weight) + precision * np.eye(actions)
    fitted = np.linalg.solve(gram, gradient)
    improvement = float(gradient @ fitted)
    share = max(0.0, 1.0 - _CHANCE_PER_CONSTANT * actions / max(improvement, _SMALLEST))
    return fitted * share, share


def _shrunken_weights(columns: Floats, target: Floats, weight: Floats) -> tuple[Floats, float]:
    """Fit candidates' weights, zero or more; with the share of them that is kept."""
    from scipy.optimize import nnls

    gradient = _inner(columns, target[:, None], weight)[:, 0]
    gram = _inner(columns, columns, weight) + np.eye(columns.shape[1]) / _WEIGHT_SD**2
    root = np.linalg.cholesky(gram)
    fitted, _ = nnls(root.T, np.linalg.solve(root, gradient))
    improvement = float(2.0 * gradient @ fitted - fitted @ gram @ fitted)
    share = max(0.0, 1.0 - _CHANCE_OF_CANDIDATES / max(improvement, _SMALLEST))
    return fitted * share, share


def _sandwich(columns: Floats, residual: Floats, design: Design, *, used: Floats) -> Floats:
    """Return the coefficients' covariance, by customers; zero for columns that are not used."""
    at = np.flatnonzero(used > 0.0)
    part = columns[:, at]
    gram = _inner(part, part, design.weight) + _SMALLEST * np.eye(len(at))
    scores = part * (design.weight * residual)[:, None]
    customers = np.column_stack([np.bincount(design.group, column) for column in scores.T])
    inverse = np.linalg.inv(gram)
    covariance: Floats = np.zeros((columns.shape[1],) * 2)
    covariance[np.ix_(at, at)] = (
        inverse @ (customers.T @ customers) @ inverse * np.outer(used[at], used[at])
    )
    return covariance


def _shrunken_relative(raw: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Return the posterior mean under a prior by which no action works, or all work alike.

    With the matrix by which deviations from the prior mean are multiplied.
    """
    actions = len(raw)
    noise = covariance + _SMALLEST * np.eye(actions)
    prior = _RELATIVE_SD**2 * np.ones_like(noise) + _BETWEEN_ACTIONS_SD**2 * np.eye(actions)
    off = raw - _RELATIVE_MEAN
    scaled = np.linalg.solve(noise + prior, off)
    log_odds = np.log(_ODDS_OF_AN_EFFECT) + 0.5 * (
        np.linalg.slogdet(noise)[1]
        - np.linalg.slogdet(noise + prior)[1]
        + raw @ np.linalg.solve(noise, raw)
        - off @ scaled
    )
    effects: Floats = _RELATIVE_MEAN + prior @ scaled
    effects = effects / (1.0 + np.exp(-np.clip(log_odds, -500.0, 500.0)))
    return effects, np.asarray(np.linalg.solve(noise + prior, prior).T, dtype=np.float64)
