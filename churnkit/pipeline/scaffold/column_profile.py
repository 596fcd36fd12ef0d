"""Profile of a column: type, distinct texts and their counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from churnkit.contracts.parsing.arrow_columns import distinct_values, is_temporal, one_array
from churnkit.contracts.parsing.scalars import BLANKS, to_text
from churnkit.errors import ChurnkitError
from churnkit.timeline.source_tables import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["ColumnProfile", "profile_column", "refuse_unknown_column"]


@dataclass(frozen=True)
class ColumnProfile:
    """Distinct values of a column.

    Parameters
    ----------
    name
        Name of the column in the table.
    kind
        ``text``, or by the table's types ``number``, ``boolean``, ``date`` or ``other``.
    texts
        Distinct values as trimmed text, without blank ones.
    counts
        Number of rows with each text, shape (len(texts),).
    rows
        Number of rows.
    """

    name: str
    kind: str
    texts: tuple[str, ...]
    counts: NDArray[np.int64]
    rows: int

    @property
    def filled(self) -> int:
        """Number of rows with a value."""
        return int(self.counts.sum())

    @property
    def missing(self) -> int:
        """Number of rows without a value."""
        return self.rows - self.filled

    @property
    def distinct(self) -> int:
        """Number of distinct values."""
        return len(self.texts)

    def without(self, texts: set[str]) -> ColumnProfile:
        """Return the profile with these texts as missing values."""
        kept = [number for number, text in enumerate(self.texts) if text not in texts]
        return replace(
            self, texts=tuple(self.texts[number] for number in kept), counts=self.counts[kept]
        )

    def rows_with(self, texts: set[str]) -> int:
        """Count the rows with one of these texts."""
        return int(sum(n for text, n in zip(self.texts, self.counts, strict=True) if text in texts))


def profile_column(name: str, chunked: pa.ChunkedArray) -> ColumnProfile:
    """Profile a column.

    Examples
    --------
    >>> profile = profile_column("plan", pa.chunked_array([["a", "b ", "", "a"]]))
    >>> profile.texts, profile.counts.tolist(), profile.missing
    (('a', 'b'), [2, 1], 1)
    """
    array = one_array(chunked)
    kind = _kind(array.type)
    values, index = distinct_values(array)
    value_counts = np.bincount(index, minlength=len(values))
    counts: dict[str, int] = {}
    for value, count in zip(values, value_counts, strict=True):
        text = None if value is None or not count else to_text(value)
        trimmed = (text or "").strip(BLANKS)
        if trimmed and trimmed != "nan":
            counts[trimmed] = counts.get(trimmed, 0) + int(count)
    return ColumnProfile(
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
    # A column of nulls has no type; it is treated as text.
    return "text" if pa.types.is_null(kind) else "other"


def refuse_unknown_column(
    table: str, columns: Mapping[str, ColumnProfile], option: str, name: str
) -> None:
    """Refuse an option that names a column which the table does not have.

    Raises
    ------
    ChurnkitError
        With the most similar column.
    """
    if name not in columns:
        raise ChurnkitError(
            f"{table} has no column '{name}' ({option}); {did_you_mean(name, columns)}"
        )
