"""Logged decisions of a policy: actions, propensities, rewards and features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.evaluation.validation import EvaluationError, check_vector, refuse

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["PolicyLog", "check_policy"]


@dataclass(frozen=True, eq=False)
class PolicyLog:
    """Logged decisions of a randomized policy; made by `PolicyLog.from_columns`.

    Parameters
    ----------
    action : (n,)
        Arm taken, 0 to `arms` - 1.
    propensity : (n,)
        Probability with which the policy took it, above 0 and at most 1.
    reward : (n,)
        Outcome of the decision, such as 1 for stayed, or money.
    arms
        Number of arms, doing nothing included if it was one of them.
    features : (n, f)
        Features of the customer at the decision, missing as NaN.
    position : (n,)
        Position in a list at which the arm was shown, from 0; None for one position.
    customer : (n,)
        Codes of the customers, whose rows are not independent; None if each row is a different
        customer.

    Examples
    --------
    >>> log = PolicyLog.from_columns([0, 1, 1], [0.5, 0.5, 0.5], [0.0, 1.0, 0.0])
    >>> len(log), log.arms
    (3, 2)
    """

    action: NDArray[np.intp]
    propensity: NDArray[np.float64]
    reward: NDArray[np.float64]
    arms: int
    features: NDArray[np.float64]
    position: NDArray[np.intp] | None = None
    customer: NDArray[np.intp] | None = None

    @classmethod
    def from_columns(
        cls,
        action: ArrayLike,
        propensity: ArrayLike,
        reward: ArrayLike,
        *,
        features: ArrayLike | None = None,
        arms: int | None = None,
        position: ArrayLike | None = None,
        customer: ArrayLike | None = None,
    ) -> PolicyLog:
        """Validate logged decisions and convert them to arrays.

        Parameters
        ----------
        action, propensity, reward, features, arms, position
            As the attributes; `arms` defaults to one more than the largest action.
        customer : (n,) identifiers of the customers

        Returns
        -------
        PolicyLog

        Raises
        ------
        EvaluationError
            Lengths differ, or a value is invalid.
        """
        arm = _check_integers(action, "action")
        rows = len(arm)
        count = int(arm.max()) + 1 if arms is None else arms
        refuse(arm >= count, f"actions are not among the {count} arms: number them from 0")
        chance = check_vector(propensity, "propensity", rows=rows, finite=True)
        refuse(
            (chance <= 0) | (chance > 1),
            "propensities are not above 0 and at most 1: log the probability of the action taken",
        )
        return cls(
            action=arm,
            propensity=chance,
            reward=check_vector(reward, "reward", rows=rows, finite=True),
            arms=count,
            features=_check_matrix(features, rows),
            position=None if position is None else _check_integers(position, "position", rows),
            customer=None if customer is None else _encode_customers(customer, rows),
        )

    def __len__(self) -> int:
        return len(self.action)

    @property
    def positions(self) -> int:
        """Number of positions."""
        return 1 if self.position is None else int(self.position.max()) + 1

    @property
    def is_binary(self) -> bool:
        """True if each reward is 0 or 1."""
        return bool(np.isin(self.reward, (0.0, 1.0)).all())

    def take(self, rows: NDArray[Any]) -> PolicyLog:
        """Return some of the rows: a mask, or row numbers."""
        return PolicyLog(
            action=self.action[rows],
            propensity=self.propensity[rows],
            reward=self.reward[rows],
            arms=self.arms,
            features=self.features[rows],
            position=None if self.position is None else self.position[rows],
            customer=None if self.customer is None else self.customer[rows],
        )


def check_policy(policy: ArrayLike, log: PolicyLog) -> NDArray[np.float64]:
    """Return the policy's probabilities for each row of a log, (n, arms).

    Parameters
    ----------
    policy : (n, arms), or (arms,) for the same in all rows, or (n, arms, positions), or
        (1, arms, positions) for the same in all rows
    log
        Logged decisions.

    Returns
    -------
    (n, arms) probabilities

    Raises
    ------
    EvaluationError
        The shape does not match the log, or a row is not a distribution.

    Examples
    --------
    >>> log = PolicyLog.from_columns([0, 1], [0.5, 0.5], [0.0, 1.0])
    >>> check_policy([0.25, 0.75], log)
    array([[0.25, 0.75],
           [0.25, 0.75]])
    """
    chance = np.asarray(policy, dtype=np.float64)
    rows = len(log)
    if chance.ndim == 1:
        chance = chance[None, :]
    if chance.ndim == 3 and chance.shape[2] >= log.positions:
        position = np.zeros(rows, dtype=np.intp) if log.position is None else log.position
        table = np.broadcast_to(chance, (max(rows, len(chance)), *chance.shape[1:]))
        chance = table[np.arange(rows), :, position] if len(table) == rows else table[:, :, 0]
    if chance.ndim != 2 or chance.shape[1] != log.arms or chance.shape[0] not in {1, rows}:
        raise EvaluationError(
            f"the policy has shape {np.shape(policy)}, expected ({rows}, {log.arms}): one "
            "probability per row and arm"
        )
    refuse(
        ~((chance.min(axis=1) >= 0) & (np.abs(chance.sum(axis=1) - 1) < 1e-6)),
        "rows of the policy are not distributions: probabilities of at least 0 that sum to 1",
    )
    return np.broadcast_to(chance, (rows, log.arms))


def _check_integers(values: ArrayLike, name: str, rows: int | None = None) -> NDArray[np.intp]:
    numbers = check_vector(values, name, rows=rows, finite=True)
    refuse(
        (numbers < 0) | (numbers != np.floor(numbers)), f"values of {name} are not integers from 0"
    )
    return numbers.astype(np.intp)


def _check_matrix(features: ArrayLike | None, rows: int) -> NDArray[np.float64]:
    if features is None:
        return np.empty((rows, 0))
    matrix = np.asarray(features, dtype=np.float64)
    if matrix.ndim != 2 or len(matrix) != rows:
        raise EvaluationError(f"features have shape {matrix.shape}, expected {rows} rows")
    return matrix


def _encode_customers(customer: ArrayLike, rows: int) -> NDArray[np.intp]:
    names = np.asarray(customer)
    if names.shape != (rows,):
        raise EvaluationError(f"customer has shape {names.shape}, expected ({rows},)")
    return np.unique(names, return_inverse=True)[1].astype(np.intp)
