"""Sensitivity of an effect to a confounder that was not observed: the E-value.

The E-value is the risk ratio that a hidden confounder would need with both the treatment and the
outcome, beyond what was observed, to explain an effect away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.core.stats.interval import Interval

__all__ = ["Sensitivity", "e_value", "sensitivity_of"]

# A standardized difference d corresponds to a risk ratio of exp(0.91 d).
_LOG_RATIO_PER_SD = 0.91


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """E-values of an effect.

    Attributes
    ----------
    point
        For the estimate to become zero.
    bound
        For the interval to reach zero; 1 if it holds zero already.
    """

    point: float
    bound: float

    def to_dict(self) -> dict[str, float]:
        """Return both as JSON-able data."""
        return {"e_value": self.point, "e_value_of_bound": self.bound}


def e_value(risk_ratio: float) -> float:
    """Return the E-value of a risk ratio, ``R + sqrt(R (R - 1))`` with R at least 1.

    References
    ----------
    T. VanderWeele and P. Ding, Sensitivity analysis in observational research: introducing the
    E-value, Annals of Internal Medicine 2017, doi:10.7326/M16-2607.

    Examples
    --------
    >>> e_value(2.0), e_value(0.5)
    (3.414213562373095, 3.414213562373095)
    """
    ratio = max(risk_ratio, 1.0 / risk_ratio)
    return float(ratio + np.sqrt(ratio * (ratio - 1.0)))


def sensitivity_of(effect: Interval, outcome: NDArray[np.float64], untreated: float) -> Sensitivity:
    """Return the E-values of a mean effect.

    Parameters
    ----------
    effect
        With its interval, on the outcome.
    outcome : (n,) 0 and 1, or amounts
    untreated
        Mean outcome without treatment.

    Examples
    --------
    >>> from churnkit.evaluation import Interval
    >>> round(sensitivity_of(Interval(0.1, 0.05, 0.15), np.array([0.0, 1.0]), 0.8).point, 2)
    3.41
    """
    nearest = effect.low if effect.value > 0.0 else effect.high
    spans_zero = effect.low <= 0.0 <= effect.high
    spread = max(float(np.std(outcome)), 1e-12)
    is_binary = bool(np.isin(outcome, (0.0, 1.0)).all())

    def ratio(size: float) -> float:
        left = 1.0 - untreated
        if is_binary and left > 0.0 and left - size > 0.0:
            return left / (left - size)
        return float(np.exp(_LOG_RATIO_PER_SD * abs(size) / spread))

    return Sensitivity(e_value(ratio(effect.value)), 1.0 if spans_zero else e_value(ratio(nearest)))
