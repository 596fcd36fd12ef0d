"""Files of a drafted project: checked on the data, and written without overwriting."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from churnkit.core.result import Result
from churnkit.errors import ChurnkitError
from churnkit.pipeline.project_templates import template_folder
from churnkit.pipeline.recipe import load_recipe
from churnkit.pipeline.scaffold.column_roles import ignored
from churnkit.pipeline.scaffold.keys.label_column import list_names
from churnkit.pipeline.scaffold.templates import GITIGNORE
from churnkit.pipeline.training.data.dataset import prepare
from churnkit.timeline import LeakageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from churnkit.pipeline.scaffold.column_roles import DraftColumn
    from churnkit.pipeline.training.data.dataset import TrainingData

__all__ = [
    "CreatedProject",
    "NoFeaturesError",
    "check_files",
    "common_files",
    "describe_omissions",
    "write_files",
]

_SERVING = (
    "Containerfile", "README.md", "bentofile.yaml", "churnkit.service", "grafana.json",
    "kubernetes.yaml", "service.py",
)  # fmt: skip
_MAX_LEAKAGE_CHECKS = 10


@dataclass(frozen=True)
class CreatedProject(Result):
    """Result of ``churnkit init``.

    Parameters
    ----------
    folder
        Project folder.
    recipe
        Name of the recipe.
    columns
        Inferred columns of the schema.
    written, kept
        Files that were written, and existing files that were kept, relative to the folder.
    notes
        What was inferred and what to review, one sentence each.
    reading
        Topics and sentences about how a table was read.
    questions
        Open questions that training waits for, each with its file and line.
    """

    folder: Path
    recipe: str
    columns: tuple[DraftColumn, ...]
    written: tuple[str, ...]
    kept: tuple[str, ...]
    notes: tuple[str, ...]
    reading: tuple[tuple[str, str], ...] = ()
    questions: tuple[str, ...] = ()


def check_files(
    columns: tuple[DraftColumn, ...],
    table: pa.Table,
    files: Callable[[Sequence[DraftColumn]], Mapping[str, str]],
    recipe: str,
) -> tuple[tuple[DraftColumn, ...], TrainingData]:
    """Prepare the table as training does, and leave out columns that leak the outcome."""
    for _ in range(_MAX_LEAKAGE_CHECKS):
        _refuse_no_features(columns)
        with tempfile.TemporaryDirectory() as temporary:
            write_files(Path(temporary), files(columns))
            loaded = load_recipe(Path(temporary) / recipe)
            try:
                return columns, prepare(loaded, table)
            except LeakageError as error:
                leaks = {leak.column: leak for leak in error.leaks if not leak.waived}
        columns = tuple(
            ignored(column.name, f"{leaks[column.name].code}: {leaks[column.name].measured}")
            if column.name in leaks
            else column
            for column in columns
        )
    raise ChurnkitError(
        f"columns still leak the outcome after {_MAX_LEAKAGE_CHECKS} checks: please report this"
    )


class NoFeaturesError(ChurnkitError):
    """No column of a table can be a feature."""


def _refuse_no_features(columns: Sequence[DraftColumn]) -> None:
    if not any(column.role == "feature" for column in columns):
        raise NoFeaturesError(
            "no feature is left: each column is an id, a date, personal data, constant, or leaks "
            "the outcome; use a table with more columns about its customers"
        )


def common_files(readme: str) -> dict[str, str]:
    """Return the files that every project has: the service, the README, and what Git ignores."""
    folder = template_folder() / "serving"
    serving = {f"serving/{name}": (folder / name).read_text(encoding="utf-8") for name in _SERVING}
    return {**serving, "README.md": readme, ".gitignore": GITIGNORE}


def write_files(folder: Path, files: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write files that do not exist, and return the names of written and existing files."""
    written, kept = [], []
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            kept.append(name)
        else:
            written.append(name)
    return tuple(written), tuple(kept)


def describe_omissions(columns: Sequence[DraftColumn]) -> list[tuple[str, str]]:
    """Describe the columns that are left out, and the features to review, by their reason."""
    left_out: dict[str, list[str]] = {}
    review: dict[str, list[str]] = {}
    for column in columns:
        if column.role in {"ignore", "pii"}:
            left_out.setdefault(column.review, []).append(column.name)
        elif column.review and column.role != "entity":
            review.setdefault(column.review, []).append(column.name)
    return [
        *(("left out", f"{list_names(names)}: {reason}") for reason, names in left_out.items()),
        *(("check", f"{list_names(names)}: {reason}") for reason, names in review.items()),
    ]
