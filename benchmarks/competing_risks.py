"""Coverage of cumulative incidences of causes of churn, alone and through a recipe.

Run ``python -m benchmarks.competing_risks``. In each simulated business customers cancel or their
payments fail, with known hazards that depend on their visits and late payments. The estimator's
intervals are held against the incidence of the population; through a recipe, from raw tables with
a reason column, the intervals of the model card and the predicted incidences against the mean true
incidence of its test customers.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.publish import machine, publish
from churnkit.contracts import Schema, as_of, cause, entity, feature, label
from churnkit.evaluation import cumulative_incidence
from churnkit.models import LogisticModel
from churnkit.pipeline import Recipe
from churnkit.pipeline.training.competing_risks import fit_causes
from churnkit.pipeline.training.data.dataset import prepare, read_training_table
from churnkit.pipeline.training.fit import fit
from churnkit.timeline import (
    ActiveSubscription,
    Cause,
    ContractualChurn,
    Count,
    Current,
    Snapshots,
    Table,
    Timeline,
    Where,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

BUSINESSES, CUSTOMERS, HORIZON_DAYS = 20, 3_000, 90
TIMES = (30.0, 90.0, 180.0, 360.0)
CAUSES = ("involuntary", "voluntary")
START, SEEN = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC)
REASONS = {"involuntary": ("card declined", "card expired"), "voluntary": ("price", "moved away")}


class Subscriber(Schema):
    """Snapshots of the simulated subscribers."""

    customer: str = entity()
    as_of: datetime = as_of()
    visits: int = feature(ge=0)
    late_payments: int = feature(ge=0)
    mrr: float = feature(also=("value",))
    churned: bool = label()
    cause: str = cause()


TIMELINE = Timeline(
    [
        Table(
            "subscriptions",
            "customer",
            happened="started_at",
            ended="ended_at",
            columns={"mrr": "number", "end_reason": "string"},
            known_at_end=("end_reason",),
        ),
        Table("events", "customer", happened="at", columns={"kind": "string"}),
    ],
    {
        "visits": Count("events", window_days=60, where=Where("kind", "==", "visit")),
        "late_payments": Count("events", window_days=60, where=Where("kind", "==", "late payment")),
        "mrr": Current("subscriptions", "mrr"),
    },
    Snapshots(dates=("2024-03-01", "2024-06-01", "2024-09-01")),
    ActiveSubscription("subscriptions"),
    ContractualChurn(
        "subscriptions", horizon_days=HORIZON_DAYS, cause=Cause("end_reason", REASONS)
    ),
)


def hazards(visits: NDArray[np.int64], late: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the hazard of each cause per day, (n, causes)."""
    return np.column_stack([0.0003 + 0.0010 * late, 0.0030 * np.exp(-0.4 * visits)])


def true_incidence(daily: NDArray[np.float64], days: float) -> NDArray[np.float64]:
    """Return the incidence of each cause within so many days, (n, causes)."""
    total = daily.sum(axis=1, keepdims=True)
    return np.asarray(daily / total * -np.expm1(-total * days))


def business(seed: int) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    """Simulate raw tables, and the daily hazards of each customer."""
    rng = np.random.default_rng(seed)
    visits, late = rng.integers(0, 8, CUSTOMERS), rng.integers(0, 4, CUSTOMERS)
    daily = hazards(visits, late)
    waits = rng.exponential(1.0 / daily)
    names = [f"c{number:05d}" for number in range(CUSTOMERS)]
    subscriptions, events = [], []
    for number, name in enumerate(names):
        first = int(np.argmin(waits[number]))
        left = START + timedelta(days=float(waits[number, first]))
        reason = str(rng.choice(REASONS[CAUSES[first]]))
        seen = left < SEEN
        subscriptions.append(
            {
                "customer": name,
                "started_at": START,
                "ended_at": left if seen else None,
                "mrr": float(rng.integers(40, 400)) / 4.0,
                "end_reason": reason if seen else None,
            }
        )
        # The same habits before each date, so that the features determine the hazards.
        for date in ("2024-01-10", "2024-05-10", "2024-08-10"):
            at = datetime.fromisoformat(date).replace(tzinfo=UTC)
            kinds = ["visit"] * int(visits[number]) + ["late payment"] * int(late[number])
            events += [{"customer": name, "at": at, "kind": kind} for kind in kinds]
    # The tables cover all outcome windows.
    events.append({"customer": names[0], "at": SEEN, "kind": "invoice"})
    tables = {"subscriptions": subscriptions, "events": events}
    return tables, dict(zip(names, daily, strict=True))


def estimator(seed: int) -> dict[str, list[bool]]:
    """Return whether each interval of the estimator holds the population's incidence."""
    rng = np.random.default_rng(10_000 + seed)
    visits, late = rng.integers(0, 8, CUSTOMERS), rng.integers(0, 4, CUSTOMERS)
    waits = rng.exponential(1.0 / hazards(visits, late))
    end = rng.uniform(180.0, 720.0, CUSTOMERS)
    left = waits.min(axis=1)
    names: NDArray[np.object_] = np.array(CAUSES, dtype=object)[waits.argmin(axis=1)]
    names[left > end] = None
    curves = cumulative_incidence(np.minimum(left, end), names)
    grid = np.array([(v, k) for v in range(8) for k in range(4)])
    cells = hazards(grid[:, 0], grid[:, 1])
    held: dict[str, list[bool]] = {}
    for row, name in enumerate(CAUSES):
        held[name] = []
        for days in TIMES:
            at = np.searchsorted(curves.time, days, side="right") - 1
            truth = true_incidence(cells, days)[:, row].mean()
            held[name].append(bool(curves.low[row, at] <= truth <= curves.high[row, at]))
    return held


def recipe_of(seed: int) -> dict[str, dict[str, float]]:
    """Train a recipe on a business; return the figures of each cause on its test customers."""
    tables, daily = business(seed)
    recipe = Recipe(
        schema=Subscriber,
        data=lambda: tables,
        timeline=TIMELINE,
        model=LogisticModel(C=1.0),
        name="causes",
    )
    data = prepare(recipe, read_training_table(recipe, Path()))
    causes = fit_causes(recipe, data, fit(recipe, data))
    assert causes is not None
    tested = np.array([daily[name] for name in data.test.table["customer"].to_pylist()])
    truth = np.average(true_incidence(tested, HORIZON_DAYS), axis=0, weights=data.test.weight)
    rows = {row["cause"]: row for row in causes.card["causes"]}
    return {
        name: {**rows[name], "truth": float(truth[position])}
        for position, name in enumerate(CAUSES)
    }


def section(results: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    lines = [
        "## Causes of churn",
        "",
        (
            f"`python -m benchmarks.competing_risks`: {BUSINESSES} simulated businesses of "
            f"{CUSTOMERS:,} customers, with two causes of known hazards; 95% intervals. Estimator: "
            "intervals of the Aalen-Johansen estimate after "
            f"{', '.join(f'{days:g}' for days in TIMES)} days that hold the population's incidence. "
            "Card: intervals of the model card of a recipe, trained from raw tables with a column of "
            f"reasons, that hold the mean true incidence within {HORIZON_DAYS} days of its test "
            "customers; the predicted incidences are of the same customers. "
            f"{results['cpu_seconds']:.0f} CPU-s."
        ),
        "",
        "| Cause | Estimator holds | Card holds | mean true | mean predicted | bias | RMSE |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name in CAUSES:
        rows = [each[name] for each in results["recipes"]]
        error = np.array([row["predicted"] - row["truth"] for row in rows])
        truth, predicted = (np.mean([row[key] for row in rows]) for key in ("truth", "predicted"))
        held = sum(row["low"] <= row["truth"] <= row["high"] for row in rows)
        times = np.array([each[name] for each in results["estimates"]])
        lines.append(
            f"| {name} | {times.sum()} of {times.size} | {held} of {len(rows)} | {truth:.2%} "
            f"| {predicted:.2%} | {error.mean():+.2%} | {np.sqrt(np.mean(error**2)):.2%} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and publish."""
    began = time.process_time()
    results: dict[str, Any] = {
        "machine": machine("lightgbm", "numpy", "scikit-learn"),
        "estimates": [estimator(seed) for seed in range(BUSINESSES)],
        "recipes": [recipe_of(seed) for seed in range(BUSINESSES)],
    }
    results["cpu_seconds"] = time.process_time() - began
    publish("competing_risks", results, section(results))


if __name__ == "__main__":
    main()
