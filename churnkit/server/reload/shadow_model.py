"""A challenger that scores in the background what the champion answers."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from churnkit.contracts.encoding.row_encoder import RowEncoder
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from churnkit.bundle import RetentionModel
    from churnkit.server.observability.metrics import Metrics
    from churnkit.server.reload.model_sources import ModelSource

__all__ = ["ShadowModel"]

_LOG = logging.getLogger("churnkit.server")
_MAX_WAITING: Final = 256
_STEPS: Final = (0.01, 0.05, 0.1)

Rows = list[dict[str, Any]]


class ShadowModel:
    """Scores requests again after they were answered, and counts the differences.

    The queue is bounded and drops the oldest requests first. A challenger cannot change an
    answer, nor delay one by more than its own scoring.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._queue: deque[tuple[Rows, Rows]] = deque(maxlen=_MAX_WAITING)
        self._filled = asyncio.Event()
        self._model: RetentionModel | None = None
        self._encoder: RowEncoder | None = None
        self._identity: str | None = None

    def use(self, model: RetentionModel) -> None:
        """Let a challenger score from now on."""
        self._encoder = RowEncoder(model.contract, "predict")
        self._model = model
        model.warm_up()

    async def look(self, source: ModelSource) -> None:
        """Load the challenger if the source has another version."""
        try:
            identity = await asyncio.to_thread(source.identity)
            if identity == self._identity:
                return
            self._identity = identity
            self.use(await asyncio.to_thread(source.load))
        except (ChurnkitError, OSError) as error:
            _LOG.warning("the challenger cannot be loaded: %s", error)

    async def follow(self, source: ModelSource, seconds: float) -> None:
        """Poll a source until cancelled."""
        while True:
            await self.look(source)
            await asyncio.sleep(seconds or 60.0)

    def enqueue(self, customers: Rows, predictions: Rows) -> None:
        """Add an answered request to the queue."""
        self._queue.append((customers, predictions))
        self._filled.set()

    async def run(self) -> None:
        """Score the queue until cancelled."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._queue:
                self.compare(*self._queue.popleft())
                # Requests go first between two of them.
                await asyncio.sleep(0)

    def compare(self, customers: Rows, predictions: Rows) -> None:
        """Score a request with the challenger and count how far it is from the answer."""
        model, encoder = self._model, self._encoder
        if model is None or encoder is None:
            return
        count = self._metrics.count
        try:
            challenger = model.probabilities(encoder.encode(customers))
        except Exception as error:  # noqa: BLE001 - its text may quote a customer, and stops here
            count("churnkit_shadow_failures")
            _LOG.warning("the challenger failed with %s", type(error).__name__)
            return
        champion = np.array([row["churn_probability"] for row in predictions], dtype=np.float64)
        failed = np.isnan(challenger) & ~np.isnan(champion)
        both = ~(np.isnan(challenger) | np.isnan(champion))
        count("churnkit_shadow_rows", by=int(both.sum()))
        count("churnkit_shadow_failures", by=int(failed.sum()))
        differences = np.abs(challenger - champion)[both]
        for step in _STEPS:
            count("churnkit_shadow_differences", str(step), by=int((differences > step).sum()))
