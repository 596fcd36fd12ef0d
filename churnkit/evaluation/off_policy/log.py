"""What a policy left behind: who got what, with which probability, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.evaluation.classification.score_order import EvaluationError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["PolicyLog", "checked_policy"]


@dataclass(frozen=True, eq=False)
class PolicyLog:
    """Logged decisions of a policy that left something to chance; make it with `PolicyLog.of`.

    Parameters
    ----------
    action : (n,) which arm was taken, 0 to `arms` - 1
    propensity : (n,) the probability with which the policy took it, above 0 and at most 1
    reward : (n,) what came of it, such as 1 for stayed, or money
    arms
        How many arms there are, doing nothing included if that was one of them.
    features : (n, f) what was known of the customer before the decision, missing as NaN
    position : (n,) the place in a list at which the arm was shown, 0 and up; None for one place
    customer : (n,) codes of the customers; rows of one are not independent, so intervals
        resample customers. None if each row is another customer.

    Examples
    --------
    >>> log = PolicyLog.of([0, 1, 1], [0.5, 0.5, 0.5], [0.0, 1.0, 0.0])
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
    def of(
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
        """Check logged decisions and give them their types.

        Parameters
        ----------
        action, propensity, reward, features, arms, position
            As the attributes; `arms` defaults to one more than the largest action.
        customer : (n,) names or numbers of the customers

        Raises
        ------
        EvaluationError
            Lengths differ, or a value cannot be; the message says how many and what to do.
        """
        taken = whole_numbers(action, "action")
        rows = len(taken)
        count = int(taken.max()) + 1 if arms is None else arms
        outside = int(np.count_nonzero(taken >= count))
        if outside:
            raise EvaluationError(
                f"{outside} actions are not among the {count} arms: number them from 0"
            )
        chance = _numbers(propensity, "propensity", rows)
        wrong = int(np.count_nonzero((chance <= 0) | (chance > 1)))
        if wrong:
            raise EvaluationError(
                f"{wrong} propensities are not above 0 and at most 1: log the probability with "
                "which the action was taken"
            )
        return cls(
            action=taken,
            propensity=chance,
            reward=_numbers(reward, "reward", rows),
            arms=count,
            features=_matrix(features, rows),
            position=None if position is None else whole_numbers(position, "position", rows),
            customer=None if customer is None else _codes(customer, rows),
        )

    def __len__(self) -> int:
        return len(self.action)

    @property
    def positions(self) -> int:
        """How many places there are."""
        return 1 if self.position is None else int(self.position.max()) + 1

    @property
    def is_binary(self) -> bool:
        """Whether each reward is 0 or 1."""
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


def checked_policy(policy: ArrayLike, log: PolicyLog) -> NDArray[np.float64]:
    """Return the policy's probabilities for each row of a log, (n, arms).

    Parameters
    ----------
    policy : (n, arms), or (arms,) for the same in all rows, or (n, arms, positions), or
        (1, arms, positions) for the same in all rows
    log
        The decisions that it is judged by.

    Raises
    ------
    EvaluationError
        The shape does not fit, or rows are no distribution.

    Examples
    --------
    >>> log = PolicyLog.of([0, 1], [0.5, 0.5], [0.0, 1.0])
    >>> checked_policy([0.25, 0.75], log)
    array([[0.25, 0.75],
           [0.25, 0.75]])
    """
    chance = np.asarray(policy, dtype=np.float64)
    rows = len(log)
    if chance.ndim == 1:
        chance = chance[None, :]
    if chance.ndim == 3 and chance.shape[2] >= log.positions:
        place = np.zeros(rows, dtype=np.intp) if log.position is None else log.position
        whole = np.broadcast_to(chance, (max(rows, len(chance)), *chance.shape[1:]))
        chance = whole[np.arange(len(whole)), :, place] if len(whole) == rows else whole[:, :, 0]
    if chance.ndim != 2 or chance.shape[1] != log.arms or chance.shape[0] not in {1, rows}:
        raise EvaluationError(
            f"the policy has the shape {np.shape(policy)}: give a probability for each of {rows} "
            f"rows and {log.arms} arms"
        )
    wrong = int(
        np.count_nonzero(~((chance.min(axis=1) >= 0) & (np.abs(chance.sum(axis=1) - 1) < 1e-6)))
    )
    if wrong:
        raise EvaluationError(
            f"{wrong} rows of the policy are no distribution: probabilities of zero or more "
            "that sum to 1"
        )
    return np.broadcast_to(chance, (rows, log.arms))


def whole_numbers(values: ArrayLike, name: str, rows: int | None = None) -> NDArray[np.intp]:
    """Return counts from 0 as integers, (n,)."""
    given = _numbers(values, name, rows)
    wrong = int(np.count_nonzero((given < 0) | (given != np.floor(given))))
    if wrong:
        raise EvaluationError(f"{name}: {wrong} values are no whole numbers from 0: number them so")
    return given.astype(np.intp)


def _numbers(values: ArrayLike, name: str, rows: int | None) -> NDArray[np.float64]:
    try:
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise EvaluationError(f"{name} holds values that are no numbers") from None
    if vector.ndim != 1 or not len(vector):
        raise EvaluationError(f"{name}: pass one value for each row, and at least one row")
    if rows is not None and len(vector) != rows:
        raise EvaluationError(f"{name}: {len(vector)} values for {rows} rows: give one for each")
    wrong = int(np.count_nonzero(~np.isfinite(vector)))
    if wrong:
        raise EvaluationError(
            f"{name}: {wrong} values are missing or not finite: leave those rows out"
        )
    return vector


def _matrix(features: ArrayLike | None, rows: int) -> NDArray[np.float64]:
    if features is None:
        return np.empty((rows, 0))
    matrix = np.asarray(features, dtype=np.float64)
    if matrix.ndim != 2 or len(matrix) != rows:
        raise EvaluationError(
            f"features have the shape {matrix.shape}: give a matrix of {rows} rows"
        )
    return matrix


def _codes(customer: ArrayLike, rows: int) -> NDArray[np.intp]:
    names = np.asarray(customer)
    if names.shape != (rows,):
        raise EvaluationError(f"customer: give one name for each of {rows} rows")
    return np.unique(names, return_inverse=True)[1].astype(np.intp)
