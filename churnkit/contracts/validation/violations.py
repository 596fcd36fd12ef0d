"""One record for a broken rule, whichever validator found it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

__all__ = ["Finding", "Violation", "reasons_by_row", "to_violations"]

_POSITIONS_SHOWN = 5

_MENDS = {
    "missing_column": "add the column, or map your own name for it to this one",
    "unknown_column": "leave it out: the contract does not know it",
    "type": "send {type}",
    "not_null": "fill the missing values, or declare the column nullable in the schema",
    "finite": "replace infinite values by a number or by a missing value",
    "unique": "keep one row for each customer and date",
    "empty": "give a table with at least one row",
    "constant_label": "the label needs both customers who left and customers who stayed",
    "known_level": "send a category that training saw, or declare unknown='missing'",
    "duplicate_column": "give each column a name of its own",
    "not_a_table": "give a pandas, polars or Arrow table, or a list of dicts",
    "not_a_row": "send each customer as one object of columns and values",
    "zero_or_one": "write 1 for customers who left and 0 for the others, or name the value that "
    "means 'has left' with label(positive=...)",
}
# Rules of a whole column or table, in a person's words.
_SAYS = {
    "missing_column": "is missing",
    "duplicate_column": "stands there more than once",
    "empty": "is empty",
    "constant_label": "holds one value only",
    "not_a_table": "is no table",
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
    """A broken rule with every row that breaks it; stays inside the process.

    Parameters
    ----------
    column
        The column's name; empty for a rule of the whole table.
    rule
        ``type``, ``not_null``, ``finite``, ``unique``, ``missing_column``... or a check's text.
    positions
        Row numbers from 0, ascending; empty where the rule is about the table.
    column_type
        The type that the contract asks for, for the mend.
    """

    column: str
    rule: str
    positions: np.ndarray[Any, np.dtype[np.int64]]
    column_type: str = ""

    def to_violation(self) -> Violation:
        """Shorten the finding to the record that is shown, stored and sent."""
        return Violation(
            column=self.column,
            rule=self.rule,
            count=max(int(self.positions.size), 1),
            positions=tuple(int(row) for row in self.positions[:_POSITIONS_SHOWN]),
            column_type=self.column_type,
        )


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule of one column, as a reader sees it; it holds no customer's value.

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
        """What to do next."""
        remedy = _MENDS.get(self.rule, "correct the values or leave these rows out")
        return remedy.format(type=_TYPE_WORDS.get(self.column_type, "the declared type"))

    def __str__(self) -> str:
        where = f"column '{self.column}'" if self.column else "the table"
        if not self.positions:
            return f"{where} {_SAYS.get(self.rule, f'breaks {self.rule}')}: {self.remedy}"
        rows = ", ".join(str(row) for row in self.positions)
        more = ", ..." if self.count > len(self.positions) else ""
        plural = "row" if self.count == 1 else "rows"
        return (
            f"{where} breaks {self.rule} in {self.count:,} {plural} ({plural} {rows}{more}): "
            f"{self.remedy}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-able data."""
        return {
            "column": self.column,
            "rule": self.rule,
            "count": self.count,
            "positions": list(self.positions),
            "remedy": self.remedy,
        }


def to_violations(findings: Iterable[Finding]) -> tuple[Violation, ...]:
    """Shorten findings to the records that are shown, in their order."""
    return tuple(finding.to_violation() for finding in findings)


def reasons_by_row(findings: Sequence[Finding]) -> dict[int, str]:
    """Say for each row that breaks a rule which ones: ``"tenure: ge(0); plan: not_null"``."""
    reasons: dict[int, list[str]] = {}
    for finding in findings:
        for row in finding.positions:
            reasons.setdefault(int(row), []).append(f"{finding.column}: {finding.rule}")
    return {row: "; ".join(reasons[row]) for row in sorted(reasons)}
