"""Run training, serving, scoring and planning on a simulated business."""

from __future__ import annotations

import json
import time
import urllib.request
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from churnkit.batch.jobs.plan import PlanReport, plan
from churnkit.batch.jobs.score import ScoreReport, score
from churnkit.bundle.registry.model_uri import load
from churnkit.bundle.registry.quiet import quiet_mlflow
from churnkit.core.project import STORE_FOLDER, Project
from churnkit.core.result import Result
from churnkit.datasets import simulate
from churnkit.errors import ChurnkitError
from churnkit.pipeline.project_templates import copy_templates, serving_folder, template_folder
from churnkit.pipeline.recipe import load_recipe
from churnkit.pipeline.training.train import TrainingResult, train

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from churnkit.bundle.model import RetentionModel

__all__ = ["DemoResult", "add_accounts", "run_demo"]

_CUSTOMERS = 20_000
_SEED = 0
_TEMPLATES = ["schemas/demo.py", "training/demo.py"]
_MARKER = "demo.json"
_REQUEST_ROWS = 10
_REPLY_SECONDS = 120
_TOP_CUSTOMERS = 10


@dataclass(frozen=True)
class DemoResult(Result):
    """Results of the demo.

    Parameters
    ----------
    folder
        Project folder.
    training
        Result of the training run.
    scores, plan
        Reports of the batch jobs.
    answers
        Predictions of the service for ten customers.
    to_save
        Customers with the largest expected gain: id, probability, action, gain, reason.
    budget
        Maximum total cost of the plan.
    seconds
        Duration of the demo.
    """

    folder: Path
    training: TrainingResult
    scores: ScoreReport
    plan: PlanReport
    answers: list[dict[str, Any]]
    to_save: list[dict[str, Any]]
    budget: float
    seconds: float


def run_demo(
    folder: Path,
    *,
    customers: int = _CUSTOMERS,
    budget: float = 20_000.0,
    progress: Callable[[str], None] = lambda _: None,
) -> DemoResult:
    """Simulate a business, train and serve a model, score customers and plan actions.

    Raises
    ------
    ChurnkitError
        If the folder is not empty and not a demo's, or a step fails.
    """
    from churnkit.server import pack, serve

    start = time.perf_counter()
    project = _create_project(folder)
    progress(f"simulating {customers:,} customers over two years")
    today = project.root / "customers.parquet"
    business = simulate(customers=customers, seed=_SEED)
    for name, raw in _with_reasons(business.tables).items():
        (project.root / "tables").mkdir(exist_ok=True)
        pq.write_table(raw, project.root / "tables" / f"{name}.parquet")
    pq.write_table(add_accounts(business.snapshot(business.end, horizon_days=None)), today)
    progress("training: validation, candidates, calibration, evaluation, gate")
    recipe = load_recipe(project.root / "training" / "demo.py")
    result = train(recipe, project=project, progress=lambda step: progress(f"  {step}"))
    if not (result.promoted or result.unchanged):
        raise ChurnkitError(
            "the demo's model did not pass its gate: delete the folder and run the demo again"
        )
    with quiet_mlflow():
        model = load(f"models:/{recipe.name}@champion", project=project)
    progress("packing the champion into a Bento")
    tag = pack(model, name=recipe.name, serving=serving_folder(project.root))
    progress("starting the prediction service")
    with serve(tag) as service:
        progress(f"requesting predictions of {_REQUEST_ROWS} customers from {service.url}")
        answers = _request_predictions(service.url, model, today)
    progress("scoring the file")
    scores = score(today, project.root / "scores.parquet", model)
    progress(f"planning actions within a budget of {budget:,.0f}")
    planned, plan_report = plan(today, model, output=project.root / "plan.csv", budget=budget)
    return DemoResult(
        folder=project.root,
        training=result,
        scores=scores,
        plan=plan_report,
        answers=answers,
        to_save=_top_customers(planned, model, today),
        budget=budget,
        seconds=time.perf_counter() - start,
    )


def _with_reasons(tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """Add why customers left, by what preceded it: tickets, no onboarding, a small plan."""
    rows = tables["subscriptions"].select(
        ["customer_id", "plan", "seats", "ended_at", "end_reason"]
    )
    tickets: dict[str, list[Any]] = {}
    for row in tables["tickets"].select(["customer_id", "opened_at"]).to_pylist():
        tickets.setdefault(row["customer_id"], []).append(row["opened_at"])
    people = tables["customers"].select(["customer_id", "onboarded"]).to_pylist()
    onboarded = {row["customer_id"]: row["onboarded"] for row in people}

    def reason(row: Mapping[str, Any]) -> str | None:
        if row["end_reason"] != "cancelled":
            return None
        end = row["ended_at"]
        if any(end - timedelta(days=90) <= at < end for at in tickets.get(row["customer_id"], ())):
            return "Support"
        if not onboarded[row["customer_id"]]:
            return "Never got started"
        if row["plan"] == "Starter":
            return "Price"
        return "Switched to a competitor" if row["seats"] % 2 else "No longer needed"

    reasons = pa.array(map(reason, rows.to_pylist()), pa.string())
    subscriptions = tables["subscriptions"].append_column("churn_reason", reasons)
    return {**tables, "subscriptions": subscriptions}


def add_accounts(customers: pa.Table) -> pa.Table:
    """Add the company of each customer, and the group of every second company."""
    numbers = [int(name.lstrip("C")) for name in customers["customer_id"].to_pylist()]
    companies = [number * 7919 % 4_001 for number in numbers]
    groups = [f"Group {number // 8:03d}" if number % 2 else None for number in companies]
    names = pa.array([f"Company {number:04d}" for number in companies])
    place = customers.column_names.index("email") + 1
    grouped = customers.add_column(place, "company_group", pa.array(groups, pa.string()))
    return grouped.add_column(place, "company", names)


def _create_project(folder: Path) -> Project:
    root = folder.resolve()
    marker = root / STORE_FOLDER / _MARKER
    if root.exists() and any(root.iterdir()) and not marker.exists():
        raise ChurnkitError(
            f"{root} is not empty and not a demo project: name another folder with --folder"
        )
    serving = [f"serving/{file.name}" for file in (template_folder() / "serving").iterdir()]
    copy_templates([*_TEMPLATES, *(name for name in serving if "__pycache__" not in name)], root)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps({"made_by": "churnkit demo"}) + "\n")
    return Project(root)


def _request_predictions(url: str, model: RetentionModel, file: Path) -> list[dict[str, Any]]:
    """Send customers to the running service, as an application would."""
    columns = [c.name for c in model.contract.required("predict")]
    rows = pq.read_table(file, columns=columns).slice(0, _REQUEST_ROWS).to_pylist()
    request = urllib.request.Request(  # noqa: S310  (our own service)
        f"{url}/v1/predict",
        data=json.dumps({"customers": rows}).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=_REPLY_SECONDS) as response:  # noqa: S310  (our own service)
            answers: list[dict[str, Any]] = json.load(response)["predictions"]
    except OSError as error:
        raise ChurnkitError(
            f"the demo's service sent no predictions ({type(error).__name__}; limit "
            f"{_REPLY_SECONDS} s): run the demo again when the machine is less busy"
        ) from None
    return answers


def _top_customers(planned: pa.Table, model: RetentionModel, file: Path) -> list[dict[str, Any]]:
    """Return the customers with the largest expected gain and their main reason."""
    entity = model.contract.entity.name
    order = pc.sort_indices(planned, sort_keys=[("expected_gain", "descending")])[:_TOP_CUSTOMERS]
    best = planned.take(order)
    best = best.filter(pc.is_valid(best["action"]))
    table = pq.read_table(file)
    rows = pc.index_in(best[entity], value_set=table[entity])
    explained = model.explain(table.take(rows), top=1).to_pylist()
    return [
        {
            "customer": row[entity],
            "churn_probability": row["churn_probability"],
            "action": row["action"],
            "expected_gain": row["expected_gain"],
            "cost": row["cost"],
            "reason": explanation["reasons"][0]["reason"] if explanation["reasons"] else "",
        }
        for row, explanation in zip(best.to_pylist(), explained, strict=True)
    ]
