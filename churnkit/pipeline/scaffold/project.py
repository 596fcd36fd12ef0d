"""Create a project: infer its files, check them on the data, and write them."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from churnkit.core.io.raw_tables import find_tables
from churnkit.core.result import Result
from churnkit.errors import ChurnkitError
from churnkit.pipeline.project_templates import template_folder
from churnkit.pipeline.recipe import load_recipe
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_roles import ignored
from churnkit.pipeline.scaffold.from_raw_tables import read_raw_tables
from churnkit.pipeline.scaffold.from_table import draft_table, is_event_log_file
from churnkit.pipeline.scaffold.templates import (
    GITIGNORE,
    readme_text,
    schema_text,
    table_recipe_text,
    timeline_recipe_text,
)
from churnkit.pipeline.scaffold.timeline_draft import draft_timeline, timeline_columns
from churnkit.pipeline.training.dataset import prepare, read_training_table
from churnkit.timeline import LeakageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from churnkit.pipeline.scaffold.column_roles import DraftColumn

__all__ = ["CreatedProject", "create_project"]

_SERVING = ("Containerfile", "README.md", "bentofile.yaml", "grafana.json", "service.py")
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
    """Create a project from a table with a row per customer, or from raw tables.

    The files are checked before they are written: the schema is compiled, the whole table is
    validated, split and encoded, and columns that the leakage guard finds are left out. Key
    columns and the positive label are inferred if None. Several sources, or a folder, make a
    recipe with a timeline.

    Raises
    ------
    ChurnkitError
        If a table cannot be read, or a key column cannot be inferred.
    """
    tables = _find_raw_tables(sources)
    if tables is not None:
        return _create_with_timeline(
            folder, tables, entity=entity, label=label, name=name, progress=progress
        )
    source = sources[0]
    module = name_rules.make_module_name(name or source.stem)
    schema = name_rules.make_class_name(module)
    progress(f"reading {source}")
    if label is None and is_event_log_file(source, entity):
        tables = {source.stem: source}
        return _create_with_timeline(
            folder, tables, entity=entity, label=label, name=name, progress=progress
        )
    draft, table = draft_table(source, entity=entity, label=label, positive=positive)
    data = os.path.relpath(source.resolve(), folder.resolve())
    description = f"Columns of {source.name}, inferred by churnkit init: review and change them."

    def files(columns: Sequence[DraftColumn]) -> dict[str, str]:
        return {
            f"schemas/{module}.py": schema_text(schema, columns, description=description),
            f"training/{module}.py": table_recipe_text(
                module, schema, source=source.name, data=data, leave_out=draft.leave_out
            ),
        }

    progress(f"checking the files on {table.num_rows:,} rows")
    columns, left_out = _check_files(draft.columns, table, files, f"training/{module}.py")
    readme = readme_text(folder.resolve().name, module, quote(data))
    written, kept = _write(folder, files(columns) | _common_files(readme))
    return CreatedProject(folder, module, columns, written, kept, (*draft.notes, *left_out))


def _find_raw_tables(sources: Sequence[Path]) -> dict[str, Path] | None:
    """Return raw tables by name if the sources are a folder or several files, else None."""
    if len(sources) == 1 and not sources[0].is_dir():
        return None
    if len(sources) == 1:
        return find_tables(sources[0])
    return find_tables(None, [f"{source.stem}={source}" for source in sources])


def _create_with_timeline(
    folder: Path,
    tables: Mapping[str, Path],
    *,
    entity: str | None,
    label: str | None,
    name: str | None,
    progress: Callable[[str], None],
) -> CreatedProject:
    """Create a project whose recipe has a timeline over raw tables."""
    if label is not None:
        raise ChurnkitError(
            "--label applies to a table with one row per customer: with raw tables, churn is "
            "inferred from subscriptions or activity, as the recipe declares"
        )
    progress(f"reading {', '.join(tables)}")
    raw, notes = read_raw_tables(tables, entity=entity)
    timeline = draft_timeline(raw)
    module = name_rules.make_module_name(name or folder.resolve().name)
    schema = name_rules.make_class_name(module)
    description = "Snapshots of the recipe's timeline: one row per customer and date."

    def files(columns: Sequence[DraftColumn], base: Path) -> dict[str, str]:
        paths = {
            table.source: os.path.relpath(table.path.resolve(), base.resolve()) for table in raw
        }
        return {
            f"schemas/{module}.py": schema_text(schema, columns, description=description),
            f"training/{module}.py": timeline_recipe_text(timeline, module, schema, files=paths),
        }

    progress("checking the files")
    columns = timeline_columns(timeline, raw)
    with tempfile.TemporaryDirectory() as temporary_name:
        temporary = Path(temporary_name)
        _write(temporary, files(columns, temporary))
        table = read_training_table(load_recipe(temporary / f"training/{module}.py"), temporary)
    columns, left_out = _check_files(
        columns, table, lambda checked: files(checked, folder), f"training/{module}.py"
    )
    churn = f"{type(timeline.label).__name__} of '{timeline.label.table}'" if timeline.label else ""
    example = os.path.relpath(next(iter(raw)).path.resolve().parent, folder.resolve())
    readme = readme_text(folder.resolve().name, module, f"{quote(example)} --as-of DATE")
    written, kept = _write(folder, files(columns, folder) | _common_files(readme))
    notes = (*notes, f"churn: {churn}", *left_out)
    return CreatedProject(folder, module, columns, written, kept, notes)


def _check_files(
    columns: tuple[DraftColumn, ...],
    table: pa.Table,
    files: Callable[[Sequence[DraftColumn]], Mapping[str, str]],
    recipe: str,
) -> tuple[tuple[DraftColumn, ...], tuple[str, ...]]:
    """Prepare the table as training does, and leave out columns that leak the outcome."""
    for _ in range(_MAX_LEAKAGE_CHECKS):
        _refuse_no_features(columns)
        with tempfile.TemporaryDirectory() as temporary:
            _write(Path(temporary), files(columns))
            loaded = load_recipe(Path(temporary) / recipe)
            try:
                return columns, prepare(loaded, table).left_out
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


def _refuse_no_features(columns: Sequence[DraftColumn]) -> None:
    if not any(column.role == "feature" for column in columns):
        raise ChurnkitError(
            "no feature is left: each column is an id, a date, personal data, constant, or leaks "
            "the outcome; use a table with more columns about its customers"
        )


def _common_files(readme: str) -> dict[str, str]:
    folder = template_folder() / "serving"
    serving = {f"serving/{name}": (folder / name).read_text(encoding="utf-8") for name in _SERVING}
    return {**serving, "README.md": readme, ".gitignore": GITIGNORE}


def _write(folder: Path, files: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
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
