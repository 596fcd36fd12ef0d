"""Trees fitted by the workers of a Dask cluster: as good as local ones, and as compiled."""

from typing import Any

import numpy as np
import pytest

from churnkit.evaluation import auc, log_loss
from churnkit.models import ChurnClassifier, LightGBMTrees, ModelDataError

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


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("seconds", [1.0, 6.0])
def test_a_killed_worker_is_named(seconds):
    # Early, the fit would wait for ever; later, it would end without the name of a worker.
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra 'dask')")
    import os
    import signal
    import threading

    rng = np.random.default_rng(0)
    X = rng.normal(size=(100_000, 10))
    churned = (X[:, 0] + rng.normal(size=len(X)) > 1).astype(int)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as workers,
        distributed.Client(workers) as client,
    ):
        address, process = min(client.run(os.getpid).items())
        timer = threading.Timer(seconds, os.kill, (process, signal.SIGKILL))
        timer.start()
        with pytest.raises(ModelDataError, match=f"lost {address} of 2 workers") as caught:
            LightGBMTrees(engine="dask", rounds=20_000).fit(X, churned)
        timer.join()
    assert "100,000 rows" in str(caught.value)
