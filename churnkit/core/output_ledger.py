"""Which files of a project hold customers' rows, so that a customer can be erased from them."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from churnkit.core.io.atomic_write import write_atomic
from churnkit.core.io.lock import exclusive_lock
from churnkit.core.project import Project, find_project
from churnkit.errors import ChurnkitError

__all__ = ["Output", "note_output", "noted_outputs"]

_FILE = "outputs.json"
_FORMAT = 1
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Output:
    """A file with a row a customer.

    Parameters
    ----------
    path
        The whole path.
    column
        The column with the customers' ids.
    """

    path: str
    column: str


def note_output(path: str | Path, column: str, *, project: Project | None = None) -> None:
    """Note in the project's store that a file holds customers' rows; once for each file.

    Outside a project nothing is noted. Where the store cannot be written, as on a machine that
    may only read it, that is logged and the work goes on.

    Parameters
    ----------
    path
        The file, before its first row is written.
    column
        The column with the customers' ids.
    project
        Whose store; found from the working folder if not given.
    """
    home = project or find_project()
    if not home.store.is_dir():
        return
    output = Output(str(Path(path).absolute()), column)
    try:
        with exclusive_lock(home.store / f"{_FILE}.lock"):
            known = noted_outputs(home)
            if output in known:
                return
            kept = [one for one in known if one.path != output.path]
            _write(home.store, [*kept, output])
    except OSError as error:
        _LOG.warning("cannot note an output in %s: %s", home.store / _FILE, error.strerror)


def noted_outputs(project: Project) -> list[Output]:
    """Read what was noted.

    Raises
    ------
    ChurnkitError
        If the notes cannot be read.
    """
    file = project.store / _FILE
    try:
        found = json.loads(file.read_bytes())
        if found["format"] != _FORMAT:
            raise ChurnkitError(f"{file} was written by a newer churnkit: update this one")
        return [Output(str(one["path"]), str(one["column"])) for one in found["outputs"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError):
        raise ChurnkitError(
            f"{file} cannot be read: restore it, or move it aside and name the files with --file"
        ) from None


def _write(store: Path, outputs: list[Output]) -> None:
    write_atomic(
        store / _FILE,
        json.dumps({"format": _FORMAT, "outputs": [asdict(output) for output in outputs]}),
    )
