"""The tasks of Spark workers, run on record batches without Spark."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from churnkit.batch.spark.workers import PassTask, read_results
from churnkit.decisions import allocate
from churnkit.decisions.allocation.streaming_passes import (
    BoxResult,
    Limits,
    SurveyPass,
    SurveyResult,
    hash_keys,
)
from churnkit.decisions.allocation.streaming_solver import solve_streaming


def cells(matrix):
    starts = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
    return pa.ListArray.from_arrays(starts, np.ascontiguousarray(matrix).ravel())


@pytest.mark.parametrize("levels", [[1.0, 2.0, 3.0], [2.0]])
def test_partitions_of_customers_who_are_alike_get_the_value_of_allocate(levels):
    rng = np.random.default_rng(0)
    gain = rng.choice(levels, size=(60_000, 2))
    cost = np.array([1.0, 2.0])
    keys = hash_keys(np.arange(len(gain), dtype=np.uint64)).view(np.int64)
    partitions = [
        pa.RecordBatch.from_pydict(
            {
                "key": pa.array(keys[rows]),
                "gain": cells(gain[rows]),
                "cost": cells(np.broadcast_to(cost, (len(rows), 2))),
            }
        )
        for rows in np.array_split(np.arange(len(gain)), 6)
    ]

    def run_pass(task):
        kind = SurveyResult if isinstance(task, SurveyPass) else BoxResult
        batches = [batch for part in partitions for batch in PassTask(task, 2)([part])]
        return task.merge(read_results(pa.Table.from_batches(batches), kind, 2))

    limits = Limits.of(np.array([30_000.0, 12_000.0, np.inf]), np.eye(2))
    plan = solve_streaming(run_pass, limits, sample=20_000, below=2**63)
    whole = allocate(gain, cost, budget=30_000.0, capacity=[12_000, None])
    assert plan.value >= whole.value * (1.0 - 1e-4)
    assert plan.cost <= 30_000.0
    assert plan.counts[0] <= 12_000
