"""What every fitted model comes down to, and all that a saved one needs in order to score.

A scorer imports numpy alone. It gives log-odds; a `Calibration` makes probabilities of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np

from churnkit.errors import BundleError
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Scorer", "check_matrix", "load_scorer"]

_KINDS = {
    "ensemble": ("churnkit.models.scorers.ensemble", "EnsembleScorer"),
    "hazard": ("churnkit.models.survival.scorer", "HazardScorer"),
    "linear": ("churnkit.models.scorers.additive", "LinearScorer"),
    "statistics": ("churnkit.models.scorers.target_encoded", "TargetEncodedScorer"),
    "trees": ("churnkit.trees", "CompiledTrees"),
}


@runtime_checkable
class Scorer(Protocol):
    """Log-odds of churn from an encoded matrix: the shape that all scorers share."""

    @property
    def kind(self) -> str:
        """The word by which `load_scorer` knows the class."""
        ...

    @property
    def n_features(self) -> int:
        """How many columns the matrix must have."""
        ...

    def raw_score(self, X: ArrayLike, /) -> NDArray[np.float64]:
        """Return log-odds, (n,), of a matrix (n, f) in which missing is NaN."""
        ...

    def raw_score_row(self, values: Sequence[float], /) -> float:
        """Return the log-odds of one row, equal to `raw_score` to the last bit."""
        ...

    def contributions(self, X: ArrayLike, /) -> NDArray[np.float64]:
        """Return what each column adds, (n, f + 1), the bias last; rows sum to `raw_score`."""
        ...

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the scorer."""
        ...

    @classmethod
    def from_arrays(cls, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Restore a scorer; raises BundleError where anything does not fit."""
        ...


def load_scorer(kind: str, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Scorer:
    """Restore a scorer from what its `to_arrays` gave.

    Parameters
    ----------
    kind
        The `kind` of the scorer that was saved.
    settings, arrays
        What its `to_arrays` gave.

    Raises
    ------
    BundleError
        The kind is unknown, or settings and arrays do not fit together.

    Examples
    --------
    >>> from churnkit.models.scorers.additive import LinearScorer
    >>> scorer = LinearScorer.straight(bias=0.5, coefficients=[2.0], low=[-1.0], high=[1.0])
    >>> load_scorer(scorer.kind, *scorer.to_arrays()).raw_score_row([0.25])
    1.0
    """
    if not isinstance(kind, str) or kind not in _KINDS:
        raise BundleError(
            f"the saved model is of no kind that this version knows ({', '.join(_KINDS)})"
        )
    module, name = _KINDS[kind]
    scorer: Scorer = getattr(import_module(module), name).from_arrays(settings, arrays)
    return scorer


def check_matrix(X: Any, n_features: int) -> NDArray[np.float64]:
    """Return X as floats of shape (n, n_features).

    Raises
    ------
    ModelDataError
        X is no numeric matrix of that width.

    Examples
    --------
    >>> check_matrix([[1, 2]], 2)
    array([[1., 2.]])
    """
    try:
        matrix = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError):
        raise ModelDataError(
            "the matrix holds values that are no numbers: encode it with the contract first"
        ) from None
    if matrix.ndim != 2 or matrix.shape[1] != n_features:
        raise ModelDataError(
            f"the matrix has the shape {matrix.shape}, but the model was fitted on "
            f"{n_features} columns: encode it with the model's own contract"
        )
    return matrix
