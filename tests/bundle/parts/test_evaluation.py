"""The tested model in a bundle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from churnkit.bundle import RetentionModel
from churnkit.bundle.contents import from_files, to_files
from churnkit.bundle.parts.evaluation import EvaluationModel
from churnkit.errors import BundleError
from churnkit.models.calibration.maps import Calibration
from churnkit.models.scorers.additive import ColumnEffect, LinearScorer


@pytest.fixture
def tested(parts):
    """The bundle's contents with a tested model of other coefficients."""
    effects = [*parts.scorer.columns[:2], ColumnEffect.of_number([0, 100], [0.5, -0.5], missing=0)]
    scorer = LinearScorer(-0.25, effects)
    return replace(parts, evaluation=EvaluationModel(scorer, Calibration.identity().shifted(0.5)))


def test_the_tested_model_scores_as_before_it_was_saved(tested, customers, tmp_path):
    RetentionModel(tested).save(tmp_path / "shop", name="shop")
    loaded = RetentionModel.load(tmp_path / "shop")
    for before, after in (
        (RetentionModel(tested), loaded),
        (RetentionModel(tested).tested(), loaded.tested()),
    ):
        expected = before.score_table(customers).probabilities
        np.testing.assert_array_equal(after.score_table(customers).probabilities, expected)
    registered, other = (
        model.score_table(customers).probabilities for model in (loaded, loaded.tested())
    )
    assert np.nanmax(np.abs(registered - other)) > 0.05


def test_a_bundle_without_a_tested_model_was_tested_itself(model):
    assert model.contents.evaluation is None
    assert model.tested() is model


def test_a_tested_model_of_other_columns_is_refused(tested):
    narrow = LinearScorer(0.0, tested.evaluation.scorer.columns[:2])
    files = to_files(
        replace(tested, golden=None, evaluation=EvaluationModel(narrow, Calibration.identity()))
    )
    with pytest.raises(BundleError, match="the tested model reads 2 columns"):
        from_files(files)


def test_a_tested_model_that_computes_differently_is_refused(tested):
    files = to_files(tested)
    golden = files["evaluation/golden.npy"]
    files["evaluation/golden.npy"] = golden[:-1] + bytes([golden[-1] ^ 1])
    with pytest.raises(BundleError, match="tested model does not score the golden rows"):
        from_files(files)


def test_arrays_without_their_document_are_refused(tested):
    files = to_files(tested)
    del files["evaluation.json"]
    with pytest.raises(BundleError, match=r"lacks evaluation\.json"):
        from_files(files)
