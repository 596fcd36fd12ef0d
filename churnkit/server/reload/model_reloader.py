"""A newer version of the model is loaded aside, put to the test, and swapped in; or refused."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

import numpy as np

from churnkit.errors import BundleError, ChurnkitError
from churnkit.server.loaded_model import Served

if TYPE_CHECKING:
    from churnkit.bundle import RetentionModel
    from churnkit.server.app import App
    from churnkit.server.reload.model_sources import Source

__all__ = ["ModelReloader", "prove"]

_LOG = logging.getLogger("churnkit.server")
_SLOWEST_SECONDS: Final = 0.005
_TIMES: Final = 5
_LOOKS: Final = 3


class ModelReloader:
    """Watches a source for an application.

    Parameters
    ----------
    app
        Where newer versions are swapped in.
    source
        What is asked.
    """

    def __init__(self, app: App, source: Source) -> None:
        self._app = app
        self._source = source
        self._met = app.served.model.digest
        self._refused: tuple[str, int] = ("", 0)

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._app.settings.poll_seconds)

    async def look(self) -> bool:
        """Ask once; return whether another version answers from now on."""
        count = self._app.metrics.count
        try:
            identity = await asyncio.to_thread(self._source.identity)
        except (ChurnkitError, OSError) as error:
            count("churnkit_reloads", "unreachable")
            _LOG.warning("newer versions cannot be asked for: %s", error)
            return False
        if identity == self._met:
            return False
        try:
            served = await asyncio.to_thread(self._prepare)
        except Exception as error:  # noqa: BLE001 - whatever a bad version does, the old one serves
            self._refuse(identity, error)
            return False
        self._met = identity
        self._app.swap(served)
        count("churnkit_reloads", "swapped")
        _LOG.info("version %s answers from now on", served.version)
        return True

    def _refuse(self, identity: str, error: Exception) -> None:
        """Note a refusal, once; look again a few times, since it may still be being copied."""
        times = self._refused[1] + 1 if self._refused[0] == identity else 1
        self._refused = (identity, times)
        if times == _LOOKS:
            self._met = identity
        if times > 1:
            return
        self._app.metrics.count("churnkit_reloads", "refused")
        said = str(error) if isinstance(error, ChurnkitError) else type(error).__name__
        _LOG.error("version %s is refused, the old one serves on: %s", identity[:19], said)

    def _prepare(self) -> Served:
        model = self._source.load()
        served = Served(model, self._app.settings, self._app.metrics)
        prove(model, self._app.served.model)
        return served


def prove(model: RetentionModel, running: RetentionModel) -> None:
    """Put a loaded version to the test before it answers.

    That its golden rows score as they did when it was packed was seen while loading. Here they
    are scored one by one as well, with the same bits and fast enough; and it may ask clients
    for no column that they need not send today.

    Raises
    ------
    BundleError
        If it fails; the message says what to do.
    """
    new = {column.name for column in model.contract.required("predict")}
    known = {column.name for column in running.contract.required("predict")}
    if new - known or model.contract.entity.name != running.contract.entity.name:
        raise BundleError(
            f"it asks clients for {sorted(new - known)[:5]}, which the running version does not: "
            "start the service again once they send it"
        )
    golden = model.parts.golden
    if golden is None or not len(golden):
        return
    parts = model.parts
    together = parts.calibration.apply(parts.scorer.raw_score(golden))
    rows = golden.tolist()
    least = np.inf
    for _ in range(_TIMES):
        start = time.perf_counter()
        alone = [parts.calibration.apply_one(parts.scorer.raw_score_row(row)) for row in rows]
        least = min(least, (time.perf_counter() - start) / len(rows))
    if not np.array_equal(together, alone):
        raise BundleError("its golden rows score otherwise one by one than together")
    if least > _SLOWEST_SECONDS:
        raise BundleError(
            f"it takes {1e3 * least:.1f} ms a customer, {1e3 * _SLOWEST_SECONDS:g} at most"
        )
