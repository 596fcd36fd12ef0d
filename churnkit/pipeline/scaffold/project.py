"""Draft a project, try it, and write what is not there yet."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from churnkit.core.io.raw_tables import find_tables
from churnkit.core.result import Result
from churnkit.errors import ChurnkitError
from churnkit.pipeline.project_templates import template_folder
from churnkit.pipeline.recipe import load_recipe
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_roles import ignored
from churnkit.pipeline.scaffold.feature_set_draft import draft_plan, plan_columns
from churnkit.pipeline.scaffold.feature_set_template import plan_recipe_text
from churnkit.pipeline.scaffold.from_raw_tables import read_raw_tables
from churnkit.pipeline.scaffold.from_table import draft_table, is_log
from churnkit.pipeline.scaffold.templates import (
    IGNORED_FILES,
    readme_text,
    recipe_text,
    schema_text,
)
from churnkit.pipeline.training.dataset import prepare, read_training_table
from churnkit.timeline import LeakageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from churnkit.pipeline.scaffold.column_roles import DraftColumn

__all__ = ["CreatedProject", "create_project"]

_SERVING = ("Containerfile", "README.md", "bentofile.yaml", "grafana.json", "service.py")
_MOST_ROUNDS = 10


@dataclass(frozen=True)
class CreatedProject(Result):
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


def create_project(
    folder: Path,
    sources: Sequence[Path],
    *,
    entity: str | None = None,
    label: str | None = None,
    positive: str | None = None,
    name: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> CreatedProject:
    """Draft a project from a table with a row a customer, or from raw tables.

    The draft is tried before anything is written: its schema is compiled, the whole table is
    checked, split and encoded, and what the leakage guard finds is left out of the model.

    Parameters
    ----------
    folder
        The project's folder; files that are there are kept.
    sources
        A CSV or Parquet file; or several, or a folder of them: then the recipe has a timeline.
    entity, label, positive
        Columns, and the label's value that means "has left"; guessed if None.
    name
        The recipe's name; the file's own if None, of raw tables the folder's.
    progress
        Called with a few words before each step.

    Raises
    ------
    ChurnkitError
        If the table cannot be read or nobody could be told apart by it; it says what to do.
    """
    tables = _raw_tables(sources)
    if tables is not None:
        return _draft_raw(folder, tables, entity=entity, label=label, name=name, progress=progress)
    source = sources[0]
    module = name_rules.module_name(name or source.stem)
    schema = name_rules.class_name(module)
    progress(f"reading {source}")
    if label is None and is_log(source, entity):
        tables = {source.stem: source}
        return _draft_raw(folder, tables, entity=entity, label=label, name=name, progress=progress)
    draft, table = draft_table(source, entity=entity, label=label, positive=positive)
    data = os.path.relpath(source.resolve(), folder.resolve())
    says = f"What {source.name} holds, as churnkit init understood it: read it, then make it yours."

    def files(columns: Sequence[DraftColumn]) -> dict[str, str]:
        return {
            f"schemas/{module}.py": schema_text(schema, columns, says=says),
            f"training/{module}.py": recipe_text(
                module, schema, source=source.name, data=data, leave_out=draft.leave_out
            ),
        }

    progress(f"trying the draft on {table.num_rows:,} rows")
    columns, found = _tried(draft.columns, table, files, f"training/{module}.py")
    readme = readme_text(folder.resolve().name, module, data)
    written, kept = _write(folder, files(columns) | _service() | _further(readme))
    return CreatedProject(folder, module, columns, written, kept, (*draft.notes, *found))


def _raw_tables(sources: Sequence[Path]) -> dict[str, Path] | None:
    """Tell whether the sources are raw tables: a folder, or several files."""
    if len(sources) == 1 and not sources[0].is_dir():
        return None
    if len(sources) == 1:
        return find_tables(sources[0])
    return find_tables(None, [f"{source.stem}={source}" for source in sources])


def _draft_raw(
    folder: Path,
    tables: Mapping[str, Path],
    *,
    entity: str | None,
    label: str | None,
    name: str | None,
    progress: Callable[[str], None],
) -> CreatedProject:
    """Draft a project whose recipe has a timeline over raw tables."""
    if label is not None:
        raise ChurnkitError(
            "--label goes with one table: of raw tables, leaving is that subscriptions end, or that "
            "nothing happens; the drafted recipe says which"
        )
    progress(f"reading {', '.join(tables)}")
    raw, notes = read_raw_tables(tables, entity=entity)
    plan = draft_plan(raw)
    module = name_rules.module_name(name or folder.resolve().name)
    schema = name_rules.class_name(module)
    says = "A row a customer and date, as the timeline of the recipe makes it."

    def files(columns: Sequence[DraftColumn], base: Path) -> dict[str, str]:
        paths = {t.source: os.path.relpath(t.path.resolve(), base.resolve()) for t in raw}
        return {
            f"schemas/{module}.py": schema_text(schema, columns, says=says),
            f"training/{module}.py": plan_recipe_text(plan, module, schema, files=paths),
        }

    progress("trying the draft")
    columns = plan_columns(plan, raw)
    with tempfile.TemporaryDirectory() as aside:
        _write(Path(aside), files(columns, Path(aside)))
        table = read_training_table(load_recipe(Path(aside) / f"training/{module}.py"), Path(aside))
    columns, found = _tried(
        columns, table, lambda drafted: files(drafted, folder), f"training/{module}.py"
    )
    said = f"{type(plan.label).__name__} of '{plan.label.table}'" if plan.label else ""
    example = os.path.relpath(next(iter(raw)).path.resolve().parent, folder.resolve())
    readme = readme_text(folder.resolve().name, module, f"{example} --as-of DATE")
    written, kept = _write(folder, files(columns, folder) | _service() | _further(readme))
    notes = (*notes, f"who leaves: {said}", *found)
    return CreatedProject(folder, module, columns, written, kept, notes)


def _tried(
    columns: tuple[DraftColumn, ...],
    table: pa.Table,
    files: Callable[[Sequence[DraftColumn]], Mapping[str, str]],
    recipe: str,
) -> tuple[tuple[DraftColumn, ...], tuple[str, ...]]:
    """Prepare the table as training will, and leave out what the leakage guard finds."""
    for _ in range(_MOST_ROUNDS):
        _refuse_no_features(columns)
        with tempfile.TemporaryDirectory() as aside:
            _write(Path(aside), files(columns))
            loaded = load_recipe(Path(aside) / recipe)
            try:
                return columns, prepare(loaded, table).left_out
            except LeakageError as error:
                leaks = {leak.column: leak for leak in error.leaks if not leak.waived}
        columns = tuple(
            ignored(one.name, f"{leaks[one.name].code}: {leaks[one.name].measured}")
            if one.name in leaks
            else one
            for one in columns
        )
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


def _further(readme: str) -> dict[str, str]:
    return {"README.md": readme, ".gitignore": IGNORED_FILES}


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
