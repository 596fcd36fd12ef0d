"""Columns of a contract as SQL: read, checked and encoded as in `churnkit.contracts.encoding`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from churnkit.bundle.sql.dialect import number
from churnkit.contracts.parsing.date_spelling import EMPTY_DAYS, FIRST_OPEN_DAY
from churnkit.contracts.parsing.number_spelling import MARKER_BLANKS
from churnkit.contracts.parsing.scalars import BLANKS
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from churnkit.bundle.sql.dialect import SqlDialect
    from churnkit.bundle.sql.steps import Steps
    from churnkit.contracts.schema.check import Check
    from churnkit.contracts.schema.column import Column

__all__ = ["add_code", "add_days", "add_problem", "read_column"]

_COMPARISONS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
# A boolean that is neither true nor false, in databases that read numbers as booleans.
_NO_BOOLEAN = 2.0


def read_column(column: Column, steps: Steps, dialect: SqlDialect, *, encode: bool) -> str:
    """Add a column's values to the first step: text without blanks, numbers without NaN.

    Raises
    ------
    RecipeError
        If a rule of the column cannot be written as SQL.
    """
    _refuse_patterns(column)
    name = dialect.column(column.name)
    if column.type == "string":
        text = name if encode else dialect.as_text(name)
        return steps.add("t", _without_markers(column, text, dialect))
    if column.type == "boolean":
        values = (f"WHEN {name} = TRUE THEN {dialect.double(1.0)} WHEN {name} = FALSE THEN "
                  f"{number(0.0)} ELSE {number(_NO_BOOLEAN)} END")  # fmt: skip
        return steps.add("v", f"CASE WHEN {name} IS NULL THEN NULL {values}")
    if column.type == "datetime":
        return steps.add("v", dialect.as_days(name))
    return steps.add("v", dialect.as_double(name))


def add_days(column: Column, value: str, as_of: str, steps: Steps, dialect: SqlDialect) -> str:
    """Return the column with the days from a date to the as-of date, NULL if it is missing."""
    empty = ", ".join(dialect.double(day) for day in sorted(EMPTY_DAYS))
    is_open = f"{value} >= {number(FIRST_OPEN_DAY)} OR FLOOR({value}) IN ({empty})"
    days = f"CASE WHEN {is_open} THEN NULL ELSE {as_of} - {value} END"
    fill = column.fill if column.nullable else None
    return steps.add("x", days if fill is None else f"COALESCE({days}, {number(fill)})")


def add_code(column: Column, value: str, steps: Steps, dialect: SqlDialect) -> str:
    """Return the column with a feature's code, NULL if missing."""
    if column.type != "string":
        fill = column.fill if column.nullable else None
        return value if fill is None else steps.add("x", f"COALESCE({value}, {number(fill)})")
    levels = column.levels or ()
    whens = " ".join(
        f"WHEN {dialect.text(level)} THEN {dialect.double(code)}"
        for code, level in enumerate(levels)
    )
    other = ""
    if column.unknown == "other":
        known = f"CASE WHEN {value} <> '' THEN {number(len(levels) - 1)} END"
        other = f" ELSE {known}"
    return steps.add("x", f"CASE {value} {whens}{other} END" if whens else "NULL")


def add_problem(column: Column, value: str, steps: Steps, dialect: SqlDialect) -> str | None:
    """Add the first rule that a value violates, as ``'; plan: not_null'``; None if none can be."""
    rules = _text_rules if column.type == "string" else _number_rules
    whens = []
    for condition, rule in rules(column, value, dialect):
        message = dialect.text(f"; {column.name}: {rule}") if rule else "''"
        whens.append(f"WHEN {condition} THEN {message}")
    while whens and whens[-1].endswith("THEN ''"):
        whens.pop()
    return steps.add("q", "CASE " + "\n".join(whens) + " ELSE '' END") if whens else None


def _text_rules(column: Column, value: str, dialect: SqlDialect) -> list[tuple[str, str]]:
    """Return conditions in order with the rule that each violates, empty for a valid value."""
    missing = f"{value} IS NULL OR {value} = ''"
    rules = [(missing, "" if column.nullable else "not_null")]
    valid = [level for level in column.levels or () if all(c.holds(level) for c in column.checks)]
    if valid:
        rules.append((f"{value} IN ({dialect.texts(valid)})", ""))
    nul = dialect.has_nul(value)
    if nul is not None:
        rules.append((nul, "type"))
    rules += [(f"NOT ({_holds(check, value, dialect)})", str(check)) for check in column.checks]
    if column.levels is not None and column.unknown == "refuse":
        rules.append(("TRUE", "known_level"))
    return rules


def _number_rules(column: Column, value: str, dialect: SqlDialect) -> list[tuple[str, str]]:
    rules = [(f"{value} IS NULL", "" if column.nullable else "not_null")]
    if column.type == "datetime":
        return rules
    if column.type == "boolean":
        rules.append((f"{value} = {number(_NO_BOOLEAN)}", "type"))
    else:
        rules.append((f"ABS({value}) > {number(sys.float_info.max)}", "finite"))
    if column.type == "integer":
        rules.append((f"{value} <> FLOOR({value})", "type"))
    return rules + [
        (f"NOT ({_holds(check, value, dialect)})", str(check)) for check in column.checks
    ]


def _holds(check: Check, value: str, dialect: SqlDialect) -> str:
    """Return the condition of a rule for a value that is not missing."""
    if check.rule in {"min_length", "max_length"}:
        return f"LENGTH({value}) {'>=' if check.rule == 'min_length' else '<='} {check.value}"
    operands = check.value if isinstance(check.value, tuple) else (check.value,)
    literals = [dialect.text(x) if isinstance(x, str) else number(x) for x in operands]
    if check.rule in {"isin", "notin"}:
        if not literals:
            return "FALSE" if check.rule == "isin" else "TRUE"
        return f"{value} {'IN' if check.rule == 'isin' else 'NOT IN'} ({', '.join(literals)})"
    return f"{value} {_COMPARISONS[check.rule]} {literals[0]}"


def _without_markers(column: Column, text: str, dialect: SqlDialect) -> str:
    """Return a text without blanks, and empty if it marks a missing value."""
    trimmed = dialect.trim(text)
    if not column.missing:
        return trimmed
    folded = f"LOWER({dialect.trim(text, more=MARKER_BLANKS.replace(BLANKS, ''))})"
    markers = dialect.texts(marker.casefold() for marker in column.missing)
    return f"CASE WHEN {folded} IN ({markers}) THEN '' ELSE {trimmed} END"


def _refuse_patterns(column: Column) -> None:
    """Refuse rules whose meaning differs between Python and databases."""
    patterns = [check for check in column.checks if check.rule == "matches"]
    if patterns:
        raise RecipeError(
            f"column '{column.name}' has the rule {patterns[0]}: databases read regular "
            "expressions differently, so it cannot be written as SQL exactly. Score with "
            "churnkit score, or list the values with isin"
        )
    if any(not marker.isascii() for marker in column.missing):
        raise RecipeError(
            f"column '{column.name}' has a missing-value marker that is not ASCII: databases "
            "compare its letters differently. Create a view that has NULL instead"
        )
