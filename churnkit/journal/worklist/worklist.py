"""Owners, snoozes and notes of customers, with a log of every change.

Examples
--------
>>> from datetime import UTC, datetime
>>> from churnkit.journal import Journal
>>> journal = Journal.open("sqlite://")
>>> worklist = Worklist(journal)
>>> now = datetime(2026, 11, 5, tzinfo=UTC)
>>> worklist.change({"c1": 0}, {"owner": "ann"}, by="bo", at=now, form_id="f1").changed
('c1',)
>>> worklist.state("c1").owner
'ann'
>>> journal.close()
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, inspect, select, update

from churnkit.core.time import from_microseconds, to_microseconds
from churnkit.core.translation import ngettext
from churnkit.errors import JournalError
from churnkit.journal.inserts import erased_among
from churnkit.journal.outbox_schema import outbox
from churnkit.journal.schema import decisions
from churnkit.journal.worklist.records import Change, CustomerState, Delivery, Verdict
from churnkit.journal.worklist.schema import changes, create_worklist, customers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from churnkit.journal.database import Database
    from churnkit.journal.journal import Journal

__all__ = ["ChangeResult", "Worklist", "entry_key", "log_changes", "refuse_erased"]

_FIELDS = ("owner", "snoozed_until")


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """Customers that a form changed, and those that someone else had changed before.

    Parameters
    ----------
    changed
        Customers whose state has changed; customers with the requested state already are in
        neither list.
    conflicts
        Customers changed by others since the form was shown; these were left as they are.
    """

    changed: tuple[str, ...]
    conflicts: tuple[str, ...]


class Worklist:
    """State of customers in the journal's database.

    Writers take turns. A form carries the version of the row that it shows, so that a change by
    another person in the meantime is detected instead of overwritten. A form sent twice is
    recorded once.

    Parameters
    ----------
    journal
        An open journal; the tables are created in its database.
    """

    def __init__(self, journal: Journal) -> None:
        self.database: Database = journal.database
        with self.database.defining() as connection:
            create_worklist(connection)

    def states(self, *, after: int = 0) -> list[CustomerState]:
        """Return the states with a version above `after`, the oldest first."""
        query = select(customers).where(customers.c.version > after)
        with self.database.reading() as connection:
            rows = connection.execute(query.order_by(customers.c.version)).mappings().all()
        return [_state(row) for row in rows]

    def state(self, customer: str) -> CustomerState:
        """Return the state of a customer."""
        with self.database.reading() as connection:
            row = connection.execute(
                select(customers).where(customers.c.customer == customer)
            ).mappings()
            return next(map(_state, row), CustomerState(customer))

    def change(
        self,
        versions: Mapping[str, int],
        fields: Mapping[str, str | None],
        *,
        by: str,
        at: datetime,
        form_id: str,
    ) -> ChangeResult:
        """Set fields of customers, except of those that someone else has changed.

        Parameters
        ----------
        versions
            For each customer the newest version that the person has seen.
        fields
            ``owner`` or ``snoozed_until`` (ISO 8601), or both; None clears a field.
        by, at
            Person and time.
        form_id
            Unique id of the form; a form sent twice changes nothing the second time.

        Returns
        -------
        ChangeResult
            Changed customers and conflicts.

        Raises
        ------
        JournalError
            If a field is unknown, or a customer was erased.
        """
        unknown = sorted(set(fields) - set(_FIELDS))
        if unknown:
            raise JournalError(f"unknown field '{unknown[0]}': use {' or '.join(_FIELDS)}")
        with self.database.writing(exclusive=True) as connection:
            refuse_erased(self.database, connection, versions)
            rows = self._rows(connection, versions)
            version = connection.scalar(select(func.max(customers.c.version))) or 0
            changed, conflicts, entries = [], [], []
            for customer, seen in versions.items():
                row = rows.get(customer)
                # An owner who was taken away is an empty text; NULL is one who was never set.
                new = {n: value or ("" if n == "owner" else None) for n, value in fields.items()}
                if row is not None and all(row[name] == value for name, value in new.items()):
                    continue
                if row is not None and row["version"] > seen:
                    conflicts.append(customer)
                    continue
                version += 1
                stamp = {"version": version, "changed_by": by, "changed_at": to_microseconds(at)}
                self._write(connection, customer, new | stamp, exists=row is not None)
                changed.append(customer)
                entries += [
                    (customer, name, None if row is None else row[name], value)
                    for name, value in new.items()
                ]
            log_changes(connection, entries, by=by, at=at, form_id=form_id)
        return ChangeResult(tuple(changed), tuple(conflicts))

    def _rows(self, connection: Connection, names: Collection[str]) -> dict[str, Any]:
        query = select(customers).where(self.database.is_in(customers.c.customer, list(names)))
        return {row["customer"]: row for row in connection.execute(query).mappings()}

    @staticmethod
    def _write(
        connection: Connection, customer: str, values: Mapping[str, Any], *, exists: bool
    ) -> None:
        if exists:
            query = update(customers).where(customers.c.customer == customer)
            connection.execute(query.values(**values))
        else:
            connection.execute(insert(customers).values(customer=customer, **values))

    def comment(self, customer: str, text: str, *, by: str, at: datetime, form_id: str) -> bool:
        """Append a note; return False if the form was recorded before."""
        with self.database.writing(exclusive=True) as connection:
            refuse_erased(self.database, connection, [customer])
            entry = (customer, "note", None, text)
            return bool(log_changes(connection, [entry], by=by, at=at, form_id=form_id))

    def history(
        self, customer: str | None = None, *, since: datetime | None = None, most: int = 200
    ) -> list[Change]:
        """Return changes, the newest first.

        Parameters
        ----------
        customer
            Customer id; None for all customers.
        since
            Earliest time.
        most
            Maximum number of entries.
        """
        query = select(changes).order_by(changes.c.at.desc(), changes.c.key).limit(most)
        if customer is not None:
            query = query.where(changes.c.customer == customer)
        if since is not None:
            query = query.where(changes.c.at >= to_microseconds(since))
        with self.database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            Change(
                row["customer"], from_microseconds(row["at"]), row["by"], row["field"],
                row["before"], row["after"],
            )
            for row in rows
        ]  # fmt: skip

    def verdicts(self, policy: str, period: str) -> dict[str, Verdict]:
        """Return the latest verdict on each customer's action of a period.

        The cost grows with the number of verdicts, not of decisions.
        """
        # Only verdicts have `about`; the concatenations keep the database from choosing the index
        # of the period, which holds every decision.
        query = (
            select(decisions.c.customer, decisions.c.verdict, decisions.c.by, decisions.c.why)
            .add_columns(decisions.c.decided_at)
            .where(
                decisions.c.about > "",
                decisions.c.policy.concat("") == policy,
                decisions.c.period.concat("") == period,
            )
            .order_by(decisions.c.decided_at, decisions.c.key)
        )
        with self.database.reading() as connection:
            rows = connection.execute(query).all()
        return {
            row[0]: Verdict(row[0], row[1], row[2], row[3] or "", from_microseconds(row[4]))
            for row in rows
        }

    def deliveries(self, customer: str) -> list[Delivery]:
        """Return the pushes of a customer's actions by the outbox, the newest first."""
        query = select(outbox.c.destination, outbox.c.state, outbox.c.changed_at)
        query = query.where(outbox.c.customer == customer).order_by(outbox.c.changed_at.desc())
        with self.database.reading() as connection:
            if not inspect(connection).has_table(outbox.name):
                return []
            rows = connection.execute(query).all()
        return [Delivery(row[0], row[1], from_microseconds(row[2])) for row in rows]

    def last_contacts(self, *, before: datetime) -> dict[str, date]:
        """Return the day of each customer's latest action before a time, by the journal."""
        verdict = decisions.alias("verdict")
        against = select(verdict.c.about).where(verdict.c.verdict.in_(("reject", "snooze")))
        query = (
            select(decisions.c.customer, func.max(decisions.c.decided_at))
            .where(
                decisions.c.action.is_not(None),
                decisions.c.verdict == "decide",
                decisions.c.decided_at < to_microseconds(before),
                decisions.c.key.not_in(against.where(verdict.c.about > "")),
            )
            .group_by(decisions.c.customer)
        )
        with self.database.reading() as connection:
            return {
                customer: from_microseconds(at).date()
                for customer, at in connection.execute(query).all()
            }


def entry_key(form_id: str, *parts: str) -> str:
    """Return the key of an entry that a form writes."""
    return hashlib.sha256("\x1f".join((form_id, *parts)).encode()).hexdigest()


def log_changes(
    connection: Connection,
    entries: Sequence[tuple[str, str, str | None, str | None]],
    *,
    by: str,
    at: datetime,
    form_id: str,
) -> int:
    """Write entries (customer, field, before, after) that are new; return their number."""
    when, written = to_microseconds(at), 0
    for customer, field, before, after in entries:
        if before == after:
            continue
        key = entry_key(form_id, customer, field)
        if connection.scalar(select(changes.c.key).where(changes.c.key == key)):
            continue
        connection.execute(
            insert(changes).values(
                key=key, customer=customer, at=when, by=by, field=field, before=before, after=after
            )
        )
        written += 1
    return written


def refuse_erased(database: Database, connection: Connection, names: Collection[str]) -> None:
    """Raise `JournalError` if one of some customers was erased."""
    count = len(erased_among(database, connection, list(names)))
    if count:
        raise JournalError(
            ngettext(
                "{count} of {customers} customers was erased: remove it",
                "{count} of {customers} customers were erased: remove them",
                count,
                customers=len(names),
            )
        )


def _state(row: Any) -> CustomerState:
    until = row["snoozed_until"]
    return CustomerState(
        row["customer"],
        row["owner"] or "",
        date.fromisoformat(until) if until else None,
        row["version"],
        row["changed_by"],
        row["owner"] is not None,
    )
