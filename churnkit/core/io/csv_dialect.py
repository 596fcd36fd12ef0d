"""Encoding, delimiter, header and footer of a CSV file."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

from churnkit.core.io.csv_encoding import open_text, scan_text
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "ALIGNED",
    "LEAST_GAPS",
    "REMARK",
    "TOTALS",
    "Dialect",
    "detect_dialect",
    "state_dialect",
]

# A row of merged cells above the names leaves at least so many cells blank; an unnamed column is one.
LEAST_GAPS = 2


# Delimiter of columns that are aligned with one or more spaces.
ALIGNED = " "
# In order of preference where several fit equally well: a comma may also be a decimal sign.
_DELIMITERS = ";\t|,"
_DELIMITER_NAMES = {
    ";": "semicolons",
    "\t": "tabs",
    "|": "vertical bars",
    ",": "commas",
    " ": "spaces",
}
_ENCODING_NAMES = {"utf8": "UTF-8", "cp1252": "Windows-1252", "latin-1": "Latin-1"}
_SAMPLE_ROWS = 50
_MAX_TITLE_LINES = 20
# Fewer rows do not show which line is the header.
_MIN_ROWS_BELOW_TITLE = 4
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<delimiter>.)"?', re.IGNORECASE)
_DATA_CELL = re.compile(r"[-+]?[\d.,:/\s%-]*\d[\d.,:/\s%-]*")
TOTALS = re.compile(
    r"(?:(?:grand|sub|overall)[ -]?)?totals?|sum|summe|gesamt(?:summe)?|insgesamt|total general|"
    r"total général|totale|totaal|somme|suma|soma|合計|итого",
    re.IGNORECASE,
)
REMARK = re.compile(
    r"\(?[\d,.]+ (?:rows?|records?|lines?|datensätze|zeilen|lignes|filas)\b|copyright|©|\(c\)|"
    r"generated|export(?:ed|é|ado)?\b|created|source\b|report|confidential|end of|erstellt",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """Format of a CSV file.

    Parameters
    ----------
    encoding
        ``utf8``, ``utf-16``, ``cp1252`` or another encoding of Python.
    delimiter
        Character between two fields.
    columns
        Header without unnamed columns; empty if the file is.
    odd_quotes
        True if the number of double quotes is odd: one may be open to the end of the file.
    fields
        Names of all fields of a row, with names in place of missing ones.
    skip_lines
        Number of title lines above the header.
    footer_rows
        Number of totals and blank rows at the end.
    footer_lines
        Footer lines with another number of fields.
    notes
        Sentences about what is not read.
    is_stated
        True if the delimiter or the encoding was stated with `state_dialect`.
    is_certain
        False if the encoding is the most likely one of several.
    has_rows
        False if nothing follows the header.
    has_header
        False if the first row is data; then columns are named by their position.
    """

    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    odd_quotes: bool
    fields: tuple[str, ...] = ()
    skip_lines: int = 0
    footer_rows: int = 0
    footer_lines: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    is_certain: bool = True
    has_rows: bool = True
    is_stated: bool = False
    has_header: bool = True

    @property
    def is_plain(self) -> bool:
        """True for UTF-8 with commas, a header in the first line, and nothing to leave out."""
        return (
            (self.encoding, self.delimiter, self.skip_lines) == ("utf8", ",", 0)
            and self.fields == self.columns
            and self.has_header
            and not self.footer_rows
            and not self.footer_lines
        )

    def read_options(self) -> dict[str, Any]:
        """Return the arguments of `pyarrow.csv.ReadOptions` that skip the title and the header."""
        return {
            "encoding": self.encoding,
            "column_names": list(self.fields),
            "skip_rows": self.skip_lines,
            "skip_rows_after_names": int(self.has_header),
        }

    def __str__(self) -> str:
        """Describe the format.

        Examples
        --------
        >>> str(Dialect("cp1252", ";", ("id", "plan"), False))
        'Windows-1252, delimited by semicolons'
        """
        encoding = _ENCODING_NAMES.get(self.encoding, self.encoding.upper())
        delimiter = _DELIMITER_NAMES.get(self.delimiter, f"'{self.delimiter}'")
        return f"{encoding}, delimited by {delimiter}"


@dataclass(frozen=True, slots=True)
class _Layout:
    """Rows of the sample as one delimiter splits them, and the position of the header."""

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
        return any(all(map(_DATA_CELL.fullmatch, cells)) for cells in zip(*below, strict=True))

    def has_header(self) -> bool:
        """Return False if the first row has nothing but numbers and dates, as the rows below."""
        first, below = self.rows[self.header], self.rows[self.header + 1 :]
        if self.width < 2 or len(below) < _MIN_ROWS_BELOW_TITLE:
            return True
        return not all(map(_DATA_CELL.fullmatch, first)) or _counts_up(first)


# Delimiter and encoding of all files of this process, where they are stated.
_STATED: dict[str, str | None] = {"delimiter": None, "encoding": None}


def state_dialect(delimiter: str | None = None, encoding: str | None = None) -> None:
    """State the delimiter and the encoding of all CSV files that this process reads.

    Raises
    ------
    ChurnkitError
        If the delimiter is not one character, or there is no such encoding.
    """
    delimiter = {"tab": "\t", "\\t": "\t"}.get(delimiter or "", delimiter)
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise ChurnkitError("the CSV delimiter must be one character, or tab")
    if encoding is not None:
        try:
            encoding = {"utf-8": "utf8"}.get(codecs.lookup(encoding).name, encoding)
        except LookupError:
            raise ChurnkitError(
                f"there is no encoding '{encoding}': use a name such as cp1250 or shift_jis"
            ) from None
    _STATED.update(delimiter=delimiter, encoding=encoding)


def detect_dialect(
    file: Path, *, delimiter: str | None = None, encoding: str | None = None
) -> Dialect:
    """Detect the dialect of a CSV file.

    Every byte is read once for the encoding. The delimiter is the one that splits the header
    and the first 50 rows into the same number of fields, with quotes respected. Title lines
    above the header, columns without a name, and totals, blank rows and remarks at the end are
    not read; `Dialect.notes` lists them.

    Parameters
    ----------
    file
        The file.
    delimiter, encoding
        Stated instead of detected.

    Raises
    ------
    OSError
        If the file cannot be read.
    csv.Error
        If the header cannot be parsed.
    LookupError
        If there is no such encoding.
    """
    scan = scan_text(file)
    delimiter = delimiter or _STATED["delimiter"]
    stated_encoding = encoding or _STATED["encoding"]
    encoding = stated_encoding or scan.encoding
    stated = _separator_line(file, encoding)
    chosen = delimiter or stated
    skip = 1 if stated else 0
    layouts = {
        each: _layout(*_first_rows(file, encoding, each, skip))
        for each in ([chosen] if chosen else _DELIMITERS)
    }
    best = max(layouts, key=lambda each: layouts[each].score())
    if chosen is None and not layouts[best].score()[0]:
        layouts[ALIGNED] = _layout(*_first_rows(file, encoding, ALIGNED, skip))
        best = ALIGNED if layouts[ALIGNED].is_aligned() else ","
    layout = layouts[best]
    if not layout.rows:
        # The header itself may be the error.
        _first_rows(file, encoding, best, skip, strict=True)
        return Dialect(encoding, best, (), scan.odd_quotes, is_certain=scan.is_certain)
    has_header = layout.has_header()
    header = layout.rows[layout.header]
    if not has_header:
        header = [f"column {position + 1}" for position in range(layout.width)]
    header += [""] * _blank_fields_after(header, layout.rows[layout.header + 1 :])
    fields = _name_fields(header)
    dialect = Dialect(
        encoding,
        best,
        tuple(name for name, text in zip(fields, header, strict=True) if text.strip()),
        scan.odd_quotes,
        fields,
        skip_lines=layout.lines[layout.header],
        is_certain=scan.is_certain or stated_encoding is not None,
        is_stated=bool(delimiter or stated_encoding),
        has_rows=len(layout.rows) > layout.header + 1,
        has_header=has_header,
    )
    return _describe(_with_footer(dialect, scan.tail), layout.header)


def _first_rows(
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


def _counts_up(cells: list[str]) -> bool:
    """Return True for integers in equal steps, such as years, which are names of columns."""
    if not all(cell.strip().isdecimal() for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    return len({after - before for before, after in pairwise(numbers)}) == 1


def _separator_line(file: Path, encoding: str) -> str | None:
    """Return the delimiter that Excel's first line ``sep=;`` states."""
    with open_text(file, encoding, errors="replace") as stream:
        match = _SEPARATOR_LINE.fullmatch(stream.readline(16).strip("\r\n"))
    return match["delimiter"] if match else None


def _layout(rows: list[list[str]], lines: list[int]) -> _Layout:
    if not rows:
        return _Layout([], [], 0, 0)
    widths = Counter(len(row) for row in rows[1:] or rows)
    usual = max(widths, key=lambda width: (widths[width], width))
    header = _find_header(rows, usual)
    return _Layout(rows, lines, header, len(rows[header]))


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
    if gaps < LEAST_GAPS or not is_complete or len(set(names)) < len(names):
        return False
    columns = list(zip(names, *(row for row in below if len(row) == len(names)), strict=True))
    recurs = any(name in cells for name, *cells in columns)
    return not recurs and any(
        not _DATA_CELL.fullmatch(name) and cells and all(map(_DATA_CELL.fullmatch, cells))
        for name, *cells in columns
    )


def _blank_fields_after(header: list[str], rows: list[list[str]]) -> int:
    """Count the fields that every row has beyond the header, all of them blank."""
    longer = {len(row) - len(header) for row in rows}
    if len(longer) != 1 or min(longer) <= 0:
        return 0
    blank = all(not cell.strip() for row in rows for cell in row[len(header) :])
    return longer.pop() if blank else 0


def _name_fields(header: list[str]) -> tuple[str, ...]:
    names = set(header)
    fields = []
    for position, name in enumerate(header, 1):
        unique = name
        if not name.strip():
            unique = f"unnamed {position}"
            while unique in names:
                unique += "_"
        fields.append(unique)
    return tuple(fields)


def _with_footer(dialect: Dialect, tail: str) -> Dialect:
    """Find totals, blank rows and remarks at the end of the file."""
    width = len(dialect.fields)
    rows, after_gap = 0, False
    remarks: list[str] = []
    for line in reversed(_closed_lines(tail.splitlines()[1:])):
        after_gap = after_gap or (bool(remarks) and not line.strip())
        if not line.strip():
            continue
        cells = next(csv.reader([line], delimiter=dialect.delimiter), [])
        if dialect.delimiter == ALIGNED:
            cells = line.split()
        filled = [cell.strip() for cell in cells if cell.strip()]
        if width > 2 and len(cells) < width and len(filled) == 1:
            remarks.append(line.strip())
        elif len(cells) == width and (
            not filled
            or TOTALS.fullmatch(cells[0].strip().rstrip(":"))
            # A spreadsheet fills the line of a remark up with delimiters.
            or (width > 2 and len(filled) == 1 and REMARK.search(cells[0]))
        ):
            rows += 1
        else:
            break
    if not after_gap and not all(map(REMARK.match, remarks)):
        remarks = []  # the last line of a truncated file
    return replace(dialect, footer_rows=rows, footer_lines=frozenset(remarks))


def _closed_lines(lines: list[str]) -> list[str]:
    """Return the last lines that cannot be part of a quoted text of several lines."""
    closed: list[str] = []
    for line in reversed(lines):
        if line.count('"') % 2:
            break
        closed.insert(0, line)
    return closed


def _describe(dialect: Dialect, titles: int) -> Dialect:
    """Add the sentences about what is not read."""
    notes = []
    if not dialect.has_header:
        notes.append("no header: the columns are named by their position")
    if titles:
        notes.append(f"{titles} title {_plural(titles, 'line')} above the header skipped")
    unnamed = [
        str(position)
        for position, name in enumerate(dialect.fields, 1)
        if name not in dialect.columns
    ]
    if unnamed:
        columns = _plural(len(unnamed), "column")
        notes.append(f"{columns} without a name not read: {', '.join(unnamed[:10])}")
    footer = dialect.footer_rows + len(dialect.footer_lines)
    if footer:
        notes.append(
            f"{footer} {_plural(footer, 'row')} at the end not read: totals, blank rows or remarks"
        )
    return replace(dialect, notes=tuple(notes))


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
