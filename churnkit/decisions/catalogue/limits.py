"""Capacities shared by several actions, and floors for segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.core.parsing import (
    Settings,
    check_count,
    check_fields,
    check_list,
    check_name,
    check_share,
)
from churnkit.core.predicate import Where
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Capacity", "Floor"]


@dataclass(frozen=True, slots=True)
class Capacity(Settings):
    """Maximum number of customers of a channel or a group of actions in one period.

    Parameters
    ----------
    most
        Maximum number of customers.
    channel, group
        Actions that count; exactly one of the two.

    Raises
    ------
    RecipeError
        If the number is negative, or not exactly one of channel and group is set.

    Examples
    --------
    >>> str(Capacity(500, channel="phone"))
    "channel 'phone'"

    """

    most: int
    channel: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        if (self.channel is None) == (self.group is None):
            raise RecipeError("capacity: set exactly one of channel and group")
        check_name("capacity: channel", self.channel)
        check_name("capacity: group", self.group)
        if self.most is None:
            raise RecipeError(
                "capacity: most must be a whole number; omit the capacity for no limit"
            )
        check_count("capacity: most", self.most)

    def __str__(self) -> str:
        return f"group '{self.group}'" if self.channel is None else f"channel '{self.channel}'"

    def counts(self, channel: str | None, group: str | None) -> bool:
        """Return True if an action of this channel and group counts."""
        return channel == self.channel if self.channel is not None else group == self.group


@dataclass(frozen=True, slots=True)
class Floor(Settings):
    """Minimum number of customers of a segment who get an action.

    Only actions with a positive expected gain count. A plan never breaks a budget or a capacity
    for a floor; it reports the shortfall.

    Parameters
    ----------
    name
        Name of the segment, for reports.
    where
        Conditions of the segment, all of which must hold.
    share
        Minimum share of its customers.
    number
        Minimum number of its customers; the larger of the two applies.

    Raises
    ------
    RecipeError
        If there is no condition, or neither a share nor a number.

    Examples
    --------
    >>> Floor("rural", (Where("region", "==", "rural"),), share=0.1).least(95)
    10

    """

    name: str
    where: tuple[Where, ...]
    share: float = 0.0
    number: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise RecipeError("floor: name must not be empty")
        label = f"floor '{self.name}'"
        object.__setattr__(self, "where", tuple(self.where))
        if not self.where or not all(isinstance(rule, Where) for rule in self.where):
            raise RecipeError(f"{label}: where must be a tuple of Where(column, op, value)")
        object.__setattr__(self, "share", check_share(f"{label}: share", self.share))
        if self.number is None:
            raise RecipeError(f"{label}: number must be a whole number")
        check_count(f"{label}: number", self.number)
        if self.share <= 0.0 and self.number <= 0:
            raise RecipeError(f"{label}: set a share or a number above zero")

    def least(self, customers: int) -> int:
        """Return the minimum for a segment of this many customers."""
        # Rounded up, with room for the rounding error of the product.
        return max(self.number, -int(-(self.share * customers - 1e-9) // 1))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Floor:
        """Rebuild a floor from `to_dict`."""
        parts = check_fields(cls, data)
        rules: Sequence[Any] = check_list("floor: where", parts["where"])
        return cls(**{**parts, "where": tuple(Where.from_dict(rule) for rule in rules)})
