"""Frequency, recency, T and mean spend per customer from a log of transactions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.result import Result
from churnkit.models.errors import ModelDataError
from churnkit.models.value.purchase.purchase_history import check_rows

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["PurchaseDays", "PurchaseSummary", "read_purchase_days", "summarize"]

_DAY_MICROSECONDS = 86_400_000_000


@dataclass(frozen=True)
class PurchaseSummary(Result):
    """Input of the purchase models, one row per customer.

    Parameters
    ----------
    customer : (n,)
        Ids, in the order of their first occurrence in the log.
    frequency : (n,)
        Number of days with a purchase after the first such day.
    recency : (n,)
        Time from the first purchase to the last.
    T : (n,)
        Time from the first purchase to the last observed day.
    monetary : (n,)
        Mean spend of the days that `frequency` counts, 0 without any; None if the log has no
        values.
    unit_days
        The unit of time, in days.
    """

    customer: NDArray[Any]
    frequency: NDArray[np.float64]
    recency: NDArray[np.float64]
    T: NDArray[np.float64]
    monetary: NDArray[np.float64] | None
    unit_days: float

    def to_frame(self) -> pd.DataFrame:
        """Return the columns as a pandas table."""
        import pandas as pd

        columns = {
            "customer": self.customer,
            "frequency": self.frequency,
            "recency": self.recency,
            "T": self.T,
        }
        if self.monetary is not None:
            columns["monetary"] = self.monetary
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """Return the size of the summary as JSON-able data, without rows of customers."""
        return {
            "customers": len(self.customer),
            "repeat_buyers": int(np.count_nonzero(self.frequency)),
            "repeat_purchases": int(self.frequency.sum()),
            "unit_days": self.unit_days,
        }

    def _repr_html_(self) -> str:
        return str(self.to_frame().describe().to_html())


@dataclass(frozen=True)
class PurchaseDays:
    """A log with one row per customer and day, sorted by both.

    Parameters
    ----------
    customer : (n,) ids
    code : (m,) index of the customer among the ids
    day : (m,) days since 1970-01-01
    value : (m,) spend on that day; None if the log has no values
    """

    customer: NDArray[Any]
    code: NDArray[np.int64]
    day: NDArray[np.int64]
    value: NDArray[np.float64] | None

    def summary(self, as_of: date | str, *, unit_days: float = 7.0) -> PurchaseSummary:
        """Summarize the customers who bought before `as_of`; see `summarize`."""
        if not 0 < unit_days < np.inf:
            raise ModelDataError("unit_days must be above 0: 7 for weeks, 1 for days")
        end = day_number(as_of)
        is_before = self.day < end
        code, day = self.code[is_before], self.day[is_before]
        if not len(code):
            raise ModelDataError("no purchase before as_of: pass a later date")
        first = np.flatnonzero(np.r_[True, code[1:] != code[:-1]])
        last = np.r_[first[1:], len(code)] - 1
        frequency = (last - first).astype(np.float64)
        monetary = None
        if self.value is not None:
            value = self.value[is_before]
            later = np.add.reduceat(value, first) - value[first]
            monetary = np.divide(later, frequency, out=np.zeros(len(first)), where=frequency > 0)
        return PurchaseSummary(
            self.customer[code[first]],
            frequency,
            (day[last] - day[first]) / unit_days,
            (end - 1 - day[first]) / unit_days,
            monetary,
            float(unit_days),
        )

    def purchases_after(self, as_of: date | str, horizon_days: int) -> NDArray[np.float64]:
        """Count purchase days in ``[as_of, as_of + horizon_days)``.

        Returns
        -------
        (n,) for the customers of ``summary(as_of)``, in its order.
        """
        start = day_number(as_of)
        inside = (self.day >= start) & (self.day < start + horizon_days)
        counts = np.bincount(self.code[inside], minlength=len(self.customer))
        return counts[np.unique(self.code[self.day < start])].astype(np.float64)

    def time_to_purchase(self, as_of: date | str, *, unit_days: float = 7.0) -> NDArray[np.float64]:
        """Return the time from the day before `as_of` to the next purchase; inf without one.

        Returns
        -------
        (n,) for the customers of ``summary(as_of)``, in its order.
        """
        start = day_number(as_of)
        # The log is sorted by customer and day, so the first row from `as_of` on is the next one.
        ahead = self.day >= start
        code, row = np.unique(self.code[ahead], return_index=True)
        time = np.full(len(self.customer), np.inf)
        time[code] = (self.day[ahead][row] - (start - 1)) / unit_days
        return time[np.unique(self.code[~ahead])]


def summarize(
    transactions: Any,
    *,
    as_of: date | str,
    customer: str = "customer_id",
    time: str = "date",
    value: str | None = None,
    unit_days: float = 7.0,
) -> PurchaseSummary:
    """Summarize a log of transactions for purchase models.

    The purchases of a customer on one day (UTC) count as one, with the sum of their values. Only
    days before `as_of` are used; `T` ends on the day before it. Customers whose first purchase is
    on `as_of` or later are not included.

    Parameters
    ----------
    transactions
        A pandas, polars or Arrow table, or a list of dicts; one row per transaction, any order.
    as_of
        The first day that is not used: a date, or a string such as ``2026-01-31``.
    customer, time, value
        Columns of the customer's id, the date or time, and the amount.
    unit_days
        The unit of time of the summary: 7 for weeks, 1 for days.

    Returns
    -------
    PurchaseSummary
        One row per customer with a purchase.

    Raises
    ------
    ModelDataError
        A column is missing, has missing values, or has an unsupported type.

    Examples
    --------
    >>> log = [
    ...     {"customer_id": "a", "date": "2026-01-01", "spent": 10.0},
    ...     {"customer_id": "a", "date": "2026-01-15", "spent": 20.0},
    ...     {"customer_id": "a", "date": "2026-01-15", "spent": 5.0},
    ...     {"customer_id": "b", "date": "2026-01-08", "spent": 7.0},
    ... ]
    >>> summarize(log, as_of="2026-01-30", value="spent").to_frame()
      customer  frequency  recency    T  monetary
    0        a        1.0      2.0  4.0      25.0
    1        b        0.0      0.0  3.0       0.0
    """
    days = read_purchase_days(transactions, customer=customer, time=time, value=value)
    return days.summary(as_of, unit_days=unit_days)


def read_purchase_days(
    transactions: Any,
    *,
    customer: str = "customer_id",
    time: str = "date",
    value: str | None = None,
) -> PurchaseDays:
    """Aggregate a log of transactions by customer and day; parameters as for `summarize`.

    Returns
    -------
    PurchaseDays

    Raises
    ------
    ModelDataError
        A column is missing, has missing values, or has an unsupported type.

    Examples
    --------
    >>> log = [{"customer_id": 7, "date": "2026-01-02"}, {"customer_id": 7, "date": "2026-01-02"}]
    >>> read_purchase_days(log).day
    array([20455])
    """
    import pyarrow as pa

    from churnkit.contracts.arrow_interop import as_arrow

    table = as_arrow(transactions, name="the transactions")
    for name in (customer, time, *([value] if value else [])):
        if name not in table.column_names:
            raise ModelDataError(f"the transactions have no column '{name}'")
        missing = table[name].null_count
        if missing:
            raise ModelDataError(f"column '{name}' is missing in {missing} rows: drop them")
    if not table.num_rows:
        raise ModelDataError("the transactions are empty: pass at least one row")
    coded = pa.chunked_array(table[customer]).combine_chunks().dictionary_encode()
    code = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    ids = coded.dictionary.to_numpy(zero_copy_only=False)
    day = _days(table[time], time)
    order = np.lexsort([day, code])
    code, day = code[order], day[order]
    starts = np.flatnonzero(np.r_[True, (code[1:] != code[:-1]) | (day[1:] != day[:-1])])
    amounts = None
    if value is not None:
        amounts = np.add.reduceat(_amounts(table[value], value)[order], starts)
    return PurchaseDays(ids, code[starts], day[starts], amounts)


def day_number(day: date | str) -> int:
    """Return a date as days since 1970-01-01: of a time, the calendar day in its own time zone.

    Raises
    ------
    ModelDataError
        It is not a date.

    Examples
    --------
    >>> day_number("1970-02-01"), day_number("1970-02-01T00:30:00+01:00")
    (31, 31)
    """
    try:
        date = np.datetime64(_calendar_day(day), "D")
    except (TypeError, ValueError) as error:
        raise ModelDataError("as_of is not a date: pass one such as 2026-01-31") from error
    if np.isnat(date):
        raise ModelDataError("as_of is not a date: pass one such as 2026-01-31")
    return int(date.astype(np.int64))


def _calendar_day(day: date | str) -> date | str:
    """Return the day of a time as it is written; numpy converts it to UTC, with a warning."""
    if isinstance(day, str):
        try:
            day = datetime.fromisoformat(day)
        except ValueError:
            return day
    return day.date() if isinstance(day, datetime) else day


def _days(column: Any, name: str) -> NDArray[np.int64]:
    """Return the UTC days of dates, timestamps or their ISO 8601 texts."""
    import pyarrow as pa

    from churnkit.contracts.parsing.arrow_columns import distinct_values, is_temporal, one_array
    from churnkit.contracts.parsing.scalars import read_date

    array = one_array(column)
    if is_temporal(array.type):
        microseconds = array.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        times: NDArray[np.float64] = np.asarray(microseconds)
    else:
        values, index = distinct_values(array)
        times = np.array([read_date(value) for value in values], dtype=np.float64)[index]
        check_rows(
            np.isnan(times),
            f"column '{name}' has values in {{}} rows that are not dates: write them as 2026-01-31 "
            "or 2026-01-31T08:00:00Z",
        )
    return np.floor_divide(times, _DAY_MICROSECONDS).astype(np.int64)


def _amounts(column: Any, name: str) -> NDArray[np.float64]:
    import pyarrow as pa

    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise ModelDataError(f"column '{name}' must be numeric, got {kind}")
    amounts = np.asarray(column.cast(pa.float64()).to_numpy())
    check_rows(~np.isfinite(amounts), f"column '{name}' is missing or infinite in {{}} rows")
    return amounts
