"""Entries into tables: each key once, limits counted, erased customers kept out."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, delete, func, insert, select

from churnkit.errors import JournalError
from churnkit.journal.contact_limits import Counter
from churnkit.journal.entry_keys import MICROSECONDS_A_DAY
from churnkit.journal.queries import contacts_of
from churnkit.journal.schema import decisions, erasures, outcomes, settings

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
    """Write rows of decisions; give how many were new, and the keys of all that are capped."""
    _refuse_erased(database, connection, [row["customer"] for row in rows])
    fresh, known = _sorted_out(database, connection, decisions, "decision", rows)
    _check_verdicts(database, connection, fresh)
    if limits:
        _cap(database, connection, fresh, limits)
    if fresh:
        connection.execute(insert(decisions), fresh)
    capped = {row["key"] for row in fresh if row["capped"]} | _capped(database, connection, known)
    return len(fresh), [key for key in dict.fromkeys(row["key"] for row in rows) if key in capped]


def write_outcomes(database: Database, connection: Connection, rows: Sequence[Row]) -> int:
    """Write rows of outcomes; give how many were new."""
    _name_customers(database, connection, rows)
    _refuse_erased(database, connection, [row["customer"] for row in rows])
    fresh, _ = _sorted_out(database, connection, outcomes, "outcome", rows)
    if fresh:
        connection.execute(insert(outcomes), fresh)
    return len(fresh)


def erase_customer(connection: Connection, customer: str, at: int) -> int:
    """Delete all rows of a customer and leave a tombstone; give how many rows there were."""
    counts = []
    for table in (outcomes, decisions):
        mine = table.c.customer == customer
        counts.append(connection.scalar(select(func.count()).where(mine)) or 0)
        connection.execute(delete(table).where(mine))
    tombstone = _tombstone(_salt(connection), customer)
    stands = connection.scalar(
        select(func.count()).select_from(erasures).where(erasures.c.tombstone == tombstone)
    )
    if not stands:
        row = {"tombstone": tombstone, "erased_at": at}
        connection.execute(insert(erasures), row | {"outcomes": counts[0], "decisions": counts[1]})
    return sum(counts)


def erased_among(
    database: Database, connection: Connection, customers: Collection[str]
) -> set[str]:
    """Give those of some customers who were erased."""
    if not connection.scalar(select(func.count()).select_from(erasures)):
        return set()
    salt = _salt(connection)
    stones = {_tombstone(salt, customer): customer for customer in customers}
    query = select(erasures.c.tombstone)
    found = connection.scalars(query.where(database.among(erasures.c.tombstone, list(stones))))
    return {stones[stone] for stone in found}


def _salt(connection: Connection) -> str:
    salt = connection.scalar(select(settings.c.value).where(settings.c.name == "salt"))
    if salt is None:
        raise JournalError("the journal has lost its salt: restore it from a backup")
    return str(salt)


def _tombstone(salt: str, customer: str) -> str:
    return hashlib.sha256(f"{salt}:{customer}".encode()).hexdigest()


def _refuse_erased(database: Database, connection: Connection, customers: Sequence[str]) -> None:
    gone = erased_among(database, connection, set(customers))
    if gone:
        count = sum(customer in gone for customer in customers)
        raise JournalError(
            f"{count} of {len(customers)} entries are for customers who were erased: leave them "
            "out (Journal.erased tells which)"
        )


def _sorted_out(
    database: Database, connection: Connection, table: Table, said: str, rows: Sequence[Row]
) -> tuple[list[Row], list[str]]:
    """Give the rows that are new, once each, and the keys of those that are known."""
    query = select(table.c.key, table.c.digest)
    found = query.where(database.among(table.c.key, [row["key"] for row in rows]))
    seen = _pairs(connection, found)
    fresh: list[Row] = []
    known: list[str] = []
    for row in rows:
        if row["key"] not in seen:
            seen[row["key"]] = row["digest"]
            fresh.append(row)
        elif seen[row["key"]] == row["digest"]:
            known.append(row["key"])
        else:
            raise JournalError(
                f"{said} '{row['key']}' stands in the journal with another body: an entry is "
                "never changed; give a new one a key of its own"
            )
    return fresh, known


def _pairs(connection: Connection, query: Any) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(query)}


def _capped(database: Database, connection: Connection, keys: Collection[str]) -> set[str]:
    if not keys:
        return set()
    query = select(decisions.c.key).where(decisions.c.capped)
    return set(connection.scalars(query.where(database.among(decisions.c.key, keys))))


def _cap(
    database: Database,
    connection: Connection,
    rows: Sequence[Row],
    limits: Sequence[ContactLimit],
) -> None:
    """Take the action from each row that would break a limit."""
    acting = [row for row in rows if row["action"] is not None and row["verdict"] == "decide"]
    if not acting:
        return
    reach = round(max(limit.days for limit in limits) * MICROSECONDS_A_DAY)
    since = min(row["decided_at"] for row in acting) - reach
    found = connection.execute(
        contacts_of(database, {row["customer"] for row in acting}, since=since)
    )
    counter = Counter(limits, (tuple(row) for row in found))
    for row in acting:
        contact = (
            row["customer"],
            row["decided_at"],
            row["action"],
            row["action_group"],
            row["channel"],
        )
        if counter.room(*contact):
            counter.add(*contact)
        else:
            row.update(action=None, capped=True, propensity=None, reason="contact limit reached")
            row.update(expected_gain=None, gain_low=None, gain_high=None, cost=0.0)


def _check_verdicts(database: Database, connection: Connection, rows: Sequence[Row]) -> None:
    """Refuse verdicts on decisions that are not there, or were turned down already.

    A verdict belongs to the period of its decision, whether it says so or not.
    """
    verdicts = [row for row in rows if row["verdict"] != "decide"]
    if not verdicts:
        return
    about = [row["about"] for row in verdicts]
    query = select(decisions.c.key, decisions.c.customer, decisions.c.period).where(
        decisions.c.verdict == "decide", database.among(decisions.c.key, about)
    )
    stands = {row[0]: (row[1], row[2]) for row in connection.execute(query)}
    stands |= {r["key"]: (r["customer"], r["period"]) for r in rows if r["verdict"] == "decide"}
    against = select(decisions.c.about).where(decisions.c.verdict.in_(_AGAINST))
    down = set(connection.scalars(against.where(database.among(decisions.c.about, about))))
    for row in verdicts:
        customer, period = stands.get(row["about"], (None, None))
        if customer != row["customer"]:
            raise JournalError(
                f"verdict '{row['key']}' is about a decision that the journal does not have for "
                "this customer: record the decision first"
            )
        if row["about"] in down:
            raise JournalError(
                f"verdict '{row['key']}' is about a decision that was rejected or snoozed: that "
                "stays; record a new decision"
            )
        row["period"] = row["period"] or period
        if row["verdict"] in _AGAINST:
            down.add(row["about"])


def _name_customers(database: Database, connection: Connection, rows: Sequence[Row]) -> None:
    """Fill in the customer of outcomes that name only their decision."""
    about = {row["decision"] for row in rows if row["decision"] is not None}
    if not about:
        return
    query = select(decisions.c.key, decisions.c.customer)
    owner = _pairs(connection, query.where(database.among(decisions.c.key, about)))
    for row in rows:
        if row["decision"] is None:
            continue
        if row["decision"] not in owner:
            raise JournalError(
                f"outcome '{row['key']}' follows from a decision that the journal does not have: "
                "record the decision first"
            )
        if row["customer"] is None:
            row["customer"] = owner[row["decision"]]
        elif row["customer"] != owner[row["decision"]]:
            raise JournalError(
                f"outcome '{row['key']}' names another customer than its decision does"
            )
