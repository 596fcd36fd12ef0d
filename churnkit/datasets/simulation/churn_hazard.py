"""Hazard of churn and transition probabilities of the simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["STATES", "TREATMENT_MONTHS", "monthly_hazard", "transitions"]

ENGAGEMENT = ("thriving", "steady", "fading")
STATES = 6  # engagement, without and with a sync problem: code = 2 * engagement + problem
TREATMENT_MONTHS = 3  # duration of an action's effect: its calendar month and the next two

_INTERCEPT = -4.35
_TENURE_SLOPE = -0.22
_TENURE_CAP_MONTHS = 48
_ANNUAL_BETWEEN = -1.4
_ANNUAL_RENEWAL = 1.0
_MONTHS_A_YEAR = 12
_ENGAGEMENT_EFFECT = np.array([-1.5, 0.0, 1.8])
_PROBLEM_EFFECT = 1.6
_STATE_EFFECT = np.repeat(_ENGAGEMENT_EFFECT, 2) + np.tile([0.0, _PROBLEM_EFFECT], 3)

# Rows: engagement now; columns: engagement next month.
_MOVES = {
    "onboarded": np.array([[0.90, 0.09, 0.01], [0.08, 0.84, 0.08], [0.03, 0.15, 0.82]]),
    "not onboarded": np.array([[0.84, 0.14, 0.02], [0.05, 0.82, 0.13], [0.01, 0.10, 0.89]]),
    "problem": np.array([[0.74, 0.22, 0.04], [0.03, 0.74, 0.23], [0.01, 0.07, 0.92]]),
}
_PROBLEM_BEGINS = {"onboarded": 0.03, "not onboarded": 0.045}
_PROBLEM_STAYS = 0.65


def monthly_hazard(
    log_odds: NDArray[np.float64],
    annual: NDArray[np.bool_],
    tenure: NDArray[np.int64],
    state: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the probability of leaving within a calendar month.

    ``logit h = intercept + traits + tenure + contract + state``; zero in the calendar month of
    joining.

    Parameters
    ----------
    log_odds
        Log-odds of the traits and of an active action, shape (n,) or (n, 1).
    annual
        True for annual contracts, same shape.
    tenure
        Calendar months since joining, same shape.
    state
        Codes of states; broadcast with `log_odds`.

    Returns
    -------
    numpy.ndarray
        Probabilities, of the broadcast shape.

    Examples
    --------
    >>> import numpy as np
    >>> tenure, state = np.array([0, 5, 5]), np.array([2, 2, 3])
    >>> monthly_hazard(np.zeros(3), np.zeros(3, bool), tenure, state).round(3)
    array([0.   , 0.01 , 0.049])
    """
    renewal = (tenure % _MONTHS_A_YEAR == 0) & (tenure > 0)
    contract = np.where(annual, np.where(renewal, _ANNUAL_RENEWAL, _ANNUAL_BETWEEN), 0.0)
    ageing = _TENURE_SLOPE * np.log1p(np.minimum(tenure, _TENURE_CAP_MONTHS) / 3.0)
    logit = _INTERCEPT + log_odds + contract + ageing + _STATE_EFFECT[state]
    hazard: NDArray[np.float64] = np.where(tenure > 0, 1.0 / (1.0 + np.exp(-logit)), 0.0)
    return hazard


def transitions() -> NDArray[np.float64]:
    """Return the transition probabilities of states, given no churn.

    Examples
    --------
    >>> transitions().sum(axis=2).round(12).tolist() == [[1.0] * 6] * 2
    True
    """
    chain = np.empty((2, STATES, STATES))
    for row, kind in enumerate(("not onboarded", "onboarded")):
        for problem in (0, 1):
            moves = _MOVES["problem" if problem else kind]
            begins = _PROBLEM_STAYS if problem else _PROBLEM_BEGINS[kind]
            chain[row, problem::2, 0::2] = moves * (1.0 - begins)
            chain[row, problem::2, 1::2] = moves * begins
    return chain
