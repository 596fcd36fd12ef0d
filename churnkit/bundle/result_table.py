"""Results as tables: the customers' ids, the result columns and the problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.bundle.entity_ids import arrow_ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.decisions import RankingDecision

__all__ = ["ranked_columns", "tabulate"]


def tabulate(original: Any, encoded: Encoded, columns: Mapping[str, Any], *, entity: str) -> Any:
    """Return columns with the customers' ids and problems, as a table like `original`.

    Parameters
    ----------
    original
        The table, or the list of dicts, that was scored.
    encoded
        Its n encoded rows.
    columns
        Result columns by name, n values each.
    entity
        Name of the id column.

    Returns
    -------
    A table of the kind of `original`: `entity`, `columns`, ``problem``.
    """
    import pyarrow as pa

    from churnkit.contracts.arrow_interop import convert_like

    reasons = encoded.reasons()
    result: dict[str, pa.Array] = {entity: arrow_ids(encoded.entity)}
    types = _types()
    for name, column in columns.items():
        result[name] = pa.array(column, type=types.get(name), from_pandas=True)
    problems = [reasons.get(row) for row in range(len(encoded.matrix))]
    result["problem"] = pa.array(problems, type=pa.string())
    return convert_like(original, pa.table(result))


def ranked_columns(ranked: Sequence[RankingDecision | None]) -> dict[str, Any]:
    """Return the columns of ranked slates, (n,) each; None is a row that was not scored."""
    slates = [None if row is None else row.slate for row in ranked]
    return {
        "action": [None if row is None else row.action for row in ranked],
        "options": [None if slate is None else list(slate.options) for slate in slates],
        "propensities": [None if slate is None else list(slate.propensities) for slate in slates],
        "values": [None if slate is None else list(slate.values) for slate in slates],
        "reason": ["not scored" if row is None else row.reason for row in ranked],
    }


def _types() -> dict[str, pa.DataType]:
    """Return the types of columns whose values may all be missing."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    reason = {"column": text, "reason": text, "points": number, "contribution": number}
    return {
        "reasons": pa.list_(pa.struct(reason)),
        **dict.fromkeys(("action", "reason", "response", "holdout", "segment"), text),
        "propensity": number,
        "effect": number,
        "explored": pa.bool_(),
        "options": pa.list_(text),
        **dict.fromkeys(("propensities", "values"), pa.list_(number)),
    }
