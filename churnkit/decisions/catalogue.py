"""What can be done for a customer: actions with their costs, assumed effects and rules.

Examples
--------
>>> catalogue = Catalogue(
...     actions=(
...         Action("call", "A call from service", cost=12.0, effect=Effect(0.05, 0.10, 0.15)),
...         Action(
...             "contract",
...             "A year's contract with 20 % off",
...             cost=60.0,
...             effect=Effect(0.10, 0.25, 0.40),
...             eligible=(Where("contract", "==", "Month-to-month"), Where("tenure", ">=", 6)),
...             capacity=500,
...         ),
...     ),
... )
>>> Catalogue.from_dict(catalogue.to_dict()) == catalogue
True
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.decisions._stored import exactly, listed
from churnkit.decisions.where import Where
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from churnkit.contracts import Column
    from churnkit.decisions.eligibility import CompiledCatalogue

__all__ = ["CATALOGUE_FORMAT", "Action", "Catalogue", "Effect"]

CATALOGUE_FORMAT = 1


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
            share = _number(f"effect: {name}", getattr(self, name))
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


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that can be done for a customer.

    Parameters
    ----------
    name
        A short name, unique in its catalogue: plans and answers carry it.
    title
        The action in a person's words.
    cost
        Money for one customer; or the name of a column that holds it for each customer.
    effect
        The share of churn that it prevents.
    eligible
        Conditions that a customer must meet, all of them.
    channel
        How it reaches the customer: ``"phone"``, ``"email"``.
    capacity
        The most customers that can have it in one plan; None for no limit.

    Raises
    ------
    RecipeError
        If a part is empty, negative or of the wrong kind.

    Examples
    --------
    >>> Action("call", "A call", cost=12, effect=Effect(0.0, 0.1, 0.2)).cost
    12.0

    """

    name: str
    title: str
    cost: float | str
    effect: Effect
    eligible: tuple[Where, ...] = ()
    channel: str | None = None
    capacity: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise RecipeError("an action has no name: give it a short one, such as 'call'")
        said = f"action '{self.name}'"
        if not isinstance(self.title, str) or not self.title.strip():
            raise RecipeError(f"{said}: give it a title that a person can read")
        if not isinstance(self.effect, Effect):
            raise RecipeError(f"{said}: effect must be an Effect(low, expected, high)")
        if not isinstance(self.cost, str):
            cost = _number(f"{said}: cost", self.cost)
            if cost < 0.0:
                raise RecipeError(f"{said}: cost must be zero or more")
            object.__setattr__(self, "cost", cost)
        object.__setattr__(self, "eligible", tuple(self.eligible))
        if not all(isinstance(rule, Where) for rule in self.eligible):
            raise RecipeError(f"{said}: eligible must be a tuple of Where(column, op, value)")
        if self.channel is not None and not isinstance(self.channel, str):
            raise RecipeError(f"{said}: channel must be text or None")
        if self.capacity is not None and (
            isinstance(self.capacity, bool)
            or not isinstance(self.capacity, int)
            or self.capacity < 0
        ):
            raise RecipeError(f"{said}: capacity must be a whole number, zero or more, or None")

    def to_dict(self) -> dict[str, Any]:
        """Return the action as JSON-able data; `from_dict` is its inverse."""
        return {
            "name": self.name,
            "title": self.title,
            "cost": self.cost,
            "effect": self.effect.to_dict(),
            "eligible": [rule.to_dict() for rule in self.eligible],
            "channel": self.channel,
            "capacity": self.capacity,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Action:
        """Rebuild an action from `to_dict`."""
        parts = exactly(cls, data)
        rules = listed("action: eligible", parts["eligible"])
        return cls(
            **{
                **parts,
                "effect": Effect.from_dict(parts["effect"]),
                "eligible": tuple(Where.from_dict(rule) for rule in rules),
            }
        )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The list of actions, and what keeping a customer is worth.

    Parameters
    ----------
    actions
        At least one; of two that are equally good for a customer the earlier one is chosen.
    periods
        How many periods of value a saved customer brings.
    margin
        The share of that value that is profit, above 0 and at most 1.
    value
        The column that holds a customer's value for one period, in money; None for the
        contract's value role.

    Raises
    ------
    RecipeError
        If there is no action, a name comes twice, or a number is out of range.

    Examples
    --------
    >>> call = Action("call", "A call", cost=12, effect=Effect(0.0, 0.1, 0.2))
    >>> Catalogue((call,), periods=24).names
    ('call',)

    """

    actions: tuple[Action, ...]
    periods: float = 12.0
    margin: float = 1.0
    value: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "actions", tuple(self.actions))
        if not self.actions or not all(isinstance(a, Action) for a in self.actions):
            raise RecipeError("catalogue: give at least one Action")
        seen: set[str] = set()
        for name in self.names:
            if name in seen:
                raise RecipeError(f"catalogue: two actions are named '{name}'; rename one")
            seen.add(name)
        object.__setattr__(self, "periods", _number("catalogue: periods", self.periods))
        object.__setattr__(self, "margin", _number("catalogue: margin", self.margin))
        if self.periods <= 0.0:
            raise RecipeError("catalogue: periods must be above zero")
        if not 0.0 < self.margin <= 1.0:
            raise RecipeError("catalogue: margin is a share, above 0 and at most 1")
        if self.value is not None and not isinstance(self.value, str):
            raise RecipeError("catalogue: value must be a column's name or None")

    @property
    def names(self) -> tuple[str, ...]:
        """The actions' names, in order."""
        return tuple(action.name for action in self.actions)

    @property
    def capacity(self) -> tuple[int | None, ...]:
        """The most customers of each action, in order; None for no limit."""
        return tuple(action.capacity for action in self.actions)

    def compile(self, columns: Sequence[Column]) -> CompiledCatalogue:
        """Check the catalogue against a contract's columns and make it ready for decisions.

        Parameters
        ----------
        columns
            The columns of the encoded matrix, in its order: ``contract.encoded("recommend")``.

        Raises
        ------
        RecipeError
            If a rule, a cost or the value names a column that is not there, a category that
            the column does not have, or a comparison that its type does not allow.

        """
        from churnkit.decisions.eligibility import compile_catalogue

        return compile_catalogue(self, columns)

    def to_dict(self) -> dict[str, Any]:
        """Return the catalogue as JSON-able data; `from_dict` is its inverse."""
        return {
            "format": CATALOGUE_FORMAT,
            "actions": [action.to_dict() for action in self.actions],
            "periods": self.periods,
            "margin": self.margin,
            "value": self.value,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Catalogue:
        """Rebuild a catalogue from `to_dict`.

        Raises
        ------
        RecipeError
            If the data are of a newer format, incomplete, or not a catalogue at all.
        """
        said = data.get("format") if isinstance(data, Mapping) else None
        if isinstance(said, bool) or not isinstance(said, int) or said < 1:
            raise RecipeError("catalogue: no 'format' is given; write it with to_dict()")
        if said > CATALOGUE_FORMAT:
            raise RecipeError(
                f"catalogue: format {said} is newer than {CATALOGUE_FORMAT}, the newest that "
                "this churnkit reads; upgrade churnkit"
            )
        parts = exactly(cls, {key: part for key, part in data.items() if key != "format"})
        actions = listed("catalogue: actions", parts["actions"])
        return cls(**{**parts, "actions": tuple(Action.from_dict(a) for a in actions)})


def _number(said: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RecipeError(f"{said} must be a finite number")
    return float(value)
