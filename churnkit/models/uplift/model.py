"""What each action does for each customer, from an experiment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from churnkit.evaluation import Interval, paired_value, rank_average_effect
from churnkit.models.errors import ModelDataError
from churnkit.models.training_rows import check_categories, redact_values
from churnkit.models.uplift.calibration import Calibrating, fit_curve, fit_spread
from churnkit.models.uplift.meta_learners import LEARNERS, Halves, fit_halves, rough_variance
from churnkit.models.uplift.nuisance import Nuisance, Settings, fit_nuisance
from churnkit.models.uplift.policy_test import UpliftVerdict, judge, money, policy_of
from churnkit.models.uplift.scorer import Curve, UpliftScorer
from churnkit.models.uplift.validation import ExperimentRows, checked_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from churnkit.evaluation import Rate

__all__ = ["UpliftModel"]

# Pairs of halves on which learners compete; the winner is fitted on as many as are asked for.
_CONTEST_PAIRS = 2
_ROUGH_LEAVES, _ROUGH_ROWS, _ROUGH_POWER = 16, 60_000, 0.3
_FEWEST_OF_A_LEAF = 20


class UpliftModel(BaseEstimator):
    """Effects of several actions against control, with an interval for each customer.

    Parameters
    ----------
    learner
        ``"dr"``, ``"r"``, ``"x"``, ``"t"`` or ``"s"``; ``"response"``, for effects that depend on
        how likely the outcome is anyway; ``"average"``, one effect for all; or ``"auto"``: the
        one whose decisions are worth most on customers that it did not see, unless the gain on
        ``"average"`` is within one standard error.
    calibration
        ``"isotonic"`` or ``"linear"``.
    rounds, num_leaves
        Of the trees on each half of the customers.
    pairs
        How many pairs of halves; more are smoother.
    folds
        In which outcomes and chances are forecast.
    clip
        Chances are lifted to this.
    categorical_features
        Indices of the columns that hold category codes.
    num_threads
        How many threads LightGBM may use.
    seed
        The same seed gives the same model.

    Attributes
    ----------
    scorer_ : UpliftScorer
    learner_ : str
    verdict_ : UpliftVerdict
        Whether personalising pays.
    contest_ : dict
        For each learner that was tried what its decisions bring beyond those of ``"average"``.
    rates_ : tuple of Rate
        For each action whether effects differ in the way that is forecast (AUTOC).
    average_effects_ : tuple of Interval
        For each action its mean effect.
    held_out_effects_ : (n, arms - 1)
        Of the training rows, by trees that did not see the customer.
    scores_ : (n, arms)
        Doubly robust scores of the training rows.
    clipped_share_ : float
        Of the customers whose chances were lifted.
    n_arms_, n_features_in_ : int

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(4000, 3))
    >>> treatment = rng.integers(0, 2, 4000)
    >>> y = treatment * (X[:, 0] > 0) + rng.normal(size=4000)
    >>> model = UpliftModel("dr").fit(X, y, treatment=treatment, propensity=np.full(4000, 0.5))
    >>> low, expected, high = model.predict_interval([[2.0, 0, 0], [-2.0, 0, 0]])
    >>> expected.shape, bool(low[0, 0] > 0 > low[1, 0])
    ((2, 1), True)
    """

    scorer_: UpliftScorer
    n_features_in_: int

    def __init__(
        self,
        learner: str = "auto",
        *,
        calibration: Calibrating = "isotonic",
        rounds: int = 60,
        num_leaves: int = 8,
        pairs: int = 4,
        folds: int = 5,
        clip: float = 0.01,
        categorical_features: tuple[int, ...] | None = None,
        num_threads: int = 1,
        seed: int = 0,
    ) -> None:
        self.learner = learner
        self.calibration = calibration
        self.rounds = rounds
        self.num_leaves = num_leaves
        self.pairs = pairs
        self.folds = folds
        self.clip = clip
        self.categorical_features = categorical_features
        self.num_threads = num_threads
        self.seed = seed

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        treatment: ArrayLike | None = None,
        propensity: ArrayLike | None = None,
        value: ArrayLike | None = None,
        cost: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit effects to an experiment, or to decisions that were partly left to chance.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN, as known when the arm was chosen
        y : (n,) outcome, more is better: 1 for stayed or bought, or money
        treatment : (n,) 0 for control, 1, 2, ... for actions
        propensity : (n,) chance of the arm that was given, or (n, arms) of each
            Estimated from X if not given: then all that moved the choice must stand in X.
        value : (n,) money that one unit of the outcome is worth; for choice and verdict
        cost : (arms - 1,) or (n, arms - 1) money that each action costs
        groups : (n,) rows of one group are of one customer

        Raises
        ------
        ModelDataError
            The rows cannot be used; the message says why.
        OverlapError
            Too many customers could hardly have had some arm.
        """
        self._check_settings()
        matrix = self._checked_matrix(X, reset=True)
        rows = checked_rows(matrix, y, treatment, propensity, value=value, cost=cost, groups=groups)
        settings = self._settings(rows)
        nuisance = fit_nuisance(rows, settings, folds=self.folds, floor=self.clip)
        self.learner_, tried = self._choose(rows, nuisance, settings)
        halves = fit_halves(self.learner_, rows, nuisance, settings, pairs=self.pairs)
        curves = self._curves(halves, nuisance)
        rough = replace(settings, num_leaves=_rough_leaves(len(rows)))
        variance = rough_variance(rows, nuisance, rough, pairs=self.pairs)
        spread = tuple(
            fit_spread(matrix, variance[:, at], settings, pairs=self.pairs)
            for at in range(rows.arms - 1)
        )
        self.scorer_ = UpliftScorer(
            halves.way, rows.link, matrix.shape[1], trees=halves.trees, curves=curves, spread=spread
        )
        self.n_arms_ = rows.arms
        self.clipped_share_ = nuisance.clipped_share
        self.scores_ = nuisance.scores
        self.held_out_effects_ = _calibrated(halves, curves)
        self.verdict_: UpliftVerdict = judge(
            rows, nuisance.scores, self.held_out_effects_, learner=self.learner_, tried=tried
        )
        self.average_effects_: tuple[Interval, ...] = tuple(
            paired_value(nuisance.scores, arm, 0, groups=rows.group) for arm in range(1, rows.arms)
        )
        self.rates_: tuple[Rate, ...] = tuple(
            rank_average_effect(
                nuisance.effects[:, at],
                self.held_out_effects_[:, at],
                groups=rows.group,
                seed=self.seed,
            )
            for at in range(rows.arms - 1)
        )
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Give the effect of each action on the outcome, against control.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN

        Returns
        -------
        (n, arms - 1)
        """
        check_is_fitted(self)
        return self.scorer_.predict(self._checked_matrix(X, reset=False))

    def predict_interval(
        self, X: ArrayLike, *, level: float = 0.95
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Give low, expected and high effects, each (n, arms - 1).

        The interval is for the mean effect on customers whose columns are the same.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        level
            The share of customers whose interval holds their effect.
        """
        check_is_fitted(self)
        return self.scorer_.interval(self._checked_matrix(X, reset=False), level=level)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the scorer as plain settings and arrays."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "scorer_" in state:
            state["scorer_"] = self.scorer_.to_arrays()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state."""
        if "scorer_" in state:
            state = state | {"scorer_": UpliftScorer.from_arrays(*state["scorer_"])}
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags

    def _check_settings(self) -> None:
        if self.learner not in {"auto", *LEARNERS}:
            known = ", ".join(("auto", *LEARNERS))
            raise ModelDataError(f"learner {self.learner!r} is not known: use one of {known}")
        if self.calibration not in {"isotonic", "linear"}:
            raise ModelDataError("calibration must be 'isotonic' or 'linear'")
        if self.folds < 2 or self.pairs < 1 or not 0.0 < self.clip < 0.5:
            raise ModelDataError("folds must be 2 or more, pairs 1 or more, clip from 0 to .5")

    def _settings(self, rows: ExperimentRows) -> Settings:
        return Settings(
            seed=self.seed,
            num_threads=self.num_threads,
            categorical=check_categories(self.categorical_features, rows.matrix),
            rounds=self.rounds,
            num_leaves=self.num_leaves,
            smallest_leaf=max(_FEWEST_OF_A_LEAF, len(rows) // 200),
        )

    def _choose(
        self, rows: ExperimentRows, nuisance: Nuisance, settings: Settings
    ) -> tuple[str, int]:
        """Let the learners decide for customers that they did not see."""
        if self.learner != "auto":
            self.contest_: dict[str, Interval] = {}
            return self.learner, 1
        worth = money(rows, nuisance.scores)
        arms = {}
        for learner in LEARNERS:
            halves = fit_halves(
                learner, rows, nuisance, settings, pairs=min(self.pairs, _CONTEST_PAIRS)
            )
            effects = _calibrated(halves, self._curves(halves, nuisance))
            arms[learner] = policy_of(rows, effects)
        self.contest_ = {
            learner: paired_value(worth, arm, arms["average"], groups=rows.group)
            for learner, arm in arms.items()
        }
        best = max(self.contest_, key=lambda learner: self.contest_[learner].value)
        gain = self.contest_[best]
        # An interval reaches 1.96 standard errors to each side.
        beyond = gain.value > (gain.high - gain.value) / 1.96
        return (best if beyond else "average"), len(LEARNERS)

    def _curves(self, halves: Halves, nuisance: Nuisance) -> tuple[Curve, ...]:
        return tuple(
            fit_curve(
                halves.held_out[:, at],
                nuisance.effects[:, at],
                nuisance.overlap[:, at],
                method=self.calibration,
                falling=halves.way == "response",
            )
            for at in range(halves.held_out.shape[1])
        )

    def _checked_matrix(self, X: Any, *, reset: bool) -> NDArray[np.float64]:
        try:
            matrix: NDArray[np.float64] = validate_data(
                self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan"
            )
        except ValueError as refusal:
            raise ModelDataError(redact_values(str(refusal))) from None
        return matrix


def _calibrated(halves: Halves, curves: tuple[Curve, ...]) -> NDArray[np.float64]:
    held_out = halves.held_out
    return np.column_stack([curve.apply(held_out[:, at]) for at, curve in enumerate(curves)])


def _rough_leaves(rows: int) -> int:
    share = float((rows / _ROUGH_ROWS) ** _ROUGH_POWER)
    return max(4, round(_ROUGH_LEAVES * share))
