"""Inferred structure of raw tables: customers, times, numbers and categories."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from churnkit.core.io.raw_tables import raw_table
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.raw.tables.row_times import ends_customer
from churnkit.timeline import Table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile
    from churnkit.pipeline.scaffold.raw.tables.table_keys import CustomerKeys
    from churnkit.timeline import Lookup

__all__ = ["RawTable", "RawTables"]

_SUBSCRIPTION_WORDS = {
    "subscription", "subscriptions", "contract", "contracts", "policies", "policy", "memberships",
    "membership", "plans", "plan", "licenses", "leases", "vertrag", "verträge", "abo", "abos",
}  # fmt: skip


@dataclass(frozen=True)
class RawTable:
    """Inferred structure of a raw table.

    Parameters
    ----------
    name, source
        Name in the recipe, and name of the file.
    path
        The file.
    entity
        Column of the customer.
    happened, available, ended
        Columns of times; None if missing.
    numbers, categories, flags
        Columns for features; categories with their values, the most frequent first.
    known_at_end
        Columns that are filled in when a row ends.
    revenue
        Column of the revenue per period; None if no name matches.
    rows
        Number of rows.
    is_unique
        True if there is one row per customer.
    lookups
        Ways to the customer or the time in other tables.
    formats
        Formats of columns that are not ISO 8601 or plain numbers.
    missing
        Texts that mean missing.
    profiles
        Profiles of all columns.
    signed
        Column of numbers whose negative values are returns or refunds; None if there is none.
    leaving
        Column of a date of leaving, which the last row of a customer has; None without one.
    is_series
        True if rows are the states of customers at dates that they share, as in monthly exports.
    """

    name: str
    source: str
    path: Path
    entity: str
    happened: str | None
    available: str | None
    ended: str | None
    numbers: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]
    flags: tuple[str, ...]
    known_at_end: tuple[str, ...]
    revenue: str | None
    rows: int
    is_unique: bool
    lookups: tuple[Lookup, ...]
    formats: dict[str, str]
    missing: tuple[str, ...]
    profiles: dict[str, ColumnProfile] = field(repr=False)
    signed: str | None = None
    is_series: bool = False
    leaving: str | None = None

    @property
    def words(self) -> set[str]:
        """Words of the file's name."""
        return set(name_rules.split_words(self.source))

    @property
    def is_subscription(self) -> bool:
        """True if rows are subscriptions: they end, and a name or revenue says what ends."""
        if self.ended is None:
            return False
        ends = set(name_rules.split_words(self.ended))
        named = bool((self.words | ends) & _SUBSCRIPTION_WORDS or ends_customer(self.ended))
        return named or self.revenue is not None

    def declaration(self, more: Mapping[str, str] | None = None) -> Table:
        """Declare the table with its columns for features, and more."""
        declared: dict[str, Any] = dict.fromkeys(self.numbers, "number")
        declared |= dict.fromkeys(self.categories, "string") | dict.fromkeys(self.flags, "boolean")
        declared |= more or {}
        names = {self.entity, self.happened, self.available, self.ended, *declared}
        return Table(
            self.name,
            self.entity,
            happened=self.happened,
            available=self.available,
            ended=self.ended,
            columns=declared,
            known_at_end=self.known_at_end,
            source=self.source,
            lookups=self.lookups,
            written={name: form for name, form in self.formats.items() if name in names},
            missing=self.missing,
        )


@dataclass(frozen=True)
class RawTables:
    """Raw tables of one business.

    Parameters
    ----------
    tables
        Tables with the customer.
    paths
        Files by name, of all tables that are read.
    keys
        Keys of the customer.
    notes
        What was inferred and what was left out, one sentence each.
    question
        What must be answered before training; empty if customers and times are known.
    profiles
        Profiles of the columns of all tables by source, of those that are left out too.
    """

    tables: tuple[RawTable, ...]
    paths: dict[str, Path]
    keys: CustomerKeys
    notes: tuple[str, ...]
    question: str = ""
    profiles: Mapping[str, Mapping[str, ColumnProfile]] = field(default_factory=dict, repr=False)

    @property
    def difference(self) -> str:
        """Keys that differ by their spelling, so that a table is not joined; empty if none do."""
        return "; ".join(self.keys.differences)

    def data(self) -> dict[str, Any]:
        """Return the tables in the form that a timeline reads."""
        return {name: raw_table(path) for name, path in self.paths.items()}
