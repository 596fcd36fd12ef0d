"""Excel workbooks."""

from __future__ import annotations

import warnings
import zipfile
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from churnkit.core.io.formats.python_values import to_table
from churnkit.core.io.table_file import BATCH_ROWS
from churnkit.errors import ChurnkitError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

__all__ = ["choose_sheet", "sheet_batches", "sheet_names"]

_MAX_TITLE_ROWS = 20


def sheet_names(path: Path, *, name: str) -> list[str]:
    """List the worksheets of a workbook that have cells.

    Raises
    ------
    ChurnkitError
        If the workbook is damaged, or openpyxl is not installed.
    """
    with _open(path, name) as workbook:
        return [sheet.title for sheet in workbook.worksheets if next(_rows(sheet), None)]


def choose_sheet(path: Path, part: str | None, *, name: str) -> str:
    """Return the named sheet, or the only one.

    Raises
    ------
    ChurnkitError
        If there is no such sheet, or several and none is named.
    """
    names = sheet_names(path, name=name)
    if part in names:
        return str(part)
    if not names:
        raise ChurnkitError(f"{name} has no cells: export it again")
    listed = ", ".join(names)
    if part is not None:
        raise ChurnkitError(f"{name} has no sheet '{part}' with cells; its sheets are: {listed}")
    if len(names) > 1:
        raise ChurnkitError(f"{name} has {len(names)} sheets ({listed}): name one as {name}#SHEET")
    return names[0]


def sheet_batches(path: Path, sheet: str, *, name: str) -> Iterator[pa.Table]:
    """Read a sheet in batches, with the types of its cells.

    The first row of at least two cells is the header; a sheet of one column has one cell there.
    Rows without values are skipped, and columns without header and values.

    Raises
    ------
    ChurnkitError
        If the workbook is damaged, or a formula has no stored value.
    """
    with _open(path, name) as workbook:
        worksheet = workbook[sheet]
        _refuse_formulas(path, worksheet, name)
        rows = _rows(worksheet)
        header = _header(rows, name)
        width = len(header)
        yield to_table(header, [])
        filled = (row for row in rows if any(value is not None for value in row))
        while part := list(islice(filled, BATCH_ROWS)):
            longest = max(map(len, part))
            if longest > width:
                raise ChurnkitError(
                    f"{name}, sheet '{sheet}': a row has {longest} cells where the header has "
                    f"{width}: give each column a header"
                )
            yield to_table(header, [row + (None,) * (width - len(row)) for row in part])


def _rows(worksheet: Any) -> Iterator[tuple[Any, ...]]:
    """Yield rows without the empty cells at their ends."""
    # Some programs write wrong dimensions, by which rows would be cut.
    worksheet.reset_dimensions()
    for row in worksheet.iter_rows(values_only=True):
        values = tuple(value if value != "" else None for value in row)
        while values and values[-1] is None:
            values = values[:-1]
        if values:
            yield values


def _header(rows: Iterator[tuple[Any, ...]], name: str) -> list[str]:
    """Return the column names; rows of one cell before a wider row are titles."""
    first: Sequence[Any] = ()
    for row in islice(rows, _MAX_TITLE_ROWS):
        first = first or row
        if sum(value is not None for value in row) > 1:
            first = row
            break
    if not first:
        raise ChurnkitError(f"{name} has no cells: export it again")
    return [
        f"unnamed_{position + 1}" if value is None else str(value).strip()
        for position, value in enumerate(first)
    ]


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
