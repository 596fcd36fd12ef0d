"""Summary of the exact SHAP values of many customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.displays.display import REFERENCE, Display
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["ShapDisplay"]

_MAX_FEATURES = 12
_SPREAD = 0.35


class ShapDisplay(Display):
    """Contributions of the strongest features to the log-odds, one point for each customer.

    Parameters
    ----------
    contributions : (n, f)
        Exact Shapley values.
    X : (n, f)
        Encoded features, for the colors.
    names : (f,)
        Labels of the features.

    Attributes
    ----------
    order : (f,)
        Positions of the features, the largest mean absolute contribution first.
    points_ : list
        The points of each feature drawn, strongest first.
    ax_, figure_
        Axes and figure of the last `plot`.

    Raises
    ------
    ChurnkitError
        The arguments differ in their number of rows or features.

    Examples
    --------
    >>> ShapDisplay([[0.1, -2.0], [0.2, 2.0]], [[1, 0], [2, 1]], ["fee", "plan"]).order
    array([1, 0])
    """

    points_: list[Any]

    def __init__(self, contributions: ArrayLike, X: ArrayLike, names: Sequence[str]) -> None:
        self.contributions = np.asarray(contributions, dtype=np.float64)
        self.X = np.asarray(X, dtype=np.float64)
        self.names = [str(name) for name in names]
        shape = self.contributions.shape
        if shape != self.X.shape or shape[1:] != (len(self.names),):
            raise ChurnkitError(
                f"contributions, X and names must agree, got {shape}, {self.X.shape} and "
                f"{len(self.names)} names"
            )
        self.order: NDArray[np.intp] = np.argsort(
            -np.abs(self.contributions).mean(axis=0), kind="stable"
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        names: Sequence[str] | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compute and draw the contributions of an estimator's features.

        Parameters
        ----------
        estimator
            Fitted classifier of `churnkit.models`.
        X
            Customers.
        names : (f,)
            Labels of the features; the names of the columns in training if not given.
        ax, **kwargs
            As in `plot`.

        Returns
        -------
        ShapDisplay
        """
        from churnkit.models.training_rows import check_features

        matrix = check_features(estimator, X, reset=False)
        contributions = estimator.scorer_.contributions(matrix)[:, :-1]
        if names is None:
            positions = [str(position) for position in range(matrix.shape[1])]
            names = list(getattr(estimator, "feature_names_in_", positions))
        return cls(contributions, matrix, names).plot(ax=ax, **kwargs)

    def plot(self, *, ax: Any = None, max_features: int = _MAX_FEATURES, **kwargs: Any) -> Self:
        """Draw the contributions, colored by the value of the feature; missing ones are gray.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        max_features
            Number of features.
        **kwargs
            For ``Axes.scatter``.

        Returns
        -------
        The display.
        """
        axes = self._set_axes(
            ax, title="Contributions to churn", x="contribution to the log-odds of churn", y=""
        )
        axes.axvline(0.0, color=REFERENCE, linewidth=0.8)
        features = self.order[:max_features]
        import matplotlib as mpl

        colors = mpl.colormaps["coolwarm"].with_extremes(bad=REFERENCE)
        options = {"s": 8, "cmap": colors, "vmin": 0.0, "vmax": 1.0, "linewidths": 0} | kwargs
        self.points_ = []
        for row, feature in enumerate(features.tolist()):
            values = self.contributions[:, feature]
            shade = _rank_share(self.X[:, feature])
            self.points_.append(
                axes.scatter(values, row + _offsets(values), c=shade, plotnonfinite=True, **options)
            )
        axes.set_yticks(range(len(features)), [self.names[feature] for feature in features])
        axes.invert_yaxis()
        if self.points_:
            bar = self.figure_.colorbar(self.points_[0], ax=axes, ticks=[0.0, 1.0])
            bar.ax.set_yticklabels(["low", "high"])
            bar.set_label("value of the feature")
        return self


def _rank_share(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each value as a share, (n,), NaN for missing ones."""
    distinct, index = np.unique(values[~np.isnan(values)], return_inverse=True)
    share = np.full(len(values), np.nan)
    share[~np.isnan(values)] = index / max(len(distinct) - 1, 1)
    return share


def _offsets(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return vertical offsets, (n,), that spread customers of about equal contributions."""
    low, high = values.min(), values.max()
    bins = np.zeros(len(values), dtype=np.intp)
    if high > low:
        bins = np.minimum((values - low) / (high - low) * 60, 59).astype(np.intp)
    offsets = np.zeros(len(values))
    counts = np.bincount(bins)
    for number in np.flatnonzero(counts > 1):
        rows = np.flatnonzero(bins == number)
        width = _SPREAD * counts[number] / counts.max()
        offsets[rows] = np.linspace(-width, width, len(rows))
    return offsets
