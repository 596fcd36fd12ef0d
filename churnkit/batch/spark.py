"""Score and plan a Spark data frame: the local door's numbers, to the last bit, on a cluster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.batch.planning import decided_columns, summarise
from churnkit.batch.scoring import reason_columns
from churnkit.bundle.contents import from_files, to_files
from churnkit.bundle.model import RetentionModel
from churnkit.contracts.columns import missing_columns
from churnkit.contracts.encoded import Encoded
from churnkit.contracts.violations import Finding
from churnkit.errors import DataError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from churnkit.batch.deciding import Occasion
    from churnkit.batch.planning import PlanReport

__all__ = ["plan", "score"]

# A worker's models by digest: a bundle is read once a process, not once a batch.
_LOADED: dict[str, RetentionModel] = {}


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
    absent = missing_columns(contract, "predict", customers.columns)
    if absent:
        raise DataError("the Spark data frame", absent)
    wanted = {c.name for c in (*contract.required("predict"), *contract.optional("predict"))}
    columns = [name for name in customers.columns if name in wanted]
    job = _Job(to_files(model.parts), _digest(model), reasons)
    return customers.select(*columns).mapInArrow(job, _schema(customers, model, reasons))


def plan(
    customers: Any,
    model: RetentionModel,
    *,
    budget: float | None = None,
    occasion: Occasion | None = None,
) -> tuple[Any, PlanReport]:
    """Choose actions for the customers of a Spark data frame.

    Reading, checking, encoding and scoring run in parallel. A budget is one number that all
    customers share, so shadow prices and plan are found once, on the driver, from each
    customer's id, probability and encoded columns: 200 bytes a customer with 20 columns.

    Parameters
    ----------
    customers
        A Spark data frame with one row a customer and the columns of the contract.
    model
        From `churnkit.load`; its recipe must name actions.
    budget, occasion
        As in `churnkit.batch.plan`.

    Returns
    -------
    The plan as a Spark data frame, by the customers' ids, in the columns of `churnkit.batch.plan`;
    and its sums.

    Raises
    ------
    DataError
        If a column is missing, or a customer stands in two rows.
    RecipeError
        If the model has no actions.
    """
    contract = model.contract
    absent = missing_columns(contract, "recommend", customers.columns)
    if absent:
        raise DataError("the Spark data frame", absent)
    if model.parts.catalogue is None:
        raise RecipeError(f"model '{model.name}' was trained without actions: train it with some")
    wanted = {c.name for c in (*contract.required("recommend"), *contract.optional("recommend"))}
    columns = [name for name in customers.columns if name in wanted]
    job = _Encoding(to_files(model.parts), _digest(model))
    entity = contract.entity.name
    kind = f"`{entity}` {_kind(customers, entity)}"
    form = f"{kind}, churn_probability double, encoded array<double>, problem string"
    table = customers.select(*columns).mapInArrow(job, form).toArrow()
    by_name = pc.sort_indices(table[entity].cast(pa.string()))
    table = table.take(by_name).combine_chunks()
    encoded, probability = _gathered(table, model)
    decided, _, before = decided_columns(
        model, encoded, probability, budget=budget, occasion=occasion
    )
    planned = model.tabulate(table, encoded, decided)
    place = planned.column_names.index("problem")
    planned = planned.set_column(place, "problem", table["problem"])
    session = customers.sparkSession
    return session.createDataFrame(planned), replace(summarise(planned), before=before)


def _gathered(table: pa.Table, model: RetentionModel) -> tuple[Encoded, NDArray[np.float64]]:
    """Put what the workers encoded into one matrix; refuse a customer of two rows."""
    entity = model.contract.entity.name
    known = table[entity].drop_null()  # a row without an id breaks a rule of its own
    twice = len(known) - len(pc.unique(known))
    if twice:
        raise DataError(
            "the Spark data frame",
            [f"column '{entity}': {twice} rows repeat a customer; give one row a customer"],
        )
    width = len(model.contract.encoded("recommend"))
    cells = table["encoded"].combine_chunks()
    flat = cells.flatten() if isinstance(cells, pa.Array) else pa.array([], pa.float64())
    matrix = np.array(flat, dtype=np.float64).reshape(-1, width)
    broken = np.flatnonzero(~np.asarray(pc.is_null(table["problem"])))
    findings = (Finding(entity, "see problem", broken),) if len(broken) else ()
    encoded = Encoded(table[entity], matrix, len(model.contract.features), findings)
    return encoded, np.array(table["churn_probability"], dtype=np.float64)


@dataclass(frozen=True)
class _Encoding:
    """What a worker does for a plan."""

    files: dict[str, bytes]
    digest: str

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        model = _model_of(self.files, self.digest)
        entity = model.contract.entity.name
        for batch in batches:
            rows = pa.Table.from_batches([batch])
            encoded = model.encode(rows, "recommend")
            chance = model.probabilities(encoded)
            width = encoded.matrix.shape[1]
            starts = np.arange(len(chance) + 1, dtype=np.int32) * width
            cells = pa.ListArray.from_arrays(starts, np.ascontiguousarray(encoded.matrix).ravel())
            problems = encoded.reasons()
            made = {
                entity: rows[entity],
                "churn_probability": pa.array(chance),
                "encoded": cells,
                "problem": pa.array([problems.get(row) for row in range(len(chance))], pa.string()),
            }
            yield from pa.table(made).to_batches()


@dataclass(frozen=True)
class _Job:
    """What a worker does: made here, sent there."""

    files: dict[str, bytes]
    digest: str
    reasons: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        model = _model_of(self.files, self.digest)
        for batch in batches:
            yield from _scored(pa.Table.from_batches([batch]), model, self.reasons).to_batches()


def _model_of(files: dict[str, bytes], digest: str) -> RetentionModel:
    if digest not in _LOADED:
        # The files were verified when this job's model was loaded; golden rows are replayed.
        _LOADED[digest] = RetentionModel(from_files(files))
    return _LOADED[digest]


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
    kind = _kind(customers, entity)
    columns = [f"`{entity}` {kind}", "churn_probability double"]
    columns += [f"reason_{rank + 1} string" for rank in range(reasons)]
    return ", ".join([*columns, "problem string"])


def _kind(customers: Any, entity: str) -> str:
    """Return the type that Spark gives the ids."""
    if "`" in entity:
        raise RecipeError(f"column '{entity}': Spark cannot take a backtick in a name; rename it")
    return str(dict(customers.dtypes)[entity])


def _digest(model: RetentionModel) -> str:
    if model.digest is not None:
        return model.digest
    raise RecipeError("the model is not saved yet: save it, and load it with churnkit.load")
