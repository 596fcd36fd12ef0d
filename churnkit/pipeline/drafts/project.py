"""Draft a project, try it, and write what is not there yet."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.errors import ChurnkitError
from churnkit.pipeline.data import prepare
from churnkit.pipeline.drafts import names
from churnkit.pipeline.drafts.flat import draft_table, with_ignored
from churnkit.pipeline.drafts.writing import (
    IGNORED_FILES,
    readme_text,
    recipe_text,
    schema_text,
)
from churnkit.pipeline.recipe import load_recipe
from churnkit.pipeline.templates import template_folder
from churnkit.timeline import LeakageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from churnkit.pipeline.drafts.columns import DraftColumn
    from churnkit.pipeline.drafts.flat import FlatDraft

__all__ = ["DraftedProject", "draft_project"]

_SERVING = ("Containerfile", "README.md", "bentofile.yaml", "service.py")
_MOST_ROUNDS = 10


@dataclass(frozen=True)
class DraftedProject:
    """What ``churnkit init`` made.

    Parameters
    ----------
    folder
        The project.
    recipe
        The recipe's name.
    columns
        What each column of the schema was taken for.
    written, kept
        Files that were made, and files that were there and stay as they are, from the folder.
    notes
        What was guessed, and what to look at, a sentence each.
    """

    folder: Path
    recipe: str
    columns: tuple[DraftColumn, ...]
    written: tuple[str, ...]
    kept: tuple[str, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-able data."""
        return {
            "folder": str(self.folder),
            "recipe": self.recipe,
            "columns": [column.to_dict() for column in self.columns],
            "written": list(self.written),
            "kept": list(self.kept),
            "notes": list(self.notes),
        }


def draft_project(
    folder: Path,
    source: Path,
    *,
    entity: str | None = None,
    label: str | None = None,
    positive: str | None = None,
    name: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> DraftedProject:
    """Draft a project from a table with a row a customer.

    The draft is tried before anything is written: its schema is compiled, the whole table is
    checked, split and encoded, and what the leakage guard finds is left out of the model.

    Parameters
    ----------
    folder
        The project's folder; files that are there are kept.
    source
        A CSV or Parquet file.
    entity, label, positive
        Columns, and the label's value that means "has left"; guessed if None.
    name
        The recipe's name; the file's own if None.
    progress
        Called with a few words before each step.

    Raises
    ------
    ChurnkitError
        If the table cannot be read or nobody could be told apart by it; it says what to do.
    """
    module = names.module_name(name or source.stem)
    schema = names.class_name(module)
    progress(f"reading {source}")
    draft, table = draft_table(source, entity=entity, label=label, positive=positive)
    data = os.path.relpath(source.resolve(), folder.resolve())
    says = f"What {source.name} holds, as churnkit init understood it: read it, then make it yours."

    def files(draft: FlatDraft) -> dict[str, str]:
        return {
            f"schemas/{module}.py": schema_text(schema, draft.columns, says=says),
            f"training/{module}.py": recipe_text(
                module, schema, source=source.name, data=data, leave_out=draft.leave_out
            ),
        }

    progress(f"trying the draft on {table.num_rows:,} rows")
    draft, found = _tried(draft, table, files, f"training/{module}.py")
    everything = files(draft) | _service()
    everything["README.md"] = readme_text(folder.resolve().name, module, data)
    everything[".gitignore"] = IGNORED_FILES
    written, kept = _write(folder, everything)
    return DraftedProject(folder, module, draft.columns, written, kept, (*draft.notes, *found))


def _tried(
    draft: FlatDraft,
    table: pa.Table,
    files: Callable[[FlatDraft], Mapping[str, str]],
    recipe: str,
) -> tuple[FlatDraft, tuple[str, ...]]:
    """Prepare the table as training will, and leave out what the leakage guard finds."""
    for _ in range(_MOST_ROUNDS):
        _refuse_no_features(draft.columns)
        with tempfile.TemporaryDirectory() as aside:
            _write(Path(aside), files(draft))
            loaded = load_recipe(Path(aside) / recipe)
            try:
                return draft, prepare(loaded, table).left_out
            except LeakageError as error:
                leaks = error.leaks
        for leak in leaks:
            if not leak.waived:
                draft = with_ignored(draft, leak.column, f"{leak.code}: {leak.measured}")
    raise ChurnkitError("the leakage guard finds ever more: please report it")


def _refuse_no_features(columns: Sequence[DraftColumn]) -> None:
    if not any(column.role == "feature" for column in columns):
        raise ChurnkitError(
            "no column is left that a model could learn from: each is an id, a date, personal "
            "data, constant, or tells the outcome itself; bring a table that says more of its "
            "customers"
        )


def _service() -> dict[str, str]:
    folder = template_folder() / "serving"
    return {f"serving/{name}": (folder / name).read_text(encoding="utf-8") for name in _SERVING}


def _write(folder: Path, files: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write the files that are not there, and name those that are."""
    written, kept = [], []
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with place.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            kept.append(name)
        else:
            written.append(name)
    return tuple(written), tuple(kept)
