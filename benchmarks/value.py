"""Value models on CDNOW and on published retention tables.

Run ``python -m benchmarks.value`` with the public data sets under ``CHURNKIT_DATA_DIR``. All
times are CPU seconds of one thread. Two parts are optional:

- The published forecasts are for a tenth of the customers, whose ids are in CDNOW_sample.txt of
  the same publisher: put the file into ``CHURNKIT_DATA_DIR/cdnow``.
- pymc-marketing requires other versions than churnkit: set ``CHURNKIT_PYMC_PYTHON`` to the
  interpreter of a separate environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.publish import machine, publish
from churnkit.datasets import load
from churnkit.models.value import (
    BGNBD,
    MBGNBD,
    BetaDiscreteWeibull,
    GammaGamma,
    ParetoNBD,
    PurchaseSummary,
    ShiftedBetaGeometric,
    holdout_figures,
)
from churnkit.models.value.rfm_summary import PurchaseDays, read_purchase_days

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

AS_OF, HORIZON_DAYS = "1997-10-01", 273
SCORED = 10_000_000
MODELS: dict[str, Any] = {"BG/NBD": BGNBD, "MBG/NBD": MBGNBD, "Pareto/NBD": ParetoNBD}
# Fader and Hardie (2007), table 1, the seven years that the paper fits.
SURVIVORS = {
    "high end": [100, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1],
    "regular": [100, 63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1],
}
PEER = """
import json, resource, sys, time
import pandas as pd
from pymc_marketing.clv import BetaGeoModel

table = pd.read_csv(sys.argv[1])

def used():
    own, made = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + made.ru_utime + made.ru_stime

seconds = []
for turn in range(2):
    started = used()
    model = BetaGeoModel(data=table)
    model.fit(method="map", progressbar=False)
    seconds.append(used() - started)
found = model.fit_summary()
found = {name: float(found[name]) for name in ("r", "alpha", "a", "b")}
print(json.dumps({"first": seconds[0], "again": seconds[1], "params": found}))
"""


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def fits(columns: list[NDArray[np.float64]]) -> dict[str, Any]:
    results = {}
    for name, model in MODELS.items():
        fitted, seconds = timed(partial(model().fit, *columns))
        results[name] = {
            "params": fitted.params_,
            "intervals": {key: value.to_dict() for key, value in fitted.intervals().items()},
            "log_likelihood": fitted.log_likelihood_,
            "cpu_seconds": seconds,
        }
    return results


def forecasts(summary: PurchaseSummary, purchases: NDArray[np.float64]) -> dict[str, Any]:
    results = {}
    history = (summary.frequency, summary.recency, summary.T)
    for name, model in MODELS.items():
        expected = model().fit(*history).conditional_expected_purchases(HORIZON_DAYS / 7, *history)
        results[name] = holdout_figures(purchases, expected).to_dict()
    return results


def select(summary: PurchaseSummary, rows: NDArray[np.intp]) -> PurchaseSummary:
    return PurchaseSummary(
        summary.customer[rows],
        summary.frequency[rows],
        summary.recency[rows],
        summary.T[rows],
        None if summary.monetary is None else summary.monetary[rows],
        summary.unit_days,
    )


def spend(summary: PurchaseSummary) -> dict[str, Any]:
    # Gamma-Gamma requires positive amounts, but a purchase can be free.
    means = np.zeros(0) if summary.monetary is None else summary.monetary
    fitted, seconds = timed(lambda: GammaGamma().fit(summary.frequency * (means > 0), means))
    return {"params": fitted.params_, "customers": fitted.n_customers_, "cpu_seconds": seconds}


def published_sample(days: PurchaseDays, folder: Path) -> dict[str, Any] | None:
    path = folder / "cdnow" / "CDNOW_sample.txt"
    if not path.is_file():
        return None
    ids = {line.split()[0] for line in path.read_text("ascii").splitlines() if line.split()}
    summary = days.summary(AS_OF)
    rows = np.flatnonzero(np.isin(summary.customer, sorted(ids)))
    purchases = days.purchases_after(AS_OF, HORIZON_DAYS)[rows]
    sample = select(summary, rows)
    return {"customers": len(rows), "holdout": forecasts(sample, purchases), "spend": spend(sample)}


def scoring(summary: PurchaseSummary) -> dict[str, float]:
    """Time the scoring of many customers: histories of the log with random ends of observation."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(summary.T), SCORED)
    x, last = summary.frequency[drawn], summary.recency[drawn]
    end = summary.T[drawn] + rng.random(SCORED)
    results = {}
    for name, model in MODELS.items():
        fitted = model().fit(summary.frequency, summary.recency, summary.T)
        _, results[name] = timed(partial(fitted.conditional_expected_purchases, 39.0, x, last, end))
    return results


def peer(summary: PurchaseSummary) -> dict[str, Any] | None:
    interpreter = os.environ.get("CHURNKIT_PYMC_PYTHON")
    if not interpreter:
        return None
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "customers.csv"
        frame = summary.to_frame().drop(columns="monetary")
        frame.rename(columns={"customer": "customer_id"}).to_csv(table, index=False)
        settings = os.environ | {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
        settings["PYTENSOR_FLAGS"] = f"base_compiledir={folder}/compiled"
        turns = []
        for _ in range(
            2
        ):  # the first one compiles its likelihood, the second one finds it compiled
            done = subprocess.run(
                [interpreter, "-c", PEER, str(table)],
                capture_output=True, text=True, check=True, env=settings,
            )  # fmt: skip
            turns.append(json.loads(done.stdout.strip().splitlines()[-1]))
    return {
        "first_ever": turns[0]["first"],
        "first_of_a_process": turns[1]["first"],
        "again": turns[1]["again"],
        "params": turns[1]["params"],
    }


def measure() -> dict[str, Any]:
    folder = Path(os.environ["CHURNKIT_DATA_DIR"])
    cdnow = load("cdnow")
    days, reading = timed(lambda: read_purchase_days(cdnow["transactions"], value="dollar_value"))
    summary = days.summary(AS_OF)
    results: dict[str, Any] = machine("numpy", "scipy", "scikit-learn")
    published = [cdnow["summary"][name].to_numpy() for name in ("frequency", "recency", "T")]
    results["sample"] = {"customers": len(published[0]), "fits": fits(published)}
    results["master"] = {
        "customers": len(summary.T),
        "reading_cpu_seconds": reading,
        "fits": fits([summary.frequency, summary.recency, summary.T]),
        "holdout": forecasts(summary, days.purchases_after(AS_OF, HORIZON_DAYS)),
        "spend": spend(summary),
    }
    results["sample_by_id"] = published_sample(days, folder)
    results["scoring_cpu_seconds"] = scoring(summary)
    results["retention"] = {
        name: {
            "sBG": ShiftedBetaGeometric().fit_survivors(survivors).params_,
            "BdW": BetaDiscreteWeibull().fit_survivors(survivors).params_,
        }
        for name, survivors in SURVIVORS.items()
    }
    results["pymc_marketing"] = peer(summary)
    return results


def main() -> None:
    with threadpool_limits(1):
        results = measure()
    publish("value", results, section(results))


def format_parameters(params: dict[str, float]) -> str:
    return ", ".join(f"{name} = {value:.4g}" for name, value in params.items())


def section(results: dict[str, Any]) -> str:
    sample, master = results["sample"], results["master"]
    lines = [
        "## Customer value",
        "",
        f"`python -m benchmarks.value`, CPU time of one thread, on {results['processor']}.",
        "",
        (
            "### Fits: CDNOW, 39 weeks; the published sample of "
            f"{sample['customers']:,} customers, and all {master['customers']:,}"
        ),
        "",
        "| model | parameters, sample | log-likelihood | CPU s | parameters, all | CPU s |",
        "|---|---|---:|---:|---|---:|",
    ]
    for name, own in sample["fits"].items():
        other = master["fits"][name]
        lines.append(
            f"| {name} | {format_parameters(own['params'])} | {own['log_likelihood']:.2f} "
            f"| {own['cpu_seconds']:.3f} | {format_parameters(other['params'])} "
            f"| {other['cpu_seconds']:.3f} |"
        )
    by_id = results["sample_by_id"]
    spends = {"all": master["spend"]} | ({"sample": by_id["spend"]} if by_id else {})
    lines += [""] + [
        f"Gamma-Gamma, {title}, {fit['customers']:,.0f} repeat buyers: "
        f"{format_parameters(fit['params'])} ({fit['cpu_seconds']:.3f} CPU s)."
        for title, fit in spends.items()
    ]
    holdouts = {f"all {master['customers']:,}": master["holdout"]}
    if by_id:
        holdouts[f"sample of {by_id['customers']:,}"] = by_id["holdout"]
    lines += ["", "### Forecasts of the next 39 weeks", ""]
    lines += ["| customers | model | RMSE | correlation | bias | normalized Gini |"]
    lines += ["|---|---|---:|---:|---:|---:|"]
    lines += [
        f"| {title} | {name} | {figures['rmse']:.4f} | {figures['correlation']:.4f} "
        f"| {figures['bias']:+.1%} | {figures['normalized_gini']:.4f} |"
        for title, by_model in holdouts.items()
        for name, figures in by_model.items()
    ]
    return "\n".join(lines + speed(results) + retention(results))


def speed(results: dict[str, Any]) -> list[str]:
    lines = ["", f"### Expected purchases of {SCORED:,} customers", "", "| model | CPU s |"]
    lines += ["|---|---:|"]
    seconds = results["scoring_cpu_seconds"]
    lines += [f"| {name} | {value:.1f} |" for name, value in seconds.items()]
    pymc = results["pymc_marketing"]
    if pymc:
        own = results["master"]["fits"]["BG/NBD"]["cpu_seconds"]
        kinds = {
            "first_ever": "compiling its likelihood",
            "first_of_a_process": "the first of a process, compiled before",
            "again": "the second of a process",
        }
        lines += [
            "",
            (
                f"BG/NBD to all {results['master']['customers']:,} customers, churnkit: "
                f"{own:.3f} CPU s. pymc-marketing's MAP fit with its default priors: "
                f"{format_parameters(pymc['params'])}."
            ),
            "",
            "| pymc-marketing | CPU s | times churnkit's |",
            "|---|---:|---:|",
        ]
        lines += [
            f"| {title} | {pymc[kind]:.2f} | {pymc[kind] / own:,.0f} |"
            for kind, title in kinds.items()
        ]
    return lines


def retention(results: dict[str, Any]) -> list[str]:
    lines = ["", "### Retention under contract, seven years", "", "| customers | sBG | BdW |"]
    lines += ["|---|---|---|"]
    return lines + [
        f"| {name} | {format_parameters(fits['sBG'])} | {format_parameters(fits['BdW'])} |"
        for name, fits in results["retention"].items()
    ]


if __name__ == "__main__":
    main()
