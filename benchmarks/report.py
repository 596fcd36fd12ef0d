"""The report of a large business: 10 million events, 1 million customers, a model.

Run ``python -m benchmarks.report``; it writes ``results/report.json`` and its table in
``RESULTS.md``. The report is made in a process of its own, whose CPU time and peak memory are
measured; then the page is opened in Chromium, if it is there.
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
    """Write subscriptions and events of made-up customers, and their rows for the model."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    names = np.array([f"C{number:07d}" for number in range(customers)])
    began = START - rng.integers(0, 700, customers) * 86_400
    began = np.where(
        rng.random(customers) < 0.45, START + rng.integers(1, DAYS * 86_400, customers), began
    )
    stays = (rng.exponential(900, customers) * 86_400).astype(np.int64)
    ended = np.maximum(began, START) + stays
    over = ended < START + DAYS * 86_400
    seconds = pa.timestamp("s", "UTC")
    table = pa.table(
        {
            "customer_id": names,
            "subscription_id": names,
            "plan": np.array(["Starter", "Team", "Business"])[rng.integers(0, 3, customers)],
            "mrr": rng.integers(20, 2000, customers) / 4.0,
            "started_at": pa.array(began).cast(seconds),
            "ended_at": pa.array(ended, mask=~over).cast(seconds),
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
    """Train the demo's model on a small business, and multiply its customers."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from churnkit.bundle.model import RetentionModel
    from churnkit.datasets import simulate
    from churnkit.pipeline import load_recipe
    from churnkit.pipeline.training.dataset import prepare, read_training_table
    from churnkit.pipeline.training.fit import fit
    from churnkit.pipeline.training.train import _bundle_parts

    recipe = load_recipe(Path("training/demo.py"))
    data = prepare(recipe, read_training_table(recipe, Path()))
    RetentionModel(_bundle_parts(recipe, data, fit(recipe, data))).save(
        folder / "bundle", name="demo"
    )
    business = simulate(customers=20_000, seed=0)
    rows = business.snapshot(business.end, horizon_days=None)
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


def make(folder: Path) -> dict[str, Any]:
    """Make the report, in this process, and measure it."""
    from churnkit.bundle import load
    from churnkit.core.io.table_file import read_table
    from churnkit.report import build_report

    before = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.perf_counter()
    model = load(str(folder / "bundle"))
    tables = {name: folder / f"{name}.parquet" for name in ("subscriptions", "events")}
    customers = read_table(folder / "customers.parquet")
    report = build_report(tables, model=model, customers=customers, threads=2)
    page = report.write(folder / "report.html")
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "wall_seconds": time.perf_counter() - begun,
        "peak_gigabytes": after.ru_maxrss / 1e6,
        "page_kilobytes": page.stat().st_size / 1e3,
        "missing": [section.name for section in report.sections if section.is_missing],
    }


def load_time(page: Path) -> float | None:
    """Open the page in Chromium, and return the seconds until it is loaded; None without it."""
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if chromium is None:
        return None
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page()
        opened.goto(page.as_uri())
        spent = opened.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        browser.close()
    return float(spent) / 1e3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--make", type=Path)
    parser.add_argument("--dry", action="store_true", help="measure, and write nothing")
    given = parser.parse_args()
    if given.make:
        print(json.dumps(make(given.make)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tables(folder, given.events, given.customers, given.seed)
        write_model(folder, given.customers)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.report", "--make", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        loaded = load_time(folder / "report.html")
    results = {
        "events": given.events,
        "customers": given.customers,
        **found,
        "load_seconds": loaded,
        "machine": machine("duckdb", "pyarrow", "numpy"),
    }
    print(json.dumps(results, indent=1))
    if not given.dry:
        publish("report", results, section(results))


def section(results: dict[str, Any]) -> str:
    """Write the figures for people."""
    loaded = results["load_seconds"]
    shown = "not measured" if loaded is None else f"{loaded:.2f} s"
    return f"""## The report of a large business

`python -m benchmarks.report`: {results["events"]:,} events, {results["customers"]:,} customers with
subscriptions, a model and its plan; one process.

| | |
|---|---|
| CPU time | {results["cpu_seconds"]:.0f} s |
| Time on the clock, on a machine shared with others | {results["wall_seconds"]:.0f} s |
| Peak memory | {results["peak_gigabytes"]:.2f} GB |
| Size of the page | {results["page_kilobytes"]:.0f} kB |
| Loading it in Chromium | {shown} |
"""


if __name__ == "__main__":
    main()
