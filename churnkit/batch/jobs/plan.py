"""Plan for a file of customers who gets which action."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.batch.jobs.decide import decide_once
from churnkit.batch.jobs.whole_file import read_customers, write_whole
from churnkit.bundle.entity_ids import entities
from churnkit.decisions.allocation.shadow_prices import write_prices
from churnkit.decisions.plan_summary import plan_tree

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from churnkit.batch.jobs.decide import DecisionPeriod
    from churnkit.bundle.model import RetentionModel
    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.core.io.table_sources import Query, Source
    from churnkit.decisions import Decisions

__all__ = ["PlanReport", "plan", "summarise"]

_ORDER = (
    "action",
    "expected_gain",
    "gain_low",
    "gain_high",
    "cost",
    "reason",
    "propensity",
    "explored",
    "holdout",
)


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What a plan comes to.

    Parameters
    ----------
    rows, invalid
        How many rows were read, and how many break a rule and get nothing.
    actions
        For each action: customers, cost and expected gain with its interval.
    before
        How many customers had a decision for the period already; it stands.
    tree
        Who gets what, in lines of text; empty if it was not asked for.
    gap
        The most that a better plan could add to what is planned now, as a share; None where it
        is not known.
    """

    rows: int
    invalid: int
    actions: tuple[dict[str, Any], ...]
    before: int = 0
    tree: tuple[str, ...] = ()
    gap: float | None = None

    @property
    def cost(self) -> float:
        """What all actions cost together, in money."""
        return float(sum(action["cost"] for action in self.actions))

    @property
    def expected_gain(self) -> float:
        """What all actions are expected to bring beyond their cost, in money."""
        return float(sum(action["expected_gain"] for action in self.actions))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able data."""
        return {
            "rows": self.rows,
            "invalid": self.invalid,
            "cost": self.cost,
            "expected_gain": self.expected_gain,
            "actions": list(self.actions),
            "decided_before": self.before,
            "tree": list(self.tree),
            "gap": self.gap,
        }


def plan(
    source: str | Path | Source | Query,
    model: RetentionModel,
    *,
    output: str | Path | None = None,
    budget: float | None = None,
    period: DecisionPeriod | None = None,
    prices: str | Path | None = None,
    tree: bool = False,
) -> tuple[pa.Table, PlanReport]:
    """Choose for each customer of a file the action that pays most, within a budget.

    Parameters
    ----------
    source
        A .csv or .parquet file, a folder or a pattern of them, or what `open_source` gives,
        with one row a customer.
    model
        From `churnkit.load`; its recipe must name actions.
    output
        Where the plan goes, whole or not at all; nowhere if None.
    budget
        The most that all actions together may cost; with a journal, in the whole period.
    period
        The day and the period that the plan is for, and the journal it is written to. Needed
        where the catalogue has holdouts, exploration, dates or contact rules.
    prices
        Where the plan's shadow prices go, for a service to decide by; nowhere if None.
    tree
        Whether to sum up in a small tree who gets what.

    Returns
    -------
    The plan, a row for each row read, in order (see `RetentionModel.recommend`), and its sums.
    With an period also ``propensity``, ``explored`` and ``holdout``.

    Raises
    ------
    DataError
        If a column is missing, or a customer stands in two rows.
    ChurnkitError
        If a file cannot be read or written; a name that no result can have is refused before
        anything is decided.
    """
    customers = read_customers(source, model.contract, output=output)
    encoded, probability = model.score_table(customers, "recommend", unique=True)
    columns, decisions, before = decided_columns(
        model, encoded, probability, budget=budget, period=period
    )
    planned: pa.Table = model.tabulate(customers, encoded, columns)
    if output is not None:
        write_whole(planned, output, model.contract)
    if prices is not None:
        write_prices(prices, decisions.plan.shadow_prices, model.catalogue)
    lines: tuple[str, ...] = ()
    if tree:
        lines = plan_tree(columns["action"], encoded.matrix, model.contract.encoded("recommend"))
    gap = decisions.plan.gap
    return planned, replace(summarise(planned), before=before, tree=lines, gap=gap)


def decided_columns(
    model: RetentionModel,
    encoded: Encoded,
    probability: NDArray[np.float64],
    *,
    budget: float | None,
    period: DecisionPeriod | None,
) -> tuple[dict[str, Any], Decisions, int]:
    """Give a plan's columns, what was decided now, and how many were decided before."""
    columns: dict[str, Any] = {"churn_probability": probability}
    if period is None:
        decisions = model.decide_table(probability, encoded.matrix, budget=budget)
        return columns | decisions.to_columns(), decisions, 0
    decided = decide_once(
        model, encoded, probability, entities(encoded), budget=budget, period=period
    )
    columns.update({name: decided.columns[name] for name in _ORDER})
    return columns, decided.decisions, int(np.count_nonzero(~decided.fresh))


def summarise(planned: pa.Table) -> PlanReport:
    """Sum a plan up by action, the most profitable first."""
    chosen = planned.filter(pc.is_valid(planned["action"]))
    sums = chosen.group_by("action").aggregate(
        [
            ("action", "count"),
            *((name, "sum") for name in ("cost", "expected_gain", "gain_low", "gain_high")),
        ]
    )
    actions = [
        {
            "action": row["action"],
            "customers": row["action_count"],
            "cost": row["cost_sum"],
            "expected_gain": row["expected_gain_sum"],
            "gain_low": row["gain_low_sum"],
            "gain_high": row["gain_high_sum"],
        }
        for row in sums.to_pylist()
    ]
    actions.sort(key=lambda action: (-action["expected_gain"], action["action"]))
    invalid = planned.num_rows - planned["problem"].null_count
    return PlanReport(planned.num_rows, invalid, tuple(actions))
