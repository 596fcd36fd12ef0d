"""Table of the outbox, created with the first outbox of a journal."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, MetaData, String, Table

__all__ = ["OUTBOX_METADATA", "outbox"]

OUTBOX_METADATA = MetaData()

outbox: Table = Table(
    "churnkit_outbox",
    OUTBOX_METADATA,
    Column("decision", String(200), primary_key=True),
    Column("destination", String(200), primary_key=True),
    Column("customer", String(200), nullable=False),
    Column("state", String(20), nullable=False),
    Column("reason", String(200)),
    Column("changed_at", BigInteger, nullable=False),
    Index("churnkit_outbox_state", "destination", "state"),
    Index("churnkit_outbox_customer", "customer"),
)
