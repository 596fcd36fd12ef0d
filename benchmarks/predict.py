"""Time to predict one row and many rows: churnkit, LightGBM, and a scikit-learn pipeline.

Run ``python -m benchmarks.predict``; the rows are simulated. All peers run in one process, one
thread, in turns; each figure is the median of its turns in CPU time.
"""

from __future__ import annotations

import ctypes
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.publish import machine, publish
from benchmarks.tree_peers import single_row_fast
from churnkit.bundle import ModelContents, RetentionModel
from churnkit.contracts import Contract, Schema, entity, feature, label
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.datasets import simulate
from churnkit.models import Calibration, ChurnClassifier, LightGBMTrees

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

TURNS = 7
ROWS = 200_000
DIFFERENT = 1_000
LETTERS = {
    "region": ["East", "North", "South", "West"],
    "channel": ["marketplace", "partner", "web"],
    "plan": ["Starter", "Team", "Business"],
    "contract": ["Annual", "Month-to-month"],
    "payment": ["card", "direct debit", "invoice"],
}


class Customers(Schema):
    """The simulated snapshot with all its columns."""

    customer_id: str = entity()
    region: str = feature(isin=LETTERS["region"])
    channel: str = feature(isin=LETTERS["channel"])
    plan: str = feature(isin=LETTERS["plan"])
    contract: str = feature(isin=LETTERS["contract"])
    payment: str = feature(isin=LETTERS["payment"])
    onboarded: bool = feature()
    tenure_months: int = feature(ge=0)
    months_to_renewal: float = feature(nullable=True, ge=0)
    seats: int = feature(ge=1)
    mrr: float = feature(ge=0)
    sessions_30d: int = feature(ge=0)
    sessions_90d: int = feature(ge=0)
    usage_trend: float = feature(nullable=True)
    active_days_30d: int = feature(ge=0, le=30)
    minutes_30d: int = feature(ge=0)
    spend_90d: float = feature(ge=0)
    days_since_use: float = feature(nullable=True, ge=0)
    open_tickets: int = feature(ge=0)
    open_ticket_days: float = feature(nullable=True, ge=0)
    tickets_90d: int = feature(ge=0)
    last_nps: float = feature(nullable=True, ge=0, le=10)
    churned: bool = label()


def in_turns(peers: dict[str, Callable[[], Any]], calls: dict[str, int]) -> dict[str, float]:
    """Return the median CPU seconds of one call of each peer."""
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    for call in peers.values():
        call()
    for _ in range(TURNS):
        for name, call in peers.items():
            start = time.process_time()
            for _ in range(calls[name]):
                call()
            seconds[name].append((time.process_time() - start) / calls[name])
    return {name: statistics.median(times) for name, times in seconds.items()}


def pandas_pipeline(booster: LightGBMTrees, frame: pd.DataFrame, y: Any) -> Pipeline:
    """Build the usual pipeline: a ColumnTransformer and an LGBMClassifier."""
    from lightgbm import LGBMClassifier

    letters = list(LETTERS)
    numbers = [name for name in frame.columns if name not in letters]
    encode = ColumnTransformer(
        [
            ("letters", OneHotEncoder(handle_unknown="ignore"), letters),
            ("numbers", StandardScaler(), numbers),
        ]
    )
    trees = LGBMClassifier(
        n_estimators=booster.rounds_, num_leaves=booster.num_leaves, n_jobs=1, verbose=-1
    )
    return Pipeline([("encode", encode), ("trees", trees)]).fit(frame, y)


def one_row(model: RetentionModel, booster: Any, pipeline: Pipeline, table: pa.Table) -> Any:
    """Time a thousand different rows one by one."""
    model.warm_up()
    rows = table.slice(0, DIFFERENT).to_pylist()
    frames = [table.slice(i, 1).to_pandas()[list(model.contract.feature_names)] for i in range(10)]
    ready = TableEncoder(model.contract).encode(table.slice(0, DIFFERENT)).features
    ready = np.ascontiguousarray(ready)
    call = single_row_fast(booster, ready.shape[1])
    pointers = [row.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for row in ready]
    assert all(model.predict_row(row) is not None for row in rows)
    peers: dict[str, Callable[[], Any]] = {
        "churnkit": lambda: [model.predict_row(row) for row in rows],
        "LightGBM's single-row fast call": lambda: [call(pointer) for pointer in pointers],
        "Booster.predict": lambda: [booster.predict(ready[i : i + 1]) for i in range(DIFFERENT)],
        "scikit-learn pipeline on pandas": lambda: [pipeline.predict_proba(f) for f in frames],
    }
    spent = in_turns(peers, dict.fromkeys(peers, 1))
    pipelines = "scikit-learn pipeline on pandas"
    return {
        name: seconds / (len(frames) if name == pipelines else DIFFERENT)
        for name, seconds in spent.items()
    }


def many_rows(model: RetentionModel, booster: Any, table: pa.Table) -> Any:
    ready = np.ascontiguousarray(TableEncoder(model.contract).encode(table).features)

    def batches() -> None:
        for start in range(0, table.num_rows, 65_536):
            encoded = model.encode(table.slice(start, 65_536))
            model.probabilities(encoded)

    peers = {"churnkit": batches, "Booster.predict": lambda: booster.predict(ready)}
    return in_turns(peers, dict.fromkeys(peers, 1))


LOADING = """
import sys, time
import numpy
start = time.perf_counter()
from churnkit.bundle.model import RetentionModel
model = RetentionModel.load(sys.argv[1])
loaded = time.perf_counter() - start
heavy = {"lightgbm", "sklearn", "pandas", "pandera", "mlflow"} & set(sys.modules)
print(loaded, *sorted(heavy))
"""


def loading(model: RetentionModel) -> float:
    """Return the shortest wall time of a new process to load a bundle after numpy, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/bundle"
        model.save(path, name="benchmark", lineage={})
        times = []
        for _ in range(TURNS + 1):
            done = subprocess.run(
                [sys.executable, "-c", LOADING, path], capture_output=True, text=True, check=True
            )
            seconds, *heavy = done.stdout.split()
            assert not heavy, heavy
            times.append(float(seconds))
    return min(times)


def main() -> None:
    table = simulate(customers=20_000, seed=0).snapshot(horizon_days=90)
    contract = Contract.from_schema(Customers)
    X = TableEncoder(contract).encode(table).features
    y = np.asarray(table["churned"].to_numpy(zero_copy_only=False), dtype=np.int8)
    trees = LightGBMTrees(
        rounds=300, num_leaves=31, categorical_features=contract.categorical_features
    ).fit(X, y)
    single = RetentionModel(
        ModelContents(contract, trees.scorer_, Calibration.identity(), golden=X[:64].copy())
    )
    default = ChurnClassifier(seed=0, categorical_features=contract.categorical_features).fit(X, y)
    blended = RetentionModel(ModelContents(contract, default.scorer_, default.calibration_))
    frame = table.select(contract.feature_names).to_pandas()
    pipeline = pandas_pipeline(trees, frame, y)
    large = pa.concat_tables([table] * (ROWS // table.num_rows + 1)).slice(0, ROWS)
    large = large.combine_chunks()
    results = {
        **machine("lightgbm", "numpy", "scikit-learn", "pandas", "pyarrow"),
        "trees": trees.rounds_,
        "leaves": trees.num_leaves,
        "columns": len(contract.features),
        "rows": ROWS,
        "one_row_seconds": one_row(single, trees.booster_, pipeline, table),
        "default_one_row_seconds": one_row(blended, trees.booster_, pipeline, table)["churnkit"],
        "default_winner": default.winner_,
        "loading_seconds": loading(single),
        "many_rows_seconds": many_rows(single, trees.booster_, large),
    }
    publish("predict", results, section(results))


def section(results: dict[str, Any]) -> str:
    one, many = results["one_row_seconds"], results["many_rows_seconds"]
    own = one["churnkit"]
    lines = [
        "## Predicting",
        "",
        (
            f"`python -m benchmarks.predict`: {results['trees']} trees of {results['leaves']} leaves "
            f"on {results['columns']} columns, one thread, CPU time, medians of {TURNS} turns, on "
            f"{results['processor']}. churnkit's figures include validation and encoding; "
            "Booster.predict gets an encoded matrix."
        ),
        "",
        "| one row | microseconds | ratio to churnkit |",
        "|---|---:|---:|",
        *(f"| {name} | {1e6 * s:,.1f} | {s / own:.2f} |" for name, s in one.items()),
        (
            f"| churnkit, the recipe's default model ({results['default_winner']}) "
            f"| {1e6 * results['default_one_row_seconds']:,.1f} "
            f"| {results['default_one_row_seconds'] / own:.2f} |"
        ),
        "",
        f"| {results['rows']:,} rows | rows per CPU-second | ratio to Booster.predict |",
        "|---|---:|---:|",
        *(
            f"| {name} | {results['rows'] / s:,.0f} | {many['Booster.predict'] / s:.2f} |"
            for name, s in many.items()
        ),
        "",
        (
            f"A fresh process loads the bundle {1e3 * results['loading_seconds']:.0f} ms after "
            "`import numpy` (wall clock, the shortest of its turns), without lightgbm, scikit-learn or "
            "pandas."
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
