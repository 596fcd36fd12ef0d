"""Modules of churnkit that one request with one customer enters.

Run ``python -m benchmarks.row_path [BUNDLE]``; without a bundle a small model is trained on
simulated customers. Each route is asked twice, so that caches are warm, and counted the second
time with ``sys.setprofile``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import churnkit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from churnkit.bundle import RetentionModel
    from churnkit.server import App

__all__ = ["RowPath", "trace_request"]

PACKAGE = Path(churnkit.__file__).parent


class RowPath:
    """The modules of churnkit that a traced call enters, and the hops between them.

    Parameters
    ----------
    modules
        Names below ``churnkit``, in the order of their first call.
    hops
        How many calls go from a module of churnkit to another one.
    """

    def __init__(self) -> None:
        self.modules: list[str] = []
        self.hops = 0
        self._stack: list[str | None] = [None]

    def trace(self, frame: FrameType, event: str, _argument: Any) -> None:
        """Follow one event of ``sys.setprofile``."""
        if event == "call":
            module = _module(frame.f_code.co_filename)
            if module is not None:
                if module not in self.modules:
                    self.modules.append(module)
                caller = next((m for m in reversed(self._stack) if m is not None), None)
                self.hops += caller is not None and caller != module
            self._stack.append(module)
        elif event == "return" and len(self._stack) > 1:
            self._stack.pop()


def _module(file: str) -> str | None:
    path = Path(file)
    if not path.is_relative_to(PACKAGE):
        return None
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def trace_request(app: App, path: str, body: Mapping[str, Any]) -> RowPath:
    """Send a request to an application in this process and trace the second answer.

    Parameters
    ----------
    app
        From `churnkit.server.create_app`.
    path
        The route, such as ``/v1/predict``.
    body
        The JSON body.

    Returns
    -------
    RowPath

    Raises
    ------
    RuntimeError
        If the answer's status is not 200.
    """
    content = json.dumps(body).encode()
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "root_path": "",
        "client": ("127.0.0.1", 50_000),
        "headers": [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(content)),
        ],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    statuses: list[int] = []

    async def send(message: Any) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    async def answer() -> RowPath:
        await app(scope, receive, send)
        traced = RowPath()
        sys.setprofile(traced.trace)
        try:
            await app(scope, receive, send)
        finally:
            sys.setprofile(None)
        return traced

    traced = asyncio.run(answer())
    if statuses != [200, 200]:
        raise RuntimeError(f"{path} answered {statuses}")
    return traced


def simulated_model() -> RetentionModel:
    """Train a blend of trees and logistic regression on simulated customers, with three actions."""
    import numpy as np

    from benchmarks.serve import ACTIONS, Valued
    from churnkit.bundle import ModelContents, RetentionModel
    from churnkit.contracts import Contract
    from churnkit.contracts.encoding.table_encoder import TableEncoder
    from churnkit.datasets import simulate
    from churnkit.models import Calibration, LightGBMTrees, LogisticModel
    from churnkit.models.scorers.ensemble import EnsembleScorer

    table = simulate(customers=2_000, seed=0).snapshot(horizon_days=90)
    contract = Contract.from_schema(Valued)
    X = TableEncoder(contract).encode(table).features
    y = np.asarray(table["churned"].to_numpy(zero_copy_only=False), dtype=np.int8)
    categories = contract.categorical_features
    trees = LightGBMTrees(rounds=30, num_leaves=15, categorical_features=categories).fit(X, y)
    linear = LogisticModel(categorical_features=categories).fit(X, y)
    blend = EnsembleScorer([linear.scorer_, trees.scorer_], [0.5, 0.5])
    return RetentionModel(ModelContents(contract, blend, Calibration.identity(), ACTIONS))


def ordinary_customer(model: RetentionModel) -> dict[str, Any]:
    """Return a made-up customer whose numbers are within the training ranges."""
    from churnkit.server.openapi.example_row import example_row

    row = example_row(model.contract, "recommend")
    scored = None if row is None else model.score_row(row, "recommend")
    if row is None or scored is None:
        raise RuntimeError("no example customer can be made from the contract")
    for position in model.unusual_features(scored.values):
        low, high = model.contents.ranges[position]  # type: ignore[index]
        column = model.contract.features[position]
        middle = float(low + high) / 2
        row[column.name] = round(middle) if column.type == "integer" else middle
    return row


def trace_routes(model: RetentionModel) -> dict[str, RowPath]:
    """Trace ``/v1/predict`` and ``/v1/recommend`` for one ordinary customer.

    Parameters
    ----------
    model
        With a catalogue of actions.

    Returns
    -------
    dict of RowPath
        By path.
    """
    from churnkit.server import create_app

    app, customer = create_app(model), ordinary_customer(model)
    needed = {column.name for column in model.contract.required("predict")}
    rows = {
        "/v1/predict": {name: value for name, value in customer.items() if name in needed},
        "/v1/recommend": customer,
    }
    return {path: trace_request(app, path, {"customers": [row]}) for path, row in rows.items()}


def main(arguments: list[str]) -> None:
    from churnkit.bundle import RetentionModel

    model = RetentionModel.load(arguments[0]) if arguments else simulated_model()
    for path, traced in trace_routes(model).items():
        print(f"{path}: {len(traced.modules)} modules, {traced.hops} hops")
        print("  " + "\n  ".join(traced.modules))


if __name__ == "__main__":
    main(sys.argv[1:])
