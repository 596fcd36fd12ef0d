"""Score and plan a Spark data frame: the local door's numbers, to the last bit, on a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from churnkit.batch.jobs.score import reason_columns
from churnkit.batch.spark.planning import plan
from churnkit.batch.spark.workers import PackedModel, kind_of
from churnkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from churnkit.bundle.model import RetentionModel

__all__ = ["plan", "score"]


def score(customers: Any, model: RetentionModel, *, reasons: int = 0) -> Any:
    """Score the customers of a Spark data frame.

    The bundle travels with the job and is loaded once in each worker, so workers need
    churnkit and its core installed, or its archive by ``--py-files``, and no model store.

    Parameters
    ----------
    customers
        A Spark data frame with one row a customer and the columns of the contract; a column
        of decimals or dates is read as its text, as everywhere.
    model
        From `churnkit.load`.
    reasons
        How many reasons each row gets.

    Returns
    -------
    pyspark.sql.DataFrame
        A row for each row: the entity column as it is, ``churn_probability`` (null for a row
        that breaks a rule), ``reason_1`` ... if asked for, and ``problem``: null, or which
        rules the row breaks.

    Raises
    ------
    DataError
        If a column is missing.
    """
    contract = model.contract
    absent = contract.missing_columns("predict", customers.columns)
    if absent:
        raise DataError("the Spark data frame", absent)
    wanted = {c.name for c in (*contract.required("predict"), *contract.optional("predict"))}
    columns = [name for name in customers.columns if name in wanted]
    job = _Job(PackedModel.of(model), reasons)
    return customers.select(*columns).mapInArrow(job, _schema(customers, model, reasons))


@dataclass(frozen=True)
class _Job:
    """What a worker does: made here, sent there."""

    shipped: PackedModel
    reasons: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        model = self.shipped.model()
        for batch in batches:
            yield from _scored(pa.Table.from_batches([batch]), model, self.reasons).to_batches()


def _scored(batch: pa.Table, model: RetentionModel, reasons: int) -> pa.Table:
    entity = model.contract.entity.name
    encoded = model.encode(batch)
    problems = encoded.reasons()
    said = [problems.get(row) for row in range(batch.num_rows)]
    return pa.table(
        {
            entity: batch[entity],
            "churn_probability": pa.array(model.probabilities(encoded), from_pandas=True),
            **reason_columns(model, encoded, reasons),
            "problem": pa.array(said, pa.string()),
        }
    )


def _schema(customers: Any, model: RetentionModel, reasons: int) -> str:
    entity = model.contract.entity.name
    kind = kind_of(customers, entity)
    columns = [f"`{entity}` {kind}", "churn_probability double"]
    columns += [f"reason_{rank + 1} string" for rank in range(reasons)]
    return ", ".join([*columns, "problem string"])
