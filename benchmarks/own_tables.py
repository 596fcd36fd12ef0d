"""Compare ``churnkit init`` and ``churnkit train`` with other models on a folder of tables.

Run ``python -m benchmarks.own_tables FOLDER``. The folder holds CSV files with a header, and
``tables.json``, which states the label of each, the value for churned if it is not the rarer one,
columns that are not features, and where the table is published::

    {"bank.csv": {"label": "churn", "positive": "1", "ids": ["customer_id"], "source": "..."}}

A fifth of each table is the test, drawn by a hash of the row's number within each outcome; of tables
with more than 70,000 rows so many are used. ``churnkit init --from train.csv --label LABEL``, ``churnkit train`` and
``churnkit score`` run as they are, without an edit. The other models read the same rows, with dates
as days and text as categories, and train on one processor. Scores of peers are kept in
``FOLDER/scores``: a peer that is there is not run again. AutoGluon is included with
``--autogluon PYTHON``, see `benchmarks.models`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.memory import measure
from benchmarks.model_peers import Fold, Peer, autogluon, cpu_seconds, peers
from benchmarks.model_tables import from_csv, read_csv
from benchmarks.publish import HERE, machine, publish
from churnkit.evaluation import compare

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_ROWS = 70_000
TEST_SHARE = 5
OWN = "churnkit init and train"
PEERS = ("catboost", "lightgbm-tuned")
METRICS = {"auc": roc_auc_score, "log_loss": log_loss}


def split(path: Path, settings: dict[str, Any], folder: Path) -> None:
    """Write ``train.csv`` and ``test.csv``, as text as it is in the table."""
    raw = read_csv(path)
    raw = raw[raw[settings["label"]].str.strip() != ""].reset_index(drop=True)
    digests = [hashlib.sha256(str(row).encode()).hexdigest() for row in range(len(raw))]
    order = np.argsort(digests)[:MOST_ROWS]
    is_test = np.zeros(len(raw), dtype=bool)
    outcome = raw[settings["label"]].to_numpy()
    for value in np.unique(outcome):
        is_test[order[outcome[order] == value][::TEST_SHARE]] = True
    kept = np.zeros(len(raw), dtype=bool)
    kept[order] = True
    raw[kept & ~is_test].to_csv(folder / "train.csv", index=False)
    raw[is_test].to_csv(folder / "test.csv", index=False)


def run_commands(folder: Path, settings: dict[str, Any]) -> tuple[NDArray[np.float64], float]:
    """Run the commands of churnkit; return the test's probabilities, and CPU seconds."""
    options = ["--label", settings["label"], "--positive", settings["positive"]]
    project, scores = folder / "project", folder / "scores.csv"
    seconds = 0.0
    for arguments, place in (
        (["init", str(project), "--from", str(folder / "train.csv"), *options], folder),
        (["train"], project),
        (["score", str(folder / "test.csv"), "-o", str(scores)], project),
    ):
        result = measure(arguments, place)
        seconds += result["cpu_seconds"]
        print((place / "output.txt").read_text(encoding="utf-8"), flush=True)
        if result["code"]:
            raise SystemExit(f"churnkit {arguments[0]} ended with {result['code']}")
    return pd.read_csv(scores)["churn_probability"].to_numpy(), seconds


def run_table(path: Path, settings: dict[str, Any], selected: list[Peer]) -> dict[str, Any]:
    """Run churnkit and the other models on one table; peers that ran before are read."""
    stored = path.parent / "scores" / f"{path.stem}.json"
    runs = json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else {}
    runs.pop(OWN, None)
    # The rarer value if none is stated; churnkit init would choose by meaning.
    answers = read_csv(path)[settings["label"]].str.strip()
    settings = {"positive": answers[answers != ""].value_counts().idxmin(), **settings}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        split(path, settings, folder)
        table = from_csv(
            folder / "train.csv",
            label=settings["label"],
            ids=tuple(settings.get("ids", ())),
            positive=settings["positive"],
            title=path.stem,
            test=folder / "test.csv",
            dates=True,
        )
        rows = np.arange(len(table.y))
        fold = Fold(rows[: table.test_start], rows[table.test_start :])
        for title in (OWN, *(peer.title for peer in selected)):
            if title in runs:
                continue
            if title == OWN:
                probability, seconds = run_commands(folder, settings)
            else:
                started = cpu_seconds()
                (peer,) = (each for each in selected if each.title == title)
                probability, seconds = peer.predict(table, fold), cpu_seconds() - started
            runs[title] = {"probability": probability.tolist(), "cpu_seconds": seconds}
            stored.parent.mkdir(exist_ok=True)
            stored.write_text(json.dumps(runs), encoding="utf-8")
    return {
        "rows": len(rows),
        "columns": table.frame.shape[1],
        "churned": float(table.y.mean()),
        "source": settings.get("source", ""),
        "runs": {title: _figures(table.y[fold.test], runs, title) for title in runs},
    }


def _figures(y: NDArray[np.int_], runs: dict[str, Any], title: str) -> dict[str, Any]:
    own, probability = (np.array(runs[name]["probability"]) for name in (OWN, title))
    figures: dict[str, Any] = {
        name: float(metric(y, probability)) for name, metric in METRICS.items()
    }
    figures["cpu_seconds"] = runs[title]["cpu_seconds"]
    if title == OWN:
        return figures
    for metric in METRICS:
        gain = compare(y, own, probability, metric=metric, seed=0).gain
        figures[f"{metric}_gap"] = [gain.value, gain.low, gain.high]
    print(title, figures, flush=True)
    return figures


def section(results: dict[str, Any]) -> str:
    """Format the figures as Markdown."""
    lines = [
        "## Held-out tables",
        "",
        (
            "`python -m benchmarks.own_tables FOLDER`: tables that no setting was selected on; a fifth "
            "of each is the test. `churnkit init` and `train` as they are, without an edit. Gap: "
            "churnkit's AUC and log loss against the peer's, above zero is better, with 95% "
            "intervals of the paired bootstrap over the test's rows. One processor, on "
            f"{results['processor']}; AutoGluon's limit is wall time."
        ),
    ]
    for title, table in results["tables"].items():
        lines += [
            "",
            (
                f"### {title}: {table['rows']:,} rows, {table['churned']:.1%} churned, "
                f"{table['columns']} columns"
            ),
            "",
            *([f"From {table['source']}.", ""] if table["source"] else []),
            "| model | AUC | log loss | CPU s | gap in AUC | gap in log loss |",
            "|---|---:|---:|---:|---|---|",
        ]
        lines += [
            f"| {name} | {run['auc']:.4f} | {run['log_loss']:.4f} | {run['cpu_seconds']:,.0f} | "
            + " | ".join(_gap(run.get(f"{metric}_gap")) for metric in METRICS)
            + " |"
            for name, run in table["runs"].items()
        ]
    gaps = {title: best_gap(table) for title, table in results["tables"].items()}
    lines += [
        "",
        (
            f"Gap in AUC to the best peer of each table: mean {np.mean(list(gaps.values())):+.4f}, "
            + ", ".join(f"{title} {gap:+.4f}" for title, gap in gaps.items())
            + "."
        ),
    ]
    return "\n".join(lines)


def _gap(gap: list[float] | None) -> str:
    return "" if gap is None else f"{gap[0]:+.4f} ({gap[1]:+.4f} to {gap[2]:+.4f})"


def best_gap(table: dict[str, Any]) -> float:
    """Return the gap in AUC to the peer with the highest."""
    gaps = [run["auc_gap"][0] for run in table["runs"].values() if "auc_gap" in run]
    return float(min(gaps, default=np.nan))


def main() -> None:
    """Measure, and write after each table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path, help="CSV files and tables.json")
    parser.add_argument("--only", nargs="+", metavar="FILE", help="files of the folder")
    parser.add_argument("--peers", nargs="*", choices=sorted(peers()), default=list(PEERS))
    parser.add_argument("--autogluon", type=Path, help="the Python of AutoGluon's environment")
    parser.add_argument("--autogluon-seconds", type=int, default=240)
    parser.add_argument("--publish", action="store_true", help="write RESULTS.md")
    arguments = parser.parse_args()
    tables = json.loads((arguments.folder / "tables.json").read_text(encoding="utf-8"))
    selected = [peers()[name] for name in arguments.peers]
    if arguments.autogluon is not None:
        selected.append(autogluon(arguments.autogluon, arguments.autogluon_seconds))
    stored = HERE / "results" / "own_tables.json"
    earlier = json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else {}
    results: dict[str, Any] = machine("catboost", "lightgbm", "numpy", "optuna", "scikit-learn")
    # Tables can be measured one by one; those of earlier runs are kept.
    results["tables"] = earlier.get("tables", {}) if arguments.publish else {}
    warnings.filterwarnings("ignore", message="X does not have valid feature names")
    with threadpool_limits(1):
        for name in arguments.only or tables:
            path = arguments.folder / name
            results["tables"][path.stem] = run_table(path, tables[name], selected)
            if arguments.publish:
                publish("own_tables", results, section(results))
    print(section(results))


if __name__ == "__main__":
    os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    main()
