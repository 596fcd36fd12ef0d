"""A scorer that reads wide categories by their statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from churnkit.errors import BundleError
from churnkit.models.errors import ModelDataError
from churnkit.models.scorers.base import check_matrix, load_scorer
from churnkit.models.scorers.target_encoding import TargetEncoding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from churnkit.models.scorers.base import Scorer

__all__ = ["TargetEncodedScorer"]

_PREFIX = "inner_"


class TargetEncodedScorer:
    """Churn rates and counts in place of codes, then another scorer.

    Parameters
    ----------
    statistics
        Of the columns that are read by their statistics.
    inner
        Scores the matrix of numbers that they make; no such scorer itself, and no ensemble.

    Examples
    --------
    >>> import numpy as np
    >>> from churnkit.models.classifiers.base import TrainingRows
    >>> from churnkit.models.scorers.additive import LinearScorer
    >>> rows = TrainingRows.of(np.array([[0.0], [0.0], [1.0]]), np.array([1.0, 1.0, 0.0]))
    >>> by_rate = LinearScorer.straight(
    ...     bias=0.0, coefficients=[1.0, 0.0], low=[0.0, 0.0], high=[1.0, 9.0]
    ... )
    >>> scorer = TargetEncodedScorer(TargetEncoding.fit(rows, [0]), by_rate)
    >>> low, high = scorer.raw_score([[1.0], [0.0]])
    >>> bool(low < high)
    True
    """

    kind: ClassVar[str] = "statistics"

    def __init__(self, statistics: TargetEncoding, inner: Scorer) -> None:
        self.statistics = statistics
        self.inner = inner

    @property
    def n_features(self) -> int:
        """How many columns the matrix must have."""
        return self.statistics.n_features

    def warm_up(self) -> None:
        """Load what the inner scorer would load on a later call."""
        if hasattr(self.inner, "warm_up"):
            self.inner.warm_up()

    def encoded(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the matrix that the inner scorer reads."""
        return self.statistics.apply(check_matrix(X, self.n_features))

    def raw_score(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return log-odds, (n,), of a matrix (n, f) in which missing is NaN."""
        return self.inner.raw_score(self.encoded(X))

    def raw_score_row(self, values: Sequence[float]) -> float:
        """Return the log-odds of one row, equal to `raw_score` to the last bit."""
        if len(values) != self.n_features:
            raise ModelDataError(
                f"the row has {len(values)} values, but the model was fitted on "
                f"{self.n_features} columns"
            )
        return self.inner.raw_score_row(self.statistics.apply_row(values))

    def contributions(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return what each column adds, (n, f + 1), the bias last; rows sum to `raw_score`."""
        return self.statistics.folded(self.inner.contributions(self.encoded(X)))

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the scorer."""
        settings, arrays = self.statistics.to_arrays()
        inner_settings, inner_arrays = self.inner.to_arrays()
        held = {f"{_PREFIX}{name}": array for name, array in inner_arrays.items()}
        return (
            settings | {"inner": {"kind": self.inner.kind, "settings": inner_settings}},
            arrays | held,
        )

    @classmethod
    def from_arrays(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore a scorer.

        Raises
        ------
        BundleError
            Settings and arrays do not fit together.
        """
        statistics = TargetEncoding.from_arrays(settings, arrays)
        described = settings.get("inner")
        if not isinstance(described, dict) or not isinstance(described.get("settings"), dict):
            raise BundleError("the scorer behind the saved statistics is not described")
        kind = described.get("kind")
        if not isinstance(kind, str) or kind in {cls.kind, "ensemble"}:
            raise BundleError("the scorer behind the saved statistics has no kind that can be one")
        own = {
            name.removeprefix(_PREFIX): held
            for name, held in arrays.items()
            if name.startswith(_PREFIX)
        }
        inner = load_scorer(kind, described["settings"], own)
        if inner.n_features != statistics.n_features + len(statistics.columns):
            raise BundleError("the scorer behind the saved statistics reads other columns")
        return cls(statistics, inner)
