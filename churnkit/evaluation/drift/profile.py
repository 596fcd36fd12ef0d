"""Drift of new rows from the training rows, column by column.

A `Profile` keeps counts, never rows: for each column the number of training rows in some bins.
New rows are counted into the same bins and compared by the population stability index,

    PSI = sum over bins of (new - old) x log(new / old),

which is expected to be ``(bins - 1) x (1 / rows_new + 1 / rows_old)`` by chance alone.

Examples
--------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> profile = Profile.fit(rng.normal(size=(5000, 1)), rng.random(5000), names=["use"])
>>> same, = profile.compare(rng.normal(size=(3000, 1)))
>>> shifted, = profile.compare(rng.normal(2.0, size=(3000, 1)))
>>> same.level, shifted.level
('none', 'large')
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from churnkit.core.result import Result
from churnkit.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["ColumnDrift", "ColumnProfile", "Profile", "holm_adjust"]

Level = Literal["none", "some", "large"]

_BINS = 10
# Values that so large a share of the training rows has get a bin each, at most so many.
_FREQUENT, _MAX_FREQUENT = 0.05, 20
# Training rows that a bin of the other values needs.
_MIN_BIN_ROWS = 20
# A bin with more rows than this share hides the others, which are then compared alone too.
_DOMINANT = 0.5
_MIN_REST = 30
# Common thresholds of the index: below 0.1 stable, from 0.25 a different population.
_SOME, _LARGE = 0.1, 0.25
# Change of a bin's share, as a ratio, that is drift however rare the bin is, and the rows it needs.
_RATIO, _MIN_RATIO_ROWS = 3.0, 20
# Increase of the share of missing values that is always large.
_MISSING = 0.1
# Relative change of a column of one value that is rounding.
_ROUNDING = 1e-6
# Half a row is added to each bin, since the logarithm of an empty one is infinite.
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class ColumnDrift(Result):
    """Drift of one column.

    Parameters
    ----------
    name
        The column's name.
    psi
        Population stability index minus its expectation under no drift; at least 0. If most
        rows have one value, the larger of the indices with and without it.
    ks
        Largest distance of the cumulative shares over the bins (Kolmogorov-Smirnov); over the
        codes for categories.
    p_value
        P-value of the chi-square test over the bins, not adjusted (see `holm_adjust`).
    missing_before, missing_now
        Share of missing values in the training rows and in the new ones.
    level
        ``"large"`` from an index of 0.25, or where the share of missing values grew by 0.1;
        ``"some"`` from 0.1, or where the share of a bin is three times or a third of what it was;
        else ``"none"``.
    """

    name: str
    psi: float
    ks: float
    p_value: float
    missing_before: float
    missing_now: float
    level: Level


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """Number of training rows in each bin of a column.

    Parameters
    ----------
    name
        The column's name.
    edges
        Upper bounds of all bins but the last; for categories half a code off each code.
    counts
        Rows in each bin; the last count is that of missing values.
    """

    name: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def fit(cls, name: str, values: NDArray[np.float64], *, categorical: bool) -> ColumnProfile:
        """Profile a column, (n,); missing as NaN, infinite values count as missing.

        A column of one value has drifted if it moves by more than a millionth of it (a millionth if
        the value is 0); less is rounding, as of numbers stored with 32 bits.
        """
        present = values[~np.isnan(values)]
        if categorical:
            codes = np.unique(present)
            # A code between or above those of training has a bin of its own.
            edges = np.unique(np.concatenate([codes - 0.5, codes + 0.5]))
        else:
            edges = _numeric_edges(present)
        counts = _count(values, edges)
        return cls(name, tuple(map(float, edges)), tuple(map(int, counts)))

    def count(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """Count values of the column, (n,), by bin; the last count is that of missing values."""
        return _count(values, self.edges)

    def compare(self, values: NDArray[np.float64]) -> ColumnDrift:
        """Measure the drift of new values of the column, (n,)."""
        return self.compare_counts(self.count(values))

    def compare_counts(self, counts: NDArray[np.integer[Any]]) -> ColumnDrift:
        """Measure the drift of new values by their counts in each bin; see `count`."""
        old = np.array(self.counts, dtype=np.float64)
        new = np.asarray(counts, dtype=np.float64)
        rows_old, rows_new = old.sum(), new.sum()
        if not rows_new or not rows_old:
            return ColumnDrift(self.name, 0.0, 0.0, 1.0, 0.0, 0.0, "none")
        used = (old + new) > 0
        psi = _stability_index(old[used], new[used])
        rest = used & (old < _DOMINANT * rows_old)
        if rest.sum() < used.sum() and min(old[rest].sum(), new[rest].sum()) >= _MIN_REST:
            psi = max(psi, _stability_index(old[rest], new[rest]))
        distance = np.abs(np.cumsum(old) / rows_old - np.cumsum(new) / rows_new)
        before, now = float(old[-1] / rows_old), float(new[-1] / rows_new)
        large = psi >= _LARGE or now - before >= _MISSING
        return ColumnDrift(
            self.name,
            psi,
            float(distance.max()),
            _chi_square(old[used], new[used]),
            before,
            now,
            "large" if large else "some" if psi >= _SOME or _has_rare_change(old, new) else "none",
        )


@dataclass(frozen=True, slots=True)
class Profile:
    """Distribution of the training rows, as counts.

    Parameters
    ----------
    columns
        One for each column of the matrix, in order.
    score
        Profile of the model's probabilities on rows that it was not trained on.
    """

    columns: tuple[ColumnProfile, ...]
    score: ColumnProfile

    @classmethod
    def fit(
        cls,
        X: NDArray[np.float64],
        probability: NDArray[np.float64],
        *,
        names: Sequence[str],
        categorical: Collection[int] = (),
    ) -> Profile:
        """Count encoded rows and probabilities.

        Parameters
        ----------
        X : (n, f)
            Encoded rows of the training data.
        probability : (m,)
            Probabilities of rows that the model was not trained on.
        names : (f,)
            Names of the columns.
        categorical
            Positions of the columns with codes of categories.

        Returns
        -------
        Profile
            Counts of each column and of the score.
        """
        columns = tuple(
            ColumnProfile.fit(name, X[:, position], categorical=position in categorical)
            for position, name in enumerate(names)
        )
        return cls(columns, ColumnProfile.fit("churn_probability", probability, categorical=False))

    def compare(self, X: NDArray[np.float64]) -> tuple[ColumnDrift, ...]:
        """Measure the drift of each column.

        Parameters
        ----------
        X : (n, f)
            Encoded rows.

        Returns
        -------
        tuple of ColumnDrift
            One for each column, in order.
        """
        return tuple(column.compare(X[:, at]) for at, column in enumerate(self.columns))

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
            The data are not a profile.
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
            raise BundleError("the bundle's profile cannot be read: retrain the model") from error
        if not columns or any(len(c.counts) != len(c.edges) + 2 for c in columns):
            raise BundleError("the bundle's profile is inconsistent: retrain the model")
        return cls(tuple(columns[:-1]), columns[-1])


def holm_adjust(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Adjust p-values for multiplicity by Holm's method.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6.

    Examples
    --------
    >>> holm_adjust([0.01, 0.5]).tolist()
    [0.02, 0.5]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    result = np.empty(len(p))
    result[order] = np.minimum(1.0, stepped)
    return result


def _count(values: NDArray[np.float64], edges: Any) -> NDArray[np.intp]:
    missing = ~np.isfinite(values)
    bins = np.searchsorted(np.asarray(edges, dtype=np.float64), values[~missing], side="left")
    counts = np.bincount(bins, minlength=len(edges) + 1)
    return np.append(counts, missing.sum())


def _stability_index(old: NDArray[np.float64], new: NDArray[np.float64]) -> float:
    """Return the population stability index over bins minus its expectation under no drift."""
    share_old, share_new = ((counts + _HALF) / (counts + _HALF).sum() for counts in (old, new))
    index = float(((share_new - share_old) * np.log(share_new / share_old)).sum())
    expected = (len(old) - 1) * (1.0 / float(new.sum()) + 1.0 / float(old.sum()))
    return max(0.0, index - expected)


def _has_rare_change(old: NDArray[np.float64], new: NDArray[np.float64]) -> bool:
    """Return whether a bin's share has changed by a large ratio: a flag from 0.5% to 3%.

    The index hardly moves with rare values, whatever their ratio.
    """
    share_old, share_new = ((counts + _HALF) / (counts + _HALF).sum() for counts in (old, new))
    expected = np.maximum(share_old, share_new) * min(old.sum(), new.sum())
    change = np.abs(np.log(share_new / share_old))
    return bool(((expected >= _MIN_RATIO_ROWS) & (change >= np.log(_RATIO))).any())


def _chi_square(old: NDArray[np.float64], new: NDArray[np.float64]) -> float:
    """Return the p-value of the chi-square test of equal distributions."""
    from scipy.special import chdtrc

    if len(old) < 2:
        return 1.0
    both = old + new
    statistic = 0.0
    for counts in (old, new):
        expected = both * (counts.sum() / both.sum())
        statistic += float(((counts - expected) ** 2 / expected).sum())
    return float(chdtrc(len(old) - 1, statistic))


def _numeric_edges(present: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return edges around each frequent value and at quantiles of the others.

    No edge discloses a customer's value: those around a frequent value lie a power of ten off,
    and quantiles are rounded to three digits of the column's spread.
    """
    values, counts = np.unique(present[np.isfinite(present)], return_counts=True)
    if not len(values):
        return np.empty(0)
    order = np.argsort(-counts, kind="stable")[:_MAX_FREQUENT]
    frequent = np.sort(order[counts[order] >= _FREQUENT * len(present)])
    edges: list[float] = []
    for at in frequent:
        value = float(values[at])
        default = max(abs(value), 1.0) / 50
        if len(values) == 1:
            default = 2.0 * _ROUNDING * (abs(value) or 1.0)
        gaps = (
            value - float(values[at - 1]) if at > 0 else default,
            float(values[at + 1]) - value if at + 1 < len(values) else default,
        )
        below, above = (10.0 ** np.floor(np.log10(gap / 2)) for gap in gaps)
        edges += [value - float(below), value + float(above)]
    rest = present[np.isfinite(present) & ~np.isin(present, values[frequent])]
    bins = min(_BINS, len(rest) // _MIN_BIN_ROWS)
    if bins > 1:
        quantiles = np.quantile(rest, np.arange(1, bins) / bins)
        spread = float(quantiles[-1] - quantiles[0]) or float(np.ptp(rest))
        step = 10.0 ** (np.floor(np.log10(spread)) - 2) if spread > 0 else 1.0
        edges += (np.round(quantiles / step) * step).tolist()
    return np.unique(edges)
