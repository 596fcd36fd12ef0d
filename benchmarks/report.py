"""Report of a large customer base: 10 million events, 1 million customers, a model.

``python -m benchmarks.report`` writes ``results/report.json`` and its table in ``RESULTS.md``. The
report is built in a separate process whose CPU time and peak memory are measured; then the page is
loaded in Chromium, if installed.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.publish import machine, publish

EVENTS = 10_000_000
CUSTOMERS = 1_000_000
KINDS = ("session", "report", "export", "automation", "purchase")
START = np.datetime64("2024-01-01", "s").astype(np.int64)
DAYS = 731
PART = 1_000_000


def write_tables(folder: Path, events: int, customers: int, seed: int) -> None:
    """Write subscriptions and events of random customers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    names = np.array([f"C{number:07d}" for number in range(customers)])
    joined = START - rng.integers(0, 700, customers) * 86_400
    joined = np.where(
        rng.random(customers) < 0.45, START + rng.integers(1, DAYS * 86_400, customers), joined
    )
    duration = (rng.exponential(900, customers) * 86_400).astype(np.int64)
    ended = np.maximum(joined, START) + duration
    has_ended = ended < START + DAYS * 86_400
    seconds = pa.timestamp("s", "UTC")
    table = pa.table(
        {
            "customer_id": names,
            "subscription_id": names,
            "plan": np.array(["Starter", "Team", "Business"])[rng.integers(0, 3, customers)],
            "mrr": rng.integers(20, 2000, customers) / 4.0,
            "started_at": pa.array(joined).cast(seconds),
            "ended_at": pa.array(ended, mask=~has_ended).cast(seconds),
        }
    )
    pq.write_table(table, folder / "subscriptions.parquet")
    writer = None
    for part in range(max(events // PART, 1)):
        count = min(PART, events)
        span = DAYS * 86_400 // max(events // PART, 1)
        moment = START + part * span + np.sort(rng.integers(0, span, count))
        amount = np.where(rng.random(count) < 0.05, rng.integers(20, 400, count) / 4.0, 0.0)
        rows = pa.table(
            {
                "customer_id": names[(customers * rng.random(count) ** 1.5).astype(np.int64)],
                "event_type": np.array(KINDS)[rng.integers(0, len(KINDS), count)],
                "occurred_at": pa.array(moment).cast(seconds),
                "amount": amount,
            }
        )
        writer = writer or pq.ParquetWriter(folder / "events.parquet", rows.schema)
        writer.write_table(rows)
    if writer is not None:
        writer.close()


def write_model(folder: Path, customers: int) -> None:
    """Train the demo's model on simulated customers, and write copies of them."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from churnkit.bundle.model import RetentionModel
    from churnkit.datasets import simulate
    from churnkit.pipeline import load_recipe
    from churnkit.pipeline.training.data.dataset import prepare, read_training_table
    from churnkit.pipeline.training.fit import fit
    from churnkit.pipeline.training.train import _bundle_parts

    recipe = load_recipe(Path("training/demo.py"))
    data = prepare(recipe, read_training_table(recipe, Path()))
    RetentionModel(_bundle_parts(recipe, data, fit(recipe, data))).save(
        folder / "bundle", name="demo"
    )
    company = simulate(customers=20_000, seed=0)
    rows = company.snapshot(company.end, horizon_days=None)
    writer = None
    left, number = customers, 0
    while left:
        part = rows.slice(0, min(left, rows.num_rows))
        ids = pc.binary_join_element_wise(part["customer_id"], pa.scalar(f"x{number}"), "")
        part = part.set_column(part.column_names.index("customer_id"), "customer_id", ids)
        writer = writer or pq.ParquetWriter(folder / "customers.parquet", part.schema)
        writer.write_table(part)
        left, number = left - part.num_rows, number + 1
    if writer is not None:
        writer.close()


def measure(folder: Path) -> dict[str, Any]:
    """Build the report in this process and measure it."""
    from churnkit.bundle import load
    from churnkit.core.io.table_sources import read_table
    from churnkit.report import build_report

    start = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    model = load(str(folder / "bundle"))
    tables = {name: folder / f"{name}.parquet" for name in ("subscriptions", "events")}
    customers = read_table(folder / "customers.parquet")
    report = build_report(tables, model=model, customers=customers, threads=2)
    page = report.write(folder / "report.html")
    end = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "cpu_seconds": end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime,
        "wall_seconds": time.perf_counter() - started,
        "peak_gigabytes": end.ru_maxrss / 1e6,
        "page_kilobytes": page.stat().st_size / 1e3,
        "missing": [section.name for section in report.sections if section.is_missing],
    }


def load_time(page: Path) -> float | None:
    """Return the seconds until the page is loaded in Chromium; None without Chromium."""
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if chromium is None:
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.goto(page.as_uri())
        milliseconds = tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        browser.close()
    return float(milliseconds) / 1e3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--build", type=Path)
    parser.add_argument("--dry", action="store_true", help="measure without writing results")
    options = parser.parse_args()
    if options.build:
        print(json.dumps(measure(options.build)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tables(folder, options.events, options.customers, options.seed)
        write_model(folder, options.customers)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.report", "--build", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        measured = json.loads(done.stdout.splitlines()[-1])
        loaded = load_time(folder / "report.html")
    results = {
        "events": options.events,
        "customers": options.customers,
        **measured,
        "load_seconds": loaded,
        "machine": machine("duckdb", "pyarrow", "numpy"),
    }
    print(json.dumps(results, indent=1))
    if not options.dry:
        publish("report", results, section(results))


def section(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    loaded = results["load_seconds"]
    load_label = "not measured" if loaded is None else f"{loaded:.2f} s"
    return f"""## Report of a large customer base

`python -m benchmarks.report`: {results["events"]:,} events, {results["customers"]:,} customers with
subscriptions, a model and its plan, in one process.

| | |
|---|---|
| CPU time | {results["cpu_seconds"]:.0f} s |
| Wall time, on a shared machine | {results["wall_seconds"]:.0f} s |
| Peak memory | {results["peak_gigabytes"]:.2f} GB |
| Size of the page | {results["page_kilobytes"]:.0f} kB |
| Load time in Chromium | {load_label} |
"""


if __name__ == "__main__":
    main()
