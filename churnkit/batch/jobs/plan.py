"""Plan actions for a file of customers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.batch.jobs.customer_table import read_customers, write_customers
from churnkit.batch.jobs.decide import decide_period
from churnkit.bundle.entity_ids import entities
from churnkit.core.stats.interval import Interval
from churnkit.decisions.allocation.plan import write_prices
from churnkit.decisions.plan_summary import plan_tree

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from churnkit.batch.jobs.decide import DecisionPeriod
    from churnkit.bundle.model import RetentionModel
    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.core.io.table_sources import Query, Source
    from churnkit.decisions import Decisions

__all__ = ["PlanReport", "plan", "summarize", "with_intervals"]

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
    """Totals of a plan.

    Parameters
    ----------
    rows, invalid
        Number of rows, and of rows that violate a rule and get no action.
    actions
        Customers, cost and expected gain with its interval, for each action.
    before
        Number of customers with an earlier decision in the period, which is kept.
    tree
        Decision tree that summarizes the plan, as lines of text; empty if not requested.
    gap
        The most that a better plan could add to what is planned now, as a share; None where it
        is not known.
    gain_interval
        90% interval of the total gain; None where it is not known.
    """

    rows: int
    invalid: int
    actions: tuple[dict[str, Any], ...]
    before: int = 0
    tree: tuple[str, ...] = ()
    gap: float | None = None
    gain_interval: Interval | None = None

    @property
    def cost(self) -> float:
        """Total cost, in money."""
        return float(sum(action["cost"] for action in self.actions))

    @property
    def expected_gain(self) -> float:
        """Total expected gain net of cost, in money."""
        return float(sum(action["expected_gain"] for action in self.actions))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able data."""
        return {
            "rows": self.rows,
            "invalid": self.invalid,
            "cost": self.cost,
            "expected_gain": self.expected_gain,
            "gain_interval": None if self.gain_interval is None else self.gain_interval.to_dict(),
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
    """Choose the best action for each customer of a file, within a budget.

    Parameters
    ----------
    source
        A .csv or .parquet file, a folder or a pattern of them, or what `open_source` gives,
        with one row a customer.
    model
        Model from `churnkit.load` with actions in its recipe.
    output
        File for the plan, written atomically; None for none.
    budget
        Maximum total cost; with a journal, of the whole period.
    period
        Day, period and journal of the decisions. Required if the catalogue has holdouts,
        exploration, dates or contact rules.
    prices
        File for the plan's shadow prices, which a service can use; None for none.
    tree
        Whether to summarize the plan by a small decision tree.

    Returns
    -------
    tuple of pyarrow.Table and PlanReport
        The plan, with a row for each input row in order (see `RetentionModel.recommend`), and its
        totals. With a period also ``propensity``, ``explored`` and ``holdout``.

    Raises
    ------
    DataError
        If a column is missing, or a customer has two rows.
    ChurnkitError
        If a file cannot be read or written.
    """
    customers = read_customers(source, model.contract, output=output)
    encoded, probability = model.score_table(customers, "recommend", unique=True)
    columns, decisions, before = plan_columns(
        model, encoded, probability, budget=budget, period=period
    )
    planned: pa.Table = model.tabulate(customers, encoded, columns)
    if output is not None:
        write_customers(planned, output, model.contract)
    if prices is not None:
        write_prices(prices, decisions.plan.shadow_prices, model.catalogue)
    lines: tuple[str, ...] = ()
    if tree:
        lines = plan_tree(columns["action"], encoded.matrix, model.contract.encoded("recommend"))
    report = with_intervals(summarize(planned), decisions, model)
    return planned, replace(report, before=before, tree=lines, gap=decisions.plan.gap)


def with_intervals(report: PlanReport, decisions: Decisions, model: RetentionModel) -> PlanReport:
    """Add the intervals of the total gain and of each action to a report.

    Where effects were measured, customers' bounds do not add up: errors that customers share stay,
    others average out. Gains of customers who were decided on earlier are taken as they were.
    """
    total, gain = report.expected_gain, decisions.total_gain
    interval = Interval(total, total - (gain.value - gain.low), total + (gain.high - gain.value))
    report = replace(report, gain_interval=interval)
    if model.contents.uplift is None:
        return report
    intervals = dict(zip(decisions.names, decisions.action_gains, strict=True))
    actions = []
    for action in report.actions:
        gain, total = intervals[action["action"]], float(action["expected_gain"])
        bounds = {
            "gain_low": total - (gain.value - gain.low),
            "gain_high": total + (gain.high - gain.value),
        }
        actions.append(action | bounds)
    return replace(report, actions=tuple(actions))


def plan_columns(
    model: RetentionModel,
    encoded: Encoded,
    probability: NDArray[np.float64],
    *,
    budget: float | None,
    period: DecisionPeriod | None,
) -> tuple[dict[str, Any], Decisions, int]:
    """Return a plan's columns, the new decisions, and the number of earlier ones."""
    columns: dict[str, Any] = {"churn_probability": probability}
    if period is None:
        decisions = model.decide_table(probability, encoded.matrix, budget=budget)
        return columns | decisions.to_columns(), decisions, 0
    decided = decide_period(
        model, encoded, probability, entities(encoded), budget=budget, period=period
    )
    columns.update({name: decided.columns[name] for name in _ORDER})
    return columns, decided.decisions, int(np.count_nonzero(~decided.fresh))


def summarize(planned: pa.Table) -> PlanReport:
    """Return a plan's totals by action, the most profitable first."""
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
