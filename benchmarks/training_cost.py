"""CPU time and memory of ``churnkit train``, beside what it announces before it fits.

Run ``python -m benchmarks.training_cost``. Each table is simulated (numbers, categories, missing
values), drafted by ``churnkit init`` and trained with the default profile in a process of its own, on
one thread. CPU time counts from the announcement to the end, and from the start of the process;
memory is the peak resident set of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.memory import measure
from benchmarks.publish import HERE, machine, publish

if TYPE_CHECKING:
    from collections.abc import Sequence

# Columns without id and label, and rows.
TABLES = ((403, 975), (100, 20_000), (30, 20_000), (30, 100_000), (11, 450_000))
_ANNOUNCED = re.compile(
    r"rows of [\d,]+ columns.*: about ([\d,.]+) CPU-(s|minutes|hours), ([\d.]+) GB"
)


def simulate(columns: int, rows: int, *, seed: int = 0) -> pd.DataFrame:
    """Return customers of whose columns a fifth are categories, and a third have missing values."""
    rng = np.random.default_rng(seed)
    table: dict[str, Any] = {"customer_id": [f"C{number:07d}" for number in range(rows)]}
    log_odds = np.full(rows, -1.5)
    for number in range(columns):
        # The later columns say less: few columns of a wide table matter.
        weight = 0.8 / (1 + number)
        if number % 5 == 4:
            codes = rng.integers(0, 3 + number % 40, rows)
            log_odds += weight * np.sin(codes)
            values: Any = np.char.add("level ", codes.astype(str)).astype(object)
        else:
            numbers = rng.gamma(2.0, 10.0, rows)
            log_odds += weight * np.where(numbers > 20, 1.0, -0.5) * (1 + (number == 1))
            values = np.round(numbers, 1 if number % 2 else 0)
        if number % 3 == 2:
            values = np.where(rng.random(rows) < 0.1, None, values)
        table[f"column_{number}"] = values
    churned = rng.random(rows) < 1 / (1 + np.exp(-log_odds))
    return pd.DataFrame(table | {"churned": np.where(churned, "yes", "no")})


def run(columns: int, rows: int) -> dict[str, Any]:
    """Draft and train a project on a simulated table; return the announced and measured figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, project = folder / "customers.parquet", folder / "project"
        # Simulated in another process: a child counts its parent's memory as its own.
        simulated = f"simulate({columns}, {rows}).to_parquet({str(source)!r}, index=False)"
        script = f"from benchmarks.training_cost import simulate; {simulated}"
        subprocess.run([sys.executable, "-c", script], cwd=HERE.parent, check=True)
        drafted = measure(["init", str(project), "--from", str(source)], folder)
        trained = measure(["train"], project)
        output = (project / "output.txt").read_text(encoding="utf-8")
    announced = _ANNOUNCED.search(output)
    if drafted["code"] or announced is None:
        raise RuntimeError(output)
    seconds = float(announced[1].replace(",", "")) * (60 if announced[2] == "minutes" else 1)
    return {
        "columns": columns,
        "rows": rows,
        "announced_cpu_seconds": seconds,
        "cpu_seconds": trained["cpu_seconds"],
        "announced_gb": float(announced[3]),
        "peak_gb": trained["peak_mb"] * 1024 * 1024 / 1e9,
        "init_cpu_seconds": drafted["cpu_seconds"],
        "steps": [line for line in output.splitlines() if "CPU-s" in line],
    }


def section(results: dict[str, Any]) -> str:
    """Format the figures as Markdown."""
    lines = [
        f"| {run['columns']} x {run['rows']:,} | {run['announced_cpu_seconds']:,.0f} | "
        f"{run['cpu_seconds']:,.0f} | {run['announced_gb']:.1f} | {run['peak_gb']:.1f} | "
        f"{1e6 * run['cpu_seconds'] / (run['columns'] * run['rows']):.0f} |"
        for run in results["runs"]
    ]
    return "\n".join(
        [
            "## Cost of training",
            "",
            (
                "`python -m benchmarks.training_cost`: simulated tables, drafted by `churnkit init` and "
                "trained with the default profile on one thread. Announced: what `train` prints before "
                "it fits. Measured: the whole process, CPU seconds and peak memory."
            ),
            "",
            "| columns x rows | CPU-s announced | measured | GB announced | measured | microseconds a value |",
            "|---|---:|---:|---:|---:|---:|",
            *lines,
        ]
    )


def main() -> None:
    """Measure, and write after each table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--table", nargs=2, type=int, action="append", metavar=("COLUMNS", "ROWS"), default=None
    )
    parser.add_argument("--publish", action="store_true", help="write RESULTS.md")
    arguments = parser.parse_args()
    tables: Sequence[Sequence[int]] = arguments.table or TABLES
    stored = HERE / "results" / "training_cost.json"
    earlier = json.loads(stored.read_text(encoding="utf-8"))["runs"] if stored.exists() else []
    # Tables can be measured one by one; those of earlier runs are kept.
    runs = {(each["columns"], each["rows"]): each for each in earlier if arguments.publish}
    for columns, rows in tables:
        runs[columns, rows] = run(columns, rows)
        print(json.dumps(runs[columns, rows], indent=1), flush=True)
        results = {**machine("catboost", "lightgbm", "numpy", "scikit-learn")}
        results["runs"] = [runs[key] for key in sorted(runs, key=lambda key: key[0] * key[1])]
        if arguments.publish:
            publish("training_cost", results, section(results))
    print(section(results))


if __name__ == "__main__":
    os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    main()
