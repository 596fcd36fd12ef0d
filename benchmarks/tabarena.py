"""Run TabArena's protocol on its two churn tables, beside its published results.

Run ``python -m benchmarks.tabarena`` with the folder ``tabarena`` under ``CHURNKIT_DATA_DIR``. It
holds the tables as their publishers offer them, OpenML's files of the splits, and the
leaderboard's ``results_per_split.csv``; the command lists the files that are missing and where they
are. TabArena (Erickson and others, 2025, arXiv:2506.16791) scores by ROC AUC on three repeats of
three stratified folds. Without the files of the splits, three repeats of three stratified folds of
this program are used, which are other rows. The published results are those of the leaderboard's
first split.
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.model_selection import RepeatedStratifiedKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.model_peers import Fold, cpu_seconds, peers
from benchmarks.model_tables import Table, from_csv
from benchmarks.publish import HERE, machine, publish
from churnkit.evaluation.classification.metrics import auc

if TYPE_CHECKING:
    from benchmarks.model_peers import Peer

REPEATS, FOLDS = 3, 3
PUBLISHED = "results_per_split.csv"
SOURCE = (
    "github.com/autogluon/tabarena, commit 29bdbf9, packages/tabflow_slurm/experiments/eval_output/"
    "example_tabarena_v0pt1_local/subsets/lite/results_per_split.csv"
)
FAMILIES = ("AutoGluon", "CAT ", "GBM ", "XGB ", "EBM ", "RF ", "LR ")
SELECTED = ("balanced", "catboost", "lightgbm")


@dataclass(frozen=True)
class Task:
    """A table of TabArena and the task on OpenML that splits it.

    Attributes
    ----------
    name
        In the published results.
    task_id
        On OpenML.
    file, source
        The table's file, and where it is published.
    label
        The column of the outcome, 1 for churned.
    identifier
        The column that is not a feature.
    categories
        The categorical columns.
    rows, churners
        Size of the published table, which has no missing value; other copies are refused.
    """

    name: str
    task_id: int
    file: str
    source: str
    label: str
    identifier: str
    categories: tuple[str, ...]
    rows: int
    churners: int

    @property
    def splits_file(self) -> str:
        """The file of the official splits."""
        return f"Task_{self.task_id}_splits.arff"


TASKS = (
    Task(
        "Bank_Customer_Churn",
        363619,
        "Bank Customer Churn Prediction.csv",
        "kaggle.com/datasets/gauravtopre/bank-customer-churn-dataset",
        "churn",
        "customer_id",
        ("country", "gender", "credit_card", "active_member"),
        10_000,
        2_037,
    ),
    Task(
        "churn",
        363623,
        "churn.tsv",
        "github.com/EpistasisLab/pmlb, datasets/churn/churn.tsv.gz, unpacked",
        "target",
        "phone number",
        ("state", "area code", "international plan", "voice mail plan"),
        5_000,
        707,
    ),
)


def check_files(folder: Path) -> None:
    """Exit with the list of missing files if a table is missing; list other missing files."""
    wanted = {task.file: task.source for task in TASKS}
    optional = {
        task.splits_file: (
            f"api.openml.org/api_splits/get/{task.task_id}/{task.splits_file}; "
            "without it, stratified folds of this program"
        )
        for task in TASKS
    } | {PUBLISHED: f"{SOURCE}; without it, no published results"}
    lines = [
        f"  {folder / name}: from {source}"
        for name, source in (wanted | optional).items()
        if not (folder / name).is_file()
    ]
    if any(not (folder / name).is_file() for name in wanted):
        raise SystemExit("\n".join(["tables are missing; put these files there:", *lines]))
    if lines:
        print("\n".join(["not found:", *lines]), flush=True)


def read_table(folder: Path, task: Task) -> Table:
    """Read a table in the order of TabArena's upload, whose row numbers the splits use."""
    table = from_csv(
        folder / task.file,
        label=task.label,
        ids=(task.identifier,),
        positive="1",
        categories=task.categories,
        title=task.name,
    )
    size = (len(table.y), int(table.y.sum()))
    if size != (task.rows, task.churners):
        raise SystemExit(
            f"{task.file}: the published table has {task.rows:,} rows, {task.churners:,} of them "
            f"churned, got {size[0]:,} and {size[1]:,}: take the file from {task.source}"
        )
    missing = [name for name, blank in table.frame.isna().sum().items() if blank]
    if missing:
        raise SystemExit(
            f"{task.file}: the published table has no missing value, these columns have some: "
            f"{', '.join(map(str, missing))}: take the file from {task.source}"
        )
    order = np.asarray(pd.Series(range(len(table.y))).sample(frac=1, random_state=42))
    return replace(table, frame=table.frame.iloc[order].reset_index(drop=True), y=table.y[order])


def read_splits(path: Path, rows: int) -> list[Fold]:
    """Return the splits of a file of OpenML, by repeat and fold.

    Raises
    ------
    SystemExit
        The file does not split `rows` rows.
    """
    header, _, body = path.read_text(encoding="utf-8").partition("\n@data")
    names = [
        line.split()[1].strip("'\"").lower()
        for line in header.splitlines()
        if line.lower().startswith("@attribute")
    ]
    lines = [line.split(",") for line in body.splitlines() if line.strip()]
    splits = pd.DataFrame(lines, columns=names)
    splits["type"] = splits["type"].str.strip("'\" ").str.upper()
    splits = splits.astype({"rowid": int, "repeat": int, "fold": int})
    folds = []
    for _, part in splits[splits["repeat"] < REPEATS].groupby(["repeat", "fold"]):
        train, test = (
            part.loc[part["type"] == kind, "rowid"].to_numpy() for kind in ("TRAIN", "TEST")
        )
        if not np.array_equal(np.sort(np.r_[train, test]), np.arange(rows)):
            raise SystemExit(f"{path.name} does not split a table of {rows:,} rows")
        folds.append(Fold(train, test))
    if len(folds) != REPEATS * FOLDS:
        raise SystemExit(f"{path.name} must have {REPEATS * FOLDS} splits, got {len(folds)}")
    return folds


def read_published(path: Path, task: Task) -> list[dict[str, Any]]:
    """Return the published AUC and seconds of training of each method, best first."""
    if not path.is_file():
        return []
    frame = pd.read_csv(path, dtype={"dataset": str})
    rows = frame[
        (frame["dataset"] == task.name)
        & (frame["fold"] == 0)
        & (frame["metric"] == "roc_auc")
        & ~frame["imputed"].astype(bool)
        & ~frame["method"].str.contains("[Rerun]", regex=False)
    ]
    best_first = rows.sort_values("metric_error", kind="stable").to_dict("records")
    return [
        {
            "method": row["method"],
            "auc": 1 - float(row["metric_error"]),
            "train_seconds": float(row["time_train_s"]),
        }
        for row in best_first
    ]


def measure(table: Table, peer: Peer, folds: list[Fold]) -> dict[str, Any]:
    """Return a peer's AUC on each split and its CPU seconds per split."""
    started, scores = cpu_seconds(), []
    for fold in folds:
        probability = peer.predict(table, fold)
        scores.append(auc(table.y[fold.test], probability))
        print(f"  {table.title}, {peer.title}: AUC {scores[-1]:.4f}", flush=True)
    return {"auc": scores, "cpu_seconds_a_split": (cpu_seconds() - started) / len(folds)}


def run(folder: Path, task: Task, selected: list[Peer], count: int) -> dict[str, Any]:
    """Run the peers on the first `count` splits of a table."""
    table, splits = read_table(folder, task), folder / task.splits_file
    if splits.is_file():
        folds = read_splits(splits, len(table.y))
    else:
        splitter = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=0)
        folds = [Fold(*pair) for pair in splitter.split(table.frame, table.y)]
    return {
        "rows": len(table.y),
        "churners": int(table.y.sum()),
        "official_splits": splits.is_file(),
        "splits": count,
        "peers": {peer.title: measure(table, peer, folds[:count]) for peer in selected},
        "published": read_published(folder / PUBLISHED, task),
    }


def section(results: dict[str, Any]) -> str:
    lines = [
        "## TabArena's churn tables",
        "",
        (
            "`python -m benchmarks.tabarena`: three repeats of three stratified folds, ROC AUC, mean "
            "and standard deviation over the splits; CPU seconds of fitting and predicting per split, "
            f"one thread, on {results['processor']}. Published figures: the leaderboard's first split, "
            f"with the seconds of training on its machines (some with a GPU), from {SOURCE}. Without "
            "OpenML's files of the splits the rows of the test sets differ, so that differences below "
            "the standard deviation mean nothing; CatBoost and LightGBM with their defaults, run here "
            "and published (there with eight bags), show how far the test sets agree."
        ),
    ]
    for name, table in results["tables"].items():
        kind = "official splits" if table["official_splits"] else "splits of this program"
        lines += [
            "",
            f"### {name}: {table['rows']:,} rows, {table['churners']:,} churned, {kind}",
            "",
            "| model | AUC | splits | seconds |",
            "|---|---:|---:|---:|",
        ]
        for title, figures in table["peers"].items():
            spread = np.std(figures["auc"], ddof=1) if len(figures["auc"]) > 1 else np.nan
            lines.append(
                f"| {title} | {np.mean(figures['auc']):.4f} ± {spread:.4f} | "
                f"{len(figures['auc'])} | {figures['cpu_seconds_a_split']:.1f} |"
            )
        lines += _published_rows(table["published"])
    return "\n".join(lines)


def _published_rows(published: list[dict[str, Any]]) -> list[str]:
    """Return the rows of the best method, of those that need no GPU, and of the median."""
    if not published:
        return []
    best = published[0]
    shown = {f"{best['method']}, the best": best} | {
        row["method"]: row for row in published[1:] if row["method"].startswith(FAMILIES)
    }
    median = np.median([row["auc"] for row in published])
    return [
        *(
            f"| published: {name} | {row['auc']:.4f} | 1 | {row['train_seconds']:,.0f} |"
            for name, row in shown.items()
        ),
        f"| published: median of {len(published)} methods | {median:.4f} | 1 | |",
    ]


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--splits", type=int, default=REPEATS * FOLDS, help="run only the first")
    parser.add_argument("--peers", nargs="+", choices=sorted(peers()), default=SELECTED)
    parser.add_argument("--tables", nargs="+", choices=[task.name for task in TASKS])
    parser.add_argument("--publish", action="store_true", help="write RESULTS.md")
    return parser.parse_args()


def main() -> None:
    arguments = _parse_arguments()
    folder = Path(os.environ.get("CHURNKIT_DATA_DIR", ".")) / "tabarena"
    check_files(folder)
    available = peers()
    selected = [available[name] for name in arguments.peers]
    results: dict[str, Any] = machine("catboost", "lightgbm", "numpy", "scikit-learn")
    warnings.filterwarnings("ignore", message="X does not have valid feature names")
    path = HERE / "results" / "tabarena.json"
    # All figures of a table come from one run; tables of earlier runs are kept.
    previous = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    results["tables"] = previous.get("tables", {}) if arguments.publish else {}
    with threadpool_limits(1):
        for task in TASKS:
            if arguments.tables is None or task.name in arguments.tables:
                results["tables"][task.name] = run(folder, task, selected, arguments.splits)
    if arguments.publish:
        publish("tabarena", results, section(results))
    else:
        print(section(results))


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    main()
