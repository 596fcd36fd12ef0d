"""Recognize tables with one row per customer that together are one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from churnkit.core.io.table_sources import list_files, open_rows, open_source
from churnkit.pipeline.scaffold.keys.customer_files import choose_join_key, find_join_keys
from churnkit.pipeline.scaffold.keys.label_column import find_label, list_names
from churnkit.pipeline.scaffold.raw.churn_rules import is_split_table
from churnkit.pipeline.scaffold.raw.tables.raw_tables import are_joinable, read_raw_tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from churnkit.pipeline.scaffold.raw.tables.raw_table import RawTables

__all__ = ["WidestTable", "find_joined", "find_widest"]

# Share of the customers of each other table that the widest one must have.
_MIN_INCLUDED = 0.9


@dataclass(frozen=True)
class WidestTable:
    """A table with the outcome and the most columns, of tables with the same customers.

    Parameters
    ----------
    path, entity
        Location, and column of the customer.
    note
        Which tables are left out.
    """

    path: Path
    entity: str
    note: str


def find_joined(
    tables: Mapping[str, Path],
    sources: Sequence[Path],
    entity: str | None,
    label: str | None,
    positive: Sequence[str],
) -> tuple[Path, str] | None:
    """Find the folder of files with one row per customer, and the id that joins them.

    Parameters
    ----------
    tables
        Locations by name.
    sources
        What was named: the folder, or the files.
    entity, label, positive
        The options of `churnkit.pipeline.scaffold.project.create_project`.
    """
    folder = sources[0] if len(sources) == 1 else sources[0].parent
    files = [path for path in tables.values() if path.is_file()]
    if not folder.is_dir() or sorted(files) != list_files(folder) or len(files) < 2:
        return None
    keys = find_join_keys([open_rows(open_source(path)) for path in sorted(files)], entity)
    if not keys:
        return None
    # Ids that each file has once for a customer need no name of a customer's id.
    raw = read_raw_tables(tables, entity=entity or next(iter(keys)))
    if not are_joinable(raw) and not is_split_table(raw, label=label, positive=positive):
        return None
    return folder, choose_join_key(keys)


def find_widest(
    raw: RawTables, tables: Mapping[str, Path], label: str | None, positive: Sequence[str]
) -> WidestTable | None:
    """Find the table with the outcome and the most columns, where others repeat its customers.

    Such tables are no parts of each other and cannot be joined: copies of some columns, or tables
    of one database. None if they are tables of a timeline.

    Parameters
    ----------
    raw
        The tables.
    tables
        Locations by name.
    label, positive
        The options of `churnkit.pipeline.scaffold.project.create_project`.
    """
    if not are_joinable(raw) and not is_split_table(raw, label=label, positive=positive):
        return None
    ids = raw.keys.columns
    if set(ids) != set(tables) or any(raw.keys.lookups.values()) or len(tables) < 2:
        return None
    widest, *others = sorted(raw.profiles, key=lambda name: -len(raw.profiles[name]))
    columns = raw.profiles[widest]
    found, question = find_label(columns)
    if (label not in columns) if label else (found is None or bool(question)):
        return None
    own = set(columns[ids[widest]].texts)
    for other in others:
        customers = set(raw.profiles[other][ids[other]].texts)
        if len(customers & own) < _MIN_INCLUDED * len(customers):
            return None
    note = (
        f"'{widest}' is read alone: it has the outcome and the most columns, and the customers of "
        f"{list_names(others)}; for their columns, too, write each table to a file of one folder"
    )
    return WidestTable(tables[widest], ids[widest], note)
