"""Load newer versions of the model, validate them, and swap them in."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

import numpy as np

from churnkit.bundle.diff import new_requirements
from churnkit.errors import BundleError, ChurnkitError
from churnkit.server.loaded_model import LoadedModel

if TYPE_CHECKING:
    from churnkit.bundle import RetentionModel
    from churnkit.server.reload.model_sources import ModelSource
    from churnkit.server.service_state import ServiceState

__all__ = ["ModelReloader", "validate_replacement"]

_LOG = logging.getLogger("churnkit.server")
_MAX_ROW_SECONDS: Final = 0.005
_TIMINGS: Final = 5
_LOOKS: Final = 3


class ModelReloader:
    """Polls a source for newer versions."""

    def __init__(self, state: ServiceState, source: ModelSource) -> None:
        self._state = state
        self._source = source
        self._identity = state.loaded.model.digest
        self._refused: tuple[str, int] = ("", 0)

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._state.settings.poll_seconds)

    async def look(self) -> bool:
        """Look once; return whether another version was swapped in."""
        count = self._state.metrics.count
        try:
            identity = await asyncio.to_thread(self._source.identity)
            if identity == self._identity and self._state.loaded.registered_version is None:
                # A packed model is the registered one, without its number.
                version = await asyncio.to_thread(self._source.registered_version)
                self._state.loaded.registered_version = version
        except (ChurnkitError, OSError) as error:
            count("churnkit_reloads", "unreachable")
            _LOG.warning("the source of newer versions cannot be reached: %s", error)
            return False
        if identity == self._identity:
            return False
        try:
            loaded = await asyncio.to_thread(self._load)
        except Exception as error:  # noqa: BLE001 - no error of a bad version may stop the service
            self._refuse(identity, error)
            return False
        self._identity = identity
        self._state.swap(loaded)
        count("churnkit_reloads", "swapped")
        _LOG.info("version %s is in service", loaded.version)
        return True

    def _refuse(self, identity: str, error: Exception) -> None:
        """Log a refusal once; look again a few times, since it may still be being copied."""
        times = self._refused[1] + 1 if self._refused[0] == identity else 1
        self._refused = (identity, times)
        if times == _LOOKS:
            self._identity = identity
        if times > 1:
            return
        self._state.metrics.count("churnkit_reloads", "refused")
        reason = str(error) if isinstance(error, ChurnkitError) else type(error).__name__
        _LOG.error("version %s is refused, the running version stays: %s", identity[:19], reason)

    def _load(self) -> LoadedModel:
        model = self._source.load()
        loaded = LoadedModel(model, self._state.metrics)
        validate_replacement(model, self._state.loaded.model)
        return loaded


def validate_replacement(model: RetentionModel, running: RetentionModel) -> None:
    """Check that a model can replace the running one.

    Loading has compared its golden rows with their stored scores. Here they are scored one by
    one, with the same bits and fast enough, and no column may be required that clients need not
    send today.

    Raises
    ------
    BundleError
        With what to do.
    """
    recommends = running.contents.rules is not None
    new = new_requirements(model.contract, running.contract, recommends=recommends)
    if new or model.contract.entity.name != running.contract.entity.name:
        raise BundleError(
            f"it requires {new[:5]}, which the running version does not: restart "
            "the service once clients send them"
        )
    golden = model.contents.golden
    if golden is None or not len(golden):
        raise BundleError(
            "it has no golden rows, so that neither its scores nor its speed can be checked: "
            "restart the service to use it"
        )
    scorer, calibration = model.contents.scorer, model.contents.calibration
    together = calibration.apply(scorer.raw_score(golden))
    rows = golden.tolist()
    row_seconds = np.inf
    for _ in range(_TIMINGS):
        start = time.perf_counter()
        alone = [calibration.apply_one(scorer.raw_score_row(row)) for row in rows]
        row_seconds = min(row_seconds, (time.perf_counter() - start) / len(rows))
    if not np.array_equal(together, alone):
        raise BundleError("its golden rows score differently one by one than together")
    if row_seconds > _MAX_ROW_SECONDS:
        raise BundleError(
            f"it takes {1e3 * row_seconds:.1f} ms per customer; the limit is "
            f"{1e3 * _MAX_ROW_SECONDS:g} ms"
        )
