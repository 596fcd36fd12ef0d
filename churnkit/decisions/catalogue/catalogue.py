"""Catalogues of retention actions with shared limits and exploration settings.

Examples
--------
>>> from churnkit.decisions import Action, Effect, Where
>>> catalogue = Catalogue(
...     actions=(
...         Action("call", "A call from service", cost=12.0, effect=Effect(0.05, 0.10, 0.15)),
...         Action(
...             "contract",
...             "A year's contract with 20% off",
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
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from churnkit.core.parsing import Settings, check_fields, check_list, check_number, check_share
from churnkit.decisions.catalogue.action import Action
from churnkit.decisions.catalogue.contact_policy import ContactPolicy
from churnkit.decisions.catalogue.exploration import Exploration
from churnkit.decisions.catalogue.limits import Capacity, Floor
from churnkit.decisions.catalogue.migrations import CATALOGUE_FORMAT, migrate
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["CATALOGUE_FORMAT", "Catalogue"]


@dataclass(frozen=True)
class Catalogue(Settings):
    """Retention actions, the value of a retained customer, and shared limits.

    Parameters
    ----------
    actions
        At least one. Of two equally good actions for a customer the earlier one is chosen.
    periods
        Number of periods of value of a retained customer.
    margin
        Share of that value that is profit, above 0 and at most 1.
    value
        Column with the customer's value per period, in money; None for the contract's value role.
    capacities
        Capacities of channels and groups, in addition to those of the actions.
    floors
        Minimum numbers of customers of segments who get an action.
    contact
        Contact policy; past contacts are read from the journal.
    holdout
        Share of customers who never get any action, so that the total effect can be measured.
    exploration
        Exploration settings; None for no exploration.
    salt
        Seed of holdouts and random draws.
    survival
        If true, the value of a retained customer is weighted by survival from the bundle's hazard
        model, up to `periods`; the recipe then needs ``lifetime=Lifetime(...)`` with the same
        length of period.
    discount
        Discount rate per period: 0.01 for 1%.

    Raises
    ------
    RecipeError
        If there is no action, a name is duplicated, a limit refers to an unknown channel, group
        or action, or a number is out of range.

    Examples
    --------
    >>> from churnkit.decisions import Action, Effect
    >>> call = Action("call", "A call", cost=12, effect=Effect(0.0, 0.1, 0.2))
    >>> Catalogue((call,), periods=24).names
    ('call',)

    """

    actions: tuple[Action, ...]
    periods: float = 12.0
    margin: float = 1.0
    value: str | None = None
    capacities: tuple[Capacity, ...] = ()
    floors: tuple[Floor, ...] = ()
    contact: ContactPolicy = field(default_factory=ContactPolicy)
    holdout: float = 0.0
    exploration: Exploration | None = None
    salt: str = "churnkit"
    survival: bool = False
    discount: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "actions", tuple(self.actions))
        if not self.actions or not all(isinstance(a, Action) for a in self.actions):
            raise RecipeError("catalogue: actions must contain at least one Action")
        seen: set[str] = set()
        for name in self.names:
            if name in seen:
                raise RecipeError(f"catalogue: two actions are named '{name}'; rename one")
            seen.add(name)
        for action in self.actions:
            _ = action.prior  # raises without an effect
        object.__setattr__(self, "holdout", check_share("catalogue: holdout", self.holdout))
        if not isinstance(self.salt, str):
            raise RecipeError("catalogue: salt must be text")
        self._check_value()
        self._check_limits()

    def _check_value(self) -> None:
        object.__setattr__(self, "periods", check_number("catalogue: periods", self.periods))
        object.__setattr__(self, "margin", check_number("catalogue: margin", self.margin))
        if self.periods <= 0.0:
            raise RecipeError("catalogue: periods must be above zero")
        if not 0.0 < self.margin <= 1.0:
            raise RecipeError("catalogue: margin must be above 0 and at most 1")
        if self.value is not None and not isinstance(self.value, str):
            raise RecipeError("catalogue: value must be a column name or None")
        if not isinstance(self.survival, bool):
            raise RecipeError("catalogue: survival must be True or False")
        object.__setattr__(self, "discount", check_number("catalogue: discount", self.discount))
        if self.discount < 0.0:
            raise RecipeError("catalogue: discount must be zero or more")

    def _check_limits(self) -> None:
        for name, kind in (("capacities", Capacity), ("floors", Floor)):
            members = tuple(getattr(self, name))
            object.__setattr__(self, name, members)
            if not all(isinstance(member, kind) for member in members):
                raise RecipeError(f"catalogue: {name} must be a tuple of {kind.__name__}")
        if not isinstance(self.contact, ContactPolicy):
            raise RecipeError("catalogue: contact must be a ContactPolicy")
        if self.exploration is not None and not isinstance(self.exploration, Exploration):
            raise RecipeError("catalogue: exploration must be an Exploration or None")
        names: dict[str, set[Any]] = {
            "channel": {action.channel for action in self.actions},
            "group": {action.group for action in self.actions},
            "action": set(self.names),
        }
        rules: list[tuple[str, Any]] = [("capacity", c) for c in self.capacities]
        rules += [("contact limit", c) for c in self.contact.limits]
        rules += [("cool-down", c) for c in self.contact.cool_downs]
        for label, rule in rules:
            for name, values in names.items():
                value = getattr(rule, name, None)
                if value is not None and value not in values:
                    raise RecipeError(
                        f"catalogue: a {label} counts {name} '{value}', which no action has"
                    )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the actions, in order."""
        return tuple(action.name for action in self.actions)

    @property
    def capacity(self) -> tuple[int | None, ...]:
        """Capacity of each action, in order; None for no limit."""
        return tuple(action.capacity for action in self.actions)

    @cached_property
    def horizons(self) -> tuple[float, ...]:
        """Number of periods that each action's effect lasts, at most `periods`."""
        return tuple(
            self.periods
            if action.benefit_periods is None
            else min(action.benefit_periods, self.periods)
            for action in self.actions
        )

    @property
    def rate(self) -> float:
        """Discount as a continuous rate per period."""
        return math.log1p(self.discount)

    @cached_property
    def annuity_factors(self) -> tuple[float, ...]:
        """Annuity factor of each action's horizon, in order."""
        return tuple(self.annuity_factor(periods) for periods in self.horizons)

    def annuity_factor(self, periods: float) -> float:
        """Return the present value of one unit of money per period for this many periods.

        Examples
        --------
        >>> from churnkit.decisions import Action, Effect
        >>> call = Action("call", "A call", cost=12, effect=Effect(0.0, 0.1, 0.2))
        >>> round(Catalogue((call,), discount=0.01).annuity_factor(12.0), 2)
        11.31
        """
        return -math.expm1(-self.rate * periods) / self.rate if self.rate else periods

    def to_dict(self) -> dict[str, Any]:
        """Return the catalogue as JSON-able data; `from_dict` is its inverse."""
        return {"format": CATALOGUE_FORMAT, **Settings.to_dict(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Catalogue:
        """Rebuild a catalogue from `to_dict`, also of an older format.

        Raises
        ------
        RecipeError
            If the data have a newer format, are incomplete, or are not a catalogue.
        """
        parts = check_fields(cls, migrate(data))
        exploration = parts["exploration"]
        return cls(
            **{
                **parts,
                "actions": _parse_members("actions", parts, Action),
                "capacities": _parse_members("capacities", parts, Capacity),
                "floors": _parse_members("floors", parts, Floor),
                "contact": ContactPolicy.from_dict(parts["contact"]),
                "exploration": None if exploration is None else Exploration.from_dict(exploration),
            }
        )


def _parse_members(name: str, parts: Mapping[str, Any], kind: Any) -> tuple[Any, ...]:
    return tuple(kind.from_dict(member) for member in check_list(f"catalogue: {name}", parts[name]))
