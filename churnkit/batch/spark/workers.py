"""Tasks of Spark workers for a plan, created on the driver."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnkit.batch.jobs.plan import result_columns
from churnkit.bundle.contents import from_files, to_files
from churnkit.bundle.model import RetentionModel
from churnkit.contracts.encoding.encoded import Encoded
from churnkit.decisions.allocation.exact_sum import exact_sum
from churnkit.decisions.allocation.streaming_passes import (
    BoxPass,
    BoxResult,
    CustomerRows,
    Sample,
    SurveyPass,
    SurveyResult,
    run_pass,
)
from churnkit.decisions.decide_table import assign_reasons, taken
from churnkit.decisions.reason_codes import REASONS, UNSCORED
from churnkit.decisions.response import RESPONSES, find_responses
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from churnkit.decisions.allocation.plan import StreamingPlan

__all__ = [
    "RESULT_SCHEMA",
    "ApplyTask",
    "EncodeTask",
    "PackedModel",
    "PassTask",
    "SumTask",
    "read_results",
    "spark_type",
]

RESULT_SCHEMA = "sums string, keys array<bigint>, gain array<double>, cost array<double>"
"""Spark schema of the result of a pass."""
TOTALS = ("cost", "expected_gain", "gain_low", "gain_high")
"""Columns that are summed by action."""

# Models by digest: a bundle is loaded once per process, not per batch.
_LOADED: dict[str, RetentionModel] = {}


@dataclass(frozen=True)
class PackedModel:
    """Bundle that is sent with a job."""

    files: dict[str, bytes]
    digest: str

    @classmethod
    def of(cls, model: RetentionModel) -> PackedModel:
        """Pack a saved model."""
        if model.digest is None:
            raise RecipeError("the model is not saved yet: save it, and load it with churnkit.load")
        return cls(to_files(model.contents), model.digest)

    def model(self) -> RetentionModel:
        """Load the model, once per process."""
        if self.digest not in _LOADED:
            # The files were verified when the driver loaded the model; golden rows are replayed.
            _LOADED[self.digest] = RetentionModel(from_files(self.files))
        return _LOADED[self.digest]


def spark_type(customers: Any, entity: str) -> str:
    """Return the Spark type of the ids."""
    if "`" in entity:
        raise RecipeError(f"column '{entity}': Spark cannot take a backtick in a name; rename it")
    types = dict(customers.dtypes)
    if entity not in types:
        raise RecipeError(f"column '{entity}' is missing: on Spark every row needs a customer id")
    return str(types[entity])


@dataclass(frozen=True)
class EncodeTask:
    """Encode and score rows; compute gains if `weigh` is set."""

    packed: PackedModel
    weigh: bool

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Process each batch."""
        model = self.packed.model()
        entity = model.contract.entity.name
        for batch in batches:
            rows = pa.Table.from_batches([batch])
            encoded = model.encode(rows, "recommend")
            chance = model.probabilities(encoded)
            problems = encoded.reasons()
            made = {
                entity: rows[entity],
                "churn_probability": pa.array(chance),
                "encoded": _cells(encoded.matrix),
                "problem": pa.array([problems.get(row) for row in range(len(chance))], pa.string()),
            }
            if self.weigh:
                gains, _ = model.action_gains(chance, encoded.matrix)
                made["gain"] = _cells(gains.offered())
                made["cost"] = _cells(np.broadcast_to(gains.cost, gains.expected.shape))
            yield from pa.table(made).to_batches()


@dataclass(frozen=True)
class PassTask:
    """Run a pass of the streaming allocation on a partition."""

    task: SurveyPass | BoxPass
    actions: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Evaluate the batches."""
        results = run_pass(self.task, (self._rows(batch) for batch in batches))
        if results is None:
            return
        sums = {
            field.name: np.asarray(getattr(results, field.name)).tolist()
            for field in fields(results)
            if field.name != "sample"
        }
        rows = results.sample.rows
        yield pa.RecordBatch.from_pydict(
            {
                "sums": [json.dumps(sums)],
                "keys": pa.array([rows.keys.view(np.int64)], pa.list_(pa.int64())),
                "gain": pa.array([rows.gain.ravel()], pa.list_(pa.float64())),
                "cost": pa.array([rows.cost.ravel()], pa.list_(pa.float64())),
            }
        )

    def _rows(self, batch: pa.RecordBatch) -> CustomerRows:
        keys = batch.column("key").to_numpy(zero_copy_only=False).view(np.uint64)
        return CustomerRows(
            keys,
            _matrix(batch.column("gain"), self.actions),
            _matrix(batch.column("cost"), self.actions),
        )


def read_results(
    table: pa.Table, kind: Callable[..., SurveyResult | BoxResult], actions: int
) -> list[Any]:
    """Read the results of the partitions on the driver."""
    results = []
    for batch in table.to_batches():
        for row in range(batch.num_rows):
            sums = json.loads(batch.column("sums")[row].as_py())
            keys, gain, cost = (
                batch.column(name)[row].values.to_numpy(zero_copy_only=False)
                for name in ("keys", "gain", "cost")
            )
            rows = CustomerRows(
                keys.view(np.uint64), gain.reshape(-1, actions), cost.reshape(-1, actions)
            )
            numbers = {
                name: np.array(value, dtype=np.int64) if isinstance(value, list) else value
                for name, value in sums.items()
            }
            results.append(kind(**numbers, sample=Sample(rows)))
    return results


@dataclass(frozen=True)
class ApplyTask:
    """Assign each customer the action of a streaming plan, with the reason."""

    packed: PackedModel
    allocation: StreamingPlan
    full: NDArray[np.bool_]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Process each batch."""
        model = self.packed.model()
        actions = len(model.catalogue.actions)
        for batch in batches:
            rows = pa.Table.from_batches([batch])
            chance = np.array(rows["churn_probability"], dtype=np.float64)
            width = len(model.contract.encoded("recommend"))
            encoded = Encoded(
                rows[model.contract.entity.name],
                _matrix(batch.column("encoded"), width),
                len(model.contract.features),
            )
            gains, barred = model.action_gains(chance, encoded.matrix)
            offered = gains.offered()
            keys = batch.column("key").to_numpy(zero_copy_only=False).view(np.uint64)
            cost = _matrix(batch.column("cost"), actions)
            action = self.allocation.apply(CustomerRows(keys, offered, cost))
            codes = assign_reasons(gains, offered, action, self.full, barred)
            codes[np.isnan(chance)] = UNSCORED
            names = model.catalogue.names
            columns = taken(gains, action)
            decided = {
                "action": [names[j] if j >= 0 else None for j in action.tolist()],
                "expected_gain": columns["expected_gain"],
                "gain_low": columns["low"],
                "gain_high": columns["high"],
                "cost": columns["cost"],
                "reason": [REASONS[code] for code in codes],
            }
            responses = find_responses(chance, gains, model.catalogue, action)
            planned = model.tabulate(
                rows, encoded, result_columns(model, encoded.matrix, chance, responses, decided)
            )
            index = planned.column_names.index("problem")
            planned = planned.set_column(index, "problem", rows["problem"])
            yield from planned.to_batches()


@dataclass(frozen=True)
class SumTask:
    """Sum a plan by action, and the at-risk revenue, exactly; count responses."""

    names: tuple[str, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Return the totals of a partition as one row of JSON."""
        totals = {name: [0] * (1 + len(TOTALS)) for name in self.names}
        at_risk, responses = 0, dict.fromkeys(RESPONSES, 0)
        for batch in batches:
            money = batch.column("at_risk").to_numpy(zero_copy_only=False)
            at_risk += exact_sum(money[np.isfinite(money)])
            for name in batch.column("response").drop_null().to_pylist():
                responses[name] += 1
            action = np.array(batch.column("action").to_pylist(), dtype=object)
            for name in self.names:
                mine = action == name
                totals[name][0] += int(mine.sum())
                for index, column in enumerate(TOTALS):
                    money = batch.column(column).to_numpy(zero_copy_only=False)[mine]
                    totals[name][1 + index] += exact_sum(money)
        sums = {"actions": totals, "at_risk": at_risk, "responses": responses}
        yield pa.RecordBatch.from_pydict({"totals": [json.dumps(sums)]})


def _cells(matrix: NDArray[np.float64]) -> pa.ListArray:
    starts = np.arange(matrix.shape[0] + 1, dtype=np.int32) * matrix.shape[1]
    return pa.ListArray.from_arrays(starts, np.ascontiguousarray(matrix).ravel())


def _matrix(cells: pa.ListArray, width: int) -> NDArray[np.float64]:
    flat = cells.flatten()
    return np.array(flat, dtype=np.float64).reshape(-1, width)
