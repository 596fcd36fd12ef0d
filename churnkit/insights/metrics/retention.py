"""All retention metrics of a customer base at one date, each with its formula."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.insights.figure import Figure, figures_to_frame, ratio
from churnkit.insights.metrics.activity import Activity, measure_activity
from churnkit.insights.metrics.calendar import Month, in_words, months_back, months_until
from churnkit.insights.metrics.cohorts import (
    Cohorts,
    joined_by_cohort,
    order_cohorts,
    state_of_cohorts,
    to_cohorts,
)
from churnkit.insights.metrics.mrr_movements import Movement, Movements, measure_movement, rates
from churnkit.insights.metrics.orders import Purchases, measure_purchases, prepare_orders
from churnkit.insights.metrics.subscriptions import first_start, prepare_subscriptions
from churnkit.insights.metrics.survival import Staying, measure_staying
from churnkit.insights.sql_session import open_business

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from churnkit.insights.metrics.settings import RetentionSettings
    from churnkit.insights.sql_session import InsightsSession

__all__ = ["RetentionMetrics", "measure_retention", "retention_metrics"]


@dataclass(frozen=True, slots=True)
class RetentionMetrics:
    """What `retention_metrics` found; parts whose tables were not given are None.

    Parameters
    ----------
    as_of
        The date, as ISO 8601.
    figures
        Numbers with their formulas.
    movements
        Customers and revenue by month.
    cohorts
        Of subscribers.
    staying
        Survival curves.
    activity
        Use of the product.
    purchases, order_cohorts
        Orders, and cohorts of buyers.
    """

    as_of: str
    figures: tuple[Figure, ...]
    movements: Movements | None = None
    cohorts: Cohorts | None = None
    staying: Staying | None = None
    activity: Activity | None = None
    purchases: Purchases | None = None
    order_cohorts: Cohorts | None = None

    def __getitem__(self, name: str) -> Figure:
        return next(figure for figure in self.all_figures if figure.name == name)

    @property
    def all_figures(self) -> tuple[Figure, ...]:
        """The figures of all parts."""
        parts = (self.staying, self.activity, self.purchases)
        return self.figures + tuple(figure for part in parts if part for figure in part.figures)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able data."""
        parts = ("movements", "cohorts", "staying", "activity", "purchases", "order_cohorts")
        found = {name: getattr(self, name) for name in parts}
        return {
            "as_of": self.as_of,
            "figures": [figure.to_dict() for figure in self.figures],
            **{name: None if part is None else part.to_dict() for name, part in found.items()},
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row a figure."""
        return figures_to_frame(self.all_figures)

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))


def retention_metrics(
    tables: Mapping[str, Any],
    *,
    as_of: Any = None,
    settings: RetentionSettings | None = None,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    memory_limit: str = "1GB",
    spill_dir: str | None = None,
    threads: int | None = None,
) -> RetentionMetrics:
    """Measure retention from raw tables.

    Parameters
    ----------
    tables
        ``subscriptions``, ``events``, ``orders``: any of them, as paths of Parquet or CSV files
        or as pandas, polars or Arrow tables.
    as_of
        The date; the first midnight (UTC) after the last row if not given.
    settings
        Where definitions differ; see `RetentionSettings`.
    columns
        For tables whose columns are called otherwise: ``{"subscriptions": {"mrr": "fee"}}``.
    memory_limit, spill_dir, threads
        As in `churnkit.timeline.build`.

    Raises
    ------
    DataError
        If a table or a needed column is missing or cannot be read.

    Examples
    --------
    >>> from datetime import datetime
    >>> rows = [
    ...     {"customer": "a", "started": datetime(2025, 1, 5), "ended": None, "mrr": 10.0},
    ...     {"customer": "b", "started": datetime(2025, 1, 9), "ended": datetime(2025, 2, 7), "mrr": 5.0},
    ... ]
    >>> found = retention_metrics({"subscriptions": rows}, as_of="2025-03-01")
    >>> found["logo_churn_month"].value, found["grr_month"].value, found["arpa"].value
    (0.5, 0.6666666666666666, 10.0)
    """
    with open_business(
        tables,
        as_of=as_of,
        settings=settings,
        columns=columns,
        memory_limit=memory_limit,
        spill_dir=spill_dir,
        threads=threads,
    ) as business:
        return measure_retention(business)


def measure_retention(
    business: InsightsSession, *, progress: Callable[[str], None] = lambda _: None
) -> RetentionMetrics:
    """Measure retention from opened tables; see `retention_metrics`."""
    found: dict[str, Any] = {"as_of": business.as_of.isoformat(), "figures": ()}
    if business.has("subscriptions"):
        progress("subscriptions: movements, cohorts, survival")
        prepare_subscriptions(business)
        found |= _of_subscriptions(business)
    if business.has("events"):
        progress("events: who is active")
        found["activity"] = measure_activity(business)
    if prepare_orders(business):
        progress("orders: who buys again")
        found["purchases"] = measure_purchases(business)
        found["order_cohorts"] = order_cohorts(business)
    return RetentionMetrics(**found)


def _of_subscriptions(business: InsightsSession) -> dict[str, Any]:
    first = first_start(business)
    if first is None:
        return {}
    as_of, settings = business.as_of, business.settings
    months = months_until(as_of, first, at_most=settings.months)
    moved, cells = [], {}
    for month in months:
        moved.append(measure_movement(business, month))
        cells[month.name] = state_of_cohorts(business)
    ago = months_back(as_of, 12)
    year = measure_movement(business, Month(ago, as_of)) if first < ago else None
    return {
        "figures": _figures(business, moved, year),
        "movements": Movements(tuple(moved)),
        "cohorts": to_cohorts(joined_by_cohort(business), months, cells),
        "staying": measure_staying(business),
    }


def _figures(
    business: InsightsSession, moved: list[Movement], year: Movement | None
) -> tuple[Figure, ...]:
    settings = business.settings
    over = [month for month in moved if month.complete]
    now = moved[-1]
    arpa = ratio(now.closing_mrr, now.closing_customers)
    found = [
        Figure(
            "customers",
            "Customers",
            now.closing_customers,
            "customers",
            "customers with a subscription that runs at the date",
        ),
        Figure(
            "mrr",
            "Monthly revenue",
            now.closing_mrr,
            "money a month",
            "sum of the monthly revenue of the subscriptions that run at the date",
        ),
        Figure(
            "arpa",
            "Revenue a customer",
            arpa,
            "money a month",
            "monthly revenue / customers, at the date (ARPA)",
        ),
    ]
    if over:
        found += rates(over[-1], settings, suffix="month", said=f"in {in_words(over[-1].name)}")
        found += _lifetime(over[-12:], arpa, settings.margin)
    if year is not None:
        found += rates(year, settings, suffix="year", said="in twelve months")
    return tuple(found)


def _lifetime(over: list[Movement], arpa: float | None, margin: float) -> list[Figure]:
    opening = sum(month.opening_customers for month in over)
    churn = ratio(sum(month.left_customers for month in over), opening)
    lasts = ratio(1.0, churn) if churn else None
    value = None if arpa is None or lasts is None else arpa * margin * lasts
    said = f"{len(over)} months" if len(over) > 1 else "month"
    return [
        Figure(
            "monthly_churn",
            "Customers lost a month",
            churn,
            "share",
            f"customers lost in the last {said} / customers there at each month's beginning",
        ),
        Figure(
            "simple_ltv",
            "Lifetime value, simple",
            value,
            "money",
            f"revenue a customer x margin of {margin:.0%} / customers lost a month; it takes all "
            "customers for alike and churn for constant, so it is only a yardstick",
        ),
    ]
