"""Servers under load: started on a free loopback port, loaded by wrk, stopped by process id."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

# A machine that is busy with other work starts MLflow in minutes.
START_SECONDS = 300.0
LONGEST_SECONDS = 60

SCRIPT = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
local file = io.open(os.getenv("SERVE_BODY"), "r")
wrk.body = file:read("*a")
file:close()
done = function(summary, latency, requests)
  local lost = summary.errors
  io.write(string.format(
    'FOUND {"requests": %d, "seconds": %f, "p50": %d, "p99": %d, "refused": %d, "lost": %d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    lost.status, lost.connect + lost.read + lost.write + lost.timeout))
end
"""


@dataclass(frozen=True)
class Running:
    """A running server."""

    url: str
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """CPU seconds of the server and its children."""
        used = 0.0
        for process in (self.process, *self.process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used += times.user + times.system
        return used


@contextlib.contextmanager
def running(
    command: Sequence[str], *, port: int, path: str, log: Path, settings: Mapping[str, str]
) -> Iterator[Running]:
    """Run a server while the block runs; stop it with all its children."""
    with log.open("wb") as stream:
        started = subprocess.Popen(
            command,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    process = psutil.Process(started.pid)
    try:
        _await_listening(started, port, log)
        yield Running(f"http://127.0.0.1:{port}{path}", process)
    finally:
        children = process.children(recursive=True) if process.is_running() else []
        started.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(10)
        started.kill()
        started.wait()
        _, remaining = psutil.wait_procs(children, timeout=5)
        for child in remaining:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_listening(started: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if started.poll() is not None:
            raise RuntimeError(f"ended before it listened:\n{log.read_text()[-2_000:]}")
        # A socket that listens may have no worker yet: any answer shows that there is one.
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request("GET", "/")
                connection.getresponse().read()
            finally:
                connection.close()
            return
        time.sleep(0.1)
    raise RuntimeError(f"no answer in {START_SECONDS:.0f} s:\n{log.read_text()[-2_000:]}")


def require_wrk() -> None:
    """Raise RuntimeError if the load generator is missing."""
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is missing: apt-get install wrk")


def ask(running: Running, body: Path, *, connections: int, seconds: int) -> dict[str, Any]:
    """Load a server with wrk; return its figures and the server's CPU time per request.

    Where a busy machine lets no request end in this time, it is doubled, up to a minute.
    """
    figures, used = _load(running, body, connections=connections, seconds=seconds)
    while not figures["requests"] and seconds < LONGEST_SECONDS:
        seconds *= 2
        figures, used = _load(running, body, connections=connections, seconds=seconds)
    if not figures["requests"]:
        raise RuntimeError(f"{running.url} answered no request in {seconds} s")
    assert figures["refused"] == figures["lost"] == 0, figures
    return {
        "cpu_microseconds": 1e6 * used / figures["requests"],
        "requests_a_second": figures["requests"] / figures["seconds"],
        "p50_microseconds": figures["p50"],
        "p99_microseconds": figures["p99"],
    }


def _load(
    running: Running, body: Path, *, connections: int, seconds: int
) -> tuple[dict[str, Any], float]:
    """Return wrk's figures and the CPU seconds that the server used meanwhile."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT)
        script.flush()
        load = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=60s", "-s", script.name]
        before = running.cpu_seconds()
        done = subprocess.run(
            ["wrk", *load, running.url],
            env={**os.environ, "SERVE_BODY": str(body)},
            capture_output=True,
            text=True,
            check=True,
        )
        used = running.cpu_seconds() - before
    [line] = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    figures: dict[str, Any] = json.loads(line.removeprefix("FOUND "))
    return figures, used
