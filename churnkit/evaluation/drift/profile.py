"""How far new rows lie from those that a model learned from, column by column.

A `Profile` keeps counts, never rows: for each column the share of the training rows in some bins.
New rows are counted into the same bins and held against it by the population stability index,

    PSI = sum over bins of (new - old) x log(new / old),

which is expected to be ``(bins - 1) x (1 / rows_new + 1 / rows_old)`` by chance alone.

Examples
--------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> known = Profile.of(rng.normal(size=(5000, 1)), rng.random(5000), names=["use"])
>>> same, = known.compare(rng.normal(size=(3000, 1)))
>>> moved, = known.compare(rng.normal(2.0, size=(3000, 1)))
>>> same.level, moved.level
('none', 'large')
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from churnkit.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["ColumnDrift", "ColumnProfile", "Profile", "adjusted"]

Level = Literal["none", "some", "large"]

_BINS = 10
_DIGITS = 3
# The usual reading of the index: below .1 nothing, from .25 on another population.
_SOME, _LARGE = 0.1, 0.25
# A share of the rows whose values went missing that nobody should overlook.
_MISSING = 0.1
# Half a row in an empty bin: a logarithm of nothing is no distance.
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """One column of new rows against its profile."""

    name: str
    psi: float
    """The population stability index, less what chance alone brings; 0 at the least."""
    ks: float
    """The greatest distance of the two cumulative shares over the bins (Kolmogorov-Smirnov);
    for categories over the codes."""
    p_value: float
    """How often chance alone gives so much (chi-square over the bins); not adjusted."""
    missing_before: float
    missing_now: float
    level: Level
    """``large`` from an index of .25, or where values went missing in 10 more of 100 rows;
    ``some`` from .1. Whether it is chance is for `adjusted` to say, over all columns."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """The share of rows in each bin of a column.

    Parameters
    ----------
    name
        The column's.
    edges
        Upper bounds of all bins but the last one; for categories the codes' halves.
    counts
        Rows in each bin; the last count is of missing values.
    """

    name: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, name: str, values: NDArray[np.float64], *, categorical: bool) -> ColumnProfile:
        """Profile a column, (n,); missing as NaN."""
        known = values[~np.isnan(values)]
        if categorical:
            codes = np.unique(known)
            edges = (codes[:-1] + codes[1:]) / 2.0
        else:
            inside = np.linspace(0, 1, _BINS + 1)[1:-1]
            # Rounded: no edge is one customer's number.
            inner = np.quantile(known, inside).tolist() if len(known) else []
            edges = np.unique([_round(edge) for edge in inner])
        counts = _count(values, edges)
        return cls(name, tuple(map(float, edges)), tuple(map(int, counts)))

    def compare(self, values: NDArray[np.float64]) -> ColumnDrift:
        """Hold new values of the column, (n,), against it."""
        old = np.array(self.counts, dtype=np.float64)
        new = _count(values, np.array(self.edges)).astype(np.float64)
        rows_old, rows_new = old.sum(), new.sum()
        if not rows_new or not rows_old:
            return ColumnDrift(self.name, 0.0, 0.0, 1.0, 0.0, 0.0, "none")
        used = (old + new) > 0
        share_old, share_new = _share(old[used]), _share(new[used])
        index = float(((share_new - share_old) * np.log(share_new / share_old)).sum())
        chance = (used.sum() - 1) * (1.0 / rows_new + 1.0 / rows_old)
        psi = max(0.0, index - float(chance))
        distance = np.abs(np.cumsum(old) / rows_old - np.cumsum(new) / rows_new)
        before, now = float(old[-1] / rows_old), float(new[-1] / rows_new)
        large = psi >= _LARGE or now - before >= _MISSING
        return ColumnDrift(
            self.name,
            psi,
            float(distance.max()),
            _chance(old[used], new[used]),
            before,
            now,
            "large" if large else "some" if psi >= _SOME else "none",
        )


@dataclass(frozen=True, slots=True)
class Profile:
    """What training rows looked like, as counts.

    Parameters
    ----------
    columns
        One for each column of the matrix, in order.
    score
        That of the model's probabilities of rows that it did not learn from.
    """

    columns: tuple[ColumnProfile, ...]
    score: ColumnProfile

    @classmethod
    def of(
        cls,
        X: NDArray[np.float64],
        probability: NDArray[np.float64],
        *,
        names: Sequence[str],
        categorical: Collection[int] = (),
    ) -> Profile:
        """Profile encoded rows, (n, f), and probabilities, (m,)."""
        columns = tuple(
            ColumnProfile.of(name, X[:, place], categorical=place in categorical)
            for place, name in enumerate(names)
        )
        return cls(columns, ColumnProfile.of("churn_probability", probability, categorical=False))

    def compare(self, X: NDArray[np.float64]) -> tuple[ColumnDrift, ...]:
        """Hold encoded rows, (n, f), against the columns, in their order."""
        return tuple(column.compare(X[:, place]) for place, column in enumerate(self.columns))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able data; `from_dict` is its inverse."""
        columns = [*self.columns, self.score]
        return {
            "columns": [
                {"name": c.name, "edges": list(c.edges), "counts": list(c.counts)} for c in columns
            ]
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Profile:
        """Rebuild a profile from `to_dict`.

        Raises
        ------
        BundleError
            If the data are no profile.
        """
        try:
            columns = [
                ColumnProfile(
                    str(column["name"]),
                    tuple(map(float, column["edges"])),
                    tuple(map(int, column["counts"])),
                )
                for column in data["columns"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError("the bundle's profile cannot be read: train again") from error
        if not columns or any(len(c.counts) != len(c.edges) + 2 for c in columns):
            raise BundleError("the bundle's profile does not hold together: train again")
        return cls(tuple(columns[:-1]), columns[-1])


def adjusted(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Adjust p-values for their number (Holm): below .01 at most one in a hundred sets is chance.

    Examples
    --------
    >>> adjusted([0.01, 0.5]).tolist()
    [0.02, 0.5]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    result = np.empty(len(p))
    result[order] = np.minimum(1.0, stepped)
    return result


def _count(values: NDArray[np.float64], edges: Any) -> NDArray[np.intp]:
    missing = np.isnan(values)
    bins = np.searchsorted(np.asarray(edges, dtype=np.float64), values[~missing], side="left")
    counts = np.bincount(bins, minlength=len(edges) + 1)
    return np.append(counts, missing.sum())


def _share(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = counts + _HALF
    shares: NDArray[np.float64] = padded / padded.sum()
    return shares


def _chance(old: NDArray[np.float64], new: NDArray[np.float64]) -> float:
    """Give the p-value of the chi-square test that both come from one population."""
    from scipy.special import chdtrc

    if len(old) < 2:
        return 1.0
    both = old + new
    statistic = 0.0
    for counts in (old, new):
        expected = both * (counts.sum() / both.sum())
        statistic += float(((counts - expected) ** 2 / expected).sum())
    return float(chdtrc(len(old) - 1, statistic))


def _round(number: float) -> float:
    if number == 0 or not np.isfinite(number):
        return 0.0
    step = 10.0 ** (np.floor(np.log10(abs(number))) - _DIGITS + 1)
    return float(np.round(number / step) * step)
