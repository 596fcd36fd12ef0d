"""Ensemble of scorers: a weighted sum of their log-odds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from churnkit.errors import BundleError
from churnkit.models.scorers.base import load_nested_scorer
from churnkit.models.scorers.serialization import read_array, read_integer
from churnkit.trees.limits import MAX_STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.models.scorers.base import Scorer

__all__ = ["EnsembleScorer"]

_MAX_MEMBERS = 100


class EnsembleScorer:
    """A weighted sum of scorers and of their contributions.

    Parameters
    ----------
    members
        Scorers of the same columns, not ensembles.
    weights
        One per member.

    Examples
    --------
    >>> from churnkit.models.scorers.additive import LinearScorer
    >>> up = LinearScorer.straight(bias=0.0, coefficients=[1.0], low=[-9.0], high=[9.0])
    >>> flat = LinearScorer.straight(bias=1.0, coefficients=[0.0], low=[-9.0], high=[9.0])
    >>> EnsembleScorer([up, flat], [0.5, 0.5]).raw_score([[3.0]])
    array([2.])
    """

    kind: ClassVar[str] = "ensemble"

    def __init__(self, members: Sequence[Scorer], weights: ArrayLike) -> None:
        self.members: tuple[Scorer, ...] = tuple(members)
        self.weights: NDArray[np.float64] = np.asarray(weights, dtype=np.float64)
        self._row_weights = self.weights.tolist()

    @property
    def n_features(self) -> int:
        """Number of columns of the matrix."""
        return self.members[0].n_features

    def warm_up(self) -> None:
        """Load the members' lazy dependencies now instead of on the first call."""
        for member in self.members:
            if hasattr(member, "warm_up"):
                member.warm_up()

    def raw_score(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return log-odds, (n,), of a matrix (n, f) in which missing is NaN."""
        matrix = np.asarray(X, dtype=np.float64)
        total = np.zeros(len(matrix))
        for weight, member in zip(self._row_weights, self.members, strict=True):
            total += weight * member.raw_score(matrix)
        return total

    def raw_score_row(self, values: Sequence[float]) -> float:
        """Return the log-odds of one row, equal to `raw_score` to the last bit."""
        total = 0.0
        for weight, member in zip(self._row_weights, self.members, strict=True):
            total += weight * member.raw_score_row(values)
        return total

    def contributions(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the contribution of each column, (n, f + 1), bias last, summing to `raw_score`."""
        matrix = np.asarray(X, dtype=np.float64)
        total = np.zeros((len(matrix), self.n_features + 1))
        for weight, member in zip(self._row_weights, self.members, strict=True):
            total += weight * member.contributions(matrix)
        return total

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the scorer."""
        members = []
        arrays: dict[str, NDArray[Any]] = {"weights": self.weights}
        for number, member in enumerate(self.members):
            settings, member_arrays = member.to_arrays()
            members.append({"kind": member.kind, "settings": settings})
            arrays |= {f"member{number}_{name}": array for name, array in member_arrays.items()}
        return {"n_features": self.n_features, "members": members}, arrays

    @classmethod
    def from_arrays(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore a scorer.

        Raises
        ------
        BundleError
            Settings and arrays are inconsistent.
        """
        width = read_integer(settings, "n_features", low=1, high=1_000_000)
        entries = settings.get("members")
        if not isinstance(entries, list) or not 1 <= len(entries) <= _MAX_MEMBERS:
            raise BundleError(f"the saved ensemble must list 1 to {_MAX_MEMBERS} members")
        weights = read_array(arrays, "weights", dtype="float64", size=len(entries))
        members = [
            load_nested_scorer(
                entry,
                arrays,
                prefix=f"member{number}_",
                owner=f"member {number} of the saved ensemble",
                excluded={cls.kind},
            )
            for number, entry in enumerate(entries)
        ]
        if any(member.n_features != width for member in members):
            raise BundleError("the members of the saved ensemble read different columns")
        if sum(getattr(member, "path_steps", 0) for member in members) > MAX_STEPS:
            raise BundleError(
                f"the trees of the saved ensemble have more than {MAX_STEPS:,} steps on the paths "
                "to their leaves: train with fewer or smaller trees"
            )
        return cls(members, weights)
