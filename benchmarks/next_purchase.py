"""Time of the next purchase: coverage of its interval, calibration of its probability.

Run ``python -m benchmarks.next_purchase`` with CDNOW and Online Retail under ``CHURNKIT_DATA_DIR``.
On CDNOW the models see the first 39 weeks of all customers; the next 39 weeks are held out. Then
BG/NBD is fitted on several dates of both logs, and its probability is recalibrated by a logistic
regression on the outcomes after an earlier date of the same history.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from benchmarks.publish import machine, publish
from churnkit.datasets import load
from churnkit.models.value import BGNBD, MBGNBD, ParetoNBD
from churnkit.models.value.rfm_summary import PurchaseDays, read_purchase_days

AS_OF, HORIZON = "1997-10-01", 39.0
WEEKS = (2.0, 4.0, 13.0, 26.0, 39.0)
LEVELS = (0.5, 0.8, 0.9)
MODELS: dict[str, Any] = {"BG/NBD": BGNBD, "MBG/NBD": MBGNBD, "Pareto/NBD": ParetoNBD}
SILENCES = (4.0, 13.0, 26.0)
DATES = {
    "CDNOW": ("1997-08-01", "1997-10-01", "1998-01-01", "1998-04-01"),
    "Online Retail": ("2011-05-01", "2011-07-01", "2011-08-01", "2011-09-01"),
}
RECALIBRATED_WEEKS = (4, 13)


def calibration(probability: Any, bought: Any) -> dict[str, float]:
    """Compare tenths of the customers by probability with the share that bought."""
    tenths = np.array_split(np.argsort(probability, kind="stable"), 10)
    gaps = [abs(float(probability[rows].mean() - bought[rows].mean())) for rows in tenths]
    return {
        "predicted": float(probability.mean()),
        "actual": float(bought.mean()),
        "largest_gap_of_a_tenth": max(gaps),
    }


def by_silence(probability: Any, bought: Any, silence: Any) -> list[dict[str, float]]:
    """Compare customers by the weeks since their last purchase."""
    group = np.digitize(silence, SILENCES)
    return [
        {
            "customers": int((group == number).sum()),
            "predicted": float(probability[group == number].mean()),
            "actual": float(bought[group == number].mean()),
        }
        for number in range(len(SILENCES) + 1)
    ]


def predict(days: PurchaseDays, as_of: str, weeks: int) -> tuple[Any, Any]:
    """Return P(a purchase within the weeks after a date) by BG/NBD, and who bought."""
    summary = days.summary(as_of)
    history = (summary.frequency, summary.recency, summary.T)
    probability = BGNBD().fit(*history).purchase_probability(float(weeks), *history)
    return probability, days.time_to_purchase(as_of) <= weeks


def by_date(days: PurchaseDays, dates: tuple[str, ...]) -> list[dict[str, Any]]:
    """Calibrate on each date as it is, and recalibrated on the weeks before the date."""
    rows = []
    for as_of in dates:
        for weeks in RECALIBRATED_WEEKS:
            before = str(np.datetime64(as_of) - 7 * weeks)
            earlier, bought_earlier = predict(days, before, weeks)
            regression = LogisticRegression(C=np.inf).fit(logit(earlier)[:, None], bought_earlier)
            probability, bought = predict(days, as_of, weeks)
            again = regression.predict_proba(logit(probability)[:, None])[:, 1]
            rows.append(
                {
                    "as_of": as_of,
                    "weeks": weeks,
                    "plain": calibration(probability, bought)
                    | {"log_loss": float(log_loss(bought, probability))},
                    "recalibrated": calibration(again, bought)
                    | {"log_loss": float(log_loss(bought, again))},
                }
            )
    return rows


def retail_days() -> PurchaseDays:
    """Return the purchases of Online Retail without cancellations and unknown customers."""
    lines = load("online_retail").to_pandas()
    lines = lines[lines["CustomerID"].notna() & (lines["Quantity"] > 0)]
    lines = lines.assign(value=lines["Quantity"] * lines["UnitPrice"])
    return read_purchase_days(lines, customer="CustomerID", time="InvoiceDate", value="value")


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
            "by_silence": by_silence(probabilities[HORIZON], bought, summary.T - summary.recency),
            "before_median": float((after <= times[0.5].median)[bought].mean()),
            "calibration": {
                str(week): calibration(probability, after <= week)
                for week, probability in probabilities.items()
            },
        }
    logs = {"CDNOW": days, "Online Retail": retail_days()}
    results["dates"] = {name: by_date(logs[name], dates) for name, dates in DATES.items()}
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
    lines += [
        "",
        ("Customers by the weeks since their last purchase: predicted and bought within 39 weeks."),
        "",
        "| model | under 4 | 4 to 13 | 13 to 26 | 26 and more |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, one in results["models"].items():
        cells = [f"{g['predicted']:.1%} / {g['actual']:.1%}" for g in one["by_silence"]]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, *_dates_section(results["dates"])])


def _dates_section(dates: dict[str, Any]) -> list[str]:
    lines = [
        "",
        (
            "BG/NBD on several dates, as it is and recalibrated by a logistic regression on the "
            "outcomes of as many weeks before the date: mean probability, largest difference of a "
            "tenth, log loss."
        ),
        "",
        "| log | date | weeks | bought | as it is | recalibrated | lower log loss |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for name, rows in dates.items():
        for row in rows:
            ways = [row["plain"], row["recalibrated"]]
            cells = [
                f"{way['predicted']:.1%}, {way['largest_gap_of_a_tenth']:.1%}, {way['log_loss']:.4f}"
                for way in ways
            ]
            better = "recalibrated" if ways[1]["log_loss"] < ways[0]["log_loss"] else "as it is"
            lines.append(
                f"| {name} | {row['as_of']} | {row['weeks']} | {ways[0]['actual']:.1%} | "
                + " | ".join(cells)
                + f" | {better} |"
            )
    return lines


if __name__ == "__main__":
    results = measure()
    publish("next_purchase", results, section(results))
