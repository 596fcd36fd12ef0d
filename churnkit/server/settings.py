"""How an application is run: its limits, its keys, what it follows and where it writes."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settings"]

_PREFIX = "CHURNKIT_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one application.

    Each can come from the environment, as its name in capitals behind ``CHURNKIT_``:
    ``max_rows`` from ``CHURNKIT_MAX_ROWS``.

    Parameters
    ----------
    max_rows, max_body_bytes
        The most customers and bytes of one JSON body.
    max_arrow_rows, max_arrow_bytes
        The same of a body in Arrow's stream format.
    body_seconds
        How long a client may take to send its body.
    max_concurrent
        How many questions may be under way in one worker; further ones get 503.
    keys
        The file of API keys; None for no keys, and then only this machine is answered.
    open
        Whether other machines are answered without keys: only behind a gateway that asks
        for keys itself.
    rate, burst
        Requests a second, and at once, of a key whose entry says nothing else.
    follow
        What is asked for newer versions: a bundle's folder, or a registered model with an alias
        such as ``models:/telco@champion``; None for nothing.
    poll_seconds
        How often it is asked; 0 for never.
    signer
        The file with the public key that must have signed a bundle; None for any bundle.
    shadow
        A model that scores silently beside the one that answers, as `churnkit.load` names it.
    prices
        The file that ``churnkit plan --prices`` writes: recommendations are made at its shadow
        prices, and it is looked at again every `poll_seconds`; None to decide on each request
        alone.
    bandit
        The folder that ``churnkit learn`` writes to: options are ranked by its newest state, and
        it is looked at again every `poll_seconds`; None for the state of the bundle.
    journal
        Where decisions and outcomes are written, as a SQLAlchemy URL; None for nowhere.
    spool
        The folder where decisions wait for the journal; one of this user's among the temporary
        files if None. Where restarts take those away, name a folder that stays.
    log
        How the service's log is written to stderr, ``json`` or ``text``; None leaves that to the
        program around.
    direct
        Under BentoML: whether requests reach the application before BentoML's own middleware.
        0 to let it trace them.
    workers
        Under BentoML: how many processes answer.

    Examples
    --------
    >>> Settings.from_environment({"CHURNKIT_MAX_ROWS": "50"}).max_rows
    50
    """

    max_rows: int = 1_000
    max_body_bytes: int = 1_000_000
    max_arrow_rows: int = 100_000
    max_arrow_bytes: int = 32_000_000
    body_seconds: float = 10.0
    max_concurrent: int = 256
    keys: str | None = None
    open: bool = False
    rate: float = 100.0
    burst: float = 200.0
    follow: str | None = None
    poll_seconds: float = 5.0
    signer: str | None = None
    shadow: str | None = None
    prices: str | None = None
    bandit: str | None = None
    journal: str | None = None
    spool: str | None = None
    log: str | None = None
    direct: bool = True
    workers: int = 1

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, **otherwise: Any
    ) -> Settings:
        """Read the settings from environment variables.

        Parameters
        ----------
        environment
            The variables; those of this process if None.
        otherwise
            Settings by name, for those whose variable is unset or empty.

        Raises
        ------
        ChurnkitError
            If a variable is not of its setting's type.
        """
        given = os.environ if environment is None else environment
        found: dict[str, Any] = {}
        for setting in fields(cls):
            text = given.get(_PREFIX + setting.name.upper(), "")
            if text:
                found[setting.name] = _read(setting.name, text, type(setting.default))
        return cls(**{**otherwise, **found})


def _read(name: str, text: str, kind: type[Any]) -> Any:
    if kind is bool:
        if text.lower() in {"0", "false", "no", "1", "true", "yes"}:
            return text.lower() in {"1", "true", "yes"}
    elif kind in {int, float}:
        try:
            number = kind(text)
        except ValueError:
            number = -1
        if 0 <= number < float("inf"):
            return number
    else:
        return text
    words = {bool: "0 or 1", int: "a whole number from 0", float: "a number from 0"}
    raise ChurnkitError(f"{_PREFIX}{name.upper()} must be {words[kind]}")
