"""Find the customer's id by which files with one row per customer are joined."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from churnkit.core.io.customer_files import find_customer_files, shared_columns
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold.name_rules import is_customer_id, is_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.core.io.source_files import Source

__all__ = ["choose_join_key", "find_join_keys"]

_MIN_ROWS = 20
# Share of a file's ids that the file with the most rows must have.
_MIN_INCLUDED = 0.9


def find_join_keys(files: Sequence[Source], entity: str | None) -> dict[str, dict[str, list[str]]]:
    """Find the ids that each of several files has once for a customer, by their names and values.

    A column that counts the rows (0, 1, 2 ...) is one only with the name of a customer's id.

    Parameters
    ----------
    files
        Opened files.
    entity
        The customer's id; found if None.

    Returns
    -------
    dict
        The ids of each file by column, the likeliest column first; empty if the files cannot be joined.
    """
    keys: dict[str, dict[str, list[str]]] = {}
    for name in [entity] if entity else sorted(shared_columns(files), key=_rank):
        joined = find_customer_files(files, name)
        ids = {} if joined is None else joined.ids()
        if ids and _are_joined(list(ids.values()), may_count=bool(entity) or is_customer_id(name)):
            keys[name] = ids
    return keys


def choose_join_key(keys: Mapping[str, Mapping[str, Sequence[str]]]) -> str:
    """Choose the first of several ids.

    Raises
    ------
    ChurnkitError
        If another id joins other rows.
    """
    first, *others = keys
    for other in others:
        if _differ(keys[first], keys[other]):
            files = ", ".join(PurePath(name).name for name in keys[first])
            raise ChurnkitError(
                f"'{first}' and '{other}' join different rows of {files}: which is the customer's id? "
                "Name it with --entity"
            )
    return first


def _rank(name: str) -> int:
    """Order ids of customers before other ids, and these before other columns."""
    return 0 if is_customer_id(name) else 1 if is_id(name) else 2


def _are_joined(files: Sequence[Sequence[str]], *, may_count: bool) -> bool:
    sets = [set(ids) for ids in files]
    for ids, distinct in zip(files, sets, strict=True):
        if len(ids) < _MIN_ROWS or "" in distinct or len(distinct) < len(ids):
            return False
        if not may_count and any(
            distinct == set(map(str, range(start, start + len(ids)))) for start in (0, 1)
        ):
            return False
    most = max(sets, key=len)
    return all(len(each & most) >= _MIN_INCLUDED * len(each) for each in sets)


def _differ(one: Mapping[str, Sequence[str]], other: Mapping[str, Sequence[str]]) -> bool:
    """Return True if a row of the first file is joined with different rows of another."""
    first, *rest = [name for name in one if name in other] or [""]
    for name in rest:
        pairs = [
            {row: position[each] for row, each in enumerate(ids[first]) if each in position}
            for ids in (one, other)
            for position in [{each: row for row, each in enumerate(ids[name])}]
        ]
        if any(pairs[0][row] != pairs[1][row] for row in pairs[0].keys() & pairs[1].keys()):
            return True
    return False
