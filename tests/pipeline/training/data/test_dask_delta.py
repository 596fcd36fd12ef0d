"""The files of a Delta table are read on the workers of a Dask cluster."""

import numpy as np
import pyarrow as pa
import pytest

from churnkit.contracts import Schema, entity, feature, label
from churnkit.models import ChurnClassifier, LightGBMTrees
from churnkit.pipeline import Recipe
from churnkit.pipeline.training.data import dask_table
from churnkit.pipeline.training.data.dask_table import open_for_workers, prepare_on_workers

deltalake = pytest.importorskip("deltalake", reason="deltalake is not installed")

ROWS = 600
CLUBS = ("central", "east", "west")


class Gym(Schema):
    """Members of a gym."""

    member: str = entity("Member")
    club: str = feature("Club")
    visits: float = feature("Visits", ge=0)
    churned: bool = label("Left")


def members(number):
    rng = np.random.default_rng(number)
    visits = rng.poisson(4, ROWS).astype(float)
    return pa.table(
        {
            "member": [f"M{number}-{row}" for row in range(ROWS)],
            "club": rng.choice(CLUBS, ROWS),
            "visits": visits,
            "churned": rng.random(ROWS) < 1 / (1 + np.exp(visits - 3)),
        }
    )


def test_the_partitions_and_remaining_rows_of_the_table_are_read_on_workers(tmp_path, monkeypatch):
    def apply(function, parts, *arguments, what):
        return [function(part, *arguments) for part in parts]

    monkeypatch.setattr(dask_table, "map_on_workers", apply)
    folder = str(tmp_path / "gym")
    for number in range(2):
        deltalake.write_deltalake(folder, members(number), mode="append", partition_by=["club"])
    deltalake.DeltaTable(folder).delete("member = 'M0-7'")
    trees = LightGBMTrees(rounds=20, learning_rate=0.2)
    model = ChurnClassifier(candidates=[("trees", trees)], cv=2, engine="dask")
    recipe = Recipe(schema=Gym, data=folder, model=model, name="gym")
    source = open_for_workers(recipe, tmp_path)
    assert source is not None
    assert len(source.files) == 2 * len(CLUBS)
    data = prepare_on_workers(recipe, source)
    assert data.row_counts["registered_rows"] == 2 * ROWS - 1
    assert data.contract["club"].levels == CLUBS
    assert data.on_workers is not None
    read = [rows for part in data.on_workers[1].parts for rows in part.read()]
    counts = np.bincount(np.concatenate([rows.matrix[:, 0] for rows in read]).astype(int))
    whole = pa.concat_tables([members(0), members(1)])
    kept = [row["club"] for row in whole.to_pylist() if row["member"] != "M0-7"]
    assert counts.tolist() == [kept.count(club) for club in CLUBS]
