"""Insert and erase entries: one entry per key, contact limits enforced, erased customers refused."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, delete, func, insert, inspect, select

from churnkit.errors import JournalError
from churnkit.journal.contact_limits import ContactCounter
from churnkit.journal.entry_keys import MICROSECONDS_A_DAY
from churnkit.journal.outbox_schema import outbox
from churnkit.journal.queries import select_contacts
from churnkit.journal.schema import decisions, erasures, outcomes, settings
from churnkit.journal.worklist.schema import delete_customer

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.engine import Connection

    from churnkit.decisions.catalogue.contact_policy import ContactLimit
    from churnkit.journal.database import Database

__all__ = ["erase_customer", "erased_among", "write_decisions", "write_outcomes"]

Row = dict[str, Any]
_AGAINST = ("reject", "snooze")


def write_decisions(
    database: Database,
    connection: Connection,
    rows: Sequence[Row],
    limits: Sequence[ContactLimit],
) -> tuple[int, list[str]]:
    """Write decisions; return the number of new ones and the keys of all capped ones."""
    _refuse_erased(database, connection, [row["customer"] for row in rows])
    new, duplicates = _split_new(database, connection, decisions, "decision", rows)
    _check_verdicts(database, connection, new)
    if limits:
        _apply_limits(database, connection, new, limits)
    if new:
        connection.execute(insert(decisions), new)
    capped = {row["key"] for row in new if row["capped"]}
    if duplicates:
        query = select(decisions.c.key).where(decisions.c.capped)
        capped |= set(connection.scalars(query.where(database.is_in(decisions.c.key, duplicates))))
    return len(new), [key for key in dict.fromkeys(row["key"] for row in rows) if key in capped]


def write_outcomes(database: Database, connection: Connection, rows: Sequence[Row]) -> int:
    """Write outcomes; return the number of new ones."""
    # Outcomes that are sent again may name a decision that was deleted since: check new ones only.
    new, _ = _split_new(database, connection, outcomes, "outcome", rows)
    _fill_in_customers(database, connection, new)
    _refuse_erased(database, connection, [row["customer"] for row in new])
    if new:
        connection.execute(insert(outcomes), new)
    return len(new)


def erase_customer(connection: Connection, customer: str, at: int) -> int:
    """Delete all rows of a customer and insert a tombstone; return the number of rows."""
    counts = []
    for table in (outcomes, decisions):
        is_customer = table.c.customer == customer
        counts.append(connection.scalar(select(func.count()).where(is_customer)) or 0)
        connection.execute(delete(table).where(is_customer))
    if inspect(connection).has_table(outbox.name):
        connection.execute(delete(outbox).where(outbox.c.customer == customer))
    tombstone = _tombstone(_salt(connection), customer)
    exists = connection.scalar(
        select(func.count()).select_from(erasures).where(erasures.c.tombstone == tombstone)
    )
    if not exists:
        row = {"tombstone": tombstone, "erased_at": at}
        connection.execute(insert(erasures), row | {"outcomes": counts[0], "decisions": counts[1]})
    return sum(counts) + delete_customer(connection, customer)


def erased_among(
    database: Database, connection: Connection, customers: Collection[str]
) -> set[str]:
    """Return those of some customers that were erased."""
    if not connection.scalar(select(func.count()).select_from(erasures)):
        return set()
    salt = _salt(connection)
    tombstones = {_tombstone(salt, customer): customer for customer in customers}
    query = select(erasures.c.tombstone)
    erased = connection.scalars(query.where(database.is_in(erasures.c.tombstone, list(tombstones))))
    return {tombstones[tombstone] for tombstone in erased}


def _salt(connection: Connection) -> str:
    salt = connection.scalar(select(settings.c.value).where(settings.c.name == "salt"))
    if salt is None:
        raise JournalError(
            "the table churnkit_journal has no salt: restore the journal from a backup"
        )
    return str(salt)


def _tombstone(salt: str, customer: str) -> str:
    return hashlib.sha256(f"{salt}:{customer}".encode()).hexdigest()


def _refuse_erased(database: Database, connection: Connection, customers: Sequence[str]) -> None:
    erased = erased_among(database, connection, set(customers))
    if erased:
        count = sum(customer in erased for customer in customers)
        raise JournalError(
            f"{count} of {len(customers)} entries are for erased customers: remove them "
            "(Journal.erased lists these customers)"
        )


def _split_new(
    database: Database, connection: Connection, table: Table, kind: str, rows: Sequence[Row]
) -> tuple[list[Row], list[str]]:
    """Return the new rows, once each, and the keys of duplicates."""
    query = select(table.c.key, table.c.digest)
    digests = _to_dict(
        connection, query.where(database.is_in(table.c.key, [row["key"] for row in rows]))
    )
    new: list[Row] = []
    duplicates: list[str] = []
    for row in rows:
        if row["key"] not in digests:
            digests[row["key"]] = row["digest"]
            new.append(row)
        elif digests[row["key"]] == row["digest"]:
            duplicates.append(row["key"])
        else:
            raise JournalError(
                f"{kind} '{row['key']}' is already in the journal with other content: entries "
                "cannot be changed; use another key"
            )
    return new, duplicates


def _to_dict(connection: Connection, query: Any) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(query)}


def _apply_limits(
    database: Database,
    connection: Connection,
    rows: Sequence[Row],
    limits: Sequence[ContactLimit],
) -> None:
    """Remove the action from each row that would break a contact limit."""
    contacts = [row for row in rows if row["action"] is not None and row["verdict"] == "decide"]
    if not contacts:
        return
    window = round(max(limit.days for limit in limits) * MICROSECONDS_A_DAY)
    since = min(row["decided_at"] for row in contacts) - window
    earlier = connection.execute(
        select_contacts(database, {row["customer"] for row in contacts}, since=since)
    )
    counter = ContactCounter(limits, (tuple(row) for row in earlier))
    for row in contacts:
        contact = (
            row["customer"],
            row["decided_at"],
            row["action"],
            row["action_group"],
            row["channel"],
        )
        if counter.allows(*contact):
            counter.add(*contact)
        else:
            row.update(action=None, capped=True, propensity=None, reason="contact limit reached")
            row.update(expected_gain=None, gain_low=None, gain_high=None, cost=0.0)


def _check_verdicts(database: Database, connection: Connection, rows: Sequence[Row]) -> None:
    """Refuse verdicts on missing decisions and on decisions already rejected or snoozed.

    A verdict gets the period of its decision if it has none.
    """
    verdicts = [row for row in rows if row["verdict"] != "decide"]
    if not verdicts:
        return
    about = [row["about"] for row in verdicts]
    query = select(decisions.c.key, decisions.c.customer, decisions.c.period).where(
        decisions.c.verdict == "decide", database.is_in(decisions.c.key, about)
    )
    decided = {row[0]: (row[1], row[2]) for row in connection.execute(query)}
    decided |= {r["key"]: (r["customer"], r["period"]) for r in rows if r["verdict"] == "decide"}
    against = select(decisions.c.about).where(decisions.c.verdict.in_(_AGAINST))
    closed = set(connection.scalars(against.where(database.is_in(decisions.c.about, about))))
    for row in verdicts:
        customer, period = decided.get(row["about"], (None, None))
        if customer != row["customer"]:
            raise JournalError(
                f"verdict '{row['key']}': the journal has no such decision for this customer; "
                "record the decision first"
            )
        if row["about"] in closed:
            raise JournalError(
                f"verdict '{row['key']}': the decision was already rejected or snoozed, which is "
                "final; record a new decision"
            )
        row["period"] = row["period"] or period
        if row["verdict"] in _AGAINST:
            closed.add(row["about"])


def _fill_in_customers(database: Database, connection: Connection, rows: Sequence[Row]) -> None:
    """Set the customer of outcomes that only name their decision."""
    keys = {row["decision"] for row in rows if row["decision"] is not None}
    if not keys:
        return
    query = select(decisions.c.key, decisions.c.customer)
    customers = _to_dict(connection, query.where(database.is_in(decisions.c.key, keys)))
    for row in rows:
        if row["decision"] is None:
            continue
        if row["decision"] not in customers:
            raise JournalError(
                f"outcome '{row['key']}': the journal has no such decision; record the decision "
                "first"
            )
        if row["customer"] is None:
            row["customer"] = customers[row["decision"]]
        elif row["customer"] != customers[row["decision"]]:
            raise JournalError(
                f"outcome '{row['key']}': its decision is for another customer; correct one of them"
            )
