"""Customers, day and contact history of a decision."""

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
    """One contact or outcome of a customer, from the journal.

    Parameters
    ----------
    at
        Time in UTC.
    outcome
        Kind of outcome; None for a contact.
    action, group, channel
        Action of the contact, or of the decision that led to the outcome; None if unknown.
    """

    at: datetime
    outcome: str | None = None
    action: str | None = None
    group: str | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Earlier contacts and outcomes of customers.

    Parameters
    ----------
    events
        Events by customer id; customers without events may be omitted.

    Examples
    --------
    >>> at = datetime(2026, 11, 1, tzinfo=UTC)
    >>> len(History.from_rows([{"customer": "c1", "at": at, "outcome": None, "action": "call"}]).events)
    1

    """

    events: Mapping[str, Sequence[Event]] = field(default_factory=dict)

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> History:
        """Build a history from rows of `Journal.contacts`."""
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
    """Customers of a matrix, row by row, and the day of the decisions.

    Parameters
    ----------
    customers
        (n,) entity ids as text.
    as_of
        Day of the decisions: actions must be valid on it, and it seeds random draws.
    history
        Earlier contacts and outcomes; required if the catalogue has contact rules.
    at
        Time from which contact rules look back; midnight UTC of `as_of` if None.
    no_contact
        Customers who must not be contacted for other reasons, such as erasure.

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
        """Time from which contact rules look back."""
        if self.at is None:
            return datetime(self.as_of.year, self.as_of.month, self.as_of.day, tzinfo=UTC)
        return self.at if self.at.tzinfo is not None else self.at.replace(tzinfo=UTC)

    def back(self, days: float) -> datetime:
        """Return the time this many days before `moment`."""
        return self.moment - timedelta(days=days)


def context_requirements(catalogue: Catalogue) -> list[str]:
    """Return the parts of a catalogue that need a `DecisionContext`.

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
    return [name for name, present in parts if present]


def check_context(catalogue: Catalogue, context: DecisionContext | None, rows: int) -> None:
    """Check that a decision context has what the catalogue needs.

    Raises
    ------
    RecipeError
        If the context is missing, has another number of rows, or lacks the contact history.
    """
    if context is None:
        requirements = context_requirements(catalogue)
        if requirements:
            raise RecipeError(
                f"the catalogue has {', '.join(requirements)}, which depend on the customer and the day: "
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
