"""Names of tables on the command line: paths, URLs, standard input, and parts of files."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "STANDARD_STREAM",
    "Location",
    "mask_password",
    "parse_location",
    "relative_location",
    "resolve_location",
]

STANDARD_STREAM = "-"
"""Name of standard input and standard output."""

# Two letters or more: a single one is a drive. A Path has lost one or two of the slashes.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,3}(?=[^/])|([A-Za-z][A-Za-z0-9+.-]+):/{4}")
_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "azure", "abfs", "abfss"})
_DOWNLOADS = frozenset({"http", "https"})
_WITH_PARTS = frozenset({".xlsx", ".xlsm", ".sqlite", ".sqlite3", ".db", ".duckdb", ".ddb"})


@dataclass(frozen=True, slots=True)
class Location:
    """A table's name, taken apart.

    Parameters
    ----------
    text
        Path or URL without the part; ``"-"`` for standard input.
    part
        Sheet or table after ``#``; None if there is none.
    scheme
        Scheme of a URL in lowercase; empty for a local path.
    """

    text: str
    part: str | None = None
    scheme: str = ""

    @property
    def is_stream(self) -> bool:
        """True for standard input or output."""
        return self.text == STANDARD_STREAM

    @property
    def is_object_store(self) -> bool:
        """True for a URL of S3, Google Cloud Storage or Azure."""
        return self.scheme in _OBJECT_STORES

    @property
    def is_download(self) -> bool:
        """True for ``https://`` and ``http://``."""
        return self.scheme in _DOWNLOADS

    @property
    def is_database(self) -> bool:
        """True for any other URL, which SQLAlchemy opens."""
        return bool(self.scheme) and not (self.is_object_store or self.is_download)

    @property
    def is_local(self) -> bool:
        """True for a path on this machine."""
        return not (self.scheme or self.is_stream)

    @property
    def path(self) -> Path:
        """The local path."""
        return Path(self.text)

    def __str__(self) -> str:
        """Format for messages, without a password."""
        part = "" if self.part is None else f"#{self.part}"
        return mask_password(self.text) + part


def parse_location(name: str | os.PathLike[str]) -> Location:
    """Take a table's name apart.

    A file whose own name contains ``#`` is named as it is. The slashes that `pathlib.Path`
    removes from a URL are restored.

    Parameters
    ----------
    name
        A path, a URL, or ``"-"``; sheets and tables follow ``#``.

    Returns
    -------
    Location

    Examples
    --------
    >>> parse_location("crm.xlsx#Customers")
    Location(text='crm.xlsx', part='Customers', scheme='')
    >>> parse_location(Path("s3://exports/2026/a.parquet")).text
    's3://exports/2026/a.parquet'
    """
    text = os.fspath(name)
    match = _URL.match(text)
    if match is None:
        path, part = (text, None) if Path(text).exists() else _split_part(text)
        return Location(path, part)
    scheme = (match[1] or match[2]).lower()
    if isinstance(name, Path):
        text = _restore_slashes(scheme, text)
    location = Location(text, None, scheme)
    # In other URLs a fragment never reaches the server, and keys of object stores may contain it.
    base, part = text.split("#", 1) if "#" in text and location.is_database else _split_part(text)
    return Location(base, part, scheme)


def _split_part(text: str) -> tuple[str, str | None]:
    """Split at the first ``#`` after a suffix of files with sheets or tables."""
    for position, character in enumerate(text):
        path = text[:position]
        if character == "#" and Path(path.partition("?")[0]).suffix.lower() in _WITH_PARTS:
            return path, text[position + 1 :]
    return text, None


def _restore_slashes(scheme: str, text: str) -> str:
    rest = text.partition(":")[2].lstrip("/")
    if scheme.partition("+")[0] not in {"sqlite", "duckdb"}:
        return f"{scheme}://{rest}"
    is_absolute = Path(f"/{rest.partition('#')[0]}").exists()
    return f"{scheme}:///{'/' if is_absolute else ''}{rest}"


def resolve_location(name: str | os.PathLike[str], root: Path) -> str | Path:
    """Resolve a relative path against a folder; URLs and standard input stay as they are.

    Examples
    --------
    >>> resolve_location("data/a.csv", Path("/project")).as_posix()
    '/project/data/a.csv'
    >>> resolve_location("https://example.org/a.csv", Path("/project"))
    'https://example.org/a.csv'
    """
    location = parse_location(name)
    if not location.is_local:
        return os.fspath(name) if not isinstance(name, Path) else location.text
    return root / os.fspath(name)


def relative_location(name: str | os.PathLike[str], folder: Path) -> str:
    """Return a name by which a file in `folder` refers to a table; URLs stay as they are.

    Examples
    --------
    >>> relative_location("/data/crm.xlsx#Customers", Path("/data/project"))
    '../crm.xlsx#Customers'
    """
    location = parse_location(name)
    part = "" if location.part is None else f"#{location.part}"
    if not location.is_local:
        return location.text + part
    return os.path.relpath(location.path.resolve(), folder.resolve()) + part


def mask_password(url: str) -> str:
    """Replace the user and password in a URL.

    Examples
    --------
    >>> mask_password("postgresql://ann:secret@db/crm")
    'postgresql://***@db/crm'
    """
    return re.sub(r"//[^/@]*@", "//***@", url)
