"""Scorers: the part of a fitted model that a bundle stores and that computes log-odds.

A scorer imports numpy alone. A `Calibration` converts its log-odds to probabilities.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np

from churnkit.errors import BundleError
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Scorer", "check_matrix", "load_nested_scorer", "load_scorer"]

_KINDS = {
    "ensemble": ("churnkit.models.scorers.ensemble", "EnsembleScorer"),
    "hazard": ("churnkit.models.survival.scorer", "HazardScorer"),
    "linear": ("churnkit.models.scorers.additive", "LinearScorer"),
    "statistics": ("churnkit.models.scorers.target_encoded", "TargetEncodedScorer"),
    "trees": ("churnkit.trees", "CompiledTrees"),
}


@runtime_checkable
class Scorer(Protocol):
    """Protocol of all scorers: log-odds of churn from an encoded matrix."""

    @property
    def kind(self) -> str:
        """Name of the class in `load_scorer`."""
        ...

    @property
    def n_features(self) -> int:
        """Number of columns of the matrix."""
        ...

    def raw_score(self, X: ArrayLike, /) -> NDArray[np.float64]:
        """Return log-odds, (n,), of a matrix (n, f) in which missing is NaN."""
        ...

    def raw_score_row(self, values: Sequence[float], /) -> float:
        """Return the log-odds of one row, equal to `raw_score` to the last bit."""
        ...

    def contributions(self, X: ArrayLike, /) -> NDArray[np.float64]:
        """Return the contribution of each column, (n, f + 1), bias last, summing to `raw_score`."""
        ...

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the scorer."""
        ...

    @classmethod
    def from_arrays(cls, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Restore a scorer; raises BundleError if settings and arrays are inconsistent."""
        ...


def load_scorer(kind: str, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Scorer:
    """Restore a scorer from the result of its `to_arrays`.

    Parameters
    ----------
    kind
        The `kind` of the saved scorer.
    settings, arrays
        The result of its `to_arrays`.

    Returns
    -------
    Scorer
        The restored scorer.

    Raises
    ------
    BundleError
        The kind is unknown, or settings and arrays are inconsistent.

    Examples
    --------
    >>> from churnkit.models.scorers.additive import LinearScorer
    >>> scorer = LinearScorer.straight(bias=0.5, coefficients=[2.0], low=[-1.0], high=[1.0])
    >>> load_scorer(scorer.kind, *scorer.to_arrays()).raw_score_row([0.25])
    1.0
    """
    if not isinstance(kind, str) or kind not in _KINDS:
        raise BundleError(
            f"the saved model has no kind that this version supports: {', '.join(_KINDS)}"
        )
    module, name = _KINDS[kind]
    scorer: Scorer = getattr(import_module(module), name).from_arrays(settings, arrays)
    if getattr(scorer, "n_outputs", 1) != 1:
        raise BundleError("the saved model has several outputs: a bundle's model has one")
    return scorer


def load_nested_scorer(
    entry: Any,
    arrays: Mapping[str, NDArray[Any]],
    *,
    prefix: str,
    owner: str,
    excluded: set[str],
) -> Scorer:
    """Restore a scorer stored inside another one, its array names prefixed.

    Raises
    ------
    BundleError
        The entry lacks a kind or settings, the kind is excluded, or the arrays are inconsistent;
        the message starts with `owner`.
    """
    if not isinstance(entry, dict) or not isinstance(entry.get("settings"), dict):
        raise BundleError(f"{owner} is missing or has no settings")
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind in excluded:
        raise BundleError(f"{owner} has no kind that can be nested")
    nested = {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
    return load_scorer(kind, entry["settings"], nested)


def check_matrix(X: Any, n_features: int) -> NDArray[np.float64]:
    """Return X as floats of shape (n, n_features).

    Raises
    ------
    ModelDataError
        X is not a numeric matrix of that width.

    Examples
    --------
    >>> check_matrix([[1, 2]], 2)
    array([[1., 2.]])
    """
    try:
        matrix = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError):
        raise ModelDataError(
            "the matrix has values that are not numbers: encode it with the model's contract, or "
            "with FrameEncoder"
        ) from None
    if matrix.ndim != 2 or matrix.shape[1] != n_features:
        raise ModelDataError(
            f"the matrix must have shape (n, {n_features}), got {matrix.shape}: encode it with "
            "the model's contract"
        )
    return matrix
