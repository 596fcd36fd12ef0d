"""Compare ChurnClassifier with CatBoost, LightGBM (default and tuned) and AutoGluon on churn tables.

Run ``python -m benchmarks.models`` for the two public tables (under ``CHURNKIT_DATA_DIR``), or for
any CSV file::

    python -m benchmarks.models --csv churn.csv --label Exited --id RowNumber --id CustomerId

Every model uses the same stratified folds in the same run, on one processor; times are CPU
seconds of fitting and predicting, including child processes. Nothing is tuned on the test folds.
A separate test table can be given, and the population's churn rate if the first table
oversamples churners::

    python -m benchmarks.models --csv drawn.csv --test-csv all.csv --label left --population-rate 0.02

AutoGluon is included with ``--autogluon PYTHON``, the interpreter of a separate environment
(``pip install "autogluon.tabular[lightgbm,catboost,xgboost,fastai]"``).
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.model_peers import Fold, Peer, autogluon, cpu_seconds, peers
from benchmarks.model_tables import SETS, Table, from_csv
from benchmarks.publish import HERE, machine, publish
from churnkit.evaluation import METRICS, compare
from churnkit.evaluation.classification.score_order import RankedOutcomes

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = ("auc", "log_loss", "average_precision", "calibration_error")
OWN = "churnkit, balanced"
SLOW = ("accurate", "lightgbm-tuned")
PACKAGES = ("catboost", "lightgbm", "numpy", "optuna", "scikit-learn")


def measure(table: Table, peer: Peer, folds: list[Fold]) -> dict[str, Any]:
    """Return a peer's figures over the folds, and its held-out probabilities (NaN without one)."""
    probability = np.full(len(table.y), np.nan)
    by_fold: dict[str, list[float]] = {name: [] for name in SHOWN}
    started = cpu_seconds()
    for number, fold in enumerate(folds):
        probability[fold.test] = peer.predict(table, fold)
        groups = RankedOutcomes(table.y[fold.test], probability[fold.test]).group()
        for name in SHOWN:
            by_fold[name].append(METRICS[name].compute(groups))
        print(
            f"  {peer.title}, fold {number}: AUC {by_fold['auc'][-1]:.4f}, "
            f"log loss {by_fold['log_loss'][-1]:.4f}, {cpu_seconds() - started:.0f} CPU s",
            flush=True,
        )
    seconds = cpu_seconds() - started
    figures: dict[str, Any] = {
        name: {
            "mean": float(np.mean(values)),
            "spread": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            "by_fold": values,
        }
        for name, values in by_fold.items()
    }
    figures["folds"] = len(folds)
    figures["cpu_seconds_a_fold"] = seconds / len(folds)
    return {"figures": figures, "probability": probability}


def run_peers(
    table: Table, selected: list[tuple[Peer, int]], folds: int, seed: int
) -> dict[str, Any]:
    """Run peers on one table, each on its given number of folds."""
    print(f"{table.title}: {len(table.y):,} rows, {int(table.y.sum()):,} churned", flush=True)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    parts = [Fold(*pair) for pair in splitter.split(table.frame, table.y)]
    if table.test_start is not None:
        folds, rows = 1, np.arange(len(table.y))
        parts = [Fold(rows[: table.test_start], rows[table.test_start :])]
    runs = {peer.title: measure(table, peer, parts[:count]) for peer, count in selected}
    own = runs.get(OWN, next(iter(runs.values())))
    return {
        "rows": len(table.y),
        "churners": int(table.y.sum()),
        "columns": table.frame.shape[1],
        "categories": len(table.categories),
        "most_levels": max((table.frame[name].nunique() for name in table.categories), default=0),
        "folds": folds,
        "peers": {name: run["figures"] for name, run in runs.items()},
        "verdicts": {
            name: _verdicts(table.y, own["probability"], run["probability"])
            for name, run in runs.items()
            if run is not own
        },
    }


def _verdicts(
    y: NDArray[np.int_], own: NDArray[np.float64], other: NDArray[np.float64]
) -> dict[str, Any]:
    both = ~np.isnan(own) & ~np.isnan(other)
    verdicts = {}
    for metric in ("auc", "log_loss"):
        compared = compare(y[both], own[both], other[both], metric=metric, seed=0)
        verdicts[metric] = {"verdict": compared.verdict, "says": str(compared)}
    return verdicts


def section(results: dict[str, Any]) -> str:
    lines = [
        "## Models",
        "",
        (
            "`python -m benchmarks.models`: the same stratified folds for all; mean over the "
            "folds; one processor; CPU seconds per fold, on "
            f"{results['processor']}. The verdict compares churnkit's balanced profile with the "
            "peer, by the paired bootstrap over all held-out rows, for AUC and for log loss. "
            "AutoGluon's limit is wall time: the CPU seconds are what it used."
        ),
    ]
    for title, table in results["tables"].items():
        share = table["churners"] / table["rows"]
        lines += [
            "",
            (
                f"### {title}: {table['rows']:,} rows, {share:.1%} churned, {table['columns']} "
                f"columns, {table['categories']} categorical (up to {table['most_levels']:,} levels)"
            ),
            "",
            (
                "| model | folds | AUC | log loss | average precision | calibration error "
                "| CPU s | verdict on AUC | on log loss |"
            ),
            "|---|---:|---:|---:|---:|---:|---:|---|---|",
        ]
        lines += [
            f"| {name} | {figures['folds']} | "
            + " | ".join(f"{figures[metric]['mean']:.4f}" for metric in SHOWN)
            + f" | {figures['cpu_seconds_a_fold']:.1f} | "
            + " | ".join(_verdict(table["verdicts"].get(name), metric) for metric in SHOWN[:2])
            + " |"
            for name, figures in table["peers"].items()
        ]
        lines += [*_first_folds(table), *_absent(table)]
    return "\n".join(lines)


def _verdict(verdicts: dict[str, Any] | None, metric: str) -> str:
    return "" if verdicts is None else str(verdicts[metric]["verdict"])


def _first_folds(table: dict[str, Any]) -> list[str]:
    """Return churnkit's figures on the folds that slower peers were run on."""
    own = table["peers"].get(OWN)
    if own is None:
        return []
    counts = sorted({figures["folds"] for figures in table["peers"].values()} - {own["folds"]})
    lines = []
    for count in counts:
        auc, loss = (float(np.mean(own[metric]["by_fold"][:count])) for metric in SHOWN[:2])
        lines += [
            "",
            (
                f"On the first {count} of {own['folds']} folds, the only ones of some peers, "
                f"churnkit's balanced profile has AUC {auc:.4f} and log loss {loss:.4f}."
            ),
        ]
    return lines


def _absent(table: dict[str, Any]) -> list[str]:
    """List the peers that were not run."""
    absent = [peer.title for peer in peers().values() if peer.title not in table["peers"]]
    if not any(name.startswith("AutoGluon") for name in table["peers"]):
        absent.append("AutoGluon (--autogluon)")
    return ["", f"Not in this run: {'; '.join(absent)}."] if absent else []


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--set", dest="sets", action="append", choices=sorted(SETS))
    parser.add_argument("--csv", type=Path, help="a churn table as a CSV file")
    parser.add_argument("--test-csv", type=Path, help="a test table, instead of folds")
    parser.add_argument(
        "--population-rate",
        type=float,
        help="the churn rate among all customers, if the table oversamples churners",
    )
    parser.add_argument("--label", help="the column of the outcome")
    parser.add_argument("--id", dest="ids", action="append", default=[], help="not a feature")
    parser.add_argument("--positive", help="the value for churned; the rarer one by default")
    parser.add_argument("--category", dest="categories", action="append", default=[])
    parser.add_argument("--title", help="title of the table; the file's name by default")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only-folds", type=int, help="run only this many folds")
    parser.add_argument(
        "--slow-folds",
        type=int,
        help=f"number of folds for {' and '.join(SLOW)}; all by default",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", nargs="+", choices=sorted(peers()), default=list(peers()))
    parser.add_argument("--autogluon", type=Path, help="the Python of AutoGluon's environment")
    parser.add_argument("--autogluon-seconds", type=int, default=600)
    parser.add_argument("--autogluon-folds", type=int, default=1)
    parser.add_argument("--publish", action="store_true", help="write RESULTS.md")
    arguments = parser.parse_args()
    if arguments.csv is not None and arguments.label is None:
        parser.error("--csv requires --label")
    return arguments


def main() -> None:
    arguments = _parse_arguments()
    if arguments.csv is not None:
        tables = [
            from_csv(
                arguments.csv,
                label=arguments.label,
                ids=tuple(arguments.ids),
                positive=arguments.positive,
                categories=tuple(arguments.categories),
                title=arguments.title,
                test=arguments.test_csv,
            )
        ]
    else:
        tables = [SETS[name]() for name in arguments.sets or SETS]
    count = 1 if arguments.test_csv is not None else arguments.only_folds or arguments.folds
    available = peers(arguments.population_rate)
    slow = min(count, arguments.slow_folds or count)
    selected = [(available[name], slow if name in SLOW else count) for name in arguments.peers]
    if arguments.autogluon is not None:
        selected.append(
            (
                autogluon(arguments.autogluon, arguments.autogluon_seconds),
                min(count, arguments.autogluon_folds),
            )
        )
    results: dict[str, Any] = machine(*PACKAGES)
    path = HERE / "results" / "models.json"
    # All figures of a table come from one run; tables of earlier runs are kept.
    previous = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    results["tables"] = previous.get("tables", {}) if arguments.publish else {}
    warnings.filterwarnings("ignore", message="X does not have valid feature names")
    with threadpool_limits(1):
        for table in tables:
            results["tables"][table.title] = run_peers(
                table, selected, arguments.folds, arguments.seed
            )
    if arguments.publish:
        publish("models", results, section(results))
    else:
        print(section(results))


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    main()
