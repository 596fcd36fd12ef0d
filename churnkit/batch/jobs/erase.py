"""Erase customers from everything that churnkit wrote, and tell which models knew them."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.batch.io.checkpoints import unfinished_folder
from churnkit.batch.io.delete_rows import erase_rows
from churnkit.batch.io.table_writer import invalid_path
from churnkit.bundle.training_members import hash_members, members_salt
from churnkit.contracts.parsing.scalars import BLANKS
from churnkit.core.io.lock import LockHeldError, exclusive_lock
from churnkit.core.output_ledger import Output, noted_outputs
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime

    from churnkit.bundle import Registry
    from churnkit.core.project import Project
    from churnkit.journal import Journal

__all__ = ["Erasure", "KnowingModel", "Place", "erase_customers"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where customers were found.

    Parameters
    ----------
    name
        ``journal``, or a file.
    rows
        How many rows were theirs; of unfinished work, None: all of it was thrown away.
    """

    name: str
    rows: int | None


@dataclass(frozen=True, slots=True)
class KnowingModel:
    """A registered version whose training data held some of the customers.

    Parameters
    ----------
    name, version, aliases
        As MLflow knows it.
    customers
        How many of those asked for; None where the version does not say whom it knew.
    """

    name: str
    version: str
    aliases: tuple[str, ...]
    customers: int | None


@dataclass(frozen=True)
class Erasure:
    """What was erased, or would be.

    Parameters
    ----------
    places
        Where rows of theirs were.
    models
        Versions that knew them, or that do not say.
    gone
        Noted files that are no longer where they were written.
    dry
        Whether nothing was changed.
    """

    places: tuple[Place, ...]
    models: tuple[KnowingModel, ...]
    gone: tuple[str, ...]
    dry: bool

    def to_dict(self) -> dict[str, Any]:
        """Return what was erased as JSON-able data; it holds no customer."""
        return {
            "dry_run": self.dry,
            "places": [asdict(place) for place in self.places],
            "models": [asdict(one) | {"aliases": list(one.aliases)} for one in self.models],
            "gone": list(self.gone),
        }


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

    Each file is rewritten whole or left as it was, with the other rows as they were and in their
    order. Interrupted, the same call again does what is left to do; done already, it finds
    nothing. The journal keeps a salted hash of each, so that no replayed batch brings them back.
    Your own tables are yours: erase there first.

    Parameters
    ----------
    customers
        Their ids, as text.
    project
        Whose outputs and models.
    at
        Now; the journal notes when.
    journal
        Where decisions and outcomes are; None if there is none.
    registry
        Where the models are; None not to ask.
    files
        Further .csv or .parquet files: rows are erased in which any value is one of the ids.
    dry_run
        Whether only to look.
    progress
        Called with a few words for each place.

    Raises
    ------
    ChurnkitError
        If no id is given, a file cannot be read or written, or another process is at work on
        one of them.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import datetime, timezone
    >>> from churnkit.core.project import Project
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scores = Path(folder) / "scores.csv"
    ...     _ = scores.write_text("customer_id,churn\nann,0.4\nbob,0.1\n")
    ...     found = erase_customers(
    ...         ["ann"],
    ...         project=Project(Path(folder)),
    ...         files=[scores],
    ...         at=datetime(2026, 11, 5, tzinfo=timezone.utc),
    ...     )
    ...     (found.places[0].rows, scores.read_text())
    (1, 'customer_id,churn\nbob,0.1\n')
    """
    wanted = {customer.strip(BLANKS) for customer in customers} - {""}
    if not wanted:
        raise ChurnkitError("no customer is named: give at least one id")
    places: list[Place] = []
    gone: list[str] = []
    with _alone(project):
        if journal is not None:
            progress("the journal")
            rows = _in_journal(journal, wanted, at, dry_run=dry_run)
            places += [Place("journal", rows)] if rows else []
        for output in _outputs(project, files):
            file = Path(output.path)
            progress(file.name)
            unfinished = _throw_away_unfinished(file, dry_run=dry_run)
            if unfinished:
                places.append(Place(f"unfinished work on {file}", None))
            if not file.is_file():
                # What a job was interrupted at was never there.
                gone += [] if unfinished else [str(file)]
                continue
            rows = erase_rows(file, wanted, column=output.column, dry_run=dry_run)
            places += [Place(str(file), rows)] if rows else []
    models = () if registry is None else _knowing(registry, project, wanted)
    return Erasure(tuple(places), models, tuple(gone), dry_run)


def _outputs(project: Project, files: Sequence[str | Path]) -> Iterator[Output]:
    for output in noted_outputs(project):
        yield output
        refused = invalid_path(output.path)
        if refused.is_file():
            yield Output(str(refused), output.column)
    for file in files:
        if not Path(file).is_file():
            raise ChurnkitError(f"there is no file {file}")
        yield Output(str(Path(file).absolute()), "")


def _in_journal(journal: Journal, wanted: set[str], at: datetime, *, dry_run: bool) -> int:
    found = 0
    for customer in sorted(wanted):
        if dry_run:
            found += len(journal.decisions(customers=[customer]))
            found += len(journal.outcomes(customers=[customer]))
        else:
            found += journal.erase(customer, at=at)
    return found


def _throw_away_unfinished(output: Path, *, dry_run: bool) -> bool:
    """Throw away finished chunks of an interrupted job: they vouch for their rows by digest."""
    folder = unfinished_folder(output)
    if not folder.is_dir():
        return False
    try:
        with exclusive_lock(folder / "lock", wait=False):
            if not dry_run:
                shutil.rmtree(folder)
    except LockHeldError:
        raise ChurnkitError(
            f"another run is writing {output}: wait for it, and erase again"
        ) from None
    return True


def _knowing(registry: Registry, project: Project, wanted: set[str]) -> tuple[KnowingModel, ...]:
    """Ask each registered version whom its training data held."""
    salt = members_salt(project, make=False)
    asked = None if salt is None else hash_members(wanted, salt)
    found = []
    for name in registry.models():
        for version in registry.versions(name):
            members = None if asked is None else registry.members(version)
            if members is None or asked is None:
                found.append(KnowingModel(name, version.version, version.aliases, None))
            elif known := int(np.isin(asked, members).sum()):
                found.append(KnowingModel(name, version.version, version.aliases, known))
    return tuple(found)


@contextmanager
def _alone(project: Project) -> Iterator[None]:
    """Serialize the erasures of a project."""
    if not project.store.is_dir():
        yield
        return
    with exclusive_lock(project.store / "erase.lock"):
        yield
