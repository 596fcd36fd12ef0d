"""Features of 300,000 events by the installed version of DuckDB.

Run ``python -m benchmarks.duckdb_versions`` once in each environment; figures of other versions
are kept.
"""

from __future__ import annotations

import json
import time
from importlib import metadata
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.publish import HERE, machine, publish
from churnkit.timeline import ActiveWithin, Count, Last, Recency, Snapshots, Sum, Table, Timeline
from churnkit.timeline import build as build_timeline

EVENTS, CUSTOMERS = 300_000, 20_000
REPEATS = 3


def events() -> pa.Table:
    rng = np.random.default_rng(0)
    start = np.datetime64("2025-01-01", "us")
    seconds = rng.integers(0, 365 * 86_400, EVENTS).astype("timedelta64[s]")
    return pa.table(
        {
            "customer_id": rng.integers(0, CUSTOMERS, EVENTS),
            "at": start + seconds,
            "amount": rng.integers(1, 400, EVENTS) / 4,
        }
    )


def timeline(features: dict[str, Any]) -> Timeline:
    return Timeline(
        tables=[Table("events", "customer_id", happened="at", columns={"amount": "number"})],
        features=features,
        snapshots=Snapshots(every="1 month", start="2025-04-01", end="2025-12-01"),
        eligible=ActiveWithin("events", days=180),
    )


FEATURES: dict[str, dict[str, Any]] = {
    "one Last": {"last": Last("events", "amount")},
    "Last, Recency, Sum, Count": {
        "last": Last("events", "amount", window_days=90),
        "recency": Recency("events"),
        "spend": Sum("events", "amount", window_days=90),
        "events": Count("events", window_days=30),
    },
}


def measure() -> dict[str, float]:
    """Return the least CPU seconds of a few runs for each set of features."""
    table, seconds = events(), {}
    for name, features in FEATURES.items():
        plan, spent = timeline(features), []
        for _ in range(REPEATS):
            start = time.process_time()
            build_timeline(plan, {"events": table}, threads=1)
            spent.append(time.process_time() - start)
        seconds[name] = min(spent)
    return seconds


def section(results: dict[str, Any]) -> str:
    versions = results["versions"]
    lines = [
        "## Features by version of DuckDB",
        "",
        (
            f"`python -m benchmarks.duckdb_versions`: features of {EVENTS:,} events of "
            f"{CUSTOMERS:,} customers at 9 dates, CPU seconds of one thread, the least of "
            f"{REPEATS} runs."
        ),
        "",
        f"| DuckDB | {' | '.join(FEATURES)} |",
        f"|---|{'---:|' * len(FEATURES)}",
    ]
    for version, seconds in versions.items():
        lines.append(f"| {version} | {' | '.join(f'{seconds[name]:.2f}' for name in FEATURES)} |")
    return "\n".join(lines)


def main() -> None:
    path = HERE / "results" / "duckdb_versions.json"
    earlier = json.loads(path.read_text()) if path.exists() else {"versions": {}}
    versions = earlier["versions"] | {metadata.version("duckdb"): measure()}
    ordered = sorted(versions, key=lambda text: [int(part) for part in text.split(".")])
    results = {**machine("numpy", "pyarrow"), "versions": {v: versions[v] for v in ordered}}
    publish("duckdb_versions", results, section(results))


if __name__ == "__main__":
    main()
