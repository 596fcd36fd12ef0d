from dataclasses import replace

import pytest

from churnkit.bundle import RetentionModel
from churnkit.bundle.diff import difference
from churnkit.decisions import Catalogue


def test_a_model_does_not_differ_from_itself(bundle):
    one, same = RetentionModel.load(bundle), RetentionModel.load(bundle)
    found = difference(one, same)
    assert found.changes == ()
    assert found.before == found.after
    assert found.largest_difference in {0.0, None}


def test_columns_figures_actions_and_origin_are_told_apart(bundle):
    one = RetentionModel.load(bundle)
    assert one.manifest is not None
    columns = one.contract.columns
    other = RetentionModel(
        replace(
            one.contents,
            contract=type(one.contract)(one.contract.name, columns[:-1]),
            card={**one.card, "train_rows": 4711},
            catalogue=Catalogue(()) if one.contents.catalogue is None else None,
        ),
        replace(one.manifest, lineage={**one.manifest.lineage, "seed": 99}),
    )
    changes = {change["what"]: change for change in difference(one, other).changes}
    assert changes[f"column {columns[-1].name}"]["after"] is None
    assert changes["train_rows"]["after"] == 4711
    assert changes["lineage.seed"]["after"] == 99


def test_scores_are_compared_on_the_golden_rows(shop_model):
    parts = shop_model.contents
    slower = replace(parts.calibration, slopes=parts.calibration.slopes * 0.5)
    found = difference(shop_model, RetentionModel(replace(parts, calibration=slower)))
    assert found.mean_difference is not None
    assert 0 < found.mean_difference <= (found.largest_difference or 0)
    assert found.to_dict()["largest_difference"] == found.largest_difference
    assert pytest.approx(0, abs=1) == found.mean_difference
