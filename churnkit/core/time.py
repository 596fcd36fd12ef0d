"""Moments in UTC: parsing, and conversion from and to microseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from churnkit.errors import ChurnkitError

__all__ = ["EPOCH", "MONTHS", "MONTH_OF", "as_moment", "from_microseconds", "to_microseconds"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONTHS = (
    "january januar janvier enero gennaio janeiro januari",
    "february februar février fevrier febrero febbraio fevereiro februari",
    "march märz maerz mrz mars marzo março marco maart",
    "april avril abril aprile", "may mai mayo maggio maio mei", "june juni juin junio giugno junho",
    "july juli juillet julio luglio julho", "august août aout agosto augustus",
    "september septembre septiembre settembre setembro", "october oktober octobre octubre ottobre outubro",
    "november novembre noviembre novembro", "december dezember décembre decembre diciembre dicembre dezembro",
)  # fmt: skip
"""Names of the twelve months in English, German, French, Spanish, Italian, Portuguese and Dutch."""
MONTH_OF = {
    name[:length]: month
    for month, names in enumerate(MONTHS, 1)
    for name in names.split()
    for length in range(3, len(name) + 1)
    if name[:length] != "jui"
}
"""Number of each month by its names, and by their beginnings of three letters or more.

"jui" is that of June and of July in French.
"""
_MICROSECOND = timedelta(microseconds=1)


def from_microseconds(microseconds: int) -> datetime:
    """Convert whole microseconds since 1970, UTC, to a time.

    Examples
    --------
    >>> from_microseconds(86_400_000_000).isoformat()
    '1970-01-02T00:00:00+00:00'
    """
    return EPOCH + timedelta(microseconds=microseconds)


def to_microseconds(moment: datetime) -> int:
    """Convert a time with a time zone to whole microseconds since 1970, UTC.

    Examples
    --------
    >>> to_microseconds(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    return (moment - EPOCH) // _MICROSECOND


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
