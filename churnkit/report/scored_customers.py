"""Score a customer base and summarize predictions, drivers, segments and planned actions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.bundle.budget_curve import plan_budgets
from churnkit.bundle.parts.horizons import customer_values, revenue_at_risk
from churnkit.core.translation import _
from churnkit.decisions import REASONS, RESPONSES
from churnkit.decisions.eligibility.context import context_requirements
from churnkit.errors import DataError
from churnkit.insights.customer_base import CustomerBase, PlannedActions
from churnkit.insights.drivers import Drivers, find_drivers
from churnkit.insights.health.score import Health, measure_health
from churnkit.insights.segmentation.kmeans import Clusters, assign_segments, find_clusters
from churnkit.insights.segmentation.segments import (
    Segment,
    find_groups,
    response_segments,
    value_risk,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from numpy.typing import NDArray

    from churnkit.bundle.model import RetentionModel
    from churnkit.core.stats.interval import Interval
    from churnkit.decisions import Catalogue, Decisions
    from churnkit.journal import Journal

__all__ = ["ActionSummary", "ScoredCustomers", "build_customer_base", "score_customers"]

_EXPLAINED = 5_000
_BUDGET_SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
_MOST_FOR_BUDGETS = 200_000


@dataclass(frozen=True, slots=True)
class ActionSummary:
    """Totals of one action in a plan.

    Parameters
    ----------
    title
        Label of the action.
    customers, cost
        Customers who get it, and their total cost in money.
    gain, low, high
        Expected gain net of cost in money, and its 90% interval.
    eligibility
        Rules that a customer must meet.
    churn
        Mean churn probability of the customers who get it.
    """

    title: str
    customers: int
    cost: float
    gain: float
    low: float
    high: float
    eligibility: str
    churn: float


@dataclass(frozen=True, slots=True)
class ScoredCustomers:
    """Summary of a scored customer base.

    Parameters
    ----------
    customers, invalid
        Number of scored customers, and of rows that violate the contract.
    churn, observed
        Mean churn probability; observed churn rate, if the table has the label.
    value, at_risk
        Total value of one period, and total revenue at risk over the horizon of the gain, in
        money; None without a value column.
    retained
        Total revenue over the horizon of the gain if all customers stay, of which `at_risk` is a
        part; None without a value column.
    remaining_value
        Mean expected value of the next 24 months; None without a value column.
    actions, no_action
        The plan by action; customers without an action by reason.
    total_gain
        Expected gain of the plan, with its 90% interval; None without a plan.
    budgets
        Gain of plans by budget, as columns; None without a plan or for a large base.
    drivers, responses, value_risk, groups, clusters, health
        See `churnkit.insights`.
    """

    customers: int
    invalid: int
    churn: float
    observed: float | None
    value: float | None
    at_risk: float | None
    retained: float | None
    remaining_value: float | None
    actions: tuple[ActionSummary, ...]
    no_action: tuple[tuple[str, int], ...]
    total_gain: Interval | None
    budgets: Mapping[str, NDArray[np.float64]] | None
    drivers: Drivers
    responses: tuple[Segment, ...]
    value_risk: tuple[Segment, ...]
    groups: tuple[Segment, ...]
    clusters: tuple[Clusters, tuple[Segment, ...]] | None
    health: Health


def score_customers(
    model: RetentionModel,
    customers: Any,
    *,
    budget: float | None = None,
    day: date | None = None,
    journal: Journal | None = None,
    decisions: Decisions | None = None,
    horizon_days: int = 90,
    seed: int = 0,
) -> ScoredCustomers:
    """Score a table of customers and summarize the results.

    Parameters
    ----------
    model
        A trained model.
    customers
        Table with one row per customer.
    budget
        Maximum total cost of all actions, in money.
    day, journal
        Day to plan for and log of earlier decisions, for catalogues with holdouts, exploration,
        dates or contact rules.
    decisions
        Decisions on these customers, in order; None to plan here.
    horizon_days
        Days that the churn probability looks ahead, for the expected value of later months.
    seed
        Seed of the behavior segments, if the model has none.

    Raises
    ------
    DataError
        If a column is missing, or no row is valid.
    """
    base, invalid = build_customer_base(
        model, customers, budget=budget, day=day, journal=journal, decisions=decisions
    )
    groups = find_groups(base)
    clusters = _clusters(model, base, seed)
    masks = {segment.name: segment.rows for segment in (clusters[1] if clusters else groups)}

    def score(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        raw = model.contents.scorer.raw_score(np.ascontiguousarray(rows))
        probability: NDArray[np.float64] = model.contents.calibration.apply(raw)
        return probability

    at_risk = base.at_risk
    return ScoredCustomers(
        len(base),
        invalid,
        float(base.probability.mean()),
        None if base.churned is None else float(base.churned.mean()),
        None if base.value is None else float(base.value.sum()),
        None if at_risk is None else float(at_risk.sum()),
        None if base.retained is None else float(base.retained.sum()),
        _remaining(base, horizon_days),
        _actions(model, base),
        _no_action(base),
        None if base.planned is None else base.planned.total,
        None if base.planned is None else base.planned.budgets,
        find_drivers(base, score, segments=masks),
        response_segments(base),
        value_risk(base),
        groups,
        clusters,
        measure_health(base, model.contents.calibration.apply),
    )


def _clusters(
    model: RetentionModel, base: CustomerBase, seed: int
) -> tuple[Clusters, tuple[Segment, ...]] | None:
    """Use the bundle's behavior segments, or find some if it has none."""
    if model.contents.clusters is not None:
        return model.contents.clusters, assign_segments(base, model.contents.clusters)
    try:
        return find_clusters(base, seed=seed)
    except DataError:
        return None


def build_customer_base(
    model: RetentionModel,
    customers: Any,
    *,
    budget: float | None = None,
    day: date | None = None,
    journal: Journal | None = None,
    decisions: Decisions | None = None,
) -> tuple[CustomerBase, int]:
    """Score and plan a table; also return the number of rows that violate the contract."""
    from churnkit.bundle.entity_ids import entities
    from churnkit.contracts.arrow_interop import as_arrow

    table = as_arrow(customers)
    catalogue = model.contents.catalogue
    encoded = model.encode(table, "recommend" if catalogue is not None else "predict")
    probability = model.probabilities(encoded)
    valid = encoded.valid
    if not valid.any():
        raise DataError(
            "the customers", ["no row is valid; run churnkit validate to list the violations"]
        )
    planned, context = None, None
    if catalogue is not None:
        if decisions is None:
            if context_requirements(catalogue) and day is not None:
                context = model.decision_context(entities(encoded), as_of=day, journal=journal)
            decisions = model.decide_table(
                probability, encoded.matrix, budget=budget, context=context
            )
        planned = _planned(catalogue, decisions, valid)
        if len(valid) <= _MOST_FOR_BUDGETS and (
            context is not None or not context_requirements(catalogue)
        ):
            curve = plan_budgets(
                model, probability, encoded.matrix, _BUDGET_SHARES, context=context
            )
            planned = replace(planned, budgets=curve.to_columns())
    value = customer_values(model, encoded.matrix)
    # Revenue at risk if all leave is that of all who stay.
    retained = revenue_at_risk(model, np.ones(len(probability)), encoded.matrix)
    features = np.ascontiguousarray(encoded.features[valid])
    sample = np.arange(0, len(features), max(len(features) // _EXPLAINED, 1))[:_EXPLAINED]
    return (
        CustomerBase(
            columns=model.contract.features,
            matrix=features,
            probability=probability[valid],
            value=None
            if value is None
            else np.maximum(np.nan_to_num(value[valid], posinf=0.0, neginf=0.0), 0.0),
            churned=_churned(model, table, valid),
            sample=sample,
            contributions=model.contents.scorer.contributions(
                np.ascontiguousarray(features[sample])
            ),
            planned=planned,
            stake=None if retained is None else (probability * retained)[valid],
            retained=None if retained is None else retained[valid],
        ),
        int((~valid).sum()),
    )


def _planned(
    catalogue: Catalogue, decisions: Decisions, valid: NDArray[np.bool_]
) -> PlannedActions:
    titles = {action.name: action.title for action in catalogue.actions}
    return PlannedActions(
        tuple(titles.get(name, name) for name in decisions.names),
        decisions.action[valid],
        decisions.expected_gain[valid],
        decisions.low[valid],
        decisions.high[valid],
        decisions.cost[valid],
        decisions.reason_code[valid].astype(np.int64),
        REASONS,
        decisions.action_gains,
        decisions.total_gain,
        decisions.responses.code[valid],
        RESPONSES,
    )


def _churned(
    model: RetentionModel, table: Any, valid: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """Return the observed churn of the valid rows; None unless every row has a label."""
    label = model.contract.label
    if label is None or label.name not in table.column_names:
        return None
    from churnkit.contracts.validation.labels import encode_label

    try:
        churned, findings = encode_label(model.contract, table)
    except DataError:
        return None
    return None if findings else churned[valid].astype(np.float64)


def _remaining(base: CustomerBase, horizon_days: int) -> float | None:
    """Return the mean value of the next 24 months: value times expected months as a customer."""
    if base.value is None:
        return None
    stays = (1.0 - base.probability) ** (30.4375 / horizon_days)
    months = np.where(stays < 1.0, (1.0 - stays**24) / np.maximum(1.0 - stays, 1e-12), 24.0)
    return float((base.value * months).mean())


def _actions(model: RetentionModel, base: CustomerBase) -> tuple[ActionSummary, ...]:
    planned, catalogue = base.planned, model.contents.catalogue
    if planned is None or catalogue is None:
        return ()
    summaries = []
    for number, action in enumerate(catalogue.actions):
        rows = planned.action == number
        if not rows.any():
            continue
        summaries.append(
            ActionSummary(
                action.title,
                int(rows.sum()),
                float(planned.cost[rows].sum()),
                float(planned.gain[rows].sum()),
                planned.totals[number].low,
                planned.totals[number].high,
                _eligibility(model, action),
                float(base.probability[rows].mean()),
            )
        )
    return tuple(sorted(summaries, key=lambda summary: -summary.gain))


def _eligibility(model: RetentionModel, action: Any) -> str:
    rules = []
    for rule in action.eligible:
        title = model.contract[rule.column].title if rule.column in model.contract else rule.column
        value = rule.value
        if isinstance(value, bool):
            rules.append(f"{title}: {_('yes') if value == (rule.op == '==') else _('no')}")
            continue
        values = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        rules.append(f"{title} {'' if rule.op in {'==', 'in'} else rule.op + ' '}{values}")
    return "; ".join(rules) or _("any customer")


def _no_action(base: CustomerBase) -> tuple[tuple[str, int], ...]:
    planned = base.planned
    if planned is None:
        return ()
    counts = np.bincount(planned.reason[planned.action < 0], minlength=len(planned.reasons))
    pairs = zip(planned.reasons, counts.tolist(), strict=True)
    return tuple(sorted(((r, n) for r, n in pairs if n), key=lambda pair: -pair[1]))
