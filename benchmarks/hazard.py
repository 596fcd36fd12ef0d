"""Calibration of predicted survival in a simulated business with known churn probabilities.

Run ``python -m benchmarks.hazard``. For each seed a model is fitted on one business and evaluated
on another from the same distribution, at 1, 3, 6 and 12 months; the observation of customers ends
at random between 4 and 14 months, so both sides are censored. The business runs no campaigns: the
simulator's true probabilities assume no action after the day of the prediction.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.publish import machine, publish
from churnkit.contracts import Contract
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.datasets import Simulation, simulate
from churnkit.evaluation import concordance, integrated_brier, kaplan_meier, survival_calibration
from churnkit.models import HazardModel
from schemas.demo import Demo

if TYPE_CHECKING:
    from numpy.typing import NDArray

MONTHS = (1, 3, 6, 12)
HORIZON_DAYS = (30, 91, 183, 365)
WIDTH_DAYS = 365 / 12
AS_OF = "2024-10-01"
DAY = np.timedelta64(1, "D")


class Cohort(NamedTuple):
    """Customers at the day of prediction, their follow-up, and the true probabilities."""

    X: NDArray[np.float64]
    duration_days: NDArray[np.float64]
    churned: NDArray[np.bool_]
    true_probability: NDArray[np.float64]


def simulate_cohort(customers: int, seed: int, contract: Contract) -> Cohort:
    """Simulate a business and observe its customers until a random day."""
    business = simulate(customers=customers, months=24, seed=seed, campaigns=False)
    snapshot = business.snapshot(AS_OF, horizon_days=None)
    X = TableEncoder(contract).encode(snapshot).features
    ids = snapshot.column("customer_id").to_pylist()
    position = {name: row for row, name in enumerate(business.truth.customer_id.tolist())}
    rows = np.array([position[name] for name in ids])
    truth = np.column_stack(
        [business.truth.churn_probability(AS_OF, horizon_days=days)[rows] for days in HORIZON_DAYS]
    )
    churn_after = days_until_churn(business, ids, AS_OF)
    generator = np.random.default_rng([seed, 1])
    censored_after = generator.uniform(4, 14, len(ids)) * WIDTH_DAYS
    churned = churn_after <= censored_after
    return Cohort(X, np.minimum(churn_after, censored_after), churned, truth)


def renewals(contract: Contract) -> tuple[tuple[int, float, float | None], ...]:
    """Declare the months to a yearly renewal, which fall by one each month."""
    return ((contract.feature_names.index("months_to_renewal"), -1.0, 12.0),)


def days_until_churn(business: Simulation, ids: list[str], as_of: str) -> NDArray[np.float64]:
    """Return the days from the prediction to the end of the subscription, infinite if none."""
    table = business.tables["subscriptions"]
    cancelled = np.array(table.column("end_reason").to_pylist()) == "cancelled"
    ended = table.column("ended_at").to_numpy().astype("datetime64[us]")
    customer = table.column("customer_id").to_pylist()
    start = np.datetime64(as_of, "us")
    first: dict[str, float] = {}
    for row in np.flatnonzero(cancelled & (ended >= start)):
        days = float((ended[row] - start) / DAY)
        first[customer[row]] = min(days, first.get(customer[row], np.inf))
    return np.array([first.get(name, np.inf) for name in ids])


def evaluate(customers: int, seed: int, contract: Contract) -> dict[str, Any]:
    """Fit on one business, evaluate on another."""
    train, test = (simulate_cohort(customers, s, contract) for s in (seed, 10_000 + seed))
    started = time.process_time()
    model = HazardModel(
        width=WIDTH_DAYS,
        categorical_features=contract.categorical_features,
        time_varying=renewals(contract),
        seed=seed,
    ).fit(train.X, train.duration_days, train.churned)
    seconds = time.process_time() - started
    survival = model.predict_survival(test.X, HORIZON_DAYS)
    observed = survival_calibration(test.duration_days, test.churned, survival, HORIZON_DAYS)
    by_horizon = {}
    for column, months in enumerate(MONTHS):
        churn, truth = 1 - survival[:, column], test.true_probability[:, column]
        rows = observed.horizon == HORIZON_DAYS[column]
        low, high = observed.low[rows], observed.high[rows]
        predicted = observed.predicted_probability[rows]
        true_mean = np.array([truth[tenth].mean() for tenth in tenths(churn)])
        by_horizon[str(months)] = {
            "truth_covered": covers(low, true_mean, high),
            "prediction_covered": covers(low, predicted, high),
            "ratio": float(churn.mean() / truth.mean()),
            "tenths_ratio": (predicted / true_mean).tolist(),
            "lowest_tenth": float(true_mean[0]),
            "error": float(np.abs(predicted - true_mean).mean()),
            "correlation": float(np.corrcoef(churn, truth)[0, 1]),
        }
    curve = kaplan_meier(train.duration_days, train.churned).at(HORIZON_DAYS)
    baseline = np.broadcast_to(curve, survival.shape)
    outcome = (test.duration_days, test.churned)
    return {
        "customers": len(test.X),
        "left": int(test.churned.sum()),
        "rounds": model.rounds_,
        "cpu_seconds": seconds,
        "concordance": concordance(*outcome, 1 - survival[:, -1], kind="uno", until=365.0),
        "integrated_brier": integrated_brier(*outcome, survival, HORIZON_DAYS),
        "integrated_brier_of_kaplan_meier": integrated_brier(*outcome, baseline, HORIZON_DAYS),
        "months": by_horizon,
    }


def tenths(churn: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """Return the rows of each tenth, in the bins of `survival_calibration`."""
    _, inverse, count = np.unique(churn, return_inverse=True, return_counts=True)
    midpoint = np.cumsum(count) - 0.5 * count
    number = np.minimum(midpoint * 10 / len(churn), 9).astype(int)[inverse]
    return [np.flatnonzero(number == tenth) for tenth in np.unique(number)]


def covers(
    low: NDArray[np.float64], value: NDArray[np.float64], high: NDArray[np.float64]
) -> list[bool]:
    return [bool(covered) for covered in (low <= value) & (value <= high)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--customers", type=int, default=8_000)
    arguments = parser.parse_args()
    contract = Contract.from_schema(Demo)
    runs = [evaluate(arguments.customers, seed, contract) for seed in range(arguments.seeds)]
    results: dict[str, Any] = {
        **machine("lightgbm", "numpy", "scikit-learn"),
        "seeds": arguments.seeds,
        "customers_simulated": arguments.customers,
        "months": {str(months): summary(runs, str(months)) for months in MONTHS},
        "overall": {
            name: float(np.mean([run[name] for run in runs]))
            for name in runs[0]
            if name != "months"
        },
    }
    publish("hazard", results, section(results))


def summary(runs: list[dict[str, Any]], months: str) -> dict[str, float]:
    """Return the figures of a horizon over all seeds and tenths."""
    parts = [run["months"][months] for run in runs]
    ratios = [part["ratio"] for part in parts]
    tenths = np.array([part["tenths_ratio"] for part in parts])
    by_tenth = tenths.mean(axis=0)
    error_by_tenth = tenths.std(axis=0, ddof=1) / np.sqrt(len(parts))
    return {
        "intervals": sum(len(part["truth_covered"]) for part in parts),
        "truth_covered": share(parts, "truth_covered"),
        "prediction_covered": share(parts, "prediction_covered"),
        "ratio": float(np.mean(ratios)),
        "ratio_spread": float(np.std(ratios, ddof=1)),
        "lowest_tenth_ratio": float(by_tenth[0]),
        "lowest_tenth_error": float(error_by_tenth[0]),
        "lowest_tenth_probability": float(np.mean([part["lowest_tenth"] for part in parts])),
        "highest_tenth_ratio": float(by_tenth[-1]),
        "highest_tenth_error": float(error_by_tenth[-1]),
        "error": float(np.mean([part["error"] for part in parts])),
        "correlation": float(np.mean([part["correlation"] for part in parts])),
    }


def share(parts: list[dict[str, Any]], name: str) -> float:
    return float(np.mean([covered for part in parts for covered in part[name]]))


def section(results: dict[str, Any]) -> str:
    overall, first = results["overall"], results["months"]["1"]
    lines = [
        "## Survival",
        "",
        (
            f"`python -m benchmarks.hazard`: {results['seeds']} pairs of simulated businesses, "
            f"one to fit and one to evaluate, {overall['customers']:,.0f} customers on the day of "
            f"the prediction, {overall['left']:,.0f} of whom churned under observation, which ends "
            f"at random after 4 to 14 months. One fit takes {overall['cpu_seconds']:.1f} CPU s "
            f"({overall['rounds']:.0f} trees on average), one thread, on {results['processor']}."
        ),
        "",
        (
            "| horizon, months | 95% intervals | cover the truth | cover the prediction "
            "| predicted / true | SD over seeds | lowest tenth | highest tenth "
            "| mean error of a tenth | correlation with truth |"
        ),
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for months, row in results["months"].items():
        lines.append(
            f"| {months} | {row['intervals']} | {row['truth_covered']:.1%} "
            f"| {row['prediction_covered']:.1%} | {row['ratio']:.3f} | {row['ratio_spread']:.3f} "
            f"| {row['lowest_tenth_ratio']:.2f} ± {row['lowest_tenth_error']:.2f} "
            f"| {row['highest_tenth_ratio']:.2f} ± {row['highest_tenth_error']:.2f} "
            f"| {row['error']:.4f} | {row['correlation']:.2f} |"
        )
    lines += [
        "",
        (
            "The intervals are those of the churned share (Kaplan-Meier) in a tenth of the "
            "predictions. The true probabilities depend on unobserved states of the customers, so "
            "no model reaches a correlation of one. Means of tenths are over seeds, with standard "
            f"errors. In the lowest tenth {first['lowest_tenth_probability']:.2%} churn in the "
            "first month, about one customer of it in the table that is fitted, so its hazard is "
            "mostly that of similar customers with higher ones."
        ),
        "",
        (
            f"Uno's concordance {overall['concordance']:.3f}; integrated Brier score "
            f"{overall['integrated_brier']:.4f}, and "
            f"{overall['integrated_brier_of_kaplan_meier']:.4f} for one Kaplan-Meier curve."
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
