"""One sentence against one table."""

from __future__ import annotations

from churnkit.errors import DataError

__all__ = ["refusal"]


def refusal(table: str, said: str) -> DataError:
    """Make the error that refuses a table for one reason.

    Examples
    --------
    >>> print(refusal("events", "column 'at' is missing; rename it"))
    events does not fit its contract:
      - column 'at' is missing; rename it
    """
    return DataError(table, [said])
