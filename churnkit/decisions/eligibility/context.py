"""Who is decided on and when: what holdouts, contact rules and chance need to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from churnkit.decisions.catalogue.catalogue import Catalogue

__all__ = ["DecisionContext", "Event", "History", "check_context", "context_requirements"]


@dataclass(frozen=True, slots=True)
class Event:
    """One contact or outcome of a customer, as the journal has it.

    Parameters
    ----------
    at
        When, UTC.
    outcome
        The outcome's kind; None for a contact.
    action, group, channel
        The action that went out, or that the outcome followed; None where none is known.
    """

    at: datetime
    outcome: str | None = None
    action: str | None = None
    group: str | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """What happened to each customer before.

    Parameters
    ----------
    events
        By customer, as text; a customer without events may be left out.

    Examples
    --------
    >>> at = datetime(2026, 11, 1, tzinfo=UTC)
    >>> len(History.from_rows([{"customer": "c1", "at": at, "outcome": None, "action": "call"}]).events)
    1

    """

    events: Mapping[str, Sequence[Event]] = field(default_factory=dict)

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> History:
        """Build a history from the rows of `Journal.contacts`."""
        events: dict[str, list[Event]] = {}
        for row in rows:
            events.setdefault(str(row["customer"]), []).append(
                Event(
                    row["at"],
                    row["outcome"],
                    row["action"],
                    row.get("action_group"),
                    row.get("channel"),
                )
            )
        return cls(events)


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """The customers of a matrix, row by row, and the day.

    Parameters
    ----------
    customers
        (n,) the entities, as text.
    as_of
        The day that is decided for: actions must be valid on it, and chance is seeded with it.
    history
        What happened before; needed where the catalogue has contact rules.
    at
        The time from which contact rules look back; the day's midnight, UTC, if None.
    no_contact
        Customers who get nothing for other reasons: erased, or complained by letter.

    Examples
    --------
    >>> DecisionContext(["c1"], date(2026, 11, 1)).moment.isoformat()
    '2026-11-01T00:00:00+00:00'

    """

    customers: Sequence[str]
    as_of: date
    history: History | None = None
    at: datetime | None = None
    no_contact: frozenset[str] = frozenset()

    @property
    def moment(self) -> datetime:
        """The time from which contact rules look back."""
        if self.at is None:
            return datetime(self.as_of.year, self.as_of.month, self.as_of.day, tzinfo=UTC)
        return self.at if self.at.tzinfo is not None else self.at.replace(tzinfo=UTC)

    def back(self, days: float) -> datetime:
        """Give the time so many days before."""
        return self.moment - timedelta(days=days)


def context_requirements(catalogue: Catalogue) -> list[str]:
    """Name the parts of a catalogue that need to know who the customers are and which day it is.

    Examples
    --------
    >>> from churnkit.decisions import Action, Catalogue, Effect
    >>> call = Action("call", "A call", 5.0, Effect(0, 0.1, 0.2))
    >>> context_requirements(Catalogue((call,))), context_requirements(Catalogue((call,), holdout=0.1))
    ([], ['holdouts'])
    """
    parts = (
        ("holdouts", catalogue.holdout > 0.0 or any(a.holdout for a in catalogue.actions)),
        ("exploration", catalogue.exploration is not None),
        ("dates", any(a.valid_from or a.valid_until for a in catalogue.actions)),
        ("contact rules", catalogue.contact.days > 0.0),
    )
    return [name for name, there in parts if there]


def check_context(catalogue: Catalogue, context: DecisionContext | None, rows: int) -> None:
    """Refuse to decide where the catalogue needs to know more than it is told.

    Raises
    ------
    RecipeError
        If holdouts, chance or dates need the customers and the day, or contact rules need what
        happened before.
    """
    if context is None:
        needs = context_requirements(catalogue)
        if needs:
            raise RecipeError(
                f"the catalogue has {', '.join(needs)}, which depend on the customer and the day: "
                "pass context=DecisionContext(customers, as_of)"
            )
        return
    if len(context.customers) != rows:
        raise RecipeError(f"context: {len(context.customers)} customers for {rows} rows")
    if catalogue.contact.days > 0.0 and context.history is None:
        raise RecipeError(
            "the catalogue has contact rules, which count past contacts: pass "
            "DecisionContext(history=History.from_rows(...)) or plan with --journal"
        )
