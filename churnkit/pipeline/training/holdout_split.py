"""Which customers a model is tested on: always the same ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Split"]

_BUCKETS = 2**32
# Fewer tested leavers than this hardly tell a good model from a rule.
_ENOUGH = 50
_LEARNED_PER_TESTED = 3


@dataclass(frozen=True, slots=True)
class Split:
    """Hold out a share of the customers for the test, chosen by a hash of their id.

    A customer is a test customer in every run, whatever the seed, the order of the rows or
    the rest of the table: today's champion was never trained on the customers that tomorrow's
    challenger is tested on.

    Parameters
    ----------
    test
        The share of customers held out, above 0 and below 1.
    dates
        Of a table with a timeline: how many of its last dates are tested. The other customers
        are learned from at the earlier dates whose outcome was known by then, so that nothing
        is learned from what the tested dates could not know. 0 tests and learns at all dates.
        None, the default, tests the last date, and as many before it as it takes to test 50 who
        left, while three times as many who left remain to learn from.
    salt
        Another salt gives another choice of customers; change it together with the model's
        name, since a champion of before would have seen the new test customers.

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
            raise RecipeError("split: test is a share of the customers, above 0 and below 1")
        if self.dates is not None and self.dates < 0:
            raise RecipeError("split: dates is how many of the last dates are tested, from 0")

    def is_test(self, customers: Sequence[Any]) -> NDArray[np.bool_]:
        """Tell for each customer whether it is held out, (n,)."""
        limit = int(self.test * _BUCKETS)
        key = self.salt.encode()[:64]
        return np.array(
            [
                int.from_bytes(
                    hashlib.blake2b(str(customer).encode(), digest_size=4, key=key).digest(), "big"
                )
                < limit
                for customer in customers
            ],
            dtype=bool,
        )

    def sides(
        self,
        held_out: NDArray[np.bool_],
        as_of: NDArray[np.datetime64],
        *,
        left: NDArray[np.int8],
        known_after_days: int,
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Tell which rows of a table with dates are learned from, and which are tested.

        Parameters
        ----------
        held_out
            From `is_test`, (n,).
        as_of
            The rows' dates, (n,).
        left
            1 for those who left, (n,).
        known_after_days
            How long after its date the outcome of a row is known: gap, horizon and grace.

        Returns
        -------
        train, test
            Bool, (n,) each; rows that are neither are left out.

        Raises
        ------
        RecipeError
            If no date is early enough to learn from.

        Examples
        --------
        >>> dates = np.array(["2025-01-01", "2025-01-01", "2025-04-01", "2025-04-01"], "M8[D]")
        >>> held_out, left = np.array([True, False, True, False]), np.array([0, 1, 1, 0])
        >>> Split().sides(held_out, dates, left=left, known_after_days=90)
        (array([False,  True, False, False]), array([False, False,  True, False]))
        """
        if self.dates == 0:
            return ~held_out, held_out
        moments = np.unique(as_of)
        sides = _forward(held_out, as_of, moments[-(self.dates or 1) :][0], known_after_days)
        if not sides[0].any():
            first = np.datetime_as_string(moments[-(self.dates or 1) :][0], "D")
            raise RecipeError(
                f"split: no date lies {known_after_days} days before the first tested one, "
                f"{first}, so that no outcome is known to learn from: add earlier snapshots, "
                "shorten the horizon, or test at all dates with split=Split(dates=0)"
            )
        if self.dates is not None:
            return sides
        for first in moments[-2::-1]:
            if left[sides[1]].sum() >= _ENOUGH:
                break
            more = _forward(held_out, as_of, first, known_after_days)
            if left[more[0]].sum() < _LEARNED_PER_TESTED * max(left[more[1]].sum(), 1):
                break
            sides = more
        return sides


def _forward(
    held_out: NDArray[np.bool_],
    as_of: NDArray[np.datetime64],
    first: np.datetime64,
    known_after_days: int,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Learn from what was known on the first tested date, and test from it on."""
    known = as_of + np.timedelta64(known_after_days, "D") <= first
    return ~held_out & known, held_out & (as_of >= first)
