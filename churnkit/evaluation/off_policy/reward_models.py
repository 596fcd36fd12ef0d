"""What each arm would have brought each customer: models that never judge their own rows.

Candidates are held against each other on rows that they did not see; the winner's predictions
on such rows are what the direct method and the doubly robust estimators use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from churnkit.evaluation.classification.score_order import EvaluationError
from churnkit.evaluation.off_policy.linear_reward import fit_linear

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from churnkit.evaluation.off_policy.log import PolicyLog

__all__ = ["RewardModel", "Rewards", "cross_fitted_rewards"]

RewardModel = Literal["auto", "mean", "linear", "curved", "boosted"]

_KINDS = get_args(RewardModel)
_STRENGTHS = (0.01, 0.1, 1.0)
_CURVED = (1.0, 3.0)  # how finely waves bend
_CURVED_STRENGTH = 10.0
_SHRINK_TO_ALL = 10.0  # rows of the overall mean that an arm's own mean is shrunk by
_BOOSTED = {
    "learning_rate": 0.05,
    "num_leaves": 8,
    "min_data_in_leaf": 20,
    "lambda_l2": 10.0,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
_BOOSTED_ROUNDS = 150


@dataclass(frozen=True, eq=False)
class Rewards:
    """Predicted rewards, each by a model that did not see its row.

    Attributes
    ----------
    expected : (n, arms) predicted reward of each arm
    model
        The candidate that won, such as ``"linear, C=1"``.
    losses
        What each candidate was judged by, on rows that it did not see.
    """

    expected: NDArray[np.float64]
    model: str
    losses: dict[str, float]


def cross_fitted_rewards(
    log: PolicyLog,
    *,
    model: RewardModel = "auto",
    policy: NDArray[np.float64] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> Rewards:
    """Predict what each arm would have brought in each row, by models of the other rows.

    Parameters
    ----------
    log
        The logged decisions. Rows of one customer stay in one fold.
    model
        ``"mean"`` of each arm; ``"linear"``: logistic (rewards 0 and 1) or ridge regression
        with coefficients for all arms and for each, for several penalties; ``"curved"``:
        ridge regression of each arm on random Fourier features; ``"boosted"``: LightGBM; or ``"auto"``: the best of all.
    policy : (n, arms) the policy that will be judged
        The best is the candidate with the least squared error on held-out rows; with a policy
        given, the one with which the doubly robust estimate of its value varies least.
    folds
        How many parts, each predicted by models of the others.
    seed
        For the parts and the trees.

    Raises
    ------
    EvaluationError
        There are fewer customers than folds, or the model is unknown.

    Notes
    -----
    The choice among the few candidates looks at the same rows; what that adds is of a smaller
    order than the noise of the rewards themselves.

    Examples
    --------
    >>> from churnkit.evaluation.off_policy.log import PolicyLog
    >>> rng = np.random.default_rng(0)
    >>> x, arm = rng.normal(size=(600, 1)), rng.integers(2, size=600)
    >>> reward = arm * x[:, 0] + 0.1 * rng.normal(size=600)
    >>> log = PolicyLog.of(arm, np.full(600, 0.5), reward, features=x)
    >>> found = cross_fitted_rewards(log)
    >>> found.model, found.expected.shape
    ('linear, C=1', (600, 2))
    """
    fold = _folds(log, folds, seed)
    tried = {name: _held_out(log, fold, fit) for name, fit in _candidates(log, model, seed).items()}
    rows = np.arange(len(log))

    def loss(expected: NDArray[np.float64]) -> float:
        residual = log.reward - expected[rows, log.action]
        if policy is None:
            return float(np.mean(residual**2))
        weight = policy[rows, log.action] / log.propensity
        return float(np.var((policy * expected).sum(axis=1) + weight * residual))

    losses = {name: loss(expected) for name, expected in tried.items()}
    best = min(losses, key=lambda name: losses[name])
    return Rewards(tried[best], best, losses)


def _candidates(log: PolicyLog, model: RewardModel, seed: int) -> dict[str, Fit]:
    if model not in _KINDS:
        raise EvaluationError(f"there is no reward model {model!r}: use one of {', '.join(_KINDS)}")
    kinds = set(_KINDS[1:]) if model == "auto" else {model}
    if not log.features.shape[1]:
        kinds = {"mean"}
    candidates: dict[str, Fit] = {}
    if "mean" in kinds:
        candidates["mean of the arm"] = _fit_mean
    if "linear" in kinds:
        for strength in _STRENGTHS:
            candidates[f"linear, C={strength:g}"] = _linear(strength)
        candidates["linear, each arm alone"] = _linear(1.0, pooled=False)
    if "curved" in kinds:
        for bend in _CURVED:
            candidates[f"curved {bend:g}, each arm alone"] = _linear(
                _CURVED_STRENGTH, curved=bend, pooled=False, seed=seed
            )
    if "boosted" in kinds:
        candidates["boosted"] = _boosted(seed)
    return candidates


def _folds(log: PolicyLog, folds: int, seed: int) -> NDArray[np.intp]:
    who = np.arange(len(log)) if log.customer is None else log.customer
    customers = int(who.max()) + 1
    if folds < 2 or customers < 2 * folds:
        raise EvaluationError(
            f"{customers} customers are too few for {folds} folds: log more decisions"
        )
    order = np.random.default_rng(seed).permutation(customers)
    return np.asarray((order % folds)[who], dtype=np.intp)


def _held_out(log: PolicyLog, fold: NDArray[np.intp], fit: Fit) -> NDArray[np.float64]:
    expected = np.empty((len(log), log.arms))
    for number in range(int(fold.max()) + 1):
        held = fold == number
        predict = fit(log.take(~held))
        expected[held] = predict(log.take(held))
    # No arm brings more or less than any row ever did.
    return np.clip(expected, log.reward.min(), log.reward.max())


def _fit_mean(log: PolicyLog) -> Prediction:
    count = np.bincount(log.action, minlength=log.arms)
    total = np.bincount(log.action, log.reward, minlength=log.arms)
    mean = (total + _SHRINK_TO_ALL * log.reward.mean()) / (count + _SHRINK_TO_ALL)
    return lambda rows: np.broadcast_to(mean, (len(rows), log.arms))


def _linear(
    strength: float, *, curved: float | None = None, pooled: bool = True, seed: int = 0
) -> Fit:
    def fit(log: PolicyLog) -> Prediction:
        fitted = fit_linear(
            log.features,
            log.action,
            log.reward,
            arms=log.arms,
            place=log.position,
            C=strength,
            # Waves bend well enough to need no logistic curve on top, and ridge is exact.
            binary=log.is_binary and curved is None,
            curved=curved,
            pooled=pooled,
            seed=seed,
        )
        return lambda rows: fitted.predict(rows.features, rows.position)

    return fit


def _boosted(seed: int) -> Fit:
    def fit(log: PolicyLog) -> Prediction:
        import lightgbm

        objective = "binary" if log.is_binary else "regression"
        booster = lightgbm.train(
            {**_BOOSTED, "objective": objective, "seed": seed},
            lightgbm.Dataset(_with_arm(log, log.action), log.reward),
            _BOOSTED_ROUNDS,
        )

        def predict(rows: PolicyLog) -> NDArray[np.float64]:
            arms = [
                booster.predict(_with_arm(rows, np.full(len(rows), arm))) for arm in range(log.arms)
            ]
            return np.stack(arms, axis=1)

        return predict

    return fit


def _with_arm(log: PolicyLog, arm: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return features, place and one column an arm."""
    place = np.empty((len(log), 0)) if log.position is None else log.position[:, None]
    return np.concatenate([log.features, place, np.eye(log.arms)[arm]], axis=1)


if TYPE_CHECKING:
    Prediction = Callable[[PolicyLog], NDArray[np.float64]]
    Fit = Callable[[PolicyLog], Prediction]
