"""Provider, stream and endpoint: the description of an interface as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from churnkit.connect.description.paging import Paging, SinglePage
from churnkit.connect.http.auth import Auth, NoAuth
from churnkit.connect.http.rate_limit import RatePolicy
from churnkit.connect.secrets import Secret
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.connect.description.body_formats import BodyFormat

__all__ = ["Endpoint", "Family", "Fields", "Job", "Provider", "Source", "Stream"]

Family = Literal[
    "customers",
    "subscriptions",
    "transactions",
    "events",
    "tickets",
    "surveys",
    "reviews",
    "treatments",
]


@dataclass(frozen=True, slots=True)
class Job:
    """An export that is created, polled until it is done, and then read.

    Parameters
    ----------
    path, body
        Path of the POST request that creates the job, and its body.
    id
        Path of the job's id in the answer, ``{job}`` in templates.
    poll, state
        Path of the GET request for the state, and path of the state in its answer.
    done, failed
        States that end the job.
    file
        Path of an id in the last answer, which replaces the job's id in templates; empty for none.
    """

    path: str
    body: Mapping[str, Any]
    id: str
    poll: str
    state: str
    done: tuple[str, ...]
    failed: tuple[str, ...]
    file: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A list of records.

    Paths, parameters and the body are templates: ``{token}`` is the token of the page,
    ``{since}`` the start of the changes as ISO 8601 (``{since_unix}``, ``{since_ms}``: since
    1970; ``{since_number}``: a number of seconds), ``{until}`` the time of the run, ``{fields}`` the names of the described fields,
    ``{job}`` the id of the job, and further names are settings of the source. A parameter whose
    token is missing is left out.

    Parameters
    ----------
    path
        Path of the request.
    rows
        Path of the rows.
    paging
        Kind of paging.
    params, body, method
        Query parameters, body and method.
    item, explode
        Paths inside a row; see `churnkit.connect.description.row_paths.rows_at`.
    format
        Format of the body.
    job
        Job to run before the first page.
    only
        Path and value that select rows: ``("object", "customer")``.
    newest_first
        True if a record may occur several times, the newest version first.
    next_params
        Query parameters of the pages after the first; `params` if None.
    names
        Names of the columns, where rows are lists instead of objects.
    empty
        Status codes that mean that there are no rows.
    """

    path: str
    rows: str = ""
    paging: Paging = field(default_factory=SinglePage)
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    method: str = "GET"
    item: str = ""
    explode: str = ""
    format: BodyFormat = "json"
    job: Job | None = None
    only: tuple[str, Any] | None = None
    newest_first: bool = False
    next_params: Mapping[str, str] | None = None
    names: tuple[str, ...] = ()
    empty: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Fields:
    """An endpoint that describes the fields of a record.

    Parameters
    ----------
    path, rows
        Path of the request, and of the list of fields.
    name, type
        Paths of a field's name and type.
    kinds
        Kind of a column by the provider's type; text otherwise.
    skip
        Types of fields to leave out.
    """

    path: str
    rows: str
    name: str = "name"
    type: str = "type"
    kinds: Mapping[str, str] = field(default_factory=dict)
    skip: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stream:
    """Records of one kind.

    Parameters
    ----------
    name, family
        Name of the table, and the family of tables it belongs to.
    full
        Endpoint that lists all records.
    columns
        ``"path:kind"`` by column; kinds are text, number, flag, time (ISO 8601), seconds and
        milliseconds since 1970.
    changes, changes_days
        Endpoint that lists what changed since ``{since}``, and the days it reaches back; without
        one each pull reads all records.
    deleted
        Endpoint that lists deleted records.
    deletion
        Path and value that mark a deleted record: ``("status", "deleted")``.
    key
        Paths that identify a record.
    rest
        Path of an object whose other names become columns too; None for none.
    fields
        Description of the fields in `rest`.
    happened, ended
        Columns of the time at which the record began or happened, and ended.
    constant
        Columns that never change after the record begins.
    log
        True if records are events, which do not change.
    overlap_minutes
        Minutes that each pull reads again, for records that are committed late.
    on_request
        True if the stream is pulled only when the source selects fields for it.
    """

    name: str
    family: Family
    full: Endpoint
    columns: Mapping[str, str]
    changes: Endpoint | None = None
    changes_days: float | None = None
    deleted: Endpoint | None = None
    deletion: tuple[str, Any] | None = None
    key: tuple[str, ...] = ("id",)
    rest: str | None = None
    fields: Fields | None = None
    happened: str | None = None
    ended: str | None = None
    constant: tuple[str, ...] = ()
    log: bool = False
    overlap_minutes: float = 10.0
    on_request: bool = False


@dataclass(frozen=True, slots=True)
class Provider:
    """Description of a provider's interface; calling it declares a source.

    Parameters
    ----------
    name
        Name of the provider.
    base_url
        URL of the interface; ``{name}`` is a setting.
    auth
        Kind of authentication.
    rate
        Rate limit.
    streams
        Streams of records.
    headers
        Headers of every request.
    settings
        Names of required settings that are not secret, such as the subdomain.
    check
        Path of a cheap request that shows the access.
    expired
        Error codes that mean an expired page token; 400, 404, 410 and 422 always do.
    access
        What the secrets are and what they must allow, for the documentation and for
        `churnkit connect check`.

    Examples
    --------
    >>> from churnkit.connect import Env, Stripe
    >>> Stripe(key=Env("STRIPE_KEY")).provider.name
    'stripe'
    """

    name: str
    base_url: str
    auth: Auth = field(default_factory=NoAuth)
    rate: RatePolicy = field(default_factory=lambda: RatePolicy(5.0))
    streams: tuple[Stream, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    check: str = ""
    expired: tuple[str, ...] = ()
    access: str = ""

    def __call__(
        self,
        *,
        base_url: str | None = None,
        streams: tuple[str, ...] | None = None,
        fields: Mapping[str, tuple[str, ...]] | None = None,
        constant: Mapping[str, tuple[str, ...]] | None = None,
        require: Mapping[str, tuple[str, ...]] | None = None,
        quota_share: float = 0.8,
        **access: Secret | str,
    ) -> Source:
        """Declare a source of this provider.

        Parameters
        ----------
        base_url
            Another server of the same interface: a sandbox or a proxy.
        streams
            Names of the streams to pull; all if None.
        fields
            Fields to read by stream; all if None.
        constant
            Columns by stream that never change, so that their first value holds for the past.
        require
            Columns by stream that must keep their name and kind.
        quota_share
            Share of the daily quota that may be used.
        **access
            Secrets (`Env`, `SecretFile`, `Command`) and settings by name.

        Returns
        -------
        Source
            The declared source.

        Raises
        ------
        ConnectError
            If a secret or setting is missing or not needed, or a secret is given as text.
        """
        secrets = {name: value for name, value in access.items() if isinstance(value, Secret)}
        settings = {name: value for name, value in access.items() if isinstance(value, str)}
        _check_names(self, secrets, settings)
        available = {stream.name for stream in self.streams}
        for group in (streams or (), fields or (), constant or (), require or ()):
            for name in group:
                if name not in available:
                    names = ", ".join(sorted(available))
                    raise ConnectError(f"{self.name} has no stream '{name}': use {names}")
        if not 0.0 < quota_share <= 1.0:
            raise ConnectError(f"{self.name}: quota_share must be above 0 and at most 1")
        return Source(
            self,
            secrets,
            settings,
            base_url or self.base_url.format(**settings),
            streams,
            fields or {},
            constant or {},
            require or {},
            quota_share,
        )


@dataclass(frozen=True, slots=True)
class Source:
    """A declared source: a provider with its access.

    Parameters
    ----------
    provider
        Description of the interface.
    secrets, settings
        References to secrets, and settings.
    base_url
        URL of the server.
    names
        Names of the streams to pull; None for all.
    fields, constant, require
        Fields to read, columns that never change, and required columns, by stream.
    quota_share
        Share of the daily quota that may be used.
    """

    provider: Provider
    secrets: Mapping[str, Secret]
    settings: Mapping[str, str]
    base_url: str
    names: tuple[str, ...] | None = None
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    constant: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    require: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    quota_share: float = 0.8

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Streams to pull."""
        streams = self.provider.streams
        return tuple(
            stream
            for stream in streams
            if (self.names is None or stream.name in self.names)
            and (stream.name in self.fields or not stream.on_request)
        )

    def secret(self, name: str) -> str:
        """Return the value of a secret."""
        return self.secrets[name].resolve()


def _check_names(
    provider: Provider, secrets: Mapping[str, Secret], settings: Mapping[str, str]
) -> None:
    for name in provider.auth.secrets:
        if name in settings:
            raise ConnectError(
                f"{provider.name}: {name} is a secret and must not be written into the file: pass "
                "Env('NAME'), SecretFile('PATH') or Command('...')"
            )
        if name not in secrets:
            raise ConnectError(f"{provider.name}: pass the secret {name}=Env('NAME')")
    for name in provider.settings:
        if name not in settings:
            raise ConnectError(f"{provider.name}: pass {name}='...'")
    for name in (*secrets, *settings):
        if name not in (*provider.auth.secrets, *provider.settings):
            needed = ", ".join((*provider.auth.secrets, *provider.settings)) or "none"
            raise ConnectError(f"{provider.name} has no setting '{name}'; settings: {needed}")
