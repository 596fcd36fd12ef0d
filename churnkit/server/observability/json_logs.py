"""Log lines that programs read: one JSON object each, about the service and never a customer."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime

from churnkit.errors import ChurnkitError

__all__ = ["JsonLines", "log_as"]

_NAME = "churnkit.server"


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON.

    Examples
    --------
    >>> record = logging.LogRecord("churnkit.server", 30, "", 0, "kept %s", ("2",), None)
    >>> json.loads(JsonLines().format(record))["message"]
    'kept 2'
    """

    def format(self, record: logging.LogRecord) -> str:
        """Give time, level, logger, process and message."""
        moment = datetime.fromtimestamp(record.created, UTC)
        return json.dumps(
            {
                "time": moment.isoformat(timespec="milliseconds"),
                "level": record.levelname.lower(),
                "logger": record.name,
                "pid": os.getpid(),
                "message": record.getMessage(),
            },
            ensure_ascii=False,
        )


def log_as(form: str | None) -> None:
    """Write the service's log to stderr.

    Parameters
    ----------
    form
        ``"json"`` or ``"text"``; None leaves logging to the program around.

    Raises
    ------
    ChurnkitError
        If it is another word.
    """
    if form is None:
        return
    if form not in {"json", "text"}:
        raise ChurnkitError("CHURNKIT_LOG must be json or text")
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JsonLines() if form == "json" else plain)
    logger = logging.getLogger(_NAME)
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
