"""Keys of raw tables that are equal but for their spelling: leading zeros, case, or a prefix."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from churnkit.pipeline.scaffold.raw.tables.key_columns import KeyColumn

__all__ = ["describe_absent", "describe_difference"]

_MIN_INCLUDED = 0.9
_PREFIX = re.compile(r"^[^0-9]+0*(?=[0-9])")
_SPELLINGS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("without leading zeros", lambda text: text.lstrip("0")),
    ("in lower case", str.casefold),
    ("in lower case without leading zeros", lambda text: text.casefold().lstrip("0")),
    ("without a prefix", lambda text: _PREFIX.sub("", text.casefold()).lstrip("0")),
    ("without spaces and hyphens", lambda text: re.sub(r"[\s_.-]", "", text.casefold())),
)


def describe_difference(key: KeyColumn, parent: KeyColumn) -> str:
    """Describe how most values of a key differ from those of another table's key.

    Empty if they are equal, or differ by more than their spelling.
    """
    total = len(key.values)
    equal = len(key.values & parent.values)
    if not total or equal >= _MIN_INCLUDED * total:
        return ""
    for spelling, rewrite in _SPELLINGS:
        rewritten = {rewrite(value) for value in parent.values}
        found = sum(rewrite(value) in rewritten for value in key.values)
        if found >= _MIN_INCLUDED * total and len(rewritten) == len(parent.values):
            return (
                f"'{key.column}' of {key.table} has {equal:,} of its {total:,} values in "
                f"'{parent.column}' of {parent.table}, and {found:,} {spelling}: write the ids alike "
                "in both files, and run churnkit init again"
            )
    return ""


def describe_absent(keys: Iterable[KeyColumn]) -> list[str]:
    """Count the customers of each table that the table of customers lacks."""
    columns = list(keys)
    owner = max((c for c in columns if c.is_unique), key=lambda c: len(c.values), default=None)
    notes = []
    for key in columns if owner is not None else ():
        absent = len(key.values - owner.values) if owner is not None else 0
        if owner is not None and key is not owner and absent:
            notes.append(
                f"{absent:,} of the {len(key.values):,} customers in '{key.column}' of {key.table} "
                f"are not in '{owner.column}' of {owner.table}"
            )
    return notes
