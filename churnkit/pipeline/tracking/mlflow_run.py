"""Log a training run to MLflow: parameters, metrics, datasets, plots, candidates and bundle."""

from __future__ import annotations

import io
import json
import tempfile
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit._extras import DISTRIBUTION
from churnkit.bundle.card_markdown import render_card
from churnkit.bundle.registry.fold_models import FOLD_MODELS_ARTIFACT
from churnkit.bundle.registry.quiet import quiet_mlflow
from churnkit.bundle.training_members import (
    MEMBERS_ARTIFACT,
    SALT_TAG,
    members_salt,
    salt_fingerprint,
    write_members,
)
from churnkit.errors import ChurnkitError
from churnkit.pipeline.tracking import mlflow_plots as plots
from churnkit.pipeline.tracking.git_commit import git_tags
from churnkit.pipeline.tracking.mlflow_model import (
    card_description,
    describe,
    input_example,
    schema_columns,
    signature,
)
from churnkit.pipeline.training.data.dataset import customer_ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.bundle.format.manifest import Manifest
    from churnkit.bundle.registry.mlflow import Registry
    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.data.dataset import Part, TrainingData
    from churnkit.pipeline.training.fit import Fitted
    from churnkit.pipeline.training.promotion_gate import GateResult

__all__ = ["Run", "check_tracking", "log_run"]

# MLflow limits the digest of a dataset to 36 characters, a parameter to 250 in some stores.
_DATASET_DIGEST_LENGTH = 32
# MLflow opens an experiment of this kind with charts and metrics, not with traces.
_KIND = "mlflow.experimentKind"
_CLASSIC_VIEW = (_KIND, "custom_model_development")
_MAX_PARAMETER_LENGTH = 250
# Plots of few colors are small at any level, and the default takes a third of the drawing's time.
_COMPRESSION = {"compress_level": 1}


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
    fold_models: Path


def log_run(run: Run, registry: Registry) -> tuple[str, str]:
    """Log a run and register its bundle."""
    import mlflow

    name = run.recipe.name
    previous_uri = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    # Standard output is for results, and MLflow prints addresses with passwords there.
    with quiet_mlflow(), redirect_stdout(io.StringIO()), registry.mlflow_errors():
        mlflow.set_tracking_uri(registry.uri)
        try:
            experiment = _experiment(registry, name)
            with mlflow.start_run(
                experiment_id=experiment,
                run_name=f"{name} {datetime.now(UTC):%Y-%m-%d %H:%M}",
                tags=_source_tags(run, registry),
                description=card_description(run.card, run.manifest),
            ) as active:
                _log_metadata(run)
                _log_datasets(run, registry, active.info.run_id)
                _log_plots(run)
                _log_candidates(run, registry, experiment, active.info.run_id)
                _log_trials(run, experiment)
                _log_members(run, registry)
                if run.fold_models.exists():
                    mlflow.log_artifacts(str(run.fold_models), FOLD_MODELS_ARTIFACT)
                version = _log_bundle(run)
        finally:
            mlflow.set_tracking_uri(previous_uri)
        registry.tag_digest(name, version, run.manifest.digest)
        describe(registry, name, version, card=run.card, manifest=run.manifest)
    return active.info.run_id, version


def check_tracking(registry: Registry, name: str) -> None:
    """Check that a run can be logged, before a model is fitted for it.

    Raises
    ------
    ChurnkitError
        If the store cannot be reached, or the experiment was deleted.
    """
    if registry.is_missing():
        return
    with quiet_mlflow(), registry.mlflow_errors():
        _find_experiment(registry, name)


def _find_experiment(registry: Registry, name: str) -> Any:
    """Return the experiment of a recipe, or None."""
    experiment = registry.client.get_experiment_by_name(name)
    if experiment is not None and experiment.lifecycle_stage == "deleted":
        raise ChurnkitError(
            f"the experiment '{name}' was deleted in MLflow, which keeps its name: restore it with "
            f"mlflow experiments restore --experiment-id {experiment.experiment_id}"
        )
    return experiment


def _experiment(registry: Registry, name: str) -> str:
    experiment = _find_experiment(registry, name)
    if experiment is not None:
        if _KIND not in (experiment.tags or {}):
            registry.client.set_experiment_tag(experiment.experiment_id, *_CLASSIC_VIEW)
        return str(experiment.experiment_id)
    location = None
    if registry.uri.startswith("sqlite:"):
        registry.project.make_store()
        location = registry.project.artifacts.as_uri()
    return str(
        registry.client.create_experiment(
            name, artifact_location=location, tags=dict([_CLASSIC_VIEW])
        )
    )


def _source_tags(run: Run, registry: Registry) -> dict[str, str]:
    """Return the recipe's file and its git commit."""
    path = run.recipe.path
    folder = registry.project.root if path is None else path.parent
    source = {} if path is None else {"mlflow.source.name": path.name}
    return source | git_tags(folder)


def _log_metadata(run: Run) -> None:
    import mlflow

    lineage = run.manifest.lineage
    mlflow.log_params(
        {
            "recipe": run.recipe.name,
            "schema": run.data.contract.name,
            "seed": run.recipe.seed,
            "winner": run.fitted.winner,
            **run.data.row_counts,
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


def _shorten(value: Any) -> str:
    text = str(value)
    if len(text) <= _MAX_PARAMETER_LENGTH:
        return text
    return f"{text[: _MAX_PARAMETER_LENGTH - 3]}..."


def _log_datasets(run: Run, registry: Registry, run_id: str) -> None:
    """Describe training and test table by columns, types, shape and digest, without rows."""
    from mlflow.entities import DatasetInput, InputTag

    inputs = [
        DatasetInput(_dataset(run, part, suffix), [InputTag("mlflow.data.context", context)])
        for part, suffix, context in (
            (run.data.full, "", "training"),
            (run.data.tested, " test", "testing"),
        )
    ]
    registry.client.log_inputs(run_id, datasets=inputs)


def _dataset(run: Run, part: Part, suffix: str) -> Any:
    from mlflow.entities import Dataset

    columns = schema_columns(run.data.contract)
    profile = {"num_rows": len(part.y), "num_elements": len(part.y) * len(columns)}
    digest = run.data.digest.removeprefix("sha256:")[:_DATASET_DIGEST_LENGTH]
    return Dataset(
        name=f"{run.recipe.name}{suffix}",
        digest=digest,
        source_type="code",
        source=json.dumps({"tags": {"recipe": run.recipe.name}}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps(profile),
    )


def _log_members(run: Run, registry: Registry) -> None:
    """Log salted hashes of the table's customers, so that an erasure finds this model."""
    import mlflow

    salt = members_salt(registry.project, create=True)
    assert salt is not None  # noqa: S101  (create=True creates it)
    entity = run.data.contract.entity.name
    customers = customer_ids(run.data.full.table, entity)
    mlflow.set_tag(SALT_TAG, salt_fingerprint(salt))
    folder, name = MEMBERS_ARTIFACT.split("/")
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / name
        write_members(file, customers, salt)
        mlflow.log_artifact(str(file), folder)


def _log_plots(run: Run) -> None:
    import mlflow

    card, test = run.card, run.data.tested
    orders = {"model": run.fitted.probability, "best single rule": run.fitted.rule}
    figures = {
        "calibration": plots.plot_calibration(card["calibration"]),
        "lift": plots.plot_lift(card["lift"]),
        "roc": plots.plot_roc(test.y, orders, sample_weight=test.weight),
        "precision_recall": plots.plot_precision_recall(test.y, orders, sample_weight=test.weight),
    }
    if "profit" in card:
        figures["profit"] = plots.plot_profit(card["profit"])
    if card.get("drivers"):
        figures["drivers"] = plots.plot_drivers(card["drivers"])
    with tempfile.TemporaryDirectory() as temporary:
        for name, figure in figures.items():
            # `savefig`, which MLflow calls, draws a figure with a layout twice.
            figure.canvas.print_png(Path(temporary) / f"{name}.png", pil_kwargs=_COMPRESSION)
        mlflow.log_artifacts(temporary, "plots")


def _log_candidates(run: Run, registry: Registry, experiment: str, parent: str) -> None:
    """Log each candidate of the comparison as a nested run."""
    from mlflow.entities import Metric, Param

    client, winner = registry.client, run.fitted.winner
    candidates = getattr(run.fitted.model, "candidates_", None)
    for result in () if candidates is None else candidates.results:
        child = client.create_run(
            experiment,
            run_name=f"candidate {result.candidate}",
            tags={
                "mlflow.parentRunId": parent,
                "churnkit.winner": str(result.candidate == winner).lower(),
            },
        ).info.run_id
        now = int(time.time() * 1000)
        metrics = {
            "log_loss": result.log_loss,
            "log_loss.standard_error": result.spread,
            "weight": result.weight,
            "cpu_seconds": result.cpu_seconds,
        }
        client.log_batch(
            child,
            metrics=[Metric(name, float(value), now, 0) for name, value in metrics.items()],
            params=[
                Param("candidate", result.candidate),
                Param("calibration", result.calibration),
            ],
        )
        client.set_terminated(child)


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
    contract = run.data.contract
    logged = mlflow.pyfunc.log_model(
        name=run.recipe.name,
        signature=signature(contract),
        input_example=input_example(contract),
        python_model=str(code),
        artifacts={"bundle": str(run.folder)},
        pip_requirements=[f"{DISTRIBUTION}=={run.manifest.lineage['churnkit']}"],
        registered_model_name=run.recipe.name,
    )
    return str(logged.registered_model_version)
