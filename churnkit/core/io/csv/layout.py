"""First rows of a CSV file: titles, groups of columns, the header, and descriptions below it."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from churnkit.core.io.csv.encoding import open_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "ALIGNED",
    "LEAST_GAPS",
    "Layout",
    "describe_skipped",
    "find_line",
    "first_rows",
    "is_description",
    "layout_of",
]

# A row of merged cells above the names leaves at least so many cells blank; an unnamed column is one.
LEAST_GAPS = 2
# Delimiter of columns that are aligned with one or more spaces.
ALIGNED = " "

_SAMPLE_ROWS = 50
_MAX_TITLE_LINES = 20
# Fewer rows do not show which line is the header.
_MIN_ROWS_BELOW_TITLE = 4
# Fewer texts above numbers may be a customer's missing values.
_MIN_DESCRIBED = 3
# Texts of missing values, and errors of spreadsheets.
_MARKER = re.compile(
    r"#[\w/].*|[-\u2013\u2014?.*]+|"
    r"[(<\[]?(?:n\.?/?a\.?|nan|none|null|nil|nat|unknown|missing|empty|blank|undefined)[)>\]]?",
    re.IGNORECASE,
)
# Parts of ids by which customers differ.
_VARIABLE = re.compile(r"(?<!\S)\S+@\S+|[0-9a-fA-F-]{16,}|\d+")
# A line below the header of a printed table.
_RULER = re.compile(r"[\s|+:=-]+")
_DASHES = "---"
_DATA_CELL = re.compile(r"(?=\D*\d)[-+]?[\d.,:/\s%-]+")


@dataclass(frozen=True, slots=True)
class Layout:
    """Rows of the sample as one delimiter splits them, and the position of the header.

    Parameters
    ----------
    rows
        Cells of the first rows that are not blank.
    lines
        Number of lines above each row.
    header
        Position of the header.
    width
        Number of cells of the header.
    """

    rows: list[list[str]]
    lines: list[int]
    header: int
    width: int

    def score(self) -> tuple[bool, float, bool, int]:
        """Rate a delimiter: several fields, as many in each row as in the header, and many."""
        below = self.rows[self.header :]
        if not below:
            return False, 0.0, False, 0
        share = sum(len(row) == self.width for row in below) / len(below)
        return self.width > 1, share, self.header == 0, self.width

    def is_aligned(self) -> bool:
        """Return True if every row has as many fields as the header, with a column of numbers."""
        below = self.rows[self.header + 1 :]
        if len(below) < _MIN_ROWS_BELOW_TITLE or self.score()[:2] != (True, 1.0):
            return False
        values = below[bool(self.described_lines()) :]
        return any(all(map(_DATA_CELL.fullmatch, cells)) for cells in zip(*values, strict=True))

    def has_header(self) -> bool:
        """Return False if the first row has nothing but numbers and dates, as the rows below."""
        first, below = self.rows[self.header], self.rows[self.header + 1 :]
        if self.width < 2 or len(below) < _MIN_ROWS_BELOW_TITLE:
            return True
        return not all(map(_DATA_CELL.fullmatch, first)) or _counts_up(first)

    def described_lines(self) -> int:
        """Count the lines from the header to the end of a row of descriptions; 0 if there is none.

        Only the first row below the header may describe the columns; see `is_description`. A line of
        dashes, as databases print below the header, describes nothing.
        """
        first, *others = self.rows[self.header + 1 :] or [[]]
        text = " ".join(first)
        if others and _DASHES in text and _RULER.fullmatch(text):
            return self.lines[self.header + 2] - self.lines[self.header]
        below = [row for row in others if len(row) == self.width]
        if len(first) != self.width or len(below) < _MIN_ROWS_BELOW_TITLE:
            return 0
        if not is_description(first, below):
            return 0
        return self.lines[self.header + 2] - self.lines[self.header]


def first_rows(
    file: Path, encoding: str, delimiter: str, skip: int, *, strict: bool = False
) -> tuple[list[list[str]], list[int]]:
    """Return the first rows that are not blank, and the number of lines above each."""
    rows, lines = [], []
    with open_text(file, encoding, errors="replace") as stream:
        for _ in range(skip):
            stream.readline()
        sample = _SAMPLE_ROWS + 2 * _MAX_TITLE_LINES
        if delimiter == ALIGNED:
            split = [(number, line.split()) for number, line in enumerate(islice(stream, sample))]
            return [row for _, row in split if row], [skip + number for number, row in split if row]
        reader = csv.reader(stream, delimiter=delimiter)
        try:
            above = skip
            for row in islice(reader, sample):
                if row:
                    rows.append(row)
                    lines.append(above)
                above = skip + reader.line_num
        except csv.Error:
            if strict:
                raise
    return rows, lines


def find_line(file: Path, encoding: str, delimiter: str, *, skip: int, width: int) -> int | None:
    """Return the line of the first row with a number of cells.

    Parameters
    ----------
    file
        The file.
    encoding, delimiter
        Its dialect.
    skip
        Number of lines above the header.
    width
        The number of cells.

    Returns
    -------
    int or None
        Line from 1 on; None if no row has that width.
    """
    with open_text(file, encoding, errors="replace") as stream:
        for _ in range(skip):
            stream.readline()
        reader = csv.reader(stream, delimiter=delimiter)
        try:
            return next((skip + reader.line_num for row in reader if len(row) == width), None)
        except csv.Error:  # a text that is longer than the limit of the parser
            return None


def _counts_up(cells: list[str]) -> bool:
    """Return True for integers in equal steps, such as years, which are names of columns."""
    if not all(cell.strip().isdecimal() for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    return len({after - before for before, after in pairwise(numbers)}) == 1


def layout_of(rows: list[list[str]], lines: list[int]) -> Layout:
    """Find the header among the first rows; see `first_rows`."""
    if not rows:
        return Layout([], [], 0, 0)
    widths = Counter(len(row) for row in rows[1:] or rows)
    usual = max(widths, key=lambda width: (widths[width], width))
    header = _find_header(rows, usual)
    return Layout(rows, lines, header, len(rows[header]))


def _find_header(rows: list[list[str]], width: int) -> int:
    """Return the position of the header: the first row that is no title."""
    last = min(_MAX_TITLE_LINES, len(rows) - _MIN_ROWS_BELOW_TITLE)
    for position in range(max(last, 0)):
        row = rows[position]
        filled = [cell for cell in row if cell.strip()]
        if len(filled) > max(1, min(2, (width - 1) // 2)):
            is_data = position > 0 and any(map(_DATA_CELL.fullmatch, filled))
            is_header = len(row) == width and len(set(filled)) == len(filled) and not is_data
            is_group = is_header and _is_group(rows[position : position + 2], rows[position + 2 :])
            return position + is_group if is_header else 0
    return 0


def _is_group(first: list[list[str]], below: list[list[str]]) -> bool:
    """Return True for a row of merged cells above the names: it has gaps, and the names none.

    A first row of values may look like names where its numbers are texts such as "none"; but its
    values recur below.
    """
    groups, names = first
    gaps = sum(not cell.strip() for cell in groups[1:])
    is_complete = len(names) == len(groups) and all(cell.strip() for cell in names)
    if not gaps or not is_complete or len(set(names)) < len(names):
        return False
    # One blank cell may be a column without a name, unless the row below names all columns.
    full = [row for row in below if len(row) == len(names)]
    if gaps < LEAST_GAPS and not is_description(names, full):
        return False
    columns = list(zip(names, *full, strict=True))
    recurs = any(name in cells for name, *cells in columns)
    return not recurs and any(
        not _DATA_CELL.fullmatch(name) and cells and all(map(_DATA_CELL.fullmatch, cells))
        for name, *cells in columns
    )


def is_description(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Return True for a row of descriptions or units above the values.

    It has different texts where all rows below have numbers, in three columns at least, and no
    number or date. A customer's own texts recur in other rows: none of its cells does. Nor has one
    the form of the ids below. Texts of missing values and errors of spreadsheets describe nothing.

    Examples
    --------
    >>> rows = [["C1", "a", "3", "4.5", "1"], ["C2", "b", "5", "2.5", ""], ["C3", "a", "1", "9", "2"]]
    >>> is_description(["id", "plan", "months", "EUR", "tickets"], rows)
    True
    >>> is_description(["C4", "a", "unknown", "unknown", "unknown"], rows)
    False
    >>> is_description(["C5", "c", "#DIV/0!", "n/a", "null"], rows)
    False
    """
    filled = [cell.strip() for cell in first if cell.strip()]
    if any(_DATA_CELL.fullmatch(cell) for cell in filled):
        return False
    columns = [
        (cell.strip(), [value.strip() for value in values if value.strip()])
        for cell, *values in zip(first, *below, strict=True)
        if cell.strip()
    ]
    if any(cell in values or _has_form(cell, values) for cell, values in columns):
        return False
    above = {
        cell
        for cell, values in columns
        if values and all(map(_DATA_CELL.fullmatch, values)) and not _MARKER.fullmatch(cell)
    }
    return len(above) >= _MIN_DESCRIBED


def _has_form(cell: str, values: Sequence[str]) -> bool:
    """Return True for a text such as C0001 above texts such as C0002."""
    form, count = _VARIABLE.subn("0", cell)
    return count > 0 and any(_VARIABLE.sub("0", value) == form for value in values)


def describe_skipped(noun: str, number: int) -> str:
    """Describe a row of descriptions that is not read, by its line or row from 1 on.

    Examples
    --------
    >>> describe_skipped("line", 2)
    'descriptions of the columns below the header skipped (line 2)'
    """
    return f"descriptions of the columns below the header skipped ({noun} {number:,})"
