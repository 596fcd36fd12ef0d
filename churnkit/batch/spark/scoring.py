"""Score a Spark data frame, with the same results as the local job to the last bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnkit.batch.jobs.score import interval_arrays, reason_columns
from churnkit.batch.spark.planning import plan
from churnkit.batch.spark.workers import PackedModel, spark_type
from churnkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from churnkit.bundle.model import RetentionModel

__all__ = ["plan", "score"]


def score(
    customers: Any, model: RetentionModel, *, reasons: int = 0, intervals: bool = False
) -> Any:
    """Score the customers of a Spark data frame.

    The bundle is sent with the job and loaded once per worker, so workers need churnkit and its
    core dependencies installed, or its archive by ``--py-files``, but no model registry.

    Parameters
    ----------
    customers
        Spark data frame with one row per customer and the columns of the contract; decimals and
        dates are parsed from their text.
    model
        Model from `churnkit.load`.
    reasons
        Number of reasons per row.
    intervals
        Whether to add the interval of each probability, as `RetentionModel.predict` does.

    Returns
    -------
    pyspark.sql.DataFrame
        A row for each row: the unchanged entity column, ``churn_probability`` (null if the row
        violates a rule), optionally ``probability_low``, ``probability_high`` and ``reason_1``,
        ..., and ``problem``: the violated rules, or null.

    Raises
    ------
    DataError
        If a column is missing.
    """
    contract = model.contract
    absent = contract.missing_columns("predict", customers.columns)
    if absent:
        raise DataError("the Spark data frame", absent)
    selected = {c.name for c in (*contract.required("predict"), *contract.optional("predict"))}
    columns = [name for name in customers.columns if name in selected]
    added = [*model.interval_columns(np.empty(0))] if intervals else []
    job = _Job(PackedModel.of(model), reasons, intervals)
    return customers.select(*columns).mapInArrow(job, _schema(customers, model, reasons, added))


@dataclass(frozen=True)
class _Job:
    """Scoring job of a worker."""

    packed: PackedModel
    reasons: int
    intervals: bool

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        model = self.packed.model()
        for batch in batches:
            table = pa.Table.from_batches([batch])
            scored = _score_batch(table, model, self.reasons, intervals=self.intervals)
            yield from scored.to_batches()


def _score_batch(
    batch: pa.Table, model: RetentionModel, reasons: int, *, intervals: bool
) -> pa.Table:
    entity = model.contract.entity.name
    encoded = model.encode(batch)
    problems = encoded.reasons()
    probability = model.probabilities(encoded)
    reasons_by_row = [problems.get(row) for row in range(batch.num_rows)]
    return pa.table(
        {
            entity: batch[entity],
            "churn_probability": pa.array(probability, from_pandas=True),
            **(interval_arrays(model, probability) if intervals else {}),
            **reason_columns(model, encoded, reasons),
            "problem": pa.array(reasons_by_row, pa.string()),
        }
    )


def _schema(customers: Any, model: RetentionModel, reasons: int, added: list[str]) -> str:
    entity = model.contract.entity.name
    kind = spark_type(customers, entity)
    columns = [f"`{entity}` {kind}", "churn_probability double"]
    columns += [f"{name} double" for name in added]
    columns += [f"reason_{rank + 1} string" for rank in range(reasons)]
    return ", ".join([*columns, "problem string"])
