"""The last fit of the trees, spread over the workers of a Dask cluster."""

from __future__ import annotations

import re
import sys
import warnings
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import MissingExtraError
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import lightgbm
    from numpy.typing import NDArray

    from churnkit.models.classifiers.base import TrainingRows

__all__ = ["ENGINES", "check_engine", "train_on_dask"]

ENGINES = ("local", "dask")

# LightGBM's own names, and those of the scikit-learn interface, which lightgbm.dask has.
_INTERFACE = {
    "min_data_in_leaf": "min_child_samples",
    "lambda_l2": "reg_lambda",
    "feature_fraction": "colsample_bytree",
    "bagging_fraction": "subsample",
    "bagging_freq": "subsample_freq",
    "seed": "random_state",
}
# Where the workers listened is no part of a model: each line becomes what a local fit writes.
_NETWORK = {"machines": "", "num_machines": "1", "local_listen_port": "12400", "time_out": "120"}


def check_engine(engine: str) -> str:
    """Return the engine, if there is one of that name.

    Raises
    ------
    ModelDataError
        There is none.

    Examples
    --------
    >>> check_engine("local")
    'local'
    """
    if engine not in ENGINES:
        raise ModelDataError(f"there is no engine {engine!r}: use one of {', '.join(ENGINES)}")
    return engine


def train_on_dask(
    matrix: NDArray[np.float64],
    rows: TrainingRows,
    *,
    settings: dict[str, Any],
    rounds: int,
    categories: Sequence[int],
) -> lightgbm.Booster:
    """Train a booster on the cluster that this process is connected to.

    Each worker gets a share of the rows, drawn at random by the seed: a worker finds the
    thresholds of some columns from its own rows alone, which must therefore be like the others.
    Sums are added in another order than in one process, so the trees differ from local ones.

    Parameters
    ----------
    matrix : (n, f) what the trees read
    rows
        The outcomes and weights of the same rows.
    settings
        As `lightgbm.train` takes them.
    rounds
        How many trees.
    categories
        Indices of the columns that hold category codes.

    Raises
    ------
    ModelDataError
        Dask is not installed, there is no cluster, or it has no worker.
    """
    with _connected() as client:
        import lightgbm

        workers = len(client.ncores())
        if not workers:
            raise ModelDataError("engine='dask': the cluster has no worker, start one: dask worker")
        # The regressor, since a classifier numbers the classes by what one worker sees of them.
        model = lightgbm.DaskLGBMRegressor(
            client=client, n_estimators=rounds, **_for_the_interface(settings)
        )
        order = np.random.default_rng(settings["seed"]).permutation(len(matrix))
        shares = np.array_split(order, min(workers, len(order)))
        # LightGBM prints where it looks for ports; standard output is for a command's data.
        with redirect_stdout(sys.stderr), warnings.catch_warnings():
            # The interface has a default for its threads, and warns that Dask's count instead.
            warnings.filterwarnings("ignore", message="Parameter n_jobs will be ignored")
            model.fit(
                _spread(client, matrix, shares),
                _spread(client, rows.outcome, shares),
                sample_weight=_spread(client, rows.weight, shares),
                categorical_feature=list(categories),
            )
    return lightgbm.Booster(model_str=without_network(model.booster_.model_to_string()))


def _for_the_interface(settings: dict[str, Any]) -> dict[str, Any]:
    given = {_INTERFACE.get(name, name): value for name, value in settings.items()}
    # A worker has the threads that Dask gave it, and LightGBM knows one way among several.
    del given["num_threads"]
    if "monotone_constraints_method" in given:
        given["monotone_constraints_method"] = "basic"
    return given


def without_network(text: str) -> str:
    """Return a booster's text without the addresses of the workers.

    Examples
    --------
    >>> without_network("[machines: 10.0.0.7:4711,10.0.0.8:4711]")
    '[machines: ]'
    """
    for name, usual in _NETWORK.items():
        text = re.sub(rf"(?m)^\[{name}: .*\]$", f"[{name}: {usual}]", text)
    return text


@contextmanager
def _connected() -> Iterator[Any]:
    """Give the client in use, or one of our own for as long as it is needed."""
    try:
        import dask
        import dask.array
        import distributed
    except ImportError:
        raise MissingExtraError("dask", "dask") from None
    try:
        client = distributed.Client.current()
    except ValueError:
        client = None
    if client is not None:
        yield client
        return
    address = dask.config.get("scheduler-address", None)
    if not address:
        raise ModelDataError(
            "engine='dask': this process is connected to no cluster; make a distributed.Client "
            "first, or set DASK_SCHEDULER_ADDRESS"
        )
    with distributed.Client(address) as client:
        yield client


def _spread(client: Any, values: NDArray[Any], shares: list[NDArray[np.intp]]) -> Any:
    """Give each worker its rows; nothing of the table stands in the graph of tasks."""
    import dask
    import dask.array

    parts = [values[share] for share in shares]
    held = client.scatter(parts, hash=False)
    return dask.array.concatenate(
        [
            dask.array.from_delayed(dask.delayed(future), shape=part.shape, dtype=part.dtype)
            for future, part in zip(held, parts, strict=True)
        ]
    )
