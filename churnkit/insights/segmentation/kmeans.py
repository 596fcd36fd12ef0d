"""Behavior segments by k-means, stored as centroids."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.autologging import without_autologging
from churnkit.core.result import Result
from churnkit.errors import DataError
from churnkit.insights.segmentation.segments import Segment, summarize_segment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.contracts.schema.column import Column
    from churnkit.insights.customer_base import CustomerBase

__all__ = ["Clusters", "assign_segments", "find_clusters", "fit_clusters"]

_MOST_FITTED = 10_000
_MEASURED = 2_000
_NUMBERS = (3, 4, 5, 6)
_FEWEST = 60
_CLEAR = 0.5


@dataclass(frozen=True, slots=True)
class Clusters(Result):
    """Centroids of behavior segments.

    Parameters
    ----------
    columns
        Names of the numeric columns, in the order of the centroids, (c,).
    fill
        Replacement of missing values, (c,).
    bends
        Whether a column is log-transformed, (c,).
    middle, spread
        Mean and standard deviation for scaling, (c,).
    centroids
        Centroids on the scaled columns, (k, c).
    names
        Names made of the features farthest from average, (k,).
    silhouette
        Mean silhouette, -1 to 1.
    stability
        Adjusted Rand index of fits on two halves of the customers, 0 to 1.
    """

    columns: tuple[str, ...]
    fill: tuple[float, ...]
    bends: tuple[bool, ...]
    middle: tuple[float, ...]
    spread: tuple[float, ...]
    centroids: tuple[tuple[float, ...], ...]
    names: tuple[str, ...]
    silhouette: float
    stability: float

    def assign(self, rows: ArrayLike) -> NDArray[np.int64]:
        """Return the nearest centroid of each row.

        Parameters
        ----------
        rows : (n, c)
            Values of `columns`, missing as NaN.

        Returns
        -------
        ndarray of int64, (n,)
            Position of the centroid.

        Examples
        --------
        >>> clusters = Clusters(
        ...     ("uses",), (0.0,), (False,), (0.0,), (1.0,), ((0.0,), (9.0,)), ("few", "many"), 1.0, 1.0
        ... )
        >>> clusters.assign([[1.0], [8.0], [float("nan")]])
        array([0, 1, 0])
        >>> Clusters.from_dict(clusters.to_dict()) == clusters
        True
        """
        scaled = _scaled(np.asarray(rows, dtype=np.float64), self)
        centroids = np.array(self.centroids)
        distance = np.stack(
            [((scaled - centroid) ** 2).sum(axis=1) for centroid in centroids], axis=1
        )
        nearest: NDArray[np.int64] = distance.argmin(axis=1).astype(np.int64)
        return nearest

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Clusters:
        """Restore centroids from `to_dict`.

        Raises
        ------
        ValueError
            If shapes differ or a number is not finite.
        """
        parts: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in data.items()
        }  # fmt: skip
        parts["centroids"] = tuple(tuple(row) for row in data["centroids"])
        clusters = cls(**parts)
        width = len(clusters.columns)
        numbers = (clusters.fill, clusters.middle, clusters.spread, clusters.bends)
        centroids = np.array(clusters.centroids, dtype=np.float64)
        if centroids.shape != (len(clusters.names), width) or any(len(n) != width for n in numbers):
            raise ValueError("the shapes of centroids, columns and names do not match")
        if not (np.isfinite(centroids).all() and np.isfinite(np.array(numbers[:3])).all()):
            raise ValueError("centroids and scales must be finite")
        return clusters


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _scaled(rows: NDArray[np.float64], scaling: Clusters) -> NDArray[np.float64]:
    filled = np.where(np.isnan(rows), np.array(scaling.fill), rows)
    bent = np.where(np.array(scaling.bends), np.log1p(np.maximum(filled, 0.0)), filled)
    scaled: NDArray[np.float64] = (bent - np.array(scaling.middle)) / np.array(scaling.spread)
    return scaled


def find_clusters(base: CustomerBase, *, seed: int = 0) -> tuple[Clusters, tuple[Segment, ...]]:
    """Find behavior segments by k-means on scaled numeric features.

    The number of segments, 3 to 6, maximizes silhouette times stability.

    Parameters
    ----------
    base
        Scored customer base.
    seed
        Random seed.

    Returns
    -------
    clusters : Clusters
    segments : tuple of Segment, the largest first

    Raises
    ------
    DataError
        If there are fewer than 60 customers or fewer than 2 numeric features that vary.
    """
    clusters = fit_clusters(base.columns, base.matrix, seed=seed)
    return clusters, assign_segments(base, clusters)


def assign_segments(base: CustomerBase, clusters: Clusters) -> tuple[Segment, ...]:
    """Assign customers to the nearest centroids and summarize each segment, the largest first."""
    names = [column.name for column in base.columns]
    features = [names.index(name) for name in clusters.columns]
    group = clusters.assign(base.matrix[:, features])
    segments = [
        summarize_segment(base, name, group == number)
        for number, name in enumerate(clusters.names)
        if (group == number).any()
    ]
    return tuple(sorted(segments, key=lambda segment: -segment.customers))


@without_autologging()
def fit_clusters(
    columns: Sequence[Column], matrix: NDArray[np.float64], *, seed: int = 0
) -> Clusters:
    """Fit the centroids of `find_clusters`.

    Parameters
    ----------
    columns
        Features (f).
    matrix : (n, f)
        Encoded features.
    seed
        Random seed.

    Returns
    -------
    Clusters
        Centroids, names and quality.

    Raises
    ------
    DataError
        If there are fewer than 60 customers or fewer than 2 numeric features that vary.
    """
    features = [
        feature
        for feature, column in enumerate(columns)
        if not column.is_category and column.type != "boolean" and _varies(matrix[:, feature])
    ]
    if len(features) < 2 or len(matrix) < _FEWEST:
        problem = (
            f"behavior segments require at least {_FEWEST} customers and 2 numeric features that "
            f"vary, got {len(matrix)} and {len(features)}"
        )
        raise DataError("the customers", [problem])
    rows = matrix[:, features]
    chosen_columns = [columns[feature] for feature in features]
    scaling = _scaling([column.name for column in chosen_columns], rows)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(rows))[:_MOST_FITTED])
    centroids, silhouette, stability = _best(_scaled(rows[chosen], scaling), seed, rng)
    return replace(
        scaling,
        centroids=tuple(tuple(map(float, row)) for row in centroids),
        names=_names(chosen_columns, centroids),
        silhouette=silhouette,
        stability=stability,
    )


def _varies(values: NDArray[np.float64]) -> bool:
    present = values[~np.isnan(values)]
    return len(present) > 0.5 * len(values) and float(present.std()) > 0


def _scaling(names: Sequence[str], rows: NDArray[np.float64]) -> Clusters:
    fill = np.nanmedian(rows, axis=0)
    filled = np.where(np.isnan(rows), fill, rows)
    top, middle = filled.max(axis=0), np.maximum(fill, 1e-9)
    # Long-tailed columns without negative values are log-transformed.
    bends = (filled.min(axis=0) >= 0) & (top > 8 * middle)
    bent = np.where(bends, np.log1p(np.maximum(filled, 0.0)), filled)
    spread = bent.std(axis=0)
    return Clusters(
        tuple(names),
        tuple(map(float, fill)),
        tuple(map(bool, bends)),
        tuple(map(float, bent.mean(axis=0))),
        tuple(map(float, np.where(spread > 0, spread, 1.0))),
        (),
        (),
        0.0,
        0.0,
    )


def _best(
    scaled: NDArray[np.float64], seed: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], float, float]:
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, silhouette_score

    order = rng.permutation(len(scaled))
    halves = scaled[order[::2]], scaled[order[1::2]]
    measured = scaled[order[:_MEASURED]]
    candidates = []
    for number in _NUMBERS:
        model = KMeans(number, n_init=4, random_state=seed).fit(scaled)
        pair = [KMeans(number, n_init=4, random_state=seed).fit(half) for half in halves]
        stability = float(
            adjusted_rand_score(pair[0].predict(measured), pair[1].predict(measured))
        )  # fmt: skip
        groups = model.predict(measured)
        several = len(set(groups.tolist())) > 1
        silhouette = float(silhouette_score(measured, groups)) if several else 0.0
        score = silhouette * max(stability, 0.0)
        candidates.append((score, model.cluster_centers_, silhouette, stability))
    _, centroids, silhouette, stability = max(candidates, key=lambda candidate: candidate[0])
    return centroids, silhouette, stability


def _names(columns: Sequence[Column], centroids: NDArray[np.float64]) -> tuple[str, ...]:
    """Name each group by the two features farthest from average."""
    names: list[str] = []
    for row in centroids:
        order = np.argsort(-np.abs(row), kind="stable")
        traits = [
            f"{_side(columns[at], is_high=row[at] > 0)} {_lower_first(columns[at].title)}"
            for at in order.tolist()
            if abs(row[at]) >= _CLEAR
        ][:2]
        name = ", ".join(traits) or "average in all features"
        name = name[:1].upper() + name[1:]
        names.append(name if name not in names else f"{name} ({names.count(name) + 1})")
    return tuple(names)


def _side(column: Column, *, is_high: bool) -> str:
    """Return the word for large or small numbers; dates are days ago."""
    if column.type == "datetime":
        return "early" if is_high else "late"
    return "high" if is_high else "low"


def _lower_first(title: str) -> str:
    # Abbreviations such as NPS stay in capitals.
    return title if title[:2].isupper() else title[:1].lower() + title[1:]
