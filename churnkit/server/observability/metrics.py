"""Prometheus metrics of the endpoint, summed over worker processes.

prometheus_client's multiprocess mode writes each increment to a memory-mapped file, which costs
four times as much per request. Here a counter is a number in this process, and a process that
has others writes its numbers to a file once a second. No label holds what a client sent: paths are
those of the application, rules and columns those of the contract.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from churnkit.server.observability.process_metrics import measure_process

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["BUCKETS", "METRICS", "METRICS_TYPE", "Metrics", "MultiprocessCounters"]

METRICS_TYPE: Final = CONTENT_TYPE_LATEST
BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_FLUSH_SECONDS = 1.0
_BINS: Final = tuple(f"{step / 10:.1f}-{(step + 1) / 10:.1f}" for step in range(10))
# BentoML sets it: a folder that its worker processes share.
_SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


@dataclass(frozen=True, slots=True)
class _Metric:
    """Help text, label names and type of a metric."""

    help: str
    labels: tuple[str, ...] = ()
    type: Literal["counter", "gauge", "histogram"] = "counter"


METRICS: Final = {
    "churnkit_requests": _Metric("Requests answered", ("route", "status")),
    "churnkit_request_seconds": _Metric(
        "Time from the request's head to its reply", ("route",), "histogram"
    ),
    "churnkit_rows_scored": _Metric("Customers scored", ("route",)),
    "churnkit_rows_refused": _Metric("Customers reported in place as invalid", ("route",)),
    "churnkit_refusals": _Metric("Broken rules that requests were refused for", ("rule",)),
    "churnkit_scores": _Metric("Customers by churn probability in tenths", ("bin",)),
    "churnkit_cells_missing": _Metric("Missing values", ("column",)),
    "churnkit_cells_unseen": _Metric("Categories that training did not see", ("column",)),
    "churnkit_cells_out_of_range": _Metric("Numbers outside the training range", ("column",)),
    "churnkit_model": _Metric("The model that answers, 1 per worker", ("name", "version"), "gauge"),
    "churnkit_reloads": _Metric("Newer versions: swapped, refused or unreachable", ("outcome",)),
    "churnkit_shadow_rows": _Metric("Customers that the challenger scored"),
    "churnkit_shadow_differences": _Metric(
        "Customers whose two probabilities differ by more", ("more_than",)
    ),
    "churnkit_shadow_failures": _Metric("Requests that the challenger could not score"),
    "churnkit_journal_records": _Metric("Decisions and outcomes written", ("kind",)),
    "churnkit_journal_failures": _Metric("Failed writes to the journal, tried again"),
    "churnkit_journal_reachable": _Metric("1 if the journal can be reached", (), "gauge"),
    "churnkit_journal_waiting": _Metric("Decisions that wait for the journal", (), "gauge"),
    "churnkit_spool_failures": _Metric("Requests refused because the spool's disk is full"),
    "churnkit_clock_jumps": _Metric("Jumps of the system clock, per worker"),
    "churnkit_connections_closed": _Metric("Connections closed by the limits", ("reason",)),
    "churnkit_worker_starts": _Metric("Starts of workers"),
    "churnkit_task_failures": _Metric("Failures of background tasks, restarted", ("task",)),
    "churnkit_task_running": _Metric("1 while a background task runs", ("task",), "gauge"),
    "churnkit_process_cpu_seconds": _Metric("Processor time of the workers"),
    "churnkit_process_resident_bytes": _Metric("Memory of the workers", (), "gauge"),
    "churnkit_process_open_files": _Metric("Open files of the workers", (), "gauge"),
}


_FROM_START: Final = (
    *(("churnkit_reloads", (outcome,)) for outcome in ("swapped", "refused", "unreachable")),
    *(("churnkit_refusals", (rule,)) for rule in ("not-json", "busy", "key", "rate")),
    ("churnkit_journal_failures", ()),
    ("churnkit_spool_failures", ()),
    ("churnkit_clock_jumps", ()),
    ("churnkit_worker_starts", ()),
    *(
        ("churnkit_connections_closed", (reason,))
        for reason in ("time", "size", "number", "invalid")
    ),
)


@dataclass(slots=True)
class Series:
    """One number, or one histogram, under one set of labels."""

    value: float = 0.0
    buckets: list[int] = field(default_factory=list)


Key = tuple[str, tuple[str, ...]]


class MultiprocessCounters:
    """The series of a process, and their sums over all processes.

    Parameters
    ----------
    folder
        Where worker processes write their counts; None for a single process.

    Examples
    --------
    >>> counters = MultiprocessCounters()
    >>> counters.series("churnkit_refusals", ("ge(0)",)).value += 1
    >>> counters.total()["churnkit_refusals", ("ge(0)",)].value
    1.0
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._series: dict[Key, Series] = {}
        self._folder = folder
        self._pid = 0
        self._file = Path()

    @property
    def is_shared(self) -> bool:
        """True if other processes read these counts."""
        return self._folder is not None

    def series(self, name: str, labels: tuple[str, ...]) -> Series:
        """Return the series of a metric, new if need be."""
        series = self._series.get((name, labels))
        if series is None:
            size = len(BUCKETS) + 1 if METRICS[name].type == "histogram" else 0
            series = self._series[name, labels] = Series(0.0, [0] * size)
        return series

    def forget(self, name: str) -> None:
        """Drop every series of a metric."""
        for key in [key for key in self._series if key[0] == name]:
            del self._series[key]

    def flush(self, *, ended: bool = False) -> None:
        """Write the counts for the other processes; without gauges if this process has ended."""
        for name, value in measure_process().items():
            self.series(name, ()).value = value
        if self._folder is None:
            return
        # Checked each time: a forked process counts under its own name.
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._file = self._folder / f"churnkit-{self._pid}-{os.urandom(4).hex()}.json"
        series = [
            (name, labels, series.value, series.buckets)
            for (name, labels), series in list(self._series.items())
            if not (ended and METRICS[name].type == "gauge")
        ]
        temporary = self._file.with_suffix(".new")
        text = json.dumps({"pid": self._pid, "series": series})
        # On a full disk the other processes read the counts before.
        with contextlib.suppress(OSError):
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self._file)

    def total(self) -> dict[Key, Series]:
        """Return the sums over all processes; gauges over those that run."""
        self.flush()
        if self._folder is None:
            return dict(self._series)
        totals: dict[Key, Series] = {}
        for file in sorted(self._folder.glob("churnkit-*.json")):
            for key, series in _read(file):
                total = totals.setdefault(key, Series(0.0, [0] * len(series.buckets)))
                total.value += series.value
                total.buckets = [a + b for a, b in zip(total.buckets, series.buckets, strict=True)]
        return totals


class Metrics:
    """The metrics of one application.

    Parameters
    ----------
    folder
        Where worker processes share their counts; from the environment if None.

    Examples
    --------
    >>> metrics = Metrics()
    >>> metrics.answered("/v1/predict", 200, seconds=0.001, rows=3)
    >>> metrics.refused(["ge(0)"])
    >>> "churnkit_rows_scored_total" in metrics.exposition().decode()
    True
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        shared = folder or os.environ.get(_SHARED_FOLDER)
        self.shared_folder: Path | None = Path(shared) if shared else None
        self._counters = MultiprocessCounters(self.shared_folder)
        self._registry = CollectorRegistry()
        self._registry.register(_CounterCollector(self._counters))
        self._replies: dict[tuple[str, int], tuple[Series, Series]] = {}
        self._rows: dict[str, Series] = {}
        self._bins = [self.series("churnkit_scores", bin_) for bin_ in _BINS]
        self._flushing = False

    def start(self, paths: Iterable[str]) -> None:
        """Let the counts of an application exist from the start, at zero.

        A rate over a counter that appears with its first event misses that event.
        """
        for path in paths:
            self.series("churnkit_requests", path, "200")
            self.series("churnkit_request_seconds", path)
            self.series("churnkit_rows_refused", path)
        for name, labels in _FROM_START:
            self.series(name, *labels)

    def answered(self, path: str, status: int, *, seconds: float, rows: int = 0) -> None:
        """Count a reply, its time, and the customers that it scored."""
        counted = self._replies.get((path, status))
        if counted is None:
            counted = (
                self.series("churnkit_requests", path, str(status)),
                self.series("churnkit_request_seconds", path),
            )
            self._replies[path, status] = counted
        requests, times = counted
        requests.value += 1
        times.value += seconds
        times.buckets[bisect_left(BUCKETS, seconds)] += 1
        if rows:
            scored = self._rows.get(path)
            if scored is None:
                scored = self._rows[path] = self.series("churnkit_rows_scored", path)
            scored.value += rows
        if not self._flushing:
            self._schedule_flush()

    def scored(self, probability: float) -> None:
        """Count one churn probability."""
        self._bins[min(int(probability * 10), 9)].value += 1

    def scored_many(self, probabilities: Sequence[float]) -> None:
        """Count the churn probabilities of many rows."""
        for probability in probabilities:
            self._bins[min(int(probability * 10), 9)].value += 1

    def refused(self, rules: Sequence[str]) -> None:
        """Count the rules that a refused request broke."""
        for rule in rules:
            self.count("churnkit_refusals", rule)

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """Add to one of `METRICS`."""
        self._counters.series(name, labels).value += by
        if not self._flushing:
            self._schedule_flush()

    def show(self, name: str, *labels: str, value: float) -> None:
        """Set a gauge of this process."""
        self._counters.series(name, labels).value = value
        if not self._flushing:
            self._schedule_flush()

    def forget(self, name: str) -> None:
        """Drop every series of a gauge."""
        self._counters.forget(name)

    def series(self, name: str, *labels: str) -> Series:
        """Return a series, for callers that count often."""
        return self._counters.series(name, labels)

    def exposition(self) -> bytes:
        """Return the counts of all worker processes in Prometheus' text format."""
        return generate_latest(self._registry)

    def close(self) -> None:
        """Write the last counts and remove this process's gauges."""
        self._counters.flush(ended=True)

    def _schedule_flush(self) -> None:
        if not self._counters.is_shared:
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
        self._counters.flush()


class _CounterCollector(Collector):
    """Counters in the form that prometheus_client exposes."""

    def __init__(self, counters: MultiprocessCounters) -> None:
        self._counters = counters

    def collect(self) -> Iterator[Any]:
        """Yield each metric with its series."""
        totals = self._counters.total()
        for name, metric in METRICS.items():
            found = {labels: series for (key, labels), series in totals.items() if key == name}
            family = _FAMILIES[metric.type](name, metric.help, labels=metric.labels)
            for labels, series in sorted(found.items()):
                if metric.type == "histogram":
                    family.add_metric(labels, _cumulative(series), series.value)
                else:
                    family.add_metric(labels, series.value)
            yield family


_FAMILIES: Final[dict[str, Any]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


def _cumulative(series: Series) -> list[tuple[str, int]]:
    edges = [*map(repr, BUCKETS), "+Inf"]
    sums = [sum(series.buckets[: position + 1]) for position in range(len(edges))]
    return list(zip(edges, sums, strict=True))


def _read(file: Path) -> Iterator[tuple[Key, Series]]:
    document = json.loads(file.read_text(encoding="utf-8"))
    is_running = _is_running(document["pid"])
    for name, labels, value, buckets in document["series"]:
        if is_running or METRICS[name].type != "gauge":
            yield (name, tuple(labels)), Series(value, buckets)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
