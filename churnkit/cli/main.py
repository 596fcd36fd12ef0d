"""Run a command and exit with its code, one of `exit_codes`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from churnkit.cli.exit_codes import ALARM, DONE, FAULT, REFUSED
from churnkit.errors import ChurnkitError

__all__ = ["ALARM", "DONE", "FAULT", "REFUSED", "main", "run"]

_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 refused or failed, 2 internal error, 3 alarm."""
    # Raising SystemExit lets a command remove its unfinished output; the signal alone would not.
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(run(sys.argv[1:] if argv is None else list(argv)))


def run(argv: list[str]) -> int:
    """Run one command and return its exit code; see `main`."""
    from churnkit.cli.app import build_command

    try:
        code = build_command().main(
            args=argv or ["--help"], prog_name="churnkit", standalone_mode=False
        )
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  (the outermost handler)
        return _handle_error(error)
    except SystemExit as end:
        # Click exits so when the reader of stdout has closed the pipe.
        if isinstance(end.__context__, BrokenPipeError):
            return _handle_error(end.__context__)
        raise
    if code == _INTERRUPTED:
        return _handle_error(KeyboardInterrupt())
    return code if isinstance(code, int) else DONE


def _handle_error(error: BaseException) -> int:
    """Print why a command failed and return its exit code."""
    from churnkit.cli.output import print_error

    if isinstance(error, BrokenPipeError):
        # The reader of stdout, such as head, has closed the pipe: there is nowhere to print.
        _discard_output()
        return DONE
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        print_error("interrupted; no file was left incomplete")
        return _INTERRUPTED
    message = _user_message(error)
    if message is not None:
        print_error(message)
        return REFUSED
    if os.environ.get("CHURNKIT_DEBUG"):
        raise error
    # The text of an unexpected error may hold a customer's value; its type does not.
    print_error(
        f"internal error: {type(error).__name__}. Set CHURNKIT_DEBUG=1 for the traceback, and "
        "please report it"
    )
    return FAULT


def _user_message(error: BaseException) -> str | None:
    """Return the message of an expected error; None for an internal error."""
    if isinstance(error, ChurnkitError):
        return str(error)
    if hasattr(error, "format_message"):  # a usage error of Click
        context = getattr(error, "ctx", None)
        command = "churnkit" if context is None else context.command_path
        return f"{error.format_message().rstrip('.')}. See: {command} --help"
    if isinstance(error, OSError):  # such as a full disk or a folder without write permission
        name = f"{error.filename}: " if isinstance(error.filename, str) else ""
        return f"{name}{error.strerror or type(error).__name__}"
    return None


def _terminate(number: int, _frame: Any) -> NoReturn:
    raise SystemExit(128 + number)


def _discard_output() -> None:
    """Redirect stdout, so that the interpreter's last flush does not fail."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
