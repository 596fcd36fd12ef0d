"""Tables of the worklist. Times are whole microseconds since 1970, UTC; days are ISO 8601 texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    inspect,
    select,
)

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = [
    "changes", "create_worklist", "customers", "delete_customer", "forms", "risks", "steps",
    "tasks", "teams", "views", "visits",
]  # fmt: skip

_METADATA = MetaData()

customers: Table = Table(
    "churnkit_worklist_customers",
    _METADATA,
    Column("customer", String(200), primary_key=True),
    Column("owner", String(60)),
    Column("snoozed_until", String(10)),
    # Grows with every change of any row, so that readers fetch only what is new.
    Column("version", BigInteger, nullable=False),
    Column("changed_by", String(60), nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Index("churnkit_worklist_customers_version", "version"),
)

tasks: Table = Table(
    "churnkit_worklist_tasks",
    _METADATA,
    Column("key", String(64), primary_key=True),
    Column("customer", String(200), nullable=False),
    Column("title", String(200), nullable=False),
    Column("note", Text, nullable=False),
    Column("owner", String(60), nullable=False),
    Column("due", String(10)),
    Column("status", String(10), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_by", String(60), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_by", String(60), nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Index("churnkit_worklist_tasks_customer", "customer"),
    Index("churnkit_worklist_tasks_status", "status", "due"),
)

# Steps of playbooks: the tasks that an approved decision has added.
steps: Table = Table(
    "churnkit_worklist_steps",
    _METADATA,
    Column("task", String(64), primary_key=True),
    Column("customer", String(200), nullable=False),
    Column("decision", String(64), nullable=False),
    Column("action", String(200), nullable=False),
    Column("number", Integer, nullable=False),
    Column("needs_no_answer", Integer, nullable=False),
    Index("churnkit_worklist_steps_decision", "decision"),
    Index("churnkit_worklist_steps_customer", "customer"),
)

changes: Table = Table(
    "churnkit_worklist_changes",
    _METADATA,
    Column("key", String(64), primary_key=True),
    Column("customer", String(200), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", String(60), nullable=False),
    Column("field", String(20), nullable=False),
    Column("before", Text),
    Column("after", Text),
    Index("churnkit_worklist_changes_customer", "customer", "at"),
    Index("churnkit_worklist_changes_time", "at"),
)

# Forms on many customers, and their results in numbers: no customer is named.
forms: Table = Table(
    "churnkit_worklist_forms",
    _METADATA,
    Column("key", String(64), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("result", Text, nullable=False),
)

teams: Table = Table(
    "churnkit_worklist_teams",
    _METADATA,
    Column("person", String(60), primary_key=True),
    Column("team", String(60), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("changed_by", String(60), nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

views: Table = Table(
    "churnkit_worklist_views",
    _METADATA,
    Column("by", String(60), primary_key=True),
    Column("name", String(60), primary_key=True),
    Column("query", Text, nullable=False),
)

visits: Table = Table(
    "churnkit_worklist_visits",
    _METADATA,
    Column("by", String(60), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("previous", BigInteger, nullable=False),
)

risks: Table = Table(
    "churnkit_worklist_risks",
    _METADATA,
    Column("customer", String(200), primary_key=True),
    Column("probability", Float(53), nullable=False),
    Column("previous", Float(53)),
    Column("changed_at", BigInteger, nullable=False),
)

_WITH_CUSTOMER = (customers, tasks, steps, changes, risks)


def create_worklist(connection: Connection) -> None:
    """Create the tables that do not exist."""
    _METADATA.create_all(connection)


def delete_customer(connection: Connection, customer: str, *, dry_run: bool = False) -> int:
    """Delete the rows of a customer in all tables, and return their number."""
    count = 0
    tables = set(inspect(connection).get_table_names())
    for table in _WITH_CUSTOMER:
        if table.name not in tables:
            continue
        is_customer = table.c.customer == customer
        query = select(func.count()).select_from(table).where(is_customer)
        count += connection.scalar(query) or 0
        if not dry_run:
            connection.execute(delete(table).where(is_customer))
    return count
