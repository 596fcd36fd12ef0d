"""Write result tables to folders of Parquet files, and to object stores."""

from __future__ import annotations

import re
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.batch.io.table_writer import TableWriter, Writer, write_error
from churnkit.core.io.remote.object_store import open_filesystem, store_errors
from churnkit.core.io.spool import temporary_folder
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    import pyarrow as pa

    from churnkit.batch.io.outputs import OutputTarget

__all__ = ["FolderWriter", "ObjectFolderWriter", "ObjectWriter", "check_folder"]

PART_ROWS = 1_000_000
_SUCCESS = "_SUCCESS"
# Files of a run that was killed.
_UNFINISHED = "_temporary-"
_PART = re.compile(r"part-\d{5}\.parquet")
_COPY_BYTES = 8 << 20
# The largest object that S3 copies in one request.
_MAX_COPY_BYTES = 5 << 30


class _Parts:
    """Split rows into Parquet files of `PART_ROWS` rows, each complete before the next begins."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self.rows = 0
        self.count = 0
        self._folder = folder
        self._schema = schema
        self._writer: TableWriter | None = None

    def path(self, number: int) -> Path:
        return self._folder / f"part-{number:05d}.parquet"

    def write(self, table: pa.Table) -> list[Path]:
        """Append rows; return the files that were completed."""
        completed = []
        start = 0
        while start < table.num_rows or self._writer is None:
            if self._writer is None:
                self._writer = TableWriter(self.path(self.count), self._schema)
            part = table.slice(start, PART_ROWS - self._writer.rows)
            self._writer.write(part)
            start += part.num_rows
            self.rows += part.num_rows
            if self._writer.rows < PART_ROWS:
                break
            completed += self.close()
        return completed

    def close(self) -> list[Path]:
        if self._writer is None:
            return []
        self._writer.finish()
        self._writer = None
        self.count += 1
        return [self.path(self.count - 1)]

    def discard(self) -> None:
        if self._writer is not None:
            self._writer.discard()


class FolderWriter(Writer):
    """Write tables to a folder of Parquet files, which replaces an earlier one when complete.

    Parameters
    ----------
    output
        A local folder: a new one, an empty one, or one that an earlier run wrote.
    schema
        Schema of all tables.

    Raises
    ------
    ChurnkitError
        If the folder holds other files, or the disk cannot be written.
    """

    def __init__(self, output: OutputTarget, schema: pa.Schema) -> None:
        self.target: Path = Path(output.location.text)
        check_folder(self.target)
        self._staged = self.target.with_name(f".{self.target.name}-{secrets.token_hex(6)}")
        try:
            self._staged.mkdir(parents=True)
        except OSError as error:
            raise write_error(self.target, error) from None
        self._parts = _Parts(self._staged, schema)
        try:
            self._parts.write(schema.empty_table())
        except BaseException:
            self.discard()
            raise

    @property
    def rows(self) -> int:
        """Number of rows written."""
        return self._parts.rows

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        self._parts.write(table)

    def seal(self) -> None:
        """Complete the files."""
        self._parts.close()

    def finish(self) -> None:
        """Put the folder in place of the earlier one."""
        self.seal()
        (self._staged / _SUCCESS).touch()
        earlier = self.target.with_name(f"{self._staged.name}-earlier")
        try:
            if self.target.exists():
                self.target.rename(earlier)
            self._staged.rename(self.target)
        except OSError as error:
            if earlier.exists():
                earlier.rename(self.target)
            raise write_error(self.target, error) from None
        shutil.rmtree(earlier, ignore_errors=True)

    def discard(self) -> None:
        """Remove what was not finished."""
        self._parts.discard()
        shutil.rmtree(self._staged, ignore_errors=True)


def check_folder(folder: Path) -> None:
    """Refuse a folder with files other than those of an earlier output.

    Raises
    ------
    ChurnkitError
        If there are such files; replacing the folder would delete them.
    """
    if not folder.is_dir():
        return
    others = [path for path in folder.iterdir() if not _is_own(path.name)]
    if others:
        raise ChurnkitError(
            f"{folder} has {len(others):,} other files, which would be deleted: use another folder"
        )


def _is_own(name: str) -> bool:
    return name == _SUCCESS or name.startswith(_UNFINISHED) or bool(_PART.fullmatch(name))


class ObjectWriter(Writer):
    """Write tables to one file of an object store.

    The file is written locally, uploaded under a temporary name, and moved to its own.

    Parameters
    ----------
    output
        A file of an object store.
    schema
        Schema of all tables.

    Raises
    ------
    ChurnkitError
        If the store cannot be reached, or the file is too large for it.
    """

    def __init__(self, output: OutputTarget, schema: pa.Schema) -> None:
        self._url = output.location.text
        self._filesystem, self._path = open_filesystem(self._url)
        self._folder = temporary_folder()
        self._local = self._folder / self._path.rpartition("/")[2]
        self._writer = TableWriter(self._local, schema)
        self._uploaded: str | None = None

    @property
    def rows(self) -> int:
        """Number of rows written."""
        return self._writer.rows

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        self._writer.write(table)

    def seal(self) -> None:
        """Upload the complete file under a temporary name."""
        if self._uploaded is not None:
            return
        self._writer.finish()
        size = self._local.stat().st_size
        if size > _MAX_COPY_BYTES:
            raise ChurnkitError(
                f"{self._url} would have {size / 1e9:.1f} GB, more than stores copy at once: write "
                f"to a folder instead, {self._url.rpartition('.')[0]}/"
            )
        parent, _, name = self._path.rpartition("/")
        # The name is always the same, so that nothing remains of runs that were killed.
        uploaded = f"{parent}/.{name}-unfinished"
        upload(self._local, self._filesystem, uploaded, url=self._url)
        self._uploaded = uploaded

    def finish(self) -> None:
        """Move the file to its name."""
        self.seal()
        with store_errors(self._url):
            self._filesystem.move(self._uploaded, self._path)
        self._uploaded = None

    def discard(self) -> None:
        """Remove what was not finished."""
        self._writer.discard()
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._uploaded is not None:
            with suppress(OSError):
                self._filesystem.delete_file(self._uploaded)


class ObjectFolderWriter(Writer):
    """Write tables to Parquet files below a prefix of an object store.

    Each file is uploaded under a temporary name as soon as it is complete. At the end all are
    moved to their names, files of an earlier output are deleted, and ``_SUCCESS`` is written last.

    Parameters
    ----------
    output
        A prefix of an object store, which ends in a slash.
    schema
        Schema of all tables.

    Raises
    ------
    ChurnkitError
        If the store cannot be reached, or the prefix holds other files.
    """

    def __init__(self, output: OutputTarget, schema: pa.Schema) -> None:
        self._url = output.location.text
        self._filesystem, path = open_filesystem(self._url)
        self._path = path.rstrip("/")
        self._earlier = _earlier_objects(self._filesystem, self._path, self._url)
        self._folder = temporary_folder()
        self._unfinished = f"{self._path}/{_UNFINISHED}{secrets.token_hex(6)}"
        self._uploaded: list[str] = []
        self._parts = _Parts(self._folder, schema)
        self._parts.write(schema.empty_table())

    @property
    def rows(self) -> int:
        """Number of rows written."""
        return self._parts.rows

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        self._upload(self._parts.write(table))

    def _upload(self, completed: list[Path]) -> None:
        for part in completed:
            upload(part, self._filesystem, f"{self._unfinished}/{part.name}", url=self._url)
            self._uploaded.append(part.name)
            part.unlink()

    def seal(self) -> None:
        """Upload the last file."""
        self._upload(self._parts.close())

    def finish(self) -> None:
        """Move the files to their names, and delete those of an earlier output."""
        self.seal()
        with store_errors(self._url):
            if _SUCCESS in self._earlier:
                self._filesystem.delete_file(f"{self._path}/{_SUCCESS}")
            for name in self._uploaded:
                self._filesystem.move(f"{self._unfinished}/{name}", f"{self._path}/{name}")
            for name in self._earlier - set(self._uploaded) - {_SUCCESS}:
                self._remove(name)
            with self._filesystem.open_output_stream(f"{self._path}/{_SUCCESS}") as stream:
                stream.write(b"")
        self._uploaded = []

    def _remove(self, name: str) -> None:
        if name.startswith(_UNFINISHED):
            self._filesystem.delete_dir(f"{self._path}/{name}")
        else:
            self._filesystem.delete_file(f"{self._path}/{name}")

    def discard(self) -> None:
        """Remove what was not finished."""
        self._parts.discard()
        shutil.rmtree(self._folder, ignore_errors=True)
        with suppress(OSError):
            self._filesystem.delete_dir(self._unfinished)


def _earlier_objects(filesystem: Any, path: str, url: str) -> set[str]:
    """Return the names of an earlier output's files and of unfinished runs; refuse others."""
    from pyarrow import fs

    with store_errors(url):
        selector = fs.FileSelector(path, allow_not_found=True, recursive=False)
        names = {entry.base_name for entry in filesystem.get_file_info(selector)} - {""}
    others = {name for name in names if not _is_own(name)}
    if others:
        raise ChurnkitError(
            f"{url} has {len(others):,} other files: use another prefix, so that input and output "
            "are not mixed"
        )
    return names


def upload(file: Path, filesystem: Any, path: str, *, url: str) -> None:
    """Copy a local file to an object store.

    Raises
    ------
    ChurnkitError
        If the store cannot be reached.
    """
    with (
        store_errors(url),
        file.open("rb") as local,
        filesystem.open_output_stream(path, compression=None) as stream,
    ):
        while block := local.read(_COPY_BYTES):
            stream.write(block)
