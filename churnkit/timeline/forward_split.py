"""Validation as the model will be used: on later dates, and on customers it has not seen."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import RecipeError
from churnkit.timeline.aggregations import whole_days
from churnkit.timeline.errors import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from churnkit.timeline.labels import Label

__all__ = ["ForwardSplit", "repeat_weights"]


class ForwardSplit:
    """A scikit-learn splitter: forward in time, by customer, and purged.

    Split k of n tests on the k-th of the last n dates. It trains on earlier dates whose outcome
    windows were over on the tested date, ``as_of + gap_days + horizon_days <= tested``, so that
    no label was learned before it could be known. With `grouped` the customers fall into n
    parts (two for one split); split k tests on part k and trains on the others, so that nobody is
    on both sides and each customer is tested in one split at most.

    Parameters
    ----------
    n_splits
        How many splits.
    gap_days, horizon_days
        Of the label.
    as_of
        The name of the column of X with the dates, or the dates themselves, (n,).
    entity
        The name of the column of X with the customers, where `split` is given no groups.
    grouped
        Whether customers are kept apart.
    seed
        Draws the parts.

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
        """Purge by all the days that a label needs, its grace included.

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
        """Yield the positions of rows to train on and to test on.

        Parameters
        ----------
        X
            A frame with the dates, or anything of n rows where `as_of` holds them.
        y
            Not used.
        groups
            The customers, (n,); the column `entity` of X if not given.

        Raises
        ------
        DataError
            If there are too few dates, or no row is left to train on or to test on.
        """
        del y
        dates = self._dates(X)
        parts = self._parts(X, groups, len(dates)) if self.grouped else None
        tested = np.unique(dates)[-self.n_splits :]
        if len(tested) < self.n_splits:
            raise refusal(
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
                raise refusal(
                    "snapshots",
                    f"split {number + 1} of {self.n_splits} has no row to {side}: labels of "
                    f"{self.gap_days} + {self.horizon_days} days need earlier dates, and every "
                    "part some customers; add dates or ask for fewer splits",
                )
            yield np.flatnonzero(train), np.flatnonzero(test)

    def _dates(self, X: Any) -> NDArray[np.datetime64]:
        whole_days("ForwardSplit", "horizon_days", self.horizon_days, least=1)
        whole_days("ForwardSplit", "gap_days", self.gap_days, least=0)
        whole_days("ForwardSplit", "n_splits", self.n_splits, least=1)
        given = _column(X, self.as_of, "as_of") if isinstance(self.as_of, str) else self.as_of
        dates = _moments(given)
        if len(dates) != _rows(X):
            raise RecipeError(f"ForwardSplit: as_of holds {len(dates)} dates for {_rows(X)} rows")
        return dates

    def _parts(self, X: Any, groups: Any, rows: int) -> NDArray[np.intp]:
        """Draw each customer's part, the same wherever the customer stands."""
        if groups is None:
            if self.entity is None:
                raise RecipeError(
                    "ForwardSplit: give groups=, the customers, or entity=, their column; or "
                    "grouped=False"
                )
            groups = _column(X, self.entity, "entity")
        customers = np.asarray(groups)
        if len(customers) != rows:
            raise RecipeError(f"ForwardSplit: groups holds {len(customers)} for {rows} rows")
        names, place = np.unique(customers.astype(str), return_inverse=True)
        count = max(self.n_splits, 2)
        drawn = [_draw(name, self.seed) % count for name in names.tolist()]
        parts: NDArray[np.intp] = np.array(drawn, dtype=np.intp)[place]
        return parts


def _draw(name: str, seed: int) -> int:
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
            f"ForwardSplit: X has no column '{name}'; give {setting}= the column's name or, for "
            "as_of, the dates themselves"
        )
    return X[name]


def _moments(given: Any) -> NDArray[np.datetime64]:
    """Read dates as UTC, of pandas, polars, Arrow or numpy."""
    if getattr(getattr(given, "dt", None), "tz", None) is not None:
        given = given.dt.tz_convert(None)
    if hasattr(given, "to_numpy"):
        given = given.to_numpy()
    dates: NDArray[np.datetime64] = np.asarray(given).astype("datetime64[us]")
    return dates


def repeat_weights(customers: Any, *, within: Any = None) -> NDArray[np.float64]:
    """Weigh rows so that each customer counts once, however many dates show them.

    Who leaves is seen at fewer dates than who stays, so these weights alone would call leaving
    more frequent than it is: `within` dates and outcomes they keep every rate.

    Parameters
    ----------
    customers
        Who each row is about, (n,).
    within
        Rows with the same value, (n,), weigh 1 in the mean: the date and the outcome.

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
    _, place, count = np.unique(np.asarray(customers), return_inverse=True, return_counts=True)
    weights = 1.0 / count[place]
    cells = np.zeros(len(place)) if within is None else np.asarray(within)
    _, cell, rows = np.unique(cells, return_inverse=True, return_counts=True)
    scaled: NDArray[np.float64] = weights * (rows / np.bincount(cell, weights=weights))[cell]
    return scaled
