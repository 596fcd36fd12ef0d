"""Customer rows at a date, built from raw tables by a model's timeline."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from churnkit.core.io.formats.signature import OLD_WORKBOOK
from churnkit.core.io.raw_tables import is_old_workbook, raw_table
from churnkit.errors import ChurnkitError, DataError, RecipeError

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
        rows = build_to(file, dated, inputs, progress=progress)
        if not rows:
            raise ChurnkitError(read_activity(dated, inputs).describe_none(labeled=labeled))
        if announce is not None and (left_out := read_activity(dated, inputs).left_out(rows)):
            announce(left_out)
        yield file
