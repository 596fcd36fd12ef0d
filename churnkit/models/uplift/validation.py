"""The rows of an experiment: checked outcomes, arms, chances, and what an outcome is worth."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.models.uplift.effect_transforms import Link

__all__ = [
    "ExperimentRows",
    "OverlapError",
    "OverlapWarning",
    "checked_risk",
    "checked_rows",
    "clipped",
]

_MOST_ARMS = 100
_REFUSED_SHARE = 0.2
_WARNED_SHARE = 0.02


class OverlapError(ModelDataError):
    """Too many customers had almost no chance of one of the arms to estimate its effect."""


class OverlapWarning(UserWarning):
    """Some customers could hardly have had some arm; their chances were clipped."""


@dataclass(frozen=True, slots=True, eq=False)
class ExperimentRows:
    """Checked rows.

    Attributes
    ----------
    matrix : (n, f)
    outcome : (n,) more is better
    arm : (n,) 0 for control
    arms
        How many, control included.
    propensity : (n,) or (n, arms), or None
        Chance of the arm that was given, or of all.
    worth : (n,) money that one unit of the outcome is worth
    cost : (n, arms) money that each arm costs, 0 for control
    group : (n,) rows of one number are of one customer
    risk : (n,) probability of an outcome of 0 without treatment, or None
    """

    matrix: NDArray[np.float64]
    outcome: NDArray[np.float64]
    arm: NDArray[np.int64]
    arms: int
    propensity: NDArray[np.float64] | None
    worth: NDArray[np.float64]
    cost: NDArray[np.float64]
    group: NDArray[np.int64]
    risk: NDArray[np.float64] | None = None

    @property
    def link(self) -> Link:
        """``logit`` for outcomes 0 and 1, else ``identity``."""
        return "logit" if np.isin(self.outcome, (0.0, 1.0)).all() else "identity"

    def __len__(self) -> int:
        return len(self.outcome)


def checked_rows(
    matrix: NDArray[np.float64],
    y: Any,
    treatment: Any,
    propensity: Any,
    *,
    value: Any,
    cost: Any,
    groups: Any,
    risk: Any = None,
) -> ExperimentRows:
    """Check the arguments of `UpliftModel.fit`.

    Raises
    ------
    ModelDataError
        Something has another length, is not finite, or an arm is missing.
    """
    n = len(matrix)
    if y is None:
        raise ModelDataError(
            "requires y to be passed, but the target y is None: pass the outcome column"
        )
    if treatment is None:
        raise ModelDataError(
            "treatment is missing: pass the arm that each customer had, 0 for none"
        )
    outcome = _vector("y", y, n)
    arm, arms = _arms(treatment, n)
    return ExperimentRows(
        matrix=matrix,
        outcome=outcome,
        arm=arm,
        arms=arms,
        propensity=_chances(propensity, n, arms),
        worth=np.ones(n) if value is None else _vector("value", value, n),
        cost=_costs(cost, n, arms),
        group=np.arange(n) if groups is None else _groups(groups, n),
        risk=None if risk is None else checked_risk(risk, n, outcome),
    )


def clipped(
    chance: NDArray[np.float64], given: NDArray[np.float64], floor: float, *, known: bool
) -> tuple[NDArray[np.float64], float]:
    """Raise chances (n, arms) to a floor, and return the share of customers with a lower one.

    Parameters
    ----------
    chance : (n, arms) chance of each arm
    given : (n,) chance of the arm that was given
    floor
        Smallest chance that is used.
    known
        Whether the chances are recorded rather than estimated.

    Raises
    ------
    OverlapError
        If more than a fifth of the customers have a chance below the floor.

    Warns
    -----
    OverlapWarning
        If more than one in fifty have.
    """
    low = chance < floor
    below = low.any(axis=1) | (given < floor)
    share = float(below.mean())
    worst = int(low.mean(axis=0).argmax()) if low.any() else None
    where = "the arm that they had" if worst is None else f"some arm (arm {worst} most often)"
    message = (
        f"overlap: {share:.1%} of the customers had {'a' if known else 'an estimated'} chance "
        f"below {floor:g} of {where}"
    )
    if share > _REFUSED_SHARE:
        raise OverlapError(
            f"{message}, so its effect on them cannot be estimated. Leave out customers who could "
            "not have had every arm, or the arm; check that the propensities are those of the arms "
            "that were given"
        )
    if share > _WARNED_SHARE:
        warnings.warn(f"{message}; their chances are clipped there", OverlapWarning, stacklevel=4)
    return np.maximum(chance, floor), share


def _arms(treatment: Any, n: int) -> tuple[NDArray[np.int64], int]:
    given = _vector("treatment", treatment, n)
    arm = given.astype(np.int64)
    if (arm != given).any() or (len(arm) and not 0 <= arm.min() <= arm.max() < _MOST_ARMS):
        raise ModelDataError(
            "treatment must hold whole numbers: 0 for control, 1, 2, ... for actions"
        )
    counts = np.bincount(arm)
    missing = np.flatnonzero(counts < 2)
    if len(counts) < 2 or len(missing):
        rows = "n_samples=1" if n == 1 else f"{n} rows"
        raise ModelDataError(
            f"treatment: {rows}, and arm {missing[0] if len(missing) else 1} has fewer than two "
            "of them: number the arms from 0 without gaps, and give each more customers"
        )
    return arm, len(counts)


def _chances(propensity: Any, n: int, arms: int) -> NDArray[np.float64] | None:
    if propensity is None:
        return None
    chance = np.asarray(propensity, dtype=np.float64)
    if chance.ndim == 0:
        raise ModelDataError("propensity must be one number for each row, or one for each arm")
    if chance.shape not in {(n,), (n, arms)}:
        raise ModelDataError(
            f"propensity has shape {chance.shape}: must be ({n},) or ({n}, {arms})"
        )
    wrong = int(np.sum(~((chance >= 0.0) & (chance <= 1.0))))
    if wrong:
        raise ModelDataError(f"{wrong} propensities are not from 0 to 1: pass probabilities")
    if chance.ndim == 2 and not np.allclose(chance.sum(axis=1), 1.0, atol=1e-6):
        raise ModelDataError("the propensities of a row do not sum to 1")
    return chance


def checked_risk(
    risk: Any, n: int, outcome: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Check risks (n,), which go with outcomes of 0 and 1.

    Raises
    ------
    ModelDataError
        If a risk is not a probability, or the outcome is an amount.
    """
    probability = _vector("risk", risk, n)
    outside = int(np.sum((probability < 0.0) | (probability > 1.0)))
    if outside:
        raise ModelDataError(f"{outside} risks are outside 0 to 1: pass probabilities")
    if outcome is not None and not np.isin(outcome, (0.0, 1.0)).all():
        raise ModelDataError("risk goes with an outcome of 0 and 1: leave it out for amounts")
    return probability


def _costs(cost: Any, n: int, arms: int) -> NDArray[np.float64]:
    full = np.zeros((n, arms))
    if cost is not None:
        given = np.asarray(cost, dtype=np.float64)
        if given.shape not in {(arms - 1,), (n, arms - 1)} or not np.isfinite(given).all():
            raise ModelDataError(
                f"cost has shape {given.shape}: must be finite, ({arms - 1},) or ({n}, {arms - 1})"
            )
        full[:, 1:] = given
    return full


def _groups(groups: Any, n: int) -> NDArray[np.int64]:
    if len(groups) != n:
        raise ModelDataError(f"{len(groups)} groups for {n} rows: give one for each row")
    return np.unique(np.asarray(groups), return_inverse=True)[1].astype(np.int64).ravel()


def _vector(name: str, values: Any, n: int) -> NDArray[np.float64]:
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ModelDataError(f"{name} holds values that are no numbers") from None
    if found.ndim == 2 and found.shape[1] == 1 and name == "y":
        from sklearn.exceptions import DataConversionWarning

        warnings.warn(
            "A column-vector y was passed when a 1d array was expected",
            DataConversionWarning,
            stacklevel=5,
        )
        found = found.ravel()
    if found.shape != (n,):
        raise ModelDataError(f"{name} has shape {found.shape} for {n} rows: give one for each row")
    wrong = int(np.sum(~np.isfinite(found)))
    if wrong:
        raise ModelDataError(
            f"Input {name} contains NaN or inf in {wrong} rows: leave out rows that are not known"
        )
    return found
