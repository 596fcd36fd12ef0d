"""A moment in UTC from what a person writes."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from churnkit.errors import ChurnkitError

__all__ = ["as_moment"]


def as_moment(as_of: str | datetime | np.datetime64) -> np.datetime64:
    """Return `as_of` in microseconds, UTC; what names no time zone is UTC.

    Raises
    ------
    ChurnkitError
        If a text is no ISO 8601 date or time.

    Examples
    --------
    >>> str(as_moment("2024-03-01T01:00:00+01:00"))
    '2024-03-01T00:00:00.000000'
    """
    if isinstance(as_of, np.datetime64):
        moment: np.datetime64 = as_of.astype("datetime64[us]")
        return moment
    if isinstance(as_of, str):
        try:
            as_of = datetime.fromisoformat(as_of)
        except ValueError as error:
            raise ChurnkitError(
                "as_of is no date: write it as 2024-03-01 or 2024-03-01T08:00:00Z"
            ) from error
    if as_of.tzinfo is not None:
        as_of = as_of.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(as_of, "us")
