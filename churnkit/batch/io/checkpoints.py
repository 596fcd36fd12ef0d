"""Work in chunks that outlive the process: each is on the disk and vouched for before the next.

Beside the output ``scores.parquet`` stands ``.scores.parquet.parts/`` while the work goes on: a
manifest, and for each chunk one Arrow file a table. A chunk counts once the manifest names it with
its digest, so ``kill -9`` at any moment loses at most the chunk that was being worked on.
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
from churnkit.core.io.lock import LockHeldError, lock_stream
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Chunks", "open_chunks", "unfinished_folder"]

_FORMAT = 1
_MANIFEST = "manifest.json"


class Chunks:
    """The finished chunks of one job.

    Made by `open_chunks`.

    Parameters
    ----------
    folder
        Where they lie.
    job
        What they are the work of, as JSON-able data: equal jobs give equal chunks.
    output
        The file that they will be.
    """

    def __init__(self, folder: Path, job: Mapping[str, Any], output: Path) -> None:
        self.folder = folder
        self.complete = False
        self._output = output
        self._job = dict(job)
        self._done: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._done)

    def facts(self, number: int) -> dict[str, Any]:
        """Return what was noted about a finished chunk."""
        return dict(self._done[number]["facts"])

    def beside(self, name: str, job: Mapping[str, Any], *, resume: bool) -> Chunks:
        """Open chunks of another kind in the same folder, which come and go with these."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        chunks = Chunks(folder, job, self._output)
        if resume:
            chunks._take_up()
        return chunks

    def clear(self) -> None:
        """Throw away what is finished."""
        self._done = []

    @contextmanager
    def new(self, facts: dict[str, Any]) -> Iterator[Chunk]:
        """Write one more chunk; it counts when the block ends without an error.

        Parameters
        ----------
        facts
            What to note about it, as JSON-able data; read when the block ends.

        Raises
        ------
        ChurnkitError
            If the disk refuses; the chunks before it stay.
        """
        try:
            with ExitStack() as stack:
                chunk = Chunk(self.folder, len(self._done), stack)
                yield chunk
            self._done.append({"files": chunk.digests(), "facts": facts})
            self._save()
        except (OSError, pa.ArrowException) as error:
            why = getattr(error, "strerror", None) or "the disk refuses"
            raise ChurnkitError(
                f"cannot write {self._output}: {why}; nothing was changed"
            ) from None

    def tables(self, name: str) -> Iterator[pa.Table]:
        """Read the tables of that name again, chunk by chunk, as they were added."""
        for number, chunk in enumerate(self._done):
            if name in chunk["files"]:
                with pa.memory_map(str(self.folder / _file(number, name))) as mapped:
                    reader = pa.ipc.open_file(mapped)
                    if not reader.num_record_batches:
                        yield reader.schema.empty_table()
                    for place in range(reader.num_record_batches):
                        yield pa.Table.from_batches([reader.get_batch(place)])

    def _save(self) -> None:
        manifest = {"format": _FORMAT, "job": self._job, "chunks": self._done}
        write_atomic(self.folder / _MANIFEST, json.dumps(manifest, sort_keys=True))

    def _take_up(self) -> None:
        """Take what an earlier run of the same job has finished; refuse another job's."""
        try:
            found = json.loads((self.folder / _MANIFEST).read_bytes())
            job, done = found["job"], found["chunks"]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            raise _stale(self._output, "its notes cannot be read") from None
        if found["format"] != _FORMAT or job != self._job:
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
    """A chunk that is being written: tables of one schema for each name."""

    def __init__(self, folder: Path, number: int, stack: ExitStack) -> None:
        self._folder = folder
        self._number = number
        self._stack = stack
        self._writers: dict[str, Any] = {}

    def write(self, name: str, table: pa.Table) -> None:
        """Add rows to the table of that name."""
        if name not in self._writers:
            file = self._folder / _file(self._number, name)
            stream = self._stack.enter_context(file.open("wb"))
            self._stack.callback(_to_disk, stream)
            writer = pa.ipc.new_file(stream, table.schema)
            self._writers[name] = self._stack.enter_context(writer)
        self._writers[name].write_table(table)

    def digests(self) -> dict[str, str]:
        """Vouch for the files, once they are closed."""
        return {name: _digest(self._folder / _file(self._number, name)) for name in self._writers}


def unfinished_folder(output: Path) -> Path:
    """Return where the finished chunks of a job lie until its output is written.

    Examples
    --------
    >>> from pathlib import Path
    >>> unfinished_folder(Path("out/scores.csv")).as_posix()
    'out/.scores.csv.parts'
    """
    return output.with_name(f".{output.name}.parts")


@contextmanager
def open_chunks(output: Path, job: Mapping[str, Any], *, resume: bool) -> Iterator[Chunks]:
    """Open the chunks of a job, alone, and clear them away when the output is written.

    They are cleared when the block ends. If it ends by an error or an interruption, and a later
    run would be spared work, they stay; see `Chunks.complete`.

    Parameters
    ----------
    output
        The file that the job writes.
    job
        What the work depends on: its source, its model, its settings.
    resume
        Whether to go on from what an earlier run has finished; else it is thrown away.

    Raises
    ------
    ChurnkitError
        If another process works on the same output, or what is there is another job's.
    """
    folder = unfinished_folder(output)
    with _alone(folder, output):
        chunks = Chunks(folder, job, output)
        if resume:
            chunks._take_up()  # noqa: SLF001 - half of one thing
        else:
            _empty(folder)
        keep = False
        try:
            yield chunks
        except BaseException:
            # One chunk alone is seconds of work: nothing to leave about for.
            keep = len(chunks) > (1 if chunks.complete else 0)
            raise
        finally:
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(folder: Path, output: Path) -> Iterator[None]:
    """Hold the folder's lock; another process must not work on the same output."""
    lock = None
    while lock is None:
        lock = _lock(folder, output)
    try:
        yield
    finally:
        lock.close()


def _lock(folder: Path, output: Path) -> IO[str] | None:
    """Take the lock; None if the one before us cleared the folder away under our hands."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a", encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ChurnkitError(
            f"cannot write {output}: {error.strerror}; nothing was changed"
        ) from None
    try:
        lock_stream(lock, wait=False)
    except LockHeldError:
        lock.close()
        raise ChurnkitError(
            f"another run is writing {output}: wait for it, or write elsewhere"
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


def _to_disk(stream: IO[bytes]) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return "missing"


def _stale(output: Path, why: str) -> ChurnkitError:
    return ChurnkitError(
        f"the unfinished work on {output} cannot be resumed: {why}; start again without --resume"
    )
