"""The default classifier beside CatBoost, LightGBM (tuned and not) and AutoGluon, on churn tables.

Run ``python -m benchmarks.models`` for the two tables that churnkit knows by name (with the
public data sets under ``CHURNKIT_DATA_DIR``), or point it at any CSV file::

    python -m benchmarks.models --csv churn.csv --label Exited --id RowNumber --id CustomerId

Every model sees the same stratified folds in the same run, on one processor; times are CPU
seconds of fitting and predicting, of child processes too. Nothing is tuned on the test folds.
A table to test on may be given apart, and where the first was drawn with more churners than
all customers hold, their share::

    python -m benchmarks.models --csv drawn.csv --test-csv all.csv --label left --population-rate 0.02

AutoGluon takes part with ``--autogluon PYTHON``, the interpreter of an environment of its own
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


def treatment_effects(table: Table, peer: Peer, folds: list[Fold]) -> dict[str, Any]:
    """Return a peer's figures over the folds, and its held-out probabilities, NaN for none."""
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
            "mean": float(np.mean(each)),
            "spread": float(np.std(each, ddof=1)) if len(each) > 1 else None,
            "by_fold": each,
        }
        for name, each in by_fold.items()
    }
    figures["folds"] = len(folds)
    figures["cpu_seconds_a_fold"] = seconds / len(folds)
    return {"figures": figures, "probability": probability}


def contest(table: Table, chosen: list[tuple[Peer, int]], folds: int, seed: int) -> dict[str, Any]:
    """Run all peers on one table; each on its first so many folds."""
    print(f"{table.title}: {len(table.y):,} rows, {int(table.y.sum()):,} left", flush=True)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    parts = [Fold(*pair) for pair in splitter.split(table.frame, table.y)]
    if table.tested_from is not None:
        folds, rows = 1, np.arange(len(table.y))
        parts = [Fold(rows[: table.tested_from], rows[table.tested_from :])]
    found = {peer.title: treatment_effects(table, peer, parts[:count]) for peer, count in chosen}
    own = found.get(OWN, next(iter(found.values())))
    return {
        "rows": len(table.y),
        "churners": int(table.y.sum()),
        "columns": table.frame.shape[1],
        "categories": len(table.categories),
        "most_levels": max((table.frame[name].nunique() for name in table.categories), default=0),
        "folds": folds,
        "peers": {name: each["figures"] for name, each in found.items()},
        "verdicts": {
            name: _verdicts(table.y, own["probability"], each["probability"])
            for name, each in found.items()
            if each is not own
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
            "`python -m benchmarks.models`: stratified folds, the same for all; mean over the "
            "folds; one processor; CPU seconds for a fold, on "
            f"{results['processor']}. The verdict is churnkit's balanced profile against the "
            "peer, by the paired bootstrap over all held-out rows, for AUC and for log loss. "
            "AutoGluon's limit is one of the clock: its CPU seconds say how much of it it had."
        ),
    ]
    for title, table in results["tables"].items():
        share = table["churners"] / table["rows"]
        lines += [
            "",
            (
                f"### {title}: {table['rows']:,} rows, {share:.1%} left, {table['columns']} "
                f"columns, {table['categories']} of them categories (up to "
                f"{table['most_levels']:,} levels)"
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
            + " | ".join(_says(table["verdicts"].get(name), metric) for metric in SHOWN[:2])
            + " |"
            for name, figures in table["peers"].items()
        ]
        lines += [*_first_folds(table), *_absent(table)]
    return "\n".join(lines)


def _says(verdicts: dict[str, Any] | None, metric: str) -> str:
    return "" if verdicts is None else str(verdicts[metric]["verdict"])


def _first_folds(table: dict[str, Any]) -> list[str]:
    """Give churnkit's own figures on the folds that slower peers took part in."""
    own = table["peers"].get(OWN)
    if own is None:
        return []
    fewer = sorted({each["folds"] for each in table["peers"].values()} - {own["folds"]})
    lines = []
    for few in fewer:
        auc, loss = (float(np.mean(own[metric]["by_fold"][:few])) for metric in SHOWN[:2])
        lines += [
            "",
            (
                f"On the first {few} of the {own['folds']} folds alone, those of the peers that "
                f"took part in no more, churnkit's balanced profile has AUC {auc:.4f} and log "
                f"loss {loss:.4f}."
            ),
        ]
    return lines


def _absent(table: dict[str, Any]) -> list[str]:
    """Name the peers that did not take part: nothing is said of them."""
    absent = [peer.title for peer in peers().values() if peer.title not in table["peers"]]
    if not any(name.startswith("AutoGluon") for name in table["peers"]):
        absent.append("AutoGluon (--autogluon)")
    return ["", f"Not in this run: {'; '.join(absent)}."] if absent else []


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--set", dest="sets", action="append", choices=sorted(SETS))
    parser.add_argument("--csv", type=Path, help="a churn table as a CSV file")
    parser.add_argument("--test-csv", type=Path, help="a table to test on, in the place of folds")
    parser.add_argument(
        "--population-rate",
        type=float,
        help="the share of all customers who churn, where the first table has another",
    )
    parser.add_argument("--label", help="its column that says who left")
    parser.add_argument("--id", dest="ids", action="append", default=[], help="no feature")
    parser.add_argument("--positive", help="the label of those who left; the rarer one by default")
    parser.add_argument("--category", dest="categories", action="append", default=[])
    parser.add_argument("--title", help="what to call the table; the file's name by default")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only-folds", type=int, help="run the first so many of them")
    parser.add_argument(
        "--slow-folds",
        type=int,
        help=f"run {' and '.join(SLOW)} on the first so many folds only; all by default",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", nargs="+", choices=sorted(peers()), default=list(peers()))
    parser.add_argument("--autogluon", type=Path, help="the Python of AutoGluon's environment")
    parser.add_argument("--autogluon-seconds", type=int, default=600)
    parser.add_argument("--autogluon-folds", type=int, default=1)
    parser.add_argument("--publish", action="store_true", help="write RESULTS.md")
    asked = parser.parse_args()
    if asked.csv is not None and asked.label is None:
        parser.error("--csv needs --label")
    return asked


def main() -> None:
    asked = _asked()
    if asked.csv is not None:
        tables = [
            from_csv(
                asked.csv,
                label=asked.label,
                ids=tuple(asked.ids),
                positive=asked.positive,
                categories=tuple(asked.categories),
                title=asked.title,
                test=asked.test_csv,
            )
        ]
    else:
        tables = [SETS[name]() for name in asked.sets or SETS]
    count = 1 if asked.test_csv is not None else asked.only_folds or asked.folds
    known = peers(asked.population_rate)
    slow = min(count, asked.slow_folds or count)
    chosen = [(known[name], slow if name in SLOW else count) for name in asked.peers]
    if asked.autogluon is not None:
        chosen.append(
            (autogluon(asked.autogluon, asked.autogluon_seconds), min(count, asked.autogluon_folds))
        )
    results: dict[str, Any] = machine(*PACKAGES)
    written = HERE / "results" / "models.json"
    # A table's figures come from one run; tables of earlier runs stay.
    before = json.loads(written.read_text(encoding="utf-8")) if written.exists() else {}
    results["tables"] = before.get("tables", {}) if asked.publish else {}
    warnings.filterwarnings("ignore", message="X does not have valid feature names")
    with threadpool_limits(1):
        for table in tables:
            results["tables"][table.title] = contest(table, chosen, asked.folds, asked.seed)
    if asked.publish:
        publish("models", results, section(results))
    else:
        print(section(results))


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    main()
