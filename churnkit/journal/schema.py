"""Tables of the journal, and migrations from older versions.

Times are whole microseconds since 1970, UTC: the same number on every database.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    MetaData,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
    text,
    update,
)

from churnkit.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

__all__ = ["MIGRATIONS", "decisions", "erasures", "migrate", "outcomes", "settings"]

_METADATA = MetaData()

settings: Table = Table(
    "churnkit_journal",
    _METADATA,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

decisions: Table = Table(
    "churnkit_decisions",
    _METADATA,
    Column("key", String(200), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("customer", String(200), nullable=False),
    Column("as_of", BigInteger, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("period", Text),
    Column("policy", String(200), nullable=False),
    Column("model", Text),
    Column("model_version", Text),
    Column("model_digest", Text),
    Column("action", Text),
    Column("action_group", Text),
    Column("channel", Text),
    Column("propensity", Float(53)),
    Column("eligible", Text, nullable=False),
    Column("expected_gain", Float(53)),
    Column("gain_low", Float(53)),
    Column("gain_high", Float(53)),
    Column("cost", Float(53), nullable=False),
    Column("holdout", Text),
    Column("explored", Boolean, nullable=False),
    Column("capped", Boolean, nullable=False),
    Column("reason", Text),
    Column("by", Text, nullable=False),
    Column("verdict", String(20), nullable=False),
    Column("about", String(200)),
    Column("why", Text),
    Column("detail", Text),
    Index("churnkit_decisions_customer", "customer", "decided_at"),
    Index("churnkit_decisions_time", "decided_at"),
    # Partial: almost all decisions have no `about`, and with their statistics SQLite would scan
    # the table for each decision.
    Index(
        "churnkit_decisions_about",
        "about",
        sqlite_where=text("about IS NOT NULL"),
        postgresql_where=text("about IS NOT NULL"),
    ),
    Index("churnkit_decisions_period", "policy", "period"),
)

outcomes: Table = Table(
    "churnkit_outcomes",
    _METADATA,
    Column("key", String(200), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("decision", String(200)),
    Column("customer", String(200), nullable=False),
    Column("kind", String(200), nullable=False),
    Column("value", Float(53), nullable=False),
    Column("observed_at", BigInteger, nullable=False),
    Column("detail", Text),
    Index("churnkit_outcomes_customer", "customer", "observed_at"),
    Index("churnkit_outcomes_time", "observed_at"),
    Index("churnkit_outcomes_decision", "decision"),
)

erasures: Table = Table(
    "churnkit_erasures",
    _METADATA,
    Column("tombstone", String(64), primary_key=True),
    Column("erased_at", BigInteger, nullable=False),
    Column("decisions", BigInteger, nullable=False),
    Column("outcomes", BigInteger, nullable=False),
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "DROP INDEX IF EXISTS churnkit_decisions_about",
        """CREATE INDEX churnkit_decisions_about ON churnkit_decisions (about)
        WHERE about IS NOT NULL""",
    ),
)
"""Statements from version 1 to 2, from 2 to 3, and so on; never changed once released."""


def migrate(connection: Connection, steps: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Create the tables, or migrate older ones, inside the caller's transaction.

    Raises
    ------
    JournalError
        If the journal was written by a newer churnkit.
    """
    newest = 1 + len(steps)
    if not inspect(connection).has_table(settings.name):
        _METADATA.create_all(connection)
        connection.execute(
            insert(settings),
            [
                {"name": "version", "value": str(newest)},
                {"name": "salt", "value": secrets.token_hex(32)},
            ],
        )
        return
    stored = connection.scalar(select(settings.c.value).where(settings.c.name == "version"))
    version = int(stored) if stored is not None and stored.isdigit() else 0
    if version < 1:
        raise JournalError(
            "the table churnkit_journal has no version: restore the journal from a backup"
        )
    if version > newest:
        raise JournalError(
            f"the journal has version {version}, newer than {newest}, the newest supported: "
            "upgrade churnkit"
        )
    for step in steps[version - 1 :]:
        for statement in step:
            connection.execute(text(statement))
    if version < newest:
        changed = update(settings).where(settings.c.name == "version")
        connection.execute(changed.values(value=str(newest)))
