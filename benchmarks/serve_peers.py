"""Factories of the services that benchmarks.serve compares with churnkit.

Their files are in the folder that ``SERVE_FILES`` names.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

MODEL, MLFLOW, CONSTANT = "model", "mlflow", "constant.json"


def files() -> Path:
    return Path(os.environ["SERVE_FILES"])


def bare() -> Any:
    """Return a Starlette app with a constant reply: the limit of a Python service."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    constant = (files() / CONSTANT).read_bytes()

    async def predict(request: Any) -> Response:
        await request.body()
        return Response(constant, media_type="application/json")

    return Starlette(routes=[Route("/v1/predict", predict, methods=["POST"])])


def churnkit() -> Any:
    """Return churnkit's application without BentoML."""
    import churnkit as library
    from churnkit.server import create_app

    return create_app(library.load(files() / MODEL))


def pandas_answer() -> Any:
    """Return the usual handler: a pandas frame through a scikit-learn pipeline."""
    import mlflow.sklearn
    import pandas as pd

    pipeline = mlflow.sklearn.load_model(str(files() / MLFLOW))

    def answer(customers: list[dict[str, Any]]) -> dict[str, Any]:
        frame = pd.DataFrame(customers)
        names = frame.pop("customer_id")
        probabilities = pipeline.predict_proba(frame)[:, 1]
        rows = zip(names.tolist(), probabilities.tolist(), strict=True)
        return {"predictions": [{"customer_id": n, "churn_probability": p} for n, p in rows]}

    return answer


def fastapi() -> Any:
    """Return a FastAPI app with pandas and a pydantic model of the body."""
    from fastapi import FastAPI
    from pydantic import BaseModel

    answer = pandas_answer()
    app = FastAPI()

    class Body(BaseModel):
        customers: list[dict[str, Any]]

    # FastAPI cannot resolve the name of a local class from a postponed annotation.
    async def predict(body: Any) -> dict[str, Any]:
        return answer(body.customers)  # type: ignore[no-any-return]

    predict.__annotations__["body"] = Body
    app.post("/v1/predict")(predict)
    return app


def one_body(rows: list[dict[str, Any]]) -> str:
    return json.dumps({"customers": rows}, separators=(",", ":"))


def mlflow_body(rows: list[dict[str, Any]]) -> str:
    kept = [{k: v for k, v in row.items() if k != "customer_id"} for row in rows]
    return json.dumps({"dataframe_records": kept}, separators=(",", ":"))
