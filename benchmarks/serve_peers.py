"""The services that benchmarks.serve holds churnkit against; each is started by its factory.

They find what they serve in the folder that ``SERVE_FILES`` names.
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
    """Starlette that reads the body and answers a constant: the limit of a Python service."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    constant = (files() / CONSTANT).read_bytes()

    async def predict(request: Any) -> Response:
        await request.body()
        return Response(constant, media_type="application/json")

    return Starlette(routes=[Route("/v1/predict", predict, methods=["POST"])])


def churnkit() -> Any:
    """Run churnkit's own application, without BentoML around it."""
    import churnkit as library
    from churnkit.server import create_app

    return create_app(library.load(files() / MODEL))


def pandas_answer() -> Any:
    """Answer as most teams do: a frame of the customers, through a scikit-learn pipeline."""
    import mlflow.sklearn
    import pandas as pd

    pipeline = mlflow.sklearn.load_model(str(files() / MLFLOW))

    def answer(customers: list[dict[str, Any]]) -> dict[str, Any]:
        frame = pd.DataFrame(customers)
        names = frame.pop("customer_id")
        found = pipeline.predict_proba(frame)[:, 1]
        rows = zip(names.tolist(), found.tolist(), strict=True)
        return {"predictions": [{"customer_id": n, "churn_probability": p} for n, p in rows]}

    return answer


def fastapi() -> Any:
    """FastAPI with pandas, its body declared as a pydantic model."""
    from fastapi import FastAPI
    from pydantic import BaseModel

    answer = pandas_answer()
    app = FastAPI()

    class Body(BaseModel):
        customers: list[dict[str, Any]]

    # Its annotation is a name of this function, which FastAPI could not look up as text.
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
