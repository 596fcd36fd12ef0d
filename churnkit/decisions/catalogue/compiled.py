"""A catalogue checked against a contract: its rules as comparisons on the encoded matrix.

A rule is held by a whole matrix (`Rule.mask`) and by a single row (`Rule.holds`) with the same
verdict; a missing value, NaN, fails every rule but ``is missing``.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from churnkit.decisions.catalogue.catalogue import Catalogue

__all__ = ["CompiledCatalogue", "Rule"]

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


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
    cost_index, taken_index
        For each action the place of its column of cost (when sent, when taken), None where it
        is a number.
    rules, applicable, suitable
        For each action its conditions of each kind.
    consent_index
        For each action the place of its column of consent, None where it needs none.
    floors
        For each floor the conditions of its segment.
    width
        How many columns the matrix has.

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
        """Give each customer's value for one period, (n,), in money."""
        return self.sized(matrix)[:, self.value_index]

    def cost(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the actions' expected costs in money: (m,), or (n, m) where a column holds one."""
        known = [action.expected_cost for action in self.catalogue.actions]
        if all(number is not None for number in known):
            return np.array(known, dtype=np.float64)
        cost = np.empty((self.sized(matrix).shape[0], len(known)))
        for j, action in enumerate(self.catalogue.actions):
            sent, taken = self.cost_index[j], self.taken_index[j]
            # The operations and their order are those of cost_of_one().
            take: Any = action.cost_taken if taken is None else matrix[:, taken]
            cost[:, j] = action.cost if sent is None else matrix[:, sent]
            cost[:, j] += action.take_rate * take
        return cost

    def cost_of_one(self, row: Sequence[float], place: int) -> float:
        """Give one action's expected cost for one row of the matrix."""
        action = self.catalogue.actions[place]
        known = action.expected_cost
        if known is not None:
            return known
        sent, taken = self.cost_index[place], self.taken_index[place]
        cost = float(action.cost if sent is None else row[sent])
        return cost + action.take_rate * float(action.cost_taken if taken is None else row[taken])

    def eligible(self, matrix: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which actions each customer may have by rules and consent, (n, m)."""
        from churnkit.decisions.eligibility.exclusions import NOT_EXCLUDED, table_exclusions

        open_: NDArray[np.bool_] = table_exclusions(self, matrix) == NOT_EXCLUDED
        return open_

    def members(self, matrix: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell who belongs to the segments of the floors, (n, floors)."""
        mask = np.ones((self.sized(matrix).shape[0], len(self.floors)), dtype=np.bool_)
        for place, rules in enumerate(self.floors):
            for rule in rules:
                mask[:, place] &= rule.mask(matrix)
        return mask

    def sized(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the matrix back if it has the columns that the catalogue was compiled against."""
        if matrix.ndim != 2 or matrix.shape[1] != self.width:
            rule = f"shape {matrix.shape}: the catalogue needs {self.width} columns"
            remedy = (
                "encode the customers for 'recommend' with the contract it was compiled against"
            )
            raise DataError("matrix", [f"{rule}; {remedy}"])
        return matrix
