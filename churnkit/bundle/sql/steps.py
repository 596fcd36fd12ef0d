"""Steps of a statement: each is a query that adds columns to the one before."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.bundle.sql.dialect import SqlDialect

__all__ = ["TERMS_PER_STEP", "Steps"]

# Longer chains of operations would be too deep for a database.
TERMS_PER_STEP = 50

_NAMES = re.compile(r"\b[a-z]+_\d+\b")


@dataclass
class Steps:
    """Queries that follow one another; a step carries only the columns that later ones read.

    Examples
    --------
    >>> from churnkit.bundle.sql.dialect import SqlDialect
    >>> steps = Steps()
    >>> twice = steps.add("n", '"visits" * 2')
    >>> steps.close()
    >>> print(steps.render(SqlDialect("duckdb"), "gym", f"{twice} + 1 AS result"))
    WITH step_1 AS (
    SELECT "visits" * 2 AS n_1
    FROM gym
    )
    SELECT n_1 + 1 AS result
    FROM step_1
    """

    _closed: list[dict[str, str]] = field(default_factory=list)
    _open: dict[str, str] = field(default_factory=dict)
    _count: int = 0

    def add(self, prefix: str, expression: str) -> str:
        """Add a column to the open step, and return its name for the steps after it."""
        self._count += 1
        name = f"{prefix}_{self._count}"
        self._open[name] = expression
        return name

    def add_chain(self, prefix: str, terms: Sequence[str], *, operator: str) -> str:
        """Add terms joined from left to right, in as many steps as needed; return the column.

        Parameters
        ----------
        prefix
            Prefix of the columns.
        terms
            At least one.
        operator
            Operator between two terms, such as ``" + "``.
        """
        total, rest = terms[0], terms[1:]
        for start in range(0, max(len(rest), 1), TERMS_PER_STEP):
            self.close()
            part = rest[start : start + TERMS_PER_STEP]
            total = self.add(prefix, operator.join([total, *part]))
        return total

    def close(self) -> None:
        """Start the next step, which can read all columns so far."""
        if self._open:
            self._closed.append(self._open)
            self._open = {}

    def render(self, dialect: SqlDialect, source: str, result: str) -> str:
        """Return the statement that computes `result`, the expressions of a SELECT."""
        self.close()
        live = set(_NAMES.findall(result))
        queries: list[str] = []
        for number in range(len(self._closed), 0, -1):
            columns = self._closed[number - 1]
            selected = {name: text for name, text in columns.items() if name in live}
            earlier = {name for step in self._closed[: number - 1] for name in step}
            carried = sorted((live - set(columns)) & earlier)
            live = set(carried)
            for text in selected.values():
                live.update(earlier.intersection(_NAMES.findall(text)))
            listed = [*carried, *(f"{text} AS {name}" for name, text in selected.items())]
            origin = source if number == 1 else f"step_{number - 1}"
            body = "SELECT " + ",\n".join(listed) + f"\nFROM {origin}"
            queries.append(f"step_{number} AS{dialect.materialized} (\n{body}\n)")
        steps = ",\n".join(reversed(queries))
        return f"WITH {steps}\nSELECT {result}\nFROM step_{len(self._closed)}"
