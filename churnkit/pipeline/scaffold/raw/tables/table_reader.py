"""Read raw tables whole, to infer their structure, and refuse files that are none."""

from __future__ import annotations

from itertools import permutations
from shlex import quote
from typing import TYPE_CHECKING

import numpy as np

from churnkit.contracts.parsing.arrow_columns import distinct_values, one_array
from churnkit.contracts.parsing.scalars import BLANKS, to_text
from churnkit.core.io.formats.excel import choose_sheets
from churnkit.core.io.formats.file_names import months_without_year
from churnkit.core.io.formats.signature import table_stem
from churnkit.core.io.locations import parse_location
from churnkit.core.io.raw_tables import is_old_workbook
from churnkit.core.io.table_sources import open_rows, open_source, read_table
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold.column_profile import profile_column
from churnkit.pipeline.scaffold.keys.date_columns import detect_dates
from churnkit.pipeline.scaffold.name_rules import is_customer_id, is_id, is_label
from churnkit.pipeline.scaffold.number_columns import SPREADSHEET_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

__all__ = [
    "describe_repeats",
    "read_raw",
    "refuse_months",
    "refuse_parts",
    "without_repeats",
    "without_values",
]

# Rating of the name of a label.
_CERTAIN = 2
# Texts that databases and libraries write for missing values; never a category.
_MARKERS = (
    "null",
    "\\n",
    "nan",
    "nat",
    "<na>",
    "n/a",
    "(null)",
    "0000-00-00",
    "0000-00-00 00:00:00",
    *sorted(SPREADSHEET_ERRORS),
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


def refuse_months(
    sources: Sequence[Path],
    tables: Mapping[str, Path] | None,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Refuse files or sheets of months without a year: rows would be customers at unknown dates.

    They have the same columns, and none of dates. Files of a log, which has dates, are printed, as
    each is a table.

    Raises
    ------
    ChurnkitError
        With the first and the last of them.
    """
    locations = [parse_location(source) for source in sources]
    groups: dict[frozenset[str], dict[str, Path]] = {}
    for path in () if tables is None else tables.values():
        if path.is_file() and not is_old_workbook(path):
            columns = frozenset(open_rows(open_source(path)).columns)
            groups.setdefault(columns, {})[path.name] = path
    for source, location in zip(sources, locations, strict=True) if tables is None else ():
        if "*" in (location.part or ""):
            sheets = choose_sheets(location.path, location.part, name=location.text)
            groups[frozenset({str(source)})] = dict.fromkeys(sheets, source)
    for paths in groups.values():
        months = months_without_year(paths)
        if not months:
            continue
        stem = table_stem(months[0])
        if any(_has_dates(paths[name]) for name in months):
            if tables is not None:
                progress(
                    f"review: {len(months)} files of months, such as {months[0]}, are read as a table "
                    f"each; add the year to their names, such as '{stem} 2024', to read them as one"
                )
            continue
        raise ChurnkitError(
            f"{months[0]} to {months[-1]} have no column of dates, and are months without a year: add it to "
            f"their names, such as '{stem} 2024', so that a row is a customer at a date"
        )


def refuse_parts(tables: Mapping[str, Path]) -> None:
    """Refuse a table of other customers without the outcome, such as test next to train.

    Raises
    ------
    ChurnkitError
        With both files and the outcome.
    """
    paths = [path for path in tables.values() if path.is_file() and not is_old_workbook(path)]
    files = {path: set(open_rows(open_source(path)).columns) for path in paths}
    for (labeled, columns), (other, fewer) in permutations(files.items(), 2):
        outcome = columns - fewer
        is_part = fewer < columns and len(outcome) == 1 and is_label(*outcome) == _CERTAIN
        if is_part and _have_other_customers(labeled, other):
            name = outcome.pop()
            raise ChurnkitError(
                f"{other.name} has the columns of {labeled.name} without the outcome, '{name}', and other "
                f"customers: draft from {labeled.name} alone (--from {quote(str(labeled))}), and score the "
                f"other with churnkit score; if both are raw tables, add --label {quote(name)}"
            )


def _have_other_customers(labeled: Path, other: Path) -> bool:
    """Return True for different customers, one a row, with other columns than ids and dates."""
    tables = [read_raw(path)[0] for path in (labeled, other)]
    profiles = [
        {name: profile_column(name, table[name]) for name in tables[1].column_names}
        for table in tables
    ]
    names = set(filter(is_customer_id, profiles[1])) or set(filter(is_id, profiles[1]))
    is_single = all(
        0 < columns[name].distinct == table.num_rows
        for table, columns in zip(tables, profiles, strict=True)
        for name in names
    )
    if not names or not is_single:
        return False
    if any(set(profiles[0][name].texts) & set(profiles[1][name].texts) for name in names):
        return False
    return any(
        detect_dates(column) is None
        for name, column in profiles[1].items()
        if not is_id(name) and not is_customer_id(name)
    )


def _has_dates(path: Path) -> bool:
    table, _ = read_raw(path)
    return any(
        detect_dates(profile_column(name, table[name])) is not None for name in table.column_names
    )


def without_values(table: pa.Table, column: str, texts: Collection[str]) -> pa.Table:
    """Replace the values of a column with these texts by missing ones.

    Examples
    --------
    >>> import pyarrow as pa
    >>> without_values(pa.table({"end": ["9999-12-31", "2025-01-31"]}), "end", {"9999-12-31"})["end"].to_pylist()
    [None, '2025-01-31']
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    array = one_array(table[column])
    values, index = distinct_values(array)
    is_listed = np.array(
        [(to_text(v) or "").strip(BLANKS) in texts if v is not None else False for v in values]
    )
    kept = pc.if_else(pa.array(is_listed[index]), pa.scalar(None, array.type), array)
    return table.set_column(table.column_names.index(column), column, kept)


def without_repeats(table: pa.Table) -> pa.Table:
    """Drop rows that repeat another row in all columns, as of a joined or doubled export.

    Examples
    --------
    >>> import pyarrow as pa
    >>> without_repeats(pa.table({"id": [1, 2, 1], "plan": ["a", "a", "a"]})).num_rows
    2
    """
    import pyarrow as pa

    names = table.column_names
    is_nested = any(pa.types.is_nested(field.type) for field in table.schema)
    if is_nested or len(set(names)) < len(names):
        return table
    return table.group_by(names, use_threads=False).aggregate([])


def describe_repeats(
    before: Mapping[str, tuple[pa.Table, tuple[str, ...]]],
    after: Mapping[str, pa.Table],
    times: Mapping[str, Collection[str]],
) -> list[str]:
    """List the tables in which rows are repeated, with their number.

    In tables with times the features count them, as rows of a log may be equal.
    """
    repeated = {name: rows.num_rows - after[name].num_rows for name, (rows, _) in before.items()}
    return [
        f"{count:,} rows of '{name}' repeat another in all columns: "
        + ("delete them, features count them" if times[name] else "each is counted once")
        for name, count in repeated.items()
        if count
    ]
