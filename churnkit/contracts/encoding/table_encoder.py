"""Tables read column by column: the road of batch jobs and data frames, on Arrow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from churnkit.contracts.encoding.encoded import Encoded
from churnkit.contracts.parsing.arrow_columns import (
    distinct_values,
    is_temporal,
    numbers_of,
    one_array,
)
from churnkit.contracts.parsing.cell_parsers import Unknown, compile_cell
from churnkit.contracts.parsing.number_spelling import Spelling
from churnkit.contracts.parsing.numeric_bounds import Limits
from churnkit.contracts.parsing.scalars import BLANKS
from churnkit.contracts.validation.violations import Finding, Violation
from churnkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from churnkit.contracts.contract import Contract, Purpose
    from churnkit.contracts.schema.column import Check, Column

__all__ = ["ColumnReader", "Reading", "TableEncoder", "missing_columns"]

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


def missing_columns(contract: Contract, purpose: Purpose, names: Iterable[str]) -> list[Violation]:
    """List the columns that a table must have for this purpose and has not.

    Examples
    --------
    >>> from churnkit.contracts import Column, Contract
    >>> gym = Contract("gym", (Column("member_id", "string", ("entity",)),))
    >>> print(missing_columns(gym, "predict", ["visits"])[0].rule)
    missing_column
    """
    present = set(names)
    return [
        Violation(column.name, "missing_column", 1)
        for column in contract.required(purpose)
        if column.name not in present
    ]


class TableEncoder:
    """Read, check and encode Arrow tables; the same verdict as `RowEncoder`, row for row.

    Parameters
    ----------
    contract
        With the levels of every encoded category.
    purpose
        Which columns the table must have. For ``"train"`` the label is left to
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
        self._encoded = tuple(ColumnReader(column, encode=True) for column in encoded)
        names = {column.name for column in encoded}
        self._checked = tuple(
            ColumnReader(column, encode=False)
            for column in (*contract.required(purpose), *contract.optional(purpose))
            if column.name not in names and not column.has_role("label")
        )

    def encode(self, table: pa.Table, *, name: str = "the table") -> Encoded:
        """Encode a table of n rows.

        Returns
        -------
        Encoded
            Rows in the table's order; those that break a rule are findings, not errors.

        Raises
        ------
        DataError
            If a column is missing.
        """
        nothing = table.num_rows == 0 and table.num_columns == 0
        absent = missing_columns(self.contract, self.purpose, table.column_names)
        if absent and not nothing:  # an empty list of rows has no columns to miss
            raise DataError(name, absent)
        present = set(table.column_names)
        matrix = np.empty((table.num_rows, len(self._encoded)))
        findings: list[Finding] = []
        warnings: list[Finding] = []
        for position, reader in enumerate((*self._encoded, *self._checked)):
            column = reader.column
            if column.name not in present:
                continue
            reading = reader.read(table[column.name])
            if reader.encode:
                matrix[:, position] = reading.codes
            findings.extend(
                Finding(column.name, rule, rows, column.type)
                for rule, rows in reading.broken.items()
            )
            if reading.unknown.size:
                warnings.append(
                    Finding(column.name, "unknown_category", reading.unknown, column.type)
                )
        return Encoded(
            entity=[] if nothing else table[self.contract.entity.name],
            matrix=matrix,
            n_features=len(self.contract.features),
            findings=tuple(findings),
            warnings=tuple(warnings),
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """What a column held.

    Parameters
    ----------
    codes
        Float64 (n,), NaN where missing or refused; zeros for what is only checked.
    broken
        For each broken rule the rows that break it, ascending.
    unknown
        The rows with a category that is read as missing.
    """

    codes: _Codes
    broken: dict[str, _Rows] = field(default_factory=dict)
    unknown: _Rows = field(default_factory=lambda: _NO_ROWS)


class ColumnReader:
    """Read one column of Arrow tables.

    Parameters
    ----------
    column
        The column of the contract; a string that is to be encoded needs its levels.
    encode
        Whether codes are wanted, or only what is wrong.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> reader = ColumnReader(Column("visits", "integer", ("feature",)), encode=True)
    >>> reader.read(pa.chunked_array([["3", "x"]])).broken
    {'type': array([1])}
    """

    def __init__(self, column: Column, *, encode: bool) -> None:
        self.column = column
        self.encode = encode
        self._cell = compile_cell(column, lenient=True, encode=encode)
        self._spelling = Spelling.of(column)
        self._is_number = column.type in {"integer", "number"}
        self._limits = Limits.of(column) if self._is_number else None
        self._any_text = column.type == "string" and not encode
        self._any_text = self._any_text and not column.checks and column.levels is None

    def read(self, chunked: pa.ChunkedArray) -> Reading:
        """Read the column of n rows."""
        if self._spelling is not None:
            chunked = self._spelling.respell(chunked)
        array = one_array(chunked)
        kind = array.type
        if self._limits is not None:
            codes, unreadable = numbers_of(array)
            return self._judge_numbers(codes, unreadable, self._limits)
        if self.column.type == "datetime" and is_temporal(kind):
            return self._missing_only(np.asarray(array.is_null()))
        if self._any_text and pa.types.is_integer(kind):
            # A whole number is a fine name for a customer.
            return self._missing_only(np.asarray(array.is_null()))
        if self._any_text and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            nul = pc.any(pc.match_substring(array, "\x00")).as_py()
            if not nul:
                trimmed = pc.utf8_ltrim(array, characters=BLANKS)
                blank = pc.fill_null(pc.equal(pc.binary_length(trimmed), 0), fill_value=True)
                return self._missing_only(np.asarray(blank))
        return self._read_distinct(array)

    def _missing_only(self, missing: _Mask) -> Reading:
        codes = np.zeros(len(missing))
        if self.column.nullable or not missing.any():
            return Reading(codes)
        return Reading(codes, {"not_null": np.flatnonzero(missing)})

    def _judge_numbers(self, codes: _Codes, unreadable: _Mask | None, limits: Limits) -> Reading:
        whole = self.column.type == "integer"
        clean = (codes >= limits.low) & (codes <= limits.high)
        if whole:
            clean &= codes == np.floor(codes)
        if limits.allowed is not None:
            clean &= np.isin(codes, list(limits.allowed))
        if limits.forbidden:
            clean &= ~np.isin(codes, list(limits.forbidden))
        missing = np.isnan(codes)
        if unreadable is not None:
            missing &= ~unreadable
        if self.column.nullable:
            clean |= missing
        if clean.all():
            return Reading(codes)
        # Few rows are left: each answers for the first rule that it breaks.
        rows = np.flatnonzero(~clean)
        suspects = codes[rows]
        none = np.zeros(len(rows), dtype=bool)
        rules: list[tuple[str, _Mask]] = [
            ("type", none if unreadable is None else unreadable[rows]),
            ("not_null", missing[rows]),
            ("finite", np.isinf(suspects)),
        ]
        if whole:
            rules.append(("type", suspects != np.floor(suspects)))
        rules += [(str(check), ~_passes(suspects, check)) for check in self.column.checks]
        codes = codes.copy()
        codes[rows] = np.nan
        return Reading(codes, _first_rules(rows, rules))

    def _read_distinct(self, array: pa.Array) -> Reading:
        """Read each distinct value once, cell by cell, and spread the answers over the rows."""
        values, index = distinct_values(array)
        answers = [self._cell(value) for value in values]
        codes = np.array([a if isinstance(a, float) else np.nan for a in answers])
        rules: dict[str, list[int]] = {}
        unknown: list[int] = []
        for position, answer in enumerate(answers):
            if isinstance(answer, str):
                rules.setdefault(answer, []).append(position)
            elif isinstance(answer, Unknown):
                unknown.append(position)
        broken = {rule: _rows_with(index, places) for rule, places in rules.items()}
        return Reading(
            codes[index],
            {rule: rows for rule, rows in broken.items() if rows.size},
            _rows_with(index, unknown) if unknown else _NO_ROWS,
        )


def _rows_with(index: NDArray[np.intp], places: list[int]) -> _Rows:
    if len(places) == 1:
        return np.flatnonzero(index == places[0])
    return np.flatnonzero(np.isin(index, places))


def _first_rules(rows: _Rows, rules: list[tuple[str, _Mask]]) -> dict[str, _Rows]:
    broken: dict[str, list[_Rows]] = {}
    open_ = np.ones(len(rows), dtype=bool)
    for rule, mask in rules:
        fresh = mask & open_
        if fresh.any():
            broken.setdefault(rule, []).append(rows[fresh])
            open_ &= ~fresh
    return {rule: np.sort(np.concatenate(parts)) for rule, parts in broken.items()}


def _passes(codes: _Codes, check: Check) -> _Mask:
    if check.rule in {"isin", "notin"}:
        inside = np.isin(codes, np.array(check.value, dtype=np.float64))
        return np.asarray(inside if check.rule == "isin" else ~inside)
    return np.asarray(_COMPARE[check.rule](codes, check.value))
