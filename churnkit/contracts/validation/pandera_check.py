"""The verdict of pandera on a whole table: what training and ``churnkit validate`` go by."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pandera.pandas as pda
import pyarrow as pa

from churnkit.contracts.encoding.table_encoder import missing_columns
from churnkit.contracts.parsing.arrow_columns import (
    distinct_values,
    is_temporal,
    numbers_of,
    one_array,
)
from churnkit.contracts.parsing.number_spelling import Spelling
from churnkit.contracts.parsing.scalars import NOT_READABLE, read_boolean, read_date, read_text
from churnkit.contracts.validation.labels import encode_label, repeated_keys
from churnkit.contracts.validation.violations import Finding, Violation
from churnkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from churnkit.contracts.contract import Contract, Purpose
    from churnkit.contracts.schema.column import Check, Column

__all__ = ["check_table", "pandera_schema"]

_PANDERA = {
    "isin": pda.Check.isin,
    "notin": pda.Check.notin,
    "eq": pda.Check.equal_to,
    "ne": pda.Check.not_equal_to,
    "gt": pda.Check.greater_than,
    "ge": pda.Check.greater_than_or_equal_to,
    "lt": pda.Check.less_than,
    "le": pda.Check.less_than_or_equal_to,
    "matches": pda.Check.str_matches,
}
_PANDAS_TYPES = {
    "integer": "float64",
    "number": "float64",
    "boolean": "float64",
    "string": "object",
    "datetime": "datetime64[us, UTC]",
}


def check_table(
    contract: Contract, table: pa.Table, purpose: Purpose = "train", *, name: str | None = None
) -> tuple[Finding, ...]:
    """Check a whole table and return every broken rule with its rows.

    Training tables are also checked for repeated customers and for a label with one value.

    Raises
    ------
    DataError
        If the table is empty, lacks a column, or its label is constant: no row can be blamed.
    """
    name = name or contract.name
    absent = missing_columns(contract, purpose, table.column_names)
    if absent and table.num_columns:
        raise DataError(name, absent)
    if table.num_rows == 0:
        raise DataError(name, [Violation("", "empty", 1)])
    columns = [
        column
        for column in (*contract.required(purpose), *contract.optional(purpose))
        if column.name in table.column_names
    ]
    unreadable: dict[tuple[str, int], str] = {}
    typed = {}
    for column in columns:
        typed[column.name], refused = _typed(table[column.name], column)
        unreadable.update(((column.name, int(row)), "type") for row in np.flatnonzero(refused))
    frame = pd.DataFrame(typed)
    broken = {**_failures(columns, frame), **unreadable}
    findings = list(_group(broken, columns))
    if purpose == "train":
        findings += repeated_keys(contract, table)
        if contract.label is not None:
            _, unlabelled = encode_label(contract, table, name=name)
            findings += [found for found in unlabelled if found.rule == "zero_or_one"]
    return tuple(findings)


def pandera_schema(columns: list[Column]) -> Any:
    """Build the pandera schema of columns that have been read; checks are named by their rule."""
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
    # A function of our own: pandera 0.30 cannot compare checks made of numpy's ufuncs.
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
    value = check.value
    if isinstance(value, tuple):
        # Truth values are held as 0 and 1, which pandas does not find among True and False.
        value = [float(item) for item in value] if column.type == "boolean" else list(value)
    return _PANDERA[check.rule](value, error=str(check))


def _typed(chunked: pa.ChunkedArray, column: Column) -> tuple[pd.Series[Any], NDArray[np.bool_]]:
    """Read a column into pandas, leaving every judgement but readability to pandera."""
    spelling = Spelling.of(column)
    array = one_array(chunked if spelling is None else spelling.respell(chunked))
    if column.type in {"integer", "number"}:
        numbers, unreadable = numbers_of(array)
        none = np.zeros(len(numbers), dtype=bool)
        return pd.Series(numbers), none if unreadable is None else unreadable
    if column.type == "datetime" and is_temporal(array.type):
        moments = array.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        known = np.asarray(moments.fill_null(_NO_MOMENT))
        return _moments(known), np.zeros(len(known), dtype=bool)
    values, index = distinct_values(array)
    if column.type == "boolean":
        codes = [read_boolean(value, lenient=True) for value in values]
        refused = np.array([code is NOT_READABLE for code in codes])
        return pd.Series(np.array(codes)[index]), refused[index]
    if column.type == "datetime":
        dates = [read_date(value) for value in values]
        refused = np.array([date is NOT_READABLE for date in dates])
        known = np.array([date if isinstance(date, int) else _NO_MOMENT for date in dates])
        return _moments(known[index]), refused[index]
    texts = [read_text(value, lenient=True) for value in values]
    refused = np.array([text is None for text in texts])
    known = np.array([text or None for text in texts], dtype=object)
    return pd.Series(known[index], dtype="object"), refused[index]


_NO_MOMENT = np.iinfo(np.int64).min  # how pandas stores "not a time"


def _moments(microseconds: NDArray[np.int64]) -> pd.Series[Any]:
    return pd.Series(microseconds.astype("datetime64[us]")).dt.tz_localize("UTC")


def _failures(columns: list[Column], frame: pd.DataFrame) -> dict[tuple[str, int], str]:
    """Ask pandera, and keep for each cell the first rule that it breaks."""
    try:
        with warnings.catch_warnings():
            # pandera joins its failure cases, some of them all missing, and pandas 2 warns of it.
            warnings.filterwarnings("ignore", "The behavior of DataFrame concat", FutureWarning)
            pandera_schema(columns).validate(frame, lazy=True)
    except pda.errors.SchemaErrors as refused:
        cases = refused.failure_cases
    else:
        return {}
    order = {
        (column.name, rule): place
        for column in columns
        for place, rule in enumerate(
            ["type", "not_null", "finite", *map(str, column.checks), "known_level"]
        )
    }
    broken: dict[tuple[str, int], str] = {}
    for column, check, row in zip(cases["column"], cases["check"], cases["index"], strict=True):
        rule = "not_null" if check == "not_nullable" else str(check)
        cell = (str(column), int(row))
        held = broken.get(cell)
        if held is None or order[cell[0], rule] < order[cell[0], held]:
            broken[cell] = rule
    return broken


def _group(broken: dict[tuple[str, int], str], columns: list[Column]) -> Iterator[Finding]:
    rows: dict[tuple[str, str], list[int]] = {}
    for (name, row), rule in broken.items():
        rows.setdefault((name, rule), []).append(row)
    for column in columns:
        for (name, rule), places in rows.items():
            if name == column.name:
                yield Finding(name, rule, np.sort(np.array(places)), column.type)
