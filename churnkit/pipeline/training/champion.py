"""Load the running champion, and score the rows of a verdict by what has not seen them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from churnkit.bundle.model import RetentionModel
from churnkit.bundle.registry.fold_models import FOLD_MODELS_ARTIFACT, read_fold_models
from churnkit.bundle.registry.mlflow import CHAMPION
from churnkit.bundle.registry.quiet import quiet_mlflow
from churnkit.errors import BundleError, DataError, ModelNotFoundError
from churnkit.pipeline.training.data.dataset import customer_ids
from churnkit.pipeline.training.data.holdout_split import Split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from churnkit.bundle.parts.evaluation import EvaluationModel
    from churnkit.bundle.registry.mlflow import Registry, Version
    from churnkit.pipeline.training.data.dataset import TrainingData

__all__ = ["Champion", "load_champion", "score_champion"]


@dataclass(frozen=True)
class Champion:
    """The registered champion of a model's name.

    Parameters
    ----------
    version
        Its registered version.
    model
        Its bundle.
    fold_models
        Its models by the test fold that each was fitted without; empty if one fold was held out,
        or they cannot be read.
    """

    version: Version
    model: RetentionModel
    fold_models: Mapping[int, EvaluationModel] = field(default_factory=dict)


def load_champion(registry: Registry, name: str) -> tuple[Champion | None, str | None]:
    """Return the champion, and why it cannot be loaded; neither if there is none."""
    try:
        with quiet_mlflow():
            version = registry.version(name, CHAMPION)
    except ModelNotFoundError:
        return None, None
    try:
        with quiet_mlflow():
            model = RetentionModel.load(registry.bundle(version))
            return Champion(version, model, _load_fold_models(registry, version, model)), None
    except (BundleError, ModelNotFoundError) as error:
        return None, _challenger_note(
            f"champion version {version.version} cannot be loaded: {error}"
        )


def _load_fold_models(
    registry: Registry, version: Version, model: RetentionModel
) -> dict[int, EvaluationModel]:
    digest = {} if model.manifest is None else model.manifest.lineage.get("fold_models")
    if not isinstance(digest, str):
        return {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = registry.artifact(version, FOLD_MODELS_ARTIFACT, folder=Path(temporary))
        if folder is None:
            return {}
        try:
            return read_fold_models(
                folder,
                digest=digest,
                features=len(model.contract.features),
                golden=model.contents.golden,
            )
        except BundleError:
            # The bundle itself has the model of the first fold.
            return {}


def score_champion(
    champion: Champion | None, data: TrainingData
) -> tuple[NDArray[np.float64] | None, str | None]:
    """Score the tested rows with the champion's contract and its models without the customer.

    Returns
    -------
    scores
        Shape (n,); NaN for customers that no model of the champion left out. None if there is
        no champion, or it cannot score the table.
    problem
        Why it cannot.
    """
    if champion is None:
        return None, None
    model, number = champion.model, champion.version.version
    is_crossed = data.folds is not None
    table = data.tested.table if champion.fold_models or not is_crossed else data.test.table
    try:
        encoded = model.encode(table)
    except DataError as error:
        return None, _challenger_note(f"champion version {number} lacks a column: {error}")
    if not encoded.valid.all():
        invalid = int((~encoded.valid).sum())
        return None, _challenger_note(
            f"champion version {number} refuses {invalid:,} of the test rows"
        )
    if champion.fold_models and is_crossed:
        return _score_by_fold(champion, encoded.features, _champion_folds(champion, data)), None
    scores = model.tested().probabilities(encoded)
    if data.folds is None:
        return scores, None
    unseen = np.full(len(data.folds), np.nan)
    unseen[data.folds == 0] = scores
    return unseen, None


def _champion_folds(champion: Champion, data: TrainingData) -> NDArray[np.intp]:
    """Return the fold of each customer in the champion's own split."""
    manifest = champion.model.manifest
    split = {} if manifest is None else manifest.lineage["split"]
    ids = customer_ids(data.tested.table, data.contract.entity.name)
    return Split(test=split["test"], salt=split["salt"]).folds(ids)


def _score_by_fold(
    champion: Champion, rows: NDArray[np.float64], folds: NDArray[np.intp]
) -> NDArray[np.float64]:
    scores = np.full(len(rows), np.nan)
    for fold, model in champion.fold_models.items():
        unseen = folds == fold
        scores[unseen] = model.probabilities(rows[unseen])
    return scores


def _challenger_note(problem: str) -> str:
    return f"{problem}. The new model is a challenger; promote it with --replace-champion"
