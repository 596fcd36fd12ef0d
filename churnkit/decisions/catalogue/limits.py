"""Limits that several actions share, and floors that a segment must reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.core.parsing import exactly, listed, named, share, whole
from churnkit.core.predicate import Where
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Capacity", "Floor"]


@dataclass(frozen=True, slots=True)
class Capacity:
    """The most customers that a channel, or a group of actions, can serve in one period.

    Parameters
    ----------
    most
        How many customers.
    channel, group
        Which actions count; exactly one of the two.

    Raises
    ------
    RecipeError
        If the number is negative, or not exactly one of channel and group is named.

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
            raise RecipeError("capacity: name a channel or a group, one of the two")
        named("capacity: channel", self.channel)
        named("capacity: group", self.group)
        if self.most is None:
            raise RecipeError("capacity: most must be a whole number; leave it out for no limit")
        whole("capacity: most", self.most)

    def __str__(self) -> str:
        return f"group '{self.group}'" if self.channel is None else f"channel '{self.channel}'"

    def counts(self, channel: str | None, group: str | None) -> bool:
        """Tell whether an action of this channel and group counts."""
        return channel == self.channel if self.channel is not None else group == self.group

    def to_dict(self) -> dict[str, Any]:
        """Return the capacity as JSON-able data; `from_dict` is its inverse."""
        return {"most": self.most, "channel": self.channel, "group": self.group}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Capacity:
        """Rebuild a capacity from `to_dict`."""
        return cls(**exactly(cls, data))


@dataclass(frozen=True, slots=True)
class Floor:
    """The least customers of a segment who get an action, so that nobody is passed over.

    Only actions that pay count towards it; a plan never breaks a budget or a capacity for it,
    and says how many customers are missing.

    Parameters
    ----------
    name
        The segment's name, for reports.
    where
        Who belongs to it: conditions that hold, all of them.
    share
        The least share of its customers.
    number
        The least number of its customers; the larger of the two counts.

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
            raise RecipeError("floor: give the segment a name")
        said = f"floor '{self.name}'"
        object.__setattr__(self, "where", tuple(self.where))
        if not self.where or not all(isinstance(rule, Where) for rule in self.where):
            raise RecipeError(f"{said}: where must be a tuple of Where(column, op, value)")
        object.__setattr__(self, "share", share(f"{said}: share", self.share))
        if self.number is None:
            raise RecipeError(f"{said}: number must be a whole number")
        whole(f"{said}: number", self.number)
        if self.share <= 0.0 and self.number <= 0:
            raise RecipeError(f"{said}: give a share or a number above zero")

    def least(self, customers: int) -> int:
        """Give the floor for a segment of so many customers."""
        # A share of whole customers, whatever the last bit of the product is.
        return max(self.number, -int(-(self.share * customers - 1e-9) // 1))

    def to_dict(self) -> dict[str, Any]:
        """Return the floor as JSON-able data; `from_dict` is its inverse."""
        where = [rule.to_dict() for rule in self.where]
        return {"name": self.name, "where": where, "share": self.share, "number": self.number}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Floor:
        """Rebuild a floor from `to_dict`."""
        parts = exactly(cls, data)
        rules: Sequence[Any] = listed("floor: where", parts["where"])
        return cls(**{**parts, "where": tuple(Where.from_dict(rule) for rule in rules)})
