"""Work on a Dask cluster: the client, and tasks that survive the loss of a worker."""

from __future__ import annotations

import math
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from churnkit.errors import ChurnkitError, MissingExtraError
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["dask_client", "map_on_workers", "run_together"]

# A task that fails, and a fit that loses a worker, are tried this often.
_ATTEMPTS = 3
# Workers are looked for this often; after a loss, the other tasks usually end by themselves.
_POLL_SECONDS, _GRACE_SECONDS = 1.0, 10.0
# Time for workers to come back.
_RESTART_SECONDS = 60.0
_KILLED = "A worker that needs more memory than its limit is killed: give each more memory"


@contextmanager
def dask_client() -> Iterator[Any]:
    """Yield the current client, or a temporary one for the configured scheduler.

    Raises
    ------
    MissingExtraError
        Dask is not installed.
    ModelDataError
        There is no cluster, or it has no workers.
    """
    try:
        import dask
        import distributed
    except ImportError:
        raise MissingExtraError("dask", "dask") from None
    try:
        client = distributed.Client.current()
    except ValueError:
        client = None
    if client is not None:
        yield _with_workers(client)
        return
    address = dask.config.get("scheduler-address", None)
    if not address:
        raise ModelDataError(
            "engine='dask': no cluster is connected; create a distributed.Client first, or set "
            "DASK_SCHEDULER_ADDRESS"
        )
    with distributed.Client(address) as client:
        yield _with_workers(client)


def _with_workers(client: Any) -> Any:
    if not client.ncores():
        raise ModelDataError(
            "engine='dask': the cluster has no workers: start one with `dask worker`"
        )
    return client


def map_on_workers(
    function: Callable[..., Any], parts: Sequence[Any], *arguments: Any, what: str
) -> list[Any]:
    """Apply a function to each part on the workers, and return the results in order.

    A task whose worker is lost runs again on another one; one that fails runs twice more.

    Parameters
    ----------
    function
        Called with a part and the arguments. Workers import its module, so they need churnkit.
    parts
        Small descriptions of what to read.
    what
        Describes the work in messages, such as ``"reading 3 files"``.

    Raises
    ------
    ChurnkitError
        The function's own error, or that a task ended its worker each time.
    """
    import distributed

    with dask_client() as client:
        futures = [
            client.submit(function, part, *arguments, pure=False, retries=_ATTEMPTS - 1)
            for part in parts
        ]
        try:
            return _gather(client, futures, what)
        except distributed.KilledWorker as error:
            raise ModelDataError(
                f"engine='dask': {what}: a task ended its worker {error.allowed_failures + 1} "
                f"times, last {error.last_worker.address}. {_KILLED}, or write the table in more "
                "files"
            ) from None
        finally:
            client.cancel(futures)


def _gather(client: Any, futures: list[Any], what: str) -> list[Any]:
    import distributed

    try:
        return list(client.gather(futures))
    except (ChurnkitError, distributed.KilledWorker):
        raise
    except Exception as error:
        # The text of another error may quote a customer's row.
        raise ModelDataError(
            f"engine='dask': {what} failed on a worker with {type(error).__name__}: check that the "
            "workers have the same packages as this process, open the same files, and reach one "
            "another"
        ) from error


def run_together(
    client: Any, start: Callable[[Sequence[str]], Sequence[Any]], *, what: str
) -> list[Any]:
    """Run tasks that exchange data, one on each worker, and start again without a lost worker.

    Such tasks cannot go on without one of them. The others end with an error that names no
    worker, or wait for ever: these workers are restarted.

    Parameters
    ----------
    client
        From `dask_client`.
    start
        Called with the addresses of the workers; submits the tasks.
    what
        Describes the work in messages.

    Returns
    -------
    list
        Results of the tasks.

    Raises
    ------
    ModelDataError
        Workers were lost each time, or could not be restarted.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        workers = sorted(client.ncores())
        futures, lost = _start(client, start, workers)
        lost = lost or _wait(client, futures, workers)
        if not lost:
            return _gather(client, futures, what)
        names = f"engine='dask': the cluster lost {', '.join(lost)} of {len(workers)} workers while"
        if attempt == _ATTEMPTS or not _recover(client, futures, len(workers)):
            raise ModelDataError(
                f"{names} {what}, in attempt {attempt} of {_ATTEMPTS}. {_KILLED}, "
                "or start more workers, and train again"
            )
        warnings.warn(
            f"{names} {what}: starting again on {len(client.ncores())}, attempt {attempt + 1} of "
            f"{_ATTEMPTS}",
            stacklevel=2,
        )
    raise AssertionError


def _start(
    client: Any, start: Callable[[Sequence[str]], Sequence[Any]], workers: Sequence[str]
) -> tuple[list[Any], list[str]]:
    """Submit the tasks; return them, or the workers that were lost meanwhile."""
    try:
        return list(start(workers)), []
    except Exception:
        time.sleep(_POLL_SECONDS)
        if lost := _lost(client, workers):
            return [], lost
        raise


def _wait(client: Any, futures: list[Any], workers: Sequence[str]) -> list[str]:
    """Wait until all tasks have ended, or a worker is lost; return the lost ones."""
    until, pause = math.inf, 0.02
    while any(future.status == "pending" for future in futures) and time.monotonic() < until:
        time.sleep(pause)
        pause = min(2 * pause, _POLL_SECONDS)
        if until == math.inf and _lost(client, workers):
            until = time.monotonic() + _GRACE_SECONDS
    if all(future.status == "finished" for future in futures):
        return []
    # A task fails with the connection to a worker before the scheduler knows that it is lost.
    time.sleep(_POLL_SECONDS)
    return _lost(client, workers)


def _lost(client: Any, workers: Sequence[str]) -> list[str]:
    return sorted(set(workers) - set(client.ncores()))


def _recover(client: Any, futures: list[Any], workers: int) -> bool:
    """Restart the workers that wait for the lost one; return False if no worker is left."""
    import distributed

    own = {future.key for future in futures}
    stuck = [worker for worker, keys in client.processing().items() if own & set(keys)]
    client.cancel(futures, force=True)
    try:
        if stuck:
            client.restart_workers(stuck, timeout=_RESTART_SECONDS)
        client.wait_for_workers(workers, timeout=_GRACE_SECONDS)
    except (distributed.TimeoutError, TimeoutError):
        pass  # go on with those that are there
    except Exception:  # noqa: BLE001 - a worker without a nanny cannot be restarted
        return False
    return bool(client.ncores())
