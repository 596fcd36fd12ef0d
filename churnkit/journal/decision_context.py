"""What a decision needs to know from the journal: who was contacted, and who was erased."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from churnkit.decisions.eligibility.context import DecisionContext, History

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from churnkit.decisions.catalogue.catalogue import Catalogue
    from churnkit.journal.journal import Journal

__all__ = ["read_decision_context"]


def read_decision_context(
    journal: Journal | None,
    customers: Sequence[str],
    catalogue: Catalogue,
    *,
    as_of: date,
    at: datetime | None = None,
) -> DecisionContext:
    """Tell who is decided on, with their contacts and outcomes from the journal.

    Parameters
    ----------
    journal
        None where there is none: then the catalogue may have no contact rules.
    customers
        (n,) the entities, as text.
    catalogue
        Says how far back to look.
    as_of
        The day that is decided for.
    at
        The time from which contact rules look back; the day's midnight, UTC, if None.
    """
    if journal is None:
        return DecisionContext(customers, as_of, at=at)
    bare = DecisionContext(customers, as_of, at=at)
    history = History()
    days = catalogue.contact.days
    if days > 0.0:
        since = bare.back(days).astimezone(UTC)
        history = History.from_rows(journal.contacts(customers, since).to_pylist())
    return DecisionContext(customers, as_of, history, at, frozenset(journal.erased(customers)))
