"""Check the access to sources: secret, scopes, clock and quota."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from churnkit.connect.description.table_sources import read_tables
from churnkit.connect.http.client import StatusError
from churnkit.connect.http.rate_limit import used_share
from churnkit.connect.ingestion.page_reader import read_fields
from churnkit.connect.ingestion.pull import open_client
from churnkit.core.result import Result
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

    from churnkit.connect.description.provider import Provider, Source
    from churnkit.connect.http.clock import Clock
    from churnkit.connect.http.transport import Response, Transport

__all__ = ["AccessCheck", "check_sources"]

_MOST_CLOCK_SECONDS = 300.0


@dataclass(frozen=True)
class AccessCheck(Result):
    """Access to a source.

    Parameters
    ----------
    source, provider
        Names of the source and of its provider.
    clock_seconds
        Difference of this machine's clock from the provider's; None if unknown.
    quota_used
        Used share of the daily quota; None if the provider does not state it.
    problem
        Reason why the source cannot be read; None if it can.
    """

    source: str
    provider: str
    clock_seconds: float | None = None
    quota_used: float | None = None
    problem: str | None = None


def check_sources(
    sources: Mapping[str, Source],
    names: Sequence[str],
    *,
    transport: Transport,
    clock: Clock,
    jitter: Random,
) -> list[AccessCheck]:
    """Check sources with one request each, and one for each description of fields.

    Parameters
    ----------
    sources
        Declared sources by name.
    names
        Sources to check; all if empty.
    transport, clock, jitter
        As in `pull`.

    Returns
    -------
    list of AccessCheck
        One for each source.
    """
    checks = []
    for name, source in sources.items():
        if names and name not in names:
            continue
        provider = source.provider
        client = open_client(name, source, transport=transport, clock=clock, jitter=jitter)
        try:
            if not provider.check:
                for stream in source.streams:
                    next(read_tables(source, stream.full.path), None)
                checks.append(AccessCheck(name, provider.name))
                continue
            response = client.send("GET", provider.check)
            for stream in source.streams:
                if stream.fields is not None:
                    read_fields(client, stream.fields)
        except ChurnkitError as error:
            checks.append(AccessCheck(name, provider.name, problem=_problem(error, provider)))
            continue
        seconds = _clock_seconds(response, clock)
        problem = None
        if seconds is not None and abs(seconds) > _MOST_CLOCK_SECONDS:
            problem = "the clock of this machine is wrong: correct it, or changes are missed"
        used = used_share(response.headers, provider.rate)
        checks.append(AccessCheck(name, provider.name, seconds, used, problem))
    return checks


def _problem(error: ChurnkitError, provider: Provider) -> str:
    refused = isinstance(error, StatusError) and error.status in {401, 403}
    return f"{error}; needed: {provider.access}" if refused and provider.access else str(error)


def _clock_seconds(response: Response, clock: Clock) -> float | None:
    try:
        served = parsedate_to_datetime(response.headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    served = served if served.tzinfo else served.replace(tzinfo=UTC)
    return (clock.now() - served).total_seconds()
