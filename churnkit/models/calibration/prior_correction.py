"""Prior correction for training rows with over- or undersampled churners."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["log_odds", "population_weights", "prior_shift"]


def log_odds(probability: ArrayLike) -> NDArray[np.float64]:
    """Return the log-odds of probabilities, in the same shape.

    Examples
    --------
    >>> log_odds([0.5])
    array([0.])
    """
    values = np.asarray(probability, dtype=np.float64)
    odds: NDArray[np.float64] = np.log(values) - np.log1p(-values)
    return odds


def prior_shift(population_rate: float | None, share: float) -> float:
    """Return the correction of log-odds from the training share of churners to the population's.

    Oversampling churners multiplies all odds by the same factor, so the ranking is unchanged.

    Parameters
    ----------
    population_rate
        The churn rate among all customers; None if the rows are a random sample.
    share
        The share of churners in the rows.

    Returns
    -------
    float, added to the log-odds

    Raises
    ------
    ModelDataError
        The rate is not between 0 and 1.

    References
    ----------
    Elkan (2001). The foundations of cost-sensitive learning, theorem 2. IJCAI.

    Examples
    --------
    >>> round(prior_shift(0.02, 0.5), 3), prior_shift(None, 0.5)
    (-3.892, 0.0)
    """
    if population_rate is None:
        return 0.0
    if not 0.0 < population_rate < 1.0:
        raise ModelDataError(
            f"population_rate must be between 0 and 1, got {population_rate}: it is the churn "
            "rate among all customers"
        )
    odds = population_rate / (1.0 - population_rate)
    return math.log(odds) - math.log(share / (1.0 - share))


def population_weights(population_rate: float, y: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return row weights that give churners the population's share, (n,), with mean one.

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
