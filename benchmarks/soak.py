"""Soak test: the service under load while versions change and workers are killed.

Run ``python -m benchmarks.soak --minutes 30``. Everything runs on loopback and is stopped at the
end. Meanwhile the journal is locked and its database stopped, the spool's disk fills up, the system
clock jumps, and slow clients, floods and garbage arrive (`benchmarks.soak_faults`). The journal is on
PostgreSQL, the disk a tmpfs and the clock that of libfaketime, where the machine has them
(`benchmarks.soak_machine`). No reply may be wrong, the only server error may be 503 with Retry-After,
every answered recommendation must be in the journal as it was answered, memory must not grow, each
kind of fault must be seen in metrics and log, and no line of the log may have a customer's id.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
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
from benchmarks.soak_faults import Machine, cause_faults
from benchmarks.soak_machine import PostgreSQL, SQLite, faked_clock, small_disk
from churnkit.bundle import ModelContents, RetentionModel
from churnkit.contracts import Contract, feature
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.datasets import simulate
from churnkit.journal import Journal
from churnkit.models import Calibration, LightGBMTrees
from churnkit.server import pack, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from churnkit.server import Server

CLIENTS = 3
VERSIONS = 4
ROWS = 60
MAX_GROWTH_MB = 25.0
# Above it a worker closes further connections of a client: a flood has more.
MAX_CONNECTIONS = 100
EVIDENCE = {
    "killed workers": ("churnkit_worker_starts_total", "of a worker that died were written"),
    "bad versions": ('churnkit_reloads_total{outcome="refused"}', "the running version stays"),
    "locked journal": ("waiting", "a write to the journal took"),
    "stopped journal": ("churnkit_journal_failures_total", "the journal at"),
    "full disk": ("churnkit_spool_failures_total", "cannot be stored"),
    "clock jump": ("churnkit_clock_jumps_total", "the system clock jumped"),
    "slow clients": ('churnkit_connections_closed_total{reason="time"}', "head is incomplete"),
    "flood": ('churnkit_connections_closed_total{reason="number"}', "a client has too many"),
    "garbage": ('churnkit_connections_closed_total{reason="invalid"}', "is not valid HTTP"),
}
"""Metric and text of a log line by which each fault is seen."""
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
    decided: dict[str, str | None] = field(default_factory=dict)
    most_waiting: float = 0.0
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
            headers = {"content-type": "application/json"}
            if damaged:
                body = damage_body(body, generator)
            elif path == "recommend" and generator.random() < 0.3:
                headers["idempotency-key"] = f"{seed}-{generator.getrandbits(64):x}"
            try:
                answer = await client.post(f"/v1/{path}", content=body, headers=headers)
                if "idempotency-key" in headers and answer.status_code == 200:
                    await repeat(scenario, client, path, answer, headers)
            except httpx.TransportError:
                # The worker was killed with this connection: a client connects again.
                scenario.seen["cut off"] += 1
                await asyncio.sleep(0.05)
                continue
            check_reply(scenario, path, answer, damaged=damaged)


async def repeat(
    scenario: Scenario,
    client: httpx.AsyncClient,
    path: str,
    answer: httpx.Response,
    headers: dict[str, str],
) -> None:
    """Send a request again, which any worker must answer with the same bytes."""
    again = await client.post(f"/v1/{path}", content=answer.request.content, headers=headers)
    scenario.seen["repeated"] += 1
    if again.status_code == 200 and again.content != answer.content:
        scenario.wrong.append("a repeated request got another reply")
    elif again.status_code not in {200, 409, 503}:
        scenario.wrong.append(f"a repeated request got {again.status_code}")


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
            scenario.decided |= {
                row["prediction_id"]: row["action"]
                for row in reply["predictions"]
                if "prediction_id" in row
            }
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
    """Kill a worker at intervals; its supervisor starts another.

    Until the last quarter it is the youngest, so that the memory of another can be followed.
    """
    generator = random.Random(7)  # noqa: S311 - load, not secrets
    start = time.monotonic()
    while time.monotonic() + seconds < until:
        await asyncio.sleep(seconds)
        workers = workers_of(server)
        if len(workers) > 1:
            is_last = time.monotonic() - start > 0.75 * (until - start)
            youngest = max(workers, key=lambda worker: worker.pid)
            (generator.choice(workers) if is_last else youngest).kill()
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


async def measure(server: Server, scenario: Scenario, until: float) -> None:
    """Follow the workers' memory and the number of decisions that wait for the journal."""
    while time.monotonic() < until:
        for worker in workers_of(server):
            try:
                size = worker.memory_info().rss / 1e6
            except psutil.Error:
                continue
            scenario.memory.setdefault(worker.pid, []).append(size)
        with contextlib.suppress(httpx.HTTPError):
            async with httpx.AsyncClient(base_url=server.url, timeout=10) as client:
                metrics = (await client.get("/metrics")).text
            scenario.most_waiting = max(
                scenario.most_waiting, _metric(metrics, "churnkit_journal_waiting")
            )
        await asyncio.sleep(1.0)


async def run(
    server: Server,
    scenario: Scenario,
    machine: Machine,
    *,
    seconds: float,
    change: float,
    kill: float,
    fault: float,
) -> None:
    until = time.monotonic() + seconds
    await asyncio.gather(
        *(send_requests(scenario, server.url, seed, until) for seed in range(CLIENTS)),
        change_versions(scenario, change, until),
        kill_workers(server, scenario, kill, until),
        measure(server, scenario, until),
        cause_faults(server, machine, scenario.seen, fault, until),
    )


@contextlib.contextmanager
def find_machine(folder: Path, *, everything: bool) -> Iterator[Machine]:
    """Provide database, disk and clock while the block runs.

    Parameters
    ----------
    folder
        For their files.
    everything
        Whether to use PostgreSQL, a small disk and libfaketime where the machine has them.
    """
    with contextlib.ExitStack() as stack:
        if not everything:
            yield Machine(SQLite(folder / "journal.db"))
            return
        database = (
            stack.enter_context(PostgreSQL(folder / "postgres").running())
            if PostgreSQL.is_installed()
            else SQLite(folder / "journal.db")
        )
        disk = stack.enter_context(small_disk(folder / "disk"))
        yield Machine(database, disk, faked_clock(folder))


def soak(
    folder: Path,
    *,
    seconds: float,
    change: float,
    kill: float,
    fault: float = 7.0,
    everything: bool = False,
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
    everything
        Whether database, disk and clock have faults, as in `find_machine`.
    """
    # PostgreSQL's own user passes through it.
    folder.chmod(0o755)
    with find_machine(folder, everything=everything) as machine:
        return _soak(folder, machine, seconds=seconds, change=change, kill=kill, fault=fault)


def _soak(
    folder: Path,
    machine: Machine,
    *,
    seconds: float,
    change: float,
    kill: float,
    fault: float,
) -> dict[str, Any]:
    scenario = make_scenario(folder)
    tag = pack(scenario.bundles[0], name="soak", serving=SERVING)
    spool = (folder if machine.disk is None else machine.disk.folder) / "spool"
    settings = {
        "CHURNKIT_FOLLOW": str(scenario.link),
        "CHURNKIT_POLL_SECONDS": "0.5",
        "CHURNKIT_WORKERS": "2",
        "CHURNKIT_JOURNAL": machine.database.url,
        "CHURNKIT_SPOOL": str(spool),
        "CHURNKIT_MAX_CONNECTIONS": str(MAX_CONNECTIONS),
        **({} if machine.clock is None else machine.clock.settings),
    }
    log = folder / "log"
    with serve(tag, timeout_seconds=120, settings=settings, log=log) as server:
        asyncio.run(
            run(server, scenario, machine, seconds=seconds, change=change, kill=kill, fault=fault)
        )
        # The next worker writes the decisions of a killed one.
        time.sleep(5.0)
        metrics = httpx.get(f"{server.url}/metrics", timeout=30).text
    with Journal.open(machine.database.url) as journal:
        rows = journal.decisions(columns=("key", "action")).to_pylist()
    written = {row["key"]: row["action"] for row in rows}
    lost = _not_spooled(spool, set(scenario.decided) - set(written))
    differing = sum(
        written[key] != action for key, action in scenario.decided.items() if key in written
    )
    if differing:
        scenario.wrong += ["the journal has another action than the reply"] * differing
    text = log.read_text(encoding="utf-8", errors="replace")
    return {
        "seconds": seconds,
        "journal": type(machine.database).__name__,
        "answers": dict(sorted(scenario.seen.items())),
        "wrong": dict(Counter(scenario.wrong)),
        "recommendations": len(scenario.decided),
        "lost": len(lost),
        "rejected": _metric(metrics, 'churnkit_journal_records_total{kind="rejected"}'),
        "swapped": _metric(metrics, 'churnkit_reloads_total{outcome="swapped"}'),
        "refused_versions": _metric(metrics, 'churnkit_reloads_total{outcome="refused"}'),
        "most_waiting": scenario.most_waiting,
        "growth_mb": _growth(scenario),
        "evidence": _evidence(scenario, machine, metrics, text),
        "customers_in_log": sum(str(row["customer_id"]) in text for row in scenario.rows),
    }


def _evidence(
    scenario: Scenario, machine: Machine, metrics: str, log: str
) -> dict[str, dict[str, float]]:
    """Return how often each fault was caused, and seen in the metrics and in the log."""
    evidence = {}
    for fault in ("killed workers", "bad versions", *machine.faults):
        metric, line = EVIDENCE[fault]
        value = scenario.most_waiting if metric == "waiting" else _metric(metrics, metric)
        evidence[fault] = {
            "caused": scenario.seen[fault],
            "metric": value,
            "log_lines": log.count(line),
        }
    return evidence


def unseen_faults(seen: dict[str, Any]) -> list[str]:
    """Return the faults that were caused and are missing in the metrics or in the log."""
    return [
        fault
        for fault, counts in seen["evidence"].items()
        if counts["caused"] and not (counts["metric"] and counts["log_lines"])
    ]


def _not_spooled(spool: Path, missing: set[str]) -> set[str]:
    """Return the keys that do not wait on disk for the next worker."""
    waiting = b"".join(file.read_bytes() for file in spool.glob("*.decisions"))
    return {key for key in missing if key.encode() not in waiting}


def _metric(metrics: str, name: str) -> float:
    """Return the sum of the series of a metric, or of one of them with its labels."""
    lines = [line for line in metrics.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


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
    parser.add_argument("--change-seconds", type=float, default=20.0)
    parser.add_argument("--kill-seconds", type=float, default=45.0)
    parser.add_argument("--fault-seconds", type=float, default=5.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = soak(
            Path(folder),
            seconds=60 * options.minutes,
            change=min(options.change_seconds, 6 * options.minutes),
            kill=min(options.kill_seconds, 20 * options.minutes),
            fault=options.fault_seconds,
            everything=True,
        )
    print(json.dumps(seen, indent=1))
    publish("soak", {**machine("bentoml", "uvicorn"), **seen}, section(seen))
    assert not seen["wrong"], seen["wrong"]
    assert not seen["lost"], seen["lost"]
    # A clock that jumps by days ends the day for which a reply is kept: the repeated request is
    # decided again under the same id, and the journal keeps the first decision.
    assert seen["rejected"] <= seen["answers"].get("clock jump", 0), seen["rejected"]
    assert not seen["customers_in_log"], seen["customers_in_log"]
    assert seen["growth_mb"] < MAX_GROWTH_MB, seen["growth_mb"]
    assert not unseen_faults(seen), unseen_faults(seen)


def section(seen: dict[str, Any]) -> str:
    faults = seen["evidence"]
    answers = ", ".join(
        f"{name}: {count:,}" for name, count in seen["answers"].items() if name not in faults
    )
    lines = [
        "## Soak test",
        "",
        (
            f"`python -m benchmarks.soak --minutes {seen['seconds'] / 60:g}`: two workers, a fifth of "
            f"the bodies damaged, journal on {seen['journal']}. {answers}. Wrong answers: "
            f"{sum(seen['wrong'].values())}. Recommendations: {seen['recommendations']:,}, missing in "
            f"the journal: {seen['lost']}, refused by it: {seen['rejected']:.0f}. A worker grew by "
            f"{seen['growth_mb']:.1f} MB at most from the first half of its life to the second. "
            f"Customers whose id is in the log: {seen['customers_in_log']}."
        ),
        "",
        "| fault | caused | metric | log lines |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {fault} | {counts['caused']:,} | {counts['metric']:,.0f} | {counts['log_lines']:,} |"
        for fault, counts in faults.items()
    ]
    lines += [
        "",
        (
            "The metric counts what a fault did: closed connections, refused requests, failed writes, "
            "starts of workers, and for a locked journal the most decisions that waited. Some log "
            "lines are limited to a few a minute."
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
