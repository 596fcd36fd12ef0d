"""Connections to MLflow: checked before it waits in silence, and searches of all pages."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["all_pages", "check_connection"]

_WAIT_SECONDS: Final = 10.0
_PORTS: Final = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}


def check_connection(uri: str, *, seconds: float = _WAIT_SECONDS) -> None:
    """Open and close a connection to a store.

    Parameters
    ----------
    uri
        Tracking or registry URI of MLflow; without a host and port nothing is checked, nor behind
        a proxy.
    seconds
        The longest wait.

    Raises
    ------
    ChurnkitError
        If there is no connection.

    Examples
    --------
    >>> check_connection("sqlite:///mlflow.db")
    """
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme.partition("+")[0])
    except ValueError:
        return
    if host is None or port is None:
        return
    if parts.scheme in getproxies() and not proxy_bypass(host):
        return
    try:
        socket.create_connection((host, port), timeout=seconds).close()
    except OSError as error:
        raise ChurnkitError(
            f"the model registry at {host}:{port} cannot be reached within {seconds:g} s "
            f"({error.strerror or type(error).__name__}): check the address, or start it"
        ) from None


def all_pages(search: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
    """Yield the results of a search of MLflow, which returns them in pages."""
    token = None
    while True:
        page = search(*arguments, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
