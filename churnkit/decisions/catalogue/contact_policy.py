"""How often a customer may be approached: a contact policy, as data.

Examples
--------
>>> policy = ContactPolicy(limits=(ContactLimit(2, days=30), ContactLimit(1, days=7, channel="sms")))
>>> ContactPolicy.from_dict(policy.to_dict()) == policy
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.core.parsing import exactly, listed
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ContactLimit", "ContactPolicy", "CoolDown", "Suppression"]


@dataclass(frozen=True, slots=True)
class ContactLimit:
    """The most actions that one customer gets in any stretch of time.

    Parameters
    ----------
    most
        How many, at least one.
    days
        The length of the stretch, whole days or parts of one.
    channel, group, action
        Which actions count; None for any. More than one narrows further.

    Raises
    ------
    RecipeError
        If a number is out of range or a name is not text.

    Examples
    --------
    >>> ContactLimit(1, days=30, channel="phone").counts("call", "offers", "phone")
    True

    """

    most: int
    days: float
    channel: str | None = None
    group: str | None = None
    action: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.most, bool) or not isinstance(self.most, int) or self.most < 1:
            raise RecipeError(
                "contact limit: most must be a whole number, at least 1; an action that nobody "
                "may have is not eligible"
            )
        object.__setattr__(self, "days", _days("contact limit", self.days))
        for name in ("channel", "group", "action"):
            _named(f"contact limit: {name}", getattr(self, name))

    def counts(self, action: str | None, group: str | None, channel: str | None) -> bool:
        """Tell whether an action is one that this limit counts."""
        return (
            (self.action is None or self.action == action)
            and (self.group is None or self.group == group)
            and (self.channel is None or self.channel == channel)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the limit as JSON-able data; `from_dict` is its inverse."""
        return {
            "most": self.most,
            "days": self.days,
            "channel": self.channel,
            "group": self.group,
            "action": self.action,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ContactLimit:
        """Rebuild a limit from `to_dict`."""
        return cls(**exactly(cls, data))


@dataclass(frozen=True, slots=True)
class CoolDown:
    """How long a customer is left alone after an outcome.

    Parameters
    ----------
    outcome
        The outcome's kind, as the journal has it: ``"complained"``.
    days
        How long.
    channel
        The channel that rests; None for all.

    Examples
    --------
    >>> CoolDown("complained", days=90).days
    90.0

    """

    outcome: str
    days: float
    channel: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.outcome, str) or not self.outcome.strip():
            raise RecipeError("cool-down: name the outcome, such as 'complained'")
        object.__setattr__(self, "days", _days(f"cool-down after '{self.outcome}'", self.days))
        _named("cool-down: channel", self.channel)

    def to_dict(self) -> dict[str, Any]:
        """Return the cool-down as JSON-able data; `from_dict` is its inverse."""
        return {"outcome": self.outcome, "days": self.days, "channel": self.channel}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CoolDown:
        """Rebuild a cool-down from `to_dict`."""
        return cls(**exactly(cls, data))


@dataclass(frozen=True, slots=True)
class Suppression:
    """An action that a customer keeps refusing is not offered again for a while.

    Parameters
    ----------
    refusals
        So many refusals of an action...
    days
        ... within so many days suppress it.
    outcome
        The kind of outcome that is a refusal.

    Examples
    --------
    >>> Suppression(2, days=180).outcome
    'refused'

    """

    refusals: int
    days: float
    outcome: str = "refused"

    def __post_init__(self) -> None:
        if (
            isinstance(self.refusals, bool)
            or not isinstance(self.refusals, int)
            or self.refusals < 1
        ):
            raise RecipeError("suppression: refusals must be a whole number, at least 1")
        object.__setattr__(self, "days", _days("suppression", self.days))
        if not isinstance(self.outcome, str) or not self.outcome.strip():
            raise RecipeError("suppression: name the outcome that is a refusal")

    def to_dict(self) -> dict[str, Any]:
        """Return the suppression as JSON-able data; `from_dict` is its inverse."""
        return {"refusals": self.refusals, "days": self.days, "outcome": self.outcome}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Suppression:
        """Rebuild a suppression from `to_dict`."""
        return cls(**exactly(cls, data))


@dataclass(frozen=True, slots=True)
class ContactPolicy:
    """All rules about how often, how soon and how stubbornly a customer is approached.

    Parameters
    ----------
    limits
        Each one holds; the journal keeps them too when several programs write at once.
    cool_downs
        After which outcomes a customer is left alone.
    suppression
        When an action that is refused is no longer offered; None for never.

    Examples
    --------
    >>> ContactPolicy(limits=(ContactLimit(2, days=30),), suppression=Suppression(2, 90)).days
    90.0

    """

    limits: tuple[ContactLimit, ...] = ()
    cool_downs: tuple[CoolDown, ...] = ()
    suppression: Suppression | None = None

    def __post_init__(self) -> None:
        _all_of("limits", self, ContactLimit)
        _all_of("cool_downs", self, CoolDown)
        if self.suppression is not None and not isinstance(self.suppression, Suppression):
            raise RecipeError("contact policy: suppression must be a Suppression or None")

    @property
    def days(self) -> float:
        """How far back the policy looks, in days; 0 where there is no rule."""
        rules: list[Any] = [*self.limits, *self.cool_downs]
        if self.suppression is not None:
            rules.append(self.suppression)
        return max((float(rule.days) for rule in rules), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the policy as JSON-able data; `from_dict` is its inverse."""
        return {
            "limits": [limit.to_dict() for limit in self.limits],
            "cool_downs": [rest.to_dict() for rest in self.cool_downs],
            "suppression": None if self.suppression is None else self.suppression.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ContactPolicy:
        """Rebuild a policy from `to_dict`."""
        parts = exactly(cls, data)
        limits = listed("contact policy: limits", parts["limits"])
        rests = listed("contact policy: cool_downs", parts["cool_downs"])
        stops = parts["suppression"]
        return cls(
            tuple(ContactLimit.from_dict(limit) for limit in limits),
            tuple(CoolDown.from_dict(rest) for rest in rests),
            None if stops is None else Suppression.from_dict(stops),
        )


def _all_of(name: str, policy: ContactPolicy, kind: type) -> None:
    members: Sequence[Any] = tuple(getattr(policy, name))
    object.__setattr__(policy, name, members)
    if not all(isinstance(member, kind) for member in members):
        raise RecipeError(f"contact policy: {name} must be a tuple of {kind.__name__}")


def _days(said: str, days: Any) -> float:
    if isinstance(days, bool) or not isinstance(days, (int, float)) or not math.isfinite(days):
        raise RecipeError(f"{said}: days must be a finite number")
    if days <= 0.0:
        raise RecipeError(f"{said}: days must be above zero")
    return float(days)


def _named(said: str, name: Any) -> None:
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise RecipeError(f"{said} must be a name or None")
