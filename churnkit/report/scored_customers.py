"""What a model says of the customers, summed up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.decisions import REASONS
from churnkit.decisions.eligibility.context import context_requirements
from churnkit.errors import DataError
from churnkit.insights.customer_base import Base, Planned
from churnkit.insights.drivers import Drivers, find_drivers
from churnkit.insights.health.score import Health, health_of
from churnkit.insights.segmentation.kmeans import Clusters, find_clusters, segments_of
from churnkit.insights.segmentation.segments import Segment, find_groups, value_risk

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

    from churnkit.bundle.model import RetentionModel
    from churnkit.decisions import Catalogue, Decisions
    from churnkit.journal import Journal

__all__ = ["ActionSummary", "Scored", "base_of", "score_customers"]

_EXPLAINED = 5_000


@dataclass(frozen=True, slots=True)
class ActionSummary:
    """What the plan does with one action.

    Parameters
    ----------
    title
        In a person's words.
    customers, cost
        How many get it, and what that costs.
    gain, low, high
        What it is expected to bring beyond its cost, with its interval.
    who
        The rules that a customer must meet, in words.
    churn
        Mean probability of churn of those who get it.
    """

    title: str
    customers: int
    cost: float
    gain: float
    low: float
    high: float
    who: str
    churn: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A model's view of all customers.

    Parameters
    ----------
    customers, invalid
        How many were scored, and how many rows break the contract.
    churn, observed
        Mean predicted probability; share that really left, where the table says so.
    value, at_risk
        What they are worth a period together, and that times probability; None without a value.
    remaining_value
        Mean value of the next 24 periods by the model; None without a value.
    actions, none
        The plan by action, and why the others get none, by reason.
    drivers, matrix, groups, clusters, health
        See `churnkit.insights`.
    """

    customers: int
    invalid: int
    churn: float
    observed: float | None
    value: float | None
    at_risk: float | None
    remaining_value: float | None
    actions: tuple[ActionSummary, ...]
    none: tuple[tuple[str, int], ...]
    drivers: Drivers
    matrix: tuple[Segment, ...]
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
    horizon_days: int = 90,
    seed: int = 0,
) -> Scored:
    """Score a table of customers and sum it up.

    Parameters
    ----------
    model
        From `churnkit.load`.
    customers
        One row a customer.
    budget
        The most that all actions may cost together.
    day, journal
        For catalogues that ask who the customers are: the day that is planned for, and what
        went out before.
    horizon_days
        How far the model's probability looks ahead, for the value of the next months.
    seed
        For the groups of behaviour.

    Raises
    ------
    DataError
        If a column is missing, or no row can be scored.
    """
    base, invalid = base_of(model, customers, budget=budget, day=day, journal=journal)
    matrix = value_risk(base)
    groups = find_groups(base)
    clusters = _clusters(model, base, seed)
    masks = {one.name: one.rows for one in (clusters[1] if clusters else groups)}

    def score(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        raw = model.contents.scorer.raw_score(np.ascontiguousarray(rows))
        probability: NDArray[np.float64] = model.contents.calibration.apply(raw)
        return probability

    at_risk = base.at_risk
    return Scored(
        len(base),
        invalid,
        float(base.probability.mean()),
        None if base.churned is None else float(base.churned.mean()),
        None if base.value is None else float(base.value.sum()),
        None if at_risk is None else float(at_risk.sum()),
        _remaining(base, horizon_days),
        _actions(model, base),
        _none(base),
        find_drivers(base, score, segments=masks),
        matrix,
        groups,
        clusters,
        health_of(base, model.contents.calibration.apply),
    )


def _clusters(
    model: RetentionModel, base: Base, seed: int
) -> tuple[Clusters, tuple[Segment, ...]] | None:
    """Sum up the bundle's groups of behaviour, or find some if it has none."""
    if model.contents.clusters is not None:
        return model.contents.clusters, segments_of(base, model.contents.clusters)
    try:
        return find_clusters(base, seed=seed)
    except DataError:
        return None


def base_of(
    model: RetentionModel,
    customers: Any,
    *,
    budget: float | None = None,
    day: date | None = None,
    journal: Journal | None = None,
) -> tuple[Base, int]:
    """Score and plan for a table; also returns how many rows break the contract."""
    from churnkit.bundle.entity_ids import entities
    from churnkit.contracts.arrow_interop import as_arrow

    table = as_arrow(customers)
    catalogue = model.contents.catalogue
    encoded = model.encode(table, "recommend" if catalogue is not None else "predict")
    probability = model.probabilities(encoded)
    valid = encoded.valid
    if not valid.any():
        raise DataError("the customers", ["no row keeps to the contract; see churnkit validate"])
    planned = None
    if catalogue is not None:
        context = None
        if context_requirements(catalogue) and day is not None:
            context = model.decision_context(entities(encoded), as_of=day, journal=journal)
        decisions = model.decide_table(probability, encoded.matrix, budget=budget, context=context)
        planned = _planned(catalogue, decisions, valid)
    features = np.ascontiguousarray(encoded.features[valid])
    sample = np.arange(0, len(features), max(len(features) // _EXPLAINED, 1))[:_EXPLAINED]
    return (
        Base(
            columns=model.contract.features,
            matrix=features,
            probability=probability[valid],
            value=_value(model, encoded, valid),
            churned=_churned(model, table, valid),
            sample=sample,
            contributions=model.contents.scorer.contributions(
                np.ascontiguousarray(features[sample])
            ),
            planned=planned,
        ),
        int((~valid).sum()),
    )


def _planned(catalogue: Catalogue, decisions: Decisions, valid: NDArray[np.bool_]) -> Planned:
    titles = {action.name: action.title for action in catalogue.actions}
    return Planned(
        tuple(titles.get(name, name) for name in decisions.names),
        decisions.action[valid],
        decisions.expected_gain[valid],
        decisions.low[valid],
        decisions.high[valid],
        decisions.cost[valid],
        decisions.reason_code[valid].astype(np.int64),
        REASONS,
    )


def _value(
    model: RetentionModel, encoded: Any, valid: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    column = model.contract.value
    if column is None:
        return None
    names = [one.name for one in model.contract.encoded("recommend")]
    if column.name not in names[: encoded.matrix.shape[1]]:
        return None
    value = encoded.matrix[valid, names.index(column.name)]
    return np.where(np.isfinite(value), np.maximum(value, 0.0), 0.0)


def _churned(
    model: RetentionModel, table: Any, valid: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """Read who really left, where the table has the label and every row of it."""
    label = model.contract.label
    if label is None or label.name not in table.column_names:
        return None
    from churnkit.contracts.validation.labels import encode_label

    try:
        churned, findings = encode_label(model.contract, table)
    except DataError:
        return None
    return None if findings else churned[valid].astype(np.float64)


def _remaining(base: Base, horizon_days: int) -> float | None:
    """Give the mean value of the next 24 months: value times the months still there."""
    if base.value is None:
        return None
    stays = (1.0 - base.probability) ** (30.4375 / horizon_days)
    months = np.where(stays < 1.0, (1.0 - stays**24) / np.maximum(1.0 - stays, 1e-12), 24.0)
    return float((base.value * months).mean())


def _actions(model: RetentionModel, base: Base) -> tuple[ActionSummary, ...]:
    planned, catalogue = base.planned, model.contents.catalogue
    if planned is None or catalogue is None:
        return ()
    found = []
    for place, action in enumerate(catalogue.actions):
        rows = planned.action == place
        if not rows.any():
            continue
        found.append(
            ActionSummary(
                action.title,
                int(rows.sum()),
                float(planned.cost[rows].sum()),
                float(planned.gain[rows].sum()),
                float(planned.low[rows].sum()),
                float(planned.high[rows].sum()),
                _who(model, action),
                float(base.probability[rows].mean()),
            )
        )
    return tuple(sorted(found, key=lambda one: -one.gain))


def _who(model: RetentionModel, action: Any) -> str:
    said = []
    for rule in action.eligible:
        title = model.contract[rule.column].title if rule.column in model.contract else rule.column
        value = rule.value
        shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        if isinstance(value, bool):
            said.append(f"{title}: {'yes' if value == (rule.op == '==') else 'no'}")
        else:
            said.append(f"{title} {'' if rule.op in {'==', 'in'} else rule.op + ' '}{shown}")
    return "; ".join(said) or "any customer"


def _none(base: Base) -> tuple[tuple[str, int], ...]:
    planned = base.planned
    if planned is None:
        return ()
    rows = planned.action < 0
    counts = np.bincount(planned.reason[rows], minlength=len(planned.reasons))
    found = [
        (reason, int(count))
        for reason, count in zip(planned.reasons, counts.tolist(), strict=True)
        if count
    ]
    return tuple(sorted(found, key=lambda one: -one[1]))
