"""Compare the endpoint with bare Starlette, FastAPI, BentoML with pandas, and MLflow.

Run ``python -m benchmarks.serve`` (``apt-get install wrk``; the extras ``train`` and ``serve``;
FastAPI comes with MLflow; granian and hypercorn are measured if they are installed). One worker
each, on loopback, one after the other in turns of some seconds. CPU time is that of the server's
processes, without the load generator. A server of another project that does not start is named in
the results and left out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.predict import Customers, pandas_pipeline
from benchmarks.publish import machine, publish
from benchmarks.serve_commands import (
    BARE,
    BENTO,
    DIRECT,
    GRANIAN,
    HYPERCORN,
    RECOMMEND,
    SERVED,
    start,
)
from benchmarks.serve_load import Running, ask, require_wrk
from benchmarks.serve_peers import CONSTANT, MLFLOW, MODEL, mlflow_body, one_body
from churnkit.bundle import ModelContents, RetentionModel
from churnkit.contracts import Contract, feature
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.datasets import simulate
from churnkit.decisions import Action, Catalogue, Effect, Where
from churnkit.models import Calibration, LightGBMTrees

TURNS = 5
SECONDS = 2
CONNECTIONS = (1, 4, 16)
MANY = 1_000
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


def measure(
    servers: dict[str, Running], folder: Path, *, turns: int, seconds: int
) -> dict[str, Any]:
    """Load each server in turns; return the median of each figure."""
    figures: dict[str, dict[int, list[dict[str, Any]]]] = {
        name: {connections: [] for connections in CONNECTIONS} for name in servers
    }
    for turn in range(turns + 1):
        for name, server in servers.items():
            body = folder / ("mlflow.json" if name == SERVED else "one.json")
            for connections in CONNECTIONS:
                # The first turn warms up.
                measured = ask(
                    server, body, connections=connections, seconds=seconds if turn else 1
                )
                if turn:
                    figures[name][connections].append(measured)
    return {
        name: {
            str(connections): {
                figure: statistics.median(turn[figure] for turn in taken) for figure in taken[0]
            }
            for connections, taken in of.items()
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each turn")
    options = parser.parse_args()
    require_wrk()
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        booster, rows = prepare(folder)
        servers, missing = start(stack, folder)
        figures = measure(servers, folder, turns=options.turns, seconds=options.seconds)
        thousand = many(servers[DIRECT], booster, rows, folder)
    results = {
        **machine("bentoml", "uvicorn", "starlette", "fastapi", "mlflow", "lightgbm"),
        "seconds": options.seconds,
        "turns": options.turns,
        "one_row": figures,
        "not_measured": missing,
        "thousand_rows_cpu_seconds": thousand,
        "against": against(figures, thousand),
    }
    print(json.dumps(results["against"], indent=1))
    publish("serve", results, section(results))


def against(figures: dict[str, Any], thousand: dict[str, float]) -> dict[str, float]:
    """Return the ratios that have targets: CPU at one connection, throughput and p99 at four."""

    def cpu(name: str) -> float:
        return float(figures[name]["1"]["cpu_microseconds"])

    def throughput(name: str, connections: str = "4") -> float:
        return float(figures[name][connections]["requests_a_second"])

    at_four = {name: of["4"] for name, of in figures.items()}
    ratios = {
        "uvicorn_to_bare": cpu(DIRECT) / cpu(BARE),
        "bentoml_to_bare": cpu(BENTO) / cpu(BARE),
        "recommend_to_predict": cpu(RECOMMEND) / cpu(DIRECT),
        "uvicorn_to_bare_throughput_at_4": throughput(DIRECT) / throughput(BARE),
        "bentoml_to_bare_throughput_at_4": throughput(BENTO) / throughput(BARE),
        **{
            f"{short}_p99_to_p50_at_4": at_four[name]["p99_microseconds"]
            / at_four[name]["p50_microseconds"]
            for short, name in (("bare", BARE), ("uvicorn", DIRECT), ("bentoml", BENTO))
        },
        # CPU time is less sensitive to what else runs than throughput is.
        "uvicorn_to_bare_cpu_at_4": at_four[DIRECT]["cpu_microseconds"]
        / at_four[BARE]["cpu_microseconds"],
        "bentoml_to_bare_cpu_at_4": at_four[BENTO]["cpu_microseconds"]
        / at_four[BARE]["cpu_microseconds"],
        "thousand_rows_to_booster": thousand[DIRECT] / thousand["Booster.predict"],
    }
    for short, name in (("granian", GRANIAN), ("hypercorn", HYPERCORN)):
        if name in figures:
            ratios[f"{short}_to_uvicorn_throughput_at_4"] = throughput(name) / throughput(DIRECT)
    if SERVED in figures:
        ratios["mlflow_to_bentoml"] = cpu(SERVED) / cpu(BENTO)
        ratios["mlflow_to_bentoml_throughput"] = throughput(BENTO, "1") / throughput(SERVED, "1")
    return ratios


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
            "at 4 connections: requests/s | p50 / p99, us | "
            "at 16 connections: requests/s | p50 / p99, us |"
        ),
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, of in figures.items():
        cpu = of["1"]["cpu_microseconds"]
        loads = " | ".join(
            f"{of[str(connections)]['requests_a_second']:,.0f} "
            f"| {of[str(connections)]['p50_microseconds']:,.0f} / "
            f"{of[str(connections)]['p99_microseconds']:,.0f}"
            for connections in CONNECTIONS
        )
        lines.append(f"| {name} | {cpu:,.0f} | {cpu / bare:.2f} | {loads} |")
    lines += ["", comparison(ratio, results["thousand_rows_cpu_seconds"])]
    if results["not_measured"]:
        lines += ["", f"Not started, and so not measured: {', '.join(results['not_measured'])}."]
    return "\n".join(lines)


def comparison(ratio: dict[str, float], thousand: dict[str, float]) -> str:
    """Put the ratios in sentences."""
    text = (
        f"At 4 connections, churnkit answers {ratio['uvicorn_to_bare_throughput_at_4']:.2f} times "
        f"the requests of bare Starlette under uvicorn, "
        f"{ratio['bentoml_to_bare_throughput_at_4']:.2f} times under `bentoml serve` (CPU per request "
        f"{ratio['uvicorn_to_bare_cpu_at_4']:.2f} and {ratio['bentoml_to_bare_cpu_at_4']:.2f} "
        "times); its p99 is "
        f"{ratio['uvicorn_p99_to_p50_at_4']:.1f} and {ratio['bentoml_p99_to_p50_at_4']:.1f} times "
        f"its p50 (bare Starlette: {ratio['bare_p99_to_p50_at_4']:.1f}). "
        f"`/v1/recommend` takes {ratio['recommend_to_predict']:.2f} times `/v1/predict`. A body "
        f"of {MANY:,} customers takes {1e3 * thousand[DIRECT]:.1f} ms of CPU, from JSON to "
        f"JSON; Booster.predict of the same rows, encoded before, "
        f"{1e3 * thousand['Booster.predict']:.1f} ms: {ratio['thousand_rows_to_booster']:.2f} times."
    )
    others = [
        f"{short} {ratio[f'{short}_to_uvicorn_throughput_at_4']:.2f} times"
        for short in ("granian", "hypercorn")
        if f"{short}_to_uvicorn_throughput_at_4" in ratio
    ]
    if others:
        text += f" Throughput at 4 connections, relative to uvicorn: {', '.join(others)}."
    if "mlflow_to_bentoml" in ratio:
        text += (
            f" MLflow's server takes {ratio['mlflow_to_bentoml']:.0f} times the CPU of "
            "`bentoml serve` with churnkit."
        )
    return text


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
