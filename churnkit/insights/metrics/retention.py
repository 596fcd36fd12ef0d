"""Retention metrics of a customer base at one date."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from churnkit.core.result import Result
from churnkit.core.translation import _
from churnkit.insights.figure import Figure, ratio, results_to_frame
from churnkit.insights.metrics.activity import Activity, measure_activity
from churnkit.insights.metrics.calendar import Month, month_title, months_until, subtract_months
from churnkit.insights.metrics.cohorts import (
    Cohorts,
    build_cohorts,
    cohort_sizes,
    count_cohorts,
    order_cohorts,
)
from churnkit.insights.metrics.revenue.mrr_movements import (
    Movement,
    Movements,
    measure_movement,
    rates,
)
from churnkit.insights.metrics.revenue.orders import Purchases, measure_purchases, prepare_orders
from churnkit.insights.metrics.revenue.revenue_forecast import forecast_figure, forecast_mrr
from churnkit.insights.metrics.subscriptions import first_start, prepare_subscriptions
from churnkit.insights.metrics.survival import SurvivalMetrics, measure_survival
from churnkit.insights.sql_session import open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from churnkit.insights.sql_session import InsightsSession
    from churnkit.models.value.revenue_forecast import RevenueForecast

__all__ = ["RetentionMetrics", "measure_retention", "retention_metrics"]


@dataclass(frozen=True, slots=True)
class RetentionMetrics(Result):
    """Result of `retention_metrics`; parts without tables are None.

    Parameters
    ----------
    as_of
        Date of the analysis, ISO 8601.
    figures
        Key figures of the subscriptions.
    movements
        Movements of customers and revenue by month.
    cohorts
        Cohorts of subscribers.
    survival
        Survival curves.
    forecast
        Monthly revenue of today's customers in the next six months, with 95% intervals.
    activity
        Product usage.
    purchases, order_cohorts
        Orders, and cohorts of buyers.
    """

    as_of: str
    figures: tuple[Figure, ...]
    movements: Movements | None = None
    cohorts: Cohorts | None = None
    survival: SurvivalMetrics | None = None
    # Its numbers are compared as figures.
    forecast: RevenueForecast | None = field(default=None, compare=False)
    activity: Activity | None = None
    purchases: Purchases | None = None
    order_cohorts: Cohorts | None = None

    def __getitem__(self, name: str) -> Figure:
        return next(figure for figure in self.all_figures if figure.name == name)

    @property
    def all_figures(self) -> tuple[Figure, ...]:
        """The figures of all parts."""
        parts = (self.survival, self.activity, self.purchases)
        return self.figures + tuple(figure for part in parts if part for figure in part.figures)

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with one row per figure."""
        return results_to_frame(self.all_figures)


def retention_metrics(tables: Mapping[str, Any], **options: Any) -> RetentionMetrics:
    """Compute retention metrics from raw tables.

    Parameters
    ----------
    tables
        Any of ``subscriptions``, ``events``, ``orders``, as paths of Parquet or CSV files or as
        pandas, polars or Arrow tables.
    **options
        ``as_of``, ``settings``, ``columns``, ``memory_limit``, ``spill_dir`` and ``threads`` of
        `churnkit.insights.open_session`.

    Returns
    -------
    RetentionMetrics
        Metrics of the tables that were passed.

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
    >>> metrics = retention_metrics({"subscriptions": rows}, as_of="2025-03-01")
    >>> metrics["logo_churn_month"].value, metrics["grr_month"].value, metrics["arpa"].value
    (0.5, 0.6666666666666666, 10.0)
    """
    with open_session(tables, **options) as session:
        return measure_retention(session)


def measure_retention(
    session: InsightsSession, *, progress: Callable[[str], None] = lambda _: None
) -> RetentionMetrics:
    """Compute retention metrics from an open session.

    Parameters
    ----------
    session
        From `open_session`.
    progress
        Called with a description of each step before it begins.

    Returns
    -------
    RetentionMetrics
        As from `retention_metrics`.
    """
    parts: dict[str, Any] = {"as_of": session.as_of.isoformat(), "figures": ()}
    if session.has("subscriptions"):
        progress("subscriptions: movements, cohorts, survival")
        prepare_subscriptions(session)
        parts |= _subscription_metrics(session)
    if session.has("events"):
        progress("events: active customers")
        parts["activity"] = measure_activity(session)
    if prepare_orders(session):
        progress("orders: repeat purchases")
        parts["purchases"] = measure_purchases(session)
        parts["order_cohorts"] = order_cohorts(session)
    return RetentionMetrics(**parts)


def _subscription_metrics(session: InsightsSession) -> dict[str, Any]:
    first = first_start(session)
    if first is None:
        return {}
    as_of, settings = session.as_of, session.settings
    months = months_until(as_of, first, at_most=settings.months)
    moved, cells = [], {}
    for month in months:
        moved.append(measure_movement(session, month))
        cells[month.name] = count_cohorts(session)
    ago = subtract_months(as_of, 12)
    year = measure_movement(session, Month(ago, as_of)) if first < ago else None
    forecast = forecast_mrr(session, moved)
    figures = _figures(session, moved, year)
    return {
        "figures": figures if forecast is None else (*figures, forecast_figure(forecast)),
        "movements": Movements(tuple(moved)),
        "cohorts": build_cohorts(cohort_sizes(session), months, cells),
        "survival": measure_survival(session),
        "forecast": forecast,
    }


def _figures(
    session: InsightsSession, moved: list[Movement], year: Movement | None
) -> tuple[Figure, ...]:
    settings = session.settings
    complete = [month for month in moved if month.complete]
    now = moved[-1]
    arpa = ratio(now.closing_mrr, now.closing_customers)
    figures = [
        Figure(
            "customers", _("Customers"), now.closing_customers, "customers",
            _("customers with an active subscription at the date"),
        ),
        Figure(
            "mrr", _("Monthly revenue"), now.closing_mrr, "money a month",
            _("monthly revenue of all active subscriptions at the date"),
        ),
        Figure(
            "arpa", _("Monthly revenue per customer"), arpa, "money a month",
            _("monthly revenue / customers, at the date (ARPA)"),
        ),
    ]  # fmt: skip
    if complete:
        last = complete[-1]
        figures += rates(last, settings, suffix="month", interval=month_title(last.name))
        figures += _lifetime(complete[-12:], arpa, settings.margin)
    if year is not None:
        figures += rates(year, settings, suffix="year", interval=_("last 12 months"))
    return tuple(figures)


def _lifetime(months: list[Movement], arpa: float | None, margin: float) -> list[Figure]:
    opening = sum(month.opening_customers for month in months)
    churn = ratio(sum(month.left_customers for month in months), opening)
    value = arpa * margin / churn if arpa is not None and churn else None
    span = _("{months} months", months=len(months)) if len(months) > 1 else _("month")
    return [
        Figure(
            "monthly_churn", _("Mean monthly customer churn"), churn, "share",
            _("customers lost in the last {span} / customers at the start of each month", span=span),
        ),
        Figure(
            "simple_ltv", _("Simple lifetime value"), value, "money",
            _("monthly revenue per customer x margin of {margin:.0%} / mean monthly customer " "churn; assumes constant churn", margin=margin),
        ),
    ]  # fmt: skip
