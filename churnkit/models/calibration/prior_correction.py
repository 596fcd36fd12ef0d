"""Rows in which churners are more, or fewer, than among all customers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["log_odds", "population_weights", "prior_shift"]


def log_odds(probability: ArrayLike) -> NDArray[np.float64]:
    """Return the log-odds of probabilities.

    Examples
    --------
    >>> log_odds([0.5])
    array([0.])
    """
    chance = np.asarray(probability, dtype=np.float64)
    odds: NDArray[np.float64] = np.log(chance) - np.log1p(-chance)
    return odds


def prior_shift(population_rate: float | None, share: float) -> float:
    """Return what log-odds learned from such rows lack to be those of the population.

    The draw of more churners multiplies everybody's odds by one number (Elkan 2001, theorem 2),
    so that one number takes it back; the order of the customers stays.

    Parameters
    ----------
    population_rate
        The share of all customers who churn; None where the rows are like them.
    share
        Of the rows.

    Raises
    ------
    ModelDataError
        The rate is not between 0 and 1.

    Examples
    --------
    >>> round(prior_shift(0.02, 0.5), 3), prior_shift(None, 0.5)
    (-3.892, 0.0)
    """
    if population_rate is None:
        return 0.0
    if not 0.0 < population_rate < 1.0:
        raise ModelDataError(
            f"population_rate is {population_rate}, and must lie between 0 and 1: it is the share "
            "of all customers who churn"
        )
    odds = population_rate / (1.0 - population_rate)
    return math.log(odds) - math.log(share / (1.0 - share))


def population_weights(population_rate: float, y: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return what each row counts, so that churners have the population's share, (n,).

    The weights' mean is one.

    Examples
    --------
    >>> population_weights(0.1, np.array([1, 0]))
    array([0.2, 1.8])
    """
    share = float(np.mean(y))
    weights: NDArray[np.float64] = np.where(
        y == 1, population_rate / share, (1.0 - population_rate) / (1.0 - share)
    )
    return weights
