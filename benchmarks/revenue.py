"""Coverage of the monthly revenue forecast on simulated businesses.

Run ``python -m benchmarks.revenue``. In each business a hazard model learns from a snapshot 15
months before the end and the nine months after it; the revenue of the next six months is forecast
and compared with the revenue that the customers brought. So are the forecast of the report, which
needs the subscriptions alone, and the rule that each month keeps the mean share of the last twelve.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.publish import machine, publish
from churnkit.datasets import simulate
from churnkit.insights import open_session
from churnkit.insights.metrics.retention import measure_retention
from churnkit.insights.metrics.revenue.revenue_forecast import forecast_mrr
from churnkit.models import HazardModel
from churnkit.models.value import forecast_revenue

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.datasets.simulation.simulate import Simulation
    from churnkit.models.value import RevenueForecast

CUSTOMERS, MONTHS, FOLLOW_UP, AHEAD, HISTORY = 1_500, 36, 9, 6, 12
BUSINESSES, FIRST_SEED = 40, 1_000
DAYS_A_MONTH = 30.4375
CATEGORIES = ["region", "channel", "plan", "contract", "payment"]
NUMBERS = [
    "months_to_renewal", "tenure_months", "seats", "mrr", "sessions_30d", "sessions_90d",
    "active_days_30d", "open_tickets", "days_since_use", "tickets_90d",
]  # fmt: skip


def month(end: pd.Timestamp, back: int) -> pd.Timestamp:
    """Return the start of the month `back` months before the end."""
    return end - pd.DateOffset(months=back)


def recurring_revenue(subscriptions: pd.DataFrame, at: pd.Timestamp) -> pd.Series[float]:
    """Return the monthly revenue of each active customer at a time."""
    active = (subscriptions["started_at"] < at) & ~(subscriptions["ended_at"] < at)
    revenue: pd.Series[float] = subscriptions[active].groupby("customer_id")["mrr"].sum()
    return revenue


def encode(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return the features of a snapshot as a matrix."""
    codes = frame[CATEGORIES].apply(lambda column: column.astype("category").cat.codes)
    columns = [frame[NUMBERS].to_numpy(np.float64), codes.to_numpy(np.float64)]
    matrix: NDArray[np.float64] = np.concatenate(columns, axis=1)
    return matrix


def past_changes(
    subscriptions: pd.DataFrame, until: pd.Timestamp
) -> tuple[list[float], list[float]]:
    """Return the expansion and contraction of the months before a time."""
    expansion, contraction = [], []
    for back in range(HISTORY, 0, -1):
        opening, closing = (
            recurring_revenue(subscriptions, month(until, b)) for b in (back, back - 1)
        )
        change = (closing - opening).dropna()
        expansion.append(float(change.clip(lower=0).sum() / opening.sum()))
        contraction.append(float((-change).clip(lower=0).sum() / opening.sum()))
    return expansion, contraction


def forecast_by_tenure(business: Simulation) -> RevenueForecast:
    """Return the forecast of the report for the last months."""
    subscriptions = business.tables["subscriptions"].to_pandas()
    today = month(pd.Timestamp(business.end, tz="UTC"), AHEAD)
    subscriptions = subscriptions[subscriptions["started_at"] < today]
    seen = subscriptions["ended_at"].where(subscriptions["ended_at"] < today)
    tables = {"subscriptions": subscriptions.assign(ended_at=seen)}
    with open_session(tables, as_of=str(today.date())) as session:
        movements = measure_retention(session).movements
        assert movements is not None
        expected = forecast_mrr(session, movements.months, level=0.9)
    assert expected is not None
    return expected


def by_mean_retention(business: Simulation) -> NDArray[np.float64]:
    """Return the revenue if each month keeps the mean net share of the last twelve."""
    subscriptions = business.tables["subscriptions"].to_pandas()
    today = month(pd.Timestamp(business.end, tz="UTC"), AHEAD)
    subscriptions = subscriptions[subscriptions["started_at"] < today]
    kept = []
    for back in range(HISTORY, 0, -1):
        opening = recurring_revenue(subscriptions, month(today, back))
        closing = recurring_revenue(subscriptions, month(today, back - 1)).reindex(opening.index)
        kept.append(closing.sum() / opening.sum())
    powers = np.mean(kept) ** np.arange(1, AHEAD + 1)
    return np.asarray(recurring_revenue(subscriptions, today).sum() * powers)


def forecast_by_model(business: Simulation) -> tuple[RevenueForecast, NDArray[np.float64]]:
    """Return the forecast of a hazard model for the last months, and the revenue that came."""
    subscriptions = business.tables["subscriptions"].to_pandas()
    end = pd.Timestamp(business.end, tz="UTC")
    today, start = month(end, AHEAD), month(end, AHEAD + FOLLOW_UP)
    cancelled = subscriptions[subscriptions["end_reason"] == "cancelled"]
    leaving = cancelled.groupby("customer_id")["ended_at"].max()
    past, now = (
        business.snapshot(str(at.date()), horizon_days=None).to_pandas() for at in (start, today)
    )
    until = (today - start).days / DAYS_A_MONTH
    left = (past["customer_id"].map(leaving) - start).dt.total_seconds() / 86_400 / DAYS_A_MONTH
    churned = ((left >= 0) & (left < until)).to_numpy()
    model = HazardModel(time_varying=((0, -1.0, 12.0),))
    model.fit(encode(past), np.maximum(left.where(churned, until), 1e-3), churned)
    expansion, contraction = past_changes(subscriptions, today)
    customers = now["customer_id"]
    expected = forecast_revenue(
        recurring_revenue(subscriptions, today).reindex(customers, fill_value=0.0),
        model.predict_survival(encode(now), np.arange(1, AHEAD + 1)),
        expansion=expansion,
        contraction=contraction,
        churned_revenue=past["mrr"][churned],
    )
    came = [
        recurring_revenue(subscriptions, month(end, AHEAD - ahead)).reindex(customers).sum()
        for ahead in range(1, AHEAD + 1)
    ]
    return expected, np.array(came)


def accuracy(
    forecasts: list[RevenueForecast], came: list[NDArray[np.float64]]
) -> dict[str, list[float]]:
    """Return coverage, error and width of the forecasts by month."""
    pairs = list(zip(forecasts, came, strict=True))
    errors = [expected.closing / seen - 1.0 for expected, seen in pairs]
    held = [(expected.low <= seen) & (seen <= expected.high) for expected, seen in pairs]
    width = [(expected.high - expected.low) / 2.0 / expected.closing for expected, _ in pairs]
    return {
        "held": np.mean(held, axis=0).tolist(),
        "bias": np.mean(errors, axis=0).tolist(),
        "rmse": np.sqrt(np.mean(np.square(errors), axis=0)).tolist(),
        "half_width": np.mean(width, axis=0).tolist(),
    }


def run() -> dict[str, Any]:
    """Return the accuracy of both forecasts."""
    by_model, by_tenure, by_rule, came = [], [], [], []
    before = time.process_time()
    for seed in range(FIRST_SEED, FIRST_SEED + BUSINESSES):
        business = simulate(customers=CUSTOMERS, months=MONTHS, seed=seed)
        expected, seen = forecast_by_model(business)
        by_model.append(expected)
        by_tenure.append(forecast_by_tenure(business))
        by_rule.append(by_mean_retention(business) / seen - 1.0)
        came.append(seen)
    return {
        **machine("numpy", "lightgbm"),
        "businesses": BUSINESSES,
        "level": by_model[0].level,
        "hazard model": accuracy(by_model, came),
        "tenure alone": accuracy(by_tenure, came),
        "mean retention": {
            "bias": np.mean(by_rule, axis=0).tolist(),
            "rmse": np.sqrt(np.mean(np.square(by_rule), axis=0)).tolist(),
        },
        "cpu_s": time.process_time() - before,
    }


def section(results: dict[str, Any]) -> str:
    """Return the section of RESULTS.md."""
    methods = ("hazard model", "tenure alone")
    held = [f"{np.mean(results[method]['held']):.1%} ({method})" for method in methods]
    head = (
        f"`python -m benchmarks.revenue`: revenue of the next {AHEAD} months in {BUSINESSES} "
        f"simulated businesses of {CUSTOMERS:,} customers, forecast by a hazard model from "
        f"{FOLLOW_UP} months of follow-up, and by the report from the churn rates by tenure; "
        f"{results['level']:.0%} intervals. Over all months they hold {' and '.join(held)}; "
        f"{results['cpu_s']:.0f} CPU-s."
    )
    lines = [
        "## Revenue by month",
        "",
        head,
        "",
        "| Forecast | Month | holds | bias | RMSE | half width |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for method in methods:
        columns = (results[method][name] for name in ("held", "bias", "rmse", "half_width"))
        for number, (share, bias, rmse, half) in enumerate(zip(*columns, strict=True), start=1):
            lines.append(
                f"| {method} | {number} | {share:.1%} | {bias:+.2%} | {rmse:.2%} | {half:.2%} |"
            )
    rule = results["mean retention"]
    for number, (bias, rmse) in enumerate(zip(rule["bias"], rule["rmse"], strict=True), start=1):
        lines.append(
            f"| mean retention of the last twelve months | {number} | | {bias:+.2%} | {rmse:.2%} | |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and publish."""
    results = run()
    publish("revenue", results, section(results))


if __name__ == "__main__":
    main()
