"""Train a recipe: data, model, test, gate, bundle, registry."""

from __future__ import annotations

import os
import platform
import tempfile
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit import __version__
from churnkit.bundle.contents import ModelContents
from churnkit.bundle.format.signing import SIGNING_KEY, sign
from churnkit.bundle.model import RetentionModel
from churnkit.bundle.registry.mlflow import CHALLENGER, CHAMPION, Registry
from churnkit.bundle.registry.quiet import quiet_mlflow
from churnkit.core.project import Project, find_project
from churnkit.errors import BundleError, DataError, ModelNotFoundError
from churnkit.evaluation.drift.profile import Profile
from churnkit.pipeline.checks.actions import refuse_unfit_actions
from churnkit.pipeline.model_card.card import build_card
from churnkit.pipeline.model_card.feature_ranges import training_ranges
from churnkit.pipeline.tracking.mlflow_run import Run, record
from churnkit.pipeline.training.dataset import prepare, read_training_table, synthetic_rows
from churnkit.pipeline.training.fit import fit
from churnkit.pipeline.training.initial_bandit import first_ranker
from churnkit.pipeline.training.survival import fit_lifetime
from churnkit.pipeline.training.uplift import fit_experiment

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from churnkit.bundle.format.manifest import Manifest
    from churnkit.bundle.registry.mlflow import Version
    from churnkit.evaluation import Evaluation
    from churnkit.insights.segmentation.kmeans import Clusters
    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.dataset import TrainingData
    from churnkit.pipeline.training.fit import Fitted
    from churnkit.pipeline.training.promotion_gate import GateResult
    from churnkit.pipeline.training.uplift import UpliftArtifact

__all__ = ["TrainingResult", "train"]

_GOLDEN_ROWS = 64
_PACKAGES = ("lightgbm", "numpy", "scikit-learn")


@dataclass(frozen=True)
class TrainingResult:
    """What a training run came to.

    Parameters
    ----------
    name, version
        The registered model.
    digest
        The bundle's digest.
    promoted
        Whether this version is the champion now.
    unchanged
        Whether the champion already was this very bundle, so that nothing was registered.
    gate
        The verdicts; None if unchanged.
    evaluation
        Metrics on the test customers, beside the rule's.
    rule
        The rule that stands as the baseline, in a sentence.
    winner
        Which candidate won.
    run_id
        MLflow's run; None if unchanged.
    warnings
        What a reader should know.
    """

    name: str
    version: str
    digest: str
    promoted: bool
    unchanged: bool
    gate: GateResult | None
    evaluation: Evaluation
    rule: str
    winner: str
    run_id: str | None
    warnings: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-able data."""
        return {
            "name": self.name,
            "version": self.version,
            "digest": self.digest,
            "promoted": self.promoted,
            "unchanged": self.unchanged,
            "gate": None if self.gate is None else self.gate.to_dict(),
            "evaluation": self.evaluation.to_dict(),
            "rule": self.rule,
            "winner": self.winner,
            "run_id": self.run_id,
            "warnings": list(self.warnings),
        }


def train(
    recipe: Recipe,
    *,
    project: Project | None = None,
    replace_champion: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> TrainingResult:
    """Train a recipe's model, test it, and promote it if it passes its gate.

    The model is fitted on the training customers and tested on the held-out ones; the bundle
    that was tested is the bundle that is registered. MLflow keeps the run; the version gets
    the alias ``challenger``, and ``champion`` if it passes.

    Parameters
    ----------
    recipe
        From `load_recipe`.
    project
        Whose store is used; the recipe's own if not given.
    replace_champion
        Whether to promote a model that beats the rule although the champion can no longer
        read the table, or cannot be read itself.
    progress
        Called with a few words before each step.

    Raises
    ------
    DataError
        If the table breaks its contract.
    """
    project = project or find_project(recipe.path.parent if recipe.path else None)
    progress("reading the table")
    table = read_training_table(recipe, project.root)
    progress(f"checking {table.num_rows:,} rows against the contract")
    data = prepare(recipe, table)
    refuse_unfit_actions(recipe, data)
    progress("opening the model registry")
    with quiet_mlflow():
        registry = Registry(project)
    progress(f"fitting on {len(data.train.y):,} customers, testing on {len(data.test.y):,}")
    fitted = fit(recipe, data, store=project.store, progress=progress)
    if recipe.uplift is not None:
        progress("measuring what past treatments did")
    tried = fit_experiment(recipe, data, project.root, fitted)
    progress("writing the model card")
    parts = _parts(recipe, data, fitted, tried)
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside) / "bundle"
        manifest = RetentionModel(parts).save(
            folder, name=recipe.name, lineage=_lineage(recipe, data)
        )
        if SIGNING_KEY in os.environ:
            sign(folder, os.environ[SIGNING_KEY])
        champion, trouble = _champion(registry, recipe.name)
        if champion is not None and champion[0].digest == manifest.digest:
            return _unchanged(fitted, champion[0], manifest)
        progress("holding it against the rule and the champion")
        scored, unreadable = _score_champion(champion, data)
        trouble = trouble or unreadable
        gate = _judge(recipe, data, fitted, scored)
        progress("recording the run and registering the version")
        run_id, version = record(
            Run(recipe, data, fitted, gate, manifest, folder, parts.card), registry
        )
    promoted = gate.passed and (trouble is None or replace_champion)
    # The last two steps: whatever ends the run before them leaves the champion as it was.
    registry.promote(recipe.name, version, CHALLENGER)
    if promoted:
        registry.promote(recipe.name, version, CHAMPION)
    return TrainingResult(
        name=recipe.name,
        version=version,
        digest=manifest.digest,
        promoted=promoted,
        unchanged=False,
        gate=gate,
        evaluation=fitted.evaluation,
        rule=fitted.rule_says,
        winner=fitted.winner,
        run_id=run_id,
        warnings=(
            *data.left_out,
            *data.waived,
            *(() if tried is None else (f"past treatments: {tried.card['verdict']}",)),
            *(() if trouble is None else (trouble,)),
        ),
    )


def _unchanged(fitted: Fitted, champion: Version, manifest: Manifest) -> TrainingResult:
    return TrainingResult(
        name=manifest.name,
        version=champion.version,
        digest=manifest.digest,
        promoted=False,
        unchanged=True,
        gate=None,
        evaluation=fitted.evaluation,
        rule=fitted.rule_says,
        winner=fitted.winner,
        run_id=None,
    )


def _judge(
    recipe: Recipe,
    data: TrainingData,
    fitted: Fitted,
    champion: NDArray[np.float64] | None,
) -> GateResult:
    return recipe.gate.judge(
        data.test.y,
        fitted.probability,
        fitted.rule,
        champion,
        rule=fitted.rule_says,
        sample_weight=data.test.weight,
        seed=recipe.seed,
    )


def _clusters(recipe: Recipe, data: TrainingData) -> Clusters | None:
    """Find groups of behaviour, so that reports and new customers have the same ones."""
    from churnkit.insights.segmentation.kmeans import cluster_rows

    try:
        return cluster_rows(data.contract.features, data.train.X, seed=recipe.seed)
    except DataError:
        return None


def _parts(
    recipe: Recipe, data: TrainingData, fitted: Fitted, tried: UpliftArtifact | None = None
) -> ModelContents:
    golden = synthetic_rows(
        data.test.X,
        rows=_GOLDEN_ROWS,
        seed=recipe.seed,
        categorical=data.contract.categorical_features,
    )
    if len(golden):
        fitted.refuse_disparity(golden)
    lifetime = None
    if recipe.lifetime is not None:
        lifetime = fit_lifetime(recipe.lifetime, data, seed=recipe.seed)
    card = build_card(recipe, data, fitted, lifetime)
    return ModelContents(
        contract=data.contract,
        scorer=fitted.model.scorer_,
        calibration=fitted.model.calibration_,
        catalogue=recipe.catalogue,
        ranker=first_ranker(recipe, data),
        timeline=recipe.timeline,
        card=card if tried is None else {**card, "uplift": tried.card},
        golden=golden if len(golden) else None,
        texts=fitted.texts(),
        ranges=training_ranges(data.train.X, categorical=data.contract.categorical_features),
        hazard=None if lifetime is None else lifetime.scorer,
        profile=Profile.fit(
            data.train.X,
            fitted.probability,
            names=[column.name for column in data.contract.features],
            categorical=data.contract.categorical_features,
        ).to_dict(),
        clusters=_clusters(recipe, data),
        uplift=None if tried is None else tried.actions,
    )


def _lineage(recipe: Recipe, data: TrainingData) -> dict[str, Any]:
    return {
        "churnkit": __version__,
        "contract": data.contract.digest,
        "data": data.digest,
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "seed": recipe.seed,
    }


def _champion(
    registry: Registry, name: str
) -> tuple[tuple[Version, RetentionModel] | None, str | None]:
    try:
        with quiet_mlflow():
            version = registry.version(name, CHAMPION)
    except ModelNotFoundError:
        return None, None
    try:
        with quiet_mlflow():
            return (version, RetentionModel.load(registry.bundle(version))), None
    except (BundleError, ModelNotFoundError) as error:
        return None, _stale(f"the champion, version {version.version}, cannot be read: {error}")


def _score_champion(
    champion: tuple[Version, RetentionModel] | None, data: TrainingData
) -> tuple[NDArray[np.float64] | None, str | None]:
    """Score the test customers with the champion, through its own contract."""
    if champion is None:
        return None, None
    version, model = champion
    try:
        encoded = model.encode(data.test.table)
    except DataError as error:
        return None, _stale(f"the champion, version {version.version}, lacks a column: {error}")
    if not encoded.valid.all():
        refused = int((~encoded.valid).sum())
        return None, _stale(
            f"the champion, version {version.version}, refuses {refused:,} of the test rows"
        )
    return model.probabilities(encoded), None


def _stale(says: str) -> str:
    return f"{says}. The new model is a challenger; promote it with --replace-champion"
