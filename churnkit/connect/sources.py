"""Sources and destinations of a project, declared in ``sources.py``."""

from __future__ import annotations

import runpy
from typing import TYPE_CHECKING, TypeVar

from churnkit.connect.alerts.alerts import Alerts
from churnkit.connect.description.provider import Source
from churnkit.connect.webhooks import Hooks
from churnkit.core.user_code_errors import format_exception
from churnkit.errors import ChurnkitError, ConnectError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from churnkit.connect.delivery.messages import Destination

__all__ = [
    "Destinations",
    "Sources",
    "load_alerts",
    "load_destinations",
    "load_hooks",
    "load_sources",
]

T = TypeVar("T")


class Sources:
    """Declared sources by name.

    Parameters
    ----------
    **sources
        Sources, such as ``crm=HubSpot(key=Env("HUBSPOT_TOKEN"))``.

    Raises
    ------
    ConnectError
        If a value is not a source.

    Examples
    --------
    >>> from churnkit.connect import Env, HubSpot, Stripe
    >>> sources = Sources(
    ...     crm=HubSpot(key=Env("HUBSPOT_TOKEN")), billing=Stripe(key=Env("STRIPE_KEY"))
    ... )
    >>> list(sources)
    ['crm', 'billing']
    """

    def __init__(self, **sources: Source) -> None:
        for name, source in sources.items():
            if not isinstance(source, Source):
                raise ConnectError(
                    f"source '{name}' is not a source: declare it as {name}=Stripe(key=Env('KEY'))"
                )
        self._sources = sources

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __getitem__(self, name: str) -> Source:
        return self._sources[name]

    def to_dict(self) -> dict[str, Source]:
        """Return the sources by name."""
        return dict(self._sources)


class Destinations:
    """Declared destinations by name.

    Parameters
    ----------
    **destinations
        Destinations, such as ``crm=HubSpotRecords(key=Env("HUBSPOT_TOKEN"))``.

    Raises
    ------
    ConnectError
        If a value is not a destination.

    Examples
    --------
    >>> from churnkit.connect import Destinations, Env, HubSpotRecords
    >>> list(Destinations(crm=HubSpotRecords(key=Env("HUBSPOT_TOKEN"))))
    ['crm']
    """

    def __init__(self, **destinations: Destination) -> None:
        for name, destination in destinations.items():
            if not callable(getattr(destination, "open", None)):
                raise ConnectError(
                    f"destination '{name}' is not a destination: declare it as "
                    f"{name}=HubSpotRecords(key=Env('KEY'))"
                )
        self._destinations = destinations

    def __iter__(self) -> Iterator[str]:
        return iter(self._destinations)

    def __getitem__(self, name: str) -> Destination:
        """Return a destination.

        Raises
        ------
        ConnectError
            If there is none with this name.
        """
        if name not in self._destinations:
            declared = ", ".join(sorted(self._destinations)) or "none"
            raise ConnectError(f"no destination '{name}' in sources.py; declared: {declared}")
        return self._destinations[name]


def load_sources(file: Path) -> Sources:
    """Run a file and return the sources that it declares.

    Parameters
    ----------
    file
        Path of ``sources.py``.

    Returns
    -------
    Sources
        The declared sources.

    Raises
    ------
    ConnectError
        If the file is missing, fails, or does not declare exactly one `Sources`.
    """
    return _load(file, Sources, "sources = Sources(billing=Stripe(key=Env('STRIPE_KEY')))")


def load_destinations(file: Path) -> Destinations:
    """Run a file and return the destinations that it declares.

    Parameters
    ----------
    file
        Path of ``sources.py``.

    Returns
    -------
    Destinations
        The declared destinations.

    Raises
    ------
    ConnectError
        If the file is missing, fails, or does not declare exactly one `Destinations`.
    """
    return _load(
        file, Destinations, "destinations = Destinations(crm=HubSpotRecords(key=Env('KEY')))"
    )


def load_alerts(file: Path) -> Alerts:
    """Run a file and return the alerts that it declares.

    Parameters
    ----------
    file
        Path of ``sources.py``.

    Returns
    -------
    Alerts
        The declared alerts.

    Raises
    ------
    ConnectError
        If the file is missing, fails, or does not declare exactly one `Alerts`.
    """
    return _load(file, Alerts, "alerts = Alerts(RiskRise(0.2), to='team')")


def load_hooks(file: Path) -> Hooks:
    """Run a file and return the hooks that it declares.

    Parameters
    ----------
    file
        Path of ``sources.py``.

    Returns
    -------
    Hooks
        The declared hooks.

    Raises
    ------
    ConnectError
        If the file is missing, fails, or does not declare exactly one `Hooks`.
    """
    return _load(file, Hooks, "hooks = Hooks(billing=StripeHook(Env('STRIPE_HOOK')))")


def _load(file: Path, kind: type[T], example: str) -> T:
    if not file.is_file():
        raise ConnectError(f"{file} does not exist: declare in it, such as {example}")
    try:
        names = runpy.run_path(str(file))
    except ChurnkitError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - user code
        raise ConnectError(
            f"{file.name} cannot be run: {format_exception(error, file=file)}"
        ) from None
    declared = {id(value): value for value in names.values() if isinstance(value, kind)}
    if len(declared) != 1:
        raise ConnectError(
            f"{file} declares {len(declared)} {kind.__name__}, expected exactly one: {example}"
        )
    return next(iter(declared.values()))
