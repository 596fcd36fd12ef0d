"""Plan for a Spark data frame: workers weigh every action, and give what the prices say."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.batch.jobs.plan import PlanReport, decided_columns, summarise
from churnkit.batch.spark.workers import (
    ANSWER,
    SUMMED,
    ApplyTask,
    EncodeTask,
    PackedModel,
    PassTask,
    SumTask,
    answers,
    kind_of,
)
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
from churnkit.errors import DataError, RecipeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.batch.jobs.decide import DecisionPeriod
    from churnkit.bundle.model import RetentionModel
    from churnkit.decisions.allocation.streaming_solver import StreamingPlan

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

    Workers read, check, encode, score and weigh every action. A budget is one number that all
    customers share: the driver finds prices for it from sums and samples of the workers'
    figures, in a few passes, and the workers then give each customer what the prices say. Up to
    `at_once` customers, and any number with an period or floors, are planned on the driver,
    from each customer's id, probability and encoded columns: 200 bytes a customer with 20
    columns. That plan is the local one to the last bit.

    Parameters
    ----------
    customers
        A Spark data frame with one row a customer and the columns of the contract.
    model
        From `churnkit.load`; its recipe must name actions.
    budget, period
        As in `churnkit.batch.plan`.
    at_once
        The most customers that the driver plans by itself, and the most whose gains it holds.

    Returns
    -------
    The plan as a Spark data frame, by the customers' ids, in the columns of `churnkit.batch.plan`,
    and its sums with the certified gap. A plan made by the workers is persisted: unpersist it
    when it is written.

    Raises
    ------
    DataError
        If a column is missing, or a customer stands in two rows.
    RecipeError
        If the model has no actions, or the catalogue needs an period.
    """
    contract = model.contract
    absent = contract.missing_columns("recommend", customers.columns)
    if absent:
        raise DataError("the Spark data frame", absent)
    if model.contents.catalogue is None:
        raise RecipeError(f"model '{model.name}' was trained without actions: train it with some")
    wanted = {c.name for c in (*contract.required("recommend"), *contract.optional("recommend"))}
    chosen = customers.select(*[name for name in customers.columns if name in wanted])
    if period is not None or model.catalogue.floors:
        read = _encoded(chosen, model, weigh=False)
        return _on_driver(read, model, budget=budget, period=period)
    check_context(model.catalogue, None, 0)
    read = _encoded(chosen, model, weigh=True).persist()
    try:
        counts = _counts(read, contract.entity.name)
        if counts["rows"] <= at_once:
            return _on_driver(read, model, budget=budget, period=None)
        _refuse_twice(counts["known"] - counts["distinct"], contract.entity.name)
        return _in_workers(read, model, counts, budget=budget, sample=at_once)
    finally:
        read.unpersist()


def _encoded(customers: Any, model: RetentionModel, *, weigh: bool) -> Any:
    """Let the workers read, check, encode and score; and weigh and number, if asked to."""
    from pyspark.sql.functions import xxhash64  # type: ignore[import-not-found,unused-ignore]

    entity = model.contract.entity.name
    form = f"`{entity}` {kind_of(customers, entity)}, churn_probability double, "
    form += "encoded array<double>, problem string"
    form += ", gain array<double>, cost array<double>" if weigh else ""
    read = customers.mapInArrow(EncodeTask(PackedModel.of(model), weigh), form)
    return read.withColumn("key", xxhash64(f"`{entity}`")) if weigh else read


def _counts(read: Any, entity: str) -> dict[str, int]:
    from pyspark.sql import functions as sql  # type: ignore[import-not-found,unused-ignore]

    name = f"`{entity}`"
    found = read.agg(
        sql.count(sql.lit(1)).alias("rows"),
        sql.count(name).alias("known"),
        sql.count_distinct(name).alias("distinct"),
        sql.count("problem").alias("invalid"),
    )
    counts: dict[str, int] = found.first().asDict()
    return counts


def _in_workers(
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
    form = f"`{entity}` {kind_of(read, entity)}, churn_probability double, action string, "
    form += "expected_gain double, gain_low double, gain_high double, cost double, "
    form += "reason string, problem string"
    job = ApplyTask(PackedModel.of(model), allocation, room.filled(allocation.counts))
    planned = read.mapInArrow(job, form).persist()
    return planned, _summed(planned, catalogue.names, counts, allocation)


class _PassRunner:
    """Asks all partitions, and puts their answers together."""

    def __init__(self, read: Any, actions: int) -> None:
        self._read, self._actions = read.select("key", "gain", "cost"), actions

    def __call__(self, task: Any) -> Any:
        kind: Any = SurveyResult if isinstance(task, SurveyPass) else BoxResult
        table = self._read.mapInArrow(PassTask(task, self._actions), ANSWER).toArrow()
        parts = answers(table, kind, self._actions)
        nothing = np.zeros((0, self._actions))
        empty = task.evaluate(CustomerRows(np.zeros(0, dtype=np.uint64), nothing, nothing))
        return task.merge([empty, *parts])


def _summed(
    planned: Any, names: tuple[str, ...], counts: dict[str, int], allocation: StreamingPlan
) -> PlanReport:
    columns = planned.select("action", *SUMMED)
    rows = columns.mapInArrow(SumTask(names), "totals string").collect()
    parts = [json.loads(row.totals) for row in rows]
    actions = []
    for name in names:
        customers, *money = (
            sum(numbers) for numbers in zip(*(p[name] for p in parts), strict=True)
        )
        if customers:
            sums = {c: rounded(total) for c, total in zip(SUMMED, money, strict=True)}
            actions.append({"action": name, "customers": customers, **sums})
    actions.sort(key=lambda action: (-action["expected_gain"], action["action"]))
    return PlanReport(counts["rows"], counts["invalid"], tuple(actions), gap=allocation.gap)


def _on_driver(
    read: Any, model: RetentionModel, *, budget: float | None, period: DecisionPeriod | None
) -> tuple[Any, PlanReport]:
    """Plan at once, as the local door does, in the order of the customers' ids."""
    entity = model.contract.entity.name
    names = [f"`{entity}`", "churn_probability", "encoded", "problem"]
    table = read.select(*names).toArrow()
    by_name = pc.sort_indices(table[entity].cast(pa.string()))
    table = table.take(by_name).combine_chunks()
    encoded, probability = _gathered(table, model)
    decided, decisions, before = decided_columns(
        model, encoded, probability, budget=budget, period=period
    )
    planned = model.tabulate(table, encoded, decided)
    place = planned.column_names.index("problem")
    planned = planned.set_column(place, "problem", table["problem"])
    report = replace(summarise(planned), before=before, gap=decisions.plan.gap)
    return read.sparkSession.createDataFrame(planned), report


def _gathered(table: pa.Table, model: RetentionModel) -> tuple[Encoded, NDArray[np.float64]]:
    """Put what the workers encoded into one matrix; refuse a customer of two rows."""
    entity = model.contract.entity.name
    known = table[entity].drop_null()  # a row without an id breaks a rule of its own
    _refuse_twice(len(known) - len(pc.unique(known)), entity)
    width = len(model.contract.encoded("recommend"))
    cells = table["encoded"].combine_chunks()
    flat = cells.flatten() if isinstance(cells, pa.Array) else pa.array([], pa.float64())
    matrix = np.array(flat, dtype=np.float64).reshape(-1, width)
    broken = np.flatnonzero(~np.asarray(pc.is_null(table["problem"])))
    findings = (Finding(entity, "see problem", broken),) if len(broken) else ()
    encoded = Encoded(table[entity], matrix, len(model.contract.features), findings)
    return encoded, np.array(table["churn_probability"], dtype=np.float64)


def _refuse_twice(twice: int, entity: str) -> None:
    if twice:
        raise DataError(
            "the Spark data frame",
            [f"column '{entity}': {twice} rows repeat a customer; give one row a customer"],
        )
