"""One thing that can be done for a customer: costs, rules and limits."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from churnkit.core.parsing import exactly, listed, named, number, share, whole
from churnkit.core.predicate import Where
from churnkit.decisions.catalogue.effect import Effect
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RULES", "Action"]

RULES = ("eligible", "applicable", "suitable")
"""The three kinds of rules, in the order in which they are asked."""


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
        Money for one customer when it is sent; or the name of a column that holds it.
    effect
        The share of churn that it prevents; a `Catalogue` needs it, a `Ranking` does not.
    eligible
        Conditions that a customer must meet, all of them: who may have it at all.
    channel
        How it reaches the customer: ``"phone"``, ``"email"``.
    capacity
        The most customers that can have it in one period; None for no limit.
    group
        What it belongs to: ``"discount"``, ``"service"``.
    cost_taken
        Further money when the customer takes it: the discount itself; or a column's name.
    take_rate
        The share of customers who take it. A plan counts ``cost + take_rate * cost_taken``.
    benefit_periods
        For how many periods its effect lasts; None for the catalogue's `periods`, which is
        also the most.
    applicable, suitable
        Further conditions: where it makes sense now, and where it is right for the customer.
        All three kinds must hold; they differ in the reason that is given.
    consent
        A true-or-false column that must be true: the customer's consent to the channel.
    valid_from, valid_until
        The first day on which it can be given, and the first on which it no longer can.
    levers
        Columns that it works on, for reports: a price, a contract's length.
    holdout
        The share of customers who never get it, so that its effect can be measured.
    features
        What is known of it before anybody had it, as numbers: a `Ranking` starts a new option
        from those that are like it.

    Raises
    ------
    RecipeError
        If a part is empty, negative or of the wrong kind.

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

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise RecipeError("an action has no name: give it a short one, such as 'call'")
        said = f"action '{self.name}'"
        if not isinstance(self.title, str) or not self.title.strip():
            raise RecipeError(f"{said}: give it a title that a person can read")
        if self.effect is not None and not isinstance(self.effect, Effect):
            raise RecipeError(f"{said}: effect must be an Effect(low, expected, high)")
        self._check_money(said)
        self._check_rules(said)
        for name in ("channel", "group", "consent"):
            named(f"{said}: {name}", getattr(self, name))
        whole(f"{said}: capacity", self.capacity)
        object.__setattr__(self, "holdout", share(f"{said}: holdout", self.holdout))
        self._check_dates(said)
        levers: Any = self.levers
        if isinstance(levers, str):
            raise RecipeError(f"{said}: levers must be a tuple of columns' names")
        object.__setattr__(self, "levers", tuple(levers))
        for lever in self.levers:
            named(f"{said}: levers: each", lever)
        known = [number(f"{said}: features: each", one) for one in self.features]
        object.__setattr__(self, "features", tuple(known))

    def _check_money(self, said: str) -> None:
        for name in ("cost", "cost_taken"):
            if not isinstance(getattr(self, name), str):
                cost = number(f"{said}: {name}", getattr(self, name))
                if cost < 0.0:
                    raise RecipeError(f"{said}: {name} must be zero or more")
                object.__setattr__(self, name, cost)
        object.__setattr__(self, "take_rate", share(f"{said}: take_rate", self.take_rate))
        if self.benefit_periods is not None:
            periods = number(f"{said}: benefit_periods", self.benefit_periods)
            if periods <= 0.0:
                raise RecipeError(f"{said}: benefit_periods must be above zero")
            object.__setattr__(self, "benefit_periods", periods)

    def _check_rules(self, said: str) -> None:
        for name in RULES:
            rules = tuple(getattr(self, name))
            object.__setattr__(self, name, rules)
            if not all(isinstance(rule, Where) for rule in rules):
                raise RecipeError(f"{said}: {name} must be a tuple of Where(column, op, value)")

    def _check_dates(self, said: str) -> None:
        for name in ("valid_from", "valid_until"):
            day = getattr(self, name)
            if day is not None and (not isinstance(day, date) or isinstance(day, datetime)):
                raise RecipeError(f"{said}: {name} must be a date or None")
        if self.valid_from and self.valid_until and self.valid_from >= self.valid_until:
            raise RecipeError(f"{said}: valid_from must be before valid_until")

    @property
    def expected_cost(self) -> float | None:
        """What it costs for one customer, in money; None where a column says so."""
        if isinstance(self.cost, str) or isinstance(self.cost_taken, str):
            return None
        return self.cost + self.take_rate * self.cost_taken

    @property
    def prior(self) -> Effect:
        """Its effect, in a catalogue that cannot do without.

        Raises
        ------
        RecipeError
            If none was given.
        """
        if self.effect is None:
            raise RecipeError(
                f"action '{self.name}': a catalogue weighs effects: give an Effect(low, expected, "
                "high), or rank the actions by what is learned of them with Ranking(...)"
            )
        return self.effect

    def valid_on(self, day: date) -> bool:
        """Tell whether it can be given on a day.

        Examples
        --------
        >>> sale = Action("s", "Sale", 1, Effect(0, 0, 0), valid_until=date(2026, 12, 1))
        >>> sale.valid_on(date(2026, 11, 30)), sale.valid_on(date(2026, 12, 1))
        (True, False)
        """
        return (self.valid_from is None or day >= self.valid_from) and (
            self.valid_until is None or day < self.valid_until
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the action as JSON-able data; `from_dict` is its inverse."""
        stored: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        stored["effect"] = None if self.effect is None else self.effect.to_dict()
        for name in ("levers", "features"):
            stored[name] = list(stored[name])
        for name in RULES:
            stored[name] = [rule.to_dict() for rule in getattr(self, name)]
        for name in ("valid_from", "valid_until"):
            stored[name] = None if stored[name] is None else stored[name].isoformat()
        return stored

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Action:
        """Rebuild an action from `to_dict`."""
        parts = exactly(cls, data)
        effect = parts["effect"]
        parts["effect"] = None if effect is None else Effect.from_dict(effect)
        for name in ("levers", "features"):
            parts[name] = tuple(listed(f"action: {name}", parts[name]))
        for name in RULES:
            rules = listed(f"action: {name}", parts[name])
            parts[name] = tuple(Where.from_dict(rule) for rule in rules)
        for name in ("valid_from", "valid_until"):
            parts[name] = _day(name, parts[name])
        return cls(**parts)


def _day(said: str, value: Any) -> date | None:
    try:
        return None if value is None else date.fromisoformat(value)
    except (TypeError, ValueError):
        raise RecipeError(f"action: {said} must be a date such as '2026-11-30', or null") from None
