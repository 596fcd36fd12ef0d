"""Keep MLflow's logs, progress bars and warnings from the terminal."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from typing import TYPE_CHECKING

from churnkit.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["quiet_mlflow"]

_LOGGERS = ("mlflow", "mlflow.store.db.utils", "alembic")
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # They print the address of the store, with its password, to standard output.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_PRINT_MODEL_URLS_ON_CREATION": "false",
    # MLflow's own defaults are minutes of silence when a server is away.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


def _import_mlflow() -> None:
    """Import MLflow now, since its first import sets log levels."""
    try:
        import mlflow  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("train", "mlflow") from error


@contextlib.contextmanager
def quiet_mlflow() -> Iterator[None]:
    """Silence MLflow's log lines, progress bars and warnings while the block runs.

    Errors still raise, and variables that are set in the environment stay as they are.

    Raises
    ------
    MissingExtraError
        If MLflow is not installed.
    """
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    added = [name for name in _SETTINGS if name not in os.environ]
    try:
        os.environ.update({name: _SETTINGS[name] for name in added})
        _import_mlflow()

        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.ERROR)
        # MLflow prints some notices in place of logging them.
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
