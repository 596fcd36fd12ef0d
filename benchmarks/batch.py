"""Scoring a Parquet file into another, beside a loop of Booster.predict; memory; Spark.

Run ``python -m benchmarks.batch``; no data are needed, the rows are simulated. Every job runs in
a process of its own, one thread; CPU time and memory count from where the model is loaded.
With ``--spark`` (pyspark and Java) Spark's probabilities are held against the local door's on
2,000,000 rows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.publish import HERE, machine, publish

SIZES = (200_000, 1_000_000, 12_000_000)
COMPARED = 1_000_000
SPARK_ROWS = 2_000_000
BATCH = 65_536
TREES = 300


def peak_mb() -> float:
    """Return the most memory that this process has held, in MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def make(folder: Path) -> None:
    """Train the trees, save them twice, and write the largest table; smaller ones are its start."""
    from benchmarks.predict import Customers
    from churnkit.bundle import ModelContents, RetentionModel
    from churnkit.contracts import Contract
    from churnkit.contracts.encoding.table_encoder import TableEncoder
    from churnkit.datasets import simulate
    from churnkit.models import Calibration, LightGBMTrees

    table = simulate(customers=20_000, seed=0).snapshot(horizon_days=90)
    contract = Contract.from_schema(Customers)
    X = TableEncoder(contract).encode(table).features
    y = np.asarray(table["churned"].to_numpy(zero_copy_only=False), dtype=np.int8)
    trees = LightGBMTrees(
        rounds=TREES, num_leaves=31, categorical_features=contract.categorical_features
    ).fit(X, y)
    parts = ModelContents(contract, trees.scorer_, Calibration.identity(), golden=X[:64].copy())
    RetentionModel(parts).save(folder / "bundle", name="benchmark", lineage={})
    trees.booster_.save_model(str(folder / "trees.txt"))
    columns = [column.name for column in contract.features]
    (folder / "columns.json").write_text(
        json.dumps({column.name: column.levels for column in contract.features}), encoding="utf-8"
    )
    kept = table.select(["customer_id", *columns])
    for rows in {*SIZES, SPARK_ROWS}:
        with pq.ParquetWriter(folder / f"{rows}.parquet", kept.schema) as writer:
            for start in range(0, rows, kept.num_rows):
                part = kept.slice(0, min(kept.num_rows, rows - start))
                names = pa.array([f"C{start + place:08d}" for place in range(part.num_rows)])
                writer.write_table(part.set_column(0, "customer_id", names))


def own(folder: Path, rows: int) -> dict[str, float]:
    """Score by churnkit, as ``churnkit score`` does."""
    from churnkit.batch import score
    from churnkit.bundle import RetentionModel

    model = RetentionModel.load(folder / "bundle")
    model.warm_up()
    before, started = peak_mb(), time.process_time()
    report = score(folder / f"{rows}.parquet", folder / f"own-{rows}.parquet", model)
    seconds = time.process_time() - started
    assert (report.rows, report.invalid) == (rows, 0)
    return {"seconds": seconds, "above_mb": peak_mb() - before}


def peer(folder: Path, rows: int) -> dict[str, float]:
    """Score by a loop of Booster.predict: read, map letters to codes, predict, write."""
    import lightgbm
    import pandas as pd

    booster = lightgbm.Booster(model_file=str(folder / "trees.txt"))
    columns = json.loads((folder / "columns.json").read_text(encoding="utf-8"))
    codes = {name: {level: i for i, level in enumerate(of)} for name, of in columns.items() if of}
    before, started, alone = peak_mb(), time.process_time(), 0.0
    target = folder / f"peer-{rows}.parquet"
    schema = pa.schema([("customer_id", pa.string()), ("churn_probability", pa.float64())])
    with (
        pq.ParquetFile(folder / f"{rows}.parquet") as read,
        pq.ParquetWriter(target, schema) as write,
    ):
        for batch in read.iter_batches(BATCH):
            frame = batch.to_pandas()
            features = frame[list(columns)]
            for name, known in codes.items():
                features = features.assign(**{name: features[name].map(known)})
            matrix = np.ascontiguousarray(features.to_numpy(np.float64))
            begun = time.process_time()
            probability = booster.predict(matrix, num_threads=1)
            alone += time.process_time() - begun
            scored = pd.DataFrame(
                {"customer_id": frame["customer_id"], "churn_probability": probability}
            )
            write.write_table(pa.Table.from_pandas(scored, schema, preserve_index=False))
    seconds = time.process_time() - started
    return {"seconds": seconds, "alone": alone, "above_mb": peak_mb() - before}


def on_spark(folder: Path, rows: int) -> dict[str, float]:
    """Score on Spark with two threads; return how many rows differ from the local door's."""
    from pyspark.sql import SparkSession  # type: ignore[import-not-found,unused-ignore]

    from churnkit.batch import score
    from churnkit.batch.spark.scoring import score as spark_score
    from churnkit.bundle import RetentionModel

    model = RetentionModel.load(folder / "bundle")
    score(folder / f"{rows}.parquet", folder / f"own-{rows}.parquet", model)
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    begun = time.perf_counter()
    scored = spark_score(session.read.parquet(str(folder / f"{rows}.parquet")), model)
    scored.write.parquet(str(folder / "spark"))
    seconds = time.perf_counter() - begun
    session.stop()
    there = pq.read_table(folder / "spark").sort_by("customer_id")
    here = pq.read_table(folder / f"own-{rows}.parquet").sort_by("customer_id")
    assert there["customer_id"].equals(here["customer_id"])
    pairs = (table["churn_probability"].to_numpy().view(np.int64) for table in (there, here))
    return {"rows": rows, "differ": int(np.not_equal(*pairs).sum()), "wall_seconds": seconds}


JOBS = {"own": own, "peer": peer, "spark": on_spark}


def apart(job: str, folder: Path, rows: int) -> dict[str, float]:
    """Run a job in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.batch", "--job", job, "--folder", str(folder)]
    done = subprocess.run(
        [*command, "--rows", str(rows)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def section(results: dict[str, Any]) -> str:
    own_at, found = results["own"], results["peer"]
    mine = own_at[str(COMPARED)]["seconds"]
    lines = [
        "## Scoring a file",
        "",
        (
            f"`python -m benchmarks.batch`: Parquet to Parquet, {results['trees']} trees of 31 "
            f"leaves on {results['columns']} columns, one thread, on {results['processor']}. "
            "churnkit reads, checks, encodes, scores and writes, in chunks that survive a kill; the "
            f"loop reads batches of {BATCH:,} rows, maps letters to codes in pandas, calls "
            "Booster.predict and writes, and checks nothing. Memory is what the process held above "
            "the loaded model."
        ),
        "",
        "| job | rows | CPU s | rows a CPU-second | memory, MB |",
        "|---|---:|---:|---:|---:|",
    ]
    for rows, figures in own_at.items():
        speed = int(rows) / figures["seconds"]
        lines.append(
            f"| churnkit score | {int(rows):,} | {figures['seconds']:.2f} | {speed:,.0f} "
            f"| {figures['above_mb']:.0f} |"
        )
    lines += [
        (
            f"| a loop of Booster.predict | {COMPARED:,} | {found['seconds']:.2f} "
            f"| {COMPARED / found['seconds']:,.0f} | {found['above_mb']:.0f} |"
        ),
        "",
        (
            f"At {COMPARED:,} rows churnkit takes {found['seconds'] / mine:.1f} times less than the "
            f"loop, and {found['alone'] / mine:.1f} times less than its calls of Booster.predict alone."
        ),
    ]
    if "spark" in results:
        spark = results["spark"]
        lines += [
            "",
            (
                f"Spark {spark['version']} in local mode, {spark['rows']:,} rows: "
                f"{spark['differ']} probabilities differ from the local door's in any bit "
                f"(`python -m benchmarks.batch --spark`)."
            ),
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--spark", action="store_true", help="hold Spark against the local door")
    parser.add_argument("--job", choices=sorted(JOBS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.job:
        print(json.dumps(JOBS[asked.job](asked.folder, asked.rows)))
        return
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside)
        make(folder)
        stored = HERE / "results" / "batch.json"
        results = json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else {}
        if asked.spark:
            import pyspark  # type: ignore[import-not-found,unused-ignore]

            spark = apart("spark", folder, SPARK_ROWS)
            results["spark"] = {**spark, "version": pyspark.__version__}
        else:
            columns = json.loads((folder / "columns.json").read_text(encoding="utf-8"))
            # The comparison with Spark is kept: it takes Java.
            results |= {
                **machine("lightgbm", "numpy", "pandas", "pyarrow"),
                "trees": TREES,
                "columns": len(columns),
                "own": {str(rows): apart("own", folder, rows) for rows in SIZES},
                "peer": apart("peer", folder, COMPARED),
            }
    publish("batch", results, section(results))


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
