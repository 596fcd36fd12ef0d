"""Read raw tables whole, to infer their structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.core.io.table_sources import read_table

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

__all__ = ["read_raw"]

# Texts that databases and libraries write for missing values; never a category.
_MARKERS = (
    "null",
    "\\n",
    "nan",
    "nat",
    "<na>",
    "n/a",
    "#n/a",
    "(null)",
    "0000-00-00",
    "0000-00-00 00:00:00",
)


def read_raw(path: Path) -> tuple[pa.Table, tuple[str, ...]]:
    """Read a table.

    Returns
    -------
    table
        The table, with missing values in place of texts that mean missing.
    markers
        These texts, in lower case.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = read_table(path)
    markers: set[str] = set()
    for position, name in enumerate(table.column_names):
        column = table.column(position)
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            continue
        lower = pc.utf8_lower(pc.ascii_trim_whitespace(column))
        is_marker = pc.is_in(lower, value_set=pa.array(_MARKERS, column.type))
        if pc.any(is_marker).as_py():
            markers |= set(pc.unique(lower.filter(is_marker)).to_pylist())
            column = pc.if_else(is_marker, pa.scalar(None, column.type), column)
            table = table.set_column(position, name, column)
    return table, tuple(sorted(markers))
