"""Snapshots from an event log: churnkit beside hand-written DuckDB SQL and beside pandas.

Run ``python benchmarks/timeline.py``; it writes ``results/timeline.json`` and its table in
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
from publish import machine, publish

if TYPE_CHECKING:
    import pyarrow as pa

    from churnkit.timeline import Timeline

HERE = Path(__file__).parent
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


def measure_churnkit(path: Path, memory: str) -> tuple[pa.Table, float]:
    from churnkit.timeline import build

    timeline = plan()
    start = time.process_time()
    found = build(timeline, {"events": path}, known_until=UNTIL, threads=2, memory_limit=memory)
    return found, time.process_time() - start
