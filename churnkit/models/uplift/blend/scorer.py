"""Scoring of an effect blend from arrays: numpy alone, no LightGBM and no pickle."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args

import numpy as np

from churnkit.errors import BundleError
from churnkit.models.errors import ModelDataError
from churnkit.models.scorers.base import check_matrix
from churnkit.models.scorers.serialization import (
    read_array,
    read_choice,
    read_integer,
    read_number,
)
from churnkit.models.uplift.blend.effects import (
    CANDIDATES,
    Offset,
    candidate_effects,
    log_odds_of_staying,
    trees_needed,
)
from churnkit.models.uplift.blend.weights import BlendWeights
from churnkit.models.uplift.effect_transforms import Link, inverse_link, with_arm
from churnkit.models.uplift.scorer import MOST_ARMS, UpliftScorer, saved_trees, trees_to_arrays

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from churnkit.trees import CompiledTrees

    Floats = NDArray[np.float64]

__all__ = ["BlendScorer", "EffectEstimates", "scorer_from_arrays"]

# Standard errors that an experiment cannot show: of a risk, as a share of it; and of a customer's
# departure from the effects of alike customers, as a share of the variance of the outcome.
_RISK_ERROR, _HETEROGENEITY = 0.2, 0.07
# The logarithm of a variance: the range of trees from a file.
_LOG_RANGE = (-60.0, 60.0)


@dataclass(frozen=True, slots=True, eq=False)
class EffectEstimates:
    """Effects with their errors: each customer's own, and the part that customers share.

    Attributes
    ----------
    effects : (n, actions)
    error : (n, actions) standard errors
    basis : (n, actions, k) columns that the blend's coefficients multiply
    low, high : (n,) bounds of an effect
    """

    effects: Floats
    error: Floats
    basis: Floats
    low: Floats
    high: Floats

    def interval(self, level: float) -> tuple[Floats, Floats, Floats]:
        """Return low, expected and high effects, each (n, actions), within the bounds."""
        reach = NormalDist().inv_cdf(0.5 + level / 2.0) * self.error
        low, high = self.low[:, None], self.high[:, None]
        return (
            np.clip(self.effects - reach, low, high),
            self.effects,
            np.clip(self.effects + reach, low, high),
        )


class BlendScorer:
    """Effects of every action against control, from a blend of candidates.

    Parameters
    ----------
    weights
        Coefficients of the blend.
    offset, link
        Of the experiment.
    n_features
        Columns that the matrix must have.
    trees
        For each candidate of a weight above zero its sets of trees.
    baseline
        Trees that forecast the outcome without treatment; None if the risk is passed in.
    spread
        For each action trees of the logarithm of the candidates' variance, or none.
    bounds
        Smallest and largest effect where the outcome is an amount.
    """

    kind: ClassVar[str] = "blend"

    def __init__(
        self,
        weights: BlendWeights,
        offset: Offset,
        link: Link,
        n_features: int,
        *,
        trees: Mapping[str, tuple[CompiledTrees, ...]],
        baseline: CompiledTrees | None,
        spread: tuple[CompiledTrees, ...] = (),
        bounds: tuple[float, float] = (-1.0, 1.0),
    ) -> None:
        self.weights = weights
        self.offset = offset
        self.link: Link = link
        self.n_features = n_features
        self.trees: dict[str, tuple[CompiledTrees, ...]] = dict(trees)
        self.baseline = baseline
        self.spread_trees = spread
        self.bounds = bounds

    @property
    def n_actions(self) -> int:
        """Number of actions, control left out."""
        return len(self.weights.relative)

    @property
    def needs_risk(self) -> bool:
        """Whether the risk of each customer must be passed."""
        return self.baseline is None

    def estimate(self, X: ArrayLike, risk: ArrayLike | None = None) -> EffectEstimates:
        """Estimate effects and their errors.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        risk : (n,) probability of an outcome of 0 without treatment; NaN gives NaN effects

        Raises
        ------
        ModelDataError
            If the blend needs risks and none are passed.
        """
        matrix = check_matrix(X, self.n_features)
        baseline, probability = self._baseline(matrix, risk)
        wide = np.column_stack([matrix, baseline])
        candidates = {
            name: candidate_effects(
                name,
                [member.raw_score for member in members],
                wide,
                baseline=baseline,
                offset=self.offset,
                link=self.link,
            )
            for name, members in self.trees.items()
        }
        basis = self.weights.basis(self.offset.scale(baseline, self.link), candidates)
        if self.link == "logit":
            low, high = probability - 1.0, probability
        else:
            low, high = (np.full(len(matrix), bound) for bound in self.bounds)
        effects = np.clip(self.weights.effects(basis), low[:, None], high[:, None])
        variance = self.weights.variance(basis)
        if self.spread_trees:
            logs = np.column_stack([trees.raw_score(wide) for trees in self.spread_trees])
            variance = variance + np.exp(np.clip(logs, *_LOG_RANGE))
        if self.link == "logit":
            variance = variance + (_RISK_ERROR * effects) ** 2
            variance = (
                variance + ((_HETEROGENEITY * probability * (1.0 - probability)) ** 2)[:, None]
            )
        return EffectEstimates(effects, np.sqrt(variance), basis, low, high)

    def predict(self, X: ArrayLike, risk: ArrayLike | None = None) -> Floats:
        """Estimate the effects, (n, actions)."""
        return self.estimate(X, risk).effects

    def interval(
        self, X: ArrayLike, *, level: float = 0.95, risk: ArrayLike | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """Estimate low, expected and high effects, each (n, actions)."""
        return self.estimate(X, risk).interval(level)

    def _baseline(self, matrix: Floats, risk: ArrayLike | None) -> tuple[Floats, Floats]:
        """Return the linked outcome without treatment, and the risk, each (n,)."""
        if self.baseline is not None:
            raw = self.baseline.raw_score(with_arm(matrix, 0, self.n_actions))
            if risk is None or self.link == "identity":
                return raw, 1.0 - inverse_link(raw, self.link)
            # Effects are bounded by the risk that is shown.
            return raw, np.asarray(risk, dtype=np.float64)
        if risk is None:
            raise ModelDataError(
                "risk is missing: the effects were fitted with risk=, pass it here"
            )
        probability = np.asarray(risk, dtype=np.float64)
        if probability.shape != (len(matrix),):
            raise ModelDataError(
                f"risk has shape {probability.shape} for {len(matrix)} rows: pass one for each row"
            )
        return log_odds_of_staying(probability), probability

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the scorer."""
        described: dict[str, Any] = {
            "kind": self.kind,
            "link": self.link,
            "n_features": self.n_features,
            "n_actions": self.n_actions,
            "intercept": self.offset.intercept,
            "slope": self.offset.slope,
            "level": self.offset.level,
            "bounds": list(self.bounds),
            "candidates": list(self.trees),
        }
        arrays: dict[str, NDArray[Any]] = {
            "arms": self.offset.arms,
            "relative": self.weights.relative,
            "constant": self.weights.constant,
            "weights": self.weights.weights,
            "centering": self.weights.centering,
            "covariance": self.weights.covariance,
        }
        baseline = () if self.baseline is None else (self.baseline,)
        groups = {**self.trees, "baseline": baseline, "spread": self.spread_trees}
        for name, group in groups.items():
            described[f"trees_{name}"], held = trees_to_arrays(name, group)
            arrays |= held
        return described, arrays

    @classmethod
    def from_arrays(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore a scorer.

        Raises
        ------
        BundleError
            If settings and arrays do not fit together.
        """
        link: Link = read_choice(settings, "link", among=get_args(Link))  # type: ignore[assignment]
        actions = read_integer(settings, "n_actions", low=1, high=MOST_ARMS)
        width = read_integer(settings, "n_features", low=1, high=2**31 - 1)
        names = settings.get("candidates")
        if not isinstance(names, list) or not set(names) <= set(CANDIDATES):
            raise BundleError("the saved uplift has unknown candidates: train again")
        groups: dict[str, tuple[CompiledTrees, ...]] = {}
        for name in names:
            columns = width + 1 + (actions if name == "s" else 0)
            groups[name] = _trees(settings, arrays, name, trees_needed(name, actions), columns)
        own = settings.get("trees_baseline")
        baseline = _trees(settings, arrays, "baseline", 1, width + actions) if own else ()
        spread = settings.get("trees_spread")
        size = 2 * actions + len(CANDIDATES)
        weights = BlendWeights(
            CANDIDATES,
            read_array(arrays, "relative", dtype="float64", size=actions),
            read_array(arrays, "constant", dtype="float64", size=actions),
            read_array(arrays, "weights", dtype="float64", size=len(CANDIDATES)),
            _square(arrays, "centering", (actions, 1 + len(CANDIDATES))),
            _square(arrays, "covariance", (size, size)),
        )
        if set(weights.active) - set(groups):
            raise BundleError("the saved uplift lacks trees of a candidate: train again")
        bounds = settings.get("bounds")
        if not isinstance(bounds, list) or len(bounds) != 2:
            raise BundleError("the saved uplift lacks the bounds of an effect: train again")
        low, high = (read_number({"bound": bound}, "bound") for bound in bounds)
        return cls(
            weights,
            Offset(
                read_number(settings, "intercept"),
                read_number(settings, "slope"),
                read_array(arrays, "arms", dtype="float64", size=actions + 1),
                read_number(settings, "level"),
            ),
            link,
            width,
            trees=groups,
            baseline=baseline[0] if baseline else None,
            spread=_trees(settings, arrays, "spread", actions, width + 1) if spread else (),
            bounds=(low, high),
        )


def scorer_from_arrays(
    settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> BlendScorer | UpliftScorer:
    """Restore the scorer of a blend, or of a learner alone."""
    if settings.get("kind") == BlendScorer.kind:
        return BlendScorer.from_arrays(settings, arrays)
    return UpliftScorer.from_arrays(settings, arrays)


def _trees(
    settings: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    name: str,
    count: int,
    columns: int,
) -> tuple[CompiledTrees, ...]:
    members = saved_trees(settings.get(f"trees_{name}"), arrays, name, count)
    if any(member.n_features != columns for member in members):
        raise BundleError("the trees of the saved uplift read another number of columns")
    return members


def _square(arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, int]) -> Floats:
    flat = arrays.get(name)
    if flat is None or flat.shape != shape or not np.isfinite(flat).all():
        raise BundleError(f"the saved uplift has no finite {name} of shape {shape}: train again")
    return np.asarray(flat, dtype=np.float64)
