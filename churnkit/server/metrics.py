"""What the endpoint counts: requests, seconds, rows, refusals; in Prometheus' words.

No label ever holds what a client sent: paths are those of the application, rules those of the
contract.
"""

from __future__ import annotations

import os
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

__all__ = ["METRICS_TYPE", "Metrics"]

METRICS_TYPE: Final = CONTENT_TYPE_LATEST
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
# BentoML sets it, so that the counts of several worker processes are added up.
_SHARED = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """The counters of one application.

    Examples
    --------
    >>> metrics = Metrics()
    >>> metrics.answered("/v1/predict", 200, seconds=0.001, rows=3)
    >>> metrics.refused(["ge(0)"])
    >>> "churnkit_rows_scored_total" in metrics.exposition().decode()
    True
    """

    def __init__(self) -> None:
        own = CollectorRegistry()
        self._registry = own
        self._requests = Counter(
            "churnkit_requests", "Requests answered", ["route", "status"], registry=own
        )
        self._seconds = Histogram(
            "churnkit_request_seconds",
            "Time from the request's head to its answer",
            ["route"],
            buckets=_SECONDS,
            registry=own,
        )
        self._rows = Counter("churnkit_rows_scored", "Customers scored", ["route"], registry=own)
        self._refusals = Counter(
            "churnkit_refusals",
            "Broken rules that a request was refused for",
            ["rule"],
            registry=own,
        )
        self._known: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def answered(self, route: str, status: int, *, seconds: float, rows: int = 0) -> None:
        """Count an answer, how long it took, and the customers that it scored."""
        key = (route, status)
        known = self._known.get(key)
        if known is None:
            # Looked up once: prometheus_client's own look-up takes longer than scoring a row.
            known = self._requests.labels(route, str(status)), self._seconds.labels(route)
            self._known[key] = known
        known[0].inc()
        known[1].observe(seconds)
        if rows:
            self._rows.labels(route).inc(rows)

    def refused(self, rules: list[str]) -> None:
        """Count the rules that a refused request broke."""
        for rule in rules:
            self._refusals.labels(rule).inc()

    def exposition(self) -> bytes:
        """Return the counts of all worker processes as Prometheus reads them."""
        registry = self._registry
        if _SHARED in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
