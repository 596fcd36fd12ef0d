"""Tables in the sheets of a workbook."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from churnkit.core.io.formats.excel import describe_sheet, sheet_names
from churnkit.core.io.formats.file_names import find_numbered, name_pattern
from churnkit.core.io.formats.signature import kind_of
from churnkit.core.io.locations import parse_location
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["find_sheet", "has_sheets", "split_workbook"]

_MIN_SHEET_ROWS = 50


def split_workbook(source: Path) -> list[Path]:
    """Name the sheets of a workbook that hold tables; any other source is returned as it is.

    Sheets with fewer than 50 rows, such as a list of columns, are left out. Sheets of the same
    columns are one table.

    Parameters
    ----------
    source
        A file or a URL.

    Returns
    -------
    list of Path
        ``crm.xlsx#Customers``, one for each table.
    """
    location = parse_location(source)
    is_workbook = location.is_local and kind_of(location.text) == "excel"
    if not is_workbook or location.part is not None or not location.path.is_file():
        return [source]
    path, name = location.path, location.text
    names = sheet_names(path, name=name)
    described = {
        sheet: describe_sheet(path, sheet, name=name, limit=2 * _MIN_SHEET_ROWS)
        for sheet in (names if len(names) > 1 else ())
    }
    tables = {
        sheet: set(notes.columns)
        for sheet, notes in described.items()
        if notes.rows >= _MIN_SHEET_ROWS and len(notes.columns) > 1
    }
    patterns: dict[str, str] = {}
    for group in find_numbered(tables):
        if all(tables[sheet] == tables[group[0]] for sheet in group):
            pattern, others = name_pattern(group, names)
            patterns |= {} if others else dict.fromkeys(group, pattern)
    is_one = len(tables) > 1 and all(each == tables[next(iter(tables))] for each in tables.values())
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*tables, strict=False))
    pattern = f"{''.join(letters[0] for letters in same)}*"
    is_one = is_one and [sheet for sheet in names if fnmatchcase(sheet, pattern)] == list(tables)
    if is_one and set(patterns) != set(tables):
        patterns = dict.fromkeys(tables, pattern)
    parts = dict.fromkeys(patterns.get(sheet, sheet) for sheet in tables)
    return [Path(f"{source}#{part}") for part in parts] or [source]


def has_sheets(source: str | Path) -> bool:
    """Return True for a local workbook with several sheets, of which the name states none."""
    location = parse_location(source)
    is_workbook = location.is_local and kind_of(location.text) == "excel"
    if not is_workbook or location.part is not None or not location.path.is_file():
        return False
    return len(sheet_names(location.path, name=location.text)) > 1


def find_sheet(
    source: str | Path, has_columns: Callable[[Sequence[str]], bool], *, known: str | None = None
) -> str:
    """Choose the sheet of a workbook by its columns.

    Parameters
    ----------
    source
        A workbook with several sheets.
    has_columns
        Function of the columns of a sheet.
    known
        The sheet that was read earlier; it is preferred if it has the columns.

    Returns
    -------
    str
        Name of the sheet.

    Raises
    ------
    ChurnkitError
        If no sheet has the columns, or several have.
    """
    path, name = parse_location(source).path, str(source)
    names = sheet_names(path, name=name)
    fitting = [
        sheet
        for sheet in names
        if has_columns(describe_sheet(path, sheet, name=name, limit=2 * _MIN_SHEET_ROWS).columns)
    ]
    if known in fitting or len(fitting) == 1:
        return str(known) if known in fitting else fitting[0]
    listed = ", ".join(fitting or names)
    reason = f"{len(fitting)} of them have" if fitting else "none of them has"
    raise ChurnkitError(
        f"{name} has {len(names)} sheets, and {reason} the columns that are needed ({listed}): name "
        f"one as {name}#SHEET"
    )
