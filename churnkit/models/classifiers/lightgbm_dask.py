"""The final fit of LightGBM on the workers of a Dask cluster."""

from __future__ import annotations

import re
import sys
import threading
import warnings
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import MissingExtraError
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import lightgbm
    from numpy.typing import NDArray

    from churnkit.models.training_rows import TrainingRows

__all__ = ["ENGINES", "check_engine", "train_on_dask"]

ENGINES = ("local", "dask")

# Workers are looked for this often; after a loss, the fit usually ends by itself.
_POLL_SECONDS, _GRACE_SECONDS = 1.0, 10.0

# LightGBM's parameter names, and those of the scikit-learn interface of lightgbm.dask.
_SKLEARN_NAMES = {
    "min_data_in_leaf": "min_child_samples",
    "lambda_l2": "reg_lambda",
    "feature_fraction": "colsample_bytree",
    "bagging_fraction": "subsample",
    "bagging_freq": "subsample_freq",
    "seed": "random_state",
}
# Worker addresses must not be saved: each line becomes the line that a local fit writes.
_LOCAL_VALUES = {
    "machines": "",
    "num_machines": "1",
    "local_listen_port": "12400",
    "time_out": "120",
}


def check_engine(engine: str) -> str:
    """Return the engine if it exists.

    Raises
    ------
    ModelDataError
        The engine is unknown.

    Examples
    --------
    >>> check_engine("local")
    'local'
    """
    if engine not in ENGINES:
        raise ModelDataError(f"unknown engine {engine!r}: use one of {', '.join(ENGINES)}")
    return engine


def train_on_dask(
    matrix: NDArray[np.float64],
    rows: TrainingRows,
    *,
    params: dict[str, Any],
    rounds: int,
    categories: Sequence[int],
) -> lightgbm.Booster:
    """Train a booster on the cluster that this process is connected to.

    Each worker gets a random share of the rows: it finds the thresholds of some columns from its
    own rows alone, so the shares must be alike. Sums are added in a different order than in one
    process, so the trees differ from local ones.

    Parameters
    ----------
    matrix : (n, f) encoded rows
    rows
        The outcomes and weights of the same rows.
    params
        Parameters of `lightgbm.train`.
    rounds
        Number of trees.
    categories
        Indices of the columns that hold category codes.

    Returns
    -------
    lightgbm.Booster

    Raises
    ------
    ModelDataError
        Dask is not installed, there is no cluster, it has no worker, or it lost one during the fit.
    """
    with _dask_client() as client:
        import lightgbm

        before = set(client.ncores())
        if not before:
            raise ModelDataError(
                "engine='dask': the cluster has no workers: start one with `dask worker`"
            )
        # The regressor: the classifier numbers the classes that one worker sees.
        model = lightgbm.DaskLGBMRegressor(
            client=client, n_estimators=rounds, **_sklearn_params(params)
        )
        order = np.random.default_rng(params["seed"]).permutation(len(matrix))
        shares = np.array_split(order, min(len(before), len(order)))
        # LightGBM prints its ports to standard output, which is reserved for data.
        with redirect_stdout(sys.stderr), warnings.catch_warnings():
            # LightGBM warns that Dask's number of threads replaces the interface's default.
            warnings.filterwarnings("ignore", message="Parameter n_jobs will be ignored")
            _fit_watched(
                client,
                before,
                len(matrix),
                lambda: model.fit(
                    _scatter(client, matrix, shares),
                    _scatter(client, rows.outcome, shares),
                    sample_weight=_scatter(client, rows.weight, shares),
                    categorical_feature=list(categories),
                ),
            )
    return lightgbm.Booster(model_str=remove_addresses(model.booster_.model_to_string()))


def _fit_watched(client: Any, before: set[str], rows: int, fit: Callable[[], Any]) -> None:
    """Fit, and raise an error that names the workers which left the cluster meanwhile.

    The rows that a worker holds are lost with it, and the others wait for its sums: the fit ends
    with an error that names no worker, or not at all.
    """
    errors: list[Exception] = []

    def run() -> None:
        try:
            fit()
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=run, name="churnkit-dask-fit", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_POLL_SECONDS)
        if thread.is_alive() and before - set(client.ncores()):
            thread.join(_GRACE_SECONDS)
            break
    if not errors and not thread.is_alive():
        return
    lost = sorted(before - set(client.ncores()))
    if lost:
        raise ModelDataError(
            f"engine='dask': the cluster lost {', '.join(lost)} of {len(before)} workers while they "
            f"fitted {rows:,} rows. A worker that needs more memory than its limit is killed: give "
            "each more memory, or start more workers, restart those that still fit, and train again"
        ) from (errors[0] if errors else None)
    raise errors[0]


def _sklearn_params(params: dict[str, Any]) -> dict[str, Any]:
    renamed = {_SKLEARN_NAMES.get(name, name): value for name, value in params.items()}
    # Dask sets the threads of a worker; distributed training supports the basic method only.
    del renamed["num_threads"]
    if "monotone_constraints_method" in renamed:
        renamed["monotone_constraints_method"] = "basic"
    return renamed


def remove_addresses(text: str) -> str:
    """Return the text of a booster without the addresses of the workers.

    Examples
    --------
    >>> remove_addresses("[machines: 10.0.0.7:4711,10.0.0.8:4711]")
    '[machines: ]'
    """
    for name, value in _LOCAL_VALUES.items():
        text = re.sub(rf"(?m)^\[{name}: .*\]$", f"[{name}: {value}]", text)
    return text


@contextmanager
def _dask_client() -> Iterator[Any]:
    """Yield the current client, or a temporary one for the configured scheduler."""
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
            "engine='dask': no cluster is connected; create a distributed.Client first, or set "
            "DASK_SCHEDULER_ADDRESS"
        )
    with distributed.Client(address) as client:
        yield client


def _scatter(client: Any, values: NDArray[Any], shares: list[NDArray[np.intp]]) -> Any:
    """Send each worker its rows; the task graph holds references only."""
    import dask
    import dask.array

    parts = [values[share] for share in shares]
    futures = client.scatter(parts, hash=False)
    return dask.array.concatenate(
        [
            dask.array.from_delayed(dask.delayed(future), shape=part.shape, dtype=part.dtype)
            for future, part in zip(futures, parts, strict=True)
        ]
    )
