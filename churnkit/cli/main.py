"""Run a command, and end in one of three ways: done, refused with a message, or our fault."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from churnkit.errors import ChurnkitError

__all__ = ["DONE", "FAULT", "REFUSED", "main", "run"]

DONE, REFUSED, FAULT = 0, 1, 2
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 refused or failed with a message, 2 our fault."""
    # What is half-written is removed on the way out; the signal alone would leave it there.
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(run(sys.argv[1:] if argv is None else list(argv)))


def run(argv: list[str]) -> int:
    """Run one command and return its exit code; see `main`."""
    from churnkit.cli.app import command

    try:
        code = command().main(args=argv or ["--help"], prog_name="churnkit", standalone_mode=False)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  (the last door of all)
        return _ended_by(error)
    except SystemExit as end:
        # Click ends so when the reader of our output has seen enough.
        if isinstance(end.__context__, BrokenPipeError):
            return _ended_by(end.__context__)
        raise
    if code == _INTERRUPTED:
        return _ended_by(KeyboardInterrupt())
    return code if isinstance(code, int) else DONE


def _ended_by(error: BaseException) -> int:
    """Say why a command ended before its end, and give its exit code."""
    from churnkit.cli.output import say_error

    if isinstance(error, BrokenPipeError):
        # The reader of our output, such as head, is gone; nobody is left to tell.
        _close_output()
        return DONE
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        say_error("interrupted; nothing is left half-written")
        return _INTERRUPTED
    says = _refusal(error)
    if says is not None:
        say_error(says)
        return REFUSED
    if os.environ.get("CHURNKIT_DEBUG"):
        raise error
    # The text of an error from deep inside may hold a customer's value; its kind does not.
    say_error(
        f"a fault in churnkit: {type(error).__name__}. Set CHURNKIT_DEBUG=1 to see where, and "
        "please report it"
    )
    return FAULT


def _refusal(error: BaseException) -> str | None:
    """Return what to say of an error that is not our fault; None if it is."""
    if isinstance(error, ChurnkitError):
        return str(error)
    if hasattr(error, "format_message"):  # a wrong use of the command line
        return f"{error.format_message()} See: churnkit --help"
    if isinstance(error, OSError):  # a full disk, a folder that may not be written to
        name = f"{error.filename}: " if isinstance(error.filename, str) else ""
        return f"{name}{error.strerror or type(error).__name__}"
    return None


def _terminate(number: int, _frame: Any) -> NoReturn:
    raise SystemExit(128 + number)


def _close_output() -> None:
    """Let the interpreter's last flush go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
