"""Effects of several actions against control, estimated from an experiment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from churnkit.core.autologging import without_autologging
from churnkit.evaluation import Interval, paired_value, rank_average_effect
from churnkit.evaluation.uplift.sensitivity import Sensitivity, sensitivity_of
from churnkit.models.errors import ModelDataError
from churnkit.models.scikit_base import BaseEstimator
from churnkit.models.training_rows import categorical_columns, check_features
from churnkit.models.uplift.blend.model import fit_blend
from churnkit.models.uplift.blend.scorer import BlendScorer, scorer_from_arrays
from churnkit.models.uplift.calibration import Calibrating, fit_curve, fit_spread
from churnkit.models.uplift.estimator_learner import is_estimator_learner
from churnkit.models.uplift.meta_learners import LEARNERS, Halves, fit_halves, rough_variance
from churnkit.models.uplift.nuisance import Nuisance, Settings, fit_nuisance
from churnkit.models.uplift.policy_test import UpliftVerdict, judge
from churnkit.models.uplift.scorer import Curve, UpliftScorer
from churnkit.models.uplift.validation import ExperimentRows, checked_risk, checked_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.evaluation import Rate

__all__ = ["UpliftModel"]

_ROUGH_LEAVES, _ROUGH_ROWS, _ROUGH_POWER = 16, 60_000, 0.3
_FEWEST_OF_A_LEAF = 20


class UpliftModel(BaseEstimator):
    """Effects of several actions against control, with an interval for each customer.

    Parameters
    ----------
    learner
        ``"auto"``: a blend of one constant effect, one relative to the risk, and the S-, T-, X-,
        DR- and R-learners, shrunk where the data say little. Or one learner alone: ``"dr"``,
        ``"r"``, ``"x"``, ``"t"``, ``"s"``; ``"response"``, for effects that depend on how likely
        the outcome is anyway; ``"average"``, one effect for all. Or an unfitted estimator of
        econml (``LinearDML``, ``CausalForestDML``, ...) or causalml (``BaseXRegressor``, ...).
        With several actions, those of econml that have ``discrete_treatment`` need it to be True,
        which is not their default.
    calibration
        Of a learner alone: ``"isotonic"`` or ``"linear"``.
    rounds, num_leaves
        Of the trees of a learner alone; the blend takes the leaves.
    pairs
        Pairs of halves of a learner alone; more are smoother.
    folds
        Folds in which outcomes, chances and the blend's candidates are forecast.
    clip
        Smallest chance that is used; lower ones are raised to it.
    categorical_features
        Columns that hold categories: names, positions, or a mask; in a matrix they hold codes.
        Text and categories of a frame are found without it, see `FrameEncoder`.
    num_threads
        Threads that LightGBM may use.
    seed
        The same seed gives the same model.

    Attributes
    ----------
    scorer_ : BlendScorer or UpliftScorer
    learner_ : str
        ``"blend"``, or the learner that was named; of an estimator its class.
    policy_ : str
        ``"none"``, ``"constant"``, ``"relative"`` or ``"blend"``: the policy that was chosen by its
        value on customers that it was not learned from; the model's effects are those of the policy.
        ``"blend"`` for a learner alone.
    verdict_ : UpliftVerdict
        Whether personalizing pays.
    contest_ : dict
        For each policy its cross-fitted value for each customer beyond no action.
    sensitivity_ : tuple of Sensitivity
        For each action the hidden confounding that would explain its mean effect away.
    rates_ : tuple of Rate
        For each action whether effects differ in the predicted order (AUTOC), at a simultaneous
        level: 95% divided among the actions (Bonferroni).
    average_effects_ : tuple of Interval
        For each action its mean effect.
    held_out_effects_ : (n, arms - 1)
        Effects on the training rows, by models that did not see the customer.
    scores_ : (n, arms)
        Doubly robust scores of the training rows.
    clipped_share_ : float
        Share of the customers whose chances were raised.
    n_arms_, n_features_in_ : int

    References
    ----------
    X. Nie and S. Wager, Quasi-oracle estimation of heterogeneous treatment effects, Biometrika
    2021, doi:10.1093/biomet/asaa076. E. Kennedy, Towards optimal doubly robust estimation of
    heterogeneous causal effects, Electronic Journal of Statistics 2023, doi:10.1214/23-EJS2157.

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

    scorer_: BlendScorer | UpliftScorer
    n_features_in_: int

    def __init__(
        self,
        learner: Any = "auto",
        *,
        calibration: Calibrating = "isotonic",
        rounds: int = 60,
        num_leaves: int = 8,
        pairs: int = 4,
        folds: int = 5,
        clip: float = 0.01,
        categorical_features: Sequence[int] | Sequence[str] | None = None,
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

    @without_autologging()
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        *,
        treatment: ArrayLike | None = None,
        propensity: ArrayLike | None = None,
        value: ArrayLike | None = None,
        cost: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        risk: ArrayLike | None = None,
    ) -> Self:
        """Fit effects to an experiment, or to decisions that were partly left to chance.

        Parameters
        ----------
        X : frame of n rows, or (n, f) matrix, missing as NaN, as of when the arm was chosen
        y : (n,) outcome, more is better: 1 for stayed or bought, or money
        treatment : (n,) 0 for control, 1, 2, ... for actions
        propensity : (n,) chance of the arm that was given, or (n, arms) of each
            Estimated from X if not given: then X must hold all that moved the choice.
        value : (n,) money that one unit of the outcome is worth; for choice and verdict
        cost : (arms - 1,) or (n, arms - 1) money that each action costs
        groups : (n,) rows of one group are of one customer
        risk : (n,) probability of an outcome of 0 without treatment
            From a model of other customers, or out of fold. Learned from the experiment itself if
            not given; `predict` then needs none either.

        Raises
        ------
        ModelDataError
            If the rows cannot be used.
        OverlapError
            If too many customers had hardly any chance of some arm.
        """
        self._check_settings()
        matrix = check_features(self, X, reset=True)
        rows = checked_rows(
            matrix, y, treatment, propensity, value=value, cost=cost, groups=groups, risk=risk
        )
        settings = self._settings(rows)
        self.n_arms_: int = rows.arms
        if isinstance(self.learner, str) and self.learner == "auto":
            blend = fit_blend(rows, settings, folds=self.folds, floor=self.clip)
            self.scorer_, nuisance = blend.scorer, blend.nuisance
            self.learner_: str = "blend"
            self.policy_: str = blend.policy
            self.contest_: dict[str, Interval] = blend.values
            self.held_out_effects_: NDArray[np.float64] = blend.held_out
            tried = len(blend.values) - 1
        else:
            nuisance, tried = self._fit_alone(rows, settings), 1
        self.clipped_share_: float = nuisance.clipped_share
        self.scores_: NDArray[np.float64] = nuisance.scores
        self.average_effects_: tuple[Interval, ...] = tuple(
            paired_value(nuisance.scores, arm, 0, groups=rows.group) for arm in range(1, rows.arms)
        )
        self.sensitivity_: tuple[Sensitivity, ...] = tuple(
            sensitivity_of(effect, rows.outcome, float(nuisance.scores[:, 0].mean()))
            for effect in self.average_effects_
        )
        self.verdict_: UpliftVerdict = judge(
            rows,
            nuisance.scores,
            self.held_out_effects_,
            learner=self.learner_,
            tried=tried,
            policy=self.policy_,
            sensitivity=self.sensitivity_,
        )
        self.rates_: tuple[Rate, ...] = tuple(
            rank_average_effect(
                nuisance.effects[:, at],
                self.held_out_effects_[:, at],
                groups=rows.group,
                # Pairs of halves have no folds in common.
                fold=nuisance.fold if self.learner == "auto" else np.zeros_like(nuisance.fold),
                seed=self.seed,
                level=1.0 - 0.05 / (rows.arms - 1),
            )
            for at in range(rows.arms - 1)
        )
        return self

    def predict(self, X: Any, *, risk: ArrayLike | None = None) -> NDArray[np.float64]:
        """Estimate the effect of each action on the outcome, against control.

        Parameters
        ----------
        X : frame or matrix of n rows, as in `fit`
        risk : (n,) as in `fit`; needed if it was passed there

        Returns
        -------
        (n, arms - 1)
        """
        return self._estimates(X, risk, level=0.5)[1]

    def predict_interval(
        self, X: Any, *, level: float = 0.95, risk: ArrayLike | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Estimate low, expected and high effects, each (n, arms - 1).

        The interval is for the mean effect on customers whose columns are the same.

        Parameters
        ----------
        X : frame or matrix of n rows, as in `fit`
        level
            Share of customers whose interval holds their effect.
        risk : (n,) as in `fit`; needed if it was passed there
        """
        return self._estimates(X, risk, level=level)

    def score(
        self, X: Any, y: ArrayLike, *, treatment: ArrayLike, risk: ArrayLike | None = None
    ) -> float:
        """Return the Qini coefficient of the order by effect, averaged over the actions.

        Each action is compared with control. With metadata routing of scikit-learn, a search
        passes the treatments: ``set_fit_request(treatment=True)`` and
        ``set_score_request(treatment=True)``.

        Parameters
        ----------
        X : frame or matrix of n rows, as in `fit`
        y : (n,) outcome, 0 or 1
        treatment : (n,) 0 for control, 1, 2, ... for actions
        risk : (n,) as in `fit`; needed if it was passed there

        Returns
        -------
        float
            0 for a random order, 1 at most.

        Raises
        ------
        EvaluationError
            The outcome is not 0 or 1, or an arm is missing.
        """
        from churnkit.evaluation import qini_score

        effects = self.predict(X, risk=risk)
        outcome, arm = np.asarray(y, dtype=np.float64), np.asarray(treatment)
        scores = []
        for action in range(1, effects.shape[1] + 1):
            rows = (arm == 0) | (arm == action)
            treated = (arm[rows] == action).astype(np.float64)
            scores.append(qini_score(outcome[rows], effects[rows, action - 1], treated))
        return float(np.mean(scores))

    def _estimates(
        self, X: Any, risk: ArrayLike | None, *, level: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        check_is_fitted(self)
        matrix = check_features(self, X, reset=False)
        if isinstance(self.scorer_, UpliftScorer):
            return self.scorer_.interval(matrix, level=level)
        checked = None if risk is None else checked_risk(risk, len(matrix))
        return self.scorer_.interval(matrix, level=level, risk=checked)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the scorer as plain settings and arrays."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "scorer_" in state:
            state["scorer_"] = self.scorer_.to_arrays()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state."""
        if "scorer_" in state:
            state = state | {"scorer_": scorer_from_arrays(*state["scorer_"])}
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags

    def _check_settings(self) -> None:
        if not is_estimator_learner(self.learner) and self.learner not in ("auto", *LEARNERS):
            known = ", ".join(("auto", *LEARNERS))
            raise ModelDataError(
                f"learner {self.learner!r} is unknown: use one of {known}, or an unfitted estimator "
                "of econml or causalml"
            )
        if self.calibration not in {"isotonic", "linear"}:
            raise ModelDataError("calibration must be 'isotonic' or 'linear'")
        if self.folds < 2 or self.pairs < 1 or not 0.0 < self.clip < 0.5:
            raise ModelDataError(
                "folds must be at least 2, pairs at least 1, clip above 0 and below 0.5"
            )

    def _settings(self, rows: ExperimentRows) -> Settings:
        return Settings(
            seed=self.seed,
            num_threads=self.num_threads,
            categorical=categorical_columns(self, rows.matrix),
            rounds=self.rounds,
            num_leaves=self.num_leaves,
            smallest_leaf=max(_FEWEST_OF_A_LEAF, len(rows) // 200),
        )

    def _fit_alone(self, rows: ExperimentRows, settings: Settings) -> Nuisance:
        """Fit one learner, with its calibration and spread."""
        nuisance = fit_nuisance(rows, settings, folds=self.folds, floor=self.clip)
        halves = fit_halves(self.learner, rows, nuisance, settings, pairs=self.pairs)
        curves = self._curves(halves, nuisance)
        rough = replace(settings, num_leaves=_rough_leaves(len(rows)))
        variance = rough_variance(rows, nuisance, rough, pairs=self.pairs)
        spread = tuple(
            fit_spread(rows.matrix, variance[:, at], settings, pairs=self.pairs)
            for at in range(rows.arms - 1)
        )
        self.scorer_ = UpliftScorer(
            halves.way,
            rows.link,
            rows.matrix.shape[1],
            trees=halves.trees,
            curves=curves,
            spread=spread,
        )
        named = isinstance(self.learner, str)
        self.learner_ = self.learner if named else type(self.learner).__name__
        self.policy_ = "blend"
        self.contest_ = {}
        self.held_out_effects_ = _calibrated(halves, curves)
        return nuisance

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


def _calibrated(halves: Halves, curves: tuple[Curve, ...]) -> NDArray[np.float64]:
    held_out = halves.held_out
    return np.column_stack([curve.apply(held_out[:, at]) for at, curve in enumerate(curves)])


def _rough_leaves(rows: int) -> int:
    share = float((rows / _ROUGH_ROWS) ** _ROUGH_POWER)
    return max(4, round(_ROUGH_LEAVES * share))
