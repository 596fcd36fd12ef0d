"""What the endpoint counts, in Prometheus' words.

Counting costs a request next to nothing: numbers are added up in this process, and once a second
they are written where the other worker processes find them. No label ever holds what a client
sent: paths are those of the application, rules and columns those of the contract.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from churnkit.server.observability.multiprocess_counters import (
    MultiprocessCounters,
    Series,
    TallyCollector,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["METRICS_TYPE", "Metrics"]

METRICS_TYPE: Final = CONTENT_TYPE_LATEST
_FLUSH_SECONDS = 1.0
_BINS: Final = tuple(f"{step / 10:.1f}-{(step + 1) / 10:.1f}" for step in range(10))
# BentoML sets it: a folder that its worker processes share.
_SHARED = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """The counters of one application.

    Parameters
    ----------
    shared
        The folder in which worker processes add up their counts; from the environment if None.

    Examples
    --------
    >>> metrics = Metrics()
    >>> metrics.answered("/v1/predict", 200, seconds=0.001, rows=3)
    >>> metrics.refused(["ge(0)"])
    >>> "churnkit_rows_scored_total" in metrics.exposition().decode()
    True
    """

    def __init__(self, shared: str | os.PathLike[str] | None = None) -> None:
        place = shared or os.environ.get(_SHARED)
        self._tally = MultiprocessCounters(Path(place) if place else None)
        self._registry = CollectorRegistry()
        self._registry.register(TallyCollector(self._tally))
        self._answers: dict[tuple[str, int], tuple[Series, Series]] = {}
        self._rows: dict[str, Series] = {}
        self._bins = [self._tally.series("churnkit_scores", (bin_,)) for bin_ in _BINS]
        self._flushing = False

    def answered(self, route: str, status: int, *, seconds: float, rows: int = 0) -> None:
        """Count an answer, how long it took, and the customers that it scored."""
        known = self._answers.get((route, status))
        if known is None:
            known = (
                self._tally.series("churnkit_requests", (route, str(status))),
                self._tally.series("churnkit_request_seconds", (route,)),
            )
            self._answers[route, status] = known
        known[0].value += 1
        known[1].observe(seconds)
        if rows:
            counted = self._rows.get(route)
            if counted is None:
                counted = self._rows[route] = self._tally.series("churnkit_rows_scored", (route,))
            counted.value += rows
        if not self._flushing:
            self._flush_soon()

    def scored(self, probability: float) -> None:
        """Count one probability in its tenth."""
        self._bins[min(int(probability * 10), 9)].value += 1

    def scored_many(self, probabilities: Sequence[float]) -> None:
        """Count the probabilities of many rows."""
        for probability in probabilities:
            self._bins[min(int(probability * 10), 9)].value += 1

    def refused(self, rules: list[str]) -> None:
        """Count the rules that a refused request broke."""
        for rule in rules:
            self.count("churnkit_refusals", rule)

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """Add to a counter of `churnkit.server.observability.multiprocess_counters.KNOWN`."""
        self._tally.series(name, labels).value += by

    def show(self, name: str, *labels: str, value: float) -> None:
        """Set a gauge of this process."""
        self._tally.series(name, labels).value = value

    def forget(self, name: str) -> None:
        """Drop every series of a gauge."""
        self._tally.forget(name)

    def series(self, name: str, *labels: str) -> Series:
        """Return a counter to add to, for places that count often."""
        return self._tally.series(name, labels)

    def exposition(self) -> bytes:
        """Return the counts of all worker processes as Prometheus reads them."""
        return generate_latest(self._registry)

    def close(self) -> None:
        """Write the last counts, and take this process's gauges away."""
        self._tally.flush(ended=True)

    def _flush_soon(self) -> None:
        if not self._tally.is_shared:
            self._flushing = True
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._flushing = True
        loop.call_later(_FLUSH_SECONDS, self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self._tally.flush()
