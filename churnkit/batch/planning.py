"""Plan for a file of customers who gets which action."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from churnkit.batch.sources import Query, open_source, read_all
from churnkit.batch.writing import TableWriter, refuse_overwriting

if TYPE_CHECKING:
    from churnkit.batch.sources import Source
    from churnkit.bundle.model import RetentionModel

__all__ = ["PlanReport", "plan", "summarise"]


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What a plan comes to.

    Parameters
    ----------
    rows, invalid
        How many rows were read, and how many break a rule and get nothing.
    actions
        For each action: customers, cost and expected gain with its interval.
    """

    rows: int
    invalid: int
    actions: tuple[dict[str, Any], ...]

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
        }


def plan(
    source: str | Path | Source | Query,
    model: RetentionModel,
    *,
    output: str | Path | None = None,
    budget: float | None = None,
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
        The most that all actions together may cost.

    Returns
    -------
    The plan, a row for each row read, in order (see `RetentionModel.recommend`), and its sums.

    Raises
    ------
    DataError
        If a column is missing, or a customer stands in two rows.
    """
    contract = model.contract
    wanted = [
        column.name for column in (*contract.required("recommend"), *contract.optional("recommend"))
    ]
    opened = open_source(source) if isinstance(source, (str, Path)) else source
    customers = read_all(opened, columns=wanted)
    if output is not None and not isinstance(opened, Query):
        for path in opened.paths:
            refuse_overwriting(path, output)
    planned: pa.Table = model.recommend(customers, budget=budget)
    if output is not None:
        with TableWriter(output, planned.schema) as writer:
            writer.write(planned)
            writer.finish()
    return planned, summarise(planned)


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
