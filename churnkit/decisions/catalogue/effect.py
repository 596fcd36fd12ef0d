"""How much churn an action prevents: an assumption, with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.core.parsing import exactly, number
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Effect"]


@dataclass(frozen=True, slots=True)
class Effect:
    """The share of churn that an action prevents: an assumption, with its interval.

    An action of effect .25 lowers a churn probability of .40 to .30. A negative effect drives
    customers away.

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
            share = number(f"effect: {name}", getattr(self, name))
            if not -1.0 <= share <= 1.0:
                raise RecipeError(f"effect: {name} is a share of churn, from -1 to 1")
            object.__setattr__(self, name, share)
        if not self.low <= self.expected <= self.high:
            raise RecipeError("effect: give low, expected and high in ascending order")

    def to_dict(self) -> dict[str, Any]:
        """Return the effect as JSON-able data; `from_dict` is its inverse."""
        return {"low": self.low, "expected": self.expected, "high": self.high}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Effect:
        """Rebuild an effect from `to_dict`."""
        return cls(**exactly(cls, data))
