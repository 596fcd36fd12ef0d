"""Sources of a project, declared in ``sources.py``."""

from __future__ import annotations

import runpy
from typing import TYPE_CHECKING

from churnkit.connect.description.provider import Source
from churnkit.core.user_code_errors import format_exception
from churnkit.errors import ChurnkitError, ConnectError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Sources", "load_sources"]


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
    if not file.is_file():
        raise ConnectError(
            f"no {file}: declare the sources in it, such as "
            "sources = Sources(billing=Stripe(key=Env('STRIPE_KEY')))"
        )
    try:
        names = runpy.run_path(str(file))
    except ChurnkitError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - user code
        raise ConnectError(
            f"{file.name} cannot be run: {format_exception(error, file=file)}"
        ) from None
    declared = {id(value): value for value in names.values() if isinstance(value, Sources)}
    if len(declared) != 1:
        raise ConnectError(
            f"{file} declares {len(declared)} Sources, expected exactly one: sources = Sources(...)"
        )
    return next(iter(declared.values()))
