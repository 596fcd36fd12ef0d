"""Leave out rows of a training table without customer or label, and duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pyarrow as pa

from churnkit.contracts.parsing.arrow_columns import distinct_values, one_array
from churnkit.contracts.parsing.scalars import read_text
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.contracts.contract import Contract

__all__ = ["REASONS", "Reason", "describe_left_out", "has_text", "leave_out_rows"]

Reason = Literal["unnamed", "unlabeled", "repeated"]
REASONS: tuple[str, ...] = get_args(Reason)
_DESCRIPTIONS = {
    "unnamed": "without a customer",
    "unlabeled": "without a label",
    "repeated": "that duplicate an earlier row",
}


def leave_out_rows(
    contract: Contract, table: pa.Table, reasons: Sequence[str]
) -> tuple[pa.Table, dict[str, int]]:
    """Leave out rows that cannot be learned from.

    Raises
    ------
    RecipeError
        If a reason is unknown.

    Examples
    --------
    >>> from churnkit.contracts import Column, Contract
    >>> gym = Contract("gym", (Column("member", "string", ("entity",)),))
    >>> kept, counts = leave_out_rows(gym, pa.table({"member": ["a", "a ", ""]}), REASONS)
    >>> kept["member"].to_pylist(), counts
    (['a'], {'unnamed': 1, 'repeated': 1})
    """
    for reason in reasons:
        if reason not in REASONS:
            raise RecipeError(f"leave_out must be among {', '.join(REASONS)}, got '{reason}'")
    counts: dict[str, int] = {}
    for reason in REASONS:
        if reason not in reasons or not table.num_rows:
            continue
        keep = _select(contract, table, reason)
        if not keep.all():
            counts[reason] = int((~keep).sum())
            table = table.filter(pa.array(keep))
    return table, counts


def describe_left_out(counts: dict[str, int]) -> tuple[str, ...]:
    """Describe how many rows were left out for each reason.

    Examples
    --------
    >>> describe_left_out({"unnamed": 2})
    ('left out: 2 rows without a customer',)
    """
    return tuple(
        f"left out: {count:,} rows {_DESCRIPTIONS[reason]}" for reason, count in counts.items()
    )


def has_text(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return a mask of the rows that are neither null nor blank, shape (n,)."""
    values, index = distinct_values(one_array(column))
    filled = np.array([read_text(value, lenient=True) != "" for value in values], dtype=bool)
    rows: NDArray[np.bool_] = filled[index]
    return rows


def _select(contract: Contract, table: pa.Table, reason: str) -> NDArray[np.bool_]:
    if reason == "repeated":
        return _first_occurrences(contract, table)
    column = contract.entity if reason == "unnamed" else contract.label
    # In a nullable label a blank means stayed.
    is_complete = column is not None and column.role == "label" and column.nullable
    if column is None or column.name not in table.column_names or is_complete:
        return np.ones(table.num_rows, dtype=bool)
    return has_text(table[column.name])


def _first_occurrences(contract: Contract, table: pa.Table) -> NDArray[np.bool_]:
    """Mark the first of the rows that are equal in every column that training reads."""
    keys = np.zeros(table.num_rows, dtype=np.int64)
    for column in contract.required("train"):
        if column.name not in table.column_names:
            continue
        values, index = distinct_values(one_array(table[column.name]))
        numbers: dict[Any, int] = {}
        codes = [numbers.setdefault(_identity(value), len(numbers)) for value in values]
        # Renumbered after each column, so that the product stays small.
        combined = keys * (len(numbers) + 1) + np.array(codes, dtype=np.int64)[index]
        _, keys = np.unique(combined, return_inverse=True)
    first = np.zeros(table.num_rows, dtype=bool)
    first[np.unique(keys, return_index=True)[1]] = True
    return first


def _identity(value: Any) -> Any:
    text = read_text(value, lenient=True)
    return (id(value),) if text is None else text
