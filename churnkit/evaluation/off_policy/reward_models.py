"""Cross-fitted models of the reward of each arm for each customer.

Candidates are compared on held-out rows; the direct method and the doubly robust estimators use
the best candidate's held-out predictions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from churnkit.core.autologging import without_autologging
from churnkit.evaluation.off_policy.linear_reward import fit_linear
from churnkit.evaluation.validation import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from churnkit.evaluation.off_policy.log import PolicyLog

__all__ = ["RewardModel", "Rewards", "cross_fitted_rewards"]

RewardModel = Literal["auto", "mean", "linear", "curved", "boosted"]

_KINDS = get_args(RewardModel)
_STRENGTHS = (0.01, 0.1, 1.0)
_CURVED = (1.0, 3.0)  # inverse kernel widths
_CURVED_STRENGTH = 10.0
_PRIOR_ROWS = 10.0  # rows of the overall mean to which an arm's mean is shrunk
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
    """Rewards predicted by models that did not see the row.

    Parameters
    ----------
    expected : (n, arms)
        Predicted reward of each arm.
    model
        The best candidate, such as ``"linear, C=1"``.
    losses
        Held-out loss of each candidate.
    """

    expected: NDArray[np.float64]
    model: str
    losses: dict[str, float]


@without_autologging()
def cross_fitted_rewards(
    log: PolicyLog,
    *,
    model: RewardModel = "auto",
    policy: NDArray[np.float64] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> Rewards:
    """Predict the reward of each arm in each row, by models of the other rows.

    Parameters
    ----------
    log
        Logged decisions. Rows of one customer stay in one fold.
    model
        ``"mean"`` of each arm; ``"linear"``: logistic (rewards 0 and 1) or ridge regression
        with shared and arm-specific coefficients, for several penalties; ``"curved"``: ridge
        regression of each arm on random Fourier features; ``"boosted"``: LightGBM; or
        ``"auto"``: the best of all.
    policy : (n, arms)
        The policy to be evaluated. The best candidate has the least squared error on held-out
        rows; with a policy, the least variance of the doubly robust estimate of its value.
    folds
        Number of folds, each predicted by models of the others.
    seed
        Seed of the folds and the trees.

    Returns
    -------
    Rewards
        Predicted rewards, and the chosen model.

    Raises
    ------
    EvaluationError
        There are too few customers for the folds, or the model is unknown.

    Notes
    -----
    The best of few candidates is chosen on the same rows; the error that this adds is of a
    smaller order than the noise of the rewards.

    Examples
    --------
    >>> from churnkit.evaluation.off_policy.log import PolicyLog
    >>> rng = np.random.default_rng(0)
    >>> x, arm = rng.normal(size=(600, 1)), rng.integers(2, size=600)
    >>> reward = arm * x[:, 0] + 0.1 * rng.normal(size=600)
    >>> log = PolicyLog.from_columns(arm, np.full(600, 0.5), reward, features=x)
    >>> rewards = cross_fitted_rewards(log)
    >>> rewards.model, rewards.expected.shape
    ('linear, C=1', (600, 2))
    """
    fold = _assign_folds(log, folds, seed)
    predictions = {
        name: _cross_predict(log, fold, fit) for name, fit in _candidates(log, model, seed).items()
    }
    rows = np.arange(len(log))

    def loss(expected: NDArray[np.float64]) -> float:
        residual = log.reward - expected[rows, log.action]
        if policy is None:
            return float(np.mean(residual**2))
        weight = policy[rows, log.action] / log.propensity
        return float(np.var((policy * expected).sum(axis=1) + weight * residual))

    losses = {name: loss(expected) for name, expected in predictions.items()}
    best = min(losses, key=lambda name: losses[name])
    return Rewards(predictions[best], best, losses)


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
        for width in _CURVED:
            candidates[f"curved {width:g}, each arm alone"] = _linear(
                _CURVED_STRENGTH, curved=width, pooled=False, seed=seed
            )
    if "boosted" in kinds:
        candidates["boosted"] = _boosted(seed)
    return candidates


def _assign_folds(log: PolicyLog, folds: int, seed: int) -> NDArray[np.intp]:
    customer = np.arange(len(log)) if log.customer is None else log.customer
    customers = int(customer.max()) + 1
    if folds < 2 or customers < 2 * folds:
        raise EvaluationError(
            f"{customers} customers are too few for {folds} folds: log more decisions"
        )
    order = np.random.default_rng(seed).permutation(customers)
    return np.asarray((order % folds)[customer], dtype=np.intp)


def _cross_predict(log: PolicyLog, fold: NDArray[np.intp], fit: Fit) -> NDArray[np.float64]:
    expected = np.empty((len(log), log.arms))
    for number in range(int(fold.max()) + 1):
        held_out = fold == number
        predict = fit(log.take(~held_out))
        expected[held_out] = predict(log.take(held_out))
    return np.clip(expected, log.reward.min(), log.reward.max())


def _fit_mean(log: PolicyLog) -> Prediction:
    count = np.bincount(log.action, minlength=log.arms)
    total = np.bincount(log.action, log.reward, minlength=log.arms)
    mean = (total + _PRIOR_ROWS * log.reward.mean()) / (count + _PRIOR_ROWS)
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
            position=log.position,
            C=strength,
            # Fourier features are flexible enough without a logistic link, and ridge is exact.
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
    """Return features, position and one column per arm."""
    position = np.empty((len(log), 0)) if log.position is None else log.position[:, None]
    return np.concatenate([log.features, position, np.eye(log.arms)[arm]], axis=1)


if TYPE_CHECKING:
    Prediction = Callable[[PolicyLog], NDArray[np.float64]]
    Fit = Callable[[PolicyLog], Prediction]
