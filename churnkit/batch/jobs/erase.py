"""Erase customers from all outputs of churnkit, and list models trained on them."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from churnkit.batch.io.checkpoints import unfinished_folder
from churnkit.batch.io.delete_remote_rows import erase_remote_rows
from churnkit.batch.io.delete_rows import erase_rows
from churnkit.batch.io.outputs import invalid_path
from churnkit.bundle.training_members import hash_members, members_salt
from churnkit.contracts.parsing.scalars import BLANKS
from churnkit.core.io.locations import parse_location
from churnkit.core.io.lock import LockHeldError, exclusive_lock
from churnkit.core.output_ledger import Output, recorded_outputs
from churnkit.core.result import Result
from churnkit.errors import ChurnkitError
from churnkit.journal.worklist.schema import delete_customer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime

    from churnkit.bundle import Registry
    from churnkit.core.project import Project
    from churnkit.journal import Journal

__all__ = ["Erasure", "Location", "TrainedModel", "erase_customers"]

_UNREACHABLE = -1
# In place of the user and the password of a URL.
_HIDDEN = "//***@"


_READER = (
    "the journal's write-ahead log: another program reads the journal; close it and erase again"
)


@dataclass(frozen=True, slots=True)
class Location:
    """Location of erased rows.

    Parameters
    ----------
    name
        ``journal``, or a file.
    rows
        Number of erased rows; None for unfinished work, which is discarded.
    """

    name: str
    rows: int | None


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """Registered version whose training data include some of the customers.

    Parameters
    ----------
    name, version, aliases
        Name, version and aliases in MLflow.
    customers
        Number of the customers; None if the version has no list of members.
    """

    name: str
    version: str
    aliases: tuple[str, ...]
    customers: int | None


@dataclass(frozen=True)
class Erasure(Result):
    """Result of an erasure or a dry run.

    Parameters
    ----------
    locations
        Locations of their rows.
    models
        Versions trained on them, and versions without a list of members.
    missing
        Recorded output files that no longer exist.
    dry_run
        Whether nothing was changed.
    elsewhere
        Recorded outputs in object stores and databases that could not be reached: rows remain.
    remaining
        What could not be erased for now, and why.
    """

    locations: tuple[Location, ...]
    models: tuple[TrainedModel, ...]
    missing: tuple[str, ...]
    dry_run: bool
    elsewhere: tuple[str, ...] = ()
    remaining: tuple[str, ...] = ()


def erase_customers(
    customers: Collection[str],
    *,
    project: Project,
    at: datetime,
    journal: Journal | None = None,
    registry: Registry | None = None,
    files: Sequence[str | Path] = (),
    dry_run: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Erasure:
    r"""Erase customers from the journal, scores, plans and unfinished work.

    Each file is replaced atomically, with all other rows unchanged and in order. An interrupted
    call can be repeated. The journal keeps a salted hash of each id, so that a replayed batch cannot
    restore the rows. Erase the customers from your own tables first.

    Parameters
    ----------
    customers
        Ids as text.
    project
        Project with outputs and models.
    at
        Time of the erasure, for the journal.
    journal
        Journal of decisions and outcomes; None for none.
    registry
        Model registry; None to skip the models.
    files
        Further .csv or .parquet files: rows with an id in any column are erased.
    dry_run
        Only count.
    progress
        Called with the name of each location.

    Returns
    -------
    Erasure
        Erased rows by location, and models trained on the customers.

    Raises
    ------
    ChurnkitError
        If there is no id, a file cannot be read or written, or another process uses one of
        them.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import datetime, timezone
    >>> from churnkit.core.project import Project
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scores = Path(folder) / "scores.csv"
    ...     _ = scores.write_text("customer_id,churn\nann,0.4\nbob,0.1\n")
    ...     result = erase_customers(
    ...         ["ann"],
    ...         project=Project(Path(folder)),
    ...         files=[scores],
    ...         at=datetime(2026, 11, 5, tzinfo=timezone.utc),
    ...     )
    ...     (result.locations[0].rows, scores.read_text())
    (1, 'customer_id,churn\nbob,0.1\n')
    """
    ids = {customer.strip(BLANKS) for customer in customers} - {""}
    if not ids:
        raise ChurnkitError("customers is empty: pass at least one id")
    locations: list[Location] = []
    missing: list[str] = []
    elsewhere: list[str] = []
    remaining: list[str] = []
    with _exclusive(project):
        if journal is not None:
            progress("the journal")
            rows = _in_journal(journal, ids, at, dry_run=dry_run)
            locations += [Location("journal", rows)] if rows else []
            if not dry_run and not journal.purge():
                remaining.append(_READER)
        for output in _outputs(project, files):
            target = parse_location(output.path)
            progress(Path(target.text).name)
            unfinished = _discard_unfinished(output.path, dry_run=dry_run)
            if unfinished:
                locations.append(Location(f"unfinished work on {output.path}", None))
            if not target.is_local or target.part is not None:
                erased = _in_remote_output(output, ids, dry_run=dry_run)
                elsewhere += [output.path] if erased == _UNREACHABLE else []
                missing += [output.path] if erased is None and not _is_refused(output) else []
                if erased is not None and erased > 0:
                    locations.append(Location(output.path, erased))
                continue
            if not target.path.exists():
                # The output of an interrupted job never existed.
                missing += [] if unfinished else [output.path]
                continue
            rows = erase_rows(target.path, ids, column=output.column, dry_run=dry_run)
            locations += [Location(output.path, rows)] if rows else []
    models = () if registry is None else _trained_models(registry, project, ids)
    return Erasure(
        tuple(locations), models, tuple(missing), dry_run, tuple(elsewhere), tuple(remaining)
    )


def _in_remote_output(output: Output, ids: set[str], *, dry_run: bool) -> int | None:
    """Erase rows from a database or an object store; `_UNREACHABLE` if that fails."""
    location = parse_location(output.path)
    # The record of outputs holds no passwords.
    if _HIDDEN in location.text:
        return _UNREACHABLE
    try:
        return erase_remote_rows(location, ids, column=output.column, dry_run=dry_run)
    except ChurnkitError:
        return _UNREACHABLE


def _is_refused(output: Output) -> bool:
    """Return True for the table or file of rows that violate a rule, which seldom exists."""
    return "_invalid" in output.path or ".invalid" in output.path


def _outputs(project: Project, files: Sequence[str | Path]) -> Iterator[Output]:
    for output in recorded_outputs(project):
        yield output
        refused = invalid_path(output.path)
        location = parse_location(output.path)
        if not location.is_local or location.part is not None or Path(refused).exists():
            yield Output(str(refused), output.column)
    for file in files:
        if not Path(file).is_file():
            raise ChurnkitError(f"{file} does not exist: name a .csv or .parquet file")
        yield Output(str(Path(file).absolute()), "")


def _in_journal(journal: Journal, ids: set[str], at: datetime, *, dry_run: bool) -> int:
    count = 0
    for customer in sorted(ids):
        if dry_run:
            count += len(journal.decisions(customers=[customer]))
            count += len(journal.outcomes(customers=[customer]))
            with journal.database.reading() as connection:
                count += delete_customer(connection, customer, dry_run=True)
        else:
            count += journal.erase(customer, at=at)
    return count


def _discard_unfinished(output: str, *, dry_run: bool) -> bool:
    """Discard the chunks of an interrupted job: their digests do not allow changes."""
    leftovers = _killed_writes(Path(output))
    if not dry_run:
        for file in leftovers:
            file.unlink(missing_ok=True)
    folder = unfinished_folder(output)
    if not folder.is_dir():
        return bool(leftovers)
    try:
        with exclusive_lock(folder / "lock", wait=False):
            if not dry_run:
                shutil.rmtree(folder)
    except LockHeldError:
        raise ChurnkitError(
            f"another run is writing {output}: wait for it, and erase again"
        ) from None
    return True


def _killed_writes(output: Path) -> list[Path]:
    """Return the temporary files of writes of an output that were killed."""
    hidden = re.compile(rf"\.{re.escape(output.name)}-[0-9a-f]{{12}}")
    try:
        return [file for file in output.parent.iterdir() if hidden.fullmatch(file.name)]
    except OSError:
        return []


def _trained_models(
    registry: Registry, project: Project, ids: set[str]
) -> tuple[TrainedModel, ...]:
    """Return registered versions whose training data include the customers."""
    salt = members_salt(project, create=False)
    hashes = None if salt is None else hash_members(ids, salt)
    models = []
    for name in registry.models():
        for version in registry.versions(name):
            members = None if salt is None else registry.members(version, salt)
            if members is None or hashes is None:
                models.append(TrainedModel(name, version.version, version.aliases, None))
            elif count := int(np.isin(hashes, members).sum()):
                models.append(TrainedModel(name, version.version, version.aliases, count))
    return tuple(models)


@contextmanager
def _exclusive(project: Project) -> Iterator[None]:
    """Serialize the erasures of a project."""
    if not project.store.is_dir():
        yield
        return
    with exclusive_lock(project.store / "erase.lock"):
        yield
