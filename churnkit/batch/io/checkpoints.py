"""Checkpointed chunks: each is fsynced with a checksum before the next starts.

While a job writes ``scores.parquet``, the folder ``.scores.parquet.parts/`` next to it has a
manifest and one Arrow file per chunk and table. A chunk is finished once the manifest lists it with
its digest, so ``kill -9`` loses at most the current chunk.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa

from churnkit.core.io.atomic_write import write_atomic
from churnkit.core.io.locations import mask_password, parse_location
from churnkit.core.io.lock import LockHeldError, lock_stream
from churnkit.core.project import find_project
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Chunks", "open_chunks", "unfinished_folder"]

_FORMAT = 1
_MANIFEST = "manifest.json"


class Chunks:
    """Finished chunks of one job, from `open_chunks`.

    Parameters
    ----------
    folder
        Folder of the chunks.
    job
        Inputs and settings of the job as JSON-able data: equal jobs give equal chunks.
    output
        Output file of the job.
    """

    def __init__(self, folder: Path, job: Mapping[str, Any], output: str | Path) -> None:
        self.folder = folder
        self.complete = False
        self._output = mask_password(str(output))
        self._job = dict(job)
        self._done: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._done)

    def facts(self, number: int) -> dict[str, Any]:
        """Return the facts stored with a finished chunk."""
        return dict(self._done[number]["facts"])

    def nested(self, name: str, job: Mapping[str, Any], *, resume: bool) -> Chunks:
        """Open chunks of another kind in a subfolder, with the same lifetime."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        chunks = Chunks(folder, job, self._output)
        if resume:
            chunks._load()
        return chunks

    def clear(self) -> None:
        """Discard all chunks."""
        self._done = []

    @contextmanager
    def new(self, facts: dict[str, Any]) -> Iterator[Chunk]:
        """Write a chunk; it is finished when the block ends without an error.

        Parameters
        ----------
        facts
            JSON-able data stored with the chunk; read when the block ends.

        Raises
        ------
        ChurnkitError
            If the disk cannot be written; earlier chunks are kept.
        """
        try:
            with ExitStack() as stack:
                chunk = Chunk(self.folder, len(self._done), stack)
                yield chunk
            self._done.append({"files": chunk.digests(), "facts": facts})
            self._save()
        except (OSError, pa.ArrowException) as error:
            reason = getattr(error, "strerror", None) or "the disk cannot be written"
            raise ChurnkitError(
                f"cannot write {self._output}: {reason}; nothing was changed"
            ) from None

    def tables(self, name: str) -> Iterator[pa.Table]:
        """Read the tables of a name, chunk by chunk, in the order of writing."""
        for number, chunk in enumerate(self._done):
            if name in chunk["files"]:
                with pa.memory_map(str(self.folder / _file(number, name))) as mapped:
                    reader = pa.ipc.open_file(mapped)
                    if not reader.num_record_batches:
                        yield reader.schema.empty_table()
                    for index in range(reader.num_record_batches):
                        yield pa.Table.from_batches([reader.get_batch(index)])

    def _save(self) -> None:
        manifest = {"format": _FORMAT, "job": self._job, "chunks": self._done}
        write_atomic(self.folder / _MANIFEST, json.dumps(manifest, sort_keys=True))

    def _load(self) -> None:
        """Load the chunks of an earlier run of the same job; refuse those of another job."""
        try:
            manifest = json.loads((self.folder / _MANIFEST).read_bytes())
            job, done = manifest["job"], manifest["chunks"]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            raise _stale(self._output, "its manifest cannot be read") from None
        if manifest["format"] != _FORMAT or job != self._job:
            changed = sorted(key for key in self._job if job.get(key) != self._job[key])
            raise _stale(
                self._output, f"{' and '.join(changed) or 'churnkit'} changed since it began"
            )
        for number, chunk in enumerate(done):
            for name, digest in chunk["files"].items():
                if _digest(self.folder / _file(number, name)) != digest:
                    raise _stale(self._output, f"chunk {number + 1} is damaged")
        self._done = done


class Chunk:
    """Chunk being written: tables by name, each with one schema."""

    def __init__(self, folder: Path, number: int, stack: ExitStack) -> None:
        self._folder = folder
        self._number = number
        self._stack = stack
        self._writers: dict[str, Any] = {}

    def write(self, name: str, table: pa.Table) -> None:
        """Append rows to the table of that name."""
        if name not in self._writers:
            file = self._folder / _file(self._number, name)
            stream = self._stack.enter_context(file.open("wb"))
            self._stack.callback(_fsync, stream)
            writer = pa.ipc.new_file(stream, table.schema)
            self._writers[name] = self._stack.enter_context(writer)
        self._writers[name].write_table(table)

    def digests(self) -> dict[str, str]:
        """Return SHA-256 digests of the closed files."""
        return {name: _digest(self._folder / _file(self._number, name)) for name in self._writers}


def unfinished_folder(output: str | Path) -> Path:
    """Return the folder of a job's finished chunks, which exists until the output is written.

    Chunks are local: those of an output elsewhere are in the project's folder.

    Examples
    --------
    >>> from pathlib import Path
    >>> unfinished_folder(Path("out/scores.csv")).as_posix()
    'out/.scores.csv.parts'
    >>> unfinished_folder("s3://bucket/scores/").name.startswith(".scores-")
    True
    """
    location = parse_location(output)
    if location.is_local and location.part is None:
        return location.path.with_name(f".{location.path.name}.parts")
    name = location.part or location.text.rstrip("/").rpartition("/")[2]
    digest = hashlib.sha256(str(location).encode()).hexdigest()[:8]
    return find_project().root / f".{name}-{digest}.parts"


@contextmanager
def open_chunks(output: str | Path, job: Mapping[str, Any], *, resume: bool) -> Iterator[Chunks]:
    """Open the chunks of a job exclusively, and remove them when the block ends.

    If the block raises and a later run could resume, they are kept; see `Chunks.complete`.

    Parameters
    ----------
    output
        Output file of the job.
    job
        Everything that the output depends on: source, model, settings.
    resume
        Whether to continue from the chunks of an earlier run; otherwise they are discarded.

    Raises
    ------
    ChurnkitError
        If another process writes the same output, or the chunks are of another job.
    """
    folder = unfinished_folder(output)
    output = mask_password(str(output))
    with _exclusive(folder, output):
        chunks = Chunks(folder, job, output)
        if resume:
            chunks._load()  # noqa: SLF001
        else:
            _empty(folder)
        keep = False
        try:
            yield chunks
        except BaseException:
            # A single chunk takes seconds: not worth keeping.
            keep = len(chunks) > (1 if chunks.complete else 0)
            raise
        finally:
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _exclusive(folder: Path, output: str | Path) -> Iterator[None]:
    """Hold the folder's lock."""
    lock = None
    while lock is None:
        lock = _lock(folder, output)
    try:
        yield
    finally:
        lock.close()


def _lock(folder: Path, output: str | Path) -> IO[str] | None:
    """Take the lock; return None if its previous holder removed the folder meanwhile."""
    is_made = False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_made = True
        lock = (folder / "lock").open("a", encoding="utf-8")
    except OSError as error:
        if is_made and isinstance(error, FileNotFoundError):
            return None
        raise ChurnkitError(
            f"cannot write {output}: {error.strerror}; nothing was changed"
        ) from None
    try:
        lock_stream(lock, wait=False)
    except LockHeldError:
        lock.close()
        raise ChurnkitError(
            f"another run is writing {output}: wait for it, or use another output"
        ) from None
    if _is_current(lock, folder / "lock"):
        return lock
    lock.close()
    return None


def _is_current(lock: IO[str], path: Path) -> bool:
    try:
        return os.fstat(lock.fileno()).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "lock":
            path.unlink()


def _file(number: int, name: str) -> str:
    return f"{name}-{number:05d}.arrow"


def _fsync(stream: IO[bytes]) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return "missing"


def _stale(output: str | Path, reason: str) -> ChurnkitError:
    return ChurnkitError(
        f"the unfinished work on {output} cannot be resumed: {reason}; start again without --resume"
    )
