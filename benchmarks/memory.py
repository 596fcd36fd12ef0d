"""Peak memory of each command on files of a million rows and more, as CSV and Parquet.

Run ``python -m benchmarks.memory --rows 1000000 4000000``. ``train`` is measured on 20,000 customers:
it holds the whole table. The rows are simulated customers, repeated under new ids. Each
command runs in a process of its own, whose peak resident set (``getrusage``) counts; ``doctor``
shows what an interpreter with the package takes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.publish import HERE, machine, publish

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMATS = ("csv", "parquet")
CUSTOMERS = 20_000
COMMAND = "import sys; from churnkit.cli.main import run; sys.exit(run(sys.argv[1:]))"
# Every command that reads a table of customers; exit code 1 of monitor is an alarm.
COMMANDS: dict[str, list[str]] = {
    "score": ["score", "{file}", "-o", "{out}/scores.parquet"],
    "score --reasons 3": ["score", "{file}", "--reasons", "3", "-o", "{out}/reasons.parquet"],
    "validate": ["validate", "{file}"],
    "monitor": ["monitor", "{file}"],
    "evaluate": ["evaluate", "{file}"],
    "explain -o": ["explain", "{file}", "-o", "{out}/explained.csv"],
    "plan": ["plan", "{file}", "--budget", "50000", "-o", "{out}/plan.csv"],
    "report": ["report", "{file}", "-o", "{out}/report.html"],
    "init": ["init", "{out}/project", "--from", "{file}"],
}
PROJECT = """
from churnkit.pipeline.project_templates import copy_templates
import sys
from pathlib import Path
copy_templates(["schemas/demo.py", "training/demo.py"], Path(sys.argv[1]))
"""
TABLES = """
import sys
from pathlib import Path
import pyarrow as pa, pyarrow.csv as pcsv, pyarrow.parquet as pq
from churnkit.datasets import simulate
folder, rows = Path(sys.argv[1]), int(sys.argv[2])
table = simulate(customers=20_000, seed=0).snapshot(horizon_days=90)
with pq.ParquetWriter(folder / "customers.parquet", table.schema) as parquet, \\
     pcsv.CSVWriter(folder / "customers.csv", table.schema) as csv:
    for start in range(0, rows, table.num_rows):
        part = table.slice(0, min(table.num_rows, rows - start))
        names = pa.array([f"C{start + place:08d}" for place in range(part.num_rows)])
        part = part.set_column(part.column_names.index("customer_id"), "customer_id", names)
        parquet.write_table(part)
        csv.write_table(part)
"""


def measure(arguments: list[str], folder: Path) -> dict[str, Any]:
    """Run a command in a process of its own; return its peak memory, CPU time and exit code."""
    started = time.perf_counter()
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *arguments], cwd=folder, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "peak_mb": usage.ru_maxrss / 1024,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "seconds": time.perf_counter() - started,
        "code": process.returncode,
    }


def measure_file(
    project: Path, rows: int, form: str, commands: dict[str, list[str]], results: dict[str, Any]
) -> Iterator[str]:
    """Run each command on a file, and yield its name when its figures are in the results."""
    with tempfile.TemporaryDirectory(dir=project) as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-c", TABLES, str(folder), str(rows)], check=True)
        file = folder / f"customers.{form}"
        for command, pattern in commands.items():
            words = [word.format(file=file, out=folder) for word in pattern]
            results[command] = measure(words, project)
            print(f"{rows:,} rows, {form}: {command}: {results[command]}", flush=True)
            yield command


def section(results: dict[str, Any]) -> str:
    """Format the figures as Markdown."""
    runs, trained = results["runs"], results["train_mb"]
    training = f"`train` on {CUSTOMERS:,} customers takes {trained:.0f}. " if trained else ""
    columns = [(rows, form) for rows in runs for form in runs[rows]]
    titles = " | ".join(f"{int(rows):,} rows, {form}" for rows, form in columns)
    lines = [
        "## Peak memory of the commands\n",
        (
            f"MB of the whole process; an interpreter with the package takes {results['base_mb']:.0f}. "
            f"{training}"
            "In parentheses: seconds of CPU.\n"
        ),
        f"| command | {titles} |",
        f"|---|{'---|' * len(columns)}",
    ]
    commands = list(
        dict.fromkeys(c for rows in runs for form in runs[rows] for c in runs[rows][form])
    )
    for command in commands:
        cells = []
        for rows, form in columns:
            run = runs[rows][form].get(command)
            cells.append(
                "-" if run is None else f"{run['peak_mb']:,.0f} ({run['cpu_seconds']:,.0f})"
            )
        lines.append(f"| `{command}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and write after each file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 4_000_000])
    parser.add_argument("--project", type=Path, help="a trained demo project, to save training")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--add", action="store_true", help="keep the figures of earlier runs")
    parser.add_argument("--only", nargs="+", choices=list(COMMANDS), default=list(COMMANDS))
    options = parser.parse_args()
    commands = {name: COMMANDS[name] for name in options.only}
    with tempfile.TemporaryDirectory() as name:
        project = options.project or Path(name)
        trained = None if options.project else train(project)
        stored = HERE / "results" / "memory.json"
        earlier: dict[str, Any] = {}
        if options.add and stored.exists():
            earlier = json.loads(stored.read_text(encoding="utf-8"))
        runs: dict[str, Any] = earlier.get("runs", {})
        results = {
            **machine("numpy", "pyarrow", "duckdb"),
            "base_mb": measure(["doctor"], project)["peak_mb"],
            "train_mb": earlier.get("train_mb") if trained is None else trained["peak_mb"],
            "runs": runs,
        }
        for rows in options.rows:
            for form in options.formats:
                measured = runs.setdefault(str(rows), {}).setdefault(form, {})
                for _ in measure_file(project, rows, form, commands, measured):
                    publish("memory", results, section(results))


def train(project: Path) -> dict[str, Any]:
    """Create the project of the demo, and train its model."""
    subprocess.run([sys.executable, "-c", PROJECT, str(project)], check=True)
    trained = measure(["train", "demo"], project)
    if trained["code"]:
        raise RuntimeError((project / "output.txt").read_text(encoding="utf-8"))
    return trained


if __name__ == "__main__":
    main()
