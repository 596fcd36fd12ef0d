"""Cross-validation forward in time: test on later dates and on other customers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import DataError, RecipeError
from churnkit.timeline.features.base import check_days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from churnkit.timeline.labels import Label

__all__ = ["ForwardSplit", "repeat_weights"]


class ForwardSplit:
    """Scikit-learn splitter: forward in time, grouped by customer, and purged.

    Split k of n tests on the k-th of the last n dates. It trains on earlier dates whose outcome
    windows had ended on the test date, ``as_of + gap_days + horizon_days <= test date``, so that
    every label was known by then. With `grouped`, customers are divided into n parts (two for one
    split); split k tests on part k and trains on the others, so that no customer is on both sides
    and each is tested in at most one split.

    Parameters
    ----------
    n_splits
        Number of splits.
    horizon_days, gap_days
        Horizon and gap of the label.
    as_of
        The column of X with the dates, or the dates, (n,).
    entity
        The column of X with the customers, if `split` gets no groups.
    grouped
        Keep the customers of training and test apart.
    seed
        Seed of the parts.

    Examples
    --------
    >>> import numpy as np
    >>> dates = np.repeat(np.array(["2025-01-01", "2025-02-01", "2025-03-01"], "M8[D]"), 4)
    >>> customers = np.tile(["a", "b", "c", "d"], 3)
    >>> splitter = ForwardSplit(n_splits=1, horizon_days=30, as_of=dates, grouped=False)
    >>> [(train, test)] = splitter.split(np.zeros((12, 1)), groups=customers)
    >>> train, test
    (array([0, 1, 2, 3]), array([ 8,  9, 10, 11]))
    """

    def __init__(
        self,
        n_splits: int = 3,
        *,
        horizon_days: int,
        gap_days: int = 0,
        as_of: Any = "as_of",
        entity: str | None = None,
        grouped: bool = True,
        seed: int = 0,
    ) -> None:
        self.n_splits = n_splits
        self.horizon_days = horizon_days
        self.gap_days = gap_days
        self.as_of = as_of
        self.entity = entity
        self.grouped = grouped
        self.seed = seed

    @classmethod
    def for_label(cls, label: Label, n_splits: int = 3, **settings: Any) -> ForwardSplit:
        """Create a splitter that purges all the days of a label, including its grace period.

        Examples
        --------
        >>> from churnkit.timeline import ContractualChurn
        >>> label = ContractualChurn("subscriptions", horizon_days=90, gap_days=7, grace_days=30)
        >>> ForwardSplit.for_label(label).horizon_days
        120
        """
        horizon_days = label.mature_days - label.gap_days
        return cls(n_splits, horizon_days=horizon_days, gap_days=label.gap_days, **settings)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits."""
        del X, y, groups
        return self.n_splits

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the positions of training and test rows.

        Parameters
        ----------
        X
            A frame with the dates, or any n rows if `as_of` is the dates.
        y
            Ignored.
        groups
            The customers, (n,); by default the column `entity` of X.

        Raises
        ------
        DataError
            If there are too few dates, or a split has no row to train or to test on.
        """
        del y
        dates = self._dates(X)
        parts = self._parts(X, groups, len(dates)) if self.grouped else None
        tested = np.unique(dates)[-self.n_splits :]
        if len(tested) < self.n_splits:
            raise DataError(
                "snapshots",
                f"{len(tested)} dates are too few for {self.n_splits} splits; add dates",
            )
        purged = np.timedelta64(self.gap_days + self.horizon_days, "D")
        for number, date in enumerate(tested):
            train, test = dates + purged <= date, dates == date
            if parts is not None:
                train, test = train & (parts != number), test & (parts == number)
            if not train.any() or not test.any():
                side = "test on" if train.any() else "train on"
                raise DataError(
                    "snapshots",
                    f"split {number + 1} of {self.n_splits} has no row to {side}: labels of "
                    f"{self.gap_days} + {self.horizon_days} days need earlier dates, and each "
                    "part needs customers; add dates or use fewer splits",
                )
            yield np.flatnonzero(train), np.flatnonzero(test)

    def _dates(self, X: Any) -> NDArray[np.datetime64]:
        check_days("ForwardSplit", "horizon_days", self.horizon_days, minimum=1)
        check_days("ForwardSplit", "gap_days", self.gap_days, minimum=0)
        check_days("ForwardSplit", "n_splits", self.n_splits, minimum=1)
        as_of = _column(X, self.as_of, "as_of") if isinstance(self.as_of, str) else self.as_of
        dates = _to_datetime64(as_of)
        if len(dates) != _rows(X):
            raise RecipeError(f"ForwardSplit: as_of has {len(dates)} dates for {_rows(X)} rows")
        return dates

    def _parts(self, X: Any, groups: Any, rows: int) -> NDArray[np.intp]:
        """Assign customers to parts by a hash of their id."""
        if groups is None:
            if self.entity is None:
                raise RecipeError(
                    "ForwardSplit: pass groups= (the customers) or entity= (their column), or set "
                    "grouped=False"
                )
            groups = _column(X, self.entity, "entity")
        customers = np.asarray(groups)
        if len(customers) != rows:
            raise RecipeError(f"ForwardSplit: groups has {len(customers)} values for {rows} rows")
        names, index = np.unique(customers.astype(str), return_inverse=True)
        count = max(self.n_splits, 2)
        numbers = [_hash(name, self.seed) % count for name in names.tolist()]
        parts: NDArray[np.intp] = np.array(numbers, dtype=np.intp)[index]
        return parts


def _hash(name: str, seed: int) -> int:
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _rows(X: Any) -> int:
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def _column(X: Any, name: str, setting: str) -> Any:
    names: Any = getattr(X, "column_names", None)
    if names is None:
        names = getattr(X, "columns", ())
    if name not in list(names):
        raise RecipeError(
            f"ForwardSplit: X has no column '{name}'; set {setting}= to the column's name or, for "
            "as_of, to the dates"
        )
    return X[name]


def _to_datetime64(dates: Any) -> NDArray[np.datetime64]:
    """Convert dates of pandas, polars, Arrow or NumPy to UTC."""
    if getattr(getattr(dates, "dt", None), "tz", None) is not None:
        dates = dates.dt.tz_convert(None)
    if hasattr(dates, "to_numpy"):
        dates = dates.to_numpy()
    converted: NDArray[np.datetime64] = np.asarray(dates).astype("datetime64[us]")
    return converted


def repeat_weights(customers: Any, *, within: Any = None) -> NDArray[np.float64]:
    """Weight rows so that each customer counts once, however many dates they appear at.

    Customers who leave appear at fewer dates than those who stay, so these weights alone would
    overstate churn; `within` dates and outcomes they keep every rate.

    Parameters
    ----------
    customers
        The customer of each row, (n,).
    within
        Group of each row, (n,), such as its date and outcome; the mean weight of a group is 1.

    Returns
    -------
    numpy.ndarray
        (n,), one over the customer's number of rows, with mean 1.

    Examples
    --------
    >>> repeat_weights(["a", "a", "b"])
    array([0.75, 0.75, 1.5 ])
    >>> repeat_weights(["a", "a", "b", "b"], within=[1, 2, 1, 1])
    array([1., 1., 1., 1.])
    """
    _, index, counts = np.unique(np.asarray(customers), return_inverse=True, return_counts=True)
    weights = 1.0 / counts[index]
    cells = np.zeros(len(index)) if within is None else np.asarray(within)
    _, cell, rows = np.unique(cells, return_inverse=True, return_counts=True)
    scaled: NDArray[np.float64] = weights * (rows / np.bincount(cell, weights=weights))[cell]
    return scaled
