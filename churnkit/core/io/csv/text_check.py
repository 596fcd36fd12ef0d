"""Double quotes that are not closed and join several rows to one."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

from churnkit.core.io.csv.encoding import open_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from churnkit.core.io.csv.dialect import Dialect

__all__ = ["find_open_quote"]


def find_open_quote(file: Path, dialect: Dialect) -> int | None:
    """Return the line of the first row of several lines whose quoted text does not end at a delimiter.

    Two such quotes enclose all rows between them. A row of one line is not checked: its text may
    have quotes of inches, and no row is lost.

    Parameters
    ----------
    file
        The file; every line is read.
    dialect
        Its encoding and delimiter.

    Returns
    -------
    int or None
        Line from 1 on; None if there is no such row.
    """
    lines: list[str] = []
    number = dialect.skip_lines
    with open_text(file, dialect.encoding, errors="replace") as stream:
        for _ in range(dialect.skip_lines):
            stream.readline()
        reader = csv.reader(_record(stream, lines), delimiter=dialect.delimiter)
        try:
            for _ in reader:
                if len(lines) > 1 and not _is_closed(lines, dialect.delimiter):
                    return number + 1
                number += len(lines)
                lines.clear()
        except csv.Error:  # a text that is longer than the limit of the parser
            return None
    return None


def _record(stream: Iterator[str], lines: list[str]) -> Iterator[str]:
    for line in stream:
        lines.append(line)
        yield line


def _is_closed(lines: list[str], delimiter: str) -> bool:
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        return not re.search("expected after", str(error))
    return True
