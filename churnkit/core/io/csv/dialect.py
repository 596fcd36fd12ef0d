"""Encoding, delimiter, header and footer of a CSV file."""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from churnkit.core.io.csv.encoding import open_text, scan_text
from churnkit.core.io.csv.layout import ALIGNED, Layout, describe_skipped, first_rows, layout_of
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "REMARK",
    "TOTALS",
    "Dialect",
    "detect_dialect",
    "state_dialect",
]

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
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<delimiter>.)"?', re.IGNORECASE)
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
    described_lines
        Number of lines from the header to the end of a row that describes the columns and is not
        read; 0 if there is none.
    has_blanks
        True if blanks are around names in the header.
    has_wide_quotes
        True if a double quote may be open over several lines.
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
    described_lines: int = 0
    has_blanks: bool = False
    has_wide_quotes: bool = False

    @property
    def is_plain(self) -> bool:
        """True for UTF-8 with commas, a header in the first line, and nothing to leave out."""
        return (
            (self.encoding, self.delimiter, self.skip_lines) == ("utf8", ",", 0)
            and self.fields == self.columns
            and self.has_header
            and not self.has_blanks
            and not self.described_lines
            and not self.footer_rows
            and not self.footer_lines
        )

    def read_options(self) -> dict[str, Any]:
        """Return the arguments of `pyarrow.csv.ReadOptions` that skip the title and the header."""
        return {
            "encoding": self.encoding,
            "column_names": list(self.fields),
            "skip_rows": self.skip_lines + self.described_lines,
            "skip_rows_after_names": int(self.has_header and not self.described_lines),
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
        each: layout_of(*first_rows(file, encoding, each, skip))
        for each in ([chosen] if chosen else _DELIMITERS)
    }
    best = max(layouts, key=lambda each: layouts[each].score())
    if chosen is None and not layouts[best].score()[0]:
        layouts[ALIGNED] = layout_of(*first_rows(file, encoding, ALIGNED, skip))
        best = ALIGNED if layouts[ALIGNED].is_aligned() else ","
    layout = layouts[best]
    if not layout.rows:
        # The header itself may be the error.
        first_rows(file, encoding, best, skip, strict=True)
        return Dialect(encoding, best, (), scan.odd_quotes, is_certain=scan.is_certain)
    has_header = layout.has_header()
    header = layout.rows[layout.header]
    if not has_header:
        header = [f"column {position + 1}" for position in range(layout.width)]
    has_blanks = any(name != name.strip() for name in header)
    header = [name.strip() for name in header]
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
        described_lines=layout.described_lines() if has_header else 0,
        has_blanks=has_blanks,
        has_wide_quotes=scan.has_wide_quotes,
    )
    return _describe(_with_footer(dialect, scan.tail), layout)


def _separator_line(file: Path, encoding: str) -> str | None:
    """Return the delimiter that Excel's first line ``sep=;`` states."""
    with open_text(file, encoding, errors="replace") as stream:
        match = _SEPARATOR_LINE.fullmatch(stream.readline(16).strip("\r\n"))
    return match["delimiter"] if match else None


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


def _describe(dialect: Dialect, layout: Layout) -> Dialect:
    """Add the sentences about what is not read."""
    notes, titles = [], layout.header
    if not dialect.has_header:
        notes.append("no header: the columns are named by their position")
    if titles:
        notes.append(f"{titles} title {_plural(titles, 'line')} above the header skipped")
    if dialect.described_lines:
        notes.append(describe_skipped("line", layout.lines[layout.header + 1] + 1))
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
