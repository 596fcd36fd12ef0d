"""Create a project: infer its files, check them on the data, and write them."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from churnkit.core.io.formats.excel_tables import split_workbook
from churnkit.core.io.formats.file_names import FILE_DATE
from churnkit.core.io.formats.signature import describe_unreadable
from churnkit.core.io.locations import parse_location, relative_location
from churnkit.core.io.raw_tables import (
    describe_files,
    find_several,
    is_old_workbook,
    name_table,
)
from churnkit.core.io.table_sources import is_pattern, open_rows, open_source
from churnkit.errors import ChurnkitError
from churnkit.pipeline.checks.draft import find_open_questions
from churnkit.pipeline.checks.leakage import feature_aucs
from churnkit.pipeline.recipe import load_recipe
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.from_table import draft_table
from churnkit.pipeline.scaffold.keys.label_column import names_reason
from churnkit.pipeline.scaffold.leakage.export_columns import describe_predictor
from churnkit.pipeline.scaffold.project_files import (
    CreatedProject,
    NoFeaturesError,
    check_files,
    common_files,
    describe_omissions,
    write_files,
)
from churnkit.pipeline.scaffold.raw.customer_tables import find_joined, find_widest
from churnkit.pipeline.scaffold.raw.event_log import find_log_entity
from churnkit.pipeline.scaffold.raw.summary import describe_lines, describe_snapshots
from churnkit.pipeline.scaffold.raw.tables.raw_tables import read_raw_tables
from churnkit.pipeline.scaffold.raw.tables.table_reader import refuse_months, refuse_parts
from churnkit.pipeline.scaffold.raw.timeline_draft import draft_timeline
from churnkit.pipeline.scaffold.templates import (
    readme_text,
    schema_text,
    table_recipe_text,
    timeline_recipe_text,
)
from churnkit.pipeline.training.data.dataset import read_training_table

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from churnkit.pipeline.scaffold.column_roles import DraftColumn
    from churnkit.pipeline.scaffold.raw.tables.raw_table import RawTables
    from churnkit.pipeline.scaffold.raw.timeline_draft import TimelineDraft
    from churnkit.pipeline.training.data.dataset import TrainingData

    _Checked = tuple[TimelineDraft, "_CheckedTimeline"]

__all__ = ["CreatedProject", "create_project"]

_LOG_NOTE = (
    "{name} is read as an event log, because customers have rows at several times; if a row is a "
    "customer and a column is the outcome, name that column with --label"
)
_CAUSE = "for actions against some causes of churn, declare it with cause() in place of ignore()"
# Earlier ends of the data that are tried.
_MAX_EARLIER_ENDS = 3


def create_project(
    folder: Path,
    sources: Sequence[Path],
    *,
    entity: str | None = None,
    label: str | None = None,
    positive: Sequence[str] = (),
    name: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> CreatedProject:
    """Create a project from a table with a row per customer, or from raw tables.

    The files are checked before they are written: the schema is compiled, the whole table is
    validated, split and encoded, and columns that the leakage guard finds are left out. Key
    columns and the positive label are inferred if None; what cannot be inferred is a ``todo`` in
    the schema. Several sources, or a folder, make a recipe with a timeline.

    Parameters
    ----------
    folder
        Folder of the project.
    sources
        Files, folders or URLs.
    entity, label
        Columns of the customer and of the label; inferred if None.
    positive
        Values of the label that mean churned; inferred if empty.
    name
        Name of the recipe; the file's name if None.
    progress
        Function that prints a line.

    Raises
    ------
    ChurnkitError
        If a table cannot be read, or has no column for a model.
    """
    sources = [part for source in sources for part in split_workbook(source)]
    tables = find_several(sources, with_views=False)
    refuse_months(sources, tables, progress)
    if tables is not None:
        if label is None:
            refuse_parts(tables)
        tables = _drafted_tables(tables, sources, {label, entity}, progress)
        if len(tables) == 1:
            sources, tables = list(tables.values()), None
    joined = None if tables is None else find_joined(tables, sources, entity, label, positive)
    if joined is not None:
        (folder_of_files, entity), tables = joined, None
        sources = [folder_of_files]
    raw = None
    if tables is not None:
        progress(f"reading {', '.join(tables)}")
        raw = read_raw_tables(tables, entity=entity)
        widest = find_widest(raw, tables, label, positive)
        if widest is not None:
            progress(widest.note)
            sources, entity, tables = [widest.path], widest.entity, None
    if tables is not None:
        return _create_with_timeline(
            folder,
            tables,
            raw=raw,
            entity=entity,
            label=label,
            positive=positive,
            name=name,
            progress=progress,
        )
    source = sources[0]
    module = name_rules.make_module_name(name or name_table(source))
    progress(f"reading {source}")
    is_split = joined is not None or raw is not None
    is_series = not is_split and _is_series(source, entity)
    is_log = label is None and not is_split and not is_series
    log_entity = find_log_entity(source, entity) if is_log else None
    if is_series or log_entity is not None:
        entity = entity or log_entity or None
        tables = {name_table(source): source}
        return _create_with_timeline(
            folder,
            tables,
            entity=entity,
            label=label,
            positive=positive,
            name=name,
            progress=progress,
            notes=() if is_series else (_LOG_NOTE.format(name=source.name),),
        )
    return _create_from_table(
        folder,
        source,
        module=module,
        entity=entity,
        label=label,
        positive=positive,
        progress=progress,
    )


def _is_series(source: Path, entity: str | None) -> bool:
    """Return True for files or sheets of the same customers at the dates in their names."""
    is_several = is_pattern(source) or "*" in (parse_location(source).part or "")
    if not is_several or FILE_DATE not in open_rows(open_source(source)).columns:
        return False
    raw = read_raw_tables({name_table(source): source}, entity=entity)
    return not raw.question and raw.tables[0].is_series


def _drafted_tables(
    tables: dict[str, Path],
    sources: Sequence[Path],
    named: set[str | None],
    progress: Callable[[str], None],
) -> dict[str, Path]:
    """Leave out workbooks of a folder that cannot be read and tables of one row, and print them."""
    found = {path for path in tables.values() if is_old_workbook(path)} - set(sources)
    for path in sorted(found):
        progress(f"{path.name} is left out; it {describe_unreadable(path)}")
    tables = {table: path for table, path in tables.items() if path not in found}
    tables, left_out = _without_single_rows(tables, named)
    for name in left_out:
        progress(f"table '{name}' is left out: it has at most one row")
    for note in filter(None, map(describe_files, tables, tables.values())):
        progress(note)
    return tables


def _without_single_rows(
    tables: dict[str, Path], named: set[str | None]
) -> tuple[dict[str, Path], list[str]]:
    """Leave out tables of one row, such as settings, without a named column, if others remain."""
    single = [name for name, path in tables.items() if _has_one_row(path, named)]
    kept = {name: path for name, path in tables.items() if name not in single}
    return (kept, single) if kept else (tables, [])


def _has_one_row(path: Path, named: set[str | None]) -> bool:
    source, rows = open_rows(open_source(path)), 0
    if named & set(source.columns):
        return False
    for batch in source.batches():
        rows += batch.num_rows
        if rows > 1:
            return False
    return True


def _create_from_table(
    folder: Path,
    source: Path,
    *,
    module: str,
    entity: str | None,
    label: str | None,
    positive: Sequence[str],
    progress: Callable[[str], None],
) -> CreatedProject:
    """Create a project from a table with a row per customer, or per customer and date."""
    schema = name_rules.make_class_name(module)
    draft, table = draft_table(source, entity=entity, label=label, positive=positive)
    data = relative_location(source, folder)
    description = f"Columns of {source.name}, inferred by churnkit init: review and change them."

    def files(columns: Sequence[DraftColumn]) -> dict[str, str]:
        return {
            f"schemas/{module}.py": schema_text(schema, columns, description=description),
            f"training/{module}.py": table_recipe_text(
                module, schema, columns, source=source.name, data=data, leave_out=draft.leave_out
            ),
        }

    progress(f"checking the files on {table.num_rows:,} rows")
    columns, problems = _check_table(draft.columns, table, files, f"training/{module}.py")
    readme = readme_text(folder.resolve().name, module, quote(data))
    written, kept = write_files(folder, files(columns) | common_files(readme))
    with tempfile.TemporaryDirectory() as temporary:
        write_files(Path(temporary), files(columns))
        questions = find_open_questions(load_recipe(Path(temporary) / f"training/{module}.py"))
    reading = (*draft.reading, *describe_omissions(columns))
    return CreatedProject(
        folder, module, columns, written, kept, problems, reading=reading, questions=questions
    )


def _check_table(
    columns: tuple[DraftColumn, ...],
    table: pa.Table,
    files: Callable[[Sequence[DraftColumn]], Mapping[str, str]],
    recipe: str,
) -> tuple[tuple[DraftColumn, ...], tuple[str, ...]]:
    """Prepare the table as training does; a draft with open questions or few rows is kept."""
    questions = {c.name: c.settings["todo"] for c in columns if "todo" in c.settings}
    guessed = tuple(
        replace(c, settings={k: v for k, v in c.settings.items() if k != "todo"}) for c in columns
    )
    problems: tuple[str, ...] = ()
    try:
        guessed, data = check_files(guessed, table, files, recipe)
        as_of = data.contract.as_of
        if as_of is None or as_of.default:
            guessed = _review_causes(_review_predictors(guessed, data))
    except NoFeaturesError:
        raise
    except ChurnkitError as error:
        problems = () if questions else (f"training will be refused: {error}",)
    checked = tuple(
        replace(c, settings={**c.settings, "todo": questions[c.name]}) if c.name in questions else c
        for c in guessed
    )
    return checked, problems


def _review_predictors(
    columns: tuple[DraftColumn, ...], data: TrainingData
) -> tuple[DraftColumn, ...]:
    """Mark the features that predict churn so well alone that they may be known only after it."""
    aucs = feature_aucs(data.contract, data.train.X, data.train.y)
    reviews = {name: describe_predictor(name, auc) for name, auc in aucs.items()}
    return tuple(
        replace(column, review="; ".join(filter(None, (column.review, reviews[column.name]))))
        if reviews.get(column.name)
        else column
        for column in columns
    )


def _review_causes(columns: tuple[DraftColumn, ...]) -> tuple[DraftColumn, ...]:
    """Say of recorded reasons of churn, which are no features, that they can be causes."""
    return tuple(
        replace(column, review=f"{column.review}; {_CAUSE}")
        if column.role == "ignore" and column.review.startswith("CK") and names_reason(column.name)
        else column
        for column in columns
    )


def _create_with_timeline(
    folder: Path,
    tables: Mapping[str, Path],
    *,
    entity: str | None,
    label: str | None,
    positive: Sequence[str],
    name: str | None,
    progress: Callable[[str], None],
    raw: RawTables | None = None,
    notes: Sequence[str] = (),
) -> CreatedProject:
    """Create a project whose recipe has a timeline over raw tables."""
    if raw is None:
        progress(f"reading {', '.join(tables)}")
        raw = read_raw_tables(tables, entity=entity)
    module = name_rules.make_module_name(name or folder.resolve().name)
    progress("checking the files")

    def check(**limits: Any) -> _Checked:
        drafted = draft_timeline(raw, label=label, positive=positive, **limits)
        return drafted, _check_timeline(raw, drafted, folder, module)

    draft, checked = check()
    if checked.problem:
        checked = _find_trainable(draft, checked, check)
    example = os.path.relpath(next(iter(raw.paths.values())).resolve().parent, folder.resolve())
    readme = readme_text(folder.resolve().name, module, f"{quote(example)} --as-of DATE")
    written, kept = write_files(folder, checked.files | common_files(readme))
    lines = (*notes, *raw.notes, *checked.notes)
    if checked.problem:
        places = describe_lines(checked.files[f"training/{module}.py"], f"training/{module}.py")
        lines = (*lines, f"training will be refused: {checked.problem}", places)
    return CreatedProject(
        folder, module, checked.columns, written, kept, lines, questions=checked.questions
    )


def _find_trainable(
    draft: TimelineDraft, first: _CheckedTimeline, check: Callable[..., _Checked]
) -> _CheckedTimeline:
    """Try ends of the data, shorter horizons and other labels for a draft that training would refuse.

    Ends in the last quarter come first: rows after them are mostly planned ones.
    """
    ends = draft.ends[-2 : -_MAX_EARLIER_ENDS - 2 : -1]
    begin = draft.begin or draft.timeline.snapshots.timestamps[0]
    late = [end for end in ends if 4 * (draft.ends[-1] - end) <= draft.ends[-1] - begin]
    return (
        _try_ends(late, first, check)
        or _try_horizons(draft, first, check)
        or _try_ends(ends[len(late) :], first, check)
        or _try_labels(draft, first, check)
        or first
    )


def _try_ends(
    ends: Sequence[dt.datetime], first: _CheckedTimeline, check: Callable[..., _Checked]
) -> _CheckedTimeline | None:
    for end in ends:
        try:
            _, checked = check(until=end)
        except ChurnkitError:
            continue
        if not checked.problem:
            reason = (
                f"the data are taken to end at {end:%Y-%m-%d}, as a table does: later rows are "
                f"planned ones, or leave too few churners for training: {first.problem}"
            )
            return replace(checked, notes=(*checked.notes, reason))
    return None


def _try_horizons(
    draft: TimelineDraft, first: _CheckedTimeline, check: Callable[..., _Checked]
) -> _CheckedTimeline | None:
    shorter = draft
    while (below := shorter.shorter_than) is not None:
        try:
            shorter, checked = check(below=below)
        except ChurnkitError:  # such as nobody who churns within so few days
            break
        if not checked.problem:
            reason = f"a longer horizon leaves too few customers for training: {first.problem}"
            return replace(checked, notes=(*checked.notes, reason))
    return None


def _try_labels(
    draft: TimelineDraft, first: _CheckedTimeline, check: Callable[..., _Checked]
) -> _CheckedTimeline | None:
    skip = draft.position
    while (skip := skip + 1) < draft.meanings:
        try:
            other, checked = check(skip=skip)
        except ChurnkitError:
            continue
        if not checked.problem and not checked.questions:
            reason = (
                f"review: another label is chosen, {other.meaning}, as training would refuse "
                f"{draft.meaning}: {first.problem}"
            )
            return replace(checked, notes=(*checked.notes, reason))
        skip = max(skip, other.position)
    return None


@dataclass(frozen=True)
class _CheckedTimeline:
    """A draft with a timeline that was tried on its tables.

    Parameters
    ----------
    columns
        Columns without those that leak.
    files
        Texts of its files by name.
    notes
        What was chosen and found, one sentence each.
    questions
        Open questions, with the lines of their files.
    problem
        Why training would refuse it; empty if it would not.
    """

    columns: tuple[DraftColumn, ...]
    files: dict[str, str]
    notes: tuple[str, ...]
    questions: tuple[str, ...]
    problem: str = ""


def _check_timeline(
    raw: RawTables, draft: TimelineDraft, folder: Path, module: str
) -> _CheckedTimeline:
    """Build the rows of a draft and prepare them as training does."""
    recipe_file = f"training/{module}.py"
    schema = name_rules.make_class_name(module)
    description = "Snapshots of the recipe's timeline: one row per customer and date."
    sources = {source for table in draft.timeline.tables for source in table.sources}

    def files(columns: Sequence[DraftColumn], base: Path) -> dict[str, str]:
        paths = {
            source: relative_location(path, base)
            for source, path in raw.paths.items()
            if source in sources
        }
        recipe = timeline_recipe_text(
            draft.timeline, module, schema, files=paths, alternatives=draft.alternatives
        )
        return {
            f"schemas/{module}.py": schema_text(schema, columns, description=description),
            recipe_file: recipe,
        }

    columns, notes, problem = draft.columns, [*draft.notes], ""
    if draft.question:
        notes.append(describe_lines(files(columns, folder)[recipe_file], recipe_file))
    questions: tuple[str, ...] = ()
    try:
        with tempfile.TemporaryDirectory() as temporary_name:
            temporary = Path(temporary_name)
            write_files(temporary, files(columns, temporary))
            recipe = load_recipe(temporary / recipe_file)
            questions = find_open_questions(recipe)
            table = None if questions else read_training_table(recipe, temporary)
        if table is not None:
            notes.append(describe_snapshots(draft.timeline, table))
            columns, data = check_files(
                columns, table, lambda checked: files(checked, folder), recipe_file
            )
            notes += data.left_out
    except NoFeaturesError:
        raise
    except ChurnkitError as error:  # such as too few customers, or nobody who churned
        problem = str(error)
    return _CheckedTimeline(columns, files(columns, folder), tuple(notes), questions, problem)
