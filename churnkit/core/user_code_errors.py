"""Format exceptions from user code without leaking data values."""

from __future__ import annotations

import traceback
from pathlib import Path

__all__ = ["error_location", "format_exception"]

# Messages of these are about code; messages of other errors may quote a row.
_ABOUT_CODE = (AttributeError, ImportError, NameError, SyntaxError, TypeError)


def format_exception(error: BaseException, *, file: Path | None = None) -> str:
    """Format an exception: its type, the line in the user's file, and the message if it is safe.

    Parameters
    ----------
    error
        The exception.
    file
        The recipe; the last frame in it is named, or the innermost frame without one.

    Returns
    -------
    str
        One line without data values.

    Examples
    --------
    >>> try:
    ...     int("a customer's phone number")
    ... except ValueError as error:
    ...     print(format_exception(error).partition(",")[0])
    ValueError
    """
    text = type(error).__name__
    if isinstance(error, _ABOUT_CODE):
        text = f"{text}: {error}"
    elif isinstance(error, OSError) and error.strerror:
        text = f"{text}: {error.strerror}" + (f": {error.filename}" if error.filename else "")
    frames = traceback.extract_tb(error.__traceback__)
    in_file = [frame for frame in frames if file is not None and Path(frame.filename) == file]
    frame = (in_file or frames)[-1] if frames else None
    return text if frame is None else f"{text}, in {Path(frame.filename).name} line {frame.lineno}"


def error_location(error: BaseException) -> str:
    """Return the file and line where an exception was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
