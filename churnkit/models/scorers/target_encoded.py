"""Scorer with target-encoded categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from churnkit.errors import BundleError
from churnkit.models.errors import ModelDataError
from churnkit.models.scorers.base import check_matrix, load_nested_scorer
from churnkit.models.scorers.target_encoding import TargetEncoding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from churnkit.models.scorers.base import Scorer

__all__ = ["TargetEncodedScorer"]

_PREFIX = "inner_"


class TargetEncodedScorer:
    """Replaces codes by churn rates and frequencies, then applies another scorer.

    Parameters
    ----------
    encoding
        The target encoding of some columns.
    inner
        Scorer of the encoded matrix, neither target-encoded itself nor an ensemble.

    Examples
    --------
    >>> import numpy as np
    >>> from churnkit.models.training_rows import TrainingRows
    >>> from churnkit.models.scorers.additive import LinearScorer
    >>> rows = TrainingRows.from_arrays(np.array([[0.0], [0.0], [1.0]]), np.array([1.0, 1.0, 0.0]))
    >>> by_rate = LinearScorer.straight(
    ...     bias=0.0, coefficients=[1.0, 0.0], low=[0.0, 0.0], high=[1.0, 9.0]
    ... )
    >>> scorer = TargetEncodedScorer(TargetEncoding.fit(rows, [0]), by_rate)
    >>> low, high = scorer.raw_score([[1.0], [0.0]])
    >>> bool(low < high)
    True
    """

    kind: ClassVar[str] = "statistics"

    def __init__(self, encoding: TargetEncoding, inner: Scorer) -> None:
        self.encoding = encoding
        self.inner = inner

    @property
    def n_features(self) -> int:
        """Number of columns of the matrix."""
        return self.encoding.n_features

    def warm_up(self) -> None:
        """Load the inner scorer's lazy dependencies now instead of on the first call."""
        if hasattr(self.inner, "warm_up"):
            self.inner.warm_up()

    def encoded(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the matrix for the inner scorer."""
        return self.encoding.apply(check_matrix(X, self.n_features))

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
        return self.inner.raw_score_row(self.encoding.apply_row(values))

    def contributions(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the contribution of each column, (n, f + 1), bias last, summing to `raw_score`."""
        return self.encoding.merge_contributions(self.inner.contributions(self.encoded(X)))

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the scorer."""
        settings, arrays = self.encoding.to_arrays()
        inner_settings, inner_arrays = self.inner.to_arrays()
        return (
            settings | {"inner": {"kind": self.inner.kind, "settings": inner_settings}},
            arrays | {f"{_PREFIX}{name}": array for name, array in inner_arrays.items()},
        )

    @classmethod
    def from_arrays(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore a scorer.

        Raises
        ------
        BundleError
            Settings and arrays are inconsistent.
        """
        encoding = TargetEncoding.from_arrays(settings, arrays)
        inner = load_nested_scorer(
            settings.get("inner"),
            arrays,
            prefix=_PREFIX,
            owner="the inner scorer of the saved target encoding",
            excluded={cls.kind, "ensemble"},
        )
        if inner.n_features != encoding.n_features + len(encoding.columns):
            raise BundleError("the inner scorer of the saved target encoding reads other columns")
        return cls(encoding, inner)
