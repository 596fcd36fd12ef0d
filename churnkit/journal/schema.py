"""The journal's tables, and how an older journal becomes a newer one.

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

settings = Table(
    "churnkit_journal",
    _METADATA,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

decisions = Table(
    "churnkit_decisions",
    _METADATA,
    Column("key", String(200), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("customer", String(200), nullable=False),
    Column("as_of", BigInteger, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("policy", String(200), nullable=False),
    Column("model", Text),
    Column("model_version", Text),
    Column("model_digest", Text),
    Column("period", Text),
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
    Index("churnkit_decisions_about", "about"),
    Index("churnkit_decisions_period", "policy", "period"),
)

outcomes = Table(
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

erasures = Table(
    "churnkit_erasures",
    _METADATA,
    Column("tombstone", String(64), primary_key=True),
    Column("erased_at", BigInteger, nullable=False),
    Column("decisions", BigInteger, nullable=False),
    Column("outcomes", BigInteger, nullable=False),
)

MIGRATIONS: tuple[tuple[str, ...], ...] = ()
"""Statements that lead from version 1 to 2, from 2 to 3, and so on; never changed once released."""


def migrate(connection: Connection, steps: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Make the tables, or bring older ones forward, inside the caller's transaction.

    Raises
    ------
    JournalError
        If a newer churnkit has written this journal.
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
    found = connection.scalar(select(settings.c.value).where(settings.c.name == "version"))
    version = int(found) if found is not None and found.isdigit() else 0
    if version < 1:
        raise JournalError(
            "the journal's table of settings holds no version: restore it from a backup"
        )
    if version > newest:
        raise JournalError(
            f"the journal is of version {version}, newer than {newest}, the newest that this "
            "churnkit reads; upgrade churnkit"
        )
    for step in steps[version - 1 :]:
        for statement in step:
            connection.execute(text(statement))
    if version < newest:
        changed = update(settings).where(settings.c.name == "version")
        connection.execute(changed.values(value=str(newest)))
