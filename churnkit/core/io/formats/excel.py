"""Excel workbooks."""

from __future__ import annotations

import warnings
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain, islice
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from churnkit.core.io.csv.dialect import REMARK, TOTALS
from churnkit.core.io.csv.layout import LEAST_GAPS, describe_skipped, is_description
from churnkit.core.io.formats.python_values import to_table
from churnkit.core.io.formats.signature import check_signature
from churnkit.core.io.table_file import BATCH_ROWS, refuse_duplicates
from churnkit.errors import ChurnkitError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

__all__ = ["SheetNotes", "choose_sheets", "describe_sheet", "sheet_batches", "sheet_names"]

_MAX_TITLE_ROWS = 20
# Groups of columns, their names, and the first values.
_MERGED_ROWS = 3
# More rows at the end are no footer.
_MAX_FOOTER_ROWS = 20


@dataclass(frozen=True, slots=True)
class SheetNotes:
    """Header and rows of a sheet that are read, and rows that are not.

    Parameters
    ----------
    columns
        Names of the columns.
    rows
        Number of rows below the header.
    titles, footer
        Number of rows above the header and at the end that are not read.
    described
        Number of the row below the header that describes the columns and is not read; 0 if there is
        none.
    """

    columns: tuple[str, ...]
    rows: int
    titles: int
    footer: int
    described: int = 0

    def sentences(self) -> list[str]:
        """Describe the rows that are not read."""
        title = (
            f"{self.titles} title {'row' if self.titles == 1 else 'rows'} above the header skipped"
        )
        footer = (
            f"{self.footer} {'row' if self.footer == 1 else 'rows'} at the end not read: totals or "
            "remarks"
        )
        return [
            *([title] if self.titles else []),
            *([describe_skipped("row", self.described)] if self.described else []),
            *([footer] if self.footer else []),
        ]


def sheet_names(path: Path, *, name: str) -> list[str]:
    """List the worksheets of a workbook that have cells.

    Raises
    ------
    ChurnkitError
        If the file is empty, damaged or no workbook, or openpyxl is not installed.
    """
    check_signature(path, "excel", name=name)
    with _open(path, name) as workbook:
        return [sheet.title for sheet in workbook.worksheets if next(_rows(sheet), None)]


def choose_sheets(path: Path, part: str | None, *, name: str) -> list[str]:
    """Return the named sheet, the sheets of a pattern such as ``2026-*``, or the only sheet.

    Raises
    ------
    ChurnkitError
        If there is no such sheet, or several and none is named.
    """
    names = sheet_names(path, name=name)
    if part in names:
        return [str(part)]
    if not names:
        raise ChurnkitError(f"{name} has no cells: export it again")
    matching = [sheet for sheet in names if part and fnmatchcase(sheet, part)]
    listed = ", ".join(names)
    if part is not None and not matching:
        raise ChurnkitError(f"{name} has no sheet '{part}' with cells; its sheets are: {listed}")
    if part is None and len(names) > 1:
        raise ChurnkitError(
            f"{name} has {len(names)} sheets ({listed}): name one as {name}#SHEET, or all as {name}#*"
        )
    return matching or names


def describe_sheet(path: Path, sheet: str, *, name: str, limit: int | None = None) -> SheetNotes:
    """Describe a sheet, or its first rows: its columns, its rows, and the rows that are not read."""
    with _open(path, name) as workbook:
        header, titles, described, rows = _header(islice(_rows(workbook[sheet]), limit), name)
        total = read = 0
        for row in _without_footer(rows, len(header)):
            total, read = total + row[0], read + (row[1] is not None)
        return SheetNotes(tuple(header), read, titles, total - read, described)


def sheet_batches(path: Path, sheet: str, *, name: str) -> Iterator[pa.Table]:
    """Read a sheet in batches, with the types of its cells.

    The first row of at least two cells is the header; a sheet of one column has one cell there.
    Rows without values are skipped, columns without header and values, and totals and remarks
    at the end.

    Raises
    ------
    ChurnkitError
        If the workbook is damaged, or a formula has no stored value.
    """
    with _open(path, name) as workbook:
        worksheet = workbook[sheet]
        _refuse_formulas(path, worksheet, name)
        header, _, _, rows = _header(_rows(worksheet), name)
        refuse_duplicates(f"{name}, sheet '{sheet}'", header)
        width = len(header)
        yield to_table(header, [])
        filled = (row for _, row in _without_footer(rows, width) if row is not None)
        while part := list(islice(filled, BATCH_ROWS)):
            longest = max(map(len, part))
            if longest > width:
                raise ChurnkitError(
                    f"{name}, sheet '{sheet}': a row has {longest} cells where the header has "
                    f"{width}: give each column a header"
                )
            yield to_table(header, [row + (None,) * (width - len(row)) for row in part])


def _rows(worksheet: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yield the number of each row that is not blank, and the row without the empty cells at its end."""
    # Some programs write wrong dimensions, by which rows would be cut.
    worksheet.reset_dimensions()
    for number, row in enumerate(worksheet.iter_rows(values_only=True), 1):
        values = tuple(value if value != "" else None for value in row)
        while values and values[-1] is None:
            values = values[:-1]
        if values:
            yield number, values


def _without_footer(
    rows: Iterator[tuple[Any, ...]], width: int
) -> Iterator[tuple[int, tuple[Any, ...] | None]]:
    """Yield 1 and each row with values, and at the end the number of totals and remarks and None."""
    footer: list[tuple[Any, ...]] = []
    for row in rows:
        filled = [value for value in row if value is not None]
        first = str(row[0] or "").strip().rstrip(":")
        # Below totals any single text is a remark.
        is_text = width > 2 and len(filled) == 1 and isinstance(filled[0], str)
        is_remark = is_text and (footer or REMARK.search(str(filled[0])))
        if filled and (TOTALS.fullmatch(first) or is_remark) and len(footer) < _MAX_FOOTER_ROWS:
            footer.append(row)
        elif filled:
            yield from ((1, each) for each in footer)
            footer = []
            yield 1, row
    yield len(footer), None


def _header(
    numbered: Iterator[tuple[int, tuple[Any, ...]]], name: str
) -> tuple[list[str], int, int, Iterator[tuple[Any, ...]]]:
    """Return the column names, the number of rows above them, the row of descriptions, and the rows.

    Rows of one cell above a wider row are titles, and so are merged cells above the names.
    """
    first = list(islice(numbered, _MAX_TITLE_ROWS + 2))
    begin = [row for _, row in first]
    wide = (place for place, row in enumerate(begin) if sum(v is not None for v in row) > 1)
    titles = next(wide, 0)
    if not begin:
        raise ChurnkitError(f"{name} has no cells: export it again")
    names = begin[titles]
    if _is_merged(*begin[titles:]):
        groups, titles = names, titles + 1
        names = _join_groups(groups, begin[titles])
    header = [
        f"unnamed_{position + 1}" if value is None else str(value).strip()
        for position, value in enumerate(names)
    ]
    below = begin[titles + 1 :]
    rows = (row for _, row in numbered)
    if len(below) <= _MERGED_ROWS or not is_description(*_texts(below, len(header))):
        return header, titles, 0, chain(below, rows)
    return header, titles, first[titles + 1][0], chain(below[1:], rows)


def _texts(rows: list[tuple[Any, ...]], width: int) -> tuple[list[str], list[list[str]]]:
    """Return the cells of the first row and of the others as text, blank where a row is short."""
    first, *others = (
        ["" if value is None else str(value) for value in row[:width]] + [""] * (width - len(row))
        for row in rows
    )
    return first, others


def _is_merged(*rows: tuple[Any, ...]) -> bool:
    """Return True for groups with blanks between them, names, and values that are no names.

    A first row of values may look like names where its numbers are texts such as "unknown"; but its
    values recur below.
    """
    if len(rows) < _MERGED_ROWS:
        return False
    groups, names, values, *more = rows
    is_complete = len(names) >= len(groups) and all(isinstance(v, str) for v in names)
    gaps = sum(value is None for value in groups[1:]) + len(names) - len(groups)
    if not is_complete or not gaps:
        return False
    # One blank cell may be a column without a name, unless the row below names all columns.
    if gaps < LEAST_GAPS and not is_description(*_texts([names, values, *more], len(names))):
        return False
    recurs = any(
        place < len(row) and row[place] == name
        for place, name in enumerate(names)
        for row in (values, *more)
    )
    return not recurs and any(not isinstance(v, (str, type(None))) for v in values)


def _join_groups(groups: tuple[Any, ...], names: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the names of columns, with their group where a name is there several times."""
    texts = [str(name).strip() for name in names]
    if len(set(texts)) == len(texts):
        return names
    current, joined = "", []
    for position, text in enumerate(texts):
        group = groups[position] if position < len(groups) else None
        current = current if group is None else str(group).strip()
        joined.append(f"{current} {text}" if texts.count(text) > 1 else text)
    return tuple(joined)


def _refuse_formulas(path: Path, worksheet: Any, name: str) -> None:
    """Refuse formulas whose values were never computed: they would be read as missing."""
    member = worksheet._worksheet_path  # noqa: SLF001 - openpyxl has no public name for it
    count = 0
    with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
        for _, element in ET.iterparse(stream):  # noqa: S314 - openpyxl parses the same file
            tag = element.tag.rpartition("}")[2]
            if tag == "c":
                parts = {child.tag.rpartition("}")[2]: child for child in element}
                count += "f" in parts and not (parts.get("v") is not None and parts["v"].text)
            if tag in {"c", "row"}:
                element.clear()
    if count:
        raise ChurnkitError(
            f"{name}, sheet '{worksheet.title}': {count:,} formulas have no stored value: open the "
            "workbook in a spreadsheet program and save it"
        )


@contextmanager
def _open(path: Path, name: str) -> Iterator[Any]:
    try:
        import openpyxl
    except ImportError:
        raise MissingExtraError("excel", "openpyxl") from None
    try:
        # openpyxl leaves a file open that it opened itself, if a sheet is not read to its end.
        with warnings.catch_warnings(), path.open("rb") as stream:
            # About styles and validations, which tables do not need.
            warnings.simplefilter("ignore")
            workbook = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            try:
                yield workbook
            finally:
                workbook.close()
    except ChurnkitError:
        raise
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError,
            SyntaxError, zipfile.BadZipFile) as error:  # fmt: skip
        reason = error.strerror if isinstance(error, OSError) and error.strerror else ""
        raise ChurnkitError(
            f"{name} cannot be read as an Excel workbook: "
            f"{reason or 'it is damaged or truncated; save it again'}"
        ) from None
