"""Customers' ids beside what a model says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from churnkit.contracts.encoding.encoded import Encoded

__all__ = ["arrow_ids", "entities", "refuse_repeated"]


def entities(encoded: Encoded) -> list[str]:
    """Give the customers' ids as text: what holdouts are chosen by and the journal holds."""
    entity = encoded.entity
    names = entity.to_pylist() if hasattr(entity, "to_pylist") else list(entity)
    return [str(name) for name in names]


def arrow_ids(entity: Sequence[Any]) -> pa.Array:
    """Give ids as an Arrow array, as text where they are of several types."""
    import pyarrow as pa

    if isinstance(entity, (pa.Array, pa.ChunkedArray)):
        return entity
    try:
        return pa.array(entity)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if name is None else str(name) for name in entity])


def refuse_repeated(encoded: Encoded, column: str) -> None:
    """Refuse a customer who stands in two rows.

    Raises
    ------
    DataError
        With the rows.
    """
    from churnkit.contracts.validation.violations import Violation
    from churnkit.errors import DataError

    entity = encoded.entity
    names = entity.to_pylist() if hasattr(entity, "to_pylist") else list(entity)
    seen: set[Any] = set()
    repeated = []
    for position, customer in enumerate(names):
        if customer in seen and customer is not None:
            repeated.append(position)
        seen.add(customer)
    if repeated:
        raise DataError(
            "the table", [Violation(column, "unique", len(repeated), tuple(repeated[:5]))]
        )
