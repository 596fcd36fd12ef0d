"""Covariates of customers: checked columns, and their scale during a fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.models.errors import ModelDataError
from churnkit.models.value.purchase.purchase_history import check_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.models.value.maximum_likelihood import MaximumLikelihood

__all__ = ["covariate_scale", "read_covariates", "restore_scale"]


def read_covariates(
    covariates: Any, size: int, *, names: Sequence[str] | None = None
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return the names and the columns (n, k) of a table of covariates.

    Parameters
    ----------
    covariates
        A pandas, polars or Arrow table, or a list of dicts, with numeric or boolean columns; None
        for none.
    size
        Number of customers.
    names
        The columns of a fitted model, in their order; all columns if not given.

    Raises
    ------
    ModelDataError
        A column is missing, not numeric, or has missing values; or the number of rows differs.

    Examples
    --------
    >>> read_covariates([{"plus": True}, {"plus": False}], 2)
    (('plus',), array([[1.],
           [0.]]))
    """
    if covariates is None:
        if names:
            raise ModelDataError(
                f"the model was fitted with covariates: pass covariates with {', '.join(names)}"
            )
        return (), np.empty((size, 0))
    if names is not None and not names:
        raise ModelDataError("the model was fitted without covariates: pass none, or fit it again")
    import pyarrow as pa

    from churnkit.contracts.arrow_interop import as_arrow

    table = as_arrow(covariates, name="the covariates")
    if table.num_rows != size:
        raise ModelDataError(f"covariates must have {size} rows, got {table.num_rows}")
    listed = tuple(table.column_names if names is None else names)
    missing = sorted(set(listed) - set(table.column_names))
    if missing or not listed:
        raise ModelDataError(f"the covariates have no column {', '.join(missing) or 'at all'}")
    columns = []
    for name in listed:
        kind = table[name].type
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        if not (is_number or pa.types.is_boolean(kind) or pa.types.is_decimal(kind)):
            raise ModelDataError(
                f"covariate '{name}' must be numeric or boolean, got {kind}: encode categories as "
                "columns of 0 and 1"
            )
        number = table[name].cast(pa.int8()) if pa.types.is_boolean(kind) else table[name]
        column = np.asarray(number.cast(pa.float64()).to_numpy(), dtype=np.float64)
        check_rows(~np.isfinite(column), f"covariate '{name}' is missing or infinite in {{}} rows")
        columns.append(column)
    return listed, np.column_stack(columns)


def covariate_scale(
    names: Sequence[str], columns: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means and the standard deviations (k,) of covariates.

    Raises
    ------
    ModelDataError
        A covariate is constant, or a linear combination of others.

    Examples
    --------
    >>> covariate_scale(["plus"], np.array([[0.0], [1.0]]), np.ones(2))
    (array([0.5]), array([0.5]))
    """
    center = np.average(columns, axis=0, weights=weight)
    spread = np.sqrt(np.average((columns - center) ** 2, axis=0, weights=weight))
    for name, deviation, mean in zip(names, spread, center, strict=True):
        if deviation <= 1e-12 * (1 + abs(mean)):
            raise ModelDataError(f"covariate '{name}' has the same value for every customer")
    scaled = (columns - center) / spread * np.sqrt(weight / weight.sum())[:, None]
    if np.linalg.svd(scaled, compute_uv=False)[-1] < 1e-7:
        raise ModelDataError(
            f"the covariates {', '.join(names)} are linearly dependent: leave one out, such as one "
            "of the columns of a category"
        )
    return center, spread


def restore_scale(
    fit: MaximumLikelihood,
    targets: Sequence[tuple[int, int]],
    center: NDArray[np.float64],
    spread: NDArray[np.float64],
) -> MaximumLikelihood:
    """Convert a fit with standardized covariates to their own scale.

    Parameters
    ----------
    fit
        Parameters, then one factor for each covariate of each target.
    targets
        Index and sign of the parameters ``parameter * factor ** (sign * covariate)``.
    center, spread : (k,)
        As returned by `covariate_scale`.
    """
    size, count = len(fit.estimate), len(center)
    # The map is linear in the logarithms.
    linear = np.eye(size)
    for number, (index, sign) in enumerate(targets):
        columns = size - (len(targets) - number) * count + np.arange(count)
        linear[index, columns] = -sign * center / spread
        linear[columns, columns] = 1 / spread
    return replace(
        fit,
        estimate=np.exp(linear @ np.log(fit.estimate)),
        covariance=linear @ fit.covariance @ linear.T,
    )
