"""A challenger that scores what the champion answers, in silence: only differences are counted."""

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
    from churnkit.server.reload.model_sources import Source
    from churnkit.server.routes.prediction_service import Answer

__all__ = ["Shadow"]

_LOG = logging.getLogger("churnkit.server")
_MOST_WAITING: Final = 256
_STEPS: Final = (0.01, 0.05, 0.1)

Waiting = tuple[list[dict[str, Any]], "Answer"]


class Shadow:
    """Scores requests again, after they were answered.

    What waits is bounded: where it comes too fast, the oldest is left out. A challenger can
    neither slow an answer down by more than its own scoring nor change it.

    Parameters
    ----------
    metrics
        Where differences are counted.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._waiting: deque[Waiting] = deque(maxlen=_MOST_WAITING)
        self._bell = asyncio.Event()
        self._model: RetentionModel | None = None
        self._encoder: RowEncoder | None = None
        self._met: str | None = None

    def take(self, model: RetentionModel) -> None:
        """Let a challenger score from now on."""
        self._encoder = RowEncoder(model.contract, "predict")
        self._model = model
        model.warm_up()

    async def look(self, source: Source) -> None:
        """Ask a source for the challenger, and take it if it is another one."""
        try:
            identity = await asyncio.to_thread(source.identity)
            if identity == self._met:
                return
            self._met = identity
            self.take(await asyncio.to_thread(source.load))
        except (ChurnkitError, OSError) as error:
            _LOG.warning("the challenger cannot be loaded: %s", error)

    async def follow(self, source: Source, seconds: float) -> None:
        """Ask again and again, until cancelled."""
        while True:
            await self.look(source)
            await asyncio.sleep(seconds or 60.0)

    def show(self, customers: list[dict[str, Any]], answer: Answer) -> None:
        """Leave a request that was answered, to be scored when there is time."""
        self._waiting.append((customers, answer))
        self._bell.set()

    async def run(self) -> None:
        """Score what waits, until cancelled."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            while self._waiting:
                self.compare(*self._waiting.popleft())
                # Between two of them, whoever asks goes first.
                await asyncio.sleep(0)

    def compare(self, customers: list[dict[str, Any]], answer: Answer) -> None:
        """Score a request with the challenger and count how far it is from the answer."""
        model, encoder = self._model, self._encoder
        if model is None or encoder is None:
            return
        try:
            found = model.probabilities(encoder.encode(customers))
        except Exception as error:  # noqa: BLE001 - its text may quote a customer, and stops here
            self._metrics.count("churnkit_shadow_failures")
            _LOG.warning("the challenger failed with %s", type(error).__name__)
            return
        told = np.array([row["churn_probability"] for row in answer.rows], dtype=np.float64)
        both = ~(np.isnan(found) | np.isnan(told))
        self._metrics.count("churnkit_shadow_rows", by=int(both.sum()))
        self._metrics.count(
            "churnkit_shadow_failures", by=int((np.isnan(found) & ~np.isnan(told)).sum())
        )
        apart = np.abs(found - told)[both]
        for step in _STEPS:
            self._metrics.count(
                "churnkit_shadow_differences", str(step), by=int((apart > step).sum())
            )
