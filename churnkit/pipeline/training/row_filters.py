"""Rows of a training table that nothing can be learned from, left out and counted."""

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

__all__ = ["REASONS", "Reason", "leave_out_rows", "say_left_out"]

Reason = Literal["unnamed", "unlabelled", "repeated"]
REASONS: tuple[str, ...] = get_args(Reason)
_SAYS = {
    "unnamed": "name no customer",
    "unlabelled": "do not say whether the customer left",
    "repeated": "repeat an earlier row word for word",
}


def leave_out_rows(
    contract: Contract, table: pa.Table, reasons: Sequence[str]
) -> tuple[pa.Table, dict[str, int]]:
    """Leave out the rows that a recipe says it can do without.

    Parameters
    ----------
    contract
        Says which column is the customer and which the label, and which columns are read.
    table
        The training table, n rows.
    reasons
        ``"unnamed"``: no customer; ``"unlabelled"``: no label; ``"repeated"``: the columns that
        training reads all equal those of an earlier row.

    Returns
    -------
    table
        The rows that stay, in order.
    counts
        How many were left out, by reason, where any were.

    Raises
    ------
    RecipeError
        If a reason is none of these.

    Examples
    --------
    >>> from churnkit.contracts import Column, Contract
    >>> gym = Contract("gym", (Column("member", "string", ("entity",)),))
    >>> kept, counts = leave_out_rows(gym, pa.table({"member": ["a", "a ", ""]}), REASONS)
    >>> kept["member"].to_pylist(), counts
    (['a'], {'unnamed': 1, 'repeated': 1})
    """
    strange = [reason for reason in reasons if reason not in REASONS]
    if strange:
        raise RecipeError(f"leave_out: '{strange[0]}' is none of {', '.join(REASONS)}")
    counts: dict[str, int] = {}
    for reason in REASONS:
        if reason not in reasons or not table.num_rows:
            continue
        keep = _kept(contract, table, reason)
        if not keep.all():
            counts[reason] = int((~keep).sum())
            table = table.filter(pa.array(keep))
    return table, counts


def say_left_out(counts: dict[str, int]) -> tuple[str, ...]:
    """Say how many rows were left out, and why.

    Examples
    --------
    >>> say_left_out({"unnamed": 2})
    ('left out: 2 rows name no customer',)
    """
    return tuple(f"left out: {count:,} rows {_SAYS[reason]}" for reason, count in counts.items())


def _kept(contract: Contract, table: pa.Table, reason: str) -> NDArray[np.bool_]:
    everything = np.ones(table.num_rows, dtype=bool)
    if reason == "repeated":
        return _first_of_each(contract, table)
    column = contract.entity if reason == "unnamed" else contract.label
    if column is None or column.name not in table.column_names:
        return everything
    values, index = distinct_values(one_array(table[column.name]))
    known = np.array([read_text(value, lenient=True) != "" for value in values])
    kept: NDArray[np.bool_] = known[index]
    return kept


def _first_of_each(contract: Contract, table: pa.Table) -> NDArray[np.bool_]:
    """Mark the first of all rows that are equal in every column that training reads."""
    keys = np.zeros(table.num_rows, dtype=np.int64)
    for column in contract.required("train"):
        if column.name not in table.column_names:
            continue
        values, index = distinct_values(one_array(table[column.name]))
        numbers: dict[Any, int] = {}
        places = [numbers.setdefault(_same(value), len(numbers)) for value in values]
        codes = np.array(places, dtype=np.int64)[index]
        # Numbered anew after each column, so that the product stays small.
        _, keys = np.unique(keys * (len(numbers) + 1) + codes, return_inverse=True)
    kept = np.zeros(table.num_rows, dtype=bool)
    kept[np.unique(keys, return_index=True)[1]] = True
    return kept


def _same(value: Any) -> Any:
    text = read_text(value, lenient=True)
    return (id(value),) if text is None else text
