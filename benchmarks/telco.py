"""Compare ChurnClassifier with LightGBM and logistic regression on public churn tables.

Run ``python -m benchmarks.telco`` with the public data sets under ``CHURNKIT_DATA_DIR``. All
peers use the same five stratified folds, one thread each; times are CPU seconds of fitting and
predicting. Nothing is tuned on these folds: every model runs with its defaults.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.publish import machine, publish
from churnkit.contracts import Contract
from churnkit.contracts.arrow_interop import as_arrow
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.contracts.validation.labels import encode_label
from churnkit.datasets import load
from churnkit.evaluation import METRICS, calibration_error, compare
from churnkit.evaluation.classification.score_order import RankedOutcomes
from churnkit.models import ChurnClassifier
from churnkit.pipeline import load_recipe

FOLDS = 5
SHOWN = ("auc", "average_precision", "log_loss", "brier", "calibration_error")


class Table(NamedTuple):
    """An encoded table: matrix (n, f), outcomes (n,), and indices of the categorical columns."""

    X: NDArray[np.float64]
    y: NDArray[np.int_]
    categories: tuple[int, ...]


def telco() -> Table:
    """Encode the table with the contract of the recipe's schema."""
    recipe = load_recipe(Path(__file__).parent.parent / "training" / "telco.py")
    contract = Contract.from_schema(recipe.schema)
    table = as_arrow(load("telco"))
    y, _ = encode_label(contract, table)
    X = TableEncoder(contract).encode(table).features
    return Table(X, y.astype(int), contract.categorical_features)


def tv_subscription(folder: Path) -> Table:
    frame = pd.read_csv(folder / "tv_subscription" / "churn_tv_subscriptions.csv.gz")
    features = [name for name in frame.columns if name.startswith("x")]
    return Table(frame[features].to_numpy(float), frame["target"].to_numpy().astype(int), ())


Probability = Callable[[Table, NDArray[np.intp], NDArray[np.intp]], NDArray[np.float64]]


def with_churnkit(
    table: Table, train: NDArray[np.intp], test: NDArray[np.intp]
) -> NDArray[np.float64]:
    model = ChurnClassifier(profile="balanced", seed=0, categorical_features=table.categories)
    return model.fit(table.X[train], table.y[train]).predict_proba(table.X[test])[:, 1]


def with_lightgbm(
    table: Table, train: NDArray[np.intp], test: NDArray[np.intp]
) -> NDArray[np.float64]:
    import lightgbm

    rows = lightgbm.Dataset(
        table.X[train], table.y[train], categorical_feature=list(table.categories)
    )
    settings = {"objective": "binary", "num_threads": 1, "verbosity": -1, "seed": 0}
    probability: NDArray[np.float64] = lightgbm.train(settings, rows).predict(table.X[test])
    return probability


def with_logistic_regression(
    table: Table, train: NDArray[np.intp], test: NDArray[np.intp]
) -> NDArray[np.float64]:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = [column for column in range(table.X.shape[1]) if column not in table.categories]
    encoding = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            ("categories", OneHotEncoder(handle_unknown="ignore"), list(table.categories)),
        ]
    )
    model = make_pipeline(encoding, LogisticRegression(max_iter=1000))
    model.fit(table.X[train], table.y[train])
    return np.asarray(model.predict_proba(table.X[test])[:, 1])


PEERS: dict[str, Probability] = {
    "churnkit, balanced": with_churnkit,
    "LightGBM, its defaults": with_lightgbm,
    "logistic regression, scikit-learn": with_logistic_regression,
}


def measure(table: Table, predict: Probability) -> dict[str, Any]:
    """Return a peer's figures over the folds, and its held-out probabilities."""
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    probability = np.empty(len(table.y))
    folds: dict[str, list[float]] = {name: [] for name in SHOWN}
    started = time.process_time()
    parts = []
    for train, test in splitter.split(table.X, table.y):
        probability[test] = predict(table, train, test)
        parts.append(test)
    seconds = time.process_time() - started
    for test in parts:
        groups = RankedOutcomes(table.y[test], probability[test]).group()
        for name in SHOWN:
            folds[name].append(METRICS[name].compute(groups))
    figures: dict[str, Any] = {
        name: {"mean": float(np.mean(values)), "spread": float(np.std(values, ddof=1))}
        for name, values in folds.items()
    }
    figures["calibration_error_pooled"] = calibration_error(table.y, probability)
    figures["calibration_error_of_a_perfect_model"] = floor(table.y, probability, parts)
    figures["cpu_seconds"] = seconds
    return {"figures": figures, "probability": probability}


def floor(
    y: NDArray[np.int_], probability: NDArray[np.float64], parts: list[NDArray[np.intp]]
) -> dict[str, float]:
    """Return the calibration error of outcomes drawn from the probabilities, pooled and by fold.

    It is the expected error of a perfect model on a table of this size.
    """
    generator = np.random.default_rng(0)
    pooled, by_fold = [], []
    for _ in range(200):
        drawn = (generator.random(len(y)) < probability).astype(int)
        pooled.append(calibration_error(drawn, probability))
        by_fold.append(np.mean([calibration_error(drawn[t], probability[t]) for t in parts]))
    return {"pooled": float(np.mean(pooled)), "mean_of_folds": float(np.mean(by_fold))}


def main() -> None:
    folder = Path(os.environ["CHURNKIT_DATA_DIR"])
    results: dict[str, Any] = machine("lightgbm", "numpy", "scikit-learn", "pandas")
    results["tables"] = {}
    for title, table in {
        "Telco": telco(),
        "TV subscription": tv_subscription(folder),
    }.items():
        with threadpool_limits(1):
            runs = {name: measure(table, predict) for name, predict in PEERS.items()}
        own = runs["churnkit, balanced"]["probability"]
        results["tables"][title] = {
            "rows": len(table.y),
            "churners": int(table.y.sum()),
            "peers": {name: run["figures"] for name, run in runs.items()},
            "verdicts": {
                name: {
                    metric: str(compare(table.y, own, run["probability"], metric=metric, seed=0))
                    for metric in ("log_loss", "auc")
                }
                for name, run in runs.items()
                if run["probability"] is not own
            },
        }
    publish("telco", results, section(results))


def section(results: dict[str, Any]) -> str:
    lines = [
        "## Churn tables",
        "",
        (
            f"`python -m benchmarks.telco`: {FOLDS} stratified folds, mean and standard deviation "
            "over the folds; every model with its defaults, one thread; CPU seconds for all "
            f"folds, on {results['processor']}."
        ),
    ]
    for title, table in results["tables"].items():
        lines += [
            "",
            f"### {title}: {table['rows']:,} customers, {table['churners']:,} churned",
            "",
        ]
        heads = [METRICS[name].title for name in SHOWN]
        lines += [
            "| model | " + " | ".join(heads) + ", by fold | the same, pooled | CPU s |",
            "|---|" + "---:|" * (len(SHOWN) + 2),
        ]
        for name, figures in table["peers"].items():
            cells = [f"{figures[m]['mean']:.4f} ± {figures[m]['spread']:.4f}" for m in SHOWN]
            cells.append(f"{figures['calibration_error_pooled']:.4f}")
            cells.append(f"{figures['cpu_seconds']:.1f}")
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        chance = table["peers"]["churnkit, balanced"]["calibration_error_of_a_perfect_model"]
        lines += [
            "",
            (
                "On a table of this size a perfect model has an expected calibration error of "
                f"{chance['mean_of_folds']:.4f} by fold and {chance['pooled']:.4f} pooled."
            ),
            "",
        ]
        for name, verdicts in table["verdicts"].items():
            lines += [f"- Against {name}: {verdict}." for verdict in verdicts.values()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
