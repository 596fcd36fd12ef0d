"""Groups of customers who behave alike, as centroids that need no library to assign by."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import DataError
from churnkit.insights.segmentation.segments import Segment, summed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.contracts.schema.column import Column
    from churnkit.insights.customer_base import Base

__all__ = ["Clusters", "cluster_rows", "find_clusters", "segments_of"]

_MOST_FITTED = 10_000
_MEASURED = 2_000
_NUMBERS = (3, 4, 5, 6)
_CLEAR = 0.5


@dataclass(frozen=True, slots=True)
class Clusters:
    """Centroids of customers who behave alike.

    Parameters
    ----------
    columns
        Names of the columns that are read, in the order of the centroids.
    fill
        What stands in for a missing value, (c,).
    bends
        Whether a column is taken on a logarithmic scale, (c,).
    middle, spread
        What is taken off and divided by after that, (c,).
    centroids
        (k, c).
    names
        (k,) made of the traits that set each apart.
    silhouette
        Mean silhouette, -1 to 1: how far apart the groups lie.
    stability
        Adjusted Rand index of two fits on separate halves, 0 to 1.
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
        """Return the nearest centroid of each row, with numpy alone.

        Parameters
        ----------
        rows : (n, c) values of `columns`, missing as NaN

        Examples
        --------
        >>> one = Clusters(
        ...     ("uses",), (0.0,), (False,), (0.0,), (1.0,), ((0.0,), (9.0,)), ("few", "many"), 1.0, 1.0
        ... )
        >>> one.assign([[1.0], [8.0], [float("nan")]])
        array([0, 1, 0])
        >>> Clusters.from_dict(one.to_dict()) == one
        True
        """
        scaled = _scaled(np.asarray(rows, dtype=np.float64), self)
        centroids = np.array(self.centroids)
        distance = np.stack([((scaled - one) ** 2).sum(axis=1) for one in centroids], axis=1)
        nearest: NDArray[np.int64] = distance.argmin(axis=1).astype(np.int64)
        return nearest

    def to_dict(self) -> dict[str, Any]:
        """Return the centroids as JSON-able data; `from_dict` is its inverse."""
        return {
            name: [list(row) for row in value] if name == "centroids" else _plain(value)
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Clusters:
        """Rebuild centroids from `to_dict`.

        Raises
        ------
        ValueError
            If the parts do not fit together.
        """
        parts: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in data.items()
        }  # fmt: skip
        parts["centroids"] = tuple(tuple(row) for row in data["centroids"])
        found = cls(**parts)
        width, numbers = len(found.columns), (found.fill, found.middle, found.spread, found.bends)
        centroids = np.array(found.centroids, dtype=np.float64)
        if centroids.shape != (len(found.names), width) or any(len(n) != width for n in numbers):
            raise ValueError("the centroids do not fit their columns and names")
        if not (np.isfinite(centroids).all() and np.isfinite(np.array(numbers[:3])).all()):
            raise ValueError("the centroids are not finite")
        return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _scaled(rows: NDArray[np.float64], how: Clusters) -> NDArray[np.float64]:
    filled = np.where(np.isnan(rows), np.array(how.fill), rows)
    bent = np.where(np.array(how.bends), np.log1p(np.maximum(filled, 0.0)), filled)
    scaled: NDArray[np.float64] = (bent - np.array(how.middle)) / np.array(how.spread)
    return scaled


def find_clusters(base: Base, *, seed: int = 0) -> tuple[Clusters, tuple[Segment, ...]]:
    """Group customers by what they do (k-means on scaled numbers).

    Of 3 to 6 groups the number is taken whose silhouette times stability is highest: groups
    that lie apart and come out again on other customers.

    Parameters
    ----------
    base
        Scored customers; numbers and no categories are read.
    seed
        The same seed gives the same groups.

    Returns
    -------
    The centroids, and each group summed up, the largest first.

    Raises
    ------
    DataError
        If there are fewer than 60 customers or 2 columns of numbers that vary.
    """
    found = cluster_rows(base.columns, base.matrix, seed=seed)
    return found, segments_of(base, found)


def segments_of(base: Base, clusters: Clusters) -> tuple[Segment, ...]:
    """Sum up the groups of known centroids, the largest first; groups of nobody are left out."""
    names = [column.name for column in base.columns]
    places = [names.index(name) for name in clusters.columns]
    group = clusters.assign(base.matrix[:, places])
    segments = [
        summed(base, name, group == place)
        for place, name in enumerate(clusters.names)
        if (group == place).any()
    ]
    return tuple(sorted(segments, key=lambda one: -one.customers))


def cluster_rows(
    columns: Sequence[Column], matrix: NDArray[np.float64], *, seed: int = 0
) -> Clusters:
    """Find the centroids of `find_clusters` in encoded features (n, f).

    Raises
    ------
    DataError
        If there are fewer than 60 customers or 2 columns of numbers that vary.
    """
    places = [
        place
        for place, column in enumerate(columns)
        if not column.is_category and column.type != "boolean" and _varies(matrix[:, place])
    ]
    if len(places) < 2 or len(matrix) < 10 * max(_NUMBERS):
        raise DataError(
            "the customers",
            ["groups of behaviour need 60 customers and two columns of numbers that vary"],
        )
    rows = matrix[:, places]
    read = [columns[place] for place in places]
    how = _scaling([column.name for column in read], rows)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(rows))[:_MOST_FITTED])
    scaled = _scaled(rows[chosen], how)
    centroids, silhouette, stability = _best(scaled, seed, rng)
    return Clusters(
        how.columns,
        how.fill,
        how.bends,
        how.middle,
        how.spread,
        tuple(tuple(map(float, row)) for row in centroids),
        _names(read, centroids),
        silhouette,
        stability,
    )


def _varies(values: NDArray[np.float64]) -> bool:
    known = values[~np.isnan(values)]
    return len(known) > 0.5 * len(values) and float(known.std()) > 0


def _scaling(names: Sequence[str], rows: NDArray[np.float64]) -> Clusters:
    fill = np.nanmedian(rows, axis=0)
    filled = np.where(np.isnan(rows), fill, rows)
    top, middle = filled.max(axis=0), np.maximum(fill, 1e-9)
    # What has a long tail and no negative values is compared on a logarithmic scale.
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
    tried = []
    for number in _NUMBERS:
        model = KMeans(number, n_init=4, random_state=seed).fit(scaled)
        pair = [KMeans(number, n_init=4, random_state=seed).fit(half) for half in halves]
        stable = float(
            adjusted_rand_score(pair[0].predict(measured), pair[1].predict(measured))
        )  # fmt: skip
        groups = model.predict(measured)
        apart = float(silhouette_score(measured, groups)) if len(set(groups.tolist())) > 1 else 0.0
        tried.append((apart * max(stable, 0.0), model.cluster_centers_, apart, stable))
    _, centroids, apart, stable = max(tried, key=lambda one: one[0])
    return centroids, apart, stable


def _names(columns: Sequence[Column], centroids: NDArray[np.float64]) -> tuple[str, ...]:
    """Name each group by the two traits in which it lies farthest from the middle."""
    found: list[str] = []
    for row in centroids:
        order = np.argsort(-np.abs(row), kind="stable")
        traits = [
            f"{'high' if row[place] > 0 else 'low'} {_lower(columns[place].title)}"
            for place in order.tolist()
            if abs(row[place]) >= _CLEAR
        ][:2]
        name = ", ".join(traits) or "average in everything"
        name = name[:1].upper() + name[1:]
        found.append(name if name not in found else f"{name} ({found.count(name) + 1})")
    return tuple(found)


def _lower(title: str) -> str:
    # An abbreviation such as NPS keeps its capitals.
    return title if title[:2].isupper() else title[:1].lower() + title[1:]
