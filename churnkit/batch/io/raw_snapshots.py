"""Customer rows at a date, built from raw tables by a model's timeline."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.core.io.formats.file_names import FILE_DATE
from churnkit.core.io.formats.signature import describe_unreadable
from churnkit.core.io.raw_tables import is_old_workbook, raw_table
from churnkit.errors import ChurnkitError, DataError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from churnkit.bundle.model import RetentionModel
    from churnkit.timeline import Timeline

__all__ = ["read_sources", "snapshot_file"]


@contextmanager
def snapshot_file(
    model: RetentionModel,
    tables: dict[str, Path],
    *,
    as_of: str,
    labeled: bool = False,
    progress: Callable[[str, float], None] | None = None,
    announce: Callable[[str], object] | None = None,
) -> Iterator[Path]:
    """Build the customers' rows at a date, with the plan of the training, in a temporary file.

    Parameters
    ----------
    model
        A model that was trained on a timeline.
    tables
        Files by table name, from `churnkit.core.io.raw_tables.find_tables`; tables that the plan
        does not read are ignored.
    as_of
        The date; only rows strictly before it are used.
    labeled
        Add the label, which must be known in the tables.
    progress
        Called with the step and the share that is done.
    announce
        Called with a sentence on the customers who are not eligible, if there are any.

    Yields
    ------
    Path
        A Parquet file, deleted when the block ends.

    Raises
    ------
    RecipeError
        If the model was trained on a prepared table.
    DataError
        If a table is missing or does not fit the plan.
    ChurnkitError
        If no customer is eligible at the date.
    """
    import tempfile

    from churnkit.timeline import build_to
    from churnkit.timeline.customer_activity import read_activity

    plan = model.contents.timeline
    if plan is None:
        raise RecipeError(
            f"model '{model.name}' was trained on a prepared table and has no timeline for raw "
            "tables: pass a file with the columns of that table, without --as-of"
        )
    inputs = read_sources(plan, tables)
    with tempfile.TemporaryDirectory(prefix="churnkit-") as folder:
        file = Path(folder) / "customers.parquet"
        dated = plan.at(as_of)
        dated = replace(plan, snapshots=dated.snapshots) if labeled else dated
        rows = build_to(file, dated, inputs, progress=progress)
        if not rows:
            raise ChurnkitError(read_activity(dated, inputs).describe_none(labeled=labeled))
        if announce is not None and (left_out := read_activity(dated, inputs).left_out(rows)):
            announce(left_out)
        yield file


def read_sources(plan: Timeline, tables: Mapping[str, Path]) -> dict[str, Any]:
    """Prepare the raw tables that a timeline reads; other tables are named only.

    Parameters
    ----------
    plan
        The timeline.
    tables
        Files by table name.

    Raises
    ------
    DataError
        If a table is missing that may be in a workbook of the old format.
    ChurnkitError
        If a table cannot be read.
    """
    sources = {source for table in plan.tables for source in table.sources}
    dated = {table.source for table in plan.tables if FILE_DATE in table.times}
    missing = sorted(sources - set(tables))
    old = sorted(path for path in tables.values() if is_old_workbook(path))
    if missing and old:
        reason = f"{old[0].name} {describe_unreadable(old[0])}"
        raise DataError(missing[0], f"the table is missing, and {reason}")
    return {
        name: raw_table(path, is_dated=name in dated) if name in sources else path
        for name, path in tables.items()
    }
