"""Parse, check and encode Arrow tables column by column: the path of batch jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from churnkit.contracts.encoding.date_features import DateFeatures
from churnkit.contracts.encoding.encoded import Encoded
from churnkit.contracts.parsing.arrow_columns import (
    ParsedColumn,
    ParsedTable,
    complete_keys,
    is_temporal,
    standard_types,
)
from churnkit.contracts.parsing.cell_parsers import CellResult, UnknownCategory, compile_cell_parser
from churnkit.contracts.parsing.numeric_bounds import NumericBounds
from churnkit.contracts.parsing.scalars import BLANKS
from churnkit.contracts.validation.violations import Finding
from churnkit.errors import DataError

if TYPE_CHECKING:
    from churnkit.contracts.contract import Contract, Purpose
    from churnkit.contracts.schema.check import Check
    from churnkit.contracts.schema.column import Column

__all__ = ["ColumnEncoder", "EncodedColumn", "TableEncoder"]

_Codes = NDArray[np.float64]
_Mask = NDArray[np.bool_]
_Rows = NDArray[np.int64]
_NO_ROWS: _Rows = np.array([], dtype=np.int64)
_COMPARE = {
    "eq": np.equal,
    "ne": np.not_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "lt": np.less,
    "le": np.less_equal,
}


class TableEncoder:
    """Parse, check and encode Arrow tables, with the same result per row as `RowEncoder`.

    Parameters
    ----------
    contract
        With the levels of every encoded category.
    purpose
        It decides which columns the table must have. For ``"train"`` the label is left to
        `churnkit.contracts.validation.labels.encode_label`.

    Raises
    ------
    ContractError
        If an encoded category has no levels yet.

    Examples
    --------
    >>> from churnkit.contracts import Contract, Schema, entity, feature
    >>> class Gym(Schema):
    ...     member_id: str = entity()
    ...     visits: int = feature(ge=0)
    >>> encoder = TableEncoder(Contract.from_schema(Gym))
    >>> encoder.encode(pa.table({"member_id": ["m1", "m2"], "visits": ["3", ""]})).valid
    array([ True, False])
    """

    def __init__(self, contract: Contract, purpose: Purpose = "predict") -> None:
        self.contract = contract
        self.purpose = purpose
        encoded = contract.encoded(purpose)
        checked = [
            column
            for column in (*contract.required(purpose), *contract.optional(purpose))
            if column not in encoded and not column.has_role("label")
        ]
        self._dates = DateFeatures.of(contract)
        as_of = None if self._dates is None else self._dates.as_of
        self._encoders = (
            *(ColumnEncoder(column, encode=True) for column in encoded),
            *(ColumnEncoder(column, encode=column is as_of) for column in checked),
        )
        self._n_encoded = len(encoded)

    def encode(self, table: pa.Table | ParsedTable, *, name: str = "the table") -> Encoded:
        """Encode a table of n rows.

        Parameters
        ----------
        table
            An Arrow table, parsed or not.
        name
            Name of the table in messages.

        Returns
        -------
        Encoded
            Rows in the table's order; rule violations are findings, not errors.

        Raises
        ------
        DataError
            If a column is missing.
        """
        if isinstance(table, pa.Table) and table.num_columns:
            table = complete_keys(table, self.contract)
        parsed = ParsedTable.wrap(table)
        is_empty = parsed.num_rows == 0 and not parsed.column_names
        missing = self.contract.missing_columns(self.purpose, parsed.column_names)
        if missing and not is_empty:  # an empty list of rows has no column names
            raise DataError(name, missing)
        matrix = np.empty((parsed.num_rows, self._n_encoded))
        findings: list[Finding] = []
        warnings: list[Finding] = []
        as_of: _Codes | float = np.nan if self._dates is None else self._dates.default
        for position, encoder in enumerate(self._encoders):
            column = encoder.column
            if column.name not in parsed.column_names:
                continue
            result = encoder.encode(parsed.column(column, keep=parsed is table))
            if position < self._n_encoded:
                matrix[:, position] = result.codes
            elif self._dates is not None and column is self._dates.as_of:
                as_of = result.codes
            findings += [
                Finding(column.name, rule, rows, column.type)
                for rule, rows in result.violations.items()
            ]
            if result.unknown.size:
                warnings.append(
                    Finding(column.name, "unknown_category", result.unknown, column.type)
                )
        if self._dates is not None:
            self._dates.count_table(matrix, as_of)
        return Encoded(
            entity=[] if is_empty else _standard_ids(parsed.table, self.contract.entity.name),
            matrix=matrix,
            n_features=len(self.contract.features),
            findings=tuple(findings),
            warnings=tuple(warnings),
        )


@dataclass(frozen=True, slots=True)
class EncodedColumn:
    """The codes and rule violations of one column.

    Parameters
    ----------
    codes
        Float64 (n,), NaN if missing or invalid; zeros for a column that is only checked.
    violations
        The rows that violate each rule, ascending.
    unknown
        The rows with an unknown category that is read as missing.
    """

    codes: _Codes
    violations: dict[str, _Rows] = field(default_factory=dict)
    unknown: _Rows = field(default_factory=lambda: _NO_ROWS)


class ColumnEncoder:
    """Check and encode one parsed column.

    Parameters
    ----------
    column
        The column of the contract; an encoded string column needs its levels.
    encode
        Return codes; without it the column is only checked.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> encoder = ColumnEncoder(Column("visits", "integer", ("feature",)), encode=True)
    >>> encoder.encode(ParsedColumn(pa.array(["3", "x"]))).violations
    {'type': array([1])}
    """

    def __init__(self, column: Column, *, encode: bool) -> None:
        self.column = column
        self._is_encoded = encode
        self._parse = compile_cell_parser(column, lenient=True, encode=encode, normalized=True)
        is_number = column.type in {"integer", "number"}
        self._bounds = NumericBounds.from_checks(column.checks) if is_number else None
        self._any_text = (
            column.type == "string" and not encode and not column.checks and column.levels is None
        )

    def encode(self, column: ParsedColumn) -> EncodedColumn:
        """Check and encode the column of n rows."""
        array = column.array
        kind = array.type
        if self._bounds is not None:
            numbers, unreadable = column.numbers
            return self._check_numbers(numbers, unreadable, self._bounds)
        is_date = self.column.type == "datetime" and is_temporal(kind)
        if is_date and self._is_encoded:
            return self._encode_distinct(column)
        if is_date or (self._any_text and pa.types.is_integer(kind)):
            return self._check_missing(np.asarray(array.is_null()))
        if self._any_text and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            has_nul = pc.any(pc.match_substring(array, "\x00")).as_py()
            if not has_nul:
                trimmed = pc.utf8_ltrim(array, characters=BLANKS)
                blank = pc.fill_null(pc.equal(pc.binary_length(trimmed), 0), fill_value=True)
                return self._check_missing(np.asarray(blank))
        return self._encode_distinct(column)

    def _check_missing(self, missing: _Mask) -> EncodedColumn:
        codes = np.zeros(len(missing))
        if self.column.nullable or not missing.any():
            return EncodedColumn(codes)
        return EncodedColumn(codes, {"not_null": np.flatnonzero(missing)})

    def _check_numbers(
        self, numbers: _Codes, unreadable: _Mask | None, bounds: NumericBounds
    ) -> EncodedColumn:
        is_integer = self.column.type == "integer"
        valid = (numbers >= bounds.low) & (numbers <= bounds.high)
        if is_integer:
            valid &= numbers == np.floor(numbers)
        if bounds.allowed is not None:
            valid &= np.isin(numbers, list(bounds.allowed))
        if bounds.forbidden:
            valid &= ~np.isin(numbers, list(bounds.forbidden))
        missing = np.isnan(numbers)
        if unreadable is not None:
            missing &= ~unreadable
        if self.column.nullable:
            valid |= missing
            if self.column.fill is not None and missing.any():
                numbers = np.where(missing, self.column.fill, numbers)
        if valid.all():
            return EncodedColumn(numbers)
        # The few other rows are each assigned the first rule that they violate.
        rows = np.flatnonzero(~valid)
        values = numbers[rows]
        rules: list[tuple[str, _Mask]] = [
            ("type", np.zeros(len(rows), bool) if unreadable is None else unreadable[rows]),
            ("not_null", missing[rows]),
            ("finite", np.isinf(values)),
        ]
        if is_integer:
            rules.append(("type", values != np.floor(values)))
        rules += [(str(check), ~_passes(values, check)) for check in self.column.checks]
        codes = numbers.copy()
        codes[rows] = np.nan
        return EncodedColumn(codes, _first_rules(rows, rules))

    def _encode_distinct(self, column: ParsedColumn) -> EncodedColumn:
        """Parse each distinct value once and map the results back to the rows."""
        values, index = column.distinct
        results = [self._parse(value) for value in values]
        codes = np.array([_code(result) for result in results])
        positions: dict[str, list[int]] = {}
        unknown: list[int] = []
        for position, result in enumerate(results):
            if isinstance(result, str):
                positions.setdefault(result, []).append(position)
            elif isinstance(result, UnknownCategory):
                unknown.append(position)
        violations = {rule: _rows_with(index, these) for rule, these in positions.items()}
        return EncodedColumn(
            codes[index],
            {rule: rows for rule, rows in violations.items() if rows.size},
            _rows_with(index, unknown) if unknown else _NO_ROWS,
        )


def _code(result: CellResult) -> float:
    if isinstance(result, UnknownCategory):
        return result.code
    return result if isinstance(result, float) else np.nan


def _standard_ids(table: pa.Table, name: str) -> pa.ChunkedArray:
    return standard_types(table.select([name])).column(0)


def _rows_with(index: NDArray[np.intp], positions: list[int]) -> _Rows:
    if len(positions) == 1:
        return np.flatnonzero(index == positions[0])
    return np.flatnonzero(np.isin(index, positions))


def _first_rules(rows: _Rows, rules: list[tuple[str, _Mask]]) -> dict[str, _Rows]:
    violations: dict[str, list[_Rows]] = {}
    unassigned = np.ones(len(rows), dtype=bool)
    for rule, mask in rules:
        violating = mask & unassigned
        if violating.any():
            violations.setdefault(rule, []).append(rows[violating])
            unassigned &= ~violating
    return {rule: np.sort(np.concatenate(parts)) for rule, parts in violations.items()}


def _passes(values: _Codes, check: Check) -> _Mask:
    if check.rule in {"isin", "notin"}:
        inside = np.isin(values, np.array(check.value, dtype=np.float64))
        return np.asarray(inside if check.rule == "isin" else ~inside)
    return np.asarray(_COMPARE[check.rule](values, check.value))
