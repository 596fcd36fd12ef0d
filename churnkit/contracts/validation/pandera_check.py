"""Check a whole table with pandera, for training and ``churnkit validate``."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pandera.pandas as pda
import pyarrow as pa

from churnkit.contracts.parsing.arrow_columns import (
    ParsedColumn,
    ParsedTable,
    complete_keys,
    is_temporal,
)
from churnkit.contracts.parsing.scalars import NOT_READABLE, read_boolean, read_date, read_text
from churnkit.contracts.validation.labels import duplicate_keys, encode_label
from churnkit.contracts.validation.violations import Finding, Violation
from churnkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from churnkit.contracts.schema.check import Check
    from churnkit.contracts.schema.column import Column
    from churnkit.contracts.schema.table_schema import Purpose, TableSchema

__all__ = ["check_columns", "check_table", "pandera_schema"]

_PANDERA = {
    "isin": pda.Check.isin,
    "notin": pda.Check.notin,
    "eq": pda.Check.equal_to,
    "ne": pda.Check.not_equal_to,
    "gt": pda.Check.greater_than,
    "ge": pda.Check.greater_than_or_equal_to,
    "lt": pda.Check.less_than,
    "le": pda.Check.less_than_or_equal_to,
}
_PANDAS_TYPES = {
    "integer": "float64",
    "number": "float64",
    "boolean": "float64",
    "string": "object",
    "datetime": "datetime64[us, UTC]",
}


def check_table(
    contract: TableSchema,
    table: pa.Table | ParsedTable,
    purpose: Purpose = "train",
    *,
    name: str | None = None,
) -> tuple[Finding, ...]:
    """Check a whole table and return every violated rule with its rows.

    Training tables are also checked for duplicate customers and for a constant label.

    Parameters
    ----------
    contract
        The columns and their checks.
    table
        n rows.
    purpose
        It decides which columns are required.
    name
        Name of the table in messages; the contract's name by default.

    Returns
    -------
    tuple of Finding

    Raises
    ------
    DataError
        If the table is empty, lacks a column, or its label is constant, so that no single row
        is wrong.
    """
    name = name or contract.name
    if isinstance(table, pa.Table) and table.num_columns:
        table = complete_keys(table, contract)
    parsed = ParsedTable.wrap(table)
    missing = contract.missing_columns(purpose, parsed.column_names)
    if missing and parsed.column_names:
        raise DataError(name, missing)
    if parsed.num_rows == 0:
        raise DataError(name, [Violation("", "empty", 1)])
    findings = check_columns(contract, parsed, purpose)
    if purpose == "train":
        findings += duplicate_keys(contract, parsed)
        if contract.label is not None:
            _, unlabeled = encode_label(contract, parsed, name=name)
            findings += [finding for finding in unlabeled if finding.rule == "zero_or_one"]
    return tuple(findings)


def check_columns(contract: TableSchema, parsed: ParsedTable, purpose: Purpose) -> list[Finding]:
    """Check each column of a table, or of a part of one.

    Parameters
    ----------
    contract
        The columns and their checks.
    parsed
        n rows.
    purpose
        It decides which columns are checked.

    Returns
    -------
    list of Finding
        In the order of the columns.
    """
    columns = [
        column
        for column in (*contract.required(purpose), *contract.optional(purpose))
        if column.name in parsed.column_names
    ]
    violations: dict[tuple[str, int], str] = {}
    series = {}
    for column in columns:
        series[column.name], unreadable = _to_pandas(parsed.column(column), column)
        violations.update(((column.name, int(row)), "type") for row in np.flatnonzero(unreadable))
    violations = {**_failures(columns, pd.DataFrame(series)), **violations}
    return list(_group(violations, columns))


def pandera_schema(columns: list[Column]) -> Any:
    """Build the pandera schema of parsed columns; the name of a check is its rule."""
    return pda.DataFrameSchema(
        {
            column.name: pda.Column(
                _PANDAS_TYPES[column.type],
                checks=list(_checks(column)),
                nullable=column.nullable,
            )
            for column in columns
        }
    )


def _is_finite(numbers: Any) -> Any:
    # Not np.isfinite itself: pandera 0.30 cannot compare checks made of NumPy ufuncs.
    return np.isfinite(numbers)


def _checks(column: Column) -> Iterator[Any]:
    if column.type in {"integer", "number"}:
        yield pda.Check(_is_finite, error="finite")
    if column.type == "integer":
        yield pda.Check(lambda numbers: numbers == np.floor(numbers), error="type")
    for check in column.checks:
        yield _pandera_check(check, column)
    if column.levels is not None and column.unknown == "refuse":
        yield pda.Check.isin(list(column.levels), error="known_level")


def _pandera_check(check: Check, column: Column) -> Any:
    if check.rule == "min_length":
        return pda.Check.str_length(min_value=check.value, error=str(check))
    if check.rule == "max_length":
        return pda.Check.str_length(max_value=check.value, error=str(check))
    if check.rule == "matches":
        # Not pandera's own: a pattern could take exponential time there.
        return pda.Check(check.holds, element_wise=True, error=str(check))
    value = check.value
    if isinstance(value, tuple):
        # Booleans are stored as 0 and 1, which pandas does not match with True and False.
        value = [float(item) for item in value] if column.type == "boolean" else list(value)
    return _PANDERA[check.rule](value, error=str(check))


def _to_pandas(parsed: ParsedColumn, column: Column) -> tuple[pd.Series[Any], NDArray[np.bool_]]:
    """Convert a column and return it with the rows that cannot be read as its type."""
    array = parsed.array
    if column.type in {"integer", "number"}:
        numbers, unreadable = parsed.numbers
        none = np.zeros(len(numbers), dtype=bool)
        return pd.Series(numbers), none if unreadable is None else unreadable
    if column.type == "datetime" and is_temporal(array.type):
        timestamps = array.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        microseconds = np.asarray(timestamps.fill_null(_NAT))
        return _utc_series(microseconds), np.zeros(len(microseconds), dtype=bool)
    values, index = parsed.distinct
    if column.type == "boolean":
        codes = [read_boolean(value, lenient=True) for value in values]
        invalid = np.array([code is NOT_READABLE for code in codes])
        return pd.Series(np.array(codes)[index]), invalid[index]
    if column.type == "datetime":
        dates = [read_date(value) for value in values]
        invalid = np.array([date is NOT_READABLE for date in dates])
        microseconds = np.array([date if isinstance(date, int) else _NAT for date in dates])
        return _utc_series(microseconds[index]), invalid[index]
    texts = [read_text(value, lenient=True) for value in values]
    invalid = np.array([text is None for text in texts])
    strings = np.array([text or None for text in texts], dtype=object)
    return pd.Series(strings[index], dtype="object"), invalid[index]


_NAT = np.iinfo(np.int64).min  # the integer that pandas stores for "not a time"


def _utc_series(microseconds: NDArray[np.int64]) -> pd.Series[Any]:
    return pd.Series(microseconds.astype("datetime64[us]")).dt.tz_localize("UTC")


def _failures(columns: list[Column], frame: pd.DataFrame) -> dict[tuple[str, int], str]:
    """Run pandera, and keep for each cell the first rule that it violates."""
    try:
        with warnings.catch_warnings():
            # pandera concatenates its failure cases, some all missing, which pandas 2 warns of.
            warnings.filterwarnings("ignore", "The behavior of DataFrame concat", FutureWarning)
            pandera_schema(columns).validate(frame, lazy=True)
    except pda.errors.SchemaErrors as error:
        cases = error.failure_cases
    else:
        return {}
    order = {
        (column.name, rule): position
        for column in columns
        for position, rule in enumerate(
            ["type", "not_null", "finite", *map(str, column.checks), "known_level"]
        )
    }
    violations: dict[tuple[str, int], str] = {}
    for column, check, row in zip(cases["column"], cases["check"], cases["index"], strict=True):
        rule = "not_null" if check == "not_nullable" else str(check)
        cell = (str(column), int(row))
        earlier = violations.get(cell)
        if earlier is None or order[cell[0], rule] < order[cell[0], earlier]:
            violations[cell] = rule
    return violations


def _group(violations: dict[tuple[str, int], str], columns: list[Column]) -> Iterator[Finding]:
    rows: dict[tuple[str, str], list[int]] = {}
    for (name, row), rule in violations.items():
        rows.setdefault((name, rule), []).append(row)
    for column in columns:
        for (name, rule), positions in rows.items():
            if name == column.name:
                yield Finding(name, rule, np.sort(np.array(positions)), column.type)
