"""What can be done for a customer: actions, the limits they share, and how to learn about them.

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
from typing import TYPE_CHECKING, Any

from churnkit.core.parsing import exactly, listed, number, share
from churnkit.decisions.catalogue.action import Action
from churnkit.decisions.catalogue.contact_policy import ContactPolicy
from churnkit.decisions.catalogue.exploration import Exploration
from churnkit.decisions.catalogue.limits import Capacity, Floor
from churnkit.decisions.catalogue.migrations import CATALOGUE_FORMAT, forward
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.contracts import Column
    from churnkit.decisions.catalogue.compiled import CompiledCatalogue

__all__ = ["CATALOGUE_FORMAT", "Catalogue"]


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
    capacities
        Limits of channels and groups, beside the actions' own.
    floors
        The least customers of a segment who get an action.
    contact
        How often a customer may be approached; the journal knows what went out before.
    holdout
        The share of customers who never get any action, so that the whole can be measured.
    exploration
        How much chance decides, so that effects can be learned; None for not at all.
    salt
        Chooses who is held out and what chance says: another salt, other customers.
    survival
        Whether a kept customer's value lasts as long as the bundle's hazard expects, at most
        `periods`, instead of all of them; the recipe then needs ``lifetime=Lifetime(...)``, and
        a period here is a period there.
    discount
        Rate by which money loses worth in one period: .01 for one percent.

    Raises
    ------
    RecipeError
        If there is no action, a name comes twice, a limit counts what is not there, or a
        number is out of range.

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
            raise RecipeError("catalogue: give at least one Action")
        seen: set[str] = set()
        for name in self.names:
            if name in seen:
                raise RecipeError(f"catalogue: two actions are named '{name}'; rename one")
            seen.add(name)
        for action in self.actions:
            _ = action.prior  # none is an error that says what to do
        object.__setattr__(self, "holdout", share("catalogue: holdout", self.holdout))
        if not isinstance(self.salt, str):
            raise RecipeError("catalogue: salt must be text")
        self._check_worth()
        self._check_limits()

    def _check_worth(self) -> None:
        object.__setattr__(self, "periods", number("catalogue: periods", self.periods))
        object.__setattr__(self, "margin", number("catalogue: margin", self.margin))
        if self.periods <= 0.0:
            raise RecipeError("catalogue: periods must be above zero")
        if not 0.0 < self.margin <= 1.0:
            raise RecipeError("catalogue: margin is a share, above 0 and at most 1")
        if self.value is not None and not isinstance(self.value, str):
            raise RecipeError("catalogue: value must be a column's name or None")
        if not isinstance(self.survival, bool):
            raise RecipeError("catalogue: survival must be True or False")
        object.__setattr__(self, "discount", number("catalogue: discount", self.discount))
        if self.discount < 0.0:
            raise RecipeError("catalogue: discount is a rate, zero or more")

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
        known: dict[str, set[Any]] = {
            "channel": {action.channel for action in self.actions},
            "group": {action.group for action in self.actions},
            "action": set(self.names),
        }
        counted: list[tuple[str, Any]] = [("capacity", c) for c in self.capacities]
        counted += [("contact limit", c) for c in self.contact.limits]
        counted += [("cool-down", c) for c in self.contact.cool_downs]
        for said, rule in counted:
            for name, values in known.items():
                wanted = getattr(rule, name, None)
                if wanted is not None and wanted not in values:
                    raise RecipeError(
                        f"catalogue: a {said} counts {name} '{wanted}', which no action has"
                    )

    @property
    def names(self) -> tuple[str, ...]:
        """The actions' names, in order."""
        return tuple(action.name for action in self.actions)

    @property
    def capacity(self) -> tuple[int | None, ...]:
        """The most customers of each action, in order; None for no limit."""
        return tuple(action.capacity for action in self.actions)

    @property
    def horizons(self) -> tuple[float, ...]:
        """For how many periods each action's effect lasts, at most `periods`."""
        return tuple(
            self.periods
            if action.benefit_periods is None
            else min(action.benefit_periods, self.periods)
            for action in self.actions
        )

    @property
    def rate(self) -> float:
        """The discount as a continuous rate."""
        return math.log1p(self.discount)

    def annuity_factor(self, periods: float) -> float:
        """Give how many periods' value so many periods are worth today.

        Examples
        --------
        >>> from churnkit.decisions import Action, Effect
        >>> call = Action("call", "A call", cost=12, effect=Effect(0.0, 0.1, 0.2))
        >>> round(Catalogue((call,), discount=0.01).annuity_factor(12.0), 2)
        11.31
        """
        return -math.expm1(-self.rate * periods) / self.rate if self.rate else periods

    def compile(self, columns: Sequence[Column]) -> CompiledCatalogue:
        """Check the catalogue against a contract's columns and make it ready for decisions.

        Parameters
        ----------
        columns
            The columns of the encoded matrix, in its order: ``contract.encoded("recommend")``.

        Raises
        ------
        RecipeError
            If a rule, a cost, a consent, a lever or the value names a column that is not
            there, a category that the column does not have, or a comparison that its type
            does not allow.

        """
        from churnkit.decisions.catalogue.compile import compile_catalogue

        return compile_catalogue(self, columns)

    def to_dict(self) -> dict[str, Any]:
        """Return the catalogue as JSON-able data; `from_dict` is its inverse."""
        return {
            "format": CATALOGUE_FORMAT,
            "actions": [action.to_dict() for action in self.actions],
            "periods": self.periods,
            "margin": self.margin,
            "value": self.value,
            "capacities": [capacity.to_dict() for capacity in self.capacities],
            "floors": [floor.to_dict() for floor in self.floors],
            "contact": self.contact.to_dict(),
            "holdout": self.holdout,
            "exploration": None if self.exploration is None else self.exploration.to_dict(),
            "salt": self.salt,
            "survival": self.survival,
            "discount": self.discount,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Catalogue:
        """Rebuild a catalogue from `to_dict`, also from one of an older format.

        Raises
        ------
        RecipeError
            If the data are of a newer format, incomplete, or not a catalogue at all.
        """
        parts = exactly(cls, forward(data))
        explores = parts["exploration"]
        return cls(
            **{
                **parts,
                "actions": _each("actions", parts, Action),
                "capacities": _each("capacities", parts, Capacity),
                "floors": _each("floors", parts, Floor),
                "contact": ContactPolicy.from_dict(parts["contact"]),
                "exploration": None if explores is None else Exploration.from_dict(explores),
            }
        )


def _each(name: str, parts: Mapping[str, Any], kind: Any) -> tuple[Any, ...]:
    return tuple(kind.from_dict(member) for member in listed(f"catalogue: {name}", parts[name]))
