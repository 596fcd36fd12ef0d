"""Open one file of any format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from churnkit.core.io.formats.arrow_file import arrow_batches, arrow_schema
from churnkit.core.io.formats.compression import decompress
from churnkit.core.io.formats.excel import choose_sheets, sheet_batches
from churnkit.core.io.formats.file_names import file_dates
from churnkit.core.io.formats.json_records import json_batches
from churnkit.core.io.formats.signature import (
    check_signature,
    describe_unreadable,
    kind_of,
    split_compression,
)
from churnkit.core.io.query import Query, choose_table
from churnkit.core.io.remote.download import content_name, digest
from churnkit.core.io.source_files import BatchSource, CopiedFile, TableFiles, add_dates
from churnkit.core.io.spool import spool_table
from churnkit.core.io.table_file import open_table, refuse_duplicates
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from churnkit.core.io.formats.signature import Kind
    from churnkit.core.io.source_files import Fingerprint, Source

__all__ = ["Original", "check_exists", "open_copy", "open_file"]


@dataclass(frozen=True, slots=True)
class Original:
    """Where the rows of a file come from.

    Parameters
    ----------
    label
        Path or URL, for messages.
    name
        Name of the table.
    paths
        Local files; none for a download.
    fingerprint
        Of the content.
    """

    label: str
    name: str
    paths: tuple[Path, ...]
    fingerprint: Fingerprint

    @classmethod
    def local(cls, path: Path) -> Original:
        """Describe a local file."""
        stat = path.stat()
        fingerprint: Fingerprint = [[str(path.absolute()), stat.st_size, stat.st_mtime_ns]]
        return cls(str(path), path.name, (path,), fingerprint)


def check_exists(path: Path) -> None:
    """Refuse a file that does not exist.

    Raises
    ------
    ChurnkitError
        If there is none.
    """
    if not path.exists():
        raise ChurnkitError(f"{path} does not exist: correct the name")


def open_file(
    path: Path, part: str | None = None, *, original: Original | None = None
) -> Source | Query:
    """Open a local file.

    Parameters
    ----------
    path
        The file.
    part
        Sheet of a workbook, or table of a database; the only one if None.
    original
        Description of the original, if the file is a temporary copy.

    Returns
    -------
    Source or Query
        The opened table; a query for a database file.

    Raises
    ------
    ChurnkitError
        If the file does not exist, is damaged, or is of another format than its name states.
    """
    check_exists(path)
    kind = kind_of(path.name)
    if kind is None:
        label = path if original is None else original.label
        raise ChurnkitError(f"{label} {describe_unreadable(path)}")
    source = original or Original.local(path)
    _, compression = split_compression(path.name)
    if compression is not None and (kind, compression) != ("csv", "gzip"):
        path = decompress(path, tuple(source.fingerprint[0]), name=source.label)
        original, compression = source, None
    if compression is None:
        kind = check_signature(path, kind, name=source.label)
    if kind not in {"csv", "parquet"}:
        return _READERS[kind](path, part, source)
    file = open_table(path)
    if original is None:
        return file
    return CopiedFile(file, source.name, source.paths, source.fingerprint)


def open_copy(path: Path, label: str, fingerprint: str, part: str | None) -> Source | Query:
    """Open a temporary copy, whose name may state no format: then the content decides.

    Parameters
    ----------
    path
        The copy.
    label
        Name of the original, for messages.
    fingerprint
        Name of the original, which together with the digest identifies the content.
    part
        As in `open_file`.
    """
    name = content_name(path, label=label)
    renamed = path.with_name(name)
    if not renamed.exists():
        renamed.hardlink_to(path)
    original = Original(label, label, (), [[fingerprint, digest(path)]])
    return open_file(renamed, part, original=original)


def _copied(
    kind: str, part: str | None, batches: Callable[[], Iterator[pa.Table]], original: Original
) -> Source:
    path = spool_table((kind, part, *original.fingerprint[0]), batches)
    file = open_table(path, label=original.label)
    return CopiedFile(file, original.name, original.paths, original.fingerprint)


def _open_arrow(path: Path, _part: str | None, original: Original) -> Source:
    columns = tuple(arrow_schema(path, name=original.label).names)
    refuse_duplicates(original.name, columns)

    def read(selected: list[str]) -> Iterator[pa.Table]:
        return arrow_batches(path, selected, name=original.label)

    return BatchSource(original.name, columns, original.paths, original.fingerprint, read)


def _open_json(path: Path, part: str | None, original: Original) -> Source:
    return _copied("json", part, lambda: json_batches(path, name=original.label), original)


def _open_excel(path: Path, part: str | None, original: Original) -> Source:
    sheets = choose_sheets(path, part, name=original.label)
    files = [
        _copied(
            "excel",
            sheet,
            lambda sheet=sheet: sheet_batches(path, sheet, name=original.label),  # type: ignore[misc]
            original,
        )
        for sheet in sheets
    ]
    dated = add_dates(files, file_dates(sheets, part or ""))
    if len(files) == 1:
        return dated[0]
    for sheet, file in zip(sheets, files, strict=True):
        if set(file.columns) != set(files[0].columns):
            raise ChurnkitError(
                f"{original.label}: sheets '{sheets[0]}' and '{sheet}' have different columns: name "
                f"one as {original.label}#SHEET"
            )
    return TableFiles(original.name, tuple(dated))


def _open_database(path: Path, part: str | None, original: Original) -> Query:
    return choose_table(path, part, name=original.label)


_READERS: dict[Kind, Callable[[Path, str | None, Original], Source | Query]] = {
    "arrow": _open_arrow,
    "json": _open_json,
    "excel": _open_excel,
    "sqlite": _open_database,
    "duckdb": _open_database,
}
