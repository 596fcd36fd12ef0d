"""Plan actions for a Spark data frame: workers compute gains and apply shadow prices."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.batch.jobs.plan import PlanReport, plan_columns, summarize, with_intervals
from churnkit.batch.spark.workers import (
    RESULT_SCHEMA,
    TOTALS,
    ApplyTask,
    EncodeTask,
    PackedModel,
    PassTask,
    SumTask,
    read_results,
    spark_type,
)
from churnkit.bundle.parts.horizons import find_horizons
from churnkit.contracts.encoding.encoded import Encoded
from churnkit.contracts.validation.violations import Finding
from churnkit.decisions.allocation.allocate import check_budget, check_limits, check_shared
from churnkit.decisions.allocation.exact_sum import rounded
from churnkit.decisions.allocation.remaining_capacity import RemainingCapacity
from churnkit.decisions.allocation.streaming_passes import (
    BoxResult,
    CustomerRows,
    Limits,
    SurveyPass,
    SurveyResult,
)
from churnkit.decisions.allocation.streaming_solver import solve_streaming
from churnkit.decisions.eligibility.context import check_context
from churnkit.decisions.response import RESPONSES
from churnkit.errors import DataError, RecipeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.batch.jobs.decide import DecisionPeriod
    from churnkit.bundle.model import RetentionModel
    from churnkit.decisions.allocation.plan import StreamingPlan

__all__ = ["plan"]

_EVERY = 2**64 - 1


def plan(
    customers: Any,
    model: RetentionModel,
    *,
    budget: float | None = None,
    period: DecisionPeriod | None = None,
    at_once: int = 200_000,
) -> tuple[Any, PlanReport]:
    """Choose actions for the customers of a Spark data frame.

    Workers encode and score the customers and compute the gains of all actions. The driver finds
    shadow prices from sums and samples of the workers in a few passes, and the workers then assign
    the actions. Up to `at_once` customers, and any number with a period or floors, are planned on
    the driver from each customer's id, probability and encoded columns: 200 bytes per customer with
    20 columns. That plan equals the local one to the last bit.

    Parameters
    ----------
    customers
        Spark data frame with one row per customer and the columns of the contract.
    model
        Model from `churnkit.load` with actions in its recipe.
    budget, period
        As in `churnkit.batch.plan`.
    at_once
        Maximum number of customers that the driver plans itself, and whose gains it holds.

    Returns
    -------
    tuple of pyspark.sql.DataFrame and PlanReport
        The plan by customer id, with the columns of `churnkit.batch.plan`, and its totals with the
        certified gap. A plan by the workers is persisted: unpersist it after writing.

    Raises
    ------
    DataError
        If a column is missing, or a customer has two rows.
    RecipeError
        If the model has no actions, or the catalogue needs an period.
    """
    contract = model.contract
    absent = contract.missing_columns("recommend", customers.columns)
    if absent:
        raise DataError("the Spark data frame", absent)
    if model.contents.catalogue is None:
        raise RecipeError(f"model '{model.name}' was trained without actions: train it with some")
    selected = {c.name for c in (*contract.required("recommend"), *contract.optional("recommend"))}
    chosen = customers.select(*[name for name in customers.columns if name in selected])
    if period is not None or model.catalogue.floors:
        read = _encode(chosen, model, weigh=False)
        return _plan_on_driver(read, model, budget=budget, period=period)
    check_context(model.catalogue, None, 0)
    read = _encode(chosen, model, weigh=True).persist()
    try:
        counts = _count_rows(read, contract.entity.name)
        if counts["rows"] <= at_once:
            return _plan_on_driver(read, model, budget=budget, period=None)
        _refuse_duplicates(counts["ids"] - counts["distinct"], contract.entity.name)
        return _plan_on_workers(read, model, counts, budget=budget, sample=at_once)
    finally:
        read.unpersist()


def _encode(customers: Any, model: RetentionModel, *, weigh: bool) -> Any:
    """Let the workers read, check, encode and score; and weigh and number, if asked to."""
    from pyspark.sql.functions import xxhash64  # type: ignore[import-not-found,unused-ignore]

    entity = model.contract.entity.name
    schema = f"`{entity}` {spark_type(customers, entity)}, churn_probability double, "
    schema += "encoded array<double>, problem string"
    schema += ", gain array<double>, cost array<double>" if weigh else ""
    read = customers.mapInArrow(EncodeTask(PackedModel.of(model), weigh), schema)
    return read.withColumn("key", xxhash64(f"`{entity}`")) if weigh else read


def _count_rows(read: Any, entity: str) -> dict[str, int]:
    from pyspark.sql import functions as sql  # type: ignore[import-not-found,unused-ignore]

    name = f"`{entity}`"
    totals = read.agg(
        sql.count(sql.lit(1)).alias("rows"),
        sql.count(name).alias("ids"),
        sql.count_distinct(name).alias("distinct"),
        sql.count("problem").alias("invalid"),
    )
    counts: dict[str, int] = totals.first().asDict()
    return counts


def _plan_on_workers(
    read: Any, model: RetentionModel, counts: dict[str, int], *, budget: float | None, sample: int
) -> tuple[Any, PlanReport]:
    catalogue = model.catalogue
    room, width = RemainingCapacity.from_catalogue(catalogue, budget), len(catalogue.actions)
    most, uses = check_shared(room.shared, width)
    money = math.inf if budget is None else check_budget(budget)
    limits = Limits.of(np.concatenate([[money], check_limits(room.capacity, width), most]), uses)
    # About twice as many as are needed are sent to the driver.
    below = min(_EVERY, int(2.0 * sample / counts["rows"] * _EVERY))
    allocation = solve_streaming(_PassRunner(read, width), limits, sample=sample, below=below)
    entity = model.contract.entity.name
    schema = f"`{entity}` {spark_type(read, entity)}, churn_probability double, at_risk double, "
    schema += "response string, action string, effect double, expected_gain double, "
    schema += "gain_low double, gain_high double, cost double, reason string, problem string"
    job = ApplyTask(PackedModel.of(model), allocation, room.filled(allocation.counts))
    planned = read.mapInArrow(job, schema).persist()
    return planned, _totals(planned, model, counts, allocation)


class _PassRunner:
    """Run a pass on all partitions and merge the results."""

    def __init__(self, read: Any, actions: int) -> None:
        self._read, self._actions = read.select("key", "gain", "cost"), actions

    def __call__(self, task: Any) -> Any:
        kind: Any = SurveyResult if isinstance(task, SurveyPass) else BoxResult
        table = self._read.mapInArrow(PassTask(task, self._actions), RESULT_SCHEMA).toArrow()
        parts = read_results(table, kind, self._actions)
        no_gain = np.zeros((0, self._actions))
        empty = task.evaluate(CustomerRows(np.zeros(0, dtype=np.uint64), no_gain, no_gain))
        return task.merge([empty, *parts])


def _totals(
    planned: Any, model: RetentionModel, counts: dict[str, int], allocation: StreamingPlan
) -> PlanReport:
    columns = planned.select("action", "at_risk", "response", *TOTALS)
    names = model.catalogue.names
    rows = columns.mapInArrow(SumTask(names), "totals string").collect()
    parts = [json.loads(row.totals) for row in rows]
    actions = []
    for name in names:
        customers, *money = (
            sum(numbers) for numbers in zip(*(p["actions"][name] for p in parts), strict=True)
        )
        if customers:
            sums = {c: rounded(total) for c, total in zip(TOTALS, money, strict=True)}
            actions.append({"action": name, "customers": customers, **sums})
    actions.sort(key=lambda action: (-action["expected_gain"], action["action"]))
    return PlanReport(
        counts["rows"],
        counts["invalid"],
        tuple(actions),
        gap=allocation.gap,
        at_risk=rounded(sum(part["at_risk"] for part in parts)),
        responses={name: sum(part["responses"][name] for part in parts) for name in RESPONSES},
        horizons=find_horizons(model),
    )


def _plan_on_driver(
    read: Any, model: RetentionModel, *, budget: float | None, period: DecisionPeriod | None
) -> tuple[Any, PlanReport]:
    """Plan in memory on the driver, in the order of the customers' ids."""
    entity = model.contract.entity.name
    names = [f"`{entity}`", "churn_probability", "encoded", "problem"]
    table = read.select(*names).toArrow()
    by_name = pc.sort_indices(table[entity].cast(pa.string()))
    table = table.take(by_name).combine_chunks()
    encoded, probability = _collect(table, model)
    decided, decisions, before = plan_columns(
        model, encoded, probability, budget=budget, period=period
    )
    planned = model.tabulate(table, encoded, decided)
    index = planned.column_names.index("problem")
    planned = planned.set_column(index, "problem", table["problem"])
    report = with_intervals(summarize(planned, find_horizons(model)), decisions, model)
    report = replace(report, before=before, gap=decisions.plan.gap)
    return read.sparkSession.createDataFrame(planned), report


def _collect(table: pa.Table, model: RetentionModel) -> tuple[Encoded, NDArray[np.float64]]:
    """Collect the encoded rows of the workers; refuse duplicate customers."""
    entity = model.contract.entity.name
    ids = table[entity].drop_null()  # a missing id is a violation already
    _refuse_duplicates(len(ids) - len(pc.unique(ids)), entity)
    width = len(model.contract.encoded("recommend"))
    cells = table["encoded"].combine_chunks()
    flat = cells.flatten() if isinstance(cells, pa.Array) else pa.array([], pa.float64())
    matrix = np.array(flat, dtype=np.float64).reshape(-1, width)
    broken = np.flatnonzero(~np.asarray(pc.is_null(table["problem"])))
    findings = (Finding(entity, "see problem", broken),) if len(broken) else ()
    encoded = Encoded(table[entity], matrix, len(model.contract.features), findings)
    return encoded, np.array(table["churn_probability"], dtype=np.float64)


def _refuse_duplicates(duplicates: int, entity: str) -> None:
    if duplicates:
        raise DataError(
            "the Spark data frame",
            [f"column '{entity}': {duplicates} duplicate customers; use one row per customer"],
        )
