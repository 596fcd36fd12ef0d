"""Customer rows at a date, built from raw tables by a model's timeline."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from churnkit.core.io.formats.signature import OLD_WORKBOOK
from churnkit.core.io.raw_tables import is_old_workbook, raw_table
from churnkit.errors import DataError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from churnkit.bundle.model import RetentionModel

__all__ = ["snapshot_file"]


@contextmanager
def snapshot_file(
    model: RetentionModel,
    tables: dict[str, Path],
    *,
    as_of: str,
    labeled: bool = False,
    progress: Callable[[str, float], None] | None = None,
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
    """
    import tempfile

    from churnkit.timeline import build_to

    plan = model.contents.timeline
    if plan is None:
        raise RecipeError(
            f"model '{model.name}' was trained on a prepared table and has no timeline for raw "
            "tables: pass a file with the columns of that table, without --as-of"
        )
    sources = {source for table in plan.tables for source in table.sources}
    missing = sorted(sources - set(tables))
    old = sorted(path.name for path in tables.values() if is_old_workbook(path))
    if missing and old:
        raise DataError(missing[0], f"the table is missing, and {old[0]} {OLD_WORKBOOK}")
    inputs = {name: raw_table(path) if name in sources else path for name, path in tables.items()}
    with tempfile.TemporaryDirectory(prefix="churnkit-") as folder:
        file = Path(folder) / "customers.parquet"
        dated = plan.at(as_of)
        dated = replace(plan, snapshots=dated.snapshots) if labeled else dated
        build_to(file, dated, inputs, progress=progress)
        yield file
