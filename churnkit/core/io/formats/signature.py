"""Recognize file formats by their first bytes, and file names by their suffixes."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath
from typing import Literal

from churnkit.errors import ChurnkitError

__all__ = [
    "FORMATS",
    "KINDS",
    "OLD_WORKBOOK",
    "READABLE",
    "Kind",
    "check_signature",
    "describe_unreadable",
    "detect_kind",
    "kind_of",
    "split_compression",
    "table_stem",
]

Kind = Literal["csv", "parquet", "arrow", "json", "excel", "sqlite", "duckdb", "database"]

KINDS: dict[str, Kind] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".psv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "arrow",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".ipc": "arrow",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".duckdb": "duckdb",
    ".ddb": "duckdb",
    ".db": "database",
}
"""Format of each suffix; a ``.db`` file is of either database."""

OLD_WORKBOOK = "is a workbook in the old .xls format: save it as .xlsx"
READABLE = ".csv, .tsv, .parquet, .feather, .json, .jsonl, .xlsx, .sqlite or .duckdb"
"""Common suffixes, for messages."""

_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz"}
FORMATS: dict[str, str] = {
    "csv": "CSV",
    "parquet": "Parquet",
    "arrow": "Arrow",
    "json": "JSON",
    "excel": "an Excel workbook",
    "sqlite": "an SQLite database",
    "duckdb": "a DuckDB database",
    "database": "an SQLite or DuckDB database",
}
"""Names of the formats, for messages."""

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PAR1", "parquet"),
    (0, b"PARE", "parquet"),
    (0, b"ARROW1", "arrow"),
    (0, b"\xff\xff\xff\xff", "arrow"),
    (0, b"FEA1", "Feather version 1"),
    (0, b"SQLite format 3\x00", "sqlite"),
    (8, b"DUCK", "duckdb"),
    (0, b"\x1f\x8b", ".gz"),
    (0, b"\x28\xb5\x2f\xfd", ".zst"),
    (0, b"BZh", ".bz2"),
    (0, b"\xfd7zXZ\x00", ".xz"),
    (0, b"PK", "zip"),
    (0, b"\xd0\xcf\x11\xe0", "ole"),
    (0, b"%PDF", "a PDF document"),
    (0, b"ORC", "an ORC file"),
    (0, b"Obj\x01", "an Avro file"),
)
_SUFFIXES = {
    "parquet": ".parquet",
    "arrow": ".arrow",
    "json": ".jsonl",
    "excel": ".xlsx",
    "sqlite": ".sqlite",
    "duckdb": ".duckdb",
}
_MARKUP = {b"<html", b"<?xml", b"<tabl", b"<meta", b"<body"}
# What to do with files of other formats.
_REMEDIES = {
    ".zip": "unpack it",
    ".ods": "save it as .xlsx",
    ".numbers": "export it as .xlsx",
    ".sql": "load it into a database, and name the database, or export its tables as CSV",
    ".pdf": "export the table as CSV from the program that printed it",
}
_PROTECTED = "EncryptedPackage".encode("utf-16-le")
_MAX_OLE_BYTES = 64 << 20


def split_compression(name: str) -> tuple[str, str | None]:
    """Split a file name into the name without compression and the compression.

    Examples
    --------
    >>> split_compression("a.csv.gz"), split_compression("a.csv")
    (('a.csv', 'gzip'), ('a.csv', None))
    """
    compression = _COMPRESSIONS.get(PurePosixPath(name).suffix.lower())
    return (name, None) if compression is None else (name[: name.rindex(".")], compression)


def kind_of(name: str) -> Kind | None:
    """Return the format that a file name states; None for a suffix that is not a table's.

    Examples
    --------
    >>> kind_of("exports/a.TSV.gz"), kind_of("notes.md")
    ('csv', None)
    """
    return KINDS.get(PurePosixPath(split_compression(name)[0]).suffix.lower())


def table_stem(name: str) -> str:
    """Return a file's name without the suffixes of compression and format.

    Examples
    --------
    >>> table_stem("events.2026.csv.gz"), table_stem("events")
    ('events.2026', 'events')
    """
    base = PurePosixPath(split_compression(name)[0])
    return base.stem if base.suffix.lower() in KINDS else base.name


def detect_kind(head: bytes) -> str:
    """Recognize a format by the first bytes of a file.

    Returns
    -------
    str
        A format of `FORMATS`, a suffix of a compression, or the name of an unsupported format;
        ``"csv"`` for any other text, ``""`` for an empty file.

    Examples
    --------
    >>> detect_kind(b"PAR1..."), detect_kind(b' [{"id": 1}]'), detect_kind(b"id,plan")
    ('parquet', 'json', 'csv')
    """
    for offset, signature, kind in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            return kind
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:9].lower() == b"<!doctype" or text[:5].lower() in _MARKUP:
        return "a web page or XML"
    if text[:1] == b"[" and text[1:].lstrip()[:1] in {b"{", b"]"}:
        return "json"
    if text[:1] == b"{" and text[1:].lstrip()[:1] in {b'"', b"}"}:
        return "json"
    return "csv" if text or head else ""


def check_signature(path: Path, kind: Kind, *, name: str = "") -> Kind:
    """Check that the content of a file is of the format that its name states.

    Parameters
    ----------
    path
        The file.
    kind
        The format by its name.
    name
        Name of the file in messages.

    Returns
    -------
    Kind
        The format: that of the content for ``"database"``.

    Raises
    ------
    ChurnkitError
        If the file is empty, of another format, compressed without the suffix of the compression,
        or protected with a password.
    """
    label = name or str(path)
    with path.open("rb") as stream:
        head = stream.read(4096)
    content = detect_kind(head)
    if content == "zip" and _is_workbook(path):
        content = "excel"
    if kind == "database":
        if content in {"sqlite", "duckdb"}:
            return content  # type: ignore[return-value]  # one of the literals
        raise ChurnkitError(f"{label} is neither an SQLite nor a DuckDB database: correct the name")
    if not content and kind != "csv":
        raise ChurnkitError(f"{label} is empty: export it again")
    if content in {kind, ""}:
        return kind
    raise ChurnkitError(f"{label} {_mismatch(path, kind, content)}")


def describe_unreadable(path: Path) -> str:
    """Describe why a file whose suffix is not that of a table cannot be read, with the remedy."""
    suffix = path.suffix.lower()
    if suffix != ".xls":
        remedy = _REMEDIES.get(suffix, "export it in one of these formats")
        return f"is no table: a table is a {READABLE} file; {remedy}"
    with path.open("rb") as stream:
        content = detect_kind(stream.read(4096))
    if content == "csv":
        return "is text, no workbook: rename it to end in .csv"
    if content == "zip" and _is_workbook(path):
        return "is a workbook of the new format: rename it to end in .xlsx"
    if content in {"ole", ""}:
        return OLD_WORKBOOK
    return f"is {content}, no workbook: open it in a spreadsheet program, and save it as .xlsx"


def _mismatch(path: Path, kind: Kind, content: str) -> str:
    if content in _COMPRESSIONS:
        return f"is compressed: add {content} to its name"
    if content == "ole":
        return _describe_ole(path)
    if content in _SUFFIXES:
        suffix = _SUFFIXES[content]
        return f"is {FORMATS[content]}, not {FORMATS[kind]}: rename it to end in {suffix}"
    remedies = {
        "Feather version 1": "write it with version 2",
        "zip": "it is damaged or truncated; save it again" if kind == "excel" else "unpack it",
        "csv": "it is damaged, or text; export it again or correct its suffix",
    }
    found = {"csv": "", "zip": "a zip archive, ", "Feather version 1": "of Feather version 1, "}
    remedy = remedies.get(content, "export the table as CSV or Parquet")
    return f"is {found.get(content, f'{content}, ')}not {FORMATS[kind]}: {remedy}"


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.startswith("xl/") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def _describe_ole(path: Path) -> str:
    with path.open("rb") as stream:
        if _PROTECTED in stream.read(_MAX_OLE_BYTES):
            return "is protected with a password: save a copy without one"
    return OLD_WORKBOOK
