"""Open a writer for any output."""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from churnkit.batch.io.database_writer import DatabaseWriter, DuckDbWriter, is_duckdb
from churnkit.batch.io.folder_writer import (
    FolderWriter,
    ObjectFolderWriter,
    ObjectWriter,
    check_folder,
)
from churnkit.batch.io.outputs import OutputTarget, parse_output
from churnkit.batch.io.table_writer import TableWriter, Writer
from churnkit.core.io.query import check_connection
from churnkit.core.io.remote.object_store import open_filesystem, store_errors
from churnkit.core.io.spool import temporary_folder

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa


__all__ = ["check_access", "open_writer", "remove_output"]


def open_writer(output: str | Path | OutputTarget, schema: pa.Schema) -> Writer:
    r"""Open a writer for an output.

    Parameters
    ----------
    output
        As `parse_output` takes it.
    schema
        Schema of all tables.

    Returns
    -------
    Writer
        A context manager; nothing appears before ``finish()``.

    Raises
    ------
    ChurnkitError
        If the output cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pyarrow as pa
    >>> rows = pa.table({"id": [1, 2]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with open_writer(f"{folder}/scores.jsonl", rows.schema) as writer:
    ...         writer.write(rows)
    ...         writer.finish()
    ...     Path(folder, "scores.jsonl").read_text()
    '{"id": 1}\n{"id": 2}\n'
    """
    target = output if isinstance(output, OutputTarget) else parse_output(output)
    if target.container == "stream":
        return _StreamWriter(schema)
    if target.container == "database":
        return (DuckDbWriter if is_duckdb(target) else DatabaseWriter)(target, schema)
    if target.container == "folder":
        return (ObjectFolderWriter if target.is_remote else FolderWriter)(target, schema)
    if target.is_remote:
        return ObjectWriter(target, schema)
    return TableWriter(target.location.path, schema)


def check_access(output: OutputTarget) -> None:
    """Check that an output can be reached, before any work.

    Parameters
    ----------
    output
        From `parse_output`.

    Raises
    ------
    ChurnkitError
        If a store or database cannot be reached, or a folder holds other files.
    """
    if output.is_remote:
        url = output.location.text
        filesystem, path = open_filesystem(url)
        with store_errors(url):
            filesystem.get_file_info(path.rstrip("/"))
    elif output.container == "folder":
        check_folder(output.location.path)
    elif output.container == "database" and not output.location.is_local:
        check_connection(output.location.text)


def remove_output(output: OutputTarget) -> None:
    """Remove an earlier output that is obsolete; databases and streams stay as they are."""
    path = output.location.path
    if output.is_local:
        if output.container == "folder":
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    elif output.is_remote:
        url = output.location.text
        filesystem, key = open_filesystem(url)
        with store_errors(url), suppress(FileNotFoundError):
            if output.container == "folder":
                filesystem.delete_dir(key.rstrip("/"))
            else:
                filesystem.delete_file(key)


class _StreamWriter(Writer):
    """CSV on standard output, once it is complete."""

    def __init__(self, schema: pa.Schema) -> None:
        self._folder = temporary_folder()
        self._writer = TableWriter(self._folder / "output.csv", schema)

    @property
    def rows(self) -> int:
        """Number of rows written."""
        return self._writer.rows

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        self._writer.write(table)

    def seal(self) -> None:
        """Complete the text."""
        self._writer.seal()

    def finish(self) -> None:
        """Copy the text to standard output."""
        self._writer.finish()
        with (self._folder / "output.csv").open(encoding="utf-8", newline="") as text:
            shutil.copyfileobj(text, sys.stdout)

    def discard(self) -> None:
        """Remove what was not finished."""
        self._writer.discard()
        shutil.rmtree(self._folder, ignore_errors=True)
