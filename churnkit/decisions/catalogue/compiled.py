"""Compile a catalogue against a contract: rules as comparisons on the encoded matrix.

`Rule.mask` evaluates a whole matrix and `Rule.holds` a single row, with the same result. A missing
value (NaN) fails every rule but ``is missing``.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import DataError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from churnkit.contracts import Column
    from churnkit.core.predicate import Where
    from churnkit.decisions.catalogue.action import Action
    from churnkit.decisions.catalogue.catalogue import Catalogue

__all__ = ["CompiledCatalogue", "Rule", "compile_catalogue"]

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ORDERED = ("<", "<=", ">", ">=")
_MAX_LISTED_CATEGORIES = 12


@dataclass(frozen=True, slots=True)
class Rule:
    """Condition on one column of the encoded matrix.

    Parameters
    ----------
    index
        Index of the column.
    op
        Operator, as in `churnkit.decisions.Where`.
    values
        Values to compare with, encoded like the column.

    Examples
    --------
    >>> import numpy as np
    >>> rule = Rule(0, "not in", (1.0, 2.0))
    >>> rule.mask(np.array([[0.0], [1.0], [np.nan]]))
    array([ True, False, False])
    >>> rule.holds([0.0]), rule.holds([float("nan")])
    (True, False)

    """

    index: int
    op: str
    values: tuple[float, ...]

    def mask(self, matrix: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return for each row of (n, k) whether the condition holds, (n,)."""
        column = matrix[:, self.index]
        missing = np.isnan(column)
        if self.op == "is missing":
            return missing
        present = ~missing
        if self.op == "is known":
            return present
        if self.op in _COMPARE:
            holds: NDArray[np.bool_] = _COMPARE[self.op](column, self.values[0])
            return present & holds
        is_member = np.isin(column, self.values)
        return is_member if self.op == "in" else present & ~is_member

    def holds(self, row: Sequence[float]) -> bool:
        """Return whether the condition holds for one row of the matrix."""
        cell = row[self.index]
        missing = cell != cell  # noqa: PLR0124  (NaN is unequal to itself)
        if self.op == "is missing":
            return missing
        if missing or self.op == "is known":
            return not missing
        if self.op in _COMPARE:
            return bool(_COMPARE[self.op](cell, self.values[0]))
        return (cell in self.values) == (self.op == "in")


@dataclass(frozen=True, slots=True)
class CompiledCatalogue:
    """Catalogue with its columns as indices of the encoded matrix, from `compile_catalogue`.

    Parameters
    ----------
    catalogue
        The catalogue.
    value_index
        Index of the value column.
    cost_index
        For each action the index of its cost column; None where the cost is a number.
    rules
        Eligibility conditions of each action.
    width
        Number of columns of the matrix.
    taken_index
        As `cost_index`, for the cost of an accepted action.
    applicable, suitable
        Conditions of these kinds, for each action.
    consent_index
        For each action the index of its consent column; None without one.
    floors
        Conditions of the segment of each floor.
    """

    catalogue: Catalogue
    value_index: int
    cost_index: tuple[int | None, ...]
    rules: tuple[tuple[Rule, ...], ...]
    width: int
    taken_index: tuple[int | None, ...] = ()
    applicable: tuple[tuple[Rule, ...], ...] = ()
    suitable: tuple[tuple[Rule, ...], ...] = ()
    consent_index: tuple[int | None, ...] = ()
    floors: tuple[tuple[Rule, ...], ...] = ()

    def value(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each customer's value per period, (n,), in money."""
        return self.check_width(matrix)[:, self.value_index]

    def cost(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return expected costs in money: (m,), or (n, m) if a column contains one."""
        fixed = [action.expected_cost for action in self.catalogue.actions]
        if all(cost is not None for cost in fixed):
            return np.array(fixed, dtype=np.float64)
        costs = np.empty((self.check_width(matrix).shape[0], len(fixed)))
        for j, action in enumerate(self.catalogue.actions):
            sent, taken = self.cost_index[j], self.taken_index[j]
            # Same operations in the same order as row_cost().
            cost_taken: Any = action.cost_taken if taken is None else matrix[:, taken]
            costs[:, j] = action.cost if sent is None else matrix[:, sent]
            costs[:, j] += action.take_rate * cost_taken
        return costs

    def row_cost(self, row: Sequence[float], j: int) -> float:
        """Return the expected cost of action `j` for one row of the matrix."""
        action = self.catalogue.actions[j]
        if action.expected_cost is not None:
            return action.expected_cost
        sent, taken = self.cost_index[j], self.taken_index[j]
        cost = float(action.cost if sent is None else row[sent])
        return cost + action.take_rate * float(action.cost_taken if taken is None else row[taken])

    def floor_members(self, matrix: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return membership in the segments of the floors, (n, floors)."""
        mask = np.ones((self.check_width(matrix).shape[0], len(self.floors)), dtype=np.bool_)
        for segment, rules in enumerate(self.floors):
            for rule in rules:
                mask[:, segment] &= rule.mask(matrix)
        return mask

    def check_width(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the matrix if it has the catalogue's number of columns, else raise."""
        if matrix.ndim != 2 or matrix.shape[1] != self.width:
            problem = f"shape {matrix.shape}: the catalogue needs {self.width} columns"
            remedy = (
                "encode the customers for 'recommend' with the contract it was compiled against"
            )
            raise DataError("matrix", [f"{problem}; {remedy}"])
        return matrix


def compile_catalogue(
    catalogue: Catalogue, columns: Sequence[Column], *, needs_value: bool = True
) -> CompiledCatalogue:
    """Check a catalogue against the columns of a contract and resolve them to indices.

    Parameters
    ----------
    catalogue
        The catalogue.
    columns
        Columns of the encoded matrix, in its order: ``contract.encoded("recommend")``.
    needs_value
        Whether a value column is required; false for rules alone.

    Returns
    -------
    CompiledCatalogue
        The catalogue, ready to decide on encoded rows.

    Raises
    ------
    RecipeError
        If a rule, cost, consent, lever or the value names a missing column, a category that the
        column does not have, or a comparison that its type does not allow.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> from churnkit.decisions import Action, Catalogue, Effect, Where
    >>> columns = (
    ...     Column("plan", "string", ("feature",), levels=("basic", "plus")),
    ...     Column("fee", "number", ("value",)),
    ... )
    >>> call = Action("call", "A call", 9, Effect(0, 0.1, 0.2), (Where("plan", "==", "plus"),))
    >>> compile_catalogue(Catalogue((call,)), columns).rules
    ((Rule(index=0, op='==', values=(1.0,)),),)

    """
    compiler = _Compiler(columns, {column.name: i for i, column in enumerate(columns)})
    actions = catalogue.actions
    for action in actions:
        for lever in action.levers:
            compiler.index(f"action '{action.name}': levers", lever)
    return CompiledCatalogue(
        catalogue,
        compiler.value_index(catalogue) if needs_value else -1,
        cost_index=compiler.cost_indices(actions, "cost"),
        rules=compiler.action_rules(actions, "eligible"),
        width=len(columns),
        taken_index=compiler.cost_indices(actions, "cost_taken"),
        applicable=compiler.action_rules(actions, "applicable"),
        suitable=compiler.action_rules(actions, "suitable"),
        consent_index=tuple(compiler.consent_index(action) for action in actions),
        floors=tuple(
            compiler.compile_rules(f"floor '{floor.name}'", floor.where)
            for floor in catalogue.floors
        ),
    )


@dataclass(frozen=True, slots=True)
class _Compiler:
    columns: Sequence[Column]
    indices: dict[str, int]

    def index(self, label: str, name: str) -> int:
        if name not in self.indices:
            raise RecipeError(
                f"{label}: column '{name}' is not available for decisions; mark it feature(), "
                "value(), cost() or context() in the schema, or use one of: "
                f"{', '.join(self.indices)}"
            )
        return self.indices[name]

    def number_index(self, label: str, name: str) -> int:
        index = self.index(label, name)
        kind = self.columns[index].type
        if kind not in {"integer", "number"}:
            raise RecipeError(f"{label}: column '{name}' has type {kind}; money must be a number")
        return index

    def value_index(self, catalogue: Catalogue) -> int:
        name = catalogue.value
        if name is None:
            names = [column.name for column in self.columns if "value" in column.roles]
            if not names:
                raise RecipeError(
                    "catalogue: no column has the customer's value; mark one with value() or "
                    "feature(also=('value',)) in the schema, or set Catalogue(value='...')"
                )
            name = names[0]
        return self.number_index("catalogue: value", name)

    def cost_indices(self, actions: Sequence[Action], field: str) -> tuple[int | None, ...]:
        return tuple(
            self.number_index(f"action '{action.name}': {field}", cost)
            if isinstance(cost := getattr(action, field), str)
            else None
            for action in actions
        )

    def action_rules(self, actions: Sequence[Action], kind: str) -> tuple[tuple[Rule, ...], ...]:
        return tuple(
            self.compile_rules(f"action '{action.name}'", getattr(action, kind))
            for action in actions
        )

    def compile_rules(self, label: str, rules: Sequence[Where]) -> tuple[Rule, ...]:
        return tuple(self.compile_rule(label, rule) for rule in rules)

    def compile_rule(self, label: str, where: Where) -> Rule:
        index = self.index(label, where.column)
        column = self.columns[index]
        if where.op in {"is missing", "is known"}:
            return Rule(index, where.op, ())
        label = f"{label}: column '{column.name}'"
        if column.type == "datetime":
            raise RecipeError(
                f"{label} is a date; only 'is missing' and 'is known' apply. Derive a duration "
                "from it (days since) and compare that"
            )
        if where.op in _ORDERED and column.type in {"string", "boolean"}:
            raise RecipeError(
                f"{label} has type {column.type}, which has no order; use ==, !=, in or not in"
            )
        values = where.value if isinstance(where.value, tuple) else (where.value,)
        return Rule(index, where.op, tuple(_encode(label, column, where.op, v) for v in values))

    def consent_index(self, action: Action) -> int | None:
        if action.consent is None:
            return None
        label = f"action '{action.name}': consent"
        index = self.index(label, action.consent)
        if self.columns[index].type != "boolean":
            raise RecipeError(
                f"{label}: column '{action.consent}' has type {self.columns[index].type}; "
                "consent must be true or false"
            )
        return index


def _encode(label: str, column: Column, op: str, value: Any) -> float:
    if column.type == "string" and isinstance(value, str):
        return _category_code(label, column, value)
    if column.type == "boolean" and isinstance(value, bool):
        return float(value)
    if column.type in {"integer", "number"} and type(value) in {int, float}:
        if column.type == "integer" and op not in _ORDERED and value != int(value):
            raise RecipeError(f"{label} has whole numbers, which never equal {value!r}")
        return float(value)
    expected = {"string": "text", "boolean": "True or False"}.get(column.type, "a number")
    raise RecipeError(
        f"{label} has type {column.type} and is compared with {type(value).__name__}; "
        f"use {expected}"
    )


def _category_code(label: str, column: Column, value: str) -> float:
    if column.levels is None:
        raise RecipeError(
            f"{label} has no categories before training: list them in the schema with isin=[...], "
            "or check the catalogue after training"
        )
    if value not in column.levels:
        names = ", ".join(map(repr, column.levels[:_MAX_LISTED_CATEGORIES]))
        hidden = len(column.levels) - _MAX_LISTED_CATEGORIES
        more = f" and {hidden} more" if hidden > 0 else ""
        raise RecipeError(f"{label} has no category {value!r}; its categories are {names}{more}")
    return float(column.levels.index(value))
