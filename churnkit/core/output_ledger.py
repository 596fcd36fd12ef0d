"""Record of the files that contain customers' rows, for erasure."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from churnkit.core.io.atomic_write import write_atomic
from churnkit.core.io.locations import mask_password, parse_location
from churnkit.core.io.lock import exclusive_lock
from churnkit.core.project import Project, find_project
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Output", "record_output", "recorded_outputs"]

_FILE = "outputs.json"
_FORMAT = 1
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Output:
    """An output file with one row per customer.

    Parameters
    ----------
    path
        Absolute path, or a URL without its password.
    column
        Column of customer ids.
    """

    path: str
    column: str


def record_output(path: str | Path, column: str, *, project: Project | None = None) -> None:
    """Record in the project's store that a file contains customers' rows.

    Outside of a project nothing is recorded. A read-only store is logged as a warning.

    Parameters
    ----------
    path
        The output, recorded before its first row is written.
    column
        Column of customer ids.
    project
        Project of the store; found from the working folder by default. The project that the
        output lies in records it too.
    """
    location = parse_location(path)
    if location.is_stream:
        return
    name = str(location.path.absolute()) if location.is_local else mask_password(location.text)
    output = Output(name if location.part is None else f"{name}#{location.part}", column)
    homes = [project or find_project()]
    if location.is_local:
        # A job may run in another folder than the project that it writes to.
        homes.append(find_project(location.path.absolute().parent))
    for home in dict.fromkeys(homes):
        if home.store.is_dir():
            _record(home, output)


def _record(home: Project, output: Output) -> None:
    try:
        with exclusive_lock(home.store / f"{_FILE}.lock"):
            outputs = recorded_outputs(home)
            if output in outputs:
                return
            others = [other for other in outputs if other.path != output.path]
            _write(home.store, [*others, output])
    except OSError as error:
        _LOG.warning("cannot record an output in %s: %s", home.store / _FILE, error.strerror)


def recorded_outputs(project: Project) -> list[Output]:
    """Return the recorded outputs of a project.

    Raises
    ------
    ChurnkitError
        If the record cannot be read.
    """
    file = project.store / _FILE
    try:
        record = json.loads(file.read_bytes())
        if record["format"] != _FORMAT:
            raise ChurnkitError(f"{file} was written by a newer version of churnkit: upgrade")
        return [Output(str(item["path"]), str(item["column"])) for item in record["outputs"]]
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
