"""Columns that loaders such as Fivetran, Airbyte, dlt, Singer targets and pandas add to tables.

They describe the load, not the customer: the time of the sync, an id of the row, a mark of deletion.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["is_loader_column", "marks_deletion"]

_PREFIXES = ("_fivetran_", "_airbyte_", "_ab_", "_dlt_", "_sdc_", "__hevo_")
# Names that pandas gives to an index without one.
_INDEX = re.compile(r"__index_level_\d+__|Unnamed: \d+(?:\.\d+)?")
_FLAGS = ("_fivetran_deleted",)
_TIMES = ("_sdc_deleted_at", "_ab_cdc_deleted_at")
_TRUE = {"true", "t", "1"}


def is_loader_column(name: str) -> bool:
    """Return True for the name of a column that a loader adds.

    Examples
    --------
    >>> is_loader_column("_fivetran_synced"), is_loader_column("_airbyte_raw_id")
    (True, True)
    >>> is_loader_column("fivetran_plan"), is_loader_column("_about")
    (False, False)
    >>> is_loader_column("Unnamed: 0"), is_loader_column("__index_level_0__")
    (True, True)
    """
    return name.lower().startswith(_PREFIXES) or bool(_INDEX.fullmatch(name))


def marks_deletion(row: Mapping[str, Any]) -> bool:
    """Return True if a loader marked a row as deleted at its source.

    Examples
    --------
    >>> marks_deletion({"id": 1, "_fivetran_deleted": True})
    True
    >>> marks_deletion({"id": 1, "_sdc_deleted_at": None})
    False
    """
    if any(str(row.get(name, "")).lower() in _TRUE for name in _FLAGS):
        return True
    return any(row.get(name) not in {None, ""} for name in _TIMES)
