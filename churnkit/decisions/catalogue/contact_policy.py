"""Contact policies: limits, cool-downs and suppression.

Examples
--------
>>> policy = ContactPolicy(limits=(ContactLimit(2, days=30), ContactLimit(1, days=7, channel="sms")))
>>> ContactPolicy.from_dict(policy.to_dict()) == policy
True
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from churnkit.core.parsing import Settings, check_fields, check_list, check_name, check_number
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ContactLimit", "ContactPolicy", "CoolDown", "Suppression"]


@dataclass(frozen=True, slots=True)
class ContactLimit(Settings):
    """Maximum number of actions for one customer in any time window.

    Parameters
    ----------
    most
        Maximum number, at least 1.
    days
        Length of the window in days; fractions are allowed.
    channel, group, action
        Actions that count; None for any. Several are combined with AND.

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
                "contact limit: most must be a whole number, at least 1; to forbid an action, remove "
                "it from the catalogue"
            )
        object.__setattr__(self, "days", _check_days("contact limit", self.days))
        for name in ("channel", "group", "action"):
            check_name(f"contact limit: {name}", getattr(self, name))

    def counts(self, action: str | None, group: str | None, channel: str | None) -> bool:
        """Return True if an action counts towards this limit."""
        return (
            (self.action is None or self.action == action)
            and (self.group is None or self.group == group)
            and (self.channel is None or self.channel == channel)
        )


@dataclass(frozen=True, slots=True)
class CoolDown(Settings):
    """Time without contacts after an outcome.

    Parameters
    ----------
    outcome
        Kind of outcome in the journal: ``"complained"``.
    days
        Length in days.
    channel
        Channel that is paused; None for all.

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
            raise RecipeError("cool-down: outcome must be a kind of outcome, such as 'complained'")
        object.__setattr__(
            self, "days", _check_days(f"cool-down after '{self.outcome}'", self.days)
        )
        check_name("cool-down: channel", self.channel)


@dataclass(frozen=True, slots=True)
class Suppression(Settings):
    """Pause of an action after repeated refusals by a customer.

    Parameters
    ----------
    refusals
        Number of refusals that suppress the action.
    days
        Window in which they are counted, in days.
    outcome
        Kind of outcome that counts as a refusal.

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
        object.__setattr__(self, "days", _check_days("suppression", self.days))
        if not isinstance(self.outcome, str) or not self.outcome.strip():
            raise RecipeError("suppression: outcome must be a kind of outcome, such as 'refused'")


@dataclass(frozen=True)
class ContactPolicy(Settings):
    """Rules on how often and how soon a customer may be contacted.

    Parameters
    ----------
    limits
        Contact limits; the journal enforces them when several programs write at once.
    cool_downs
        Pauses after outcomes.
    suppression
        Pause of refused actions; None for none.

    Examples
    --------
    >>> ContactPolicy(limits=(ContactLimit(2, days=30),), suppression=Suppression(2, 90)).days
    90.0

    """

    limits: tuple[ContactLimit, ...] = ()
    cool_downs: tuple[CoolDown, ...] = ()
    suppression: Suppression | None = None

    def __post_init__(self) -> None:
        _check_members("limits", self, ContactLimit)
        _check_members("cool_downs", self, CoolDown)
        if self.suppression is not None and not isinstance(self.suppression, Suppression):
            raise RecipeError("contact policy: suppression must be a Suppression or None")

    @cached_property
    def days(self) -> float:
        """Longest window of all rules in days; 0 without rules."""
        rules: list[Any] = [*self.limits, *self.cool_downs]
        if self.suppression is not None:
            rules.append(self.suppression)
        return max((float(rule.days) for rule in rules), default=0.0)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ContactPolicy:
        """Rebuild a policy from `to_dict`."""
        parts = check_fields(cls, data)
        limits = check_list("contact policy: limits", parts["limits"])
        rests = check_list("contact policy: cool_downs", parts["cool_downs"])
        stops = parts["suppression"]
        return cls(
            tuple(ContactLimit.from_dict(limit) for limit in limits),
            tuple(CoolDown.from_dict(rest) for rest in rests),
            None if stops is None else Suppression.from_dict(stops),
        )


def _check_members(name: str, policy: ContactPolicy, kind: type) -> None:
    members: Sequence[Any] = tuple(getattr(policy, name))
    object.__setattr__(policy, name, members)
    if not all(isinstance(member, kind) for member in members):
        raise RecipeError(f"contact policy: {name} must be a tuple of {kind.__name__}")


def _check_days(label: str, days: Any) -> float:
    length = check_number(f"{label}: days", days)
    if length <= 0.0:
        raise RecipeError(f"{label}: days must be above zero")
    return length
