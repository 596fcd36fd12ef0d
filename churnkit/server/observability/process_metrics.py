"""Memory, processor time and open files of a worker process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from churnkit.server.observability.metrics import MultiprocessCounters

__all__ = ["measure_process"]


def measure_process(counters: MultiprocessCounters) -> None:
    """Set the metrics of this process."""
    process = psutil.Process()
    with process.oneshot():
        times = process.cpu_times()
        counters.series("churnkit_process_cpu_seconds", ()).value = times.user + times.system
        counters.series("churnkit_process_resident_bytes", ()).value = process.memory_info().rss
        # Windows has no file descriptors.
        files = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
        counters.series("churnkit_process_open_files", ()).value = files
