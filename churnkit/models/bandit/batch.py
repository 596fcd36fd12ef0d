"""Rewards that a bandit learns from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["BanditBatch"]


@dataclass(frozen=True, eq=False)
class BanditBatch:
    """Options shown to customers, and the rewards observed.

    Parameters
    ----------
    customers : (n, f)
        Features of the customers, missing as NaN.
    options
        (n) name of the option shown to each customer.
    option_features : (n, g)
        Features of that option.
    reward : (n,)
        Observed reward: 0 and 1, or money.
    """

    customers: NDArray[np.float64]
    options: Sequence[str]
    option_features: NDArray[np.float64]
    reward: NDArray[np.float64]

    def __post_init__(self) -> None:
        rows = len(self.reward)
        sizes = (len(self.customers), len(self.options), len(self.option_features))
        if set(sizes) != {rows}:
            raise ModelDataError(
                "all parts of a batch must have the same length: got "
                f"{rows} rewards, {sizes[0]} customers, {sizes[1]} options and {sizes[2]} rows of "
                "option features"
            )
        invalid = int(np.count_nonzero(~np.isfinite(self.reward)))
        if invalid:
            raise ModelDataError(f"{invalid} rewards are missing or not finite: drop those rows")
