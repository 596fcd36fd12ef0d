"""Rules of alerts: which customers, and the reason that the message gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

from churnkit.core.number_format import format_percent
from churnkit.errors import ConnectError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

__all__ = ["AlertInput", "AlertRule", "NewRow", "RiskRise", "Threshold"]

_PROBABILITY = "churn_probability"


@dataclass(frozen=True, slots=True, eq=False)
class AlertInput:
    """Tables that the rules read.

    Parameters
    ----------
    scores, earlier
        Scored customers now and before, one row per customer, indexed by the id as text; None for
        no earlier scores.
    tables
        Raw tables by name.
    now
        Time of the run.
    """

    scores: pd.DataFrame
    earlier: pd.DataFrame | None
    tables: Mapping[str, pd.DataFrame]
    now: datetime


class AlertRule(Protocol):
    """A rule of alerts."""

    @property
    def name(self) -> str:
        """Name of the rule, the ``{action}`` of messages."""
        ...

    def find(self, given: AlertInput) -> dict[str, str]:
        """Return the reason of each customer that the rule applies to."""
        ...


@dataclass(frozen=True, slots=True)
class RiskRise:
    """Customers whose churn probability rose since the earlier scores.

    Parameters
    ----------
    by
        Least rise, as a probability.
    column
        Column of the probability.
    name
        Name of the rule.

    Examples
    --------
    >>> RiskRise(0.2).name
    'risk_rise'
    """

    by: float
    column: str = _PROBABILITY
    name: str = "risk_rise"

    def __post_init__(self) -> None:
        if not 0 < self.by < 1:
            raise ConnectError(f"RiskRise: by must be between 0 and 1, got {self.by}")

    def find(self, given: AlertInput) -> dict[str, str]:
        """Return the reason of each customer; none without earlier scores."""
        if given.earlier is None:
            return {}
        now = _numbers(given.scores, self.column, "the scores")
        before = _numbers(given.earlier, self.column, "the earlier scores").reindex(now.index)
        # A rise of exactly `by` counts, whatever the rounding of the difference.
        risen = (now - before) >= self.by - 1e-9
        return {
            customer: f"churn risk {format_percent(now[customer])}, up from "
            f"{format_percent(before[customer])}"
            for customer in now.index[risen]
        }


@dataclass(frozen=True, slots=True)
class Threshold:
    """Customers whose score is above a threshold and was not in the earlier scores.

    Parameters
    ----------
    above
        Threshold of the column.
    column
        Column of the scores.
    value, at_least
        Column of the customer's value, and its least amount; all customers if the column is None.
    name
        Name of the rule.

    Examples
    --------
    >>> Threshold(0.5, value="mrr", at_least=1000).name
    'threshold'
    """

    above: float
    column: str = _PROBABILITY
    value: str | None = None
    at_least: float = 0.0
    name: str = "threshold"

    def find(self, given: AlertInput) -> dict[str, str]:
        """Return the reason of each customer; without earlier scores, of all above."""
        now = _numbers(given.scores, self.column, "the scores")
        crossed = now > self.above
        if given.earlier is not None:
            before = _numbers(given.earlier, self.column, "the earlier scores").reindex(now.index)
            crossed &= ~(before > self.above)
        reason = {
            customer: f"{self.column} {now[customer]:.3g}, above {self.above:g}"
            for customer in now.index[crossed]
        }
        if self.value is None:
            return reason
        worth = _numbers(given.scores, self.value, "the scores")
        return {
            customer: f"{text}; {self.value} {worth[customer]:,.0f}"
            for customer, text in reason.items()
            if worth[customer] >= self.at_least
        }


@dataclass(frozen=True, slots=True)
class NewRow:
    """Customers with a recent row in a raw table, such as a detractor or a failed payment.

    Parameters
    ----------
    table
        Name of the table.
    column
        Column that the rule tests.
    time
        Column of the row's time; rows of the last `days` days count.
    equals
        Values of the column, compared as text without regard to case.
    at_most
        Largest number of the column; exactly one of `equals` and `at_most` is given.
    days
        Number of days.
    customer
        Column of the customer's id.
    reason
        Reason in the message; the table, the column and the value if empty.
    name
        Name of the rule.

    Examples
    --------
    >>> NewRow("surveys", "score", at_most=6, time="answered_at", name="detractor").days
    7.0
    """

    table: str
    column: str
    time: str
    equals: Sequence[str] = ()
    at_most: float | None = None
    days: float = 7.0
    customer: str = "customer_id"
    reason: str = ""
    name: str = "new_row"

    def __post_init__(self) -> None:
        if bool(self.equals) == (self.at_most is not None):
            raise ConnectError(f"NewRow '{self.name}': pass either equals or at_most")
        if isinstance(self.equals, str):
            raise ConnectError(f"NewRow '{self.name}': equals is a tuple, such as ('failed',)")

    def find(self, given: AlertInput) -> dict[str, str]:
        """Return the reason of each customer, from the latest row that fits."""
        if self.table not in given.tables:
            raise ConnectError(
                f"rule '{self.name}' reads the table {self.table}: pass --table {self.table}=FILE"
            )
        rows = given.tables[self.table]
        origin = f"table {self.table}"
        for column in (self.customer, self.column, self.time):
            _require(rows, column, origin)
        times, now = _times(rows, self.time, origin), pd.Timestamp(given.now)
        recent = (times > now - pd.Timedelta(days=self.days)) & (times <= now)
        if self.at_most is not None:
            fits = _numbers(rows, self.column, origin).to_numpy() <= self.at_most
        else:
            accepted = {value.casefold() for value in self.equals}
            fits = rows[self.column].astype("string").str.casefold().isin(accepted).to_numpy()
        chosen = np.flatnonzero(recent.to_numpy() & fits)
        chosen = chosen[np.argsort(times.to_numpy()[chosen], kind="stable")]
        customers = rows[self.customer].astype("string").to_numpy()
        values = rows[self.column].to_numpy()
        return {
            str(customers[row]): self.reason or f"{self.table}: {self.column} {values[row]}"
            for row in chosen.tolist()
            if not pd.isna(customers[row])
        }


def _require(frame: pd.DataFrame, column: str, origin: str) -> None:
    if column not in frame.columns:
        raise DataError(origin, f"there is no column '{column}': correct the rule in sources.py")


def _numbers(frame: pd.DataFrame, column: str, origin: str) -> pd.Series[float]:
    """Return a column as numbers, blanks as NaN; text is refused with its number of rows."""
    _require(frame, column, origin)
    numbers = pd.to_numeric(frame[column], errors="coerce")
    blank = frame[column].isna() | (frame[column].astype("string").str.strip() == "")
    invalid = int((numbers.isna() & ~blank).sum())
    if invalid:
        raise DataError(origin, f"column '{column}' is not a number in {invalid:,} rows")
    return numbers.astype(float)


def _times(frame: pd.DataFrame, column: str, origin: str) -> pd.Series[pd.Timestamp]:
    """Return a column as UTC times, blanks as NaT."""
    values = frame[column]
    times = pd.to_datetime(values, utc=True, errors="coerce", format="ISO8601")
    blank = values.isna() | (values.astype("string").str.strip() == "")
    invalid = int((times.isna() & ~blank).sum())
    if invalid:
        raise DataError(
            origin,
            f"column '{column}' is not a time in {invalid:,} rows: write them as 2026-11-01 or "
            "2026-11-01T09:30:00Z",
        )
    return times
