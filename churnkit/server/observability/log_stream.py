"""The output of a service's processes, line by line while it runs."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["as_json_line", "stream_log"]

_LOOK_SECONDS: Final = 0.2
_COLORS: Final = re.compile(r"\x1b\[[0-9;]*m")


def as_json_line(line: str, *, logger: str = "bentoml") -> str:
    """Return a line of output as a JSON object; one that is JSON already stays as it is.

    Examples
    --------
    >>> as_json_line('{"level": "info", "message": "version 3 is in service"}')
    '{"level": "info", "message": "version 3 is in service"}'
    >>> json.loads(as_json_line("Service initialized"))["message"]
    'Service initialized'
    """
    try:
        if isinstance(json.loads(line), dict):
            return line
    except (ValueError, RecursionError):
        pass
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    message = _COLORS.sub("", line)
    return json.dumps(
        {"time": moment, "level": "info", "logger": logger, "message": message}, ensure_ascii=False
    )


@contextlib.contextmanager
def stream_log(file: Path, write: Callable[[str], None]) -> Iterator[None]:
    """Pass on each line that is appended to a file while the block runs.

    Parameters
    ----------
    file
        The file; what it has now is left out.
    write
        Takes a line without its end.
    """
    ended = threading.Event()

    def run() -> None:
        with file.open(encoding="utf-8", errors="replace") as stream:
            stream.seek(0, 2)
            part = ""
            while True:
                is_last = ended.is_set()
                while text := stream.readline():
                    part += text
                    if part.endswith("\n"):
                        write(part.rstrip("\r\n"))
                        part = ""
                if is_last:
                    if part:  # the last line of a process that crashed
                        write(part)
                    return
                ended.wait(_LOOK_SECONDS)

    thread = threading.Thread(target=run, name="churnkit-log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(5.0)
