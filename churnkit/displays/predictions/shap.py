"""Exact SHAP values: of many customers, of one feature, of one customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.displays.display import MODEL, NEGATIVE, REFERENCE, Display, check_kind
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["ShapDisplay"]

_MAX_FEATURES = 12
_SPREAD = 0.35


class ShapDisplay(Display):
    """Contributions of features to the log-odds of churn.

    Parameters
    ----------
    contributions : (n, f)
        Exact Shapley values.
    X : (n, f)
        Encoded features, for the colors.
    names : (f,)
        Labels of the features.
    base
        Log-odds of the mean customer, to which the contributions are added.

    Attributes
    ----------
    order : (f,)
        Positions of the features, the largest mean absolute contribution first.
    points_ : list
        The points of each feature drawn, strongest first; of one customer the bars.
    ax_, figure_
        Axes and figure of the last `plot`.

    Raises
    ------
    ChurnkitError
        The arguments differ in their number of rows or features, or there are no customers.

    Examples
    --------
    >>> ShapDisplay([[0.1, -2.0], [0.2, 2.0]], [[1, 0], [2, 1]], ["fee", "plan"]).order
    array([1, 0])
    """

    points_: list[Any]

    def __init__(
        self, contributions: ArrayLike, X: ArrayLike, names: Sequence[str], *, base: float = 0.0
    ) -> None:
        self.contributions: NDArray[np.float64] = np.asarray(contributions, dtype=np.float64)
        self.X = np.asarray(X, dtype=np.float64)
        self.names: list[str] = [str(name) for name in names]
        self.base: float = float(base)
        shape = self.contributions.shape
        if shape != self.X.shape or shape[1:] != (len(self.names),):
            raise ChurnkitError(
                f"contributions, X and names must agree, got {shape}, {self.X.shape} and "
                f"{len(self.names)} names"
            )
        if not shape[0]:
            raise ChurnkitError("there are no customers to draw: X must have at least one row")
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
        contributions = estimator.scorer_.contributions(matrix)
        if names is None:
            positions = [str(position) for position in range(matrix.shape[1])]
            names = list(getattr(estimator, "feature_names_in_", positions))
        base = contributions[0, -1] if len(contributions) else 0.0
        return cls(contributions[:, :-1], matrix, names, base=base).plot(ax=ax, **kwargs)

    def plot(
        self,
        *,
        ax: Any = None,
        kind: str = "summary",
        feature: str | None = None,
        row: int = 0,
        max_features: int = _MAX_FEATURES,
        **kwargs: Any,
    ) -> Self:
        """Draw the contributions.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        kind
            ``"summary"``: one point for each customer and feature, colored by the value of the
            feature, missing ones gray. ``"dependence"``: one feature's contribution by its value.
            ``"waterfall"``: from the mean customer to one customer.
        feature
            Label of the feature whose dependence is drawn; the strongest if not given.
        row
            Position of the customer of the waterfall.
        max_features
            Number of features; a waterfall adds up the others.
        **kwargs
            For ``Axes.scatter``, and of the waterfall for ``Axes.barh``.

        Returns
        -------
        The display.

        Raises
        ------
        ChurnkitError
            The kind or the feature is unknown, or there is no such row.
        """
        if check_kind(kind, ("summary", "dependence", "waterfall")) == "summary":
            self._draw_summary(ax, max_features, kwargs)
        elif kind == "dependence":
            self._draw_dependence(ax, feature, kwargs)
        else:
            self._draw_waterfall(ax, row, max_features, kwargs)
        return self

    def _draw_summary(self, ax: Any, max_features: int, kwargs: dict[str, Any]) -> None:
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

    def _draw_dependence(self, ax: Any, feature: str | None, kwargs: dict[str, Any]) -> None:
        name = self.names[self.order[0]] if feature is None else feature
        if name not in self.names:
            raise ChurnkitError(f"no feature {name!r}; there are {len(self.names)}, see names")
        column = self.names.index(name)
        axes = self._set_axes(
            ax, title=f"Contribution of {name}", x=name, y="contribution to the log-odds of churn"
        )
        axes.axhline(0.0, color=REFERENCE, linewidth=0.8)
        options = {"s": 8, "color": MODEL, "linewidths": 0, "alpha": 0.5} | kwargs
        values = self.X[:, column], self.contributions[:, column]
        self.points_ = [axes.scatter(*values, **options)]

    def _draw_waterfall(self, ax: Any, row: int, max_features: int, kwargs: dict[str, Any]) -> None:
        if not -len(self.contributions) <= row < len(self.contributions):
            raise ChurnkitError(f"no row {row}: there are {len(self.contributions)} customers")
        values = self.contributions[row]
        order = np.argsort(-np.abs(values), kind="stable")
        labels = [self.names[feature] for feature in order[:max_features]]
        amounts = values[order[:max_features]]
        if len(order) > max_features:
            labels.append(f"{len(order) - max_features} others")
            amounts = np.append(amounts, values[order[max_features:]].sum())
        # The smallest contribution stands next to the mean customer, the largest at the end.
        reached = self.base + np.cumsum(amounts[::-1])[::-1]
        axes = self._set_axes(
            ax, title="From the mean customer to this one", x="log-odds of churn", y=""
        )
        axes.axvline(self.base, color=REFERENCE, linestyle="--", label=f"mean {self.base:.2f}")
        axes.axvline(reached[0], color=REFERENCE, label=f"this customer {reached[0]:.2f}")
        colors = np.where(amounts > 0, NEGATIVE, MODEL).tolist()
        options = {"color": colors} | kwargs
        bars = axes.barh(range(len(labels)), amounts, left=reached - amounts, **options)
        axes.bar_label(bars, [f"{amount:+.2f}" for amount in amounts], padding=2, fontsize="small")
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.legend()
        self.points_ = [bars]


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
