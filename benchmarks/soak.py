"""Soak test: the service under load while versions change and workers are killed.

Run ``python -m benchmarks.soak --minutes 30``. Everything runs on loopback and is stopped at the
end. Meanwhile the journal is locked by another program, and slow clients, floods and garbage arrive
(`benchmarks.soak_faults`). No reply may be wrong, the only server error may be 503 with Retry-After,
every answered recommendation must be in the journal, memory must not grow, and no line of the log
may have a customer's id.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import shutil
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import psutil  # type: ignore[import-untyped]

from benchmarks.predict import Customers
from benchmarks.publish import machine, publish
from benchmarks.serve import ACTIONS
from benchmarks.soak_faults import cause_faults
from churnkit.bundle import ModelContents, RetentionModel
from churnkit.contracts import Contract, feature
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.datasets import simulate
from churnkit.journal import Journal
from churnkit.models import Calibration, LightGBMTrees
from churnkit.server import pack, serve

if TYPE_CHECKING:
    from churnkit.server import Server

CLIENTS = 3
VERSIONS = 4
ROWS = 60
SERVING = Path(__file__).parent.parent / "serving"


class Valued(Customers):
    """The simulated customers with their revenue as the value at risk."""

    mrr: float = feature(ge=0, also=("value",))


@dataclass
class Scenario:
    """Bundles, expected probabilities, and observations."""

    folder: Path
    rows: list[dict[str, Any]]
    bundles: list[Path] = field(default_factory=list)
    bad: list[Path] = field(default_factory=list)
    expected: dict[str, dict[str, float]] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    decided: set[str] = field(default_factory=set)
    memory: dict[int, list[float]] = field(default_factory=dict)

    @property
    def link(self) -> Path:
        """The link that the service follows."""
        return self.folder / "current"

    def point(self, bundle: Path) -> None:
        """Point the link at another bundle, atomically."""
        link = self.folder / "next"
        link.symlink_to(bundle)
        link.replace(self.link)


def make_scenario(folder: Path) -> Scenario:
    """Train versions of one model, and damage copies of them in three ways."""
    table = simulate(customers=3_000, seed=0).snapshot(horizon_days=90)
    contract = Contract.from_schema(Valued)
    X = TableEncoder(contract).encode(table).features
    y = np.asarray(table["churned"].to_numpy(zero_copy_only=False), dtype=np.int8)
    names = [contract.entity.name, *contract.feature_names]
    scenario = Scenario(folder, table.select(names).slice(0, ROWS).to_pylist())
    for version in range(VERSIONS):
        trees = LightGBMTrees(
            rounds=20 + 10 * version,
            num_leaves=15,
            categorical_features=contract.categorical_features,
        ).fit(X, y)
        parts = ModelContents(
            contract, trees.scorer_, Calibration.identity(), ACTIONS, golden=X[:32] + 0.0
        )
        path = folder / f"version-{version}"
        RetentionModel(parts).save(path, name="soak", lineage={"version": version})
        model = RetentionModel.load(path)
        predictions = model.predict(scenario.rows)
        assert model.digest is not None
        scenario.bundles.append(path)
        scenario.expected[model.digest] = {
            row["customer_id"]: row["churn_probability"] for row in predictions
        }
    for number, damage in enumerate((_truncate, _flip_byte, _add_pickle)):
        damaged = shutil.copytree(scenario.bundles[number], folder / f"bad-{number}")
        damage(damaged)
        scenario.bad.append(damaged)
    scenario.link.symlink_to(scenario.bundles[0])
    return scenario


def _truncate(bundle: Path) -> None:
    file = bundle / "scorer.json"
    file.write_bytes(file.read_bytes()[:40])
    _break_seal(bundle)


def _flip_byte(bundle: Path) -> None:
    file = min(bundle.glob("scorer/*.npy"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 0xFF
    file.write_bytes(content)
    _break_seal(bundle)


def _add_pickle(bundle: Path) -> None:
    (bundle / "model.pkl").write_bytes(b"cos\nsystem\n.")
    _break_seal(bundle)


def _break_seal(bundle: Path) -> None:
    """Give a damaged copy another digest, so that it counts as a new version."""
    (bundle / "manifest.sha256").write_text(hashlib.sha256(bundle.name.encode()).hexdigest() + "\n")


async def send_requests(scenario: Scenario, url: str, seed: int, until: float) -> None:
    """Send valid and damaged bodies with one or many customers until the end."""
    generator = random.Random(seed)  # noqa: S311 - load, not secrets
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        while time.monotonic() < until:
            rows = generator.sample(scenario.rows, generator.choice((1, 1, 1, 20)))
            path = generator.choice(("predict", "predict", "predict", "explain", "recommend"))
            damaged = generator.random() < 0.2
            body = json.dumps({"customers": rows}).encode()
            if damaged:
                body = damage_body(body, generator)
            try:
                answer = await client.post(
                    f"/v1/{path}", content=body, headers={"content-type": "application/json"}
                )
            except httpx.TransportError:
                # The worker was killed with this connection: a client connects again.
                scenario.seen["cut off"] += 1
                await asyncio.sleep(0.05)
                continue
            check_reply(scenario, path, answer, damaged=damaged)


def damage_body(body: bytes, generator: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(generator.randrange(1, 4)):
        position = generator.randrange(len(changed))
        kind = generator.randrange(3)
        if kind == 0:
            changed[position] = generator.randrange(256)
        elif kind == 1:
            del changed[position : position + generator.randrange(1, 30)]
        else:
            changed[position:position] = generator.randbytes(generator.randrange(1, 9))
        if not changed:
            return b"{"
    return bytes(changed)


def check_reply(scenario: Scenario, path: str, answer: httpx.Response, *, damaged: bool) -> None:
    """Compare a reply with the expected probabilities of the version that sent it."""
    status = answer.status_code
    scenario.seen[str(status)] += 1
    if status == 200:
        reply = answer.json()
        if path == "recommend":
            scenario.decided.update(row["prediction_id"] for row in reply["predictions"])
        expected = scenario.expected.get(reply["model"]["digest"])
        if expected is None:
            scenario.wrong.append("a reply of an unknown version")
        elif not damaged:
            for row in reply["predictions"]:
                if row["churn_probability"] != expected[row["customer_id"]]:
                    scenario.wrong.append(f"{path}: a probability differs from its version's")
    elif status == 503:
        if not answer.headers.get("retry-after"):
            scenario.wrong.append("503 without retry-after")
    elif status >= 500 or not damaged:
        scenario.wrong.append(f"{path}: {status}")


async def change_versions(scenario: Scenario, seconds: float, until: float) -> None:
    """Point the link at the next version, every fifth of them a bad one."""
    step = 0
    while time.monotonic() + seconds < until:
        await asyncio.sleep(seconds)
        step += 1
        if step % 5 == 3:
            scenario.point(scenario.bad[step // 5 % len(scenario.bad)])
            scenario.seen["bad versions"] += 1
        else:
            scenario.point(scenario.bundles[step % VERSIONS])
            scenario.seen["promotions"] += 1


async def kill_workers(server: Server, scenario: Scenario, seconds: float, until: float) -> None:
    """Kill a worker at intervals; its supervisor starts another."""
    generator = random.Random(7)  # noqa: S311 - load, not secrets
    while time.monotonic() + seconds < until:
        await asyncio.sleep(seconds)
        workers = workers_of(server)
        if len(workers) > 1:
            generator.choice(workers).kill()
            scenario.seen["killed workers"] += 1


def workers_of(server: Server) -> list[psutil.Process]:
    children = psutil.Process(server.process.pid).children(recursive=True)
    return [child for child in children if child.is_running() and "--worker-id" in _command(child)]


def _command(process: psutil.Process) -> list[str]:
    try:
        command: list[str] = process.cmdline()
    except psutil.Error:
        return []
    return command


async def measure_memory(server: Server, scenario: Scenario, until: float) -> None:
    while time.monotonic() < until:
        for worker in workers_of(server):
            try:
                size = worker.memory_info().rss / 1e6
            except psutil.Error:
                continue
            scenario.memory.setdefault(worker.pid, []).append(size)
        await asyncio.sleep(1.0)


async def run(
    server: Server, scenario: Scenario, *, seconds: float, change: float, kill: float, fault: float
) -> None:
    until = time.monotonic() + seconds
    await asyncio.gather(
        *(send_requests(scenario, server.url, seed, until) for seed in range(CLIENTS)),
        change_versions(scenario, change, until),
        kill_workers(server, scenario, kill, until),
        measure_memory(server, scenario, until),
        cause_faults(server, scenario.folder / "journal.db", scenario.seen, fault, until),
    )


def soak(
    folder: Path, *, seconds: float, change: float, kill: float, fault: float = 7.0
) -> dict[str, Any]:
    """Put the service under load and return the observations.

    Parameters
    ----------
    folder
        For all files.
    seconds
        Duration.
    change, kill, fault
        Seconds between two versions, between two killed workers, and between two other faults.
    """
    scenario = make_scenario(folder)
    tag = pack(scenario.bundles[0], name="soak", serving=SERVING)
    url = f"sqlite:///{folder / 'journal.db'}"
    settings = {
        "CHURNKIT_FOLLOW": str(scenario.link),
        "CHURNKIT_POLL_SECONDS": "0.5",
        "CHURNKIT_WORKERS": "2",
        "CHURNKIT_JOURNAL": url,
        "CHURNKIT_SPOOL": str(folder / "spool"),
    }
    with serve(tag, timeout_seconds=120, settings=settings, log=folder / "log") as server:
        asyncio.run(run(server, scenario, seconds=seconds, change=change, kill=kill, fault=fault))
        metrics = httpx.get(f"{server.url}/metrics", timeout=30).text
        # The next worker writes the decisions of a killed one.
        time.sleep(2.0)
    with Journal.open(url) as journal:
        written = {row["key"] for row in journal.decisions().to_pylist()}
    lost = _not_spooled(folder, scenario.decided - written)
    return {
        "seconds": seconds,
        "answers": dict(sorted(scenario.seen.items())),
        "wrong": dict(Counter(scenario.wrong)),
        "recommendations": len(scenario.decided),
        "lost": len(lost),
        "swapped": _count(metrics, "swapped"),
        "refused_versions": _count(metrics, "refused"),
        "growth_mb": _growth(scenario),
        "customers_in_log": _customers_in_log(scenario),
    }


def _customers_in_log(scenario: Scenario) -> int:
    log = (scenario.folder / "log").read_text(encoding="utf-8", errors="replace")
    return sum(str(row["customer_id"]) in log for row in scenario.rows)


def _not_spooled(folder: Path, missing: set[str]) -> set[str]:
    """Return the keys that do not wait on disk for the next worker."""
    waiting = b"".join(file.read_bytes() for file in (folder / "spool").glob("*.decisions"))
    return {key for key in missing if key.encode() not in waiting}


def _count(metrics: str, outcome: str) -> int:
    name = f'churnkit_reloads_total{{outcome="{outcome}"}}'
    lines = [line for line in metrics.splitlines() if line.startswith(name)]
    return int(float(lines[0].rsplit(" ", 1)[1])) if lines else 0


def _growth(scenario: Scenario) -> float:
    """Return the largest growth of a worker from the first half of its life to the second, in MB."""
    growth = [0.0]
    for sizes in scenario.memory.values():
        settled = sizes[10:]
        if len(settled) >= 20:
            half = len(settled) // 2
            growth.append(statistics.median(settled[half:]) - statistics.median(settled[:half]))
    return max(growth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--change-seconds", type=float, default=60.0)
    parser.add_argument("--kill-seconds", type=float, default=120.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = soak(
            Path(folder),
            seconds=60 * options.minutes,
            change=min(options.change_seconds, 6 * options.minutes),
            kill=min(options.kill_seconds, 20 * options.minutes),
        )
    print(json.dumps(seen, indent=1))
    publish("soak", {**machine("bentoml", "uvicorn"), **seen}, section(seen))
    assert not seen["wrong"], seen["wrong"]
    assert not seen["lost"], seen["lost"]
    assert not seen["customers_in_log"], seen["customers_in_log"]


def section(seen: dict[str, Any]) -> str:
    answers = ", ".join(f"{name}: {count:,}" for name, count in seen["answers"].items())
    return "\n".join(
        [
            "## Soak test",
            "",
            (
                f"`python -m benchmarks.soak`: {seen['seconds']:.0f} s, two workers, a fifth of the "
                f"bodies damaged. {answers}. Wrong answers: {sum(seen['wrong'].values())}. "
                f"Recommendations: {seen['recommendations']:,}, missing in the "
                f"journal: {seen['lost']}. A worker grew by {seen['growth_mb']:.1f} MB at most from "
                "the first half of its life to the second. "
                f"Customers whose id is in the log: {seen['customers_in_log']}."
            ),
        ]
    )


if __name__ == "__main__":
    main()
