"""The label, and what makes a training table unfit to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.parsing.arrow_columns import distinct_values, one_array
from churnkit.contracts.parsing.cell_parsers import compile_cell
from churnkit.contracts.parsing.scalars import read_date, read_text
from churnkit.contracts.validation.violations import Finding, Violation
from churnkit.errors import ContractError, DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.contracts.contract import Contract
    from churnkit.contracts.schema.column import Column

__all__ = ["encode_label", "repeated_keys"]


def encode_label(
    contract: Contract, table: pa.Table, *, name: str = ""
) -> tuple[NDArray[np.int8], list[Finding]]:
    """Read the label as 1 (has left) and 0, with findings for rows where it cannot be read.

    Parameters
    ----------
    contract
        With a label.
    table
        n rows.
    name
        What to call the table in a message; the contract's name if not given.

    Returns
    -------
    labels
        Int8 (n,); 0 where the label cannot be read.
    findings
        The rows where it cannot.

    Raises
    ------
    ContractError
        If the contract has no label, or its text label does not say which value is positive.
    DataError
        If the column is missing or the table has customers of one kind only.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.contracts import Contract, Schema, entity, label
    >>> class Gym(Schema):
    ...     member_id: str = entity()
    ...     left: bool = label()
    >>> table = pa.table({"member_id": ["1", "2"], "left": ["Yes", "No"]})
    >>> encode_label(Contract.from_schema(Gym), table)[0]
    array([1, 0], dtype=int8)
    """
    column = _label_of(contract)
    if column.name not in table.column_names:
        raise DataError(name or contract.name, [Violation(column.name, "missing_column", 1)])
    cell = compile_cell(column, lenient=True, encode=False)
    values, index = distinct_values(one_array(table[column.name]))
    codes = np.zeros(len(values), dtype=np.int8)
    broken: dict[str, list[int]] = {}
    for position, value in enumerate(values):
        answer = cell(value)
        if not isinstance(answer, str):
            answer = _positive(column, value, answer)
        if isinstance(answer, str):
            broken.setdefault(answer, []).append(position)
        else:
            codes[position] = answer
    found = {rule: np.flatnonzero(np.isin(index, places)) for rule, places in broken.items()}
    findings = [
        Finding(column.name, rule, rows, column.type) for rule, rows in found.items() if rows.size
    ]
    labels = codes[index]
    if len(labels) and not findings and (labels.all() or not labels.any()):
        raise DataError(
            name or contract.name, [Violation(column.name, "constant_label", len(labels))]
        )
    return labels, findings


def _label_of(contract: Contract) -> Column:
    column = contract.label
    if column is None:
        raise ContractError(
            f"contract '{contract.name}' has no label: mark one column with label()"
        )
    if column.type == "string" and column.positive is None:
        raise ContractError(
            f"column '{column.name}': say which value means 'has left', as in label(positive='Yes')"
        )
    return column


def _positive(column: Column, value: Any, code: Any) -> bool | str:
    """Tell whether a label says "has left", or name the rule that it breaks."""
    if column.type == "string":
        return bool(read_text(value, lenient=True) == column.positive)
    if column.positive is not None:
        return bool(code == float(column.positive))
    return bool(code) if code in {0.0, 1.0} else "zero_or_one"


def repeated_keys(contract: Contract, table: pa.Table) -> list[Finding]:
    """Find rows whose customer (and date, if there is one) stands in an earlier row.

    Customers are told apart by their trimmed text, dates by their moment. Rows without a
    customer are not compared: they break another rule.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.contracts import Column, Contract
    >>> gym = Contract("gym", (Column("member_id", "string", ("entity",)),))
    >>> repeated_keys(gym, pa.table({"member_id": ["1", "2", "1 "]}))[0].positions
    array([2])
    """
    customer = _keys(table, contract.entity)
    rows = np.flatnonzero(customer >= 0)
    keys = customer[rows]
    if contract.as_of is not None and contract.as_of.name in table.column_names:
        moment = _keys(table, contract.as_of)[rows]
        keys = keys * (moment.max(initial=0) + 2) + moment + 1
    _, first = np.unique(keys, return_index=True)
    repeated = np.delete(rows, first)
    if not repeated.size:
        return []
    return [Finding(contract.entity.name, "unique", repeated, contract.entity.type)]


def _keys(table: pa.Table, column: Column) -> NDArray[np.int64]:
    """Number the distinct keys of a column, from 0; -1 for none."""
    values, index = distinct_values(one_array(table[column.name]))
    numbers: dict[Any, int] = {}
    keys = [_key(column, value) for value in values]
    places = [-1 if key is None else numbers.setdefault(key, len(numbers)) for key in keys]
    return np.array(places, dtype=np.int64)[index]


def _key(column: Column, value: Any) -> str | int | None:
    if column.type == "datetime":
        moment = read_date(value)
        return moment if isinstance(moment, int) else None
    return read_text(value, lenient=True) or None
