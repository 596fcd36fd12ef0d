"""Whether predicted lifetime value is the true one: a simulated business, whose truth is known.

Run ``python -m benchmarks.lifetime``. For each seed a hazard model is fitted on one business and
its customers' discounted value, margin times survival over 24 monthly payments, is held against
the truth of another business of the same law, in each tenth of the predictions. The watching of
the customers that the model learns from ends at random after 12 to 27 months. The business runs
no campaigns, since the simulator's truth is that of no action after the day of the prediction.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.hazard import WIDTH_DAYS, days_until_leaving, renewals
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
WATCHED_MONTHS = (12, 27)
WITHIN = 0.05


class Watched(NamedTuple):
    """Customers at the day of prediction, how long they were watched, and what they are worth."""

    X: NDArray[np.float64]
    duration_days: NDArray[np.float64]
    left: NDArray[np.bool_]
    mrr: NDArray[np.float64]
    true_value: NDArray[np.float64]


def watched(customers: int, seed: int, contract: Contract) -> Watched:
    """Simulate a business and watch its customers until a random day."""
    business = simulate(customers=customers, months=MONTHS, seed=seed, campaigns=False)
    snapshot = business.snapshot(AS_OF, horizon_days=None)
    ids = snapshot.column("customer_id").to_pylist()
    place = {name: at for at, name in enumerate(business.truth.customer_id.tolist())}
    rows = np.array([place[name] for name in ids])
    value = business.truth.remaining_value(AS_OF, months=PAYMENTS, monthly_discount=RATE)
    leaves_after = days_until_leaving(business, ids, AS_OF)
    ends_after = np.random.default_rng([seed, 1]).uniform(*WATCHED_MONTHS, len(ids)) * WIDTH_DAYS
    return Watched(
        TableEncoder(contract).encode(snapshot).features,
        np.minimum(leaves_after, ends_after),
        leaves_after <= ends_after,
        business.truth.mrr(AS_OF)[rows],
        value[rows],
    )


def judged(customers: int, seed: int, contract: Contract) -> dict[str, Any]:
    """Fit on one business, judge on another."""
    train, test = (watched(customers, each, contract) for each in (seed, 10_000 + seed))
    started = time.process_time()
    model = HazardModel(
        width=WIDTH_DAYS,
        categorical_features=contract.categorical_features,
        time_varying=renewals(contract),
        seed=seed,
    ).fit(train.X, train.duration_days, train.left)
    seconds = time.process_time() - started
    later = np.arange(1, PAYMENTS) * WIDTH_DAYS
    # The first payment falls on the day of the prediction.
    worth = test.mrr + contractual_value(test.mrr, model.predict_survival(test.X, later), rate=RATE)
    tenths = np.array_split(np.argsort(worth, kind="stable"), 10)
    found = holdout_figures(test.true_value, worth).to_dict()
    return {
        "customers": len(test.X),
        "cpu_seconds": seconds,
        "ratio": float(worth.sum() / test.true_value.sum()),
        "tenths": [float(worth[rows].mean() / test.true_value[rows].mean()) for rows in tenths],
        "correlation": found["correlation"],
        "relative_rmse": found["rmse"] / float(test.true_value.mean()),
        "correlation_of_lifetimes": float(
            np.corrcoef(worth / test.mrr, test.true_value / test.mrr)[0, 1]
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--customers", type=int, default=8_000)
    given = parser.parse_args()
    contract = Contract.from_schema(Demo)
    runs = [judged(given.customers, seed, contract) for seed in range(given.seeds)]
    tenths = np.array([run["tenths"] for run in runs])
    results: dict[str, Any] = {
        **machine("lightgbm", "numpy", "scikit-learn"),
        "seeds": given.seeds,
        "customers_simulated": given.customers,
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
            f"one to fit and one to judge, {overall['customers']:,.0f} customers at the day of "
            f"prediction; value is {PAYMENTS} monthly payments discounted at {RATE:.0%} a month, "
            f"watching ends at random after {WATCHED_MONTHS[0]} to {WATCHED_MONTHS[1]} months. "
            f"One fit takes {overall['cpu_seconds']:.1f} CPU s, one thread, on "
            f"{results['processor']}."
        ),
        "",
        f"| tenth by predicted value | predicted / true | by seed ± | within {WITHIN:.0%}, of the seeds |",
        "|---:|---:|---:|---:|",
    ]
    columns = (results["tenths"], results["tenths_spread"], results["tenths_within"])
    for place, (ratio, spread, within) in enumerate(zip(*columns, strict=True), start=1):
        lines.append(f"| {place} | {ratio:.3f} | {spread:.3f} | {within:.0%} |")
    return "\n".join(
        [
            *lines,
            "",
            (
                f"In all {overall['ratio']:.3f} ± {results['ratio_spread']:.3f} of the true value; "
                f"correlation with it {overall['correlation']:.3f}, and of the months that it is "
                f"worth {overall['correlation_of_lifetimes']:.2f}: much of value is revenue, which "
                f"is known. RMSE {overall['relative_rmse']:.1%} of the mean."
            ),
        ]
    )


if __name__ == "__main__":
    main()
