"""Figures: numbers with a title, a unit and a formula."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from churnkit.core.result import Result
from churnkit.core.stats.special import NORMAL_95, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

__all__ = ["Estimate", "Figure", "mean_interval", "ratio", "results_to_frame", "share"]


class Estimate(TypedDict):
    """An estimate and its 95% interval, as fields of a `Figure`."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Figure(Result):
    """A number with its title, unit and formula.

    Parameters
    ----------
    name
        Unique name within a result.
    title
        Label.
    value
        Value; None if undefined, such as a share of zero customers.
    unit
        ``share``, ``money``, ``money a month``, ``customers``, ``days``, ``months``, ``ratio``,
        ``points`` or ``count``.
    formula
        Formula in words.
    low, high
        95% interval, if there is one.
    note
        Additional remark.

    Examples
    --------
    >>> Figure("arpa", "Revenue per customer", 20.0, "money a month", "revenue / customers").value
    20.0
    """

    name: str
    title: str
    value: float | None
    unit: str
    formula: str
    low: float | None = None
    high: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if number is not None:
                is_finite = math.isfinite(number)
                object.__setattr__(self, name, float(number) if is_finite else None)


def results_to_frame(results: Iterable[Result]) -> pd.DataFrame:
    """Return a pandas frame with one row per result.

    Examples
    --------
    >>> results_to_frame([Figure("a", "A", 1.0, "count", "rows")])["value"].tolist()
    [1.0]
    """
    import pandas as pd

    return pd.DataFrame([result.to_dict() for result in results])


def ratio(over: float, under: float) -> float | None:
    """Divide; return None for a zero denominator.

    Examples
    --------
    >>> ratio(1, 4), ratio(1, 0)
    (0.25, None)
    """
    return over / under if under else None


def share(part: float, total: float) -> Estimate:
    """Return a share with its 95% Wilson interval, as fields of a `Figure`.

    Examples
    --------
    >>> {name: round(number, 3) for name, number in share(5, 50).items()}
    {'value': 0.1, 'low': 0.043, 'high': 0.214}
    """
    if not total:
        return {"value": None, "low": None, "high": None}
    low, high = wilson_interval(part / total, total)
    return {"value": part / total, "low": float(low), "high": float(high)}


def mean_interval(total: float, squares: float, count: float) -> Estimate:
    """Return a mean with its normal 95% interval, from the sum of values and of squares.

    Examples
    --------
    >>> {name: round(number, 2) for name, number in mean_interval(10.0, 60.0, 2).items()}
    {'value': 5.0, 'low': 0.62, 'high': 9.38}
    """
    if not count:
        return {"value": None, "low": None, "high": None}
    mean = total / count
    if count < 2:
        return {"value": mean, "low": None, "high": None}
    variance = max(squares - count * mean**2, 0.0) / (count - 1)
    half = NORMAL_95 * math.sqrt(variance / count)
    return {"value": mean, "low": mean - half, "high": mean + half}
