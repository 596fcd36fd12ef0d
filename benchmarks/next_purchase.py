"""Time of the next purchase on CDNOW: coverage of its interval, calibration of its probability.

Run ``python -m benchmarks.next_purchase`` with CDNOW under ``CHURNKIT_DATA_DIR``. The models see the
first 39 weeks of all customers; the next 39 weeks are held out.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.publish import machine, publish
from churnkit.datasets import load
from churnkit.models.value import BGNBD, MBGNBD, ParetoNBD
from churnkit.models.value.rfm_summary import read_purchase_days

AS_OF, HORIZON = "1997-10-01", 39.0
WEEKS = (2.0, 4.0, 13.0, 26.0, 39.0)
LEVELS = (0.5, 0.8, 0.9)
MODELS: dict[str, Any] = {"BG/NBD": BGNBD, "MBG/NBD": MBGNBD, "Pareto/NBD": ParetoNBD}


def calibration(probability: Any, bought: Any) -> dict[str, float]:
    """Compare tenths of the customers by probability with the share that bought."""
    tenths = np.array_split(np.argsort(probability, kind="stable"), 10)
    gaps = [abs(float(probability[rows].mean() - bought[rows].mean())) for rows in tenths]
    return {
        "predicted": float(probability.mean()),
        "actual": float(bought.mean()),
        "largest_gap_of_a_tenth": max(gaps),
    }


def measure() -> dict[str, Any]:
    days = read_purchase_days(load("cdnow")["transactions"], value="dollar_value")
    summary, after = days.summary(AS_OF), days.time_to_purchase(AS_OF)
    history = (summary.frequency, summary.recency, summary.T)
    bought = after <= HORIZON
    results: dict[str, Any] = machine("numpy", "scipy")
    results |= {"customers": len(after), "bought": int(bought.sum()), "models": {}}
    for name, kind in MODELS.items():
        model = kind().fit(*history)
        probabilities = {week: model.purchase_probability(week, *history) for week in WEEKS}
        started = time.process_time()
        times = {
            level: model.next_purchase(*history, horizon=HORIZON, level=level) for level in LEVELS
        }
        seconds = (time.process_time() - started) / len(LEVELS)
        # A purchase on a day falls into the day that ends at its time.
        results["models"][name] = {
            "cpu_seconds": seconds,
            "coverage": {
                str(level): float(((one.low <= after) & (after - 1 / 7 < one.high))[bought].mean())
                for level, one in times.items()
            },
            "before_median": float((after <= times[0.5].median)[bought].mean()),
            "calibration": {
                str(week): calibration(probability, after <= week)
                for week, probability in probabilities.items()
            },
        }
    return results


def section(results: dict[str, Any]) -> str:
    heads = " | ".join(f"{level:.0%} interval" for level in LEVELS)
    lines = [
        "## Time of the next purchase",
        "",
        (
            f"`python -m benchmarks.next_purchase`: all {results['customers']:,} customers of CDNOW, "
            f"39 weeks of history, 39 held out, in which {results['bought']:,} bought; on "
            f"{results['processor']}. Share of these whose next purchase lies in the interval "
            "given a purchase in 39 weeks, and share before the median:"
        ),
        "",
        f"| model | {heads} | before the median | CPU s |",
        "|---|" + "---:|" * (len(LEVELS) + 2),
    ]
    for name, one in results["models"].items():
        coverage = " | ".join(f"{share:.1%}" for share in one["coverage"].values())
        lines.append(
            f"| {name} | {coverage} | {one['before_median']:.1%} | {one['cpu_seconds']:.2f} |"
        )
    lines += [
        "",
        (
            "Probability of a purchase within t weeks: mean over the customers, the share that "
            "bought, and the largest difference in a tenth of the customers by probability."
        ),
        "",
        "| model | weeks | predicted | bought | largest difference of a tenth |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, one in results["models"].items():
        for week, figures in one["calibration"].items():
            lines.append(
                f"| {name} | {float(week):.0f} | {figures['predicted']:.1%} | {figures['actual']:.1%} "
                f"| {figures['largest_gap_of_a_tenth']:.1%} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    results = measure()
    publish("next_purchase", results, section(results))
