"""Memory, processor time and open files of a worker process."""

from __future__ import annotations

import psutil  # type: ignore[import-untyped]

__all__ = ["measure_process"]


def measure_process() -> dict[str, float]:
    """Return the metrics of this process by name."""
    process = psutil.Process()
    with process.oneshot():
        times = process.cpu_times()
        # Windows has no file descriptors.
        files = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
        return {
            "churnkit_process_cpu_seconds": times.user + times.system,
            "churnkit_process_resident_bytes": process.memory_info().rss,
            "churnkit_process_open_files": files,
        }
