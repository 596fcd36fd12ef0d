"""Log a training run to MLflow: parameters, metrics, contract, plots and bundle."""

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
from churnkit.pipeline.tracking.mlflow_plots import plot_calibration, plot_lift
from churnkit.pipeline.training.dataset import customer_ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.bundle.format.manifest import Manifest
    from churnkit.bundle.registry.mlflow import Registry
    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.dataset import TrainingData
    from churnkit.pipeline.training.fit import Fitted
    from churnkit.pipeline.training.promotion_gate import GateResult

__all__ = ["Run", "log_run"]

# MLflow limits the digest of a dataset to 36 characters, a parameter to 250 in some stores.
_DATASET_DIGEST_LENGTH = 32
_MAX_PARAMETER_LENGTH = 250


@dataclass(frozen=True)
class Run:
    """A training run to log."""

    recipe: Recipe
    data: TrainingData
    fitted: Fitted
    gate: GateResult
    manifest: Manifest
    folder: Path
    card: Mapping[str, Any]


def log_run(run: Run, registry: Registry) -> tuple[str, str]:
    """Log a run and register its bundle."""
    import mlflow

    name = run.recipe.name
    previous_uri = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    with quiet_mlflow():
        mlflow.set_tracking_uri(registry.uri)
        try:
            experiment = _experiment(registry, name)
            with mlflow.start_run(experiment_id=experiment) as active:
                _log_metadata(run)
                _log_plots(run)
                _log_trials(run, experiment)
                _log_members(run, registry)
                version = _log_bundle(run)
        finally:
            mlflow.set_tracking_uri(previous_uri)
        registry.tag_digest(name, version, run.manifest.digest)
    return active.info.run_id, version


def _experiment(registry: Registry, name: str) -> str:
    experiment = registry.client.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    location = None
    if registry.uri.startswith("sqlite:"):
        registry.project.store.mkdir(parents=True, exist_ok=True)
        location = registry.project.artifacts.as_uri()
    return str(registry.client.create_experiment(name, artifact_location=location))


def _log_metadata(run: Run) -> None:
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
            "registered_rows": len(run.data.full.y),
            "test_share": run.recipe.split.test,
            **{
                f"model.{key}": _shorten(value)
                for key, value in run.fitted.tested.get_params().items()
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
    metrics = {}
    for kind, estimates in (
        ("test", run.fitted.evaluation.metrics),
        ("rule", run.fitted.evaluation.baseline or {}),
    ):
        for metric, estimate in estimates.items():
            metrics[f"{kind}.{metric}"] = estimate.value
            metrics[f"{kind}.{metric}.low"] = estimate.low
            metrics[f"{kind}.{metric}.high"] = estimate.high
    mlflow.log_metrics(metrics)
    mlflow.log_dict(run.data.contract.to_dict(), "contract.json")
    mlflow.log_dict(run.gate.to_dict(), "gate.json")
    mlflow.log_dict(run.fitted.evaluation.to_dict(), "evaluation.json")
    mlflow.log_dict(dict(run.card), "card.json")
    mlflow.log_text(render_card(run.card, run.manifest), "card.md")
    candidates = getattr(run.fitted.model, "candidates_", None)
    if candidates is not None:
        mlflow.log_text(candidates.to_frame().to_csv(index=False), "candidates.csv")
    mlflow.log_input(_dataset(run), context="training")


def _shorten(value: Any) -> str:
    text = str(value)
    if len(text) <= _MAX_PARAMETER_LENGTH:
        return text
    return f"{text[: _MAX_PARAMETER_LENGTH - 3]}..."


def _dataset(run: Run) -> Any:
    """Describe the table by names, types, shape and digest, without rows."""
    import mlflow.data
    from mlflow.data.code_dataset_source import CodeDatasetSource

    features = [column.name for column in run.data.contract.features]
    return mlflow.data.from_numpy(
        run.data.full.X,
        source=CodeDatasetSource(tags={"recipe": run.recipe.name, "columns": json.dumps(features)}),
        name=run.recipe.name,
        digest=run.data.digest.removeprefix("sha256:")[:_DATASET_DIGEST_LENGTH],
    )


def _log_members(run: Run, registry: Registry) -> None:
    """Log salted hashes of the table's customers, so that an erasure finds this model."""
    import mlflow

    salt = members_salt(registry.project, create=True)
    assert salt is not None  # noqa: S101  (create=True creates it)
    entity = run.data.contract.entity.name
    customers = customer_ids(run.data.full.table, entity)
    folder, name = MEMBERS_ARTIFACT.split("/")
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / name
        write_members(file, customers, salt)
        mlflow.log_artifact(str(file), folder)


def _log_plots(run: Run) -> None:
    import mlflow

    mlflow.log_figure(plot_calibration(run.card["calibration"]), "plots/calibration.png")
    mlflow.log_figure(plot_lift(run.card["lift"]), "plots/lift.png")


def _log_trials(run: Run, experiment: str) -> None:
    """Log each trial of the hyperparameter search as a nested run."""
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
