"""Compare the endpoint with bare Starlette, FastAPI, BentoML with pandas, and MLflow.

Run ``python -m benchmarks.serve`` (``apt-get install wrk``; the extras ``train`` and ``serve``;
FastAPI comes with MLflow). One worker each, on loopback, one after the other in turns of some
seconds. CPU time is that of the server's processes, without the load generator.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.predict import Customers, pandas_pipeline
from benchmarks.publish import machine, publish
from benchmarks.serve_load import Running, ask, free_port, running
from benchmarks.serve_peers import CONSTANT, MLFLOW, MODEL, mlflow_body, one_body
from churnkit.bundle import ModelContents, RetentionModel
from churnkit.contracts import Contract, feature
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.datasets import simulate
from churnkit.decisions import Action, Catalogue, Effect, Where
from churnkit.models import Calibration, LightGBMTrees

if TYPE_CHECKING:
    from collections.abc import Callable

TURNS = 3
SECONDS = 2
CONNECTIONS = (1, 16)
MANY = 1_000
BARE, DIRECT, BENTO = "bare Starlette, a constant", "churnkit, uvicorn", "churnkit, bentoml serve"
RECOMMEND = "churnkit, uvicorn, recommend"
FASTAPI, PANDAS, SERVED = "FastAPI with pandas", "BentoML with pandas", "mlflow models serve"
ACTIONS = Catalogue(
    (
        Action("call", "A call", 20.0, Effect(0.1, 0.2, 0.3), (Where("seats", ">=", 5),)),
        Action("training", "A training", 60.0, Effect(0.1, 0.25, 0.4)),
        Action("offer", "20% off", 90.0, Effect(0.2, 0.3, 0.4), (Where("plan", "==", "Team"),)),
    )
)


class Valued(Customers):
    """The simulated customers with their revenue as the value at risk."""

    mrr: float = feature(ge=0, also=("value",))


def prepare(folder: Path) -> tuple[Any, Any]:
    """Train one model for all servers and write their files; return booster and rows."""
    import mlflow.sklearn

    table = simulate(customers=20_000, seed=0).snapshot(horizon_days=90)
    contract = Contract.from_schema(Valued)
    X = TableEncoder(contract).encode(table).features
    y = np.asarray(table["churned"].to_numpy(zero_copy_only=False), dtype=np.int8)
    trees = LightGBMTrees(
        rounds=300, num_leaves=31, categorical_features=contract.categorical_features
    ).fit(X, y)
    model = RetentionModel(
        ModelContents(
            contract, trees.scorer_, Calibration.identity(), ACTIONS, golden=X[:64].copy()
        )
    )
    model.save(folder / MODEL, name="benchmark", lineage={})
    frame = table.select(contract.feature_names).to_pandas()
    pipeline = pandas_pipeline(trees, frame, y)
    save: Any = mlflow.sklearn.save_model
    save(pipeline, str(folder / MLFLOW), serialization_format="cloudpickle", pip_requirements=[])
    names = [contract.entity.name, *contract.feature_names]
    rows = table.select(names).slice(0, MANY).to_pylist()
    (folder / "one.json").write_text(one_body(rows[:1]), encoding="utf-8")
    (folder / "many.json").write_text(one_body(rows), encoding="utf-8")
    (folder / "mlflow.json").write_text(mlflow_body(rows[:1]), encoding="utf-8")
    answer = {
        "predictions": [
            {
                "customer_id": rows[0]["customer_id"],
                "prediction_id": "0" * 24 + "-0",
                "churn_probability": model.predict_row(rows[0]),
            }
        ],
        "model": {"name": "benchmark", "version": "0" * 12, "digest": model.digest},
        "warnings": [],
    }
    (folder / CONSTANT).write_text(json.dumps(answer, separators=(",", ":")), encoding="utf-8")
    return trees.booster_, np.ascontiguousarray(X[:MANY])


def uvicorn(factory: str, port: int) -> list[str]:
    quiet = ["--log-level", "warning", "--no-access-log"]
    command = [sys.executable, "-m", "uvicorn", "--factory", f"benchmarks.serve_peers:{factory}"]
    return [*command, "--host", "127.0.0.1", "--port", str(port), *quiet]


def bentoml(service: str, port: int) -> list[str]:
    command = [sys.executable, "-m", "bentoml", "serve", service]
    return [*command, "--host", "127.0.0.1", "--port", str(port)]


def start(stack: contextlib.ExitStack, folder: Path) -> dict[str, Running]:
    """Start all servers."""
    service = str(Path(__file__).parent.parent / "serving" / "service.py")
    commands: dict[str, Callable[[int], list[str]]] = {
        BARE: lambda port: uvicorn("bare", port),
        DIRECT: lambda port: uvicorn("churnkit", port),
        BENTO: lambda port: bentoml(f"{service}:Retention", port),
        FASTAPI: lambda port: uvicorn("fastapi", port),
        PANDAS: lambda port: bentoml("benchmarks.serve_bento:PandasPipeline", port),
        SERVED: lambda port: [
            *(sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"),
            *("-m", str(folder / MLFLOW), "--host", "127.0.0.1", "--port", str(port)),
            *("--workers", "1"),
        ],
    }
    settings = {
        "SERVE_FILES": str(folder),
        "CHURNKIT_MODEL": str(folder / MODEL),
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "OMP_NUM_THREADS": "1",
    }
    servers = {}
    for number, (name, command) in enumerate(commands.items()):
        port = free_port()
        servers[name] = stack.enter_context(
            running(
                command(port),
                port=port,
                path="/invocations" if name == SERVED else "/v1/predict",
                log=folder / f"server-{number}.log",
                settings=settings,
            )
        )
    direct = servers[DIRECT]
    servers[RECOMMEND] = Running(direct.url.replace("predict", "recommend"), direct.process)
    return servers


def measure(servers: dict[str, Running], folder: Path) -> dict[str, Any]:
    """Load each server in turns; return the median of each figure."""
    figures: dict[str, dict[int, list[dict[str, Any]]]] = {
        name: {connections: [] for connections in CONNECTIONS} for name in servers
    }
    for turn in range(TURNS + 1):
        for name, server in servers.items():
            body = folder / ("mlflow.json" if name == SERVED else "one.json")
            for connections in CONNECTIONS:
                # The first turn warms up.
                seconds = SECONDS if turn else 1
                measured = ask(server, body, connections=connections, seconds=seconds)
                if turn:
                    figures[name][connections].append(measured)
    return {
        name: {
            str(connections): {
                figure: statistics.median(turn[figure] for turn in turns) for figure in turns[0]
            }
            for connections, turns in of.items()
        }
        for name, of in figures.items()
    }


def many(server: Running, booster: Any, rows: Any, folder: Path) -> dict[str, float]:
    """Send a thousand customers per body; compare with Booster.predict of the same rows."""
    own, peer = [], []
    for _ in range(TURNS):
        asked = ask(server, folder / "many.json", connections=1, seconds=SECONDS)
        own.append(asked["cpu_microseconds"] / 1e6)
        start = time.process_time()
        for _ in range(10):
            booster.predict(rows, num_threads=1)
        peer.append((time.process_time() - start) / 10)
    return {DIRECT: statistics.median(own), "Booster.predict": statistics.median(peer)}


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        booster, rows = prepare(folder)
        servers = start(stack, folder)
        figures = measure(servers, folder)
        thousand = many(servers[DIRECT], booster, rows, folder)
    results = {
        **machine("bentoml", "uvicorn", "starlette", "fastapi", "mlflow", "lightgbm"),
        "seconds": SECONDS,
        "turns": TURNS,
        "one_row": figures,
        "thousand_rows_cpu_seconds": thousand,
        "against": against(figures, thousand),
    }
    publish("serve", results, section(results))


def against(figures: dict[str, Any], thousand: dict[str, float]) -> dict[str, float]:
    """Return the ratios that have targets, at one connection."""

    def cpu(name: str) -> float:
        return float(figures[name]["1"]["cpu_microseconds"])

    return {
        "uvicorn_to_bare": cpu(DIRECT) / cpu(BARE),
        "bentoml_to_bare": cpu(BENTO) / cpu(BARE),
        "recommend_to_predict": cpu(RECOMMEND) / cpu(DIRECT),
        "mlflow_to_bentoml": cpu(SERVED) / cpu(BENTO),
        "mlflow_to_bentoml_throughput": figures[BENTO]["1"]["requests_a_second"]
        / figures[SERVED]["1"]["requests_a_second"],
        "thousand_rows_to_booster": thousand[DIRECT] / thousand["Booster.predict"],
    }


def section(results: dict[str, Any]) -> str:
    figures, ratio = results["one_row"], results["against"]
    bare = figures[BARE]["1"]["cpu_microseconds"]
    lines = [
        "## Serving",
        "",
        (
            "`python -m benchmarks.serve`: one customer per request, one worker, medians of "
            f"{results['turns']} turns of {results['seconds']} s, on {results['processor']} "
            f"({results['cores']} cores, shared with the load generator). "
            "CPU is that of the server's processes; p99 is measured by wrk."
        ),
        "",
        (
            "| server | CPU per request, us | ratio to bare | requests/s | p50 / p99, us | "
            "at 16 connections: CPU, us | p50 / p99, us |"
        ),
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, of in figures.items():
        one, more = of["1"], of["16"]
        lines.append(
            f"| {name} | {one['cpu_microseconds']:,.0f} | {one['cpu_microseconds'] / bare:.2f} "
            f"| {one['requests_a_second']:,.0f} "
            f"| {one['p50_microseconds']:,.0f} / {one['p99_microseconds']:,.0f} "
            f"| {more['cpu_microseconds']:,.0f} "
            f"| {more['p50_microseconds']:,.0f} / {more['p99_microseconds']:,.0f} |"
        )
    thousand = results["thousand_rows_cpu_seconds"]
    lines += [
        "",
        (
            f"`/v1/recommend` takes {ratio['recommend_to_predict']:.2f} times `/v1/predict`. A body "
            f"of {MANY:,} customers takes {1e3 * thousand[DIRECT]:.1f} ms of CPU, from JSON to "
            f"JSON; Booster.predict of the same rows, encoded before, "
            f"{1e3 * thousand['Booster.predict']:.1f} ms: {ratio['thousand_rows_to_booster']:.2f} "
            f"times. MLflow's server takes {ratio['mlflow_to_bentoml']:.0f} times the CPU of "
            "`bentoml serve` with churnkit."
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
