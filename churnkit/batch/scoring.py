"""Score a file of customers, batch by batch, in flat memory."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnkit.batch.files import open_table
from churnkit.batch.writing import TableWriter, invalid_path, refuse_overwriting
from churnkit.contracts.columns import missing_columns
from churnkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from churnkit.batch.files import TableFile
    from churnkit.bundle.model import RetentionModel

__all__ = ["ScoreReport", "score", "score_batches"]


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """What a scoring job did.

    Parameters
    ----------
    rows
        How many rows were read and written.
    invalid
        How many of them break a rule and have no probability.
    output
        The file with the scores.
    invalid_output
        The file that says why, if any row is invalid.
    """

    rows: int
    invalid: int
    output: Path
    invalid_output: Path | None

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able data."""
        return {
            "rows": self.rows,
            "invalid": self.invalid,
            "output": str(self.output),
            "invalid_output": None if self.invalid_output is None else str(self.invalid_output),
        }


def score(
    source: str | Path,
    output: str | Path,
    model: RetentionModel,
    *,
    reasons: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> ScoreReport:
    """Score the customers of a CSV or Parquet file.

    The output has a row for each row read, in order: the entity column, ``churn_probability``
    (null for a row that breaks a rule), and ``reason_1`` ... if asked for. Rows that break a
    rule also go to ``<output>.invalid.<ending>``: their row number from 0, the entity, and
    the rules. Both files are written whole or not at all.

    Parameters
    ----------
    source, output
        Files ending in .csv or .parquet.
    model
        From `churnkit.load`.
    reasons
        How many reasons each row gets.
    progress
        Called with the number of rows done after each batch.

    Raises
    ------
    DataError
        If a column is missing.
    ChurnkitError
        If a file cannot be read or written.
    """
    table = open_table(source)
    aside = invalid_path(output)
    # A mended file of refusals may itself be what is scored.
    refuse_overwriting(table.path, output, aside)
    rows = invalid = 0
    with ExitStack() as stack:
        scores: TableWriter | None = None
        refusals: TableWriter | None = None
        for scored, refused in score_batches(table, model, reasons=reasons):
            if scores is None:
                scores = stack.enter_context(TableWriter(output, scored.schema))
            scores.write(scored)
            if refused.num_rows:
                if refusals is None:
                    refusals = stack.enter_context(TableWriter(aside, refused.schema))
                refusals.write(refused)
            rows += scored.num_rows
            invalid += refused.num_rows
            progress(rows)
        _finish(scores, refusals, aside)
    return ScoreReport(rows, invalid, Path(output), aside if invalid else None)


def _finish(scores: TableWriter | None, refusals: TableWriter | None, aside: Path) -> None:
    """Give both files their names, after both are on the disk."""
    written = [writer for writer in (refusals, scores) if writer is not None]
    for writer in written:
        writer.seal()
    for writer in written:
        writer.finish()
    if refusals is None:
        # Refusals of an earlier run would speak of rows that are mended now.
        aside.unlink(missing_ok=True)


def score_batches(
    table: TableFile, model: RetentionModel, *, reasons: int = 0
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Score a file's batches in order.

    Yields
    ------
    scored, refused
        Tables of the rows' scores, and of those rows that break a rule. A file without rows
        yields one pair of tables without rows.

    Raises
    ------
    DataError
        If a column is missing.
    """
    contract = model.contract
    absent = missing_columns(contract, "predict", table.columns)
    if absent:
        raise DataError(table.path.name, absent)
    wanted = {c.name for c in (*contract.required("predict"), *contract.optional("predict"))}
    columns = [name for name in table.columns if name in wanted]
    start = 0
    for batch in table.batches(columns):
        yield _score_batch(batch, model, start=start, reasons=reasons)
        start += batch.num_rows
    if start == 0:
        nothing = pa.table({name: pa.array([], pa.string()) for name in columns})
        yield _score_batch(nothing, model, start=0, reasons=reasons)


def _score_batch(
    batch: pa.Table, model: RetentionModel, *, start: int, reasons: int
) -> tuple[pa.Table, pa.Table]:
    entity = model.contract.entity.name
    encoded = model.encode(batch)
    ids = _plain(batch[entity])
    probability = model.probabilities(encoded)
    scored = {
        entity: ids,
        "churn_probability": pa.array(probability, from_pandas=True),
    }
    if reasons:
        said = model.reasons(encoded, top=reasons)
        for rank in range(reasons):
            scored[f"reason_{rank + 1}"] = pa.array(
                [
                    f"{row[rank].says} ({row[rank].points:+.1f} points)"
                    if rank < len(row)
                    else None
                    for row in said
                ],
                pa.string(),
            )
    problems = encoded.reasons()
    positions = np.fromiter(problems, dtype=np.int64, count=len(problems))
    refused = pa.table(
        {
            "row": pa.array(positions + start),
            entity: ids.take(pa.array(positions)),
            "problem": pa.array(list(problems.values()), pa.string()),
        }
    )
    return pa.table(scored), refused


def _plain(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Undo what a writer may not know: ids as a dictionary, which may change by the batch."""
    return ids.cast(ids.type.value_type) if pa.types.is_dictionary(ids.type) else ids
