"""Time of each customer's next purchase, with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.result import Result
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["NextPurchase"]

_LAST_DAY = np.datetime64("9999-12-31", "D")


@dataclass(frozen=True, slots=True)
class NextPurchase(Result):
    """Probability of a further purchase, and its time given that it comes.

    Parameters
    ----------
    probability : (n,)
        Probability of a purchase within the horizon; the rest is that of none.
    median, low, high : (n,)
        Median and interval of the time from `T` to the next purchase, given that one comes within
        the horizon.
    level
        Probability of the interval.
    horizon
        Length of the period that counts; None for all of the future.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones(1)
    >>> times = NextPurchase(0.7 * one, 3 * one, 0.2 * one, 9.5 * one, level=0.9, horizon=26.0)
    >>> times.dates("2026-01-01")
       probability     median        low       high
    0          0.7 2026-01-21 2026-01-02 2026-03-08
    """

    probability: NDArray[np.float64]
    median: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    level: float
    horizon: float | None

    def to_frame(self) -> pd.DataFrame:
        """Return one row per customer, in the order of the input, with times in the unit of `T`."""
        import pandas as pd

        names = ("probability", "median", "low", "high")
        return pd.DataFrame({name: getattr(self, name) for name in names})

    def dates(self, as_of: date | str, *, unit_days: float = 7.0) -> pd.DataFrame:
        """Return one row per customer, with dates in place of times.

        Parameters
        ----------
        as_of
            The first day that was not observed, as for `summarize`: `T` ends the day before.
        unit_days
            The unit of `T`, in days.

        Returns
        -------
        pandas.DataFrame
            `probability`, and the days `median`, `low` and `high`, missing after the year 9999.

        Raises
        ------
        ModelDataError
            `as_of` is not a date, or `unit_days` is not positive.
        """
        from churnkit.models.value.rfm_summary import day_number

        if not 0 < unit_days < np.inf:
            raise ModelDataError("unit_days must be above 0: 7 for weeks, 1 for days")
        start = np.datetime64(day_number(as_of) - 1, "D")
        frame = self.to_frame()
        room = float((_LAST_DAY - start).astype(np.int64))
        for name in ("median", "low", "high"):
            # A purchase at any time of the first day falls on `as_of`.
            days = np.maximum(np.ceil(getattr(self, name) * unit_days), 1.0)
            whole = np.where(days <= room, days, 0.0).astype("timedelta64[D]")
            moments = np.where(days <= room, start + whole, np.datetime64("NaT", "D"))
            frame[name] = moments.astype("datetime64[s]")
        return frame

    def to_dict(self) -> dict[str, Any]:
        """Return the expected number of customers who buy, without rows of customers."""
        return {
            "customers": len(self.probability),
            "expected_customers_with_purchase": float(self.probability.sum()),
            "level": self.level,
            "horizon": self.horizon,
        }

    def _repr_html_(self) -> str:
        return str(self.to_frame().describe().to_html())
