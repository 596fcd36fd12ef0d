"""The journal: what was decided for whom, with which probability, and what came of it.

Examples
--------
>>> from datetime import date
>>> from churnkit.journal import DecisionRecord, OutcomeRecord
>>> journal = Journal.open("sqlite://")
>>> day = date(2026, 11, 1)
>>> call = DecisionRecord("k1", "c1", day, day, "shop", action="call", propensity=0.9)
>>> journal.record([call]).written, journal.record([call]).known
(1, 1)
>>> journal.record_outcomes([OutcomeRecord("o1", "refused", 1, day, decision="k1")]).written
1
>>> journal.decisions()["action"].to_pylist()
['call']
>>> journal.close()
"""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING, Self, TypeVar

from churnkit.errors import JournalError
from churnkit.journal.database import Database
from churnkit.journal.entry_keys import moment, to_microseconds
from churnkit.journal.inserts import (
    erase_customer,
    erased_among,
    write_decisions,
    write_outcomes,
)
from churnkit.journal.queries import read_decisions, read_history, read_outcomes, used
from churnkit.journal.records import DecisionRecord, OutcomeRecord, Recorded
from churnkit.journal.schema import decisions, migrate, outcomes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from datetime import date, datetime
    from types import TracebackType

    import pyarrow as pa
    from sqlalchemy import Column, ColumnElement, Table

    from churnkit.decisions.catalogue.contact_policy import ContactLimit

__all__ = ["JOURNAL_VARIABLE", "Journal"]

JOURNAL_VARIABLE = "CHURNKIT_JOURNAL"
# Entries that are written in one transaction.
_GROUP = 5000

T = TypeVar("T")


class Journal:
    """Decisions and outcomes, append-only, shared by any number of programs.

    Made by `Journal.open`. Entries are never changed: a key that comes again must have the same
    body. Entries are written in groups of 5,000, each whole or not at all; a run that was cut
    off is finished by running it again.

    Parameters
    ----------
    database
        Where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, url: str | None = None) -> Journal:
        """Open a journal, and make or bring forward its tables.

        Parameters
        ----------
        url
            A SQLAlchemy URL of SQLite or PostgreSQL; else what ``CHURNKIT_JOURNAL`` says; else
            the SQLite file ``.churnkit/journal.db`` of the project.

        Raises
        ------
        JournalError
            If the database cannot be reached, or a newer churnkit has written it.
        MissingExtraError
            If it is PostgreSQL and the extra ``postgres`` is not installed.
        """
        chosen = url or os.environ.get(JOURNAL_VARIABLE)
        if not chosen:
            from churnkit.core.project import find_project

            chosen = f"sqlite:///{find_project().store / 'journal.db'}"
        database = Database(chosen)
        try:
            with database.defining() as connection:
                migrate(connection)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def __repr__(self) -> str:
        return f"<Journal {self.url}>"

    @property
    def url(self) -> str:
        """Where the journal is, without a password."""
        return self._database.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def record(
        self, decided: Iterable[DecisionRecord], *, limits: Sequence[ContactLimit] = ()
    ) -> Recorded:
        """Write decisions, each key once.

        Parameters
        ----------
        decided
            In any number.
        limits
            Contact limits, held whatever other programs write at the same time. A decision
            that would break one is written without its action, and its key is in `capped`.

        Returns
        -------
        Recorded
            How many are new, how many were known, and which are capped.

        Raises
        ------
        JournalError
            If a key stands in the journal with another body, a customer was erased, or a
            verdict is about a decision that is not there.
        """
        written = known = 0
        capped: list[str] = []
        for group in _groups(decided):
            rows = [record.to_row() for record in group]
            customers = {row["customer"] for row in rows}
            with self._database.writing(customers) as connection:
                new, over = write_decisions(self._database, connection, rows, limits)
            written, known = written + new, known + len(rows) - new
            capped += over
        return Recorded(written, known, tuple(capped))

    def record_outcomes(self, observed: Iterable[OutcomeRecord]) -> Recorded:
        """Write outcomes, each key once.

        Raises
        ------
        JournalError
            If a key stands in the journal with another body, a customer was erased, or an
            outcome follows from a decision that is not there.
        """
        written = known = 0
        for group in _groups(observed):
            rows = [record.to_row() for record in group]
            with self._database.writing(whole=True) as connection:
                new = write_outcomes(self._database, connection, rows)
            written, known = written + new, known + len(rows) - new
        return Recorded(written, known)

    def decisions(
        self,
        *,
        since: date | datetime | None = None,
        until: date | datetime | None = None,
        policy: str | None = None,
        period: str | None = None,
        customers: Collection[str] | None = None,
    ) -> pa.Table:
        """Give decisions and verdicts as an Arrow table, by time.

        Parameters
        ----------
        since, until
            Decided at or after the one, and before the other.
        policy, period, customers
            Only these.

        Returns
        -------
        The columns of `DecisionRecord`, and ``capped``: whether a contact limit took the
        action away at the moment of writing; the propensity is null there.
        """
        asked = self._within(decisions, decisions.c.decided_at, since, until, customers)
        if policy is not None:
            asked.append(decisions.c.policy == policy)
        if period is not None:
            asked.append(decisions.c.period == period)
        with self._database.reading() as connection:
            return read_decisions(connection, asked)

    def outcomes(
        self,
        *,
        since: date | datetime | None = None,
        until: date | datetime | None = None,
        kind: str | None = None,
        customers: Collection[str] | None = None,
    ) -> pa.Table:
        """Give outcomes as an Arrow table, by time; the customer is always named."""
        asked = self._within(outcomes, outcomes.c.observed_at, since, until, customers)
        if kind is not None:
            asked.append(outcomes.c.kind == kind)
        with self._database.reading() as connection:
            return read_outcomes(connection, asked)

    def contacts(self, customers: Collection[str], since: date | datetime) -> pa.Table:
        """Give what contact rules need to know of some customers, in one indexed query.

        Parameters
        ----------
        customers
            Any number of them.
        since
            How far back.

        Returns
        -------
        customer, at, outcome, action, action_group, channel: a row for each action that went
        out (outcome is null) and for each outcome (with the action that it followed, if one is
        known), by customer and time. Rejected, snoozed and capped decisions are no contacts.
        """
        at = to_microseconds(moment("since", since))
        with self._database.reading() as connection:
            return read_history(self._database, connection, customers, since=at)

    def used(self, policy: str, period: str) -> dict[str, tuple[int, float]]:
        """Give for each action how many customers got it in a period, and what that costs."""
        with self._database.reading() as connection:
            return used(connection, policy, period)

    def erase(self, customer: str, *, at: date | datetime) -> int:
        """Delete everything about a customer, for good.

        A tombstone stays: a salted hash, from which nobody reads the customer, so that a
        replayed batch does not bring the rows back.

        Parameters
        ----------
        customer
            The entity, as text.
        at
            When; given by the caller.

        Returns
        -------
        How many entries there were.
        """
        when = to_microseconds(moment("at", at))
        with self._database.writing(whole=True) as connection:
            count = erase_customer(connection, customer, when)
        self._database.forget()
        return count

    def erased(self, customers: Collection[str]) -> set[str]:
        """Give those of some customers who were erased; decisions for them are refused."""
        with self._database.reading() as connection:
            return erased_among(self._database, connection, customers)

    def _within(
        self,
        table: Table,
        time: Column[int],
        since: date | datetime | None,
        until: date | datetime | None,
        customers: Collection[str] | None,
    ) -> list[ColumnElement[bool]]:
        asked: list[ColumnElement[bool]] = []
        if since is not None:
            asked.append(time >= to_microseconds(moment("since", since)))
        if until is not None:
            asked.append(time < to_microseconds(moment("until", until)))
        if customers is not None:
            if isinstance(customers, str):
                raise JournalError("customers: give a list of them")
            asked.append(self._database.among(table.c.customer, customers))
        return asked


def _groups(entries: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(entries)
    while group := list(islice(remaining, _GROUP)):
        yield group
