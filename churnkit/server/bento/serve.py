"""A Bento served in a process of its own, from ready to stopped."""

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
from churnkit.server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
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
        Where it listens.
    process
        BentoML's supervisor; the workers are its children.
    log
        The file that takes what they print.
    """

    host: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        """The address to ask, without a trailing slash."""
        return f"http://{self.host}:{self.port}"

    def wait(self) -> None:
        """Stay until the service ends, or an interrupt comes.

        Raises
        ------
        ChurnkitError
            If the service ended by itself; the message ends with its last lines.
        """
        code = self.process.wait()
        raise ChurnkitError(f"the service ended with code {code}:\n{_tail(self.log)}")


@contextlib.contextmanager
def serve(
    tag: str,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    timeout_seconds: float = 60.0,
    log: str | os.PathLike[str] | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Serve a Bento while the block runs.

    The service is stopped when the block is left, also by an exception, Ctrl+C or SIGTERM.

    Parameters
    ----------
    tag
        What `pack` gave.
    host
        The address to listen on; by default no other machine can ask.
    port
        None for a free one.
    timeout_seconds
        How long the service may take until it is ready.
    log
        The file for what it prints, appended; a temporary one if None.
    settings
        Environment variables of the service, such as ``CHURNKIT_KEYS``; they go before those
        of this process.

    Yields
    ------
    The running service, ready to answer.

    Raises
    ------
    ChurnkitError
        If it does not become ready, with the last lines that it printed; or if other machines
        could ask and there are no keys.
    """
    given = dict(settings or {})
    chosen_settings = Settings.from_environment({**os.environ, **given})
    refuse_public_host(host, keys=chosen_settings.keys, is_open=chosen_settings.open)
    if chosen_settings.keys:
        # The service works in a folder of its own.
        given["CHURNKIT_KEYS"] = str(Path(chosen_settings.keys).resolve())
    with contextlib.ExitStack() as stack:
        stack.enter_context(_termination_as_exit())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="churnkit-serve-")))
        place = Path(log) if log is not None else folder / "service.log"
        stream = stack.enter_context(place.open("ab"))
        attempts = 1 if port is not None else _ATTEMPTS
        for attempt in range(1, attempts + 1):
            chosen = port if port is not None else _free_port(host)
            metrics = folder / f"metrics-{attempt}"
            metrics.mkdir()
            process = _start(tag, host, chosen, stream, metrics=metrics, settings=given)
            stack.callback(_stop, process)
            try:
                _await_ready(process, host, chosen, timeout_seconds, place)
            except ChurnkitError:
                # Somebody may have taken the free port before the service did.
                if attempt == attempts or "Address already in use" not in _tail(place):
                    raise
                _stop(process)
            else:
                yield Server(host, chosen, process, place)
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
        # Not where we are: a file of ours could be taken for a module of the service.
        cwd=metrics,
        stdin=subprocess.DEVNULL,
        stdout=stream,
        stderr=subprocess.STDOUT,
        # Ctrl+C in the terminal reaches us alone, and we stop the service in order.
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
        # Whoever else holds the port may answer too; so ours must be the one that listens.
        if _listens(process, port) and _is_ready(host, port, deadline - time.monotonic()):
            return
        time.sleep(_PROBE_SECONDS)
    raise ChurnkitError(f"the service was not ready in {timeout_seconds:g} s:\n{_tail(log)}")


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    with contextlib.suppress(psutil.Error):
        sockets = psutil.Process(process.pid).net_connections(kind="tcp")
        return any(s.status == psutil.CONN_LISTEN and s.laddr.port == port for s in sockets)
    return False


def _is_ready(host: str, port: int, timeout_seconds: float) -> bool:
    # The socket listens before a worker accepts, so one patient question is enough.
    connection = http.client.HTTPConnection(host, port, timeout=min(max(timeout_seconds, 0.1), 2.0))
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the supervisor in order; then whatever is left of its workers."""
    workers: list[psutil.Process] = []
    if process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            workers = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
        process.kill()
        process.wait()
    _, left = psutil.wait_procs(workers, timeout=_GRACE_SECONDS / 10)
    for worker in left:
        # psutil knows a process by its start too, and so ends no stranger of the same number.
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()
    psutil.wait_procs(left, timeout=_GRACE_SECONDS)


@contextlib.contextmanager
def _termination_as_exit() -> Iterator[None]:
    """Let SIGTERM unwind the stack as Ctrl+C does, so that what was started is stopped."""
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
