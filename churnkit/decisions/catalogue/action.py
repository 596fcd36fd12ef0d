"""Retention actions: costs, rules and limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from churnkit.core.parsing import (
    Settings,
    check_count,
    check_fields,
    check_list,
    check_name,
    check_number,
    check_share,
)
from churnkit.core.predicate import Where
from churnkit.decisions.catalogue.effect import Effect
from churnkit.decisions.catalogue.step import Step, check_steps
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RULES", "Action"]

RULES = ("eligible", "applicable", "suitable")
"""The three kinds of rules, in the order in which they are checked."""


@dataclass(frozen=True)
class Action(Settings):
    """Action for a customer: a call, an offer, a message.

    Parameters
    ----------
    name
        Short name, unique in its catalogue; plans and responses contain it.
    title
        Description for people.
    cost
        Cost for one customer when it is sent, in money; or the name of a column with the cost.
    effect
        Share of churn that it prevents; required in a `Catalogue`, not in a `Ranking`.
    eligible
        Conditions that a customer must meet, all of them.
    channel
        Channel: ``"phone"``, ``"email"``.
    capacity
        Maximum number of customers in one period; None for no limit.
    group
        Group of actions: ``"discount"``, ``"service"``.
    cost_taken
        Additional cost when the customer accepts, such as the discount; or a column's name.
    take_rate
        Share of customers who accept. The expected cost is ``cost + take_rate * cost_taken``.
    benefit_periods
        Number of periods that the effect lasts; None for the catalogue's `periods`, which is
        the maximum.
    applicable, suitable
        Further conditions: where the action makes sense now, and where it suits the customer.
        All three kinds must hold; they differ in the reason code.
    consent
        Boolean column that must be true: the customer's consent to the channel.
    valid_from, valid_until
        First day on which the action is valid, and first day on which it no longer is.
    levers
        Columns that the action changes, for reports: a price, the length of a contract.
    holdout
        Share of customers who never get the action, so that its effect can be measured.
    features
        Numeric features of the action: a `Ranking` generalizes from similar options to new ones.
    steps
        Playbook: the tasks that the console adds when the action is approved.
    prevents
        Causes of churn that the action can prevent, such as ``("voluntary",)``; all if empty.
        The effect is then a share of the churn for these causes.

    Raises
    ------
    RecipeError
        If a field is empty, negative or of the wrong type.

    Examples
    --------
    >>> offer = Action("offer", "20% off", 1, Effect(0, 0.1, 0.2), cost_taken=60, take_rate=0.25)
    >>> offer.expected_cost
    16.0

    """

    name: str
    title: str
    cost: float | str = 0.0
    effect: Effect | None = None
    eligible: tuple[Where, ...] = ()
    channel: str | None = None
    capacity: int | None = None
    group: str | None = None
    cost_taken: float | str = 0.0
    take_rate: float = 1.0
    benefit_periods: float | None = None
    applicable: tuple[Where, ...] = ()
    suitable: tuple[Where, ...] = ()
    consent: str | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    levers: tuple[str, ...] = ()
    holdout: float = 0.0
    features: tuple[float, ...] = ()
    steps: tuple[Step, ...] = ()
    prevents: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise RecipeError("an action has no name: set a short one, such as 'call'")
        label = f"action '{self.name}'"
        if not isinstance(self.title, str) or not self.title.strip():
            raise RecipeError(f"{label}: title must not be empty")
        if self.effect is not None and not isinstance(self.effect, Effect):
            raise RecipeError(f"{label}: effect must be an Effect(low, expected, high)")
        self._check_money(label)
        self._check_rules(label)
        for name in ("channel", "group", "consent"):
            check_name(f"{label}: {name}", getattr(self, name))
        check_count(f"{label}: capacity", self.capacity)
        object.__setattr__(self, "holdout", check_share(f"{label}: holdout", self.holdout))
        self._check_dates(label)
        self._check_names(label, "levers", "column names")
        self._check_names(label, "prevents", "causes of churn")
        features = [check_number(f"{label}: features: each", value) for value in self.features]
        object.__setattr__(self, "features", tuple(features))
        object.__setattr__(self, "steps", check_steps(label, self.steps))

    def _check_money(self, label: str) -> None:
        for name in ("cost", "cost_taken"):
            if not isinstance(getattr(self, name), str):
                cost = check_number(f"{label}: {name}", getattr(self, name))
                if cost < 0.0:
                    raise RecipeError(f"{label}: {name} must be zero or more")
                object.__setattr__(self, name, cost)
        object.__setattr__(self, "take_rate", check_share(f"{label}: take_rate", self.take_rate))
        if self.benefit_periods is not None:
            periods = check_number(f"{label}: benefit_periods", self.benefit_periods)
            if periods <= 0.0:
                raise RecipeError(f"{label}: benefit_periods must be above zero")
            object.__setattr__(self, "benefit_periods", periods)

    def _check_rules(self, label: str) -> None:
        for name in RULES:
            rules = tuple(getattr(self, name))
            object.__setattr__(self, name, rules)
            if not all(isinstance(rule, Where) for rule in rules):
                raise RecipeError(f"{label}: {name} must be a tuple of Where(column, op, value)")

    def _check_names(self, label: str, field: str, noun: str) -> None:
        names: Any = getattr(self, field)
        if isinstance(names, str):
            raise RecipeError(f"{label}: {field} must be a tuple of {noun}")
        object.__setattr__(self, field, tuple(names))
        for name in getattr(self, field):
            check_name(f"{label}: {field}: each", name)

    def _check_dates(self, label: str) -> None:
        for name in ("valid_from", "valid_until"):
            day = getattr(self, name)
            if day is not None and (not isinstance(day, date) or isinstance(day, datetime)):
                raise RecipeError(f"{label}: {name} must be a date or None")
        if self.valid_from and self.valid_until and self.valid_from >= self.valid_until:
            raise RecipeError(f"{label}: valid_from must be before valid_until")

    @cached_property
    def expected_cost(self) -> float | None:
        """Expected cost for one customer, in money; None if a column contains it."""
        if isinstance(self.cost, str) or isinstance(self.cost_taken, str):
            return None
        return self.cost + self.take_rate * self.cost_taken

    @cached_property
    def prior(self) -> Effect:
        """Assumed effect.

        Raises
        ------
        RecipeError
            If the action has no effect.
        """
        if self.effect is None:
            raise RecipeError(
                f"action '{self.name}': a catalogue needs an effect: set effect=Effect(low, expected, "
                "high), or use a Ranking(...), which learns from outcomes"
            )
        return self.effect

    def valid_on(self, day: date) -> bool:
        """Return True if the action is valid on a day.

        Examples
        --------
        >>> sale = Action("s", "Sale", 1, Effect(0, 0, 0), valid_until=date(2026, 12, 1))
        >>> sale.valid_on(date(2026, 11, 30)), sale.valid_on(date(2026, 12, 1))
        (True, False)
        """
        return (self.valid_from is None or day >= self.valid_from) and (
            self.valid_until is None or day < self.valid_until
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Action:
        """Rebuild an action from `to_dict`."""
        parts = check_fields(cls, data)
        effect = parts["effect"]
        parts["effect"] = None if effect is None else Effect.from_dict(effect)
        for name in ("levers", "features", "prevents"):
            parts[name] = tuple(check_list(f"action: {name}", parts[name]))
        steps = check_list("action: steps", parts["steps"])
        parts["steps"] = tuple(Step.from_dict(step) for step in steps)
        for name in RULES:
            rules = check_list(f"action: {name}", parts[name])
            parts[name] = tuple(Where.from_dict(rule) for rule in rules)
        for name in ("valid_from", "valid_until"):
            parts[name] = _parse_date(name, parts[name])
        return cls(**parts)


def _parse_date(label: str, value: Any) -> date | None:
    try:
        return None if value is None else date.fromisoformat(value)
    except (TypeError, ValueError):
        raise RecipeError(f"action: {label} must be a date such as '2026-11-30', or null") from None
