"""An estimate with its confidence interval."""

from __future__ import annotations

from dataclasses import dataclass

from churnkit.core.number_format import format_estimate
from churnkit.core.result import Result

__all__ = ["Interval"]


@dataclass(frozen=True, slots=True)
class Interval(Result):
    """An estimate with its confidence interval.

    Parameters
    ----------
    value
        Estimate.
    low, high
        Limits of the interval.

    Examples
    --------
    >>> print(Interval(0.8471, 0.8366, 0.8569))
    0.847 (0.837 to 0.857)
    >>> f"{Interval(0.0219, 0.0162, 0.0273):+.4f}"
    '+0.0219 (+0.0162 to +0.0273)'
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return format(self, ".3f")

    def __format__(self, spec: str) -> str:
        return format_estimate(self.value, self.low, self.high, spec or ".3f")
