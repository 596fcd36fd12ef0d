"""Assumed effect of an action on churn, with an interval."""

from __future__ import annotations

from dataclasses import dataclass

from churnkit.core.parsing import Settings, check_number
from churnkit.errors import RecipeError

__all__ = ["Effect"]


@dataclass(frozen=True, slots=True)
class Effect(Settings):
    """Assumed share of churn that an action prevents, with an interval.

    An effect of 0.25 lowers a churn probability of 0.40 to 0.30. A negative effect increases
    churn.

    Parameters
    ----------
    low, expected, high
        Shares from -1 to 1, in ascending order.

    Raises
    ------
    RecipeError
        If a share is not a number from -1 to 1, or the order is wrong.

    Examples
    --------
    >>> Effect(0.1, 0.2, 0.3).expected
    0.2

    """

    low: float
    expected: float
    high: float

    def __post_init__(self) -> None:
        for name in ("low", "expected", "high"):
            share = check_number(f"effect: {name}", getattr(self, name))
            if not -1.0 <= share <= 1.0:
                raise RecipeError(f"effect: {name} must be a share of churn, from -1 to 1")
            object.__setattr__(self, name, share)
        if not self.low <= self.expected <= self.high:
            raise RecipeError("effect: low, expected and high must be in ascending order")
