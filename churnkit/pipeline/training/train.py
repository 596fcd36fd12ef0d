"""Train a recipe: read, fit, evaluate, compare, save and register."""

from __future__ import annotations

import os
import platform
import tempfile
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit import __version__
from churnkit.bundle.contents import ModelContents
from churnkit.bundle.diff import new_requirements
from churnkit.bundle.format.signing import SIGNING_KEY, sign
from churnkit.bundle.model import RetentionModel
from churnkit.bundle.parts.evaluation import EvaluationModel
from churnkit.bundle.parts.ranker import Ranker
from churnkit.bundle.registry.fold_models import FOLD_MODELS_ARTIFACT, write_fold_models
from churnkit.bundle.registry.mlflow import CHALLENGER, CHAMPION, Registry
from churnkit.bundle.registry.quiet import quiet_mlflow
from churnkit.core.io.locations import parse_location
from churnkit.core.project import Project, find_project
from churnkit.core.result import Result
from churnkit.errors import DataError
from churnkit.evaluation.drift.profile import Profile
from churnkit.models.calibration.venn_abers import VennAbers
from churnkit.pipeline.checks.actions import refuse_invalid_actions
from churnkit.pipeline.checks.draft import refuse_open_questions
from churnkit.pipeline.checks.export_date import describe_later_dates
from churnkit.pipeline.model_card.card import build_card
from churnkit.pipeline.model_card.feature_ranges import training_ranges
from churnkit.pipeline.tracking.mlflow_run import Run, check_tracking, log_run
from churnkit.pipeline.training.actions_gate import judge_actions
from churnkit.pipeline.training.champion import load_champion, score_champion
from churnkit.pipeline.training.competing_risks import check_actions_of_causes, fit_causes
from churnkit.pipeline.training.data.dask_table import open_for_workers, prepare_on_workers
from churnkit.pipeline.training.data.dataset import prepare, read_training_table, synthetic_rows
from churnkit.pipeline.training.data.holdout_folds import is_tested_forward
from churnkit.pipeline.training.fit import fit
from churnkit.pipeline.training.survival import fit_lifetime
from churnkit.pipeline.training.uplift import fit_experiment

if TYPE_CHECKING:
    from collections.abc import Callable

    from churnkit.bundle.format.manifest import Manifest
    from churnkit.evaluation import Evaluation
    from churnkit.insights.segmentation.kmeans import Clusters
    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.data.dataset import TrainingData
    from churnkit.pipeline.training.fit import Fitted
    from churnkit.pipeline.training.promotion_gate import GateResult
    from churnkit.pipeline.training.uplift import UpliftArtifact

__all__ = ["TrainingResult", "train"]

_GOLDEN_ROWS = 64
_PACKAGES = ("lightgbm", "numpy", "scikit-learn")


@dataclass(frozen=True)
class TrainingResult(Result):
    """Result of a training run.

    Parameters
    ----------
    name, version
        Registered model.
    digest
        Digest of the bundle.
    promoted
        True if this version became the champion.
    unchanged
        True if the champion is the same bundle, so that nothing was registered.
    gate
        Verdict of the promotion gate; None if unchanged.
    evaluation
        Metrics of the model and the baseline rule on the test customers.
    rule
        Description of the baseline rule.
    winner
        Name of the selected candidate.
    run_id
        Run in MLflow; None if unchanged.
    warnings
        Rows left out, waived findings, and problems with the champion, one sentence each.
    test_customers
        Number of test customers, who may have several rows each.
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
    test_customers: int = 0


def train(
    recipe: Recipe,
    *,
    project: Project | None = None,
    replace_champion: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> TrainingResult:
    """Train a recipe's model, evaluate it, and promote it if it passes its gate.

    The registered model is fitted on all customers. It is evaluated by models that are each fitted
    without the customers that they are tested on, one for each fold of customers, so that all are
    tested; with a timeline, on earlier dates. Large tables have one such model. The bundle also
    holds the first of them, which later versions are compared with. The run is logged to MLflow;
    the version gets the alias ``challenger``, and ``champion`` if it passes.

    Parameters
    ----------
    recipe
        From `load_recipe`.
    project
        Project with the model store. Default: the recipe's project.
    replace_champion
        Promote a model that beats the baseline rule although the champion cannot score the
        table, or cannot be loaded.
    progress
        Called with a description before each step.

    Returns
    -------
    TrainingResult
        The registered version with its evaluation.

    Raises
    ------
    DataError
        If the table violates its contract.
    """
    refuse_open_questions(recipe)
    project = project or find_project(recipe.path.parent if recipe.path else None)
    data = _prepare(recipe, project.root, progress)
    refuse_invalid_actions(recipe, data.contract)
    check_actions_of_causes(recipe, data)
    progress("opening the model registry")
    with quiet_mlflow():
        registry = Registry(project)
    check_tracking(registry, recipe.name)
    progress(
        f"fitting on {data.full.customer_count:,} customers, testing on "
        f"{data.tested.customer_count:,}"
    )
    fitted = fit(recipe, data, store=project.store, progress=progress)
    if recipe.uplift is not None:
        progress("estimating effects of past treatments")
    uplift = fit_experiment(recipe, data, project.root, fitted)
    progress("writing the model card")
    parts = _bundle_parts(recipe, data, fitted, uplift)
    with tempfile.TemporaryDirectory() as temporary:
        folder, fold_models = Path(temporary) / "bundle", Path(temporary) / FOLD_MODELS_ARTIFACT
        lineage = _lineage(recipe, data)
        if data.folds is not None:
            lineage["fold_models"] = write_fold_models(
                fold_models, fitted.by_fold(data), name=recipe.name, golden=parts.golden
            )
        manifest = RetentionModel(parts).save(folder, name=recipe.name, lineage=lineage)
        if SIGNING_KEY in os.environ:
            sign(folder, os.environ[SIGNING_KEY])
        champion, problem = load_champion(registry, recipe.name)
        if champion is not None and champion.version.digest == manifest.digest:
            return _result(data, fitted, manifest, champion.version.version, unchanged=True)
        progress("comparing with the baseline rule and the champion")
        scores, score_problem = score_champion(champion, data)
        problem = problem or score_problem
        gate = recipe.gate.judge(
            data.tested.y,
            fitted.probability,
            fitted.rule,
            scores,
            rule=fitted.rule_says,
            sample_weight=data.tested.weight,
            customers=data.tested.customers,
            seed=recipe.seed,
            cross_fitted=data.folds is not None,
            is_forward=is_tested_forward(recipe),
            actions=judge_actions(
                parts, None if champion is None else champion.model, data.tested.table
            ),
        )
        progress("logging the run and registering the version")
        run_id, version = log_run(
            Run(recipe, data, fitted, gate, manifest, folder, parts.card, fold_models), registry
        )
    promoted = gate.passed and (problem is None or replace_champion)
    # Last, so that a run that fails earlier leaves the champion as it was.
    registry.promote(recipe.name, version, CHALLENGER)
    if promoted:
        registry.promote(recipe.name, version, CHAMPION)
    return _result(
        data,
        fitted,
        manifest,
        version,
        promoted=promoted,
        gate=gate,
        run_id=run_id,
        warnings=(
            *data.left_out,
            *data.waived,
            *describe_later_dates(data.contract, data.full.X),
            *(() if uplift is None else (f"past treatments: {uplift.card['verdict']}",)),
            *(() if problem is None else (problem,)),
            *(() if champion is None else _restart_note(data, champion.model)),
        ),
    )


def _prepare(recipe: Recipe, root: Path, progress: Callable[[str], None]) -> TrainingData:
    """Read and prepare the table in this process, or on the workers of a cluster."""
    source = open_for_workers(recipe, root)
    if source is not None:
        progress(f"reading {len(source.files)} files with {source.rows:,} rows on the cluster")
        return prepare_on_workers(recipe, source)
    progress("reading the table")
    table = read_training_table(recipe, root)
    progress(f"validating {table.num_rows:,} rows")
    return prepare(recipe, table)


def _result(
    data: TrainingData,
    fitted: Fitted,
    manifest: Manifest,
    version: str,
    *,
    promoted: bool = False,
    unchanged: bool = False,
    gate: GateResult | None = None,
    run_id: str | None = None,
    warnings: tuple[str, ...] = (),
) -> TrainingResult:
    return TrainingResult(
        name=manifest.name,
        version=version,
        digest=manifest.digest,
        promoted=promoted,
        unchanged=unchanged,
        gate=gate,
        evaluation=fitted.evaluation,
        rule=fitted.rule_says,
        winner=fitted.winner,
        run_id=run_id,
        warnings=warnings,
        test_customers=data.tested.customer_count,
    )


def _bundle_parts(
    recipe: Recipe, data: TrainingData, fitted: Fitted, uplift: UpliftArtifact | None = None
) -> ModelContents:
    golden = synthetic_rows(
        data.full.X,
        rows=_GOLDEN_ROWS,
        seed=recipe.seed,
        categorical=data.contract.categorical_features,
    )
    if not len(golden):
        # Every mixture is a customer's row: the row of missing values is nobody's.
        golden = np.full((1, data.full.X.shape[1]), np.nan)
    fitted.refuse_disparity(golden)
    lifetime = None
    if recipe.lifetime is not None:
        lifetime = fit_lifetime(recipe.lifetime, data, seed=recipe.seed)
    causes = fit_causes(recipe, data, fitted)
    effects = None if uplift is None else uplift.actions
    card = build_card(recipe, data, fitted, lifetime, effects, causes=causes)
    return ModelContents(
        contract=data.contract,
        scorer=fitted.model.scorer_,
        calibration=fitted.model.calibration_,
        catalogue=recipe.catalogue,
        ranker=_initial_ranker(recipe, data),
        timeline=recipe.timeline,
        card=card if uplift is None else {**card, "uplift": uplift.card},
        golden=golden,
        texts=fitted.texts(),
        ranges=training_ranges(data.full.X, categorical=data.contract.categorical_features),
        hazard=None if lifetime is None else lifetime.scorer,
        profile=Profile.fit(
            data.full.X,
            fitted.probability,
            names=[column.name for column in data.contract.features],
            categorical=data.contract.categorical_features,
        ).to_dict(),
        clusters=_clusters(recipe, data),
        uplift=effects,
        evaluation=EvaluationModel(fitted.tested.scorer_, fitted.tested.calibration_),
        intervals=VennAbers.fit(
            fitted.probability, data.tested.y, sample_weight=data.tested.weight
        ),
        causes=None if causes is None else causes.scorer,
    )


def _clusters(recipe: Recipe, data: TrainingData) -> Clusters | None:
    """Cluster the customers, so that reports and new customers share the segments."""
    from churnkit.insights.segmentation.kmeans import fit_clusters

    try:
        return fit_clusters(data.contract.features, data.full.X, seed=recipe.seed)
    except DataError:
        return None


def _initial_ranker(recipe: Recipe, data: TrainingData) -> Ranker | None:
    """Return a ranker with the columns' scales and no observations; None without a ranking."""
    if recipe.ranking is None:
        return None
    from churnkit.decisions.ranking.compiled import compile_ranking
    from churnkit.models import LinearBandit

    compiled = compile_ranking(recipe.ranking, data.contract.encoded("recommend"))
    bandit = LinearBandit.new(
        customer_features=len(compiled.indices),
        option_features=compiled.option_features.shape[1],
        categories=compiled.categories,
        half_life=recipe.ranking.half_life,
        seed=recipe.seed,
    )
    # The bandit reads features only, which come first in every encoded row.
    rows = data.full.X[:, list(compiled.indices)]
    return Ranker(recipe.ranking, bandit.fit_scale(rows, compiled.option_features))


def _lineage(recipe: Recipe, data: TrainingData) -> dict[str, Any]:
    sheet = None if callable(recipe.data) else parse_location(recipe.data).part
    return {
        "churnkit": __version__,
        "contract": data.contract.digest,
        "data": data.digest,
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "seed": recipe.seed,
        # Marks the customers of a table that the tested model was fitted without.
        "split": {"salt": recipe.split.salt, "test": recipe.split.test},
        **({"sheet": sheet} if sheet else {}),
    }


def _restart_note(data: TrainingData, champion: RetentionModel) -> tuple[str, ...]:
    """Return a warning if running services cannot replace the champion by this model."""
    recommends = champion.contents.rules is not None
    columns = new_requirements(data.contract, champion.contract, recommends=recommends)
    if not columns:
        return ()
    names = ", ".join(columns[:5])
    note = (
        f"clients must send {names}, which the champion does not require: running services refuse"
    )
    return (f"{note} this version until they are restarted",)
