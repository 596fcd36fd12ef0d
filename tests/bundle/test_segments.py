"""Groups of behaviour: found in training, kept in the bundle, the same ones in every door."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from churnkit.bundle import RetentionModel
from churnkit.bundle.contents import from_files, to_files
from churnkit.errors import BundleError, RecipeError

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")


@pytest.fixture(scope="module")
def customers(rows_of_shop):
    rows = rows_of_shop(300, seed=8)
    rows[5]["plan"] = "unheard of"
    return pa.Table.from_pylist(rows)


def test_new_customers_are_assigned_as_the_report_sums_them_up(shop_model, customers):
    from churnkit.report.scored_customers import score_customers

    found = shop_model.segments(customers)
    names = found["segment"].to_pylist()
    assert names[5] is None
    assert found["problem"][5].as_py()
    scored = score_customers(shop_model, customers)
    assert scored.clusters is not None
    clusters, segments = scored.clusters
    assert clusters == shop_model.contents.clusters
    counts = {name: names.count(name) for name in set(names) - {None}}
    assert counts == {segment.name: segment.customers for segment in segments}
    assert sum(counts.values()) == 299


def test_one_customer_has_the_group_that_it_has_among_many(shop_model, customers):
    together = shop_model.segments(customers)["segment"].to_pylist()
    for row in (0, 17, 299):
        assert shop_model.segments(customers.slice(row, 1))["segment"].to_pylist() == [
            together[row]
        ]


def test_a_bundle_gives_them_back_and_needs_no_library_to_assign(shop_model, tmp_path):
    shop_model.save(tmp_path / "bundle", name="shop", lineage={})
    assert (
        RetentionModel.load(tmp_path / "bundle").contents.clusters == shop_model.contents.clusters
    )
    code = (
        "import sys; from churnkit.bundle.model import RetentionModel; "
        f"m = RetentionModel.load({str(tmp_path / 'bundle')!r}); m.contents.clusters.assign([[1.0] * "
        "len(m.contents.clusters.columns)]); "
        "print([n for n in ('sklearn', 'pandas', 'lightgbm', 'duckdb') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "change",
    [
        {"centroids": [[0.0]]},
        {"fill": [1.0]},
        {"columns": ["a", "b"]},
        {"columns": 3},
        {"spread": ["x", "y"]},
        {"more": 1},
        {"names": None},
    ],
)
def test_groups_that_do_not_fit_are_refused(shop_model, change):
    files = to_files(shop_model.contents)
    stored = json.loads(files["clusters.json"])
    files["clusters.json"] = json.dumps(stored | change).encode()
    with pytest.raises(BundleError):
        from_files(files)


def test_a_bundle_without_groups_says_what_to_do(shop_model, customers):
    model = RetentionModel(replace(shop_model.contents, clusters=None))
    with pytest.raises(RecipeError, match="has no segments: retrain with at least 60 rows"):
        model.segments(customers)
    assert np.isfinite(model.predict(customers)["churn_probability"].drop_null()).all()
