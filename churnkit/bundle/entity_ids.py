"""Customers' ids: as text, as Arrow, and checked for repeats."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from churnkit.contracts.parsing.scalars import to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from churnkit.contracts.encoding.encoded import Encoded

__all__ = ["arrow_ids", "entities", "refuse_repeated", "repeated_rows"]


def entities(encoded: Encoded) -> list[str]:
    """Return the customers' ids as text, as holdouts and the journal use them."""
    # 4711.0 and Decimal("4711.00") are the customer 4711.
    return [
        (isinstance(entity, (float, Decimal)) and to_text(entity)) or str(entity)
        for entity in _ids(encoded)
    ]


def arrow_ids(entity: Sequence[Any]) -> pa.Array:
    """Return ids as an Arrow array, as text where they are of several types."""
    import pyarrow as pa

    if isinstance(entity, (pa.Array, pa.ChunkedArray)):
        return entity
    try:
        return pa.array(entity)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if name is None else str(name) for name in entity])


def repeated_rows(ids: Iterable[Any]) -> list[int]:
    """Return the rows whose id an earlier row has.

    Examples
    --------
    >>> repeated_rows(["a", "b", "a", None, None])
    [2]
    """
    seen: set[Any] = set()
    rows = []
    for row, entity in enumerate(ids):
        # A list or an object is not an id; validation reports it.
        if entity is None or isinstance(entity, (list, dict)):
            continue
        if entity in seen:
            rows.append(row)
        seen.add(entity)
    return rows


def refuse_repeated(encoded: Encoded, column: str) -> None:
    """Refuse a customer with two rows.

    Raises
    ------
    DataError
        With the rows.
    """
    from churnkit.contracts.validation.violations import Violation
    from churnkit.errors import DataError

    if _are_distinct(encoded.entity):
        return
    rows = repeated_rows(_ids(encoded))
    if rows:
        raise DataError("the table", [Violation(column, "unique", len(rows), tuple(rows[:5]))])


def _are_distinct(entity: Any) -> bool:
    """Return True if Arrow ids are distinct, without a Python object for each."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = getattr(entity, "type", None)
    if kind is None or not (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)
    ):
        return False
    return bool(pc.count_distinct(entity).as_py() == len(entity) - entity.null_count)


def _ids(encoded: Encoded) -> list[Any]:
    entity: Any = encoded.entity
    return entity.to_pylist() if hasattr(entity, "to_pylist") else list(entity)
