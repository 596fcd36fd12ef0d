"""What MLflow keeps of a training run: figures, data, contract, plots, and the bundle."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit._extras import DISTRIBUTION
from churnkit.bundle.card_markdown import render_card
from churnkit.bundle.registry.quiet import quiet_mlflow
from churnkit.bundle.training_members import MEMBERS_ARTIFACT, members_salt, write_members
from churnkit.contracts.parsing.scalars import BLANKS, to_text
from churnkit.evaluation import calibration_curve, lift_curve
from churnkit.pipeline.tracking.mlflow_plots import plot_calibration, plot_lift

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.bundle.format.manifest import Manifest
    from churnkit.bundle.registry.mlflow import Registry
    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.dataset import TrainingData
    from churnkit.pipeline.training.fit import Fitted
    from churnkit.pipeline.training.promotion_gate import GateResult

__all__ = ["Run", "record"]

# MLflow allows a dataset's digest 36 characters.
_DATASET_DIGEST_LENGTH = 32


@dataclass(frozen=True)
class Run:
    """A training run that is to be recorded."""

    recipe: Recipe
    data: TrainingData
    fitted: Fitted
    gate: GateResult
    manifest: Manifest
    folder: Path
    card: Mapping[str, Any]


def record(run: Run, registry: Registry) -> tuple[str, str]:
    """Log a run and register its bundle.

    Returns
    -------
    The run's id and the version's number.
    """
    import mlflow

    name = run.recipe.name
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    with quiet_mlflow():
        mlflow.set_tracking_uri(registry.uri)
        try:
            experiment = _experiment(registry, name)
            with mlflow.start_run(experiment_id=experiment) as active:
                _log_facts(run)
                _log_pictures(run)
                _log_trials(run, experiment)
                _log_members(run, registry)
                version = _log_bundle(run)
        finally:
            mlflow.set_tracking_uri(before)
        registry.tag_digest(name, version, run.manifest.digest)
    return active.info.run_id, version


def _experiment(registry: Registry, name: str) -> str:
    found = registry.client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    location = None
    if registry.uri.startswith("sqlite:"):
        registry.project.store.mkdir(parents=True, exist_ok=True)
        location = registry.project.artifacts.as_uri()
    return str(registry.client.create_experiment(name, artifact_location=location))


def _log_facts(run: Run) -> None:
    import mlflow

    lineage = run.manifest.lineage
    mlflow.log_params(
        {
            "recipe": run.recipe.name,
            "schema": run.data.contract.name,
            "seed": run.recipe.seed,
            "winner": run.fitted.winner,
            "train_rows": len(run.data.train.y),
            "test_rows": len(run.data.test.y),
            "test_share": run.recipe.split.test,
            **{
                f"model.{key}": _short(value)
                for key, value in run.fitted.model.get_params().items()
            },
        }
    )
    mlflow.set_tags(
        {
            "churnkit.bundle": run.manifest.digest,
            "churnkit.contract": lineage["contract"],
            "churnkit.data": lineage["data"],
            "churnkit.gate": "passed" if run.gate.passed else "failed",
        }
    )
    figures = {}
    for kind, metrics in (
        ("test", run.fitted.evaluation.metrics),
        ("rule", run.fitted.evaluation.baseline or {}),
    ):
        for metric, figure in metrics.items():
            figures[f"{kind}.{metric}"] = figure.value
            figures[f"{kind}.{metric}.low"] = figure.low
            figures[f"{kind}.{metric}.high"] = figure.high
    mlflow.log_metrics(figures)
    mlflow.log_dict(run.data.contract.to_dict(), "contract.json")
    mlflow.log_dict(run.gate.to_dict(), "gate.json")
    mlflow.log_dict(run.fitted.evaluation.to_dict(), "evaluation.json")
    mlflow.log_dict(dict(run.card), "card.json")
    mlflow.log_text(render_card(run.card, run.manifest), "card.md")
    candidates = getattr(run.fitted.model, "candidates_", None)
    if candidates is not None:
        mlflow.log_text(candidates.to_frame().to_csv(index=False), "candidates.csv")
    mlflow.log_input(_dataset(run), context="training")


def _short(value: Any) -> str:
    """Cut a setting at what every store of MLflow's can hold."""
    text = str(value)
    return text if len(text) <= 250 else f"{text[:247]}..."


def _dataset(run: Run) -> Any:
    """Describe the table to MLflow: names, types, rows and digest; no customer's row."""
    import mlflow.data
    from mlflow.data.code_dataset_source import CodeDatasetSource

    features = [column.name for column in run.data.contract.features]
    return mlflow.data.from_numpy(
        run.data.train.X,
        source=CodeDatasetSource(tags={"recipe": run.recipe.name, "columns": json.dumps(features)}),
        name=run.recipe.name,
        digest=run.data.digest.removeprefix("sha256:")[:_DATASET_DIGEST_LENGTH],
    )


def _log_members(run: Run, registry: Registry) -> None:
    """Keep salted hashes of the table's customers, for whoever asks to be erased."""
    import mlflow

    salt = members_salt(registry.project, make=True)
    assert salt is not None  # noqa: S101  (just made)
    entity = run.data.contract.entity.name
    customers = (
        (to_text(one) or "").strip(BLANKS)
        for part in (run.data.train, run.data.test)
        for one in part.table[entity].to_pylist()
    )
    folder, name = MEMBERS_ARTIFACT.split("/")
    with tempfile.TemporaryDirectory() as aside:
        file = Path(aside) / name
        write_members(file, customers, salt)
        mlflow.log_artifact(str(file), folder)


def _log_pictures(run: Run) -> None:
    import mlflow

    test = run.data.test
    calibration = calibration_curve(test.y, run.fitted.probability, sample_weight=test.weight)
    lift = lift_curve(test.y, run.fitted.probability, sample_weight=test.weight)
    mlflow.log_figure(plot_calibration(calibration), "plots/calibration.png")
    mlflow.log_figure(plot_lift(lift), "plots/lift.png")


def _log_trials(run: Run, experiment: str) -> None:
    """Log each setting that the tuning tried as a run inside this one."""
    import mlflow

    for trial in getattr(run.fitted.model, "trials_", ()):
        title = f"trial {trial.number}"
        with mlflow.start_run(experiment_id=experiment, run_name=title, nested=True):
            mlflow.log_params(trial.settings)
            mlflow.log_metrics({"log_loss": trial.log_loss, "rounds": trial.rounds})


def _log_bundle(run: Run) -> str:
    import mlflow

    code = Path(__file__).parents[2] / "bundle" / "registry" / "pyfunc.py"
    logged = mlflow.pyfunc.log_model(
        name=run.recipe.name,
        python_model=str(code),
        artifacts={"bundle": str(run.folder)},
        pip_requirements=[f"{DISTRIBUTION}=={run.manifest.lineage['churnkit']}"],
        registered_model_name=run.recipe.name,
    )
    return str(logged.registered_model_version)
