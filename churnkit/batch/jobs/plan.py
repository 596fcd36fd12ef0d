"""Plan actions for a file of customers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.batch.jobs.customer_table import score_customers, write_customers
from churnkit.batch.jobs.decide import decide_period
from churnkit.batch.jobs.input_summary import describe_inputs
from churnkit.bundle.entity_ids import entities
from churnkit.bundle.parts.horizons import Horizons, find_horizons, revenue_at_risk
from churnkit.core.result import Result
from churnkit.core.stats.interval import Interval
from churnkit.decisions.allocation.plan import write_prices
from churnkit.decisions.plan_summary import plan_tree
from churnkit.decisions.response import RESPONSES, find_responses

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from churnkit.batch.jobs.decide import DecisionPeriod
    from churnkit.bundle.model import RetentionModel
    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.core.io.table_sources import Query, Source
    from churnkit.decisions import Decisions
    from churnkit.decisions.response import CustomerResponses

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
class PlanReport(Result):
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
    at_risk
        Total at-risk revenue of the customers, in money.
    responses
        Number of customers by expected response: the keys of `churnkit.decisions.RESPONSES`.
    horizons
        Horizons of the churn probability, the at-risk revenue and the expected gain.
    notes
        Sentences about violated rules, and columns that differ from those of training.
    """

    rows: int
    invalid: int
    actions: tuple[dict[str, Any], ...]
    before: int = 0
    tree: tuple[str, ...] = ()
    gap: float | None = None
    gain_interval: Interval | None = None
    at_risk: float | None = None
    responses: Mapping[str, int] = field(default_factory=dict)
    horizons: Horizons = field(default_factory=Horizons)
    notes: tuple[str, ...] = ()

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
            "horizons": self.horizons.to_dict(),
            "at_risk": self.at_risk,
            "cost": self.cost,
            "expected_gain": self.expected_gain,
            "gain_interval": None if self.gain_interval is None else self.gain_interval.to_dict(),
            "actions": list(self.actions),
            "responses": dict(self.responses),
            "decided_before": self.before,
            "tree": list(self.tree),
            "gap": self.gap,
            "notes": list(self.notes),
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
        totals. It also has ``at_risk`` (see `churnkit.bundle.parts.horizons`), ``response`` (a key
        of `churnkit.decisions.RESPONSES`) and ``effect``: the decrease of the churn probability by
        the action or, without one, by the eligible action that saves most. With a period also
        ``propensity``, ``explored`` and ``holdout``.

    Raises
    ------
    DataError
        If a column is missing, or a customer has two rows.
    ChurnkitError
        If a file cannot be read or written.
    """
    (encoded, probability), counts = score_customers(source, model, output=output)
    columns, decisions, before = plan_columns(
        model, encoded, probability, budget=budget, period=period
    )
    lines: tuple[str, ...] = ()
    if tree:
        lines = plan_tree(columns["action"], encoded.matrix, model.contract.encoded("recommend"))
    # The rest needs ids and problems alone.
    encoded = replace(encoded, matrix=encoded.matrix[:, :0].copy())
    planned: pa.Table = model.tabulate(pa.table({}), encoded, columns)
    if output is not None:
        write_customers(planned, output, model.contract)
    if prices is not None:
        write_prices(prices, decisions.plan.shadow_prices, model.catalogue)
    report = with_intervals(summarize(planned, find_horizons(model)), decisions, model)
    notes = describe_inputs(counts, model)
    gap = decisions.plan.gap
    return planned, replace(report, before=before, tree=lines, gap=gap, notes=notes)


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
    if period is None:
        decisions = model.decide_table(probability, encoded.matrix, budget=budget)
        columns = result_columns(
            model, encoded.matrix, probability, decisions.responses, decisions.to_columns()
        )
        return columns, decisions, 0
    decided = decide_period(
        model, encoded, probability, entities(encoded), budget=budget, period=period
    )
    ordered = {name: decided.columns[name] for name in _ORDER}
    responses = decided.decisions.responses
    if not decided.fresh.all():
        places = {name: place for place, name in enumerate(model.catalogue.names)}
        action = np.array([places.get(name, -1) for name in ordered["action"]], dtype=np.int64)
        gains, _ = model.action_gains(probability, encoded.matrix)
        responses = find_responses(probability, gains, model.catalogue, action)
    columns = result_columns(model, encoded.matrix, probability, responses, ordered)
    return columns, decided.decisions, int(np.count_nonzero(~decided.fresh))


def result_columns(
    model: RetentionModel,
    matrix: NDArray[np.float64],
    probability: NDArray[np.float64],
    responses: CustomerResponses,
    decided: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the columns of a plan: risk, at-risk revenue, response, action, effect and gain.

    Parameters
    ----------
    model
        Model with a catalogue.
    matrix
        (n, k) the customers, encoded for ``"recommend"``.
    probability
        (n,) churn probabilities.
    responses
        Effects and responses of the customers.
    decided
        The decisions' columns, ``action`` first.
    """
    return {
        "churn_probability": probability,
        "at_risk": revenue_at_risk(model, probability, matrix),
        "response": responses.name,
        "action": decided["action"],
        "effect": responses.effect,
        **decided,
    }


def summarize(planned: pa.Table, horizons: Horizons) -> PlanReport:
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
    counts = dict.fromkeys(RESPONSES, 0)
    for row in pc.value_counts(planned["response"].drop_null()).to_pylist():
        counts[row["values"]] = row["counts"]
    return PlanReport(
        planned.num_rows,
        invalid,
        tuple(actions),
        at_risk=float(pc.sum(planned["at_risk"]).as_py() or 0.0),
        responses=counts,
        horizons=horizons,
    )
