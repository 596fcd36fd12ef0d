"""Names of outputs, and checks of them before any work."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from churnkit.core.io.formats.signature import Kind, kind_of, split_compression
from churnkit.core.io.locations import STANDARD_STREAM, Location, parse_location
from churnkit.core.io.query import Query
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from churnkit.core.io.table_sources import Source

__all__ = [
    "WRITABLE",
    "OutputTarget",
    "invalid_path",
    "parse_output",
    "refuse_input",
    "refuse_raw_table",
]

WRITABLE = ".parquet, .csv, .csv.gz, .jsonl or .feather"
"""Suffixes of outputs, for messages."""

_FORMATS: dict[str, Kind] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".feather": "arrow",
    ".arrow": "arrow",
}
_DATABASE_FILES: frozenset[Kind] = frozenset({"sqlite", "duckdb", "database"})
_COMPRESSED: frozenset[Kind] = frozenset({"csv", "json"})

Container = Literal["file", "folder", "database", "stream"]


@dataclass(frozen=True, slots=True)
class OutputTarget:
    """An output, checked by its name.

    Parameters
    ----------
    location
        Path, URL or standard output; for a database with the name of the table.
    container
        A file, a folder of Parquet files, a table of a database, or standard output.
    format
        Format of the files.
    """

    location: Location
    container: Container
    format: Kind = "parquet"

    @property
    def is_remote(self) -> bool:
        """True for an object store."""
        return self.location.is_object_store

    @property
    def is_local(self) -> bool:
        """True for a file or folder of this machine."""
        return self.location.is_local and self.container in {"file", "folder"}

    def __str__(self) -> str:
        """Format for messages, without a password."""
        return "standard output" if self.container == "stream" else str(self.location)


def parse_output(name: str | Path) -> OutputTarget:
    """Check the name of an output before any work.

    Parameters
    ----------
    name
        A file, a folder that ends in a slash, ``"-"``, a URL of an object store, or a table of a
        database: ``crm.duckdb#scores``, ``postgresql://host/db#scores``.

    Returns
    -------
    OutputTarget

    Raises
    ------
    ChurnkitError
        If results cannot be written there.

    Examples
    --------
    >>> parse_output("scores.csv.gz").format, parse_output("s3://bucket/scores/").container
    ('csv', 'folder')
    """
    location = parse_location(name)
    if location.is_stream:
        return OutputTarget(location, "stream", "csv")
    if location.is_download:
        raise ChurnkitError(f"{location} is a web address: results cannot be written there")
    kind = kind_of(location.text)
    if location.is_database or (location.is_local and kind in _DATABASE_FILES):
        if not location.part:
            raise ChurnkitError(
                f"{location} is a database: name a table for the results as {location}#TABLE"
            )
        return OutputTarget(location, "database")
    if location.text.endswith("/"):
        if location.is_local and location.path.is_file():
            raise ChurnkitError(f"{location} is a file, not a folder: use another output")
        return OutputTarget(location, "folder")
    base, compression = split_compression(location.text)
    output_format = _FORMATS.get(Path(base).suffix.lower())
    if output_format is None or (compression is not None and output_format not in _COMPRESSED):
        raise ChurnkitError(
            f"{location}: results go to a {WRITABLE} file, a folder that ends in a slash, or a "
            "table of a database"
        )
    if location.is_local and location.path.is_dir():
        raise ChurnkitError(
            f"{location} is a folder: name a file in it, or end it in a slash for a folder of "
            "Parquet files"
        )
    return OutputTarget(location, "file", output_format)


def invalid_path(name: str | Path) -> str | Path:
    """Return the output for rows that violate a rule, next to the scores.

    Examples
    --------
    >>> invalid_path("out/scores.csv.gz"), invalid_path("out/scores/")
    ('out/scores.invalid.csv.gz', 'out/scores.invalid/')
    >>> invalid_path("postgresql://host/db#scores")
    'postgresql://host/db#scores_invalid'
    """
    location = parse_location(name)
    if location.part is not None:
        return f"{location.text}#{location.part}_invalid"
    if location.is_stream:
        return STANDARD_STREAM
    folder, separator, file = location.text.rstrip("/").rpartition("/")
    slash = "/" if location.text.endswith("/") else ""
    base = file if slash else split_compression(file)[0]
    stem, dot, suffix = ("", "", "") if slash else base.rpartition(".")
    renamed = f"{stem or base}.invalid{dot if stem else ''}{suffix if stem else ''}"
    result = f"{folder}{separator}{renamed}{file[len(base) :]}{slash}"
    return Path(result) if isinstance(name, Path) and location.is_local else result


def refuse_input(source: Source | Query, *outputs: OutputTarget) -> None:
    """Refuse an output that is the source, or that would be read as part of it next time.

    Raises
    ------
    ChurnkitError
        If an output is an input file, is in the input folder, or matches the input pattern.
    """
    if isinstance(source, Query):
        return
    for output in outputs:
        if output.container in {"database", "stream"}:
            continue
        for path in source.paths if output.is_local else ():
            target = output.location.path
            if _is_same(target, path):
                raise ChurnkitError(
                    f"{output} is the input file and would be overwritten: use another output"
                )
        if _is_within(source, output):
            raise ChurnkitError(
                f"{output} is in the input {source.name} and would be read with it next time: use "
                "another output"
            )


def refuse_raw_table(locations: Iterable[str | Path], output: str | Path) -> None:
    """Refuse an output that is a raw table, or is in its folder.

    Parameters
    ----------
    locations
        Files, folders and patterns of files.
    output
        Name of the output.

    Raises
    ------
    ChurnkitError
        If it would overwrite a table, or be read as one next time.
    """
    target = parse_output(output)
    if not target.is_local:
        return
    path = target.location.path
    for name in locations:
        location = parse_location(name)
        if not location.is_local:
            continue
        folder, pattern = location.path.parent.resolve(), location.path.name
        is_in_folder = location.path.is_dir() and path.resolve().is_relative_to(
            location.path.resolve()
        )
        if _is_same(path, location.path):
            raise ChurnkitError(
                f"{target} is a raw table and would be overwritten: use another output"
            )
        if is_in_folder or (path.parent.resolve() == folder and fnmatchcase(path.name, pattern)):
            raise ChurnkitError(
                f"{target} is among the raw tables and would be read with them next time: use "
                "another output"
            )


def _is_same(target: Path, path: Path) -> bool:
    # A folder of the target may not exist yet: new/../customers.csv.
    return target.resolve() == path.resolve() or (
        target.exists() and path.exists() and target.samefile(path)
    )


def _is_within(source: Source, output: OutputTarget) -> bool:
    location = parse_location(source.name)
    if output.is_local and location.is_local:
        root, target = Path(source.name), output.location.path
        if root.is_dir():
            return target.resolve().is_relative_to(root.resolve())
        parents = {path.parent.resolve() for path in source.paths}
        return (
            not root.exists()
            and target.parent.resolve() in parents
            and fnmatchcase(target.name, root.name)
        )
    if output.is_remote and location.is_object_store:
        root_text, target_text = location.text.rstrip("/"), output.location.text
        return target_text.startswith(f"{root_text}/") or fnmatchcase(target_text, root_text)
    return False
