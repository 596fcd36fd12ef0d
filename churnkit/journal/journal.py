"""Append-only journal of decisions, with their propensities, and of outcomes.

Examples
--------
>>> from datetime import date
>>> from churnkit.journal import DecisionRecord, OutcomeRecord
>>> journal = Journal.open("sqlite://")
>>> day = date(2026, 11, 1)
>>> call = DecisionRecord("k1", "c1", day, day, "shop", action="call", propensity=0.9)
>>> journal.record([call]).written, journal.record([call]).duplicates
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

from sqlalchemy import select

from churnkit.core.time import from_microseconds, to_microseconds
from churnkit.errors import JournalError
from churnkit.journal.database import Database
from churnkit.journal.entry_keys import moment
from churnkit.journal.inserts import (
    erase_customer,
    erased_among,
    write_decisions,
    write_outcomes,
)
from churnkit.journal.prune import PruneResult, Retention, prune_entries
from churnkit.journal.queries import read_entries, read_history, read_kinds, used_capacity
from churnkit.journal.records import DecisionRecord, OutcomeRecord, WriteResult
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
_TRUNCATE_SECONDS = 0.5

T = TypeVar("T")


class Journal:
    """Append-only decisions and outcomes, shared by any number of programs.

    Use `Journal.open`. Entries never change: a key that is written again must have the same
    content. Entries are written in transactions of 5,000; to finish an interrupted run, run it
    again.

    Parameters
    ----------
    database
        Database with the tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, url: str | None = None) -> Journal:
        """Open a journal; create or migrate its tables.

        Parameters
        ----------
        url
            SQLAlchemy URL of SQLite or PostgreSQL. Default: the environment variable
            ``CHURNKIT_JOURNAL``, else the SQLite file ``.churnkit/journal.db`` of the project.

        Returns
        -------
        Journal
            An open journal; close it, or use it as a context manager.

        Raises
        ------
        JournalError
            If the database cannot be reached, or was written by a newer churnkit.
        MissingExtraError
            If the URL is of PostgreSQL and the extra ``postgres`` is not installed.
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
        """URL of the journal, without the password."""
        return self._database.url.render_as_string(hide_password=True)

    @property
    def database(self) -> Database:
        """Database of the journal, for tables beside those of decisions and outcomes."""
        return self._database

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
    ) -> WriteResult:
        """Write decisions, one entry per key.

        Parameters
        ----------
        decided
            Decisions, any number.
        limits
            Contact limits, enforced also when other programs write at the same time. A decision
            that would break one is written without its action, and its key is in `capped`.

        Returns
        -------
        WriteResult
            Number of new entries, number of duplicates, and keys of capped decisions.

        Raises
        ------
        JournalError
            If a key is in the journal with other content, a customer was erased, or a verdict
            is about a missing decision.
        """
        written = duplicates = 0
        capped: list[str] = []
        for group in _groups(decided):
            rows = [record.to_row() for record in group]
            customers = {row["customer"] for row in rows}
            with self._database.writing(customers) as connection:
                new, over_limit = write_decisions(self._database, connection, rows, limits)
            written, duplicates = written + new, duplicates + len(rows) - new
            capped += over_limit
        return WriteResult(written, duplicates, tuple(capped))

    def record_outcomes(self, observed: Iterable[OutcomeRecord]) -> WriteResult:
        """Write outcomes, one entry per key.

        Parameters
        ----------
        observed
            Outcomes, any number.

        Returns
        -------
        WriteResult
            Number of new entries and of duplicates.

        Raises
        ------
        JournalError
            If a key is in the journal with other content, a customer was erased, or an outcome
            names a missing decision.
        """
        written = duplicates = 0
        for group in _groups(observed):
            rows = [record.to_row() for record in group]
            with self._database.writing(exclusive=True) as connection:
                new = write_outcomes(self._database, connection, rows)
            written, duplicates = written + new, duplicates + len(rows) - new
        return WriteResult(written, duplicates)

    def decisions(
        self,
        *,
        since: date | datetime | None = None,
        until: date | datetime | None = None,
        policy: str | None = None,
        period: str | None = None,
        customers: Collection[str] | None = None,
        verdict: str | None = None,
        columns: Collection[str] | None = None,
    ) -> pa.Table:
        """Return decisions and verdicts as an Arrow table, by time.

        Parameters
        ----------
        since, until
            Half-open range of decision times.
        policy, period, customers, verdict
            Filters; None for all. Decisions have the verdict ``"decide"``.
        columns
            The columns to return; None for all.

        Returns
        -------
        pyarrow.Table
            The columns of `DecisionRecord`, and ``capped``: true if a contact limit removed the
            action when the decision was written; the propensity is then null.
        """
        conditions = self._conditions(decisions, decisions.c.decided_at, since, until, customers)
        if policy is not None:
            conditions.append(decisions.c.policy == policy)
        if period is not None:
            conditions.append(decisions.c.period == period)
        if verdict is not None:
            conditions.append(decisions.c.verdict == verdict)
        with self._database.reading() as connection:
            return read_entries(connection, decisions, conditions, names=columns)

    def outcomes(
        self,
        *,
        since: date | datetime | None = None,
        until: date | datetime | None = None,
        kind: str | None = None,
        customers: Collection[str] | None = None,
        columns: Collection[str] | None = None,
    ) -> pa.Table:
        """Return outcomes as an Arrow table, by time; the customer is always set.

        Parameters
        ----------
        since, until
            Half-open range of observation times.
        kind, customers
            Filters; None for all.
        columns
            The columns to return; None for all.

        Returns
        -------
        pyarrow.Table
            The columns of `OutcomeRecord`.
        """
        conditions = self._conditions(outcomes, outcomes.c.observed_at, since, until, customers)
        if kind is not None:
            conditions.append(outcomes.c.kind == kind)
        with self._database.reading() as connection:
            return read_entries(connection, outcomes, conditions, names=columns)

    def outcome_kinds(self) -> dict[str, datetime]:
        """Return the kinds of outcomes with the time of the latest of each."""
        with self._database.reading() as connection:
            kinds = read_kinds(connection)
        return {kind: from_microseconds(latest) for kind, latest in kinds.items()}

    def contacts(self, customers: Collection[str], since: date | datetime) -> pa.Table:
        """Return contacts and outcomes of some customers, for contact rules, in one query.

        Parameters
        ----------
        customers
            Entity ids, any number.
        since
            Start of the time range.

        Returns
        -------
        pyarrow.Table
            Columns customer, at, outcome, action, action_group, channel: a row for each contact
            (outcome is null) and for each outcome (with the action of its decision, if any), by
            customer and time. Rejected, snoozed and capped decisions are not contacts.
        """
        at = to_microseconds(moment("since", since))
        with self._database.reading() as connection:
            return read_history(self._database, connection, customers, since=at)

    def used(self, policy: str, period: str) -> dict[str, tuple[int, float]]:
        """Return the number of customers and the cost of each action in a period."""
        with self._database.reading() as connection:
            return used_capacity(connection, policy, period)

    def erase(self, customer: str, *, at: date | datetime) -> int:
        """Delete all entries of a customer permanently.

        A salted hash of the id is kept, so that a replayed batch cannot restore the rows.

        Parameters
        ----------
        customer
            Entity id as text.
        at
            Time of the erasure.

        Returns
        -------
        int
            Number of deleted entries.
        """
        when = to_microseconds(moment("at", at))
        with self._database.writing(exclusive=True) as connection:
            count = erase_customer(connection, customer, when)
        self._database.truncate_log(_TRUNCATE_SECONDS)
        return count

    def purge(self, *, seconds: float = 30.0) -> bool:
        """Remove erased entries from the files of the database too, where readers allow it.

        Parameters
        ----------
        seconds
            The longest wait for readers of a SQLite journal.

        Returns
        -------
        bool
            False if a reader still holds a SQLite journal: its log has copies of erased entries
            until the reader ends and this is called again.
        """
        return self._database.truncate_log(seconds)

    def policies(self) -> list[str]:
        """Return the names of the policies that have decisions, in order."""
        query = select(decisions.c.policy).distinct().order_by(decisions.c.policy)
        with self._database.reading() as connection:
            return list(connection.scalars(query))

    def prune(self, retention: Retention, *, dry_run: bool = False) -> PruneResult:
        """Delete old entries that nothing needs any more.

        Parameters
        ----------
        retention
            What to keep, see `Retention.from_days`.
        dry_run
            Only count.

        Returns
        -------
        PruneResult
            Numbers of deleted rows, of rows that are kept by reason, and of what is left.
        """
        result = prune_entries(self._database, retention, dry_run=dry_run)
        if not dry_run:
            self._database.truncate_log(_TRUNCATE_SECONDS)
        return result

    def erased(self, customers: Collection[str]) -> set[str]:
        """Return those of some customers that were erased; entries for them are refused."""
        with self._database.reading() as connection:
            return erased_among(self._database, connection, customers)

    def _conditions(
        self,
        table: Table,
        time: Column[int],
        since: date | datetime | None,
        until: date | datetime | None,
        customers: Collection[str] | None,
    ) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = []
        if since is not None:
            conditions.append(time >= to_microseconds(moment("since", since)))
        if until is not None:
            conditions.append(time < to_microseconds(moment("until", until)))
        if customers is not None:
            if isinstance(customers, str):
                raise JournalError("customers must be a list of ids, not one text")
            conditions.append(self._database.is_in(table.c.customer, customers))
        return conditions


def _groups(entries: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(entries)
    while group := list(islice(remaining, _GROUP)):
        yield group
