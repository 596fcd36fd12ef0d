"""Fitted parameters of a value model, and their JSON form."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from churnkit.errors import BundleError
from churnkit.models.scorers.serialization import read_choice, read_integer, read_number
from churnkit.models.value.maximum_likelihood import MaximumLikelihood

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from churnkit.core.stats.interval import Interval

__all__ = ["ParameterMixin", "value_model_from_dict"]

_FORMAT = 1
_MODULES = {
    "BGNBD": "purchase.bg_nbd",
    "BetaDiscreteWeibull": "contractual.sbg_bdw",
    "GammaGamma": "gamma_gamma",
    "MBGNBD": "purchase.bg_nbd",
    "ParetoNBD": "purchase.pareto_nbd",
    "ShiftedBetaGeometric": "contractual.sbg_bdw",
}


class ParameterMixin:
    """Fitted attributes, intervals and serialization of a maximum likelihood model.

    Attributes
    ----------
    params_ : dict of str to float
    standard_errors_ : dict of str to float
        By the delta method; NaN if the likelihood is flat.
    covariance_ : (k, k)
        Of the log parameters, in the order of `params_`.
    log_likelihood_ : float
    at_edge_ : tuple of str
        Parameters that the data do not bound.
    n_customers_ : float
        Number of customers, or the sum of their weights.
    """

    _names: ClassVar[tuple[str, ...]]
    # What covariates multiply: the label in `params_`, and the sign, by parameter.
    _covariate_targets: ClassVar[dict[str, tuple[str, int]]] = {}
    covariates_: tuple[str, ...] = ()
    params_: dict[str, float]
    standard_errors_: dict[str, float]
    covariance_: NDArray[np.float64]
    log_likelihood_: float
    at_edge_: tuple[str, ...]
    n_customers_: float

    def _store_fit(self, fit: MaximumLikelihood) -> None:
        self.params_ = dict(zip(fit.names, map(float, fit.estimate), strict=True))
        errors = map(float, fit.standard_errors())
        self.standard_errors_ = dict(zip(fit.names, errors, strict=True))
        self.covariance_ = fit.covariance
        self.log_likelihood_ = float(fit.log_likelihood)
        self.at_edge_ = fit.at_edge

    def _estimate(self) -> NDArray[np.float64]:
        return np.array([self.params_[name] for name in self._all_names(self.covariates_)])

    @classmethod
    def _all_names(cls, covariates: Sequence[str]) -> tuple[str, ...]:
        """Return the names of the parameters and of the factors of covariates."""
        labels = [label for label, _ in cls._covariate_targets.values()]
        return (*cls._names, *(f"{label}:{name}" for label in labels for name in covariates))

    def _stored_fit(self) -> MaximumLikelihood:
        check_is_fitted(self)
        return MaximumLikelihood(
            self._all_names(self.covariates_),
            self._estimate(),
            self.covariance_,
            self.log_likelihood_,
            self.at_edge_,
        )

    def intervals(self, *, level: float = 0.95) -> dict[str, Interval]:
        """Return each parameter with its confidence interval.

        Wald intervals on the log scale, from the observed information, so that the bounds are
        positive. NaN if the likelihood is flat.

        Parameters
        ----------
        level
            Confidence level.

        Returns
        -------
        dict of str to Interval
        """
        return self._stored_fit().intervals(level)

    def draw_parameters(self, count: int, *, seed: int) -> NDArray[np.float64]:
        """Draw parameters (count, k) from their asymptotic distribution.

        The logarithms of the parameters are normal around the maximum.

        Raises
        ------
        ModelDataError
            The likelihood is flat, so there is no covariance.
        """
        return self._stored_fit().draws(count, seed)

    def to_dict(self) -> dict[str, Any]:
        """Return the fitted model as JSON-able data, restored exactly by `from_dict`."""
        check_is_fitted(self)
        has_covariance = bool(np.isfinite(self.covariance_).all())
        return {
            "format": _FORMAT,
            "model": type(self).__name__,
            "params": dict(self.params_),
            "covariance": self.covariance_.tolist() if has_covariance else None,
            "log_likelihood": self.log_likelihood_,
            "n_customers": self.n_customers_,
            "at_edge": list(self.at_edge_),
            # Only if there are some, so that files of models without them do not change.
            **({"covariates": list(self.covariates_)} if self.covariates_ else {}),
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Restore a model from the result of `to_dict`.

        Raises
        ------
        BundleError
            A part is missing or invalid; the message names it.
        """
        read_integer(saved, "format", low=1, high=_FORMAT)
        read_choice(saved, "model", among=(cls.__name__,))
        params = _part(saved, "params", dict)
        covariates = _part(saved, "covariates", list) if "covariates" in saved else []
        if covariates and not (
            cls._covariate_targets and all(isinstance(name, str) for name in covariates)
        ):
            raise BundleError("the saved 'covariates' must be a list of names")
        names = cls._all_names(covariates)
        if set(params) != set(names):
            raise BundleError(f"the saved 'params' must have the keys {', '.join(names)}")
        values = [read_number(params, name) for name in names]
        if min(values) <= 0:
            raise BundleError("the saved 'params' must all be above 0")
        edge = _part(saved, "at_edge", list)
        if not all(isinstance(name, str) and name in names for name in edge):
            raise BundleError("the saved 'at_edge' must be a list of parameter names")
        customers = read_number(saved, "n_customers")
        if customers <= 0:
            raise BundleError("the saved 'n_customers' must be above 0")
        model = cls()
        model._store_fit(
            MaximumLikelihood(
                names,
                np.array(values),
                _saved_covariance(saved, len(values)),
                read_number(saved, "log_likelihood"),
                tuple(edge),
            )
        )
        model.n_customers_ = customers
        model.covariates_ = tuple(covariates)
        return model


def value_model_from_dict(saved: Mapping[str, Any]) -> Any:
    """Restore a fitted value model of any class from the result of its `to_dict`.

    Parameters
    ----------
    saved
        Result of a value model's `to_dict`.

    Returns
    -------
    object
        The fitted model.

    Raises
    ------
    BundleError
        A part is missing or invalid.

    Examples
    --------
    >>> from churnkit.models.value import ShiftedBetaGeometric
    >>> saved = ShiftedBetaGeometric().fit_survivors([100, 80, 70, 64]).to_dict()
    >>> value_model_from_dict(saved)
    ShiftedBetaGeometric()
    """
    name = read_choice(saved, "model", among=tuple(_MODULES))
    module = import_module(f"churnkit.models.value.{_MODULES[name]}")
    return getattr(module, name).from_dict(saved)


def _part(saved: Mapping[str, Any], name: str, kind: type) -> Any:
    value = saved.get(name)
    if not isinstance(value, kind):
        raise BundleError(f"the saved {name!r} is missing or not a {kind.__name__}")
    return value


def _saved_covariance(saved: Mapping[str, Any], size: int) -> NDArray[np.float64]:
    if "covariance" in saved and saved["covariance"] is None:
        return np.full((size, size), np.nan)
    rows: Sequence[Any] = _part(saved, "covariance", list)
    flat = [cell for row in rows if isinstance(row, list) for cell in row]
    plain = all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in flat)
    square = len(rows) == size and all(isinstance(row, list) and len(row) == size for row in rows)
    if not (plain and square and np.isfinite(np.array(flat, dtype=np.float64)).all()):
        raise BundleError(f"the saved 'covariance' must be a finite {size} x {size} matrix")
    matrix = np.array(rows, dtype=np.float64)
    if not np.allclose(matrix, matrix.T) or np.linalg.eigvalsh(matrix)[0] <= 0:
        raise BundleError("the saved 'covariance' is not positive definite")
    return matrix
