"""Copies of what cannot be read twice: downloads and standard input."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path, PurePosixPath
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from churnkit.core.io.formats.signature import detect_kind, kind_of
from churnkit.core.io.locations import mask_password
from churnkit.core.io.spool import copy_stream, spool_file
from churnkit.errors import ChurnkitError

__all__ = ["content_name", "digest", "download", "read_standard_input"]

_TIMEOUT_SECONDS = 60.0
_SUFFIXES = {
    "csv": ".csv",
    "json": ".jsonl",
    "parquet": ".parquet",
    "arrow": ".arrow",
    "zip": ".xlsx",
    "sqlite": ".sqlite",
    "duckdb": ".duckdb",
}


def download(url: str) -> Path:
    """Download a file once to a temporary copy, which keeps the name.

    Raises
    ------
    ChurnkitError
        If the server cannot be reached or answers with an error, or the file does not fit on the
        disk.
    """
    shown = mask_password(url).partition("?")[0]
    name = unquote(PurePosixPath(urlsplit(url).path).name) or "table"

    def write(path: Path) -> None:
        request = Request(url, headers={"User-Agent": "churnkit"})  # noqa: S310 - http(s) only
        try:
            with urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - as above
                length = response.headers.get("Content-Length")
                size = int(length) if length and length.isdigit() else None
                copy_stream(response, path, name=shown, size=size)
        except HTTPError as error:
            error.close()
            raise ChurnkitError(
                f"{shown} cannot be downloaded: the server answers {error.code}; check the address "
                "and the access"
            ) from None
        except (URLError, OSError, ValueError) as error:
            reason = getattr(getattr(error, "reason", None), "strerror", None) or "no connection"
            raise ChurnkitError(
                f"{shown} cannot be downloaded: {reason}; check the address and the network"
            ) from None
        if size is not None and path.stat().st_size < size:
            raise ChurnkitError(f"{shown} was cut off while downloading: try again")

    return spool_file(("download", url), name, write)


def read_standard_input() -> Path:
    """Copy standard input to a temporary file, once for the process.

    Raises
    ------
    ChurnkitError
        If standard input is a terminal, or has no data.
    """

    def write(path: Path) -> None:
        stream = sys.stdin
        if stream is None or stream.isatty():
            raise ChurnkitError("no data on standard input: pipe a table into the command")
        copy_stream(getattr(stream, "buffer", stream), path, name="standard input")
        if not path.stat().st_size:
            raise ChurnkitError("standard input is empty: pipe a table into the command")

    return spool_file(("standard input",), "stdin", write)


def content_name(path: Path, *, label: str) -> str:
    """Return a file's name with a suffix that states its format, by its content if it has none.

    Raises
    ------
    ChurnkitError
        If the content is of no known format.
    """
    if kind_of(path.name) is not None:
        return path.name
    with path.open("rb") as stream:
        content = detect_kind(stream.read(4096))
    if content.startswith("."):
        # Compressed text is what is commonly piped.
        return f"{path.name}.csv{content}"
    if content not in _SUFFIXES:
        raise ChurnkitError(f"{label} is {content or 'empty'}: a table is CSV, JSON or Parquet")
    return f"{path.name}{_SUFFIXES[content]}"


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
