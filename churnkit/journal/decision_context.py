"""Read past contacts, outcomes and erasures for a decision from the journal."""

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
    """Read the decision context of some customers from the journal.

    Parameters
    ----------
    journal
        Journal with past contacts; without one the catalogue may have no contact rules.
    customers
        (n,) entity ids as text.
    catalogue
        Catalogue whose contact policy sets how far back to read.
    as_of
        Day of the decisions.
    at
        Time from which contact rules look back; midnight UTC of `as_of` if None.

    Returns
    -------
    DecisionContext
        The customers with their contacts, outcomes and erasures.
    """
    context = DecisionContext(customers, as_of, at=at)
    if journal is None:
        return context
    history = History()
    days = catalogue.contact.days
    if days > 0.0:
        since = context.back(days).astimezone(UTC)
        history = History.from_rows(journal.contacts(customers, since).to_pylist())
    return DecisionContext(customers, as_of, history, at, frozenset(journal.erased(customers)))
