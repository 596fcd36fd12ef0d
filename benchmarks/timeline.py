"""Snapshots from an event log: churnkit beside hand-written DuckDB SQL and beside pandas.

Run ``python -m benchmarks.timeline``; it writes ``results/timeline.json`` and its table in
``RESULTS.md``. Each measurement has a process of its own; all three give the same table, which is
checked. Events are 50 a customer, 6 dates, 45 features, one label.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.publish import machine, publish
from benchmarks.timeline_peers import by_pandas, by_sql

if TYPE_CHECKING:
    import pyarrow as pa

    from churnkit.timeline import Timeline

KINDS = ("session", "report", "export", "purchase", "automation")
DATES = ("2024-07-01", "2024-09-01", "2024-11-01", "2025-01-01", "2025-02-01", "2025-04-01")
EVENTS_EACH = 50
DAYS = 540
UNTIL = "2025-06-24"


def write_events(path: Path, events: int, seed: int) -> None:
    """Write events in order of time, a twentieth of them known up to three days late."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    customers = max(events // EVENTS_EACH, 1)
    names = np.array([f"C{number:07d}" for number in range(customers)])
    start = np.datetime64("2024-01-01", "us").astype(np.int64)
    schema = None
    writer = None
    parts = max(events // 1_000_000, 1)
    for part in range(parts):
        count = events // parts
        span = DAYS * 86_400 // parts
        at = start + (part * span + np.sort(rng.integers(0, span, count))) * 1_000_000
        late = np.where(rng.random(count) < 0.05, rng.integers(0, 3 * 86_400, count), 0)
        # Some customers are far busier than others.
        who = (customers * rng.random(count) ** 1.5).astype(np.int64)
        table = pa.table(
            {
                "customer_id": names[who],
                "event_type": np.array(KINDS)[rng.integers(0, len(KINDS), count)],
                "occurred_at": pa.array(at).cast(pa.timestamp("us", "UTC")),
                "available_at": pa.array(at + late * 1_000_000).cast(pa.timestamp("us", "UTC")),
                "minutes": rng.integers(0, 60, count),
                "amount": rng.integers(0, 400, count) / 4.0,
            }
        )
        schema = schema or table.schema
        writer = writer or pq.ParquetWriter(path, schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def plan() -> Timeline:
    """Declare 45 features."""
    from churnkit.timeline import (
        ActiveWithin,
        Count,
        DistinctDays,
        InactivityChurn,
        Last,
        Max,
        Mean,
        Min,
        Ratio,
        Recency,
        Share,
        Snapshots,
        Sum,
        Table,
        Tenure,
        Timeline,
        Trend,
        Where,
    )

    bought = Where("event_type", "==", "purchase")
    columns = {"event_type": "string", "minutes": "integer", "amount": "number"}
    table = Table(
        "events", "customer_id", happened="occurred_at", available="available_at", columns=columns
    )
    features: dict[str, Any] = {}
    for days in (7, 30, 90, 180, 365):
        features[f"events_{days}d"] = Count("events", window_days=days)
    for kind in KINDS[:4]:
        for days in (30, 90):
            where = Where("event_type", "==", kind)
            features[f"{kind}_{days}d"] = Count("events", window_days=days, where=where)
    for days in (30, 90, 180, 365):
        features[f"amount_{days}d"] = Sum("events", "amount", window_days=days)
    for days in (30, 90):
        features[f"minutes_{days}d"] = Sum("events", "minutes", window_days=days)
        features[f"mean_{days}d"] = Mean("events", "amount", window_days=days)
        features[f"days_{days}d"] = DistinctDays("events", window_days=days)
    for days in (30, 90, 365):
        features[f"spend_{days}d"] = Sum("events", "amount", window_days=days, where=bought)
    for days in (90, 365):
        features[f"most_{days}d"] = Max("events", "amount", window_days=days)
    features["least_90d"] = Min("events", "amount", window_days=90)
    features["longest_30d"] = Max("events", "minutes", window_days=30)
    features["recency"] = Recency("events", window_days=365)
    features["purchase_recency"] = Recency("events", window_days=365, where=bought)
    features["tenure"] = Tenure("events", window_days=365)
    features["trend"] = Trend("events", window_days=30, against_days=90)
    features["amount_trend"] = Trend("events", "amount", window_days=30, against_days=90)
    features["week_of_month"] = Ratio(features["events_7d"], features["events_30d"])
    for kind in KINDS[:3]:
        features[f"{kind}_share"] = Share("events", "event_type", kind, window_days=90)
    features["export_share_30d"] = Share("events", "event_type", "export", window_days=30)
    features["last_purchase"] = Last("events", "amount", window_days=365, where=bought)
    for lag in (30, 60):
        features[f"events_lag_{lag}"] = Count("events", window_days=30, lag_days=lag)
    features["amount_lag_30"] = Sum("events", "amount", window_days=30, lag_days=30)
    features["mean_minutes_90d"] = Mean("events", "minutes", window_days=90)
    return Timeline(
        tables=[table],
        features=features,
        snapshots=Snapshots(dates=DATES),
        eligible=ActiveWithin("events", days=180),
        label=InactivityChurn("events", horizon_days=60),
    )


def by_churnkit(path: Path, memory: str) -> pa.Table:
    from churnkit.timeline import build

    return build(plan(), {"events": path}, known_until=UNTIL, threads=2, memory_limit=memory)


def by_hand(path: Path, memory: str, *, days_apart: bool) -> pa.Table:
    import duckdb

    con = duckdb.connect(config={"threads": 2, "memory_limit": memory})
    con.execute("SET TimeZone = 'UTC'")
    return con.sql(by_sql(path, DATES, days_apart=days_apart)).to_arrow_table()


def by_frames(path: Path) -> pa.Table:
    import pyarrow as pa

    frame = by_pandas(path, DATES)
    frame["as_of"] = frame["as_of"].dt.tz_convert(None)
    return pa.Table.from_pandas(frame, preserve_index=False)


def run(way: str, path: Path, memory: str) -> pa.Table:
    if way == "churnkit":
        return by_churnkit(path, memory)
    if way == "pandas":
        return by_frames(path)
    return by_hand(path, memory, days_apart=way == "SQL, days apart")


def treatment_effects(
    way: str, path: Path, memory: str = "4GB", *, against: str = ""
) -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.timeline",
        "--measure",
        way,
        str(path),
        "--memory",
        memory,
    ]
    done = subprocess.run(
        [*command, "--against", against] if against else command,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(way: str, path: Path, memory: str, against: str) -> dict[str, Any]:
    """Measure here, and compare with the table that `against` names, or write it there."""
    start, wall = time.process_time(), time.perf_counter()
    found = run(way, path, memory)
    figures = {
        "way": way,
        "cpu_seconds": time.process_time() - start,
        "wall_seconds": time.perf_counter() - wall,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
        "rows": found.num_rows,
    }
    if against:
        figures["same"] = same_or_written(found, Path(against))
    return figures


def same_or_written(found: pa.Table, path: Path) -> bool:
    """Compare all columns; pandas' lags in the last bits of ratios are no difference."""
    import pyarrow.parquet as pq

    if not path.exists():
        pq.write_table(found, path)
        return True
    expected = pq.read_table(path)
    if found.column_names != expected.column_names or found.num_rows != expected.num_rows:
        return False
    return all(_alike(found[name], expected[name]) for name in found.column_names)


def _alike(one: Any, other: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_timestamp(other.type):
        return bool(one.cast(pa.int64()).equals(other.cast(pa.int64())))
    one = one.cast(other.type)
    if not pa.types.is_floating(other.type):
        return bool(one.equals(other))
    a, b = (np.asarray(x.fill_null(np.nan)) for x in (one, other))
    return bool(np.allclose(a, b, rtol=1e-12, atol=0.0, equal_nan=True))


def compare(events: int, sizes: list[int], large: int, folder: Path, seed: int) -> dict[str, Any]:
    path, table = folder / "events.parquet", folder / "expected.parquet"
    write_events(path, events, seed)
    ways = ("SQL, days first", "SQL, days apart", "churnkit", "pandas")
    # One after the other, twice round, so that no way has the quieter machine to itself.
    runs = [treatment_effects(way, path, against=str(table)) for _ in range(2) for way in ways[:3]]
    runs.append(treatment_effects("pandas", path, against=str(table)))
    if not all(one["same"] for one in runs):
        wrong = sorted({one["way"] for one in runs if not one["same"]})
        raise SystemExit(f"not the same table: {', '.join(wrong)}")
    best = {
        way: min((o for o in runs if o["way"] == way), key=lambda o: o["cpu_seconds"])
        for way in ways
    }
    by_sql_seconds = min(best[way]["cpu_seconds"] for way in ways[:2])
    own = best["churnkit"]["cpu_seconds"]
    growth = []
    for size in sizes:
        sized = folder / f"events-{size}.parquet"
        write_events(sized, size, seed)
        growth.append({"events": size, **treatment_effects("churnkit", sized)})
        if size != large:
            sized.unlink()
    limited = treatment_effects("churnkit", folder / f"events-{large}.parquet", "2GB")
    return {
        **machine("churnkit", "duckdb", "sqlglot", "pandas", "pyarrow"),
        "events": events,
        "features": len(plan().features),
        "dates": len(DATES),
        "runs": list(best.values()),
        "times_sql": own / by_sql_seconds,
        "share_of_pandas": own / best["pandas"]["cpu_seconds"],
        "growth": growth,
        "within_2gb": {"events": large, **limited},
    }


def section(results: dict[str, Any]) -> str:
    said = (
        f"`python -m benchmarks.timeline`: {results['events']:,} events, "
        f"{results['events'] // EVENTS_EACH:,} customers, {results['features']} features, "
        f"{results['dates']} dates; CPU time of all threads, the whole process with its imports, "
        "better of two runs (pandas one). All give the same table."
    )
    lines = ["| way | CPU s | wall s | peak MB |", "|---|---:|---:|---:|"]
    lines += [
        f"| {one['way']} | {one['cpu_seconds']:.1f} | {one['wall_seconds']:.1f} "
        f"| {one['peak_mb']:,.0f} |"
        for one in results["runs"]
    ]
    verdict = (
        f"churnkit takes {results['times_sql']:.2f} times the CPU time of the faster SQL and "
        f"{results['share_of_pandas']:.2f} of that of pandas."
    )
    sizes = ["| events | CPU s | CPU s a million |", "|---:|---:|---:|"]
    sizes += [
        f"| {one['events']:,} | {one['cpu_seconds']:.1f} "
        f"| {one['cpu_seconds'] * 1e6 / one['events']:.2f} |"
        for one in results["growth"]
    ]
    limited = results["within_2gb"]
    memory = (
        f"With a memory limit of 2 GB for DuckDB, {limited['events']:,} events took "
        f"{limited['cpu_seconds']:.1f} s of CPU time."
    )
    return "\n".join(["## Snapshots", "", said, "", *lines, "", verdict, "", *sizes, "", memory])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000, 30_000_000]
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--measure", nargs=2, metavar=("WAY", "FILE"))
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--against", default="")
    parser.add_argument("--print-only", action="store_true", help="leave the results page alone")
    asked = parser.parse_args()
    if asked.measure:
        way, path = asked.measure[0], Path(asked.measure[1])
        print(json.dumps(measure(way, path, asked.memory, asked.against)))
        return
    with tempfile.TemporaryDirectory(prefix="churnkit-benchmark-") as folder:
        sizes = sorted(set(asked.sizes))
        results = compare(asked.events, sizes, sizes[-1], Path(folder), asked.seed)
    print(section(results))
    if not asked.print_only:
        publish("timeline", results, section(results))


if __name__ == "__main__":
    main()
