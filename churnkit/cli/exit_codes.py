"""Exit codes of the commands."""

from __future__ import annotations

__all__ = ["ALARM", "DONE", "FAULT", "REFUSED"]

DONE, REFUSED, FAULT, ALARM = 0, 1, 2, 3
"""Done; refused or failed with a message; internal error; and an alarm: the command worked, and what
it found calls for a person."""
