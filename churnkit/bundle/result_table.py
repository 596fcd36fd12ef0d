"""Answers as tables: beside the customers' ids, of the kind that was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.bundle.entity_ids import arrow_ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from churnkit.contracts.encoding.encoded import Encoded

__all__ = ["tabulate"]


def tabulate(original: Any, encoded: Encoded, columns: Mapping[str, Any], *, entity: str) -> Any:
    """Put columns beside the customers' ids and problems, in a table like `original`.

    Parameters
    ----------
    original
        The table, or the list of dicts, that was asked about.
    encoded
        What was read of it, n rows.
    columns
        By name, n values each.
    entity
        The name of the column of ids.
    """
    import pyarrow as pa

    from churnkit.contracts.arrow_interop import convert_like

    reasons = encoded.reasons()
    problem = [reasons.get(row) for row in range(len(encoded.matrix))]
    result: dict[str, pa.Array] = {entity: arrow_ids(encoded.entity)}
    kinds = _types()
    for name, column in columns.items():
        result[name] = pa.array(column, type=kinds.get(name), from_pandas=True)
    result["problem"] = pa.array(problem, type=pa.string())
    return convert_like(original, pa.table(result))


def _types() -> dict[str, pa.DataType]:
    """Give the types of columns that would have none where every value is missing."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    reason = {"column": text, "reason": text, "points": number, "contribution": number}
    return {
        "reasons": pa.list_(pa.struct(reason)),
        **dict.fromkeys(("action", "reason", "holdout", "segment"), text),
        "propensity": number,
        "explored": pa.bool_(),
        "options": pa.list_(text),
        **dict.fromkeys(("propensities", "values"), pa.list_(number)),
    }
