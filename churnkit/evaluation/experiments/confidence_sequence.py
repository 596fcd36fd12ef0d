"""Confidence sequences: intervals that stay valid under continuous monitoring."""

from __future__ import annotations

import numpy as np

from churnkit.core.stats.interval import Interval
from churnkit.evaluation.validation import EvaluationError

__all__ = ["sequential_interval"]


def sequential_interval(
    effect: float,
    variance: float,
    *,
    planned_variance: float,
    level: float = 0.95,
) -> Interval:
    """Return an interval that covers the true effect at all looks simultaneously.

    An experiment may be stopped at any look at which it excludes zero. It is a normal-mixture
    confidence sequence, the dual of the mixture sequential probability ratio test:

    ``effect +- sqrt(V (V + m) / m * (log((V + m) / V) + 2 log(1 / alpha)))``

    with ``V`` the effect's variance and ``m`` the mixture's, chosen so that the interval is
    narrowest when ``V`` is `planned_variance`. It is asymptotic: not for the first few dozen
    customers.

    Parameters
    ----------
    effect, variance
        The current estimate, and the square of its standard error.
    planned_variance
        The variance at the planned end, the same at every look: tuning it to the current
        variance would leave no guarantee.
    level
        Confidence level over all looks.

    Returns
    -------
    Interval
        The effect and its limits.

    References
    ----------
    Robbins (1970), Annals of Mathematical Statistics 41, doi:10.1214/aoms/1177696786.
    Johari, Koomen, Pekelis, Walsh (2022), Operations Research 70, doi:10.1287/opre.2021.2135.
    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), Annals of Statistics 52,
    arXiv:2103.06476.

    Examples
    --------
    >>> print(sequential_interval(0.05, 0.01**2, planned_variance=0.01**2))
    0.050 (0.020 to 0.080)
    """
    from scipy.special import lambertw

    if not 0 < level < 1:
        raise EvaluationError(f"level must lie between 0 and 1, got {level}")
    alpha = 1 - level
    if variance <= 0:
        return Interval(effect, effect, effect)
    mixture = planned_variance * (-float(lambertw(-(alpha**2) / np.e, -1).real) - 1)
    grown = variance + mixture
    reach = np.sqrt(variance * grown / mixture * (np.log(grown / variance) + 2 * np.log(1 / alpha)))
    return Interval(effect, float(effect - reach), float(effect + reach))
