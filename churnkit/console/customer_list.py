"""Everybody whom a model knows, with what it says of each and what may be done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from churnkit.bundle.shap_reasons import reasons_for
from churnkit.decisions.reason_codes import REASONS
from churnkit.errors import RecipeError
from churnkit.insights.health.decomposition import explain_health

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.bundle.model import RetentionModel
    from churnkit.bundle.shap_reasons import Reason
    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.decisions import Decisions
    from churnkit.insights.health.decomposition import HealthParts
    from churnkit.journal import Journal

__all__ = ["CustomerList", "Filter", "period_of", "read_roster"]

_FILTERS: Final = 4
_NUMBERS: Final = {
    "expected_gain": "expected_gain",
    "low": "gain_low",
    "high": "gain_high",
    "cost": "cost",
}
_LEVELS: Final = 12
_COMPARED: Final = 5_000


@dataclass(frozen=True, slots=True)
class Filter:
    """A column that customers can be chosen by, and its values."""

    column: str
    title: str
    values: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class CustomerList:
    """The customers of a table, scored and decided on.

    Parameters
    ----------
    model
        What scored them.
    table
        Their rows.
    encoded, probability, decisions
        In the table's order; rows that break the contract have no probability.
    customers
        Their ids as text.
    day
        The day that was decided for.
    """

    model: RetentionModel
    table: pa.Table
    encoded: Encoded
    probability: NDArray[np.float64]
    decisions: Decisions
    customers: tuple[str, ...]
    day: date

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The row of each customer that could be scored."""
        valid = self.encoded.valid.tolist()
        return {name: at for at, name in enumerate(self.customers) if valid[at]}

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Rows that could be scored: the highest expected gain first, then the highest risk."""
        ranked = np.lexsort((-self.probability, -self.decisions.expected_gain))
        found: NDArray[np.int64] = ranked[self.encoded.valid[ranked]]
        return found

    @cached_property
    def value(self) -> NDArray[np.float64] | None:
        """What each customer is worth a period, where the schema says so."""
        column = self.model.contract.value
        names = [one.name for one in self.model.contract.encoded("recommend")]
        if column is None or column.name not in names[: self.encoded.matrix.shape[1]]:
            return None
        found: NDArray[np.float64] = self.encoded.matrix[:, names.index(column.name)]
        return found

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """Each action in a person's words."""
        return {action.name: action.title for action in self.model.catalogue.actions}

    @cached_property
    def filters(self) -> tuple[Filter, ...]:
        """A few columns of few values that customers can be chosen by."""
        found = []
        for column in self.model.contract.features:
            if column.type not in {"string", "boolean"} or column.name not in self._texts:
                continue
            values = sorted(set(self._texts[column.name].tolist()))
            if 1 < len(values) <= _LEVELS:
                found.append(Filter(column.name, column.title or column.name, tuple(values)))
        return tuple(found[:_FILTERS])

    @cached_property
    def _texts(self) -> Mapping[str, NDArray[np.object_]]:
        import pyarrow as pa

        there = set(self.table.column_names)
        return {
            column.name: np.array(
                self.table[column.name].cast(pa.string()).fill_null("").to_pylist(), dtype=object
            )
            for column in self.model.contract.features
            if column.type in {"string", "boolean"} and column.name in there
        }

    def chosen(self, wanted: Mapping[str, str]) -> NDArray[np.bool_]:
        """Tell which rows could be scored and have the wanted values, (n,)."""
        mask = self.encoded.valid.copy()
        for one in self.filters:
            if one.column in wanted:
                mask &= self._texts[one.column] == wanted[one.column]
        return mask

    def reasons(self, rows: NDArray[np.int64], *, top: int) -> list[list[Reason]]:
        """Give the strongest reasons of some rows, by exact SHAP values."""
        if not len(rows):
            return []
        parts = self.model.contents
        features = np.ascontiguousarray(self.encoded.features[rows])
        return reasons_for(
            self.model.contract.features,
            features,
            parts.scorer.contributions(features),
            parts.calibration,
            top=top,
        )

    def health(self, row: int) -> HealthParts:
        """Give one customer's health score, by the tables that its columns come from.

        Columns of a flat file come from no table: each is a part, by its value in words.
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
        return explain_health(
            parts.scorer.contributions(features)[0],
            self._compared,
            parts.calibration.apply,
            names=names,
        )

    @cached_property
    def _compared(self) -> NDArray[np.float64]:
        """Contributions of the base, or of evenly spread rows of a large one."""
        rows = self.encoded.features[self.encoded.valid]
        step = -(-len(rows) // _COMPARED)
        found: NDArray[np.float64] = self.model.contents.scorer.contributions(
            np.ascontiguousarray(rows[::step])
        )
        return found


def read_roster(
    model: RetentionModel,
    customers: Any,
    *,
    day: date,
    journal: Journal | None = None,
    budget: float | None = None,
) -> CustomerList:
    """Score a table of customers and decide for each.

    Parameters
    ----------
    model
        With a catalogue of actions.
    customers
        One row a customer.
    day
        The day that is decided for.
    journal
        What went out before, for contact rules, and what this period's plan has decided
        already, which stands; nothing is written to it.
    budget
        The most that all actions may cost together.

    Raises
    ------
    DataError
        If a column is missing, or a customer stands in two rows.
    RecipeError
        If the model has no actions.
    """
    from churnkit.bundle.entity_ids import entities
    from churnkit.contracts.arrow_interop import as_arrow

    if model.contents.catalogue is None:
        raise RecipeError(
            f"model '{model.name}' was trained without actions, so there is nothing to approve: "
            "name some in the recipe (actions=Catalogue(...)) and train again"
        )
    table = as_arrow(customers)
    encoded, probability = model.score_table(table, "recommend", unique=True)
    context = model.decision_context(entities(encoded), as_of=day, journal=journal)
    decisions = model.decide_table(probability, encoded.matrix, budget=budget, context=context)
    customers = tuple(entities(encoded))
    if journal is not None:
        rows = journal.decisions(policy=model.name, period=period_of(day)).to_pylist()
        decisions = _as_written(decisions, customers, rows)
    return CustomerList(model, table, encoded, probability, decisions, customers, day)


def period_of(day: date) -> str:
    """Name the period that a plan of this day decides for.

    Examples
    --------
    >>> import datetime as dt
    >>> period_of(dt.date(2026, 11, 5))
    '2026-11'
    """
    return f"{day:%Y-%m}"


def _as_written(
    decisions: Decisions, customers: tuple[str, ...], rows: list[dict[str, Any]]
) -> Decisions:
    """Put what the journal has decided already in the place of what would be decided now."""
    written = {row["customer"]: row for row in rows if row["verdict"] == "decide"}
    names = {name: place for place, name in enumerate(decisions.names)}
    codes = {reason: code for code, reason in enumerate(REASONS)}
    arrays = {
        name: getattr(decisions, name).copy()
        for name in (*_NUMBERS, "action", "propensity", "explored", "reason_code")
    }
    for place, customer in enumerate(customers):
        row = written.get(customer)
        # An action that the catalogue no longer has cannot be shown by its title.
        if row is None or (row["action"] is not None and row["action"] not in names):
            continue
        for name, column in _NUMBERS.items():
            arrays[name][place] = row[column] or 0.0
        arrays["action"][place] = names.get(row["action"], -1)
        arrays["reason_code"][place] = codes.get(row["reason"], arrays["reason_code"][place])
        if row["propensity"] is not None:
            arrays["propensity"][place] = row["propensity"]
        arrays["explored"][place] = bool(row["explored"])
    return replace(decisions, **arrays)
