"""Measure the intervals of a cross-fitted test by simulation.

Run ``python -m benchmarks.cross_fitting``. Each run draws a table, trains on it as `churnkit
train` does (settings selected on the folds of the test, one model per fold without its customers,
the registered model on all rows) and compares the interval with the registered model's metrics
on 40 times as many new customers, whose own sampling error is then small beside the interval. The width is compared with that of the first fifth alone. In tables of
pure noise no model should pass the gate.
"""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.publish import HERE, machine, publish
from churnkit.evaluation import METRICS, evaluate
from churnkit.evaluation.classification.fit_interval import evaluate_refit
from churnkit.evaluation.classification.score_order import RankedOutcomes
from churnkit.models import ChurnClassifier, SingleFeatureRule
from churnkit.pipeline import PromotionGate

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FRESH = 40
_SHOWN = ("auc", "log_loss")
_CASES = (
    ("600 customers, fast", 600, "fast", 1.0),
    ("2,500 customers, fast", 2_500, "fast", 1.0),
    ("1,000 customers, balanced", 1_000, "balanced", 1.0),
    ("600 customers, fast, pure noise", 600, "fast", 0.0),
)
_CATEGORIES = (4, 5)


def draw(
    rng: np.random.Generator, rows: int, signal: float
) -> tuple[NDArray[np.float64], NDArray[np.int_]]:
    """Draw customers whose churn depends on numbers, an interaction and two categories."""
    numbers = rng.normal(size=(rows, 4))
    few, many = rng.integers(0, 4, rows), rng.integers(0, 30, rows)
    log_odds = -1.2 + signal * (
        0.9 * numbers[:, 0]
        + 0.7 * numbers[:, 1] * (numbers[:, 2] > 0)
        + np.array([0.8, 0.0, -0.3, -0.6])[few]
        + 0.6 * np.sin(many)
    )
    churned = rng.random(rows) < 1 / (1 + np.exp(-log_odds))
    return np.column_stack([numbers, few, many]), churned.astype(int)


def cross_fitted(
    model: ChurnClassifier, X: NDArray[np.float64], y: NDArray[np.int_], folds: NDArray[np.int_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the probabilities of model and rule by fits without the customer's fold."""
    probability, by_rule = np.empty(len(y)), np.empty(len(y))
    for number in range(int(folds.max()) + 1):
        test, train = folds == number, folds != number
        probability[test] = model.refit(X[train], y[train], fold=number).predict_proba(X[test])[
            :, 1
        ]
        rule = SingleFeatureRule(categorical_features=_CATEGORIES).fit(X[train], y[train])
        by_rule[test] = rule.predict_proba(X[test])[:, 1]
    return probability, by_rule


def run(seed: int, rows: int, profile: str, signal: float) -> dict[str, Any]:
    """Train on one drawn table; return its intervals, the truth, and the gate's verdict."""
    rng = np.random.default_rng(seed)
    X, y = draw(rng, rows, signal)
    folds = rng.integers(0, 5, rows)
    pairs = [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(5)]
    settings: dict[str, Any] = {"categorical_features": _CATEGORIES, "seed": 0}
    model = ChurnClassifier(profile, cv=pairs, **settings).fit(X, y)
    probability, by_rule = cross_fitted(model, X, y, folds)
    fresh_X, fresh_y = draw(rng, _FRESH * rows, signal)
    groups = RankedOutcomes(fresh_y, model.predict_proba(fresh_X)[:, 1]).group()
    fifth = folds == 0
    intervals = {
        "crossed": evaluate_refit(evaluate(y, probability, seed=seed)).metrics,
        "fifth": evaluate(y[fifth], probability[fifth], seed=seed).metrics,
    }
    return {
        "passed": PromotionGate()
        .judge(y, probability, by_rule, None, rule="", seed=seed, cross_fitted=True)
        .passed,
        "truth": {name: METRICS[name].compute(groups) for name in _SHOWN},
        "intervals": {
            design: {name: (m[name].value, m[name].low, m[name].high) for name in _SHOWN}
            for design, m in intervals.items()
        },
    }


def summarize(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return coverage, mean difference from the truth, and width of the intervals."""
    figures: dict[str, Any] = {
        "runs": len(runs),
        "passed": float(np.mean([run["passed"] for run in runs])),
    }
    for name in _SHOWN:
        truth = np.array([run["truth"][name] for run in runs])
        for design in ("crossed", "fifth"):
            value, low, high = np.array([run["intervals"][design][name] for run in runs]).T
            figures[f"{name}.{design}"] = {
                "coverage": float(np.mean((low <= truth) & (truth <= high))),
                "difference": float(np.mean(value - truth)),
                "spread": float(np.std(value - truth)),
                "width": float(np.mean(high - low)),
            }
    return figures


def section(results: dict[str, Any]) -> str:
    lines = [
        "## Test on every customer",
        "",
        (
            "`python -m benchmarks.cross_fitting`: simulated tables; the 95% interval of the "
            "cross-fitted test against the metrics of the registered model on 40 times as many new ones. "
            "Difference: measured minus true, mean over the runs. Width: relative to the interval of "
            "a fifth held out."
        ),
        "",
        "| table | runs | metric | coverage | difference | width | gate passed |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    for title, figures in results["cases"].items():
        for name in _SHOWN:
            crossed, fifth = figures[f"{name}.crossed"], figures[f"{name}.fifth"]
            lines.append(
                f"| {title} | {figures['runs']} | {METRICS[name].title} | "
                f"{crossed['coverage']:.1%} | {crossed['difference']:+.4f} | "
                f"{crossed['width'] / fifth['width']:.2f} | {figures['passed']:.1%} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--case", type=int, action="append", choices=range(len(_CASES)))
    parser.add_argument("--publish", action="store_true", help="write RESULTS.md")
    arguments = parser.parse_args()
    results: dict[str, Any] = machine("lightgbm", "numpy", "scikit-learn")
    path = HERE / "results" / "cross_fitting.json"
    previous = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    # Cases can be run one by one; those of earlier runs are kept.
    results["cases"] = previous.get("cases", {}) if arguments.publish else {}
    with threadpool_limits(1):
        for case in arguments.case or range(len(_CASES)):
            title, rows, profile, signal = _CASES[case]
            # The first thousand seeds are those that the widening was chosen on.
            runs = [run(1_000 + k, rows, profile, signal) for k in range(arguments.runs)]
            results["cases"][title] = summarize(runs)
            print(title, results["cases"][title], flush=True)
    if arguments.publish:
        publish("cross_fitting", results, section(results))
    else:
        print(section(results))


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    main()
