"""Coverage of the monthly revenue forecast on simulated businesses.

Run ``python -m benchmarks.revenue``. In each business a hazard model learns from a snapshot 15
months before the end and the nine months after it; the revenue of the next six months is forecast
and compared with the revenue that the customers brought.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.publish import machine, publish
from churnkit.datasets import simulate
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


def forecast(business: Simulation) -> tuple[RevenueForecast, NDArray[np.float64]]:
    """Return the forecast of the last months, and the revenue that came."""
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


def run() -> dict[str, Any]:
    """Return coverage, error and width of the forecasts by month."""
    held, error, width = [], [], []
    before = time.process_time()
    for seed in range(FIRST_SEED, FIRST_SEED + BUSINESSES):
        expected, came = forecast(simulate(customers=CUSTOMERS, months=MONTHS, seed=seed))
        held.append((expected.low <= came) & (came <= expected.high))
        error.append(expected.closing / came - 1.0)
        width.append((expected.high - expected.low) / 2.0 / expected.closing)
    return {
        **machine("numpy", "lightgbm"),
        "businesses": BUSINESSES,
        "level": expected.level,
        "held": np.mean(held, axis=0).tolist(),
        "held_all": float(np.mean(held)),
        "bias": np.mean(error, axis=0).tolist(),
        "rmse": np.sqrt(np.mean(np.square(error), axis=0)).tolist(),
        "half_width": np.mean(width, axis=0).tolist(),
        "cpu_s": time.process_time() - before,
    }


def section(results: dict[str, Any]) -> str:
    """Return the section of RESULTS.md."""
    head = (
        f"`python -m benchmarks.revenue`: revenue of the next {AHEAD} months in {BUSINESSES} "
        f"simulated businesses of {CUSTOMERS:,} customers, forecast from {FOLLOW_UP} months of "
        f"follow-up; {results['level']:.0%} intervals. Over all months they hold "
        f"{results['held_all']:.1%}; {results['cpu_s']:.0f} CPU-s."
    )
    lines = [
        "## Revenue by month",
        "",
        head,
        "",
        "| Month | holds | bias | RMSE | half width |",
        "|---:|---:|---:|---:|---:|",
    ]
    rows = zip(*(results[name] for name in ("held", "bias", "rmse", "half_width")), strict=True)
    for number, (held, bias, rmse, half) in enumerate(rows, start=1):
        lines.append(f"| {number} | {held:.1%} | {bias:+.2%} | {rmse:.2%} | {half:.2%} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and publish."""
    results = run()
    publish("revenue", results, section(results))


if __name__ == "__main__":
    main()
