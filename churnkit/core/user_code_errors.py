"""Where somebody else's code failed, said without the values that it failed on."""

from __future__ import annotations

import traceback
from pathlib import Path

__all__ = ["failure"]

# What these say is about code or files; any other error may quote a customer's row.
_ABOUT_CODE = (AttributeError, ImportError, NameError, SyntaxError, TypeError)


def failure(error: BaseException, *, file: Path | None = None) -> str:
    """Describe an error: its kind, the line of the person's own code, and words if they are safe.

    Parameters
    ----------
    error
        What was raised.
    file
        The recipe; its last line on the stack is named, else the last line of all.

    Examples
    --------
    >>> try:
    ...     int("a customer's phone number")
    ... except ValueError as error:
    ...     print(failure(error).partition(",")[0])
    ValueError
    """
    says = type(error).__name__
    if isinstance(error, _ABOUT_CODE):
        says = f"{says}: {error}"
    elif isinstance(error, OSError) and error.strerror:
        says = f"{says}: {error.strerror}" + (f": {error.filename}" if error.filename else "")
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if file is not None and Path(frame.filename) == file]
    frame = (own or frames)[-1] if frames else None
    return says if frame is None else f"{says}, in {Path(frame.filename).name} line {frame.lineno}"
