"""Categories that the schema does not list are learned from the training table."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from churnkit.contracts.parsing.arrow_columns import distinct_values, one_array
from churnkit.contracts.parsing.number_spelling import Spelling
from churnkit.contracts.parsing.scalars import read_text
from churnkit.contracts.validation.violations import Violation
from churnkit.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from churnkit.contracts.contract import Contract

__all__ = ["MAX_LEVELS", "learn_levels"]

MAX_LEVELS = 1_000
_ENCODED_ROLES = ("feature", "value", "cost", "context")


def learn_levels(contract: Contract, table: pa.Table) -> Contract:
    """Return the contract with the categories that a training table holds, in text order.

    A category beyond the `MAX_LEVELS` most frequent is left out, and so read as its column
    says of unknown ones.

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
    learned: dict[str, list[str]] = {}
    for column in contract.columns:
        if column.type != "string" or column.levels is not None:
            continue
        if not column.has_role(*_ENCODED_ROLES):
            continue
        if column.name not in table.column_names:
            raise DataError("the training table", [Violation(column.name, "missing_column", 1)])
        spelling = Spelling.of(column)
        texts = table[column.name]
        counts = _counts(texts if spelling is None else spelling.respell(texts))
        frequent = sorted(counts, key=lambda level: (-counts[level], level))[:MAX_LEVELS]
        learned[column.name] = sorted(
            level for level in frequent if all(check.holds(level) for check in column.checks)
        )
    return contract.with_levels(learned)


def _counts(chunked: pa.ChunkedArray) -> Counter[str]:
    """Count the trimmed texts of a column."""
    values, index = distinct_values(one_array(chunked))
    counts: Counter[str] = Counter()
    for value, count in zip(values, np.bincount(index, minlength=len(values)), strict=True):
        text = read_text(value, lenient=True)
        if text and count:
            counts[text] += int(count)
    return counts
