"""A table in Parquet files is read on the workers of a Dask cluster, and never in one process."""

import resource
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.base import clone

from churnkit.contracts import Schema, as_of, entity, feature, label
from churnkit.core.io.table_sources import read_table
from churnkit.errors import DataError, RecipeError
from churnkit.models import ChurnClassifier, LightGBMTrees
from churnkit.pipeline import Recipe
from churnkit.pipeline.training.data import dask_table
from churnkit.pipeline.training.data.dask_table import open_for_workers, prepare_on_workers
from churnkit.pipeline.training.data.dataset import prepare
from churnkit.pipeline.training.data.holdout_split import Split
from churnkit.pipeline.training.fit import fit
from churnkit.pipeline.training.fit_params import fit_arguments

FILES, ROWS = 6, 1_000
MODEL = ChurnClassifier(
    candidates=[("trees", LightGBMTrees(rounds=20, learning_rate=0.2))],
    cv=2,
    selection_rows=2_000,
    engine="dask",
)


class Gym(Schema):
    """Members of a gym."""

    member: str = entity("Member")
    club: str = feature("Club", nullable=True)
    visits: float = feature("Visits", ge=0, nullable=True)
    age: float = feature("Age")
    churned: bool = label("Left")


def members(file, rows=ROWS, columns=2):
    """Draw the rows of a file; each has a club that no other file has."""
    rng = np.random.default_rng(file)
    numbers = rng.integers(0, 50, (rows, columns - 1)).astype(float)
    visits = rng.poisson(4, rows).astype(float)
    churned = rng.random(rows) < 1 / (1 + np.exp(visits - 3))
    table = {
        "member": [f"M{file}-{row}" for row in range(rows)],
        "club": np.where(rng.random(rows) < 0.1, f"club {file}", "central"),
        "visits": np.where(rng.random(rows) < 0.05, np.nan, visits),
        "age": numbers[:, 0],
    }
    table |= {f"number_{number}": numbers[:, number] for number in range(1, columns - 1)}
    return pa.table(table | {"churned": churned})


def write(folder: Path, change=lambda _, table: table, **settings):
    folder.mkdir()
    for file in range(FILES):
        pq.write_table(change(file, members(file, **settings)), folder / f"part-{file}.parquet")
    return folder


def recipe_of(folder, **settings):
    return Recipe(**{"schema": Gym, "data": folder, "model": MODEL, "name": "gym"} | settings)


def prepared(recipe, root) -> Any:
    source = open_for_workers(recipe, root)
    assert source is not None
    return prepare_on_workers(recipe, source)


@pytest.fixture(scope="module")
def cluster():
    """Two workers in processes of their own."""
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra 'dask')")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            memory_limit="900MiB",
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as workers,
        distributed.Client(workers) as client,
    ):
        yield client


def test_only_files_and_the_engine_dask_are_read_on_workers(tmp_path):
    folder = write(tmp_path / "gym")
    source = open_for_workers(recipe_of(folder), tmp_path)
    assert source is not None
    assert source.rows == FILES * ROWS
    assert open_for_workers(recipe_of(folder, model=ChurnClassifier()), tmp_path) is None
    assert open_for_workers(recipe_of(folder / "part-0.parquet"), tmp_path) is None
    assert open_for_workers(recipe_of(lambda: None), tmp_path) is None
    csv = tmp_path / "csv"
    csv.mkdir()
    for name in ("a.csv", "b.csv"):
        (csv / name).write_text("member,churned\nm,1\n")
    assert open_for_workers(recipe_of(csv), tmp_path) is None


def test_what_one_file_does_not_show_is_refused(tmp_path):
    recipe = recipe_of(write(tmp_path / "gym"), leave_out=("repeated",))
    with pytest.raises(RecipeError, match="compares all rows"):
        prepared(recipe, tmp_path)


@pytest.mark.slow
def test_the_sample_knows_the_categories_and_rows_of_all_files(cluster, tmp_path):
    recipe = recipe_of(write(tmp_path / "gym"))
    data = prepared(recipe, tmp_path)
    assert data.contract["club"].levels == ("central", *(f"club {n}" for n in range(FILES)))
    training, every = data.on_workers
    # The 2,000 rows that are compared, the fifth of the test, and 2,000 of the rarer class.
    assert 2_500 <= len(data.full.y) < FILES * ROWS
    assert len(data.train.y) + len(data.test.y) == len(data.full.y)
    assert every.rows == FILES * ROWS
    held_out = [
        recipe.split.is_test(members(file)["member"].to_pylist()).sum() for file in range(FILES)
    ]
    assert training.rows == FILES * ROWS - sum(held_out)
    read = [rows for part in every.parts for rows in part.read()]
    whole = np.concatenate([rows.outcome for rows in read])
    assert whole.sum() == sum(members(file)["churned"].to_numpy().sum() for file in range(FILES))
    again = prepared(recipe, tmp_path)
    assert again.digest == data.digest
    np.testing.assert_array_equal(again.full.X, data.full.X)


@pytest.mark.slow
def test_a_violation_is_told_with_its_file_rule_and_count(cluster, tmp_path):
    def spoil(file, table):
        if file < 4:
            return table
        ages = table["age"].to_numpy().copy()
        ages[[3, 7]] = np.nan
        return table.set_column(3, "age", pa.array(ages))

    recipe = recipe_of(write(tmp_path / "gym", spoil))
    with pytest.raises(DataError) as caught:
        prepared(recipe, tmp_path)
    message = str(caught.value)
    assert "part-4.parquet, and 1 other files have violations" in message
    assert "column 'age' breaks not_null in 2 rows (rows 3, 7)" in message


@pytest.fixture
def in_process(monkeypatch):
    """Run the tasks of workers in this process."""

    def apply(function, parts, *arguments, what):
        return [function(part, *arguments) for part in parts]

    monkeypatch.setattr(dask_table, "map_on_workers", apply)


@pytest.fixture
def sample_of_half(monkeypatch):
    monkeypatch.setattr(dask_table, "_sample_rows", lambda _, total: total.rows / 2)


def unsampled(file):
    """Return the first row of a file that is not in the sample of half of the customers."""
    ids = members(file)["member"].to_pylist()
    return int(np.flatnonzero(~Split(test=0.5, salt="sample").is_test(ids))[0])


@pytest.mark.parametrize("at_once", [2**25, 1_000])
@pytest.mark.parametrize("number", [1, 700])
def test_customers_with_several_rows_are_refused_with_their_count(
    in_process, tmp_path, monkeypatch, number, at_once
):
    monkeypatch.setattr(dask_table, "_MAX_HASHES", at_once)
    folder = write(tmp_path / "gym")
    repeated = members(2).slice(unsampled(2), number)
    pq.write_table(repeated, folder / "part-9.parquet")
    rows = "1 row" if number == 1 else f"{len(repeated)} rows"
    with pytest.raises(DataError, match=f"'member' breaks unique in {rows}: keep one row"):
        prepared(recipe_of(folder), tmp_path)


def test_one_customer_that_the_sample_does_not_have_is_refused(
    in_process, sample_of_half, tmp_path
):
    folder = write(tmp_path / "gym")
    pq.write_table(members(2).slice(unsampled(2), 1), folder / "part-9.parquet")
    with pytest.raises(DataError, match="'member' breaks unique in 1 row: keep"):
        prepared(recipe_of(folder), tmp_path)


class Dated(Gym):
    """Members at a date."""

    day: str = as_of()


def dated(day, rows=slice(None)):
    def change(_, table):
        part = table.slice(rows.start or 0, (rows.stop or len(table)) - (rows.start or 0))
        return part.append_column("day", pa.array([day] * len(part)))

    return change


@pytest.fixture
def panel(tmp_path):
    """Members at three dates, whom fewer and fewer files have; rows of one are in several files."""
    folder = write(tmp_path / "gym", dated("2026-01-01"))
    for file, (day, rows) in enumerate([("2026-04-01", 700), ("2026-07-01", 400)]):
        for number in range(FILES):
            later = dated(day, slice(0, rows))(number, members(number))
            pq.write_table(later, folder / f"later-{file}-{number}.parquet")
    return folder


@pytest.mark.parametrize("at_once", [2**25, 2_000])
def test_rows_of_a_panel_have_the_weights_of_the_local_engine(
    in_process, panel, tmp_path, monkeypatch, at_once
):
    monkeypatch.setattr(dask_table, "_MAX_HASHES", at_once)
    recipe = recipe_of(panel, schema=Dated)
    data = prepared(recipe, tmp_path)
    local = prepare(recipe, read_table(panel))
    assert data.on_workers is not None
    for rows, part in zip(data.on_workers, (local.train, local.full), strict=True):
        assert part.weight is not None
        weight = np.concatenate([each.weight for of in rows.parts for each in of.read()])
        assert len(np.unique(weight)) > 3
        np.testing.assert_allclose(weight, part.weight, rtol=1e-12)
    # The sample has all dates of its customers, who are compared forward in time.
    assert data.train.customers is not None
    assert set(data.train.customers).isdisjoint(data.test.customers)
    arguments = fit_arguments(MODEL, data.contract, data.train, progress=None)
    assert len(np.unique(arguments["times"])) == 3


def test_a_panel_of_too_many_customers_is_refused_with_their_number(
    in_process, panel, tmp_path, monkeypatch
):
    monkeypatch.setattr(dask_table, "_MAX_REPEATED", 4_000)
    with pytest.raises(
        RecipeError, match=r"4,200 customers with several dates.*up to 4,000: train"
    ):
        prepared(recipe_of(panel, schema=Dated), tmp_path)


def test_two_rows_of_a_customer_at_a_date_are_refused(in_process, panel, tmp_path):
    again = dated("2026-04-01")(0, members(3)).slice(5, 2)
    pq.write_table(again, panel / "z.parquet")
    with pytest.raises(DataError, match="'member' breaks unique in 2 rows"):
        prepared(recipe_of(panel, schema=Dated), tmp_path)


def test_a_column_that_only_unsampled_rows_are_missing_gets_no_fill(
    in_process, sample_of_half, tmp_path
):
    row = unsampled(4)

    def fill_all_but_one(file, table):
        visits = np.nan_to_num(table["visits"].to_numpy(), nan=4.0)
        if file == 4:
            visits[row] = np.nan
        return table.set_column(2, "visits", pa.array(visits))

    class Nullable(Gym):
        """Members whose age may be missing, and never is."""

        age: float = feature("Age", nullable=True)

    recipe = recipe_of(write(tmp_path / "gym", fill_all_but_one), schema=Nullable)
    data = prepared(recipe, tmp_path)
    assert not np.isnan(data.full.X).any()
    assert data.contract["visits"].fill is None
    assert data.contract["age"].fill is not None
    missing = [
        np.isnan(rows.matrix).sum() for part in data.on_workers[1].parts for rows in part.read()
    ]
    assert sum(missing) == 1


@pytest.mark.slow
def test_workers_find_customers_with_several_rows(cluster, tmp_path):
    folder = write(tmp_path / "gym")
    pq.write_table(members(0), folder / "part-9.parquet")
    recipe = recipe_of(folder)
    with pytest.raises(DataError, match="'member' breaks unique in 1,000 rows"):
        prepared(recipe, tmp_path)


@pytest.mark.slow
def test_a_table_larger_than_client_and_workers_is_trained_on(cluster, tmp_path):
    """It takes 1.0 GB as numbers, and a worker .9 GB at most, of which its libraries are a third."""
    columns, rows = 300, 420_000
    names = [f"number_{number}" for number in range(1, columns - 1)]
    fields = {"__annotations__": dict.fromkeys(names, float)} | {n: feature(n) for n in names}
    wide = type("Wide", (Gym,), fields)
    folder = write(tmp_path / "gym", rows=rows // FILES, columns=columns)
    # Few trees of few columns: fitting is not what is tested.
    trees = LightGBMTrees(rounds=5, learning_rate=0.5, feature_fraction=0.3, num_leaves=4)
    model = clone(MODEL).set_params(candidates=[("trees", trees)])
    recipe = recipe_of(folder, schema=wide, model=model)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data = prepared(recipe, tmp_path)
    fitted = fit(recipe, data)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    table = columns * 8 * rows
    assert grown < 0.5 * table
    assert all(
        worker["memory_limit"] < table for worker in cluster.scheduler_info()["workers"].values()
    )
    assert fitted.evaluation.metrics["auc"].value > 0.7
    assert data.row_counts["registered_rows"] == rows
