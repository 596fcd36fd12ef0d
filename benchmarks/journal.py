"""Evaluation of a large journal: time and memory of experiments, policies and capacities.

Run ``python -m benchmarks.journal [ROWS ...]``. PostgreSQL is measured too where it is installed, on a
server of its own; ``CHURNKIT_BENCHMARK_POSTGRES`` names another one. Decisions and outcomes are made up, each decision of another customer, half of
them with an outcome. Each figure comes from a process of its own: CPU seconds of that process
(PostgreSQL's own work not included), and how far its memory rises.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import create_engine, insert, text

from benchmarks.publish import machine, publish
from benchmarks.soak_machine import PostgreSQL
from churnkit.journal import Journal
from churnkit.journal.schema import decisions, outcomes

ROWS = (500_000, 2_000_000)
BATCH = 50_000
DAY = 86_400_000_000
START = 1_790_000_000_000_000
HORIZON_DAYS = 30


def fill(url: str, rows: int) -> None:
    """Write `rows` decisions, and outcomes of half of them."""
    with Journal.open(url):
        pass
    generator = np.random.default_rng(0)
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for first in range(0, rows, BATCH):
            size = min(BATCH, rows - first)
            days = generator.integers(0, 60, size)
            held = generator.random(size) < 0.1
            stayed = generator.random(size) < np.where(held, 0.45, 0.5)
            connection.execute(
                insert(decisions),
                [
                    decision(first + i, int(day), is_held=bool(out))
                    for i, (day, out) in enumerate(zip(days, held, strict=True))
                ],
            )
            connection.execute(
                insert(outcomes),
                [
                    {
                        "key": f"o{first + i:032d}",
                        "digest": "0" * 64,
                        "decision": None,
                        "customer": f"C{first + i:09d}",
                        "kind": "stayed",
                        "value": 1.0,
                        "observed_at": START + (int(days[i]) + 20) * DAY,
                    }
                    for i in np.flatnonzero(stayed).tolist()
                ],
            )
        connection.execute(text("ANALYZE"))


def decision(number: int, day: int, *, is_held: bool) -> dict[str, Any]:
    """Return the row of a decision, with an action for two customers of three."""
    action = None if is_held or number % 3 == 0 else ("call", "offer")[number % 2]
    return {
        "key": f"d{number:032d}",
        "digest": "0" * 64,
        "customer": f"C{number:09d}",
        "as_of": START,
        "decided_at": START + day * DAY,
        "period": "2026-11",
        "policy": "shop",
        "model": "shop",
        "model_version": "3",
        "model_digest": "sha256:" + "0" * 64,
        "action": action,
        "channel": None if action is None else "phone",
        "propensity": (1 / 3) if not is_held else None,
        "eligible": '["call", "offer"]',
        "expected_gain": 1.5,
        "cost": 0.0 if action is None else 2.5,
        "holdout": "global" if is_held else None,
        "explored": False,
        "capped": False,
        "by": "service",
        "verdict": "decide",
    }


def measure(url: str, task: str) -> dict[str, float | str]:
    """Run one task; return its seconds, its megabytes and a digest of its result."""
    from churnkit.pipeline.evaluation.candidate_policy import read_policy
    from churnkit.pipeline.evaluation.evaluate import (
        JournalQuery,
        evaluate_experiment,
        evaluate_policy,
    )

    query = JournalQuery("stayed", HORIZON_DAYS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, wall = time.process_time(), time.perf_counter()
    with Journal.open(url) as journal:
        if task == "used":
            result: Any = journal.used("shop", "2026-11")
        elif task == "policy":
            result = evaluate_policy(journal, query, read_policy("always:call")).to_dict()
        else:
            result = evaluate_experiment(journal, query).to_dict()
    return {
        "seconds": time.process_time() - started,
        "elapsed": time.perf_counter() - wall,
        "megabytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3,
        "result": json.dumps(result, sort_keys=True),
    }


def in_process(url: str, task: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.journal", "--measure", url, task]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--measure"]:
        print(json.dumps(measure(*arguments[1:])))
        return
    counts = [int(argument) for argument in arguments] or list(ROWS)
    figures: dict[str, dict[str, Any]] = {}
    for rows in counts:
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            urls = {"SQLite": f"sqlite:///{Path(folder) / 'journal.db'}"}
            if os.environ.get("CHURNKIT_BENCHMARK_POSTGRES"):
                urls["PostgreSQL"] = os.environ["CHURNKIT_BENCHMARK_POSTGRES"]
            elif PostgreSQL.is_installed():
                # PostgreSQL's own user passes through it.
                Path(folder).chmod(0o755)
                server = PostgreSQL(Path(folder) / "postgres").running()
                urls["PostgreSQL"] = stack.enter_context(server).url
            for database, url in urls.items():
                fill(url, rows)
                for task in ("experiment", "policy", "used"):
                    measured = in_process(url, task)
                    print(database, rows, task, {k: measured[k] for k in list(measured)[:3]})
                    figures.setdefault(f"{database}, {rows:,} decisions", {})[task] = measured
                if database == "PostgreSQL":
                    clear(url)
    same = {
        (name.split(", ", 1)[1], task): measured["result"]
        for name, tasks in figures.items()
        for task, measured in tasks.items()
    }
    for name, tasks in figures.items():
        for task, measured in tasks.items():
            assert measured.pop("result") == same[name.split(", ", 1)[1], task]
    publish("journal", {"machine": machine("sqlalchemy"), "figures": figures}, section(figures))


def clear(url: str) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for table in (decisions, outcomes):
            connection.execute(text(f"TRUNCATE {table.name}"))


def section(figures: dict[str, dict[str, Any]]) -> str:
    lines = [
        "## A large journal",
        "",
        "`python -m benchmarks.journal`: an experiment readout, an off-policy evaluation, and the used",
        "capacities of a period; CPU seconds and memory of the process that asks.",
        "",
        "| journal | experiment | policy | used capacities |",
        "|---|---|---|---|",
    ]
    for name, tasks in figures.items():
        cells = [
            f"{tasks[task]['seconds']:.1f} s, {tasks[task]['megabytes']:.0f} MB"
            for task in ("experiment", "policy")
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {tasks['used']['elapsed']:.2f} s |")
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
