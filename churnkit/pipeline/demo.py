"""The whole loop on a simulated business, in a folder that stays to play with."""

from __future__ import annotations

import json
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from churnkit.batch.jobs.plan import PlanReport, plan
from churnkit.batch.jobs.score import ScoreReport, score
from churnkit.bundle.model_uri import load
from churnkit.bundle.registry.quiet import quiet_mlflow
from churnkit.core.project import STORE_FOLDER, Project
from churnkit.datasets import simulate
from churnkit.errors import ChurnkitError
from churnkit.pipeline.project_templates import copy_templates, serving_folder, template_folder
from churnkit.pipeline.recipe import load_recipe
from churnkit.pipeline.training.train import TrainingResult, train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from churnkit.bundle.model import RetentionModel

__all__ = ["DemoResult", "run_demo"]

CUSTOMERS = 20_000
SEED = 0
_TEMPLATES = ["schemas/demo.py", "training/demo.py"]
_MARK = "demo.json"
_ASKED = 10
_SAVED = 10


@dataclass(frozen=True)
class DemoResult:
    """What the demo did, for a person to read.

    Parameters
    ----------
    folder
        The project that it made.
    training
        The registered model.
    scores, plan
        What the batch jobs did.
    answers
        What the running service said of ten customers.
    to_save
        The customers whose action is expected to gain most: id, probability, action, gain,
        reason.
    budget
        What the plan may cost.
    seconds
        How long all took.
    """

    folder: Path
    training: TrainingResult
    scores: ScoreReport
    plan: PlanReport
    answers: list[dict[str, Any]]
    to_save: list[dict[str, Any]]
    budget: float
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-able data."""
        return {
            "folder": str(self.folder),
            "training": self.training.to_dict(),
            "scores": self.scores.to_dict(),
            "plan": self.plan.to_dict(),
            "answers": self.answers,
            "to_save": self.to_save,
            "budget": self.budget,
            "seconds": self.seconds,
        }


def run_demo(
    folder: Path,
    *,
    customers: int = CUSTOMERS,
    budget: float = 20_000.0,
    progress: Callable[[str], None] = lambda _: None,
) -> DemoResult:
    """Simulate, train, register, pack, serve, ask, score and plan.

    Parameters
    ----------
    folder
        The project to make. One that an earlier demo made is used again; any other folder
        with something in it is left alone.
    customers
        How many customers the business of today has, at most; the recipe has its own number.
    budget
        What all actions of the plan may cost together.
    progress
        Called with a few words before each step.

    Raises
    ------
    ChurnkitError
        If the folder belongs to something else, or a step is refused.
    """
    from churnkit.server import pack, serve

    start = time.perf_counter()
    project = _make_project(folder)
    progress(f"simulating {customers:,} customers over two years")
    today = project.root / "customers.parquet"
    business = simulate(customers=customers, seed=SEED)
    for name, raw in business.tables.items():
        (project.root / "tables").mkdir(exist_ok=True)
        pq.write_table(raw, project.root / "tables" / f"{name}.parquet")
    pq.write_table(business.snapshot(business.end, horizon_days=None), today)
    progress("training: schema, candidates, calibration, test, gate")
    recipe = load_recipe(project.root / "training" / "demo.py")
    result = train(recipe, project=project, progress=lambda step: progress(f"  {step}"))
    if not (result.promoted or result.unchanged):
        raise ChurnkitError("the demo's model did not pass its gate: remove the folder and retry")
    with quiet_mlflow():
        model = load(f"models:/{recipe.name}@champion", project=project)
    progress("packing the champion into a Bento")
    tag = pack(model, name=recipe.name, serving=serving_folder(project.root))
    progress("starting the prediction service")
    with serve(tag) as service:
        progress(f"asking {service.url} about {_ASKED} customers")
        answers = _ask(service.url, model, today)
    progress("scoring the file")
    scores = score(today, project.root / "scores.parquet", model)
    progress(f"planning actions within a budget of {budget:,.0f}")
    planned, report = plan(today, model, output=project.root / "plan.csv", budget=budget)
    to_save = _to_save(planned, model, today)
    return DemoResult(
        folder=project.root,
        training=result,
        scores=scores,
        plan=report,
        answers=answers,
        to_save=to_save,
        budget=budget,
        seconds=time.perf_counter() - start,
    )


def _make_project(folder: Path) -> Project:
    root = folder.resolve()
    mark = root / STORE_FOLDER / _MARK
    if root.exists() and any(root.iterdir()) and not mark.exists():
        raise ChurnkitError(
            f"{root} is not empty and no demo made it: name another folder with --folder"
        )
    serving = [f"serving/{file.name}" for file in (template_folder() / "serving").iterdir()]
    copy_templates([*_TEMPLATES, *(name for name in serving if "__pycache__" not in name)], root)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(json.dumps({"made_by": "churnkit demo"}) + "\n")
    return Project(root)


def _ask(url: str, model: RetentionModel, file: Path) -> list[dict[str, Any]]:
    """Ask the running service, as an application would."""
    wanted = [c.name for c in model.contract.required("predict")]
    rows = pq.read_table(file, columns=wanted).slice(0, _ASKED).to_pylist()
    request = urllib.request.Request(  # noqa: S310  (our own service)
        f"{url}/v1/predict",
        data=json.dumps({"customers": rows}).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  (our own service)
        answers: list[dict[str, Any]] = json.load(response)["predictions"]
    return answers


def _to_save(planned: pa.Table, model: RetentionModel, file: Path) -> list[dict[str, Any]]:
    """Pick the customers whose action gains most, and say why they are at risk."""
    entity = model.contract.entity.name
    order = pc.sort_indices(planned, sort_keys=[("expected_gain", "descending")])[:_SAVED]
    best = planned.take(order)
    best = best.filter(pc.is_valid(best["action"]))
    table = pq.read_table(file)
    places = pc.index_in(best[entity], value_set=table[entity])
    explained = model.explain(table.take(places), top=1).to_pylist()
    return [
        {
            "customer": row[entity],
            "churn_probability": row["churn_probability"],
            "action": row["action"],
            "expected_gain": row["expected_gain"],
            "cost": row["cost"],
            "reason": why["reasons"][0]["reason"] if why["reasons"] else "",
        }
        for row, why in zip(best.to_pylist(), explained, strict=True)
    ]
