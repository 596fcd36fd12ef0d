"""Trees fitted by the workers of a Dask cluster: as good as local ones, and as compiled."""

import os
import signal
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from churnkit.evaluation import auc, log_loss
from churnkit.models import ChurnClassifier, LightGBMTrees, ModelDataError
from churnkit.models.dask_rows import DaskRows
from churnkit.models.training_rows import TrainingRows

SETTINGS: dict[str, Any] = {"rounds": 60, "learning_rate": 0.1, "categorical_features": (2,)}


@pytest.fixture(scope="module")
def cluster():
    """Two workers of one thread, processes of their own, on loopback."""
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra 'dask')")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as workers,
        distributed.Client(workers) as client,
    ):
        yield client


def test_an_engine_that_does_not_exist_is_refused_with_those_that_do(customers):
    X, churned, _ = customers(200)
    for model in (LightGBMTrees(engine="ray"), ChurnClassifier(engine="ray")):
        with pytest.raises(ModelDataError, match="use one of local, dask"):
            model.fit(X, churned)


def test_without_a_cluster_the_refusal_says_how_to_name_one(customers):
    pytest.importorskip("distributed", reason="Dask is not installed (extra 'dask')")
    import dask

    X, churned, _ = customers(200)
    with (
        dask.config.set({"scheduler-address": None}),
        pytest.raises(ModelDataError, match="DASK_SCHEDULER_ADDRESS"),
    ):
        LightGBMTrees(rounds=2, engine="dask").fit(X, churned)


@pytest.mark.slow
def test_two_workers_find_trees_as_good_as_local_ones(cluster, customers):
    X, churned, _ = customers(8_000)
    # In the order of the outcome, so that a share of neighbours would hold one class alone.
    order = np.argsort(churned, kind="stable")
    X, churned = X[order], churned[order]
    fresh, left, _ = customers(20_000, seed=9)
    local = LightGBMTrees(**SETTINGS).fit(X, churned)
    spread = LightGBMTrees(**SETTINGS, engine="dask").fit(X, churned)
    here, there = (model.predict_proba(fresh)[:, 1] for model in (local, spread))
    # Twenty seeds of the local trees span 0.0018 and 0.0094.
    assert auc(left, there) == pytest.approx(auc(left, here), abs=0.003)
    assert log_loss(left, there) == pytest.approx(log_loss(left, here), abs=0.01)
    assert spread.rounds_ == local.rounds_ == 60


@pytest.mark.slow
def test_trees_of_a_cluster_are_compiled_bit_for_bit_and_name_no_worker(cluster, customers, capsys):
    X, churned, _ = customers(3_000)
    model = LightGBMTrees(**SETTINGS, engine="dask", monotone_constraints=(-1, 0, 0, 0))
    model = model.fit(X, churned)
    expected = model.booster_.predict(X, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(model.decision_function(X), expected)
    assert not capsys.readouterr().out
    text = model.booster_.model_to_string()
    assert "127.0.0.1" not in text
    assert "[num_machines: 1]" in text
    lower, higher = X.copy(), X.copy()
    lower[:, 0], higher[:, 0] = 5.0, 30.0
    assert (model.decision_function(higher) <= model.decision_function(lower)).all()


@pytest.mark.slow
def test_a_contest_is_held_here_and_its_winner_fitted_there(cluster, customers):
    def crossed(size, seed):
        # What one column says depends on another: a table for trees.
        X, churned, _ = customers(size, seed)
        return X, churned ^ (X[:, 3] > 0.5)

    X, churned = crossed(6_000, 0)
    fresh, left = crossed(20_000, 9)
    settings: dict[str, Any] = {
        "profile": "fast",
        "categorical_features": (2,),
        "selection_rows": 3_000,
    }
    local = ChurnClassifier(**settings).fit(X, churned)
    spread = ChurnClassifier(**settings, engine="dask").fit(X, churned)
    assert spread.candidates_.results[0].log_loss == local.candidates_.results[0].log_loss
    here: Any = local.members_["trees"]
    there: Any = spread.members_["trees"]
    assert (here.engine, there.engine) == ("local", "dask")
    assert here.rounds_ == there.rounds_
    one, other = (model.predict_proba(fresh)[:, 1] for model in (local, spread))
    assert auc(left, other) == pytest.approx(auc(left, one), abs=0.005)
    assert not np.array_equal(one, other)


def rows_with_cities(size=9_000, seed=0):
    """Draw a number and one of 200 cities, both of which matter."""
    rng = np.random.default_rng(seed)
    city = rng.integers(0, 200, size)
    X = np.column_stack([rng.normal(size=size), city])
    chance = 1 / (1 + np.exp(1 - X[:, 0] - 1.5 * np.sin(city)))
    return X, (rng.random(size) < chance).astype(float)


class Part(NamedTuple):
    """Rows that a worker draws, in batches of other sizes than LightGBM reads."""

    rows: int
    seed: int

    def read(self):
        X, churned = rows_with_cities(self.rows, self.seed)
        for rows in np.array_split(np.arange(self.rows), 4):
            yield TrainingRows.from_arrays(X[rows], churned[rows])


class FatalPart(NamedTuple):
    """Rows whose reader ends its worker, as the system does when its memory is exhausted.

    With a folder it does so once.
    """

    rows: int
    folder: Path | None = None

    def read(self):
        if self.folder is None or not (self.folder / "done").exists():
            if self.folder is not None:
                (self.folder / "done").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield from Part(self.rows, 1).read()


@pytest.mark.slow
def test_parts_that_workers_read_are_fitted_like_the_same_rows_in_memory(cluster):
    parts = tuple(Part(3_000, seed) for seed in range(3))
    X, churned = (
        np.concatenate(each)
        for each in zip(*(rows_with_cities(part.rows, part.seed) for part in parts), strict=True)
    )
    fresh, left = rows_with_cities(20_000, 9)
    # More cities than the threshold: their rates are counted on the workers.
    model = LightGBMTrees(**SETTINGS | {"categorical_features": (1,)}, target_encoding_threshold=50)
    local = model.fit(X, churned)
    sample = TrainingRows.from_arrays(X, churned).take(np.arange(0, 9_000, 2))
    spread = local.refit_on_workers(DaskRows(parts, sample))
    here, there = (each.predict_proba(fresh)[:, 1] for each in (local, spread))
    assert auc(left, there) == pytest.approx(auc(left, here), abs=0.005)
    assert log_loss(left, there) == pytest.approx(log_loss(left, here), abs=0.01)
    # Rates and counts of new customers are those of all rows, to the last bit.
    for name, values in local.scorer_.to_arrays()[1].items():
        if name in {"rate", "frequency"}:
            np.testing.assert_allclose(spread.scorer_.to_arrays()[1][name], values, rtol=1e-12)


@contextmanager
def own_cluster():
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra 'dask')")
    workers = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    )
    with distributed.Client(workers) as client:
        yield client
    # Its own records miss a worker that was killed while it registered.
    with suppress(KeyError):
        workers.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_fit_in_which_a_worker_is_killed_starts_again():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50_000, 10))
    churned = (X[:, 0] + rng.normal(size=len(X)) > 1).astype(int)
    with own_cluster() as client:
        address, process = min(client.run(os.getpid).items())
        timer = threading.Timer(3.0, os.kill, (process, signal.SIGKILL))
        timer.start()
        with pytest.warns(
            UserWarning, match=f"lost {address} of 2 workers while they fitted 50,000"
        ):
            model = LightGBMTrees(engine="dask", rounds=1_000).fit(X, churned)
        timer.join()
    assert model.rounds_ == 1_000


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_worker_that_waits_for_a_killed_one_is_restarted(tmp_path):
    # Killed before the trees begin: the other one would wait for ever.
    X, churned = rows_with_cities(2_000)
    sample = TrainingRows.from_arrays(X, churned)
    local = LightGBMTrees(**SETTINGS | {"categorical_features": (1,)}).fit(X, churned)
    parts = (Part(1_000, 0), FatalPart(1_000, tmp_path))
    with own_cluster(), pytest.warns(UserWarning, match=r"starting again on \d, attempt 2 of 3"):
        spread = local.refit_on_workers(DaskRows(parts, sample))
    assert spread.rounds_ == local.rounds_


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_worker_that_is_killed_in_each_attempt_is_named():
    X, churned = rows_with_cities(2_000)
    sample = TrainingRows.from_arrays(X, churned)
    local = LightGBMTrees(**SETTINGS | {"categorical_features": (1,)}).fit(X, churned)
    with (
        own_cluster(),
        pytest.warns(UserWarning, match="starting again"),
        pytest.raises(
            ModelDataError, match=r"lost tcp://127.0.0.1:\d+ of 2 workers.*attempt 3 of 3"
        ),
    ):
        local.refit_on_workers(DaskRows((Part(1_000, 0), FatalPart(1_000)), sample))
