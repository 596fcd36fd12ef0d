"""Serve a Bento in a separate process, from ready to stopped."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn

import psutil  # type: ignore[import-untyped]

from churnkit.errors import ChurnkitError
from churnkit.server.auth.access_control import refuse_public_host
from churnkit.server.bento.pack import quiet_environment
from churnkit.server.observability.log_stream import stream_log
from churnkit.server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

__all__ = ["Server", "serve"]

_PROBE_SECONDS = 0.05
_TAIL_LINES = 25
_GRACE_SECONDS = 10.0
_ATTEMPTS = 3


@dataclass(frozen=True)
class Server:
    """A running service.

    Parameters
    ----------
    host, port
        The address it listens on.
    process
        BentoML's supervisor; the workers are its children.
    log
        File with their output.
    """

    host: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return f"http://{self.host}:{self.port}"

    def wait(self) -> None:
        """Wait until the service ends, or an interrupt.

        Raises
        ------
        ChurnkitError
            If the service ended on its own; the message ends with its last lines.
        """
        code = self.process.wait()
        raise ChurnkitError(f"the service ended with code {code}:\n{_tail(self.log)}")


@contextlib.contextmanager
def serve(
    tag: str,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    timeout_seconds: float = 180.0,
    log: str | os.PathLike[str] | None = None,
    settings: Mapping[str, str] | None = None,
    echo: Callable[[str], None] | None = None,
) -> Iterator[Server]:
    """Serve a Bento while the block runs.

    The service stops when the block ends, also after an exception, Ctrl+C or SIGTERM.

    Parameters
    ----------
    tag
        From `pack`.
    host
        The address to listen on; by default only this machine reaches it.
    port
        None for a free port.
    timeout_seconds
        Time until the service must be ready.
    log
        File that its output is appended to; a temporary one if None.
    settings
        Environment variables of the service, such as ``CHURNKIT_KEYS``; they override those of
        this process.
    echo
        Called with each line of the output, from another thread; None for no calls.

    Yields
    ------
    Server
        The running service, ready to answer.

    Raises
    ------
    ChurnkitError
        If it does not become ready, with the last lines of its output; or if other machines
        could reach it and no keys are configured.
    """
    variables = dict(settings or {})
    parsed = Settings.from_environment({**os.environ, **variables})
    refuse_public_host(host, keys=parsed.keys, is_open=parsed.open)
    # The service runs in another working folder.
    variables |= parsed.absolute_paths()
    config = variables.get("CHURNKIT_CONFIG") or os.environ.get("CHURNKIT_CONFIG")
    if config:
        variables["CHURNKIT_CONFIG"] = str(Path(config).absolute())
    with contextlib.ExitStack() as stack:
        stack.enter_context(_termination_as_exit())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="churnkit-serve-")))
        log_file = Path(log) if log is not None else folder / "service.log"
        stream = stack.enter_context(log_file.open("ab"))
        if echo is not None:
            stack.enter_context(stream_log(log_file, echo))
        attempts = 1 if port is not None else _ATTEMPTS
        for attempt in range(1, attempts + 1):
            chosen_port = port if port is not None else _free_port(host)
            metrics = folder / f"metrics-{attempt}"
            metrics.mkdir()
            process = _start(tag, host, chosen_port, stream, metrics=metrics, settings=variables)
            stack.callback(_stop, process)
            try:
                _await_ready(process, host, chosen_port, timeout_seconds, log_file)
            except ChurnkitError:
                # Another process may have taken the free port first.
                if attempt == attempts or "Address already in use" not in _tail(log_file):
                    raise
                _stop(process)
            else:
                yield Server(host, chosen_port, process, log_file)
                return


def _start(
    tag: str,
    host: str,
    port: int,
    stream: IO[bytes],
    *,
    metrics: Path,
    settings: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
        [
            *(sys.executable, "-m", "bentoml", "serve", tag),
            *("--host", host, "--port", str(port)),
            *("--timeout-graceful-shutdown", str(int(_GRACE_SECONDS / 2))),
        ],
        env=quiet_environment(
            PROMETHEUS_MULTIPROC_DIR=str(metrics), PYTHONUNBUFFERED="1", **settings
        ),
        # Not the current folder: its files could shadow modules of the service.
        cwd=metrics,
        stdin=subprocess.DEVNULL,
        stdout=stream,
        stderr=subprocess.STDOUT,
        # Ctrl+C in the terminal reaches this process only, which stops the service in order.
        start_new_session=True,
    )


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _await_ready(
    process: subprocess.Popen[bytes], host: str, port: int, timeout_seconds: float, log: Path
) -> None:
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ChurnkitError(
                f"the service ended with code {process.returncode} before it was ready:\n{_tail(log)}"
            )
        # Another process on the port may answer too: check that this one listens.
        if _listens(process, port) and _is_ready(host, port, deadline - time.monotonic()):
            return
        time.sleep(_PROBE_SECONDS)
    raise ChurnkitError(
        f"the service was not ready in {timeout_seconds:g} s: start it again when the machine is "
        f"less busy, or pass a longer timeout_seconds to serve():\n{_tail(log)}"
    )


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    with contextlib.suppress(psutil.Error):
        sockets = psutil.Process(process.pid).net_connections(kind="tcp")
        return any(s.status == psutil.CONN_LISTEN and s.laddr.port == port for s in sockets)
    return False


def _is_ready(host: str, port: int, timeout_seconds: float) -> bool:
    # The socket listens before a worker accepts, so that one request with a timeout is enough.
    connection = http.client.HTTPConnection(host, port, timeout=min(max(timeout_seconds, 0.1), 2.0))
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the supervisor in order, then any of its workers that remain."""
    workers: list[psutil.Process] = []
    if process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            workers = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
        process.kill()
        process.wait()
    _, remaining = psutil.wait_procs(workers, timeout=_GRACE_SECONDS / 10)
    for worker in remaining:
        # psutil identifies a process by its start time too, and kills no other of the same id.
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()
    psutil.wait_procs(remaining, timeout=_GRACE_SECONDS)


@contextlib.contextmanager
def _termination_as_exit() -> Iterator[None]:
    """Let SIGTERM unwind the stack as Ctrl+C does, so that started processes are stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_TAIL_LINES:])
