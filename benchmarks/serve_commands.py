"""Commands of the servers that benchmarks.serve compares, and their start."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.serve_load import Running, free_port, running
from benchmarks.serve_peers import MLFLOW, MODEL

if TYPE_CHECKING:
    import contextlib

BARE, DIRECT, BENTO = "bare Starlette, a constant", "churnkit, uvicorn", "churnkit, bentoml serve"
RECOMMEND = "churnkit, uvicorn, recommend"
GRANIAN, HYPERCORN = "churnkit, granian", "churnkit, hypercorn"
FASTAPI, PANDAS, SERVED = "FastAPI with pandas", "BentoML with pandas", "mlflow models serve"
REQUIRED = {BARE, DIRECT, BENTO}
PEERS = "benchmarks.serve_peers"
LIMITED = "churnkit.server.http.head_limits:LimitedProtocol"
SERVICE = Path(__file__).parent.parent / "serving" / "service.py"


def start(stack: contextlib.ExitStack, folder: Path) -> tuple[dict[str, Running], dict[str, str]]:
    """Start the servers one by one.

    Returns
    -------
    dict
        The running servers by name.
    dict
        Servers of other projects that did not start, with the reason.
    """
    settings = {
        "SERVE_FILES": str(folder),
        "CHURNKIT_MODEL": str(folder / MODEL),
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "OMP_NUM_THREADS": "1",
    }
    servers: dict[str, Running] = {}
    missing: dict[str, str] = {}
    for number, name in enumerate(commands(folder, 0)):
        port = free_port()
        server = running(
            commands(folder, port)[name],
            port=port,
            path="/invocations" if name == SERVED else "/v1/predict",
            log=folder / f"server-{number}.log",
            settings=settings,
        )
        try:
            servers[name] = stack.enter_context(server)
        except RuntimeError as error:
            if name in REQUIRED:
                raise
            missing[name] = str(error)
            print(f"{name} is not measured: {error}", file=sys.stderr)
    direct = servers[DIRECT]
    servers[RECOMMEND] = Running(direct.url.replace("predict", "recommend"), direct.process)
    return servers, missing


def commands(folder: Path, port: int) -> dict[str, list[str]]:
    """Return the command of each server; other ASGI servers where they are installed."""
    module = [sys.executable, "-m"]
    address = ["--host", "127.0.0.1", "--port", str(port)]

    def uvicorn(factory: str) -> list[str]:
        quiet = ["--log-level", "warning", "--no-access-log"]
        return [*module, "uvicorn", "--factory", f"{PEERS}:{factory}", *address, *quiet]

    found = {
        BARE: uvicorn("bare"),
        DIRECT: [*uvicorn("churnkit"), "--http", LIMITED],
        BENTO: [*module, "bentoml", "serve", f"{SERVICE}:Retention", *address],
        GRANIAN: [
            *(*module, "granian", "--interface", "asgi", "--factory", "--no-ws"),
            *("--workers", "1", "--log-level", "warning", *address, f"{PEERS}:churnkit"),
        ],
        HYPERCORN: [
            *(*module, "hypercorn", "--worker-class", "uvloop", "--log-level", "WARNING"),
            *("--bind", f"127.0.0.1:{port}", f"{PEERS}:churnkit()"),
        ],
        FASTAPI: uvicorn("fastapi"),
        PANDAS: [*module, "bentoml", "serve", "benchmarks.serve_bento:PandasPipeline", *address],
        SERVED: [
            *(*module, "mlflow", "models", "serve", "--env-manager", "local"),
            *("-m", str(folder / MLFLOW), "--workers", "1", *address),
        ],
    }
    optional = {GRANIAN: "granian", HYPERCORN: "hypercorn"}
    return {
        name: command
        for name, command in found.items()
        if name not in optional or importlib.util.find_spec(optional[name]) is not None
    }
