"""Split customers into training and test by a hash of their ids."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Split"]

_BUCKETS = 2**32
_MAX_FOLDS = 10
# With fewer churners in the test a model is hardly distinguishable from the baseline.
_TEST_CHURNERS = 50
# Of all folds together, where each is tested: as many as are advised for a validation.
_CROSSED_CHURNERS = 100
_TRAIN_CHURNERS_PER_TEST_CHURNER = 3


@dataclass(frozen=True, slots=True)
class Split:
    """Hold out a share of the customers for the test, chosen by a hash of their id.

    A customer is in the same fold in every run, whatever the seed, the order of rows or the other
    customers. So the tested models of a champion and of a challenger were fitted without the
    customers that both are compared on.

    Each fold is held out once, so that every customer is tested. The first fold is the share
    `test`; it alone is held out of large tables, see `split_rows`.

    Parameters
    ----------
    test
        Share of customers held out at a time, above 0 and below 1.
    salt
        Key of the hash. Change it together with the model's name: another salt holds out other
        customers, which an earlier champion was trained on.
    dates
        With a timeline, the number of last dates that are tested. The other customers are
        learned from at earlier dates whose outcome was known by then. 0 trains and tests at all
        dates. By default the last date is tested, and dates before it until 50 customers who churned
        are in the test (100 if all folds are tested), as long as three times as many as in the
        test of one fold remain for training.

    Raises
    ------
    RecipeError
        If a setting is out of range.

    Examples
    --------
    >>> split = Split(test=0.25)
    >>> split.is_test(["a", "b", "c", "d"])
    array([False,  True, False, False])
    """

    test: float = 0.2
    salt: str = "churnkit"
    dates: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.test < 1.0:
            raise RecipeError(f"split: test must be above 0 and below 1, got {self.test}")
        if self.dates is not None and self.dates < 0:
            raise RecipeError(f"split: dates must be at least 0, got {self.dates}")

    def is_test(self, customers: Sequence[Any]) -> NDArray[np.bool_]:
        """Return a mask of the customers that are held out, shape (n,)."""
        return self._buckets(customers) < self._limit

    def folds(self, customers: Sequence[Any]) -> NDArray[np.intp]:
        """Return the number of each customer's fold, shape (n,), ascending from 0.

        Fold 0 is `is_test`; the other customers are divided evenly into folds of about its size,
        at least one and at most nine.

        Examples
        --------
        >>> Split(test=0.25).folds(["a", "b", "c", "d", "e", "f"])
        array([1, 0, 2, 3, 2, 0])
        """
        bucket, limit = self._buckets(customers), self._limit
        others = min(_MAX_FOLDS, math.ceil(1 / self.test)) - 1
        place = 1 + (bucket - limit) * others // max(_BUCKETS - limit, 1)
        return np.where(bucket < limit, 0, place).astype(np.intp)

    @property
    def _limit(self) -> int:
        return int(self.test * _BUCKETS)

    def _buckets(self, customers: Sequence[Any]) -> NDArray[np.int64]:
        key = self.salt.encode()[:64]
        return np.array(
            [
                int.from_bytes(
                    hashlib.blake2b(str(customer).encode(), digest_size=4, key=key).digest(), "big"
                )
                for customer in customers
            ],
            dtype=np.int64,
        )

    def sides(
        self,
        held_out: NDArray[np.bool_],
        as_of: NDArray[np.datetime64],
        *,
        left: NDArray[np.int8],
        mature_days: int,
        customers: NDArray[Any] | None = None,
        is_crossed: bool = False,
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Split rows with dates by customer and forward in time.

        Parameters
        ----------
        held_out
            Mask from `is_test`, shape (n,).
        as_of
            Dates of the rows, shape (n,).
        left
            1 for customers who churned, shape (n,).
        mature_days
            Days from a row's date until its outcome is known: gap, horizon and grace.
        customers
            Customer of each row, shape (n,); None if each has one row. Churners are counted as
            distinct customers.
        is_crossed
            True if the other folds are tested too, so that fewer dates have enough churners.

        Returns
        -------
        train, test
            Masks, shape (n,) each; rows in neither are left out.

        Raises
        ------
        RecipeError
            If no date is early enough to train on.

        Examples
        --------
        >>> dates = np.array(["2025-01-01", "2025-01-01", "2025-04-01", "2025-04-01"], "M8[D]")
        >>> held_out, left = np.array([True, False, True, False]), np.array([0, 1, 1, 0])
        >>> Split().sides(held_out, dates, left=left, mature_days=90)
        (array([False,  True, False, False]), array([False, False,  True, False]))
        """
        if self.dates == 0:
            return ~held_out, held_out
        moments = np.unique(as_of)
        first = moments[-(self.dates or 1) :][0]
        sides = _split_at(held_out, as_of, first, mature_days)
        if not sides[0].any():
            raise RecipeError(
                f"split: no date is {mature_days} days before the first tested one, "
                f"{np.datetime_as_string(first, 'D')}, so no outcome is known to train on: add "
                "earlier snapshots, shorten the horizon, or test at all dates with "
                "split=Split(dates=0)"
            )
        if self.dates is not None:
            return sides
        ids = np.arange(len(left)) if customers is None else customers

        def count_churners(rows: NDArray[np.bool_]) -> int:
            return len(np.unique(ids[rows & (left == 1)]))

        enough = _CROSSED_CHURNERS if is_crossed else _TEST_CHURNERS
        for earlier in moments[-2::-1]:
            if count_churners(as_of >= first if is_crossed else sides[1]) >= enough:
                break
            train, test = _split_at(held_out, as_of, earlier, mature_days)
            needed = _TRAIN_CHURNERS_PER_TEST_CHURNER * max(count_churners(test), 1)
            if count_churners(train) < needed:
                break
            sides, first = (train, test), earlier
        return sides


def _split_at(
    held_out: NDArray[np.bool_], as_of: NDArray[np.datetime64], first: np.datetime64, days: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Train on outcomes known at the first tested date, and test from it on."""
    is_mature = as_of + np.timedelta64(days, "D") <= first
    return ~held_out & is_mature, held_out & (as_of >= first)
