"""The parameters of a value model: attributes once fitted, and JSON when saved."""

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

    from churnkit.evaluation import Interval

__all__ = ["ParameterMixin", "value_model_from_dict"]

_FORMAT = 1
_MODULES = {
    "BGNBD": "bg_nbd",
    "BetaDiscreteWeibull": "contractual.sbg_bdw",
    "GammaGamma": "gamma_gamma",
    "MBGNBD": "bg_nbd",
    "ParetoNBD": "pareto_nbd",
    "ShiftedBetaGeometric": "contractual.sbg_bdw",
}


class ParameterMixin:
    """What a model fitted by maximum likelihood knows about its parameters.

    Attributes
    ----------
    params_ : dict of str to float
    standard_errors_ : dict of str to float
        By the delta method; NaN where the likelihood is flat.
    covariance_ : (k, k)
        Of the parameters' logarithms, in the order of `params_`.
    log_likelihood_ : float
    at_edge_ : tuple of str
        Parameters that the data push beyond every finite value.
    n_customers_ : float
        How many customers, or their weights' sum, the parameters rest on.
    """

    _names: ClassVar[tuple[str, ...]]
    params_: dict[str, float]
    standard_errors_: dict[str, float]
    covariance_: NDArray[np.float64]
    log_likelihood_: float
    at_edge_: tuple[str, ...]
    n_customers_: float

    def _keep(self, found: MaximumLikelihood) -> None:
        self.params_ = dict(zip(found.names, map(float, found.estimate), strict=True))
        errors = found.standard_errors()
        self.standard_errors_ = dict(zip(found.names, map(float, errors), strict=True))
        self.covariance_ = found.covariance
        self.log_likelihood_ = float(found.log_likelihood)
        self.at_edge_ = found.at_edge

    def _estimate(self) -> NDArray[np.float64]:
        return np.array([self.params_[name] for name in self._names])

    def _found(self) -> MaximumLikelihood:
        check_is_fitted(self)
        return MaximumLikelihood(
            self._names, self._estimate(), self.covariance_, self.log_likelihood_, self.at_edge_
        )

    def intervals(self, *, level: float = 0.95) -> dict[str, Interval]:
        """Return each parameter with its interval.

        Wald intervals on the scale of the logarithms, from the observed information: they
        never leave the positive numbers. NaN where the likelihood is flat.

        Parameters
        ----------
        level
            How often such intervals hold the truth.
        """
        return self._found().intervals(level)

    def draw_parameters(self, count: int, *, seed: int) -> NDArray[np.float64]:
        """Draw sets of parameters (count, k) that the data leave possible.

        They come from the normal law of the parameters' logarithms around the maximum.

        Raises
        ------
        ModelDataError
            The likelihood is flat, so no such law exists.
        """
        return self._found().draws(count, seed)

    def to_dict(self) -> dict[str, Any]:
        """Return the fitted model as JSON-ready data; `from_dict` reads it back exactly."""
        check_is_fitted(self)
        known = bool(np.isfinite(self.covariance_).all())
        return {
            "format": _FORMAT,
            "model": type(self).__name__,
            "params": dict(self.params_),
            "covariance": self.covariance_.tolist() if known else None,
            "log_likelihood": self.log_likelihood_,
            "n_customers": self.n_customers_,
            "at_edge": list(self.at_edge_),
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Return the model that `to_dict` described.

        Raises
        ------
        BundleError
            A part is missing or does not fit; the message names it.
        """
        read_integer(saved, "format", low=1, high=_FORMAT)
        read_choice(saved, "model", among=(cls.__name__,))
        params = _part(saved, "params", dict)
        if set(params) != set(cls._names):
            raise BundleError(f"the saved 'params' must name {', '.join(cls._names)}")
        values = [read_number(params, name) for name in cls._names]
        if min(values) <= 0:
            raise BundleError("the saved 'params' must all be above 0")
        edge = _part(saved, "at_edge", list)
        if not all(isinstance(name, str) and name in cls._names for name in edge):
            raise BundleError("the saved 'at_edge' must hold names of parameters")
        customers = read_number(saved, "n_customers")
        if customers <= 0:
            raise BundleError("the saved 'n_customers' must be above 0")
        model = cls()
        model._keep(
            MaximumLikelihood(
                cls._names,
                np.array(values),
                _saved_covariance(saved, len(values)),
                read_number(saved, "log_likelihood"),
                tuple(edge),
            )
        )
        model.n_customers_ = customers
        return model


def value_model_from_dict(saved: Mapping[str, Any]) -> Any:
    """Return the fitted model that a model's `to_dict` described, whichever it was.

    Raises
    ------
    BundleError
        A part is missing or does not fit.

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
    found = saved.get(name)
    if not isinstance(found, kind):
        raise BundleError(f"the saved {name!r} is missing or no {kind.__name__}")
    return found


def _saved_covariance(saved: Mapping[str, Any], size: int) -> NDArray[np.float64]:
    if "covariance" in saved and saved["covariance"] is None:
        return np.full((size, size), np.nan)
    rows: Sequence[Any] = _part(saved, "covariance", list)
    flat = [cell for row in rows if isinstance(row, list) for cell in row]
    plain = all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in flat)
    square = len(rows) == size and all(isinstance(row, list) and len(row) == size for row in rows)
    if not (plain and square and np.isfinite(np.array(flat, dtype=np.float64)).all()):
        raise BundleError(f"the saved 'covariance' is no {size} x {size} matrix of finite numbers")
    matrix = np.array(rows, dtype=np.float64)
    if not np.allclose(matrix, matrix.T) or np.linalg.eigvalsh(matrix)[0] <= 0:
        raise BundleError("the saved 'covariance' is no covariance: it is not positive definite")
    return matrix
