"""A catalogue checked against a contract: its rules as comparisons on the encoded matrix.

A rule is held by a whole matrix (`Rule.mask`) and by a single row (`Rule.holds`) with the same
verdict; a missing value, NaN, fails every rule but ``is missing``.
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
    from churnkit.decisions.catalogue import Catalogue
    from churnkit.decisions.where import Where

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
# Categories that an error lists.
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition on one column of the encoded matrix.

    Parameters
    ----------
    index
        The column's place in the matrix.
    op
        As in `churnkit.decisions.Where`.
    values
        What to compare with, encoded as the column is.

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
        """Tell for each row of (n, k) whether the condition holds: (n,)."""
        column = matrix[:, self.index]
        missing = np.isnan(column)
        if self.op == "is missing":
            return missing
        known = ~missing
        if self.op == "is known":
            return known
        if self.op in _COMPARE:
            holds: NDArray[np.bool_] = _COMPARE[self.op](column, self.values[0])
            return known & holds
        found = np.isin(column, self.values)
        return found if self.op == "in" else known & ~found

    def holds(self, row: Sequence[float]) -> bool:
        """Tell whether the condition holds for one row of the matrix."""
        cell = row[self.index]
        missing = cell != cell  # noqa: PLR0124  (NaN is the value unequal to itself)
        if self.op == "is missing":
            return missing
        if missing or self.op == "is known":
            return not missing
        if self.op in _COMPARE:
            return bool(_COMPARE[self.op](cell, self.values[0]))
        return (cell in self.values) == (self.op == "in")


@dataclass(frozen=True, slots=True)
class CompiledCatalogue:
    """A catalogue that fits a contract, ready to decide on encoded rows.

    Made by `Catalogue.compile`.

    Parameters
    ----------
    catalogue
        As the recipe declares it.
    value_index
        The place of the value column in the matrix.
    cost_index
        For each action the place of its cost column, None where its cost is a number.
    rules
        For each action its conditions.
    width
        How many columns the matrix has.

    """

    catalogue: Catalogue
    value_index: int
    cost_index: tuple[int | None, ...]
    rules: tuple[tuple[Rule, ...], ...]
    width: int

    def value(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give each customer's value for one period, (n,), in money."""
        return self._sized(matrix)[:, self.value_index]

    def cost(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the actions' costs in money: (m,), or (n, m) where a column holds one."""
        numbers = [a.cost if isinstance(a.cost, float) else 0.0 for a in self.catalogue.actions]
        if all(index is None for index in self.cost_index):
            return np.array(numbers)
        cost = np.tile(np.array(numbers), (self._sized(matrix).shape[0], 1))
        for j, index in enumerate(self.cost_index):
            if index is not None:
                cost[:, j] = matrix[:, index]
        return cost

    def eligible(self, matrix: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which actions each customer may have by the rules, (n, m)."""
        mask = np.ones((self._sized(matrix).shape[0], len(self.rules)), dtype=np.bool_)
        for j, rules in enumerate(self.rules):
            for rule in rules:
                mask[:, j] &= rule.mask(matrix)
        return mask

    def _sized(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        if matrix.ndim != 2 or matrix.shape[1] != self.width:
            rule = f"shape {matrix.shape}: the catalogue needs {self.width} columns"
            mend = "encode the customers for 'recommend' with the contract it was compiled against"
            raise DataError("matrix", [f"{rule}; {mend}"])
        return matrix


def compile_catalogue(catalogue: Catalogue, columns: Sequence[Column]) -> CompiledCatalogue:
    """Check `catalogue` against the columns of the encoded matrix, in its order.

    Raises
    ------
    RecipeError
        Names the action, the column and the mend.

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
    places = {column.name: index for index, column in enumerate(columns)}
    rules: list[tuple[Rule, ...]] = []
    costs: list[int | None] = []
    for action in catalogue.actions:
        said = f"action '{action.name}'"
        costs.append(
            _money(f"{said}: cost", action.cost, columns, places)
            if isinstance(action.cost, str)
            else None
        )
        rules.append(tuple(_rule(said, where, columns, places) for where in action.eligible))
    return CompiledCatalogue(
        catalogue,
        _value_index(catalogue, columns, places),
        tuple(costs),
        tuple(rules),
        len(columns),
    )


def _place(said: str, name: str, places: dict[str, int]) -> int:
    if name not in places:
        raise RecipeError(
            f"{said}: column '{name}' is not one that decisions can read; mark it feature(), "
            f"value(), cost() or context() in the schema, or use one of: {', '.join(places)}"
        )
    return places[name]


def _money(said: str, name: str, columns: Sequence[Column], places: dict[str, int]) -> int:
    index = _place(said, name, places)
    if columns[index].type not in {"integer", "number"}:
        raise RecipeError(
            f"{said}: column '{name}' is of type {columns[index].type}; money must be a number"
        )
    return index


def _value_index(catalogue: Catalogue, columns: Sequence[Column], places: dict[str, int]) -> int:
    name = catalogue.value
    if name is None:
        named = [column.name for column in columns if "value" in column.roles]
        if not named:
            raise RecipeError(
                "catalogue: no column says what a customer is worth; mark one with value() or "
                "feature(also=('value',)) in the schema, or name it: Catalogue(value='...')"
            )
        name = named[0]
    return _money("catalogue: value", name, columns, places)


def _rule(said: str, where: Where, columns: Sequence[Column], places: dict[str, int]) -> Rule:
    index = _place(said, where.column, places)
    column = columns[index]
    if where.op in {"is missing", "is known"}:
        return Rule(index, where.op, ())
    said = f"{said}: column '{column.name}'"
    if column.type == "datetime":
        raise RecipeError(
            f"{said} is a date; only 'is missing' and 'is known' apply. Derive a duration from "
            "it (days since) and compare that"
        )
    if where.op in _ORDERED and column.type in {"string", "boolean"}:
        raise RecipeError(
            f"{said} is of type {column.type} and has no order; use ==, !=, in or not in"
        )
    values = where.value if isinstance(where.value, tuple) else (where.value,)
    return Rule(index, where.op, tuple(_encode(said, column, where.op, v) for v in values))


def _encode(said: str, column: Column, op: str, value: Any) -> float:
    if column.type == "string" and isinstance(value, str):
        return _code(said, column, value)
    if column.type == "boolean" and isinstance(value, bool):
        return float(value)
    if column.type in {"integer", "number"} and type(value) in {int, float}:
        if column.type == "integer" and op not in _ORDERED and value != int(value):
            raise RecipeError(f"{said} holds whole numbers and can never equal {value!r}")
        return float(value)
    wanted = {"string": "text", "boolean": "True or False"}.get(column.type, "a number")
    raise RecipeError(
        f"{said} is of type {column.type} and is compared with {type(value).__name__}; "
        f"give {wanted}"
    )


def _code(said: str, column: Column, value: str) -> float:
    if column.levels is None:
        raise RecipeError(
            f"{said} has no categories yet: they are learned in training; list them in the "
            "schema with isin=[...], or check the catalogue after training"
        )
    if value not in column.levels:
        shown = ", ".join(map(repr, column.levels[:_SHOWN]))
        more = f" and {len(column.levels) - _SHOWN} more" if len(column.levels) > _SHOWN else ""
        raise RecipeError(f"{said} has no category {value!r}; it has: {shown}{more}")
    return float(column.levels.index(value))
