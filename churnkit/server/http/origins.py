"""Origins of pages that may call the service."""

from __future__ import annotations

import re
from typing import Final

from churnkit.errors import ChurnkitError

__all__ = ["parse_origins"]

_ORIGIN: Final = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")


def parse_origins(setting: str | None) -> frozenset[bytes]:
    """Return the origins of the setting ``cors``.

    Raises
    ------
    ChurnkitError
        If one is not exact: a wildcard, a path, a name without its scheme.

    Examples
    --------
    >>> sorted(parse_origins("https://crm.example.org, http://localhost:8080"))
    [b'http://localhost:8080', b'https://crm.example.org']
    """
    origins = [part.strip() for part in (setting or "").split(",") if part.strip()]
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ChurnkitError(
                "CHURNKIT_CORS must list exact origins in lower case, such as "
                f"https://crm.example.org, got {origin!r}"
            )
    return frozenset(origin.encode() for origin in origins)
