"""Counts of one process, kept as plain numbers, and added up over worker processes by file."""

from __future__ import annotations

import json
import os
from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BUCKETS", "KNOWN", "Kind", "MultiprocessCounters", "Series", "TallyCollector"]

BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


@dataclass(frozen=True, slots=True)
class Kind:
    """What one metric is.

    Parameters
    ----------
    says
        One line for whoever reads it.
    labels
        The names of its labels.
    type
        A counter's name is exposed with ``_total`` behind it.
    """

    says: str
    labels: tuple[str, ...] = ()
    type: Literal["counter", "gauge", "histogram"] = "counter"


KNOWN: Final = {
    "churnkit_requests": Kind("Requests answered", ("route", "status")),
    "churnkit_request_seconds": Kind(
        "Time from the request's head to its answer", ("route",), "histogram"
    ),
    "churnkit_rows_scored": Kind("Customers scored", ("route",)),
    "churnkit_rows_refused": Kind("Customers reported in place as broken", ("route",)),
    "churnkit_refusals": Kind("Broken rules that a request was refused for", ("rule",)),
    "churnkit_scores": Kind("Customers by the tenth that their probability lies in", ("bin",)),
    "churnkit_cells_missing": Kind("Values that were missing", ("column",)),
    "churnkit_cells_unseen": Kind("Categories that training never saw", ("column",)),
    "churnkit_cells_out_of_range": Kind("Numbers outside the range that training saw", ("column",)),
    "churnkit_model": Kind("The model that answers, once a worker", ("name", "version"), "gauge"),
    "churnkit_reloads": Kind(
        "Newer versions met: swapped in, refused, or out of reach", ("outcome",)
    ),
    "churnkit_shadow_rows": Kind("Customers that the challenger scored silently"),
    "churnkit_shadow_differences": Kind(
        "Customers for whom challenger and champion differ by more", ("more_than",)
    ),
    "churnkit_shadow_failures": Kind("Requests that the challenger could not score"),
    "churnkit_journal_records": Kind("Decisions and outcomes written to the journal", ("kind",)),
    "churnkit_journal_failures": Kind("Writes to the journal that failed and are tried again"),
    "churnkit_journal_waiting": Kind("Decisions that wait for the journal", (), "gauge"),
}


@dataclass(slots=True)
class Series:
    """One number, or one histogram, under one set of labels."""

    value: float = 0.0
    buckets: list[int] = field(default_factory=list)

    def observe(self, amount: float) -> None:
        """Add to a histogram."""
        self.value += amount
        self.buckets[bisect_left(BUCKETS, amount)] += 1


class MultiprocessCounters:
    """All series of a process.

    Parameters
    ----------
    folder
        Where worker processes leave their counts for each other; None for a process alone.

    Examples
    --------
    >>> tally = MultiprocessCounters()
    >>> tally.series("churnkit_refusals", ("ge(0)",)).value += 1
    >>> tally.merged()["churnkit_refusals", ("ge(0)",)].value
    1.0
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._own: dict[tuple[str, tuple[str, ...]], Series] = {}
        self._folder = folder
        self._pid = 0
        self._place = Path()

    @property
    def is_shared(self) -> bool:
        """Whether other processes read these counts."""
        return self._folder is not None

    def series(self, name: str, labels: tuple[str, ...]) -> Series:
        """Return the series of a known metric, new if need be."""
        found = self._own.get((name, labels))
        if found is None:
            size = len(BUCKETS) + 1 if KNOWN[name].type == "histogram" else 0
            found = self._own[name, labels] = Series(0.0, [0] * size)
        return found

    def forget(self, name: str) -> None:
        """Drop every series of a metric."""
        for key in [key for key in self._own if key[0] == name]:
            del self._own[key]

    def flush(self, *, ended: bool = False) -> None:
        """Leave the counts for the other processes, whole or not at all."""
        if self._folder is None:
            return
        # Asked each time: a process that was forked counts on under its own name.
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._place = self._folder / f"churnkit-{self._pid}-{os.urandom(4).hex()}.json"
        kept = [
            (name, labels, series.value, series.buckets)
            for (name, labels), series in list(self._own.items())
            if not (ended and KNOWN[name].type == "gauge")
        ]
        aside = self._place.with_suffix(".new")
        aside.write_text(json.dumps({"pid": self._pid, "series": kept}), encoding="utf-8")
        aside.replace(self._place)

    def merged(self) -> dict[tuple[str, tuple[str, ...]], Series]:
        """Add up the counts of all processes; gauges count of those that live."""
        if self._folder is None:
            return dict(self._own)
        self.flush()
        total: dict[tuple[str, tuple[str, ...]], Series] = {}
        for place in sorted(self._folder.glob("churnkit-*.json")):
            for name, labels, series in _read(place):
                into = total.setdefault((name, labels), Series(0.0, [0] * len(series.buckets)))
                into.value += series.value
                into.buckets = [a + b for a, b in zip(into.buckets, series.buckets, strict=True)]
        return total


def _read(place: Path) -> Iterator[tuple[str, tuple[str, ...], Series]]:
    said = json.loads(place.read_text(encoding="utf-8"))
    alive = _is_alive(said["pid"])
    for name, labels, value, buckets in said["series"]:
        if alive or KNOWN[name].type != "gauge":
            yield name, tuple(labels), Series(value, buckets)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class TallyCollector(Collector):
    """A tally as prometheus_client exposes it."""

    def __init__(self, tally: MultiprocessCounters) -> None:
        self._tally = tally

    def collect(self) -> Iterator[Any]:
        """Yield each known metric, with the series that it has."""
        merged = self._tally.merged()
        for name, kind in KNOWN.items():
            found = {labels: series for (known, labels), series in merged.items() if known == name}
            family = _FAMILIES[kind.type](name, kind.says, labels=kind.labels)
            for labels, series in sorted(found.items()):
                if kind.type == "histogram":
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
    sums = [sum(series.buckets[: place + 1]) for place in range(len(edges))]
    return list(zip(edges, sums, strict=True))
