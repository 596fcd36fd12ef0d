"""Leakage guard of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnkit.timeline import find_leaks, refuse_leaks
from churnkit.timeline.leakage import feature_auc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.contracts.contract import Contract
    from churnkit.contracts.schema.column import Column

__all__ = ["feature_aucs", "refuse_leaking_features"]


def refuse_leaking_features(
    contract: Contract,
    customers: Sequence[str],
    X: NDArray[np.float64],
    y: NDArray[np.int8],
    *,
    waive: Sequence[str],
) -> tuple[str, ...]:
    """Refuse features of the training customers that leak the outcome.

    Parameters
    ----------
    contract
        Contract with the levels of every category.
    customers
        Ids of the customers, shape (n,).
    X, y
        Encoded features, shape (n, f), and outcomes, shape (n,).
    waive
        Findings to accept, as ``"CK101:column"``.

    Raises
    ------
    LeakageError
        With every finding that is not waived.
    RecipeError
        If a waiver names an unknown code or feature.
    """
    features = _decode_features(contract, X)
    # No column of a table can have these names and so hide the id or the label.
    entity, label = "\x00customer", "\x00left"
    table = pa.table({entity: pa.array(list(customers)), label: pa.array(y), **features})
    leaks = find_leaks(
        table, entity=entity, label=label, features=contract.feature_names, waive=waive
    )
    refuse_leaks(leaks)
    return tuple(f"waived: {leak}" for leak in leaks)


def feature_aucs(
    contract: Contract, X: NDArray[np.float64], y: NDArray[np.int8]
) -> dict[str, float]:
    """Return the area under the ROC curve of each feature alone; see `refuse_leaking_features`."""
    churned = y == 1
    aucs = {
        name: feature_auc(pa.chunked_array([values]), churned)
        for name, values in _decode_features(contract, X).items()
    }
    return {name: auc for name, auc in aucs.items() if auc is not None}


def _decode_features(contract: Contract, X: NDArray[np.float64]) -> dict[str, Any]:
    return {
        column.name: _decode(X[:, index], column) for index, column in enumerate(contract.features)
    }


def _decode(codes: NDArray[np.float64], column: Column) -> Any:
    """Return an encoded feature with its original type."""
    missing = np.isnan(codes)
    if column.is_category and column.levels:
        indices = pa.array(np.where(missing, 0, codes).astype(np.int32), mask=missing)
        return pa.DictionaryArray.from_arrays(indices, pa.array(column.levels)).cast(pa.string())
    if column.type == "boolean":
        return pa.array(codes == 1.0, mask=missing)
    if column.type == "integer":
        return pa.array(np.where(missing, 0, codes).astype(np.int64), mask=missing)
    return pa.array(codes, from_pandas=True)
