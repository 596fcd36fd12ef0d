"""The scored customers of a table with their planned actions, filters and reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from churnkit.bundle.parts.horizons import (
    Horizons,
    customer_values,
    find_horizons,
    revenue_at_risk,
)
from churnkit.console.journal_decisions import take_over_decisions
from churnkit.console.query.accounts import AccountGroups
from churnkit.console.risk_parts import split_risk
from churnkit.core.stats.interval import Interval
from churnkit.core.translation import _
from churnkit.decisions.decide_table import total_gain
from churnkit.decisions.response import find_responses
from churnkit.errors import RecipeError
from churnkit.insights.health.decomposition import decompose_health, explain_health
from churnkit.report.input_tables import describe_churned, leave_out_churned

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.bundle.model import RetentionModel
    from churnkit.console.risk_parts import RiskParts
    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.decisions import Decisions, Gains
    from churnkit.insights.health.decomposition import HealthParts
    from churnkit.journal import Journal

__all__ = ["CustomerList", "Filter", "planning_period", "read_customer_list"]

_MOST_FILTERS: Final = 4
_MOST_LEVELS: Final = 12
_REFERENCE_ROWS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Filter:
    """A categorical column and its values, for filtering customers."""

    column: str
    title: str
    values: tuple[str, ...]
    is_flag: bool = False

    def label(self, value: str) -> str:
        """Return the text of a value."""
        if self.is_flag and value:
            return _("yes") if value == "true" else _("no")
        return value or _("Unknown")


@dataclass(frozen=True, eq=False)
class CustomerList:
    """The customers of a table, scored and with planned actions.

    Parameters
    ----------
    model
        Model that scored them.
    table
        Rows of the table.
    encoded, probability, decisions
        In the order of the table; invalid rows have no probability.
    customers
        Customer ids as text.
    day
        Day that the actions are planned for.
    left
        Number of customers of the table read who have left, and are not among these.
    """

    model: RetentionModel
    table: pa.Table
    encoded: Encoded
    probability: NDArray[np.float64]
    decisions: Decisions
    customers: tuple[str, ...]
    day: date
    left: int = 0

    @property
    def note(self) -> str:
        """Remark on the customers who have left, in the locale; empty if there are none."""
        return describe_churned(self.model, self.left, self.left + len(self.customers))

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """Row number of each valid customer."""
        valid = self.encoded.valid.tolist()
        return {name: row for row, name in enumerate(self.customers) if valid[row]}

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Valid rows by revenue at risk, the highest first."""
        ranked = np.lexsort((-self.probability, -self.at_risk))
        rows: NDArray[np.int64] = ranked[self.encoded.valid[ranked]]
        return rows

    @property
    def horizons(self) -> Horizons:
        """Horizons of the churn risk, the revenue at risk and the expected gain, in the locale."""
        return find_horizons(self.model)

    @cached_property
    def value(self) -> NDArray[np.float64] | None:
        """Value of one period by customer, in money; None without a value column."""
        return customer_values(self.model, self.encoded.matrix)

    @cached_property
    def at_risk(self) -> NDArray[np.float64]:
        """Revenue at risk, in money; without a value column, the churn probability."""
        at_risk = revenue_at_risk(self.model, self.probability, self.encoded.matrix)
        return self.probability if at_risk is None else at_risk

    @cached_property
    def responses(self) -> NDArray[np.object_]:
        """Expected response of each customer; None if unknown."""
        return np.array([*self.decisions.responses.name, None], dtype=object)[:-1]

    @property
    def effect_unit(self) -> str:
        """Unit of the effects: ``"points"`` of churn risk, or ``"money"`` if revenue was measured."""
        uplift = self.model.contents.uplift
        return "money" if uplift is not None and uplift.outcome == "money" else "points"

    def figures(self, row: int) -> dict[str, Any]:
        """Return a customer's risk, value, response, action, effect, cost and gain."""
        decisions, responses = self.decisions, self.decisions.responses
        action, option = int(decisions.action[row]), int(responses.option[row])
        effect = float(responses.effect[row])
        return {
            "churn_probability": float(self.probability[row]),
            "interval": self._interval(row),
            "value": None if self.value is None else float(self.value[row]),
            "at_risk": None if self.value is None else float(self.at_risk[row]),
            "response": self.responses[row],
            "action": self.titles[decisions.names[action]] if action >= 0 else "",
            "option": self.titles[decisions.names[option]] if option >= 0 else "",
            "effect": effect if math.isfinite(effect) else None,
            "cost": float(decisions.cost[row]),
            "expected_gain": float(decisions.expected_gain[row]),
            "gain_low": float(decisions.low[row]),
            "gain_high": float(decisions.high[row]),
        }

    def _interval(self, row: int) -> tuple[float, float] | None:
        intervals = self.model.contents.intervals
        return None if intervals is None else intervals.interval_one(float(self.probability[row]))

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """Label of each action."""
        return {action.name: action.title for action in self.model.catalogue.actions}

    @cached_property
    def filters(self) -> tuple[Filter, ...]:
        """The first categorical columns with few values."""
        filters = []
        for column in self.model.contract.features:
            if column.name not in self._texts:
                continue
            values = sorted(self._texts[column.name][1])
            if 1 < len(values) <= _MOST_LEVELS:
                title, is_flag = column.title or column.name, set(values) <= {"true", "false", ""}
                filters.append(Filter(column.name, title, tuple(values), is_flag))
        return tuple(filters[:_MOST_FILTERS])

    @cached_property
    def _texts(self) -> Mapping[str, tuple[NDArray[np.int32], tuple[str, ...]]]:
        """Codes and values of each column of texts or flags."""
        import pyarrow as pa

        columns = {}
        for column in self.model.contract.features:
            if column.type in {"string", "boolean"} and column.name in self.table.column_names:
                texts = self.table[column.name].cast(pa.string()).fill_null("")
                encoded = texts.combine_chunks().dictionary_encode()
                codes = encoded.indices.to_numpy().astype(np.int32)
                columns[column.name] = codes, tuple(encoded.dictionary.to_pylist())
        return columns

    def mask(self, selected: Mapping[str, str]) -> NDArray[np.bool_]:
        """Return which rows are valid and have the selected values of filter columns, (n,)."""
        mask = self.encoded.valid.copy()
        for column_filter in self.filters:
            if column_filter.column in selected:
                codes, values = self._texts[column_filter.column]
                value = selected[column_filter.column]
                mask &= codes == (values.index(value) if value in values else -1)
        return mask

    def select(self, mask: NDArray[np.bool_]) -> Decisions:
        """Return the decisions on some rows, with the gain of these customers together."""
        gains, _ = self.model.action_gains(self.probability[mask], self.encoded.matrix[mask])
        parts = (
            *("action", "expected_gain", "low", "high", "cost", "reason_code", "propensity"),
            *("explored", "barred", "eligible"),
        )
        arrays = {name: getattr(self.decisions, name)[mask] for name in parts}
        return _with_totals(
            replace(self.decisions, **arrays, responses=self.decisions.responses.select(mask)),
            gains,
        )

    @cached_property
    def personal(self) -> Mapping[str, pa.ChunkedArray]:
        """Columns with personal data by title, such as names; shown by role, never logged."""
        return {
            column.title or column.name: self.table[column.name]
            for column in self.model.contract.columns
            if column.has_role("pii") and column.name in self.table.column_names
        }

    @cached_property
    def accounts(self) -> AccountGroups | None:
        """Customers by account; None if the contract has no account column."""
        return self._group_by("account")

    @cached_property
    def parents(self) -> AccountGroups | None:
        """Customers by the parent of their account; None without such a column."""
        return self._group_by("parent") if self.accounts is not None else None

    def groups(self, role: str) -> AccountGroups | None:
        """Return the customers by ``"account"`` or ``"parent"``; None without such a column."""
        return {"account": self.accounts, "parent": self.parents}.get(role)

    def _group_by(self, role: str) -> AccountGroups | None:
        for column in self.model.contract.columns:
            if column.has_role(role) and column.name in self.table.column_names:
                return AccountGroups(
                    column.title, self.table[column.name], self.encoded.valid, self._group_figures
                )
        return None

    @cached_property
    def _group_figures(self) -> Mapping[str, NDArray[Any]]:
        decisions = self.decisions
        return {
            "risk": self.probability,
            "at_risk": self.at_risk,
            "action": decisions.action,
            "gain": decisions.expected_gain,
            "cost": decisions.cost,
            **({} if self.value is None else {"value": self.value}),
        }

    def risk_parts(self, rows: NDArray[np.int64], *, top: int) -> list[RiskParts]:
        """Return how the features of some rows raise or lower their churn risk."""
        if not len(rows):
            return []
        features = np.ascontiguousarray(self.encoded.features[rows])
        parts = self.model.contents
        return split_risk(
            self.model.contract.features,
            features,
            decompose_health(
                parts.scorer.contributions(features), self._reference, parts.calibration.apply
            ),
            mean_risk=self.mean_risk,
            top=top,
        )

    @cached_property
    def mean_risk(self) -> float:
        """Mean churn probability of all customers."""
        return float(self.probability[self.encoded.valid].mean())

    def health(self, row: int) -> HealthParts:
        """Return the decomposition of a customer's health score.

        Features from a timeline are grouped by source table; others form one part each.
        """
        features = np.ascontiguousarray(self.encoded.features[[row]])
        parts = self.model.contents
        tables = {} if parts.timeline is None else parts.timeline.feature_tables
        columns = self.model.contract.features
        names = [
            tables[column.name].replace("_", " ").capitalize()
            if column.name in tables
            else column.describe(column.decode(code))
            for column, code in zip(columns, features[0].tolist(), strict=True)
        ]
        health = explain_health(
            parts.scorer.contributions(features)[0],
            self._reference,
            parts.calibration.apply,
            names=names,
        )
        return health.starting_at(100.0 * (1.0 - self.mean_risk))

    @cached_property
    def _reference(self) -> NDArray[np.float64]:
        """Contributions of the base, or of evenly spaced rows of a large one."""
        rows = self.encoded.features[self.encoded.valid]
        step = -(-len(rows) // _REFERENCE_ROWS)
        contributions: NDArray[np.float64] = self.model.contents.scorer.contributions(
            np.ascontiguousarray(rows[::step])
        )
        return contributions


def read_customer_list(
    model: RetentionModel,
    customers: Any,
    *,
    day: date,
    journal: Journal | None = None,
    budget: float | None = None,
) -> CustomerList:
    """Score a table of customers and plan their actions.

    Parameters
    ----------
    model
        Model with a catalogue of actions.
    customers
        Table with one row per customer. Those who have left by the label of a table without as-of
        dates are left out, as in a report.
    day
        Day that the actions are planned for.
    journal
        Log of earlier decisions, for contact rules; decisions of this period's plan are taken
        over. Nothing is written.
    budget
        Maximum total cost of all actions, in money.

    Returns
    -------
    CustomerList
        Customers in the order of the table.

    Raises
    ------
    ChurnkitError
        If all customers have left.
    DataError
        If a column is missing, or a customer has two rows.
    RecipeError
        If the model has no actions.
    """
    from churnkit.bundle.entity_ids import entities
    from churnkit.contracts.arrow_interop import as_arrow

    if model.contents.catalogue is None:
        raise RecipeError(
            f"model '{model.name}' has no actions to approve: add a catalogue to the recipe "
            "(actions=Catalogue(...)) and retrain"
        )
    table, left = leave_out_churned(model, as_arrow(customers))
    encoded, probability = model.score_table(table, "recommend", unique=True)
    context = model.decision_context(entities(encoded), as_of=day, journal=journal)
    decisions = model.decide_table(probability, encoded.matrix, budget=budget, context=context)
    customers = tuple(entities(encoded))
    if journal is not None:
        rows = journal.decisions(policy=model.name, period=planning_period(day)).to_pylist()
        decisions = take_over_decisions(decisions, customers, rows)
        gains, _ = model.action_gains(probability, encoded.matrix)
        responses = find_responses(probability, gains, model.catalogue, decisions.action)
        decisions = _with_totals(replace(decisions, responses=responses), gains)
    return CustomerList(model, table, encoded, probability, decisions, customers, day, left)


def planning_period(day: date) -> str:
    """Return the period that a plan of this day belongs to.

    Examples
    --------
    >>> import datetime as dt
    >>> planning_period(dt.date(2026, 11, 5))
    '2026-11'
    """
    return f"{day:%Y-%m}"


def _with_totals(decisions: Decisions, gains: Gains) -> Decisions:
    """Return decisions with the gain of all customers together, and of those of each action.

    Gains in the journal are those of the day they were recorded; their intervals are as wide as
    those of today's gains.
    """

    def total(action: NDArray[np.int64]) -> Interval:
        value = float(decisions.expected_gain[action >= 0].sum())
        today = total_gain(gains, action, gains.effects)
        return Interval(
            value, value - (today.value - today.low), value + (today.high - today.value)
        )

    action = decisions.action
    by_action = (np.where(action == place, place, -1) for place in range(len(decisions.names)))
    return replace(
        decisions, total_gain=total(action), action_gains=tuple(total(part) for part in by_action)
    )
