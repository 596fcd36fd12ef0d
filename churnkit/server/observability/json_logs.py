"""Logging of the service, as JSON lines or text; no line holds customer data."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime

from churnkit.errors import ChurnkitError

__all__ = ["JsonFormatter", "configure_logging"]

_NAME = "churnkit.server"


class JsonFormatter(logging.Formatter):
    """Format log records as JSON lines.

    Examples
    --------
    >>> record = logging.LogRecord("churnkit.server", 30, "", 0, "kept %s", ("2",), None)
    >>> json.loads(JsonFormatter().format(record))["message"]
    'kept 2'
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return time, level, logger, process and message as JSON."""
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


def configure_logging(form: str | None) -> None:
    """Send the service's log to stderr.

    Parameters
    ----------
    form
        ``"json"`` or ``"text"``; None leaves logging to the embedding program.

    Raises
    ------
    ChurnkitError
        If it is neither.
    """
    if form is None:
        return
    if form not in {"json", "text"}:
        raise ChurnkitError(f"CHURNKIT_LOG must be json or text, got {form!r}")
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JsonFormatter() if form == "json" else text)
    logger = logging.getLogger(_NAME)
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
