"""Covariates of customers: checked columns, and models whose parameters they multiply."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from churnkit.models.errors import ModelDataError
from churnkit.models.value.maximum_likelihood import maximize_likelihood
from churnkit.models.value.purchase.purchase_history import check_rows
from churnkit.models.value.serialization import ParameterMixin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from churnkit.models.value.maximum_likelihood import MaximumLikelihood

__all__ = ["CovariateMixin", "covariate_scale", "read_covariates", "restore_scale"]


class CovariateMixin(ParameterMixin):
    """Parameters of a model that covariates of the customers multiply."""

    _starts: ClassVar[tuple[tuple[float, ...], ...]]

    def _maximize(
        self,
        log_likelihood: Callable[
            [NDArray[np.float64], NDArray[np.float64]],
            tuple[NDArray[np.float64], NDArray[np.float64]],
        ],
        names: Sequence[str],
        columns: NDArray[np.float64],
        weight: NDArray[np.float64],
    ) -> MaximumLikelihood:
        """Maximize a weighted log-likelihood over the parameters and the factors of covariates.

        Parameters
        ----------
        log_likelihood
            Returns the values (n,) and their gradient (k, n) at parameters (k,) and covariates
            (n, c), which are standardized.
        names
            Of the covariates.
        columns : (n, c) covariates
        weight : (n,) number of customers
        """
        if names:
            center, spread = covariate_scale(names, columns, weight)
            columns = (columns - center) / spread

        def total(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            values, gradient = log_likelihood(parameters, columns)
            return float(weight @ values), gradient @ weight

        all_names = self._all_names(names)
        ones = (1.0,) * (len(all_names) - len(self._names))
        starts = [(*start, *ones) for start in self._starts]
        result = maximize_likelihood(total, all_names, starts, weight=float(weight.sum()))
        if not names:
            return result
        targets = [
            (self._names.index(name), sign) for name, (_, sign) in self._covariate_targets.items()
        ]
        return restore_scale(result, targets, center, spread)

    def _row_parameters(
        self, parameters: NDArray[np.float64], covariates: NDArray[np.float64]
    ) -> list[Any]:
        """Return the parameters of each row (n,), numbers where they do not depend on it."""
        values: list[Any] = list(parameters[: len(self._names)])
        if covariates.shape[1]:
            factors = np.log(parameters[len(self._names) :]).reshape(-1, covariates.shape[1])
            for (name, (_, sign)), logs in zip(
                self._covariate_targets.items(), factors, strict=True
            ):
                index = self._names.index(name)
                values[index] = values[index] * np.exp(sign * (covariates @ logs))
        return values

    def _factor_gradient(
        self,
        gradient: NDArray[np.float64],
        parameters: NDArray[np.float64],
        at: list[Any],
        covariates: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Convert a gradient by the parameters of the rows into that by all parameters (k, n)."""
        if not covariates.shape[1]:
            return gradient
        by_factor = []
        for name, (_, sign) in self._covariate_targets.items():
            index = self._names.index(name)
            by_log = gradient[index] * at[index]
            gradient[index] = by_log / parameters[index]
            by_factor.append(sign * by_log * covariates.T)
        factors = parameters[len(self._names) :, None]
        return np.vstack([gradient, np.vstack(by_factor) / factors])


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
