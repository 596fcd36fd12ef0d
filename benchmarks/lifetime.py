"""Calibration of predicted lifetime value in a simulated business with known true values.

Run ``python -m benchmarks.lifetime``. For each seed a hazard model is fitted on one business. The
discounted value of customers, margin times survival over 24 monthly payments, is compared with the
truth in another business from the same distribution, by tenth of the predictions. The observation
of the training customers ends at random after 12 to 27 months. The business runs no campaigns: the
simulator's true values assume no action after the day of the prediction.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.hazard import WIDTH_DAYS, days_until_churn, renewals
from benchmarks.publish import machine, publish
from churnkit.contracts import Contract
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.datasets import simulate
from churnkit.models import HazardModel
from churnkit.models.value import contractual_value, holdout_figures
from schemas.demo import Demo

if TYPE_CHECKING:
    from numpy.typing import NDArray

AS_OF, MONTHS, PAYMENTS, RATE = "2025-10-01", 60, 24, 0.01
FOLLOW_UP_MONTHS = (12, 27)
WITHIN = 0.05


class Cohort(NamedTuple):
    """Customers at the day of prediction, their follow-up, and their true value."""

    X: NDArray[np.float64]
    duration_days: NDArray[np.float64]
    churned: NDArray[np.bool_]
    mrr: NDArray[np.float64]
    true_value: NDArray[np.float64]


def simulate_cohort(customers: int, seed: int, contract: Contract) -> Cohort:
    """Simulate a business and observe its customers until a random day."""
    business = simulate(customers=customers, months=MONTHS, seed=seed, campaigns=False)
    snapshot = business.snapshot(AS_OF, horizon_days=None)
    ids = snapshot.column("customer_id").to_pylist()
    position = {name: row for row, name in enumerate(business.truth.customer_id.tolist())}
    rows = np.array([position[name] for name in ids])
    value = business.truth.remaining_value(AS_OF, months=PAYMENTS, monthly_discount=RATE)
    churn_after = days_until_churn(business, ids, AS_OF)
    months = np.random.default_rng([seed, 1]).uniform(*FOLLOW_UP_MONTHS, len(ids))
    censored_after = months * WIDTH_DAYS
    return Cohort(
        TableEncoder(contract).encode(snapshot).features,
        np.minimum(churn_after, censored_after),
        churn_after <= censored_after,
        business.truth.mrr(AS_OF)[rows],
        value[rows],
    )


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
    later = np.arange(1, PAYMENTS) * WIDTH_DAYS
    # The first payment falls on the day of the prediction.
    value = test.mrr + contractual_value(test.mrr, model.predict_survival(test.X, later), rate=RATE)
    tenths = np.array_split(np.argsort(value, kind="stable"), 10)
    figures = holdout_figures(test.true_value, value).to_dict()
    return {
        "customers": len(test.X),
        "cpu_seconds": seconds,
        "ratio": float(value.sum() / test.true_value.sum()),
        "tenths": [float(value[rows].mean() / test.true_value[rows].mean()) for rows in tenths],
        "correlation": figures["correlation"],
        "relative_rmse": figures["rmse"] / float(test.true_value.mean()),
        "correlation_of_lifetimes": float(
            np.corrcoef(value / test.mrr, test.true_value / test.mrr)[0, 1]
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--customers", type=int, default=8_000)
    arguments = parser.parse_args()
    contract = Contract.from_schema(Demo)
    runs = [evaluate(arguments.customers, seed, contract) for seed in range(arguments.seeds)]
    tenths = np.array([run["tenths"] for run in runs])
    results: dict[str, Any] = {
        **machine("lightgbm", "numpy", "scikit-learn"),
        "seeds": arguments.seeds,
        "customers_simulated": arguments.customers,
        "tenths": tenths.mean(axis=0).tolist(),
        "tenths_spread": tenths.std(axis=0, ddof=1).tolist(),
        "tenths_within": (np.abs(tenths - 1) <= WITHIN).mean(axis=0).tolist(),
        "overall": {
            name: float(np.mean([run[name] for run in runs]))
            for name in runs[0]
            if name != "tenths"
        },
        "ratio_spread": float(np.std([run["ratio"] for run in runs], ddof=1)),
    }
    publish("lifetime", results, section(results))


def section(results: dict[str, Any]) -> str:
    overall = results["overall"]
    lines = [
        "## Lifetime value under contract",
        "",
        (
            f"`python -m benchmarks.lifetime`: {results['seeds']} pairs of simulated businesses, "
            f"one to fit and one to evaluate, {overall['customers']:,.0f} customers on the day of "
            f"the prediction; value is {PAYMENTS} monthly payments discounted at {RATE:.0%} a "
            "month, and the observation ends at random after "
            f"{FOLLOW_UP_MONTHS[0]} to {FOLLOW_UP_MONTHS[1]} months. "
            f"One fit takes {overall['cpu_seconds']:.1f} CPU s, one thread, on "
            f"{results['processor']}."
        ),
        "",
        f"| tenth by predicted value | predicted / true | SD over seeds | seeds within {WITHIN:.0%} |",
        "|---:|---:|---:|---:|",
    ]
    columns = (results["tenths"], results["tenths_spread"], results["tenths_within"])
    for tenth, (ratio, spread, within) in enumerate(zip(*columns, strict=True), start=1):
        lines.append(f"| {tenth} | {ratio:.3f} | {spread:.3f} | {within:.0%} |")
    return "\n".join(
        [
            *lines,
            "",
            (
                f"Total {overall['ratio']:.3f} ± {results['ratio_spread']:.3f} of the true value. "
                f"The correlation with the true value is {overall['correlation']:.3f}, mostly from "
                "the known revenue; the correlation of the discounted number of payments is "
                f"{overall['correlation_of_lifetimes']:.2f}. RMSE {overall['relative_rmse']:.1%} "
                "of the mean."
            ),
        ]
    )


if __name__ == "__main__":
    main()
