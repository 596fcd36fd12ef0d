"""Compare a new export with a schema, and widen the schema's source where the export needs it."""

from __future__ import annotations

import ast
import inspect
import runpy
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts import Contract
from churnkit.contracts.parsing.arrow_columns import ParsedTable
from churnkit.contracts.parsing.date_spelling import detect_date_styles
from churnkit.contracts.parsing.scalars import read_text
from churnkit.core.io.atomic_write import atomic_write
from churnkit.core.result import Result
from churnkit.core.user_code_errors import format_exception
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold.code_format import literal
from churnkit.pipeline.scaffold.column_profile import profile_column
from churnkit.pipeline.scaffold.keys.date_columns import months_review
from churnkit.pipeline.scaffold.raw.tables.column_format import time_format

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from churnkit.contracts.schema.column import Column
    from churnkit.pipeline.recipe import Recipe

__all__ = [
    "SchemaChange",
    "find_changes",
    "read_earlier_table",
    "update_schema",
    "widen_source",
]

_MAX_LISTED = 8
# Ratios of medians that mean another unit: cents, percent, thousands.
_FACTORS = (1_000.0, 100.0, 1 / 100.0, 1 / 1_000.0)
_TOLERANCE = 1.5


@dataclass(frozen=True)
class SchemaChange(Result):
    """A difference between a table and a schema.

    Parameters
    ----------
    column
        Name of the column.
    kind
        ``new_category``, ``blanks``, ``bound``, ``new_column``, ``missing_column``, ``unit``,
        ``date_format`` or ``type``.
    message
        The difference, without values of numbers and ids.
    settings
        Arguments of the schema's field that accept the table; empty if none do.
    """

    column: str
    kind: str
    message: str
    settings: dict[str, Any] = field(default_factory=dict)


def find_changes(
    contract: Contract, table: pa.Table, earlier: pa.Table | None = None
) -> tuple[SchemaChange, ...]:
    """List the differences between a table and a contract, in the contract's order.

    Parameters
    ----------
    contract
        Contract of the schema.
    table
        The new export.
    earlier
        The table that the schema was made for, to recognize a change of units; None if there
        is none.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.contracts import Contract, Schema, entity, feature
    >>> class Gym(Schema):
    ...     member_id: str = entity()
    ...     plan: str = feature(isin=["basic", "plus"])
    >>> new = pa.table({"member_id": ["1", "2"], "plan": ["basic", "gold"]})
    >>> [change.settings for change in find_changes(Contract.from_schema(Gym), new)]
    [{'isin': ['basic', 'plus', 'gold']}]
    """
    parsed = ParsedTable(table)
    changes: list[SchemaChange] = []
    for column in contract.columns:
        if column.name not in table.column_names:
            if column in contract.required("train"):
                message = "is missing in the table: rename it in the export, or remove it here"
                changes.append(SchemaChange(column.name, "missing_column", message))
            continue
        if column.has_role("pii", "ignore", "entity", "label"):
            continue
        changes += _column_changes(column, parsed, earlier)
    declared = {column.name for column in contract.columns}
    changes += [
        SchemaChange(name, "new_column", "is new: declare it to use it; it is not read until then")
        for name in table.column_names
        if name and name not in declared
    ]
    return tuple(changes)


def _column_changes(
    column: Column, parsed: ParsedTable, earlier: pa.Table | None
) -> list[SchemaChange]:
    if column.type == "string":
        return _text_changes(column, parsed)
    if column.type in {"integer", "number"}:
        return _number_changes(column, parsed, earlier)
    if column.type == "datetime":
        return _date_changes(column, parsed)
    return []


def _text_changes(column: Column, parsed: ParsedTable) -> list[SchemaChange]:
    values, index = parsed.column(column).distinct
    counts = np.bincount(index, minlength=len(values))
    texts: dict[str, int] = {}
    for value, count in zip(values, counts.tolist(), strict=True):
        text = read_text(value, lenient=True) or ""
        texts[text] = texts.get(text, 0) + count
    changes = _blank_changes(column, texts.pop("", 0), parsed.num_rows)
    if column.levels is None or column.unknown != "refuse":
        return changes
    new = [text for text in texts if text not in column.levels]
    if new:
        rows = sum(texts[text] for text in new)
        listed = ", ".join(f"'{text}'" for text in sorted(new)[:_MAX_LISTED])
        more = f" and {len(new) - _MAX_LISTED} more" if len(new) > _MAX_LISTED else ""
        message = f"has {len(new)} new categories in {rows:,} rows: {listed}{more}"
        settings = {"isin": [*column.levels, *sorted(new)]}
        changes.append(SchemaChange(column.name, "new_category", message, settings))
    return changes


def _blank_changes(column: Column, blanks: int, rows: int) -> list[SchemaChange]:
    if not blanks or column.nullable:
        return []
    message = f"has {blanks:,} blanks in {rows:,} rows and had none"
    return [SchemaChange(column.name, "blanks", message, {"nullable": True})]


def _number_changes(
    column: Column, parsed: ParsedTable, earlier: pa.Table | None
) -> list[SchemaChange]:
    numbers, unreadable = parsed.column(column).numbers
    refused = 0 if unreadable is None else int(unreadable.sum())
    if refused:
        message = f"has {refused:,} texts that are not numbers as the schema reads them"
        return [SchemaChange(column.name, "type", message)]
    changes = _blank_changes(column, int(np.isnan(numbers).sum()), len(numbers))
    factor = _unit_factor(column, numbers, earlier)
    if factor is not None:
        message = (
            f"has a median {factor:g} times that of the earlier table: the unit has probably "
            "changed; convert it in the export, since a wider schema would accept wrong numbers"
        )
        return [*changes, SchemaChange(column.name, "unit", message)]
    present = numbers[~np.isnan(numbers)]
    for check in column.checks:
        if check.rule in {"ge", "gt", "le", "lt"} and len(present):
            beyond = int(sum(not check.holds(number) for number in present))
            if beyond:
                bound = float(present.min() if check.rule[0] == "g" else present.max())
                bound = int(bound) if column.type == "integer" or bound.is_integer() else bound
                message = f"has {beyond:,} rows beyond {check.rule}={check.value:g}"
                rule = f"{check.rule[0]}e"
                settings = {check.rule: None, rule: bound}
                changes.append(SchemaChange(column.name, "bound", message, settings))
    return changes


def _unit_factor(column: Column, numbers: Any, earlier: pa.Table | None) -> float | None:
    """Return the factor by which a median moved if it is near that of another unit."""
    if earlier is None or column.name not in earlier.column_names:
        return None
    before, _ = ParsedTable(earlier).column(column).numbers
    before, after = before[np.isfinite(before)], numbers[np.isfinite(numbers)]
    if not len(before) or not len(after):
        return None
    old, new = float(np.median(before)), float(np.median(after))
    if old == 0.0 or new == 0.0:
        return None
    ratio = new / old
    near = [each for each in _FACTORS if each / _TOLERANCE <= ratio <= each * _TOLERANCE]
    return near[0] if near else None


def _date_changes(column: Column, parsed: ParsedTable) -> list[SchemaChange]:
    profile = profile_column(column.name, parsed.table[column.name])
    form = time_format(profile)
    if form is None:
        message = "has texts that are not dates of one format"
        return [SchemaChange(column.name, "date_format", message)]
    if form.written == column.written or profile.kind == "date":
        return []
    texts = [text for text in profile.texts if text.lower() not in form.missing]
    styles = detect_date_styles(texts)
    if {form.written, column.written} <= set(styles) and not months_review(texts, styles):
        return []  # no day is after the 12th: the dates may be as the schema reads them
    message = f"has dates as {form.written or 'ISO 8601'}, the schema reads {column.written or 'ISO 8601'}"
    return [SchemaChange(column.name, "date_format", message, {"written": form.written})]


def widen_source(source: str, contract: Contract, changes: Sequence[SchemaChange]) -> str:
    """Change the arguments of a schema's fields in its source, and leave all else as it is.

    Parameters
    ----------
    source
        Python text of the file.
    contract
        Contract of the schema.
    changes
        Those without settings are left out.

    Raises
    ------
    ChurnkitError
        If a field is not declared as ``name: type = feature(...)`` in the file.

    Examples
    --------
    >>> from churnkit.contracts import Contract, Schema, entity, feature
    >>> class Gym(Schema):
    ...     member_id: str = entity()
    ...     plan: str = feature("Plan")
    >>> text = 'plan: str = feature("Plan")  # as on the invoice'
    >>> change = SchemaChange("plan", "blanks", "has blanks", {"nullable": True})
    >>> widen_source(text, Contract.from_schema(Gym), [change])
    'plan: str = feature("Plan", nullable=True)  # as on the invoice'
    """
    calls = _field_calls(ast.parse(source))
    edits: list[tuple[int, int, str]] = []
    offsets = _line_offsets(source)
    for column in dict.fromkeys(change.column for change in changes if change.settings):
        settings: dict[str, Any] = {}
        for change in changes:
            if change.column == column:
                settings |= change.settings
        if column not in calls:
            raise ChurnkitError(
                f"column '{column}' is not declared as a field in the file of the schema of "
                f"'{contract.name}': change it by hand"
            )
        edits += _argument_edits(source, offsets, calls[column], settings)
    # From the end; an insertion comes before the replacement that ends at the same place.
    for start, end, text in sorted(edits, key=lambda edit: (edit[1], edit[0]), reverse=True):
        source = source[:start] + text + source[end:]
    return source


def _field_calls(tree: ast.Module) -> dict[str, ast.Call]:
    """Find the call that declares each column, by the column's name or alias."""
    calls: dict[str, ast.Call] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.value, ast.Call):
            continue
        if not isinstance(node.target, ast.Name):
            continue
        name = node.target.id
        for keyword in node.value.keywords:
            if keyword.arg == "alias" and isinstance(keyword.value, ast.Constant):
                name = str(keyword.value.value)
        calls[name] = node.value
    return calls


def _line_offsets(source: str) -> list[int]:
    offsets = [0]
    for line in source.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line.encode()))
    return offsets


def _argument_edits(
    source: str, offsets: list[int], call: ast.Call, settings: dict[str, Any]
) -> list[tuple[int, int, str]]:
    """Replace, remove or add keyword arguments of a call."""

    def position(line: int, column: int) -> int:
        return len(source.encode()[: offsets[line - 1] + column].decode())

    edits: list[tuple[int, int, str]] = []
    existing = {keyword.arg: keyword for keyword in call.keywords}
    added: list[str] = []
    for name, value in settings.items():
        keyword = existing.get(name)
        if keyword is None:
            added += [] if value is None else [f"{name}={literal(value)}"]
            continue
        start = position(keyword.value.lineno, keyword.value.col_offset)
        end = position(keyword.value.end_lineno or 0, keyword.value.end_col_offset or 0)
        edits.append((start, end, literal(value)))
    if added:
        values = [*call.args, *(keyword.value for keyword in call.keywords)]
        ends = [position(value.end_lineno or 0, value.end_col_offset or 0) for value in values]
        # After the last argument, whose line may end with a comment.
        end = max(ends) if ends else position(call.end_lineno or 0, call.end_col_offset or 0) - 1
        edits.append((end, end, (", " if ends else "") + ", ".join(added)))
    return edits


def read_earlier_table(recipe: Recipe) -> pa.Table | None:
    """Read the file that a recipe trains on; None if it is gone or the recipe builds its table."""
    from churnkit.core.project import find_project
    from churnkit.pipeline.training.data.dataset import read_training_table

    if callable(recipe.data):
        return None
    try:
        return read_training_table(recipe, find_project().root)
    except ChurnkitError:
        return None


def update_schema(
    recipe: Recipe, contract: Contract, changes: Sequence[SchemaChange], table: pa.Table
) -> Path | None:
    """Widen the file of a recipe's schema, after a check that the result accepts the table.

    Returns
    -------
    Path or None
        The file; None if no change can be made.

    Raises
    ------
    ChurnkitError
        If the widened schema cannot be compiled or still differs; nothing is written then.
    """
    if not any(change.settings for change in changes):
        return None
    file = Path(inspect.getfile(recipe.schema))
    text = widen_source(file.read_text(encoding="utf-8"), contract, changes)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / file.name
        copy.write_text(text, encoding="utf-8")
        widened = Contract.from_schema(_load_class(copy, file, recipe.schema.__name__))
    left = [change for change in find_changes(widened, table) if change.settings]
    if left:
        raise ChurnkitError(
            f"{file.name}: column '{left[0].column}' {left[0].message} also with the wider schema: "
            "change it by hand"
        )
    with atomic_write(file) as unfinished:
        Path(unfinished).write_text(text, encoding="utf-8")
    return file


def _load_class(copy: Path, original: Path, name: str) -> Any:
    """Run a copy of a schema's file in the place of the original."""
    root = str(original.parent.parent)
    sys.path.insert(0, root)
    try:
        return runpy.run_path(str(copy))[name]
    except Exception as error:
        raise ChurnkitError(
            f"{original.name}: the wider schema cannot be run: {format_exception(error, file=copy)}"
        ) from error
    finally:
        sys.path.remove(root)
