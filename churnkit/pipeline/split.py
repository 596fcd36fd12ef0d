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

    def __post_init__(self) -> None:
        if not 0.0 < self.test < 1.0:
            raise RecipeError("split: test is a share of the customers, above 0 and below 1")

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
