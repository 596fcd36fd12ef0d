"""The leakage guard of every training: refuse what a model must not learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnkit.timeline import find_leaks, refuse_leaks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.contracts.contract import Contract
    from churnkit.contracts.schema.column import Column

__all__ = ["refuse_leaking_features"]


def refuse_leaking_features(
    contract: Contract,
    customers: Sequence[str],
    X: NDArray[np.float64],
    y: NDArray[np.int8],
    *,
    waive: Sequence[str],
) -> tuple[str, ...]:
    """Look for leaks among the training customers and refuse those that are not waived.

    Parameters
    ----------
    contract
        With the levels of every category.
    customers
        The customers' ids, (n,).
    X, y
        Encoded features (n, f) and outcomes (n,).
    waive
        Findings that are known and meant, as ``"CK101:column"``.

    Returns
    -------
    The waived findings, a sentence each.

    Raises
    ------
    LeakageError
        With every finding that is not waived.
    RecipeError
        If a waiver names no code or no feature.
    """
    features = {c.name: _typed(X[:, place], c) for place, c in enumerate(contract.features)}
    # No column of a table can have these names and so hide the id or the label.
    entity, label = "\x00customer", "\x00left"
    table = pa.table({entity: pa.array(list(customers)), label: pa.array(y), **features})
    leaks = find_leaks(
        table, entity=entity, label=label, features=contract.feature_names, waive=waive
    )
    refuse_leaks(leaks)
    return tuple(f"waived: {leak}" for leak in leaks)


def _typed(codes: NDArray[np.float64], column: Column) -> Any:
    """Give a feature back the type that a person sees."""
    missing = np.isnan(codes)
    if column.is_category and column.levels:
        places = pa.array(np.where(missing, 0, codes).astype(np.int32), mask=missing)
        return pa.DictionaryArray.from_arrays(places, pa.array(column.levels)).cast(pa.string())
    if column.type == "boolean":
        return pa.array(codes == 1.0, mask=missing)
    if column.type == "integer":
        return pa.array(np.where(missing, 0, codes).astype(np.int64), mask=missing)
    return pa.array(codes, from_pandas=True)
