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
    import pyarrow as pa

    from churnkit.contracts.contract import Contract
    from churnkit.contracts.parsing.arrow_columns import ParsedColumn

__all__ = ["MAX_LEVELS", "learn_levels"]

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
    parsed = ParsedTable.wrap(table)
    learned: dict[str, list[str]] = {}
    for column in contract.columns:
        if column.type != "string" or column.levels is not None:
            continue
        if not column.has_role(*ENCODED_ROLES):
            continue
        if column.name not in table.column_names:
            raise DataError("the training table", [Violation(column.name, "missing_column", 1)])
        counts = _counts(parsed.column(column))
        frequent = sorted(counts, key=lambda level: (-counts[level], level))[:MAX_LEVELS]
        levels = sorted(
            level for level in frequent if all(check.holds(level) for check in column.checks)
        )
        if column.unknown == "other":
            common = [level for level in levels if counts[level] >= _MIN_ROWS]
            levels = [*(level for level in common if level != OTHER_LEVEL), OTHER_LEVEL]
        learned[column.name] = levels
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
