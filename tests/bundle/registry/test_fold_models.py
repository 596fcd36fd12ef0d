"""The models of each test fold, kept with a training run."""

from __future__ import annotations

import numpy as np
import pytest

from churnkit.bundle.parts.evaluation import EvaluationModel
from churnkit.bundle.registry.fold_models import read_fold_models, write_fold_models
from churnkit.errors import BundleError
from churnkit.models.calibration.maps import Calibration
from churnkit.models.scorers.additive import LinearScorer

ROWS = np.array([[0.0, 1.0], [2.0, -1.0], [0.5, 0.5]])


def model(slope):
    scorer = LinearScorer.straight(
        bias=0.1, coefficients=[slope, -0.5], low=[-3.0] * 2, high=[3.0] * 2
    )
    return EvaluationModel(scorer, Calibration.identity().shifted(slope))


MODELS = {fold: model(fold + 1.0) for fold in (0, 1, 3)}


def write(folder):
    return write_fold_models(folder, MODELS, name="shop", golden=ROWS)


def read(folder, digest, features=2):
    return read_fold_models(folder, digest=digest, features=features, golden=ROWS)


def test_they_score_as_before_they_were_saved(tmp_path):
    loaded = read(tmp_path / "folds", write(tmp_path / "folds"))
    assert list(loaded) == [0, 1, 3]
    for fold, restored in loaded.items():
        np.testing.assert_array_equal(
            restored.probabilities(ROWS), MODELS[fold].probabilities(ROWS)
        )


def test_the_same_models_have_the_same_digest(tmp_path):
    assert write(tmp_path / "one") == write(tmp_path / "two")


def test_other_models_than_the_bundle_records_are_refused(tmp_path):
    write(tmp_path / "folds")
    with pytest.raises(BundleError, match="not those that the bundle records"):
        read(tmp_path / "folds", "sha256:" + 64 * "0")


def test_a_changed_byte_is_refused(tmp_path):
    digest = write(tmp_path / "folds")
    file = tmp_path / "folds" / "fold1.json"
    file.write_bytes(file.read_bytes().replace(b"1", b"2"))
    with pytest.raises(BundleError, match=r"fold1\.json"):
        read(tmp_path / "folds", digest)


def test_models_of_other_columns_are_refused(tmp_path):
    digest = write(tmp_path / "folds")
    with pytest.raises(BundleError, match="reads 2 columns"):
        read(tmp_path / "folds", digest, features=3)
