"""Whether predicted survival is as good as its word: a simulated business, whose truth is known.

Run ``python -m benchmarks.hazard``. For each seed a model is fitted on one business and judged
on another of the same law, at 1, 3, 6 and 12 months; the watching of customers ends at random
between 4 and 14 months, so both sides are censored. The business runs no campaigns, since the
simulator's truth is that of leaving with no action taken after the day of the prediction.
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


class Watched(NamedTuple):
    """Customers at the day of prediction, how long they were watched, and the truth."""

    X: NDArray[np.float64]
    duration_days: NDArray[np.float64]
    left: NDArray[np.bool_]
    true_probability: NDArray[np.float64]


def watched(customers: int, seed: int, contract: Contract) -> Watched:
    """Simulate a business and watch its customers until a random day."""
    business = simulate(customers=customers, months=24, seed=seed, campaigns=False)
    snapshot = business.snapshot(AS_OF, horizon_days=None)
    X = TableEncoder(contract).encode(snapshot).features
    ids = snapshot.column("customer_id").to_pylist()
    place = {name: at for at, name in enumerate(business.truth.customer_id.tolist())}
    rows = np.array([place[name] for name in ids])
    truth = np.column_stack(
        [business.truth.churn_probability(AS_OF, horizon_days=days)[rows] for days in HORIZON_DAYS]
    )
    leaves_after = days_until_leaving(business, ids, AS_OF)
    generator = np.random.default_rng([seed, 1])
    ends_after = generator.uniform(4, 14, len(ids)) * WIDTH_DAYS
    left = leaves_after <= ends_after
    return Watched(X, np.minimum(leaves_after, ends_after), left, truth)


def renewals(contract: Contract) -> tuple[tuple[int, float, float | None], ...]:
    """Say that the months to a yearly renewal fall by one each month."""
    return ((contract.feature_names.index("months_to_renewal"), -1.0, 12.0),)


def days_until_leaving(business: Simulation, ids: list[str], as_of: str) -> NDArray[np.float64]:
    """Return the days from the prediction to the end of the subscription, infinite if none."""
    table = business.tables["subscriptions"]
    cancelled = np.array(table.column("end_reason").to_pylist()) == "cancelled"
    ended = table.column("ended_at").to_numpy().astype("datetime64[us]")
    who = np.array(table.column("customer_id").to_pylist())
    start = np.datetime64(as_of, "us")
    found: dict[str, float] = {}
    for at in np.flatnonzero(cancelled & (ended >= start)):
        days = float((ended[at] - start) / DAY)
        found[who[at]] = min(days, found.get(who[at], np.inf))
    return np.array([found.get(name, np.inf) for name in ids])


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
    survival = model.predict_survival(test.X, HORIZON_DAYS)
    observed = survival_calibration(test.duration_days, test.left, survival, HORIZON_DAYS)
    by_horizon = {}
    for place, months in enumerate(MONTHS):
        churn, truth = 1 - survival[:, place], test.true_probability[:, place]
        at = observed.horizon == HORIZON_DAYS[place]
        true_mean = np.array([truth[tenth].mean() for tenth in tenths(churn)])
        by_horizon[str(months)] = {
            "truth_covered": inside(observed.low[at], true_mean, observed.high[at]),
            "prediction_covered": inside(
                observed.low[at], observed.predicted_probability[at], observed.high[at]
            ),
            "ratio": float(churn.mean() / truth.mean()),
            "tenths_ratio": (observed.predicted_probability[at] / true_mean).tolist(),
            "error": float(np.abs(observed.predicted_probability[at] - true_mean).mean()),
            "correlation": float(np.corrcoef(churn, truth)[0, 1]),
        }
    plain = kaplan_meier(train.duration_days, train.left).at(HORIZON_DAYS)
    everyone = np.broadcast_to(plain, survival.shape)
    scored = (test.duration_days, test.left)
    return {
        "customers": len(test.X),
        "left": int(test.left.sum()),
        "rounds": model.rounds_,
        "cpu_seconds": seconds,
        "concordance": concordance(*scored, 1 - survival[:, -1], kind="uno", until=365.0),
        "integrated_brier": integrated_brier(*scored, survival, HORIZON_DAYS),
        "integrated_brier_of_kaplan_meier": integrated_brier(*scored, everyone, HORIZON_DAYS),
        "months": by_horizon,
    }


def tenths(churn: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """Return the rows of each tenth, as the calibration cuts them."""
    _, place, count = np.unique(churn, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - 0.5 * count
    number = np.minimum(middle * 10 / len(churn), 9).astype(int)[place]
    return [np.flatnonzero(number == each) for each in np.unique(number)]


def inside(
    low: NDArray[np.float64], value: NDArray[np.float64], high: NDArray[np.float64]
) -> list[bool]:
    return [bool(held) for held in (low <= value) & (value <= high)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--customers", type=int, default=8_000)
    given = parser.parse_args()
    contract = Contract.from_schema(Demo)
    runs = [judged(given.customers, seed, contract) for seed in range(given.seeds)]
    results: dict[str, Any] = {
        **machine("lightgbm", "numpy", "scikit-learn"),
        "seeds": given.seeds,
        "customers_simulated": given.customers,
        "months": {str(months): summary(runs, str(months)) for months in MONTHS},
        "overall": {
            name: float(np.mean([run[name] for run in runs]))
            for name in runs[0]
            if name != "months"
        },
    }
    publish("hazard", results, section(results))


def summary(runs: list[dict[str, Any]], months: str) -> dict[str, float]:
    """Return a horizon's figures over all seeds and tenths."""
    parts = [run["months"][months] for run in runs]
    ratios = [part["ratio"] for part in parts]
    by_tenth = np.array([part["tenths_ratio"] for part in parts]).mean(axis=0)
    return {
        "intervals": sum(len(part["truth_covered"]) for part in parts),
        "truth_covered": share(parts, "truth_covered"),
        "prediction_covered": share(parts, "prediction_covered"),
        "ratio": float(np.mean(ratios)),
        "ratio_spread": float(np.std(ratios, ddof=1)),
        "lowest_tenth_ratio": float(by_tenth[0]),
        "highest_tenth_ratio": float(by_tenth[-1]),
        "error": float(np.mean([part["error"] for part in parts])),
        "correlation": float(np.mean([part["correlation"] for part in parts])),
    }


def share(parts: list[dict[str, Any]], name: str) -> float:
    return float(np.mean([held for part in parts for held in part[name]]))


def section(results: dict[str, Any]) -> str:
    overall = results["overall"]
    lines = [
        "## When customers leave",
        "",
        (
            f"`python -m benchmarks.hazard`: {results['seeds']} pairs of simulated businesses, "
            f"one to fit and one to judge, {overall['customers']:,.0f} customers at the day of "
            f"prediction of whom {overall['left']:,.0f} were seen to leave; watching ends at "
            f"random after 4 to 14 months. One fit takes {overall['cpu_seconds']:.1f} CPU s "
            f"({overall['rounds']:.0f} trees on average), one thread, on {results['processor']}."
        ),
        "",
        (
            "| horizon, months | 95% intervals | hold the truth | hold the prediction "
            "| predicted / true | by seed ± | lowest tenth | highest tenth "
            "| mean error of a tenth | correlation with truth |"
        ),
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for months, row in results["months"].items():
        lines.append(
            f"| {months} | {row['intervals']} | {row['truth_covered']:.1%} "
            f"| {row['prediction_covered']:.1%} | {row['ratio']:.3f} | {row['ratio_spread']:.3f} "
            f"| {row['lowest_tenth_ratio']:.2f} | {row['highest_tenth_ratio']:.2f} "
            f"| {row['error']:.4f} | {row['correlation']:.2f} |"
        )
    lines += [
        "",
        (
            "An interval is that of the share that left (Kaplan-Meier) in a tenth of the "
            "predictions. The truth holds what no table shows (a customer's unseen state), so the "
            "correlation stays below one for any model."
        ),
        "",
        (
            f"Uno's concordance {overall['concordance']:.3f}; integrated Brier score "
            f"{overall['integrated_brier']:.4f}, against "
            f"{overall['integrated_brier_of_kaplan_meier']:.4f} of one Kaplan-Meier curve for all."
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
