"""Refuse options that name a column which a table does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.errors import ChurnkitError
from churnkit.timeline.source_tables import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = ["refuse_unknown_column"]


def refuse_unknown_column(
    table: str, columns: Mapping[str, ColumnProfile], option: str, name: str
) -> None:
    """Refuse an option that names a column which the table does not have.

    Raises
    ------
    ChurnkitError
        With the most similar column.
    """
    if name not in columns:
        raise ChurnkitError(
            f"{table} has no column '{name}' ({option}); {did_you_mean(name, columns)}"
        )
