"""Settings of an application: limits, keys, reloading, journal and logging."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.errors import ChurnkitError
from churnkit.server.http.origins import parse_origins
from churnkit.server.settings_file import read_settings_file

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settings", "unknown_settings"]

_PREFIX = "CHURNKIT_"
_CONFIG = "CHURNKIT_CONFIG"
_PATHS = ("keys", "follow", "signer", "shadow", "prices", "bandit", "journal", "spool", "hooks")
# Variables of other commands.
_OTHER = {
    *(
        "CONFIG",
        "CSV_DELIMITER",
        "CSV_ENCODING",
        "DATA_DIR",
        "DEBUG",
        "EMBEDDINGS",
        "MEMBERS_SALT",
        "MODEL",
    ),
    *("PYMC_PYTHON", "FUZZ_SECONDS", "SERVICE_KEY", "SIGNING_KEY", "STATISTICS_SCALE", "TEST_ALL"),
}
SPOOL_SYNC = ("always", "second", "never")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one application.

    Each can be set in the environment, ``max_rows`` as ``CHURNKIT_MAX_ROWS``, or in the TOML file that
    ``CHURNKIT_CONFIG`` names, as ``max_rows``.

    Parameters
    ----------
    max_rows, max_body_bytes
        The most customers and bytes of a JSON body.
    max_arrow_rows, max_arrow_bytes
        The same for a body in Arrow's stream format.
    max_head_bytes, max_headers, head_seconds
        The most bytes and header fields of a request's head, and the time to send it. Under
        BentoML; see `churnkit.server.http.head_limits` for other servers.
    max_connections
        The most open connections of one address to a worker; 0 for no limit.
    body_seconds
        Time that a client has to send its body.
    drain_seconds
        When the service stops: time that an idle connection has to send one more request, which
        is answered with ``connection: close``. Under BentoML.
    max_concurrent
        The most requests that run in one worker; further ones get 503.
    keys
        File of API keys; without one, only this machine is answered.
    open
        Answer other machines without keys: only behind a gateway that authenticates.
    cors
        Exact origins whose pages browsers may let call the service, such as
        ``https://crm.example.org``, separated by commas; None for none.
    rate, burst
        Requests per second, and at once, for a key without own limits.
    follow
        Source of newer versions: a bundle's folder, or a registered model with an alias such as
        ``models:/telco@champion``; None for none.
    poll_seconds
        Time between two looks at files and registries; 0 for never.
    signer
        File with the public key that must have signed a bundle; None accepts any bundle.
    shadow
        A challenger that scores silently, named as for `churnkit.load`.
    prices
        File that ``churnkit plan --prices`` writes: recommendations use its shadow prices; None
        to decide on each request alone.
    bandit
        Folder that ``churnkit learn`` writes to: options are ranked by its newest state; None
        for the state of the bundle.
    journal
        SQLAlchemy URL of the journal for decisions and outcomes; None for none.
    hooks
        File with ``hooks = Hooks(...)``: signed webhooks of other programs that report outcomes at
        ``/v1/hooks/NAME``; None for none.
    spool
        Folder where decisions wait for the journal, for the service's user alone (mode 0700); if
        None, one per model and journal under ``$XDG_STATE_HOME`` or ``~/.local/state``.
    spool_sync
        When the disk holds a decision, not only the operating system: ``always`` before its
        reply, ``second`` within a second, or ``never``. Only a loss of power makes a difference.
    log
        Format of the service's log on stderr, ``json`` or ``text``; None leaves logging to the
        embedding program.
    direct
        With BentoML: whether requests reach the application before BentoML's own middleware.
        0 lets BentoML trace them.
    workers
        With BentoML: number of worker processes.

    Examples
    --------
    >>> Settings.from_environment({"CHURNKIT_MAX_ROWS": "50"}).max_rows
    50
    """

    max_rows: int = 1_000
    max_body_bytes: int = 1_000_000
    max_arrow_rows: int = 100_000
    max_arrow_bytes: int = 32_000_000
    max_head_bytes: int = 16_384
    max_headers: int = 100
    head_seconds: float = 10.0
    max_connections: int = 512
    body_seconds: float = 10.0
    drain_seconds: float = 1.0
    max_concurrent: int = 256
    keys: str | None = None
    open: bool = False
    cors: str | None = None
    rate: float = 100.0
    burst: float = 200.0
    follow: str | None = None
    poll_seconds: float = 5.0
    signer: str | None = None
    shadow: str | None = None
    prices: str | None = None
    bandit: str | None = None
    journal: str | None = None
    hooks: str | None = None
    spool: str | None = None
    spool_sync: str = "second"
    log: str | None = None
    direct: bool = True
    workers: int = 1

    def __post_init__(self) -> None:
        if self.spool_sync not in SPOOL_SYNC:
            raise ChurnkitError(
                f"CHURNKIT_SPOOL_SYNC must be {', '.join(SPOOL_SYNC[:-1])} or {SPOOL_SYNC[-1]}, "
                f"got {self.spool_sync!r}"
            )
        # A service that is packed first would fail in its workers only.
        parse_origins(self.cors)

    def absolute_paths(self) -> dict[str, str]:
        """Return the environment variables of all paths, made absolute.

        A process with another working folder then reads and writes the same files.

        Examples
        --------
        >>> Settings(follow="models:/telco@champion").absolute_paths()
        {'CHURNKIT_FOLLOW': 'models:/telco@champion'}
        """
        paths = {name: getattr(self, name) for name in _PATHS}
        return {
            _PREFIX + name.upper(): _absolute(name, text) for name, text in paths.items() if text
        }

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, **defaults: Any
    ) -> Settings:
        """Read the settings from environment variables, and from the file ``CHURNKIT_CONFIG``.

        A variable overrides the file.

        Parameters
        ----------
        environment
            The variables; those of this process if None.
        defaults
            Settings by name, for those whose variable is unset or empty.

        Returns
        -------
        Settings

        Raises
        ------
        ChurnkitError
            If a variable does not have its setting's type, or the file of settings cannot be
            read.
        """
        variables = _with_file(os.environ if environment is None else environment)
        settings: dict[str, Any] = {}
        for setting in fields(cls):
            text = variables.get(_PREFIX + setting.name.upper(), "")
            if text:
                settings[setting.name] = _parse(setting.name, text, type(setting.default))
        return cls(**{**defaults, **settings})


def _with_file(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables, with those that the file of settings adds."""
    variables = {name: text for name, text in environment.items() if text}
    config = variables.get(_CONFIG)
    if config is None:
        return variables
    settings = read_settings_file(config, paths=_PATHS)
    names = {setting.name for setting in fields(Settings)}
    in_file = {_PREFIX + name.upper(): text for name, text in settings.items() if name in names}
    return in_file | variables


def _names_in_file(environment: Mapping[str, str]) -> list[str]:
    """Return the names in the file of settings that are none, as variables if they are lower case."""
    config = environment.get(_CONFIG)
    if not config:
        return []
    names = set(read_settings_file(config, paths=_PATHS)) - {f.name for f in fields(Settings)}
    return sorted(_PREFIX + name.upper() if name.islower() else name for name in names)


def _absolute(setting: str, text: str) -> str:
    """Return a setting with its path, if it has one, made absolute."""
    if setting == "journal":
        from churnkit.journal.database import absolute_url

        return absolute_url(text)
    return text if text.startswith(("models:", "bento:")) else str(Path(text).absolute())


def unknown_settings(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return settings of the environment and of the file ``CHURNKIT_CONFIG`` that nothing reads.

    Parameters
    ----------
    environment
        The variables; those of this process if None.

    Returns
    -------
    dict of str to str
        The most similar variable by the unknown one; empty if none is similar.

    Examples
    --------
    >>> unknown_settings({"CHURNKIT_MAX_ROW": "50", "CHURNKIT_KEYS": "k"})
    {'CHURNKIT_MAX_ROW': 'CHURNKIT_MAX_ROWS'}
    """
    variables = os.environ if environment is None else environment
    known = {setting.name.upper() for setting in fields(Settings)} | _OTHER
    names = [name for name, text in variables.items() if name.startswith(_PREFIX) and text]
    unknown = [name for name in names if name.removeprefix(_PREFIX) not in known]
    similar = {}
    for name in sorted({*unknown, *_names_in_file(variables)}):
        short = name.upper().removeprefix(_PREFIX)
        matches = get_close_matches(short, sorted(known - {short}), n=1, cutoff=0.7)
        similar[name] = _PREFIX + matches[0] if matches else ""
    return similar


def _parse(name: str, text: str, kind: type[Any]) -> Any:
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
    expected = {bool: "0 or 1", int: "a whole number, at least 0", float: "a number, at least 0"}
    raise ChurnkitError(f"{_PREFIX}{name.upper()} must be {expected[kind]}, got {text!r}")
