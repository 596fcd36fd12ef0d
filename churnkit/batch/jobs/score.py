"""Score customers chunk by chunk, with constant memory."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from churnkit import __version__
from churnkit.batch.io.checkpoints import open_chunks
from churnkit.batch.io.open_writer import check_access, open_writer, remove_output
from churnkit.batch.io.outputs import OutputTarget, invalid_path, parse_output, refuse_input
from churnkit.batch.io.query_cache import QueryCache
from churnkit.batch.jobs.customer_table import identify_rows
from churnkit.batch.jobs.input_summary import count_inputs, describe_inputs
from churnkit.core.io.table_sources import Query, open_source
from churnkit.core.output_ledger import record_output
from churnkit.core.result import Result
from churnkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from churnkit.batch.io.checkpoints import Chunks
    from churnkit.batch.io.table_writer import Writer
    from churnkit.bundle.model import RetentionModel
    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.core.io.table_sources import Source

__all__ = ["CHUNK_BATCHES", "ScoreReport", "interval_arrays", "reason_columns", "score"]

# About a million rows: a second of work.
CHUNK_BATCHES = 16


@dataclass(frozen=True, slots=True)
class ScoreReport(Result):
    """Result of a scoring job.

    Parameters
    ----------
    rows
        Number of rows.
    invalid
        Number of rows that violate a rule and have no probability.
    output
        File, folder or table with the scores.
    invalid_output
        That with the violations; None if there are none.
    notes
        Sentences about violated rules, and columns that differ from those of training.
    """

    rows: int
    invalid: int
    output: str | Path
    invalid_output: str | Path | None
    notes: tuple[str, ...] = ()


class _Columns(NamedTuple):
    """Columns that are added to the probabilities."""

    reasons: int
    intervals: bool


def score(
    source: str | Path | Source | Query,
    output: str | Path,
    model: RetentionModel,
    *,
    reasons: int = 0,
    intervals: bool = False,
    resume: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> ScoreReport:
    """Score customers from files or a database, with constant memory.

    The output has a row for each input row, in order: the entity column, ``churn_probability``
    (null if the row violates a rule), and optionally ``probability_low``, ``probability_high`` and
    ``reason_1``, ... Rows that violate a rule are also written to ``<output>.invalid.<suffix>``, with their row number from 0, the entity and
    the rules. Both files are written atomically.

    Finished chunks of a million rows are stored in ``.<output>.parts/``, for outputs elsewhere in
    the project's folder. After an interruption the
    same call with `resume` continues from there, and writes the same bytes as an uninterrupted
    run.

    Parameters
    ----------
    source
        The name of a table as `open_source` takes it, or what it gives.
    output
        A .parquet, .csv, .jsonl or .feather file, also in an object store; CSV and JSON lines may
        be compressed (``scores.csv.gz``). A folder or prefix that ends in a slash, for Parquet
        files of a million rows. A table of a database, ``postgresql://host/db#scores``. ``"-"``
        for CSV on standard output.
    model
        Model from `churnkit.load`.
    reasons
        Number of reasons per row.
    intervals
        Whether to add the interval of each probability, as `RetentionModel.predict` does.
    resume
        Whether to continue from the chunks of an earlier run, if there are any.
    progress
        Called with the number of finished rows after each batch.

    Returns
    -------
    ScoreReport
        Numbers of rows and the files.

    Raises
    ------
    DataError
        If a column is missing.
    ChurnkitError
        If a file cannot be read or written, another process writes the same output, or the
        chunks to resume are of another source or model.
    """
    entity = model.contract.entity.name
    opened = open_source(source, entity=entity) if isinstance(source, (str, Path)) else source
    aside = invalid_path(output)
    targets = parse_output(output), parse_output(aside)
    # A corrected file of invalid rows may itself be the source.
    refuse_input(opened, *targets)
    for target in targets:
        check_access(target)
    record_output(output, model.contract.entity.name)
    if intervals:
        model.intervals  # noqa: B018 - refuses a model that has none, before rows are read
    columns = _Columns(reasons, intervals)
    job = _job(opened, model, columns)
    with ExitStack() as stack:
        chunks = stack.enter_context(open_chunks(output, job, resume=resume))
        if isinstance(opened, Query):
            opened = QueryCache(opened, chunks.nested("query", job, resume=resume))
        _score_chunks(opened, model, chunks, added=columns, progress=progress)
        rows, invalid = _assemble(chunks, *targets)
        inputs = [part for number in range(len(chunks)) for part in chunks.facts(number)["inputs"]]
    notes = describe_inputs(inputs, model)
    return ScoreReport(rows, invalid, output, aside if invalid else None, notes)


def _job(source: Source | Query, model: RetentionModel, added: _Columns) -> dict[str, Any]:
    """Return everything that the scores depend on."""
    if isinstance(source, Query):
        read: list[Any] = [source.sql, hashlib.sha256(source.url.encode()).hexdigest()]
    else:
        read = source.fingerprint
    digest = model.digest or model.contract.digest
    return {"source": read, "model": digest, **added._asdict(), "version": __version__}


def _score_chunks(
    source: Source,
    model: RetentionModel,
    chunks: Chunks,
    *,
    added: _Columns,
    progress: Callable[[int], None],
) -> None:
    """Score the rows after the finished chunks."""
    columns = _selected_columns(source, model)
    batches = source.batches(columns)
    # Skipped batches are read again, so that chunks start at the same rows as without interruption.
    rows = sum(batch.num_rows for batch in islice(batches, len(chunks) * CHUNK_BATCHES))
    if rows:
        progress(rows)
    first = next(batches, None)
    if first is None and not len(chunks):
        first = pa.table({name: pa.array([], pa.string()) for name in columns})
    while first is not None:
        facts: dict[str, Any] = {"rows": 0, "invalid": 0, "inputs": []}
        with chunks.new(facts) as chunk:
            for batch in chain([first], islice(batches, CHUNK_BATCHES - 1)):
                scores, refused, inputs = _score_batch(batch, model, start=rows, added=added)
                chunk.write("scores", scores)
                if refused.num_rows:
                    chunk.write("refused", refused)
                facts["rows"] += batch.num_rows
                facts["invalid"] += refused.num_rows
                facts["inputs"].append(inputs)
                rows += batch.num_rows
                progress(rows)
        first = next(batches, None)
    chunks.complete = True


def _selected_columns(source: Source, model: RetentionModel) -> list[str]:
    """Return the columns to read; refuse a source that lacks one."""
    contract = model.contract
    absent = contract.missing_columns("predict", source.columns)
    if absent:
        raise DataError(source.name, absent)
    selected = {c.name for c in (*contract.required("predict"), *contract.optional("predict"))}
    return [name for name in source.columns if name in selected]


def _assemble(chunks: Chunks, output: OutputTarget, aside: OutputTarget) -> tuple[int, int]:
    """Write both outputs from the chunks; return the numbers of rows and of invalid rows."""
    facts = [chunks.facts(number) for number in range(len(chunks))]
    rows, invalid = (sum(fact[name] for fact in facts) for name in ("rows", "invalid"))
    with ExitStack() as stack:
        written = []
        for name, target in (("refused", aside), ("scores", output)):
            writer: Writer | None = None
            # Standard output has the scores alone.
            for table in chunks.tables(name) if name == "scores" or aside != output else ():
                if writer is None:
                    writer = stack.enter_context(open_writer(target, table.schema))
                    written.append(writer)
                writer.write(table)
        # Both are complete before either appears.
        for writer in written:
            writer.seal()
        for writer in written:
            writer.finish()
    if not invalid:
        # An invalid file of an earlier run is obsolete.
        remove_output(aside)
    return rows, invalid


def _score_batch(
    batch: pa.Table, model: RetentionModel, *, start: int, added: _Columns
) -> tuple[pa.Table, pa.Table, dict[str, Any]]:
    entity = model.contract.entity.name
    encoded = model.encode(identify_rows(batch, model.contract, first=start))
    ids = _plain(pa.chunked_array(encoded.entity))
    probability = model.probabilities(encoded)
    scored = {
        entity: ids,
        "churn_probability": pa.array(probability, from_pandas=True),
    }
    if added.intervals:
        scored |= interval_arrays(model, probability)
    scored |= reason_columns(model, encoded, added.reasons)
    problems = encoded.reasons()
    positions = np.fromiter(problems, dtype=np.int64, count=len(problems))
    refused = pa.table(
        {
            "row": pa.array(positions + start),
            entity: ids.take(pa.array(positions)),
            "problem": pa.array(list(problems.values()), pa.string()),
        }
    )
    return pa.table(scored), refused, count_inputs(encoded, model)


def interval_arrays(model: RetentionModel, probability: NDArray[np.float64]) -> dict[str, pa.Array]:
    """Return the intervals of probabilities, (n,), as columns; null where these are unknown."""
    columns = model.interval_columns(probability)
    return {name: pa.array(column, from_pandas=True) for name, column in columns.items()}


def reason_columns(model: RetentionModel, encoded: Encoded, count: int) -> dict[str, pa.Array]:
    """Return the strongest reasons of encoded rows as text, one column for each rank."""
    if not count:
        return {}
    reasons_by_row = model.reasons(encoded, top=count)
    return {
        f"reason_{rank + 1}": pa.array(
            [
                f"{row[rank].text} ({row[rank].points:+.1f} points)" if rank < len(row) else None
                for row in reasons_by_row
            ],
            pa.string(),
        )
        for rank in range(count)
    }


def _plain(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decode dictionary ids, whose dictionary may change between batches; drop nested ones."""
    if pa.types.is_nested(ids.type):  # a violation of type, which no CSV file can show
        return pa.chunked_array([pa.nulls(len(ids), pa.string())])
    return ids.cast(ids.type.value_type) if pa.types.is_dictionary(ids.type) else ids
