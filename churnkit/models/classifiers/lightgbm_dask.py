"""The final fit of LightGBM on the workers of a Dask cluster."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from churnkit.core.io.table_file import BATCH_CELLS
from churnkit.models.dask_client import dask_client, run_together
from churnkit.models.dask_rows import DaskRows, MemoryPart, RowReader
from churnkit.models.errors import ModelDataError
from churnkit.models.scorers.fold_encoding import FOLDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import lightgbm
    from numpy.typing import NDArray

    from churnkit.models.dask_rows import RowPart
    from churnkit.models.scorers.fold_encoding import FoldEncoding
    from churnkit.models.training_rows import TrainingRows

__all__ = ["ENGINES", "check_engine", "deal_rows", "train_on_dask"]

ENGINES = ("local", "dask")

# LightGBM finds the thresholds from this many rows by default.
_BINNED_ROWS = 200_000
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
    rows: DaskRows,
    *,
    params: dict[str, Any],
    rounds: int,
    categories: Sequence[int],
    encoding: FoldEncoding | None = None,
) -> lightgbm.Booster:
    """Train a booster on the cluster that this process is connected to.

    A worker reads its parts batch by batch into LightGBM's bins, a byte per value, and holds no
    other copy of them. The thresholds are those of the sample on all workers. Sums are added in a
    different order than in one process, so the trees differ from local ones. If a worker is lost,
    the fit starts again on the others.

    Parameters
    ----------
    rows
        Parts of encoded rows, and a sample.
    params
        Parameters of `lightgbm.train`.
    rounds
        Number of trees.
    categories
        Indices of the columns that hold category codes.
    encoding
        Replaces categories of many levels.

    Returns
    -------
    lightgbm.Booster

    Raises
    ------
    ModelDataError
        There is no cluster, it has no worker, or it lost one in each attempt.
    MissingExtraError
        Dask is not installed.
    """
    import lightgbm

    sample = rows.sample
    if len(sample.matrix) > _BINNED_ROWS:
        chosen = np.random.default_rng(params["seed"]).choice(
            len(sample.matrix), _BINNED_ROWS, replace=False
        )
        sample = sample.take(np.sort(chosen))
    if encoding is not None:
        sample = encoding.encode(sample, np.arange(len(sample.matrix)) % FOLDS)
    if "monotone_constraints_method" in params:
        params = params | {"monotone_constraints_method": "basic"}  # the only one for clusters
    task = _FitTask(params, rounds, list(categories), encoding)
    with dask_client() as client:

        def start(workers: Sequence[str]) -> list[Any]:
            used = workers[: len(rows.parts)]
            networks = _networks(client, used)
            binned = client.scatter(sample.matrix, broadcast=True, hash=False)
            futures = []
            for number, worker in enumerate(used):
                numbers = range(number, len(rows.parts), len(used))
                parts = [_send(client, rows.parts[each], worker) for each in numbers]
                network = networks[number] | {"num_threads": client.ncores()[worker]}
                futures.append(
                    client.submit(
                        task.run,
                        parts,
                        list(numbers),
                        binned,
                        network,
                        workers=[worker],
                        pure=False,
                    )
                )
            return futures

        texts = run_together(client, start, what=f"they fitted {rows.rows:,} rows")
    return lightgbm.Booster(model_str=remove_addresses(texts[0]))


def deal_rows(rows: TrainingRows, *, seed: int) -> DaskRows:
    """Divide rows in memory into one random part for each worker of the cluster."""
    with dask_client() as client:
        count = min(len(client.ncores()), len(rows.matrix))
    order = np.random.default_rng(seed).permutation(len(rows.matrix))
    parts = tuple(MemoryPart(rows.take(share)) for share in np.array_split(order, count))
    return DaskRows(parts, rows)


@dataclass(frozen=True)
class _FitTask:
    """Train on the parts of one worker, together with the other workers."""

    params: dict[str, Any]
    rounds: int
    categories: list[int]
    encoding: FoldEncoding | None

    def run(
        self,
        parts: Sequence[RowPart],
        numbers: Sequence[int],
        sample: NDArray[np.float64],
        network: dict[str, Any],
    ) -> str:
        """Return the booster as text, the same on every worker."""
        import lightgbm
        from lightgbm.basic import _LIB

        settings = {"verbosity": -1, "feature_pre_filter": False}
        binned = lightgbm.Dataset(
            sample,
            label=np.zeros(len(sample)),
            categorical_feature=self.categories,
            params=settings,
        ).construct()
        count = sum(part.rows for part in parts)
        reader = RowReader(self._encoded(parts, numbers))
        outcome, weight = np.empty(count), np.empty(count)

        class Rows(lightgbm.Sequence):
            batch_size = max(1, BATCH_CELLS // sample.shape[1])

            def __len__(self) -> int:
                return count

            def __getitem__(self, index: Any) -> NDArray[np.float64]:
                rows = reader.take(index.stop - index.start)
                outcome[index], weight[index] = rows.outcome, rows.weight
                return rows.matrix

        dataset = lightgbm.Dataset(Rows(), reference=binned, params=settings).construct()
        dataset.set_label(outcome).set_weight(weight)
        try:
            booster = lightgbm.train(self.params | network, dataset, num_boost_round=self.rounds)
            return str(booster.model_to_string())
        finally:
            _LIB.LGBM_NetworkFree()

    def _encoded(self, parts: Sequence[RowPart], numbers: Sequence[int]) -> Iterator[TrainingRows]:
        for part, number in zip(parts, numbers, strict=True):
            yield from part.read() if self.encoding is None else self.encoding.read(part, number)


def _send(client: Any, part: RowPart, worker: str) -> Any:
    """Return a part as an argument of a task; rows in memory are sent beforehand."""
    if isinstance(part, MemoryPart):
        return client.scatter(part, workers=[worker], hash=False)
    return part


def _networks(client: Any, workers: Sequence[str]) -> list[dict[str, Any]]:
    """Return the settings by which the booster of each worker finds the others."""
    if len(workers) == 1:
        return [{}]
    ports = client.run(_free_port, workers=list(workers))
    machines = ",".join(f"{urlsplit(worker).hostname}:{ports[worker]}" for worker in workers)
    return [
        {
            "tree_learner": "data",
            "num_machines": len(workers),
            "machines": machines,
            "local_listen_port": ports[worker],
        }
        for worker in workers
    ]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("", 0))
        port: int = listener.getsockname()[1]
        return port


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
