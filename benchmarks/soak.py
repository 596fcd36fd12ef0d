"""The service under load, while versions change, bad ones among them, and workers are killed.

Run ``python -m benchmarks.soak --minutes 30``. Everything stays on loopback and is stopped at the
end. No answer may be wrong, nothing but 503 with Retry-After may be a server error, every
recommendation that was answered must stand in the journal, and memory must stay flat.
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
    """The simulated customers; what they pay is what is at stake."""

    mrr: float = feature(ge=0, also=("value",))


@dataclass
class World:
    """What is served, what is right, and what was seen."""

    folder: Path
    rows: list[dict[str, Any]]
    bundles: list[Path] = field(default_factory=list)
    bad: list[Path] = field(default_factory=list)
    right: dict[str, dict[str, float]] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    decided: set[str] = field(default_factory=set)
    memory: dict[int, list[float]] = field(default_factory=dict)

    @property
    def link(self) -> Path:
        """What the service follows."""
        return self.folder / "current"

    def point(self, bundle: Path) -> None:
        """Let the link mean another bundle, in one step."""
        aside = self.folder / "next"
        aside.symlink_to(bundle)
        aside.replace(self.link)


def make_world(folder: Path) -> World:
    """Train some versions of one model, and spoil copies of them in three ways."""
    table = simulate(customers=3_000, seed=0).snapshot(horizon_days=90)
    contract = Contract.from_schema(Valued)
    X = TableEncoder(contract).encode(table).features
    y = np.asarray(table["churned"].to_numpy(zero_copy_only=False), dtype=np.int8)
    names = [contract.entity.name, *contract.feature_names]
    world = World(folder, table.select(names).slice(0, ROWS).to_pylist())
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
        told = model.predict(world.rows)
        assert model.digest is not None
        world.bundles.append(path)
        world.right[model.digest] = {row["customer_id"]: row["churn_probability"] for row in told}
    for number, harm in enumerate((_cut, _flip, _foreign)):
        spoiled = shutil.copytree(world.bundles[number], folder / f"bad-{number}")
        harm(spoiled)
        world.bad.append(spoiled)
    world.link.symlink_to(world.bundles[0])
    return world


def _cut(bundle: Path) -> None:
    file = bundle / "scorer.json"
    file.write_bytes(file.read_bytes()[:40])
    _break_seal(bundle)


def _flip(bundle: Path) -> None:
    file = min(bundle.glob("scorer/*.npy"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 0xFF
    file.write_bytes(content)
    _break_seal(bundle)


def _foreign(bundle: Path) -> None:
    (bundle / "model.pkl").write_bytes(b"cos\nsystem\n.")
    _break_seal(bundle)


def _break_seal(bundle: Path) -> None:
    """Give the spoiled copy a seal of its own, so that it is looked at as a new version."""
    (bundle / "manifest.sha256").write_text(hashlib.sha256(bundle.name.encode()).hexdigest() + "\n")


async def ask_on(world: World, url: str, seed: int, until: float) -> None:
    """Ask until the end: right bodies and wrong ones, one and many customers."""
    chance = random.Random(seed)  # noqa: S311 - a load, no secret
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        while time.monotonic() < until:
            rows = chance.sample(world.rows, chance.choice((1, 1, 1, 20)))
            path = chance.choice(("predict", "predict", "predict", "explain", "recommend"))
            spoiled = chance.random() < 0.2
            body = json.dumps({"customers": rows}).encode()
            if spoiled:
                body = spoil(body, chance)
            try:
                answer = await client.post(
                    f"/v1/{path}", content=body, headers={"content-type": "application/json"}
                )
            except httpx.TransportError:
                # The worker was killed with this connection: a client connects again.
                world.seen["cut off"] += 1
                await asyncio.sleep(0.05)
                continue
            judge(world, path, answer, spoiled=spoiled)


def spoil(body: bytes, chance: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(changed))
        kind = chance.randrange(3)
        if kind == 0:
            changed[place] = chance.randrange(256)
        elif kind == 1:
            del changed[place : place + chance.randrange(1, 30)]
        else:
            changed[place:place] = chance.randbytes(chance.randrange(1, 9))
        if not changed:
            return b"{"
    return bytes(changed)


def judge(world: World, path: str, answer: httpx.Response, *, spoiled: bool) -> None:
    """Hold an answer against what is right for the version that gave it."""
    status = answer.status_code
    world.seen[str(status)] += 1
    if status == 200:
        told = answer.json()
        if path == "recommend":
            world.decided.update(row["prediction_id"] for row in told["predictions"])
        right = world.right.get(told["model"]["digest"])
        if right is None:
            world.wrong.append("an unknown version answered")
        elif not spoiled:
            for row in told["predictions"]:
                if row["churn_probability"] != right[row["customer_id"]]:
                    world.wrong.append(f"{path}: another probability than its version gives")
    elif status == 503:
        if not answer.headers.get("retry-after"):
            world.wrong.append("503 without retry-after")
    elif status >= 500 or not spoiled:
        world.wrong.append(f"{path}: {status}")


async def change_versions(world: World, seconds: float, until: float) -> None:
    """Point the link at the next version, every fifth of them a bad one."""
    step = 0
    while time.monotonic() + seconds < until:
        await asyncio.sleep(seconds)
        step += 1
        if step % 5 == 3:
            world.point(world.bad[step // 5 % len(world.bad)])
            world.seen["bad versions"] += 1
        else:
            world.point(world.bundles[step % VERSIONS])
            world.seen["promotions"] += 1


async def kill_workers(server: Server, world: World, seconds: float, until: float) -> None:
    """Kill one worker now and then; its supervisor starts another."""
    chance = random.Random(7)  # noqa: S311 - a load, no secret
    while time.monotonic() + seconds < until:
        await asyncio.sleep(seconds)
        workers = workers_of(server)
        if len(workers) > 1:
            chance.choice(workers).kill()
            world.seen["killed workers"] += 1


def workers_of(server: Server) -> list[psutil.Process]:
    children = psutil.Process(server.process.pid).children(recursive=True)
    return [child for child in children if child.is_running() and "--worker-id" in _said(child)]


def _said(process: psutil.Process) -> list[str]:
    try:
        words: list[str] = process.cmdline()
    except psutil.Error:
        return []
    return words


async def weigh(server: Server, world: World, until: float) -> None:
    while time.monotonic() < until:
        for worker in workers_of(server):
            try:
                size = worker.memory_info().rss / 1e6
            except psutil.Error:
                continue
            world.memory.setdefault(worker.pid, []).append(size)
        await asyncio.sleep(1.0)


async def run(server: Server, world: World, *, seconds: float, change: float, kill: float) -> None:
    until = time.monotonic() + seconds
    await asyncio.gather(
        *(ask_on(world, server.url, seed, until) for seed in range(CLIENTS)),
        change_versions(world, change, until),
        kill_workers(server, world, kill, until),
        weigh(server, world, until),
    )


def soak(folder: Path, *, seconds: float, change: float, kill: float) -> dict[str, Any]:
    """Put the service under load and return what was seen.

    Parameters
    ----------
    folder
        For everything that is written.
    seconds
        How long.
    change, kill
        Seconds between two versions, and between two killed workers.
    """
    world = make_world(folder)
    tag = pack(world.bundles[0], name="soak", serving=SERVING)
    url = f"sqlite:///{folder / 'journal.db'}"
    settings = {
        "CHURNKIT_FOLLOW": str(world.link),
        "CHURNKIT_POLL_SECONDS": "0.5",
        "CHURNKIT_WORKERS": "2",
        "CHURNKIT_JOURNAL": url,
        "CHURNKIT_SPOOL": str(folder / "spool"),
    }
    with serve(tag, timeout_seconds=120, settings=settings, log=folder / "log") as server:
        asyncio.run(run(server, world, seconds=seconds, change=change, kill=kill))
        metrics = httpx.get(f"{server.url}/metrics", timeout=30).text
        # What a killed worker left is written by the next that starts.
        time.sleep(2.0)
    with Journal.open(url) as journal:
        written = {row["key"] for row in journal.decisions().to_pylist()}
    lost = _spooled_too(folder, world.decided - written)
    return {
        "seconds": seconds,
        "answers": dict(sorted(world.seen.items())),
        "wrong": dict(Counter(world.wrong)),
        "recommendations": len(world.decided),
        "lost": len(lost),
        "swapped": _count(metrics, "swapped"),
        "refused_versions": _count(metrics, "refused"),
        "growth_mb": _growth(world),
    }


def _spooled_too(folder: Path, missing: set[str]) -> set[str]:
    """Leave out what waits on disk for the next worker: it is not lost."""
    waiting = b"".join(place.read_bytes() for place in (folder / "spool").glob("*.decisions"))
    return {key for key in missing if key.encode() not in waiting}


def _count(metrics: str, outcome: str) -> int:
    name = f'churnkit_reloads_total{{outcome="{outcome}"}}'
    lines = [line for line in metrics.splitlines() if line.startswith(name)]
    return int(float(lines[0].rsplit(" ", 1)[1])) if lines else 0


def _growth(world: World) -> float:
    """Give the most that a worker grew by from the first half of its life to the second."""
    grown = [0.0]
    for sizes in world.memory.values():
        settled = sizes[10:]
        if len(settled) >= 20:
            half = len(settled) // 2
            grown.append(statistics.median(settled[half:]) - statistics.median(settled[:half]))
    return max(grown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--change-seconds", type=float, default=60.0)
    parser.add_argument("--kill-seconds", type=float, default=120.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as aside:
        seen = soak(
            Path(aside),
            seconds=60 * given.minutes,
            change=min(given.change_seconds, 6 * given.minutes),
            kill=min(given.kill_seconds, 20 * given.minutes),
        )
    print(json.dumps(seen, indent=1))
    publish("soak", {**machine("bentoml", "uvicorn"), **seen}, section(seen))
    assert not seen["wrong"], seen["wrong"]
    assert not seen["lost"], seen["lost"]


def section(seen: dict[str, Any]) -> str:
    answers = ", ".join(f"{name}: {count:,}" for name, count in seen["answers"].items())
    return "\n".join(
        [
            "## Under load",
            "",
            (
                f"`python -m benchmarks.soak`: {seen['seconds']:.0f} s, two workers, bodies of which "
                f"a fifth is spoiled. {answers}. Wrong answers: {sum(seen['wrong'].values())}. "
                f"Recommendations answered: {seen['recommendations']:,}, of which lost to the "
                f"journal: {seen['lost']}. A worker grew by {seen['growth_mb']:.1f} MB at most from "
                "the first half of its life to the second."
            ),
        ]
    )


if __name__ == "__main__":
    main()
