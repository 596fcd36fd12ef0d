"""What a column of an unknown table holds: its distinct texts, and how often each stands there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from churnkit.contracts.parsing.arrow_columns import distinct_values, is_temporal, one_array
from churnkit.contracts.parsing.scalars import BLANKS, to_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Facts", "facts_of"]


@dataclass(frozen=True)
class Facts:
    """What was found in one column.

    Parameters
    ----------
    name
        As the table spells it.
    kind
        ``text``, or by the table's own types ``number``, ``boolean``, ``date`` or ``other``.
    texts
        The distinct values as trimmed text, without blank ones.
    counts
        How many rows have each, the same length.
    rows
        How many rows there are.
    """

    name: str
    kind: str
    texts: tuple[str, ...]
    counts: NDArray[np.int64]
    rows: int

    @property
    def known(self) -> int:
        """How many rows have a value."""
        return int(self.counts.sum())

    @property
    def missing(self) -> int:
        """How many rows have none."""
        return self.rows - self.known

    @property
    def distinct(self) -> int:
        """How many different values there are."""
        return len(self.texts)

    def rows_with(self, texts: set[str]) -> int:
        """Count the rows whose text is one of these."""
        return int(sum(n for text, n in zip(self.texts, self.counts, strict=True) if text in texts))


def facts_of(name: str, chunked: pa.ChunkedArray) -> Facts:
    """Look at one column.

    Examples
    --------
    >>> facts = facts_of("plan", pa.chunked_array([["a", "b ", "", "a"]]))
    >>> facts.texts, facts.counts.tolist(), facts.missing
    (('a', 'b'), [2, 1], 1)
    """
    array = one_array(chunked)
    kind = _kind(array.type)
    values, index = distinct_values(array)
    held = np.bincount(index, minlength=len(values))
    counts: dict[str, int] = {}
    for value, count in zip(values, held, strict=True):
        text = None if value is None or not count else to_text(value)
        trimmed = (text or "").strip(BLANKS)
        if trimmed and trimmed != "nan":
            counts[trimmed] = counts.get(trimmed, 0) + int(count)
    return Facts(
        name, kind, tuple(counts), np.array(list(counts.values()), dtype=np.int64), len(chunked)
    )


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if is_temporal(kind):
        return "date"
    # A column without any value has no type; it is as good as text.
    return "text" if pa.types.is_null(kind) else "other"
