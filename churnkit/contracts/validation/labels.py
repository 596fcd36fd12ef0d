"""Encode the label, and find duplicate customers of a training table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.parsing.arrow_columns import ParsedTable
from churnkit.contracts.parsing.cell_parsers import compile_cell_parser
from churnkit.contracts.parsing.date_spelling import is_open_date
from churnkit.contracts.parsing.scalars import read_date, read_text
from churnkit.contracts.validation.violations import Finding, Violation
from churnkit.errors import ContractError, DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.contracts.schema.column import Column
    from churnkit.contracts.schema.table_schema import TableSchema

__all__ = ["duplicate_keys", "encode_label", "hash_keys", "parse_label", "refuse_constant"]


def encode_label(
    contract: TableSchema, table: pa.Table | ParsedTable, *, name: str = ""
) -> tuple[NDArray[np.int8], list[Finding]]:
    """Encode the label as 1 (churned) and 0, with findings for rows that cannot be parsed.

    A nullable date or text is 0 where it is blank and, without values for churned, 1 where it is
    filled; dates that stand for no date count as blanks.

    Parameters
    ----------
    contract
        With a label.
    table
        n rows.
    name
        Name of the table in messages; the contract's name by default.

    Returns
    -------
    labels
        Int8 (n,); 0 for rows with a finding.
    findings
        The rows whose label is missing or invalid.

    Raises
    ------
    ContractError
        If the contract has no label, or a text label without a positive value.
    DataError
        If the column is missing or all rows have the same label.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.contracts import Contract, Schema, entity, label
    >>> class Gym(Schema):
    ...     member_id: str = entity()
    ...     churned: bool = label()
    >>> table = pa.table({"member_id": ["1", "2"], "churned": ["Yes", "No"]})
    >>> encode_label(Contract.from_schema(Gym), table)[0]
    array([1, 0], dtype=int8)
    """
    labels, findings = parse_label(contract, table, name=name)
    if len(labels) and not findings:
        refuse_constant(contract, len(labels), int(labels.sum()), name=name)
    return labels, findings


def refuse_constant(contract: TableSchema, rows: int, churned: int, *, name: str = "") -> None:
    """Refuse a label that all rows share.

    Raises
    ------
    DataError
        If no row churned, or all did.
    """
    if contract.label is not None and churned in {0, rows}:
        raise DataError(
            name or contract.name, [Violation(contract.label.name, "constant_label", rows)]
        )


def parse_label(
    contract: TableSchema, table: pa.Table | ParsedTable, *, name: str = ""
) -> tuple[NDArray[np.int8], list[Finding]]:
    """Encode the label of a part of a table, which may be the same in all of its rows.

    Parameters, results and errors are those of `encode_label`, but for a constant label.
    """
    column = contract.label
    if column is None:
        raise ContractError(
            f"contract '{contract.name}' has no label: declare one column with label()"
        )
    if column.type == "string" and column.positive is None and not column.nullable:
        raise ContractError(
            f"column '{column.name}': a text label needs the value for churned, as in "
            "label(positive='Yes'), or nullable=True if any text means churned and a blank stayed"
        )
    name = name or contract.name
    if column.name not in table.column_names:
        raise DataError(name, [Violation(column.name, "missing_column", 1)])
    parse = compile_cell_parser(column, lenient=True, encode=False, normalized=True)
    values, index = ParsedTable.wrap(table).column(column).distinct
    codes = np.zeros(len(values), dtype=np.int8)
    positions: dict[str, list[int]] = {}
    for position, value in enumerate(values):
        result: Any = parse(value)
        if not isinstance(result, str):
            result = _is_positive(column, value, result)
        if isinstance(result, str):
            positions.setdefault(result, []).append(position)
        else:
            codes[position] = result
    violations = {rule: np.flatnonzero(np.isin(index, these)) for rule, these in positions.items()}
    findings = [
        Finding(column.name, rule, rows, column.type)
        for rule, rows in violations.items()
        if rows.size
    ]
    return codes[index], findings


def _is_positive(column: Column, value: Any, code: Any) -> bool | str:
    """Compare a valid label with the positive value, or return the rule that it violates."""
    if column.type == "datetime":
        date = read_date(value)
        return isinstance(date, int) and not is_open_date(date)
    if column.type == "string":
        text = read_text(value, lenient=True)
        return text in column.positives if column.positives else bool(text)
    if column.positives:
        return code in map(float, column.positives)
    return bool(code) if code in {0.0, 1.0} else "zero_or_one"


def duplicate_keys(contract: TableSchema, table: pa.Table | ParsedTable) -> list[Finding]:
    """Find rows whose customer (and date, if the table has one) appears in an earlier row.

    Customers are compared by their trimmed text, dates by their timestamp. Rows without a
    customer are skipped: they violate another rule.

    Parameters
    ----------
    contract
        It names the entity and the date.
    table
        n rows.

    Returns
    -------
    list of Finding
        One finding with the duplicate rows, or none.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.contracts import Column, Contract
    >>> gym = Contract("gym", (Column("member_id", "string", ("entity",)),))
    >>> duplicate_keys(gym, pa.table({"member_id": ["1", "2", "1 "]}))[0].positions
    array([2])
    """
    parsed = ParsedTable.wrap(table)
    customer = _numbered_keys(parsed, contract.entity)
    rows = np.flatnonzero(customer >= 0)
    keys = customer[rows]
    if contract.as_of is not None and contract.as_of.name in parsed.column_names:
        date = _numbered_keys(parsed, contract.as_of)[rows]
        keys = keys * (date.max(initial=0) + 2) + date + 1
    _, first = np.unique(keys, return_index=True)
    duplicates = np.delete(rows, first)
    if not duplicates.size:
        return []
    return [Finding(contract.entity.name, "unique", duplicates, contract.entity.type)]


def hash_keys(contract: TableSchema, table: pa.Table | ParsedTable) -> NDArray[np.uint64]:
    """Hash the customer (and date) of each row, to find duplicates among parts of a table.

    Equal keys have equal hashes; two of a million different ones are equal with a probability of
    3e-8.

    Returns
    -------
    numpy.ndarray
        Hashes (n,); 0 for rows without a customer.
    """
    from pandas.util import hash_array

    parsed = ParsedTable.wrap(table)

    def hashes(column: Column) -> NDArray[np.uint64]:
        values, index = parsed.column(column).distinct
        keys = [_key(column, value) for value in values]
        texts = np.array(["" if key is None else str(key) for key in keys], dtype=object)
        hashed = hash_array(texts, categorize=False)
        hashed[[key is None for key in keys]] = 0
        return np.asarray(hashed[index], dtype=np.uint64)

    keys = hashes(contract.entity)
    if contract.as_of is not None and contract.as_of.name in parsed.column_names:
        mixed = keys * np.uint64(0x9E3779B97F4A7C15) ^ hashes(contract.as_of)
        keys = np.where(keys == 0, keys, mixed)
    return keys


def _numbered_keys(parsed: ParsedTable, column: Column) -> NDArray[np.int64]:
    """Number the distinct keys of a column from 0; -1 for missing ones."""
    values, index = parsed.column(column).distinct
    numbers: dict[Any, int] = {}
    keys = [_key(column, value) for value in values]
    codes = [-1 if key is None else numbers.setdefault(key, len(numbers)) for key in keys]
    return np.array(codes, dtype=np.int64)[index]


def _key(column: Column, value: Any) -> str | int | None:
    if column.type == "datetime":
        microseconds = read_date(value)
        return microseconds if isinstance(microseconds, int) else None
    return read_text(value, lenient=True) or None
