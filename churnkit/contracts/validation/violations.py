"""Records of violated rules, shared by all validators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

__all__ = ["Finding", "Violation", "reasons_by_row", "to_violations"]

_MAX_POSITIONS = 5

_REMEDIES = {
    "missing_column": "add the column, or rename the matching one",
    "unknown_column": "remove the column: it is not in the contract",
    "type": "send {type}",
    "not_null": "fill the missing values, or declare the column nullable in the schema",
    "finite": "replace infinite values by a number or a missing value",
    "unique": "keep one row per customer and date",
    "empty": "pass a table with at least one row",
    "constant_label": "the label needs both churned and retained customers",
    "known_level": "send a category from the training data, or declare unknown='missing'",
    "duplicate_column": "give each column a unique name",
    "scalar_type": "send one number, text, date or boolean per row",
    "not_a_table": "pass a pandas, polars or Arrow table, or a list of dicts",
    "not_a_row": "send each customer as an object of columns and values",
    "zero_or_one": "use 1 for churned customers and 0 for others, or declare the value for "
    "churned with label(positive=...)",
}
# Rules of a whole column or table.
_DESCRIPTIONS = {
    "missing_column": "is missing",
    "unknown_column": "breaks unknown_column",
    "duplicate_column": "appears more than once",
    "empty": "is empty",
    "constant_label": "has only one value",
    "scalar_type": "has a nested type",
    "not_a_table": "is not a table",
}
_TYPE_WORDS = {
    "integer": "whole numbers",
    "number": "numbers",
    "boolean": "true or false",
    "string": "text",
    "datetime": "dates as YYYY-MM-DD or ISO 8601 timestamps",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A violated rule with all its rows; never leaves the process.

    Parameters
    ----------
    column
        The column's name; empty for a rule of the whole table.
    rule
        ``type``, ``not_null``, ``finite``, ``unique``, ``missing_column``... or a check's text.
    positions
        Row numbers from 0, ascending; empty for a rule of the whole table.
    column_type
        The column's type in the contract, used in the remedy.
    """

    column: str
    rule: str
    positions: np.ndarray[Any, np.dtype[np.int64]]
    column_type: str = ""

    def to_violation(self) -> Violation:
        """Summarize the finding as a public record."""
        return Violation(
            column=self.column,
            rule=self.rule,
            count=max(int(self.positions.size), 1),
            positions=tuple(int(row) for row in self.positions[:_MAX_POSITIONS]),
            column_type=self.column_type,
        )


@dataclass(frozen=True, slots=True)
class Violation:
    """A violated rule of one column as a public record, without customer values.

    Parameters
    ----------
    column
        The column's name; empty for a rule of the whole table.
    rule
        The violated rule.
    count
        Number of rows.
    positions
        The first row numbers, from 0.
    column_type
        The column's type in the contract.

    Examples
    --------
    >>> print(Violation("tenure", "ge(0)", 2, (4, 17)))
    column 'tenure' breaks ge(0) in 2 rows (rows 4, 17): correct the values or leave these rows out
    """

    column: str
    rule: str
    count: int
    positions: tuple[int, ...] = ()
    column_type: str = ""

    @property
    def remedy(self) -> str:
        """Suggested correction."""
        remedy = _REMEDIES.get(self.rule, "correct the values or leave these rows out")
        return remedy.format(type=_TYPE_WORDS.get(self.column_type, "the declared type"))

    def __str__(self) -> str:
        where = f"column '{self.column}'" if self.column else "the table"
        if not self.positions and self.rule in _DESCRIPTIONS:
            return f"{where} {_DESCRIPTIONS[self.rule]}: {self.remedy}"
        plural = "row" if self.count == 1 else "rows"
        broken = f"{where} breaks {self.rule} in {self.count:,} {plural}"
        if self.positions:
            rows = ", ".join(str(row) for row in self.positions)
            more = ", ..." if self.count > len(self.positions) else ""
            broken += f" ({plural} {rows}{more})"
        return f"{broken}: {self.remedy}"

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-serializable data."""
        return {
            "column": self.column,
            "rule": self.rule,
            "count": self.count,
            "positions": list(self.positions),
            "remedy": self.remedy,
        }


def to_violations(findings: Iterable[Finding]) -> tuple[Violation, ...]:
    """Summarize findings as public records, in their order."""
    return tuple(finding.to_violation() for finding in findings)


def reasons_by_row(findings: Sequence[Finding]) -> dict[int, str]:
    """Map each invalid row to the rules that it violates: ``"tenure: ge(0); plan: not_null"``."""
    reasons: dict[int, list[str]] = {}
    for finding in findings:
        for row in finding.positions:
            reasons.setdefault(int(row), []).append(f"{finding.column}: {finding.rule}")
    return {row: "; ".join(reasons[row]) for row in sorted(reasons)}
