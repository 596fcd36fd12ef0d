"""Learn the categories that the schema does not list from the training table."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from churnkit.contracts.parsing.arrow_columns import ParsedTable
from churnkit.contracts.parsing.scalars import read_text
from churnkit.contracts.schema.column import OTHER_LEVEL
from churnkit.contracts.schema.table_schema import ENCODED_ROLES
from churnkit.contracts.validation.violations import Violation
from churnkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from churnkit.contracts.contract import Contract
    from churnkit.contracts.parsing.arrow_columns import ParsedColumn

__all__ = ["MAX_LEVELS", "count_levels", "learn_levels", "select_levels"]

MAX_LEVELS = 1_000
# Rarer categories are read as the category "other" in training, so that it is learned.
_MIN_ROWS = 10


def learn_levels(contract: Contract, table: pa.Table | ParsedTable) -> Contract:
    """Return the contract with the categories of a training table, in text order.

    Categories beyond the `MAX_LEVELS` most frequent are dropped and treated as unknown, and with
    ``unknown="other"`` those of fewer than 10 rows too.

    Parameters
    ----------
    contract
        Its encoded string columns without levels are learned.
    table
        n rows.

    Returns
    -------
    Contract

    Raises
    ------
    DataError
        If such a column is missing.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.contracts import Contract, Schema, entity, feature
    >>> class Gym(Schema):
    ...     member_id: str = entity()
    ...     city: str = feature()
    >>> table = pa.table({"member_id": ["1", "2", "3"], "city": ["Oslo", " Bern ", "Oslo"]})
    >>> learn_levels(Contract.from_schema(Gym), table)["city"].levels
    ('Bern', 'Oslo')
    """
    return select_levels(contract, count_levels(contract, table))


def count_levels(contract: Contract, table: pa.Table | ParsedTable) -> dict[str, Counter[str]]:
    """Count the categories of a table, or of a part of one, by column.

    Raises
    ------
    DataError
        If a column whose categories are learned is missing.
    """
    parsed = ParsedTable.wrap(table)
    counts = {}
    for column in contract.columns:
        if column.type != "string" or column.levels is not None:
            continue
        if not column.has_role(*ENCODED_ROLES):
            continue
        if column.name not in table.column_names:
            raise DataError("the training table", [Violation(column.name, "missing_column", 1)])
        counts[column.name] = _counts(parsed.column(column))
    return counts


def select_levels(contract: Contract, counted: Mapping[str, Counter[str]]) -> Contract:
    """Return the contract with the categories that were counted; see `learn_levels`."""
    learned: dict[str, list[str]] = {}
    for name, counts in counted.items():
        column = contract[name]
        frequent = sorted(counts, key=lambda level: (-counts[level], level))[:MAX_LEVELS]
        levels = sorted(
            level for level in frequent if all(check.holds(level) for check in column.checks)
        )
        if column.unknown == "other":
            common = [level for level in levels if counts[level] >= _MIN_ROWS]
            levels = [*(level for level in common if level != OTHER_LEVEL), OTHER_LEVEL]
        learned[name] = levels
    return contract.with_levels(learned)


def _counts(column: ParsedColumn) -> Counter[str]:
    """Count the trimmed texts of a column."""
    values, index = column.distinct
    counts: Counter[str] = Counter()
    for value, count in zip(values, np.bincount(index, minlength=len(values)), strict=True):
        text = read_text(value, lenient=True)
        if text and count:
            counts[text] += int(count)
    return counts
